//! What the test tasks of a Rakefile say, read from its text: no Ruby is started for that.
//!
//! `rake test` runs the files that a `Rake::TestTask` (or `Minitest::TestTask`, or Hoe) names, with the
//! directories on the load path that it names. Most Rakefiles say both in literals. Where one does
//! not, the task is *unread*, and the caller falls back to the usual names and says so.

mod actions;
mod blocks;
mod chosen;
mod environment;
mod lists;
mod loads;
mod options;
mod plain;
mod specs;
mod task;
mod text;
mod tokens;
mod words;

use std::fs;
use std::path::Path;

use gorgon_proto::job::{Variable, Way};

use chosen::{Prerequisites, chosen};
use environment::Environment;
use lists::is_glob;
use loads::{Load, loads_more};
use options::{RubyOptions, required, telling};
use task::{MINITEST_FILES, Task};
use text::{read, text_of};
use words::{Statement, statements};

/// The files of Rake's test task if its block names none.
const RAKE_FILES: &str = "test/test*.rb";
/// Directories of files that a task runs by `ruby` to test something. Files elsewhere compile or generate.
const TEST_DIRECTORIES: [&str; 3] = ["test/", "tests/", "spec/"];
/// How many directories deep tests are looked for beside it.
const MOST_DEPTH: usize = 8;
/// Signs in the text of a file that it looks for test files and runs them itself.
const RUNS_OTHERS: [&str; 3] = ["AutoRunner.run", "Minitest.run", "RSpec::Core::Runner"];

/// What `rake test` runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RakeTest {
    /// Globs of its files, in the order of the tasks.
    pub globs: Vec<String>,
    /// Globs of files that it leaves out.
    pub excludes: Vec<String>,
    /// Files that it names without looking for them, and that do not exist: it fails.
    pub missing: Vec<String>,
    /// How Ruby is started for them: one way for all, or one for the files of each task.
    pub ways: Vec<Way>,
    /// Tasks whose files cannot be told from the text.
    pub unread: Vec<String>,
    /// What its text says of the load path or the environment was not understood in full.
    pub vague: bool,
    /// Options of Ruby that its tasks give, and that have no effect here.
    pub ruby_opts: Vec<String>,
    /// Options of the framework that its tasks give, and that have no effect here.
    pub options: Vec<String>,
    /// There may be such a task in a file that was not read; the text has none.
    pub guessed: bool,
    /// What it sets in the environment, as far as its text tells.
    environment: Vec<Variable>,
    scripts: Vec<Script>,
}

/// A file that a task runs by `ruby`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Script {
    /// Of the task.
    name: String,
    path: String,
    options: RubyOptions,
}

/// Returns the patterns that the Rakefile's task of RSpec names in literals.
#[must_use]
pub fn rspec_patterns(project: &Path) -> Vec<String> {
    text_of(project).map_or_else(Vec::new, |it| specs::patterns(&it.text))
}

/// Reads what `rake test` runs in this project; none where no Rakefile has a test task.
#[must_use]
pub fn rake_test(project: &Path) -> Option<RakeTest> {
    let said = text_of(project)?;
    let (found, loads) = of_text(&said.text);
    let mut found = if loads_more(project, loads, &said.read) {
        let mut found = found.unwrap_or_else(|| RakeTest {
            guessed: true,
            ..RakeTest::default()
        });
        add(&mut found.unread, &["test".to_owned()]);
        found
    } else {
        found?
    };
    let excludes = &found.excludes;
    found
        .missing
        .retain(|it| !excludes.contains(it) && !project.join(it).exists());
    if !found.missing.is_empty() && excludes.iter().any(|it| is_glob(it)) {
        add(&mut found.unread, &["test".to_owned()]);
    }
    for script in std::mem::take(&mut found.scripts) {
        let Some(text) = read(&project.join(&script.path)) else {
            continue;
        };
        let around = project.join(&script.path);
        let around = around.parent().unwrap_or(project);
        let mut way = Way {
            directories: script.options.directories,
            requires: script.options.requires,
            ..Way::default()
        };
        if RUNS_OTHERS.iter().any(|it| text.contains(it)) || has_tests(around, MOST_DEPTH) {
            let directory = script.path.split('/').next().unwrap_or_default();
            add(&mut way.directories, &["lib", directory].map(str::to_owned));
            let mut requires = required(&text);
            requires.retain(|name| !is_test(name) || !around.join(format!("{name}.rb")).is_file());
            way.requires.extend(requires);
            add(&mut found.unread, &[script.name]);
        } else {
            way.globs.push(script.path);
            add(&mut found.globs, &way.globs);
        }
        found.ways.push(way);
    }
    found.join_ways();
    let environment = found.environment.clone();
    found.set_environment(&environment);
    Some(found)
}

impl RakeTest {
    /// Notes options that have no effect here.
    fn note(&mut self, ruby: &RubyOptions, framework: &str) {
        add(&mut self.ruby_opts, &ruby.others);
        add(&mut self.options, telling(framework).as_slice());
    }

    /// Adds a task as Rake tells it: how it starts Ruby that has these `libs` and options, runs these texts first, and
    /// gives these options to the framework.
    pub(crate) fn add_task(
        &mut self,
        libs: &[String],
        ruby_opts: &[String],
        preludes: &[&str],
        framework_options: &str,
    ) -> Way {
        let mut options = RubyOptions::default();
        let mut said = ruby_opts.iter().flat_map(|it| it.split_whitespace());
        while options.take(&mut said).is_some() {}
        let requires = preludes.iter().flat_map(|text| required(text));
        options.requires.extend(requires);
        self.note(&options, framework_options);
        way(libs, &options)
    }

    /// Gives all tasks this environment, which the Rakefile sets when it is loaded.
    pub(crate) fn set_environment(&mut self, environment: &[Variable]) {
        for way in &mut self.ways {
            way.environment = environment.to_vec();
        }
    }

    /// Adds what the text tells of the environment, and Rake does not.
    pub(crate) fn with_environment_of(mut self, text: &Self) -> Self {
        for way in &mut self.ways {
            for variable in &text.environment {
                if !way.environment.iter().any(|it| it.name == variable.name) {
                    way.environment.push(variable.clone());
                }
            }
        }
        self
    }

    /// Ways that differ in their files alone are one.
    pub(crate) fn join_ways(&mut self) {
        let said = |way: &Way| (way.directories.clone(), way.requires.clone());
        if self
            .ways
            .windows(2)
            .all(|two| said(&two[0]) == said(&two[1]))
        {
            self.ways.truncate(1);
            if let Some(only) = self.ways.first_mut() {
                only.globs.clear();
                only.excludes.clear();
            }
        }
    }
}

/// Tells whether files with usual names of tests lie below: then a script there loads them.
fn has_tests(directory: &Path, depth: usize) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut entries = entries.filter_map(|it| Some((it.file_type().ok()?, it)));
    entries.any(|(kind, entry)| {
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() {
            return depth > 0 && name != "fixtures" && has_tests(&entry.path(), depth - 1);
        }
        name.strip_suffix(".rb").is_some_and(is_test)
    })
}

/// Tells whether a file of that name is usually one with tests.
fn is_test(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or_default();
    let begins = ["test_", "test-"].iter().any(|it| name.starts_with(it));
    (begins || name.ends_with("_test")) && !name.ends_with("helper")
}

/// Reads what `rake test` runs by the text of a Rakefile, and what that loads besides.
fn of_text(text: &str) -> (Option<RakeTest>, Vec<Load>) {
    let mut tasks: Vec<Task> = Vec::new();
    let mut of = Prerequisites::default();
    let mut scripts: Vec<Script> = Vec::new();
    let mut hoe = None;
    let mut variables = Vec::new();
    let mut loads = Vec::new();
    for statement in statements(text) {
        match statement {
            Statement::Task { name, minitest } => tasks.push(Task::of(name, minitest)),
            Statement::Needs {
                name,
                needs,
                sometimes,
            } => {
                if sometimes {
                    of.sometimes
                        .extend(needs.iter().map(|it| (name.clone(), it.clone())));
                }
                of.needs.entry(name).or_default().extend(needs);
            }
            Statement::Unsure(name) => of.unsure.push(name),
            Statement::Computed => of.computed = true,
            Statement::Name(name) => {
                if let Some(task) = tasks.last_mut() {
                    task.name = name;
                }
            }
            Statement::Files {
                files,
                more,
                pattern,
            } => {
                if let Some(task) = tasks.last_mut().or(hoe.as_mut()) {
                    task.add_files(files, more, pattern);
                }
            }
            Statement::Libs { libs, more, first } => {
                if let Some(task) = tasks.last_mut() {
                    task.is_vague |= !libs.whole;
                    let before = if more {
                        std::mem::take(&mut task.libs)
                    } else {
                        Vec::new()
                    };
                    task.libs = if first {
                        [libs.globs, before].concat()
                    } else {
                        [before, libs.globs].concat()
                    };
                }
            }
            Statement::Options {
                options,
                more,
                vague,
            } => {
                if let Some(task) = tasks.last_mut() {
                    if !more {
                        task.options = RubyOptions::default();
                    }
                    task.options.add(options);
                    task.is_vague |= vague;
                }
            }
            Statement::FrameworkOptions { options, more } => {
                if let Some(task) = tasks.last_mut() {
                    if !more {
                        task.framework_options.clear();
                    }
                    task.framework_options.push(' ');
                    task.framework_options.push_str(&options);
                }
            }
            Statement::Script {
                name,
                path,
                options,
            } => {
                if TEST_DIRECTORIES.iter().any(|it| path.starts_with(it)) {
                    scripts.push(Script {
                        name,
                        path,
                        options,
                    });
                }
            }
            Statement::Framework(requires) => {
                if let Some(task) = tasks.last_mut() {
                    task.is_vague |= requires.is_none();
                    task.framework = requires.unwrap_or_default();
                }
            }
            Statement::Variable { task, variable } => variables.push((task, variable)),
            Statement::Load(load) => loads.push(load),
            Statement::Hoe => hoe = Some(Task::of("test".to_owned(), true)),
        }
    }
    if tasks.is_empty() {
        tasks.extend(hoe);
    }
    let chosen = chosen(&tasks, &scripts, &of);
    if chosen.tasks.is_empty() && chosen.scripts.is_empty() && chosen.unsure.is_empty() {
        return (None, loads);
    }
    let mut environment = Environment::default();
    for (task, variable) in variables {
        if task.is_none_or(|task| chosen.runs(&task)) {
            environment.set(variable);
        }
    }
    let mut all = together(&chosen.tasks);
    all.guessed = chosen.tasks.is_empty() && chosen.scripts.is_empty() && of.unsure.is_empty();
    all.scripts.extend(chosen.scripts.into_iter().cloned());
    add(&mut all.unread, &chosen.unsure);
    all.vague |= environment.is_vague;
    all.environment = environment.variables;
    (Some(all), loads)
}

/// Adds what is not known yet.
fn add(to: &mut Vec<String>, from: &[String]) {
    for one in from {
        let one = one.strip_prefix("./").unwrap_or(one);
        if !to.iter().any(|known| known == one) {
            to.push(one.to_owned());
        }
    }
}

fn together(tasks: &[&Task]) -> RakeTest {
    let mut all = RakeTest::default();
    for task in tasks {
        let mut way = way(&task.libs, &task.options);
        add(&mut way.requires, &task.framework);
        all.note(&task.options, &task.framework_options);
        all.vague |= task.is_vague;
        match (&task.files, &task.pattern) {
            (None, None) if task.is_minitest => {
                add(&mut way.globs, &MINITEST_FILES.map(str::to_owned));
            }
            (None, None) => add(&mut way.globs, &[RAKE_FILES.to_owned()]),
            _ => {}
        }
        let said = [&task.files, &task.pattern].into_iter().flatten();
        for files in said {
            add(&mut way.globs, &files.globs);
            add(&mut way.excludes, &files.excludes);
            if !task.is_minitest {
                add(&mut all.missing, &files.named);
            }
            if !files.whole || files.globs.is_empty() {
                add(&mut all.unread, std::slice::from_ref(&task.name));
            }
        }
        add(&mut all.globs, &way.globs);
        add(&mut all.excludes, &way.excludes);
        all.ways.push(way);
    }
    all
}

fn way(libs: &[String], options: &RubyOptions) -> Way {
    let mut way = Way {
        requires: options.requires.clone(),
        ..Way::default()
    };
    // As the task writes its command: what `libs` says goes first.
    for directory in libs.iter().chain(&options.directories) {
        add(&mut way.directories, &[trimmed(directory)]);
    }
    way
}

/// A directory as it is named, without a slash at its end.
fn trimmed(directory: &str) -> String {
    match directory.trim_end_matches('/') {
        "" => ".".to_owned(),
        directory => directory.to_owned(),
    }
}

#[cfg(test)]
mod tests;
