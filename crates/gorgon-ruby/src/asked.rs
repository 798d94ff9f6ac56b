//! What `rake test` runs where the Rakefile's text does not tell it: Rake itself loads the Rakefile and says it.

use std::path::Path;
use std::time::Duration;

use gorgon_process::command::{Bounds, CommandError, run_bounded};
use gorgon_process::exit;
use gorgon_proto::job::{Variable, Way};
use serde::Deserialize;

use crate::command;
use crate::rakefile::{Beside, RakeTest, TaskFiles, rake_test};
use crate::scripts;
use crate::settings::RubySettings;

/// How long Rake may take to load a Rakefile.
const LIMIT: Duration = Duration::from_secs(20);
/// Maximum size of Rake's answer, in bytes. The answer for 100,000 files is smaller.
const MOST_BYTES: usize = 16 << 20;

/// What `rake test` runs, and whether that is known.
#[derive(Debug)]
pub struct Told {
    /// As the Rakefile's text says it, or Rake itself.
    pub rake: RakeTest,
    /// Rake was asked.
    pub asked: bool,
    /// Neither the text nor Rake tells it; the reason.
    pub untold: Option<Untold>,
    /// The text tells it, but not what other files define that the Rakefile loads, and Rake does not either: why.
    pub unloaded: Option<Untold>,
}

/// Why the Rakefile does not tell which files are tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold {
    /// In words.
    pub why: String,
}

/// Prefix of the error messages of `ruby/rake/ask.rb`.
const SAID: &str = "gorgon: ";

#[derive(Deserialize)]
struct Answer {
    /// The task that leads to the tests.
    root: String,
    tasks: Vec<TestTask>,
    others: Vec<String>,
    /// Tasks that it needs and that are no tests.
    more: Vec<String>,
    /// Test tasks that only the default task needs.
    more_tests: Vec<String>,
    environment: Vec<Variable>,
}

#[derive(Deserialize)]
struct TestTask {
    name: String,
    needs: Vec<String>,
    directories: Vec<String>,
    files: Vec<String>,
    ruby_opts: Vec<String>,
    options: String,
    /// Ruby loads its files by a text, without Rake's loader.
    direct: bool,
    /// Ruby warns of everything.
    warning: bool,
    #[serde(default)]
    prelude: Option<String>,
    #[serde(default)]
    framework: Option<String>,
}

/// Returns what `rake test` runs in this project, from the Rakefile's text, or, where that does not tell it, from
/// Rake; none where no Rakefile has a test task.
#[must_use]
pub fn rake_tells(settings: &RubySettings) -> Option<Told> {
    let read = rake_test(&settings.directory)?;
    if read.unread.is_empty() && !read.vague {
        return Some(Told {
            rake: read,
            asked: false,
            untold: None,
            unloaded: None,
        });
    }
    Some(match ask(settings) {
        Ok(rake) => Told {
            // No task runs there, so its text alone tells what they set.
            rake: rake?.with_environment_of(&read),
            asked: true,
            untold: None,
            unloaded: None,
        },
        // Nothing says that it has tests.
        Err(_) if read.guessed => return None,
        Err(failed) => {
            let (why, of_commands) = match failed {
                Failed::Load(why) => (why, false),
                Failed::Commands(why) => (why, true),
            };
            // The files may be known; only the load path is not.
            let known = read.unread.is_empty() && !(read.loads_more && of_commands);
            let unloaded = known && read.loads_more;
            Told {
                untold: (!known).then(|| Untold { why: why.clone() }),
                unloaded: unloaded.then_some(Untold { why }),
                rake: read,
                asked: false,
            }
        }
    })
}

/// Returns how Ruby starts for test files where Rake has to be asked; none where the text says it, or nobody does.
#[must_use]
pub fn asked_ways(settings: &RubySettings) -> Vec<Way> {
    if settings.ruby.is_some() {
        return Vec::new();
    }
    match rake_tells(settings) {
        Some(told) if told.asked => told.rake.ways,
        _ => Vec::new(),
    }
}

/// Why Rake does not tell it.
enum Failed {
    /// It does not load the Rakefile.
    Load(String),
    /// A task runs commands that may be tests.
    Commands(String),
}

/// Asks Rake; none where it has no test task.
fn ask(settings: &RubySettings) -> Result<Option<RakeTest>, Failed> {
    let scripts = scripts::unpack().map_err(|error| Failed::Load(exit::chain(&error)))?;
    let command = command::ruby(settings, &scripts.join("rake/ask.rb"));
    let bounds = Bounds {
        keep_bytes: MOST_BYTES,
        ..Bounds::within(LIMIT)
    };
    let said = run_bounded(command, &bounds, b"").map_err(|error| Failed::Load(why(&error)))?;
    let answer: Answer = serde_json::from_str(&said.stdout)
        .map_err(|error| Failed::Load(format!("rake said what cannot be read: {error}")))?;
    if let [first, ..] = &answer.others[..] {
        let why = format!("the task {first} starts commands of its own");
        return Err(Failed::Commands(why));
    }
    let has_tasks = !answer.tasks.is_empty();
    Ok(has_tasks.then(|| of_answer(&settings.directory, &answer)))
}

fn why(error: &CommandError) -> String {
    match error {
        CommandError::TimedOut { limit, .. } => {
            format!("rake took more than {} s", limit.as_secs())
        }
        CommandError::Spawn(_) | CommandError::Ended { .. } | CommandError::Cancelled { .. } => {
            let said = error.said().map(ToString::to_string).unwrap_or_default();
            // Our script's own line, behind what the Rakefile has printed; else the first of what Ruby says.
            let own = said.lines().find_map(|line| line.strip_prefix(SAID));
            let raised = || said.lines().find(|line| line.contains(":in "));
            let line = own.or_else(raised).or_else(|| said.lines().next());
            // Without the place that raised it.
            match line.map(|line| line.split_once("': ").map_or(line, |it| it.1)) {
                Some(line) => format!("rake does not load it: {}", line.trim()),
                None => exit::chain(error),
            }
        }
    }
}

fn of_answer(project: &Path, answer: &Answer) -> RakeTest {
    let root = project;
    let project = project.to_string_lossy();
    let inside = |path: &str| {
        let path = path
            .strip_prefix(&*project)
            .map_or(path, |it| it.trim_start_matches('/'));
        literal(path.strip_prefix("./").unwrap_or(path))
    };
    let mut rake = RakeTest::default();
    for task in &answer.tasks {
        // What a glob has found is there.
        let missing = task.files.iter().filter(|it| !root.join(it).exists());
        rake.missing.extend(missing.cloned());
        let globs: Vec<String> = task.files.iter().map(|it| inside(it)).collect();
        for glob in &globs {
            if !rake.globs.contains(glob) {
                rake.globs.push(glob.clone());
            }
        }
        let preludes = [&task.prelude, &task.framework].map(|it| it.as_deref().unwrap_or_default());
        rake.tasks.push(TaskFiles {
            name: task.name.clone(),
            globs: globs.clone(),
            excludes: Vec::new(),
            how: format!(
                "{:?}{:?}{:?}{:?}{:?}",
                task.directories, task.ruby_opts, task.options, task.prelude, task.needs
            ),
        });
        let way = Way {
            globs,
            prelude: task.prelude.clone(),
            ..rake.add_task(
                &task.directories,
                &task.ruby_opts,
                &preludes,
                &task.options,
                (task.direct, task.warning),
            )
        };
        rake.ways.push(way);
    }
    let more = [
        (format!("rake {}", answer.root), &answer.more, false),
        ("rake".to_owned(), &answer.more_tests, true),
    ];
    for (command, tasks, are_tests) in more {
        if !tasks.is_empty() {
            rake.beside.push(Beside {
                command,
                tasks: tasks.clone(),
                are_tests,
            });
        }
    }
    rake.join_ways();
    rake.set_environment(&answer.environment);
    // The files of the largest task are those that no other one names: the message stays small.
    let most = (0..rake.ways.len()).max_by_key(|&at| rake.ways[at].globs.len());
    if let Some(way) = most.and_then(|at| rake.ways.get_mut(at)) {
        way.globs.clear();
    }
    rake
}

/// A path as a glob that names it alone.
fn literal(path: &str) -> String {
    let mut glob = String::with_capacity(path.len());
    for character in path.chars() {
        if "*?[]{}\\".contains(character) {
            glob.push('\\');
        }
        glob.push(character);
    }
    glob
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(rakefile: &str) -> tempfile::TempDir {
        let project = tempfile::tempdir().unwrap();
        for directory in ["test/a", "test/b"] {
            std::fs::create_dir_all(project.path().join(directory)).unwrap();
        }
        for file in ["test/a/x.rb", "test/a/slow_test.rb", "test/b/[y].rb"] {
            std::fs::write(project.path().join(file), "").unwrap();
        }
        let rakefile = format!("require 'rake/testtask'\n{rakefile}");
        std::fs::write(project.path().join("Rakefile"), rakefile).unwrap();
        project
    }

    /// What is told: globs, then the ways, or why not.
    #[track_caller]
    fn check(rakefile: &str, expected: &str) {
        let project = project(rakefile);
        let told = rake_tells(&RubySettings::in_place(project.path())).unwrap();
        let shown = match told.untold {
            Some(untold) => untold.why,
            None => {
                let ways = told.rake.ways.iter();
                let ways: Vec<String> = ways
                    .map(|way| {
                        let requires: String =
                            way.requires.iter().map(|it| format!(" -r{it}")).collect();
                        format!(
                            "{}{requires} {}",
                            way.directories.join(":"),
                            way.globs.join(" ")
                        )
                    })
                    .collect();
                format!("{} | {}", told.rake.globs.join(" "), ways.join(" or "))
            }
        };
        assert_eq!(shown, expected, "{rakefile}");
        assert!(told.asked || !shown.contains(" | "), "{rakefile}");
    }

    #[test]
    fn rake_tells_what_the_text_does_not() {
        check(
            "%w[a b].each { |n| Rake::TestTask.new(\"test:#{n}\") { |t| t.libs << n; t.pattern = \"test/#{n}/*.rb\" } }\ntask test: %w[test:a test:b]\n",
            "test/a/slow_test.rb test/a/x.rb test/b/\\[y\\].rb | lib:a  or lib:b test/b/\\[y\\].rb",
        );
        check(
            "Rake::TestTask.new { |t| t.test_files = Dir['test/a/*.rb'].reject { |f| f =~ /slow/ }; t.ruby_opts << '-rset' << '-w' }\n",
            "test/a/x.rb | lib -rset ",
        );
        check(
            "puts 'noise'\nRake::TestTask.new { |t| t.pattern = ENV.fetch('NO_SUCH', 'test/*/x.rb') }\nat_exit { puts 'more' }\n",
            "test/a/x.rb | lib ",
        );
    }

    #[test]
    fn tasks_that_another_file_defines_are_asked_for() {
        let project = project("Dir['build/*.rb'].each { |file| load file }\n");
        let settings = RubySettings::in_place(project.path());
        assert!(rake_tells(&settings).is_none());
        std::fs::create_dir(project.path().join("build")).unwrap();
        let tasks = "Rake::TestTask.new { |t| t.pattern = 'test/b/*' }\n";
        std::fs::write(project.path().join("build/tests.rb"), tasks).unwrap();
        let told = rake_tells(&settings).unwrap();
        assert_eq!(told.rake.globs, ["test/b/\\[y\\].rb"]);
    }

    #[test]
    fn tasks_that_files_of_the_project_define_run_as_well() {
        let more = "require 'rake/testtask'\nRake::TestTask.new(:more) { |t| t.pattern = 'test/b/*' }\nRake::Task.define_task(test: :more)\n";
        for (said, file) in [
            ("require_relative 'build/more'\n", "build/more.rb"),
            ("$:.unshift 'build'\nrequire 'more'\n", "build/more.rb"),
            ("import 'build/more.rk'\n", "build/more.rk"),
            (
                "Dir['build/**/*.rake'].each { |it| load it }\n",
                "build/ci/more.rake",
            ),
        ] {
            let project = project(&format!(
                "{said}Rake::TestTask.new {{ |t| t.pattern = 'test/a/*' }}\n"
            ));
            let path = project.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, more).unwrap();
            let told = rake_tells(&RubySettings::in_place(project.path())).unwrap();
            let globs = told.rake.globs;
            let expected = ["test/b/\\[y\\].rb", "test/a/slow_test.rb", "test/a/x.rb"];
            assert!(
                expected
                    .iter()
                    .all(|it| globs.iter().any(|glob| glob == it)),
                "{said}: {globs:?}"
            );
        }
    }

    #[test]
    fn the_text_counts_where_rake_cannot_load_what_it_loads() {
        let project =
            project("require './more'\nRake::TestTask.new { |t| t.pattern = 'test/a/*' }\n");
        let more = "require 'no_such_library'\ntask(:more)\n";
        std::fs::write(project.path().join("more.rb"), more).unwrap();
        let told = rake_tells(&RubySettings::in_place(project.path())).unwrap();
        assert_eq!(told.rake.globs, ["test/a/*"]);
        assert!(told.untold.is_none());
        let why = told.unloaded.unwrap().why;
        assert!(why.contains("no_such_library"), "{why}");
        // What it loads runs tests by a command.
        let more = "task(:test) { ruby 'test/b/[y].rb' }\n";
        std::fs::write(project.path().join("more.rb"), more).unwrap();
        let told = rake_tells(&RubySettings::in_place(project.path())).unwrap();
        assert!(told.untold.is_some() && told.unloaded.is_none());
    }

    #[test]
    fn where_rake_does_not_tell_it_is_said_why() {
        check(
            "task(:test) { system 'ruby', '-e', 'require \"./test/a/x\"' }\n",
            "the task test (Rakefile:2) starts commands of its own",
        );
        check(
            "require 'no_such_library'\nRake::TestTask.new { |t| t.pattern = x }\n",
            "rake does not load it: LoadError: cannot load such file -- no_such_library",
        );
        check(
            "Rake::TestTask.new { |t| t.pattern = x }\nexit 0\n",
            "rake does not load it: NameError: undefined local variable or method `x' for main:Object",
        );
        check(
            "task(:test) { sh x }\nabort 'not here'\n",
            "rake does not load it: it exits with 1",
        );
    }
}
