//! `--warm`: the application of the last run is used if, and only if, a new start would read the same.

mod random;

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use gorgon_process::command;
use integration::{
    gate::Gate,
    home::Home,
    project::Project,
    run::{self, Finished, RUN_LIMIT},
    wait::{secs, until},
};
use serde_json::Value;

/// Loads what an application loads, by each way to look at something.
const BOOT: &str = r#"
BOOT = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
LOADED = {
  dotenv: File.exist?('.env') ? File.read('.env') : nil,
  mode: ENV['APP_MODE'],
  initializers: Dir['config/initializers/*.rb'].sort.map { |path| [path, File.read(path)] },
  linked: File.read('config/linked'),
  gem: File.read(File.join(ENV.fetch('GEM_DIRECTORY'), 'gem.rb')),
  optional: begin; require File.expand_path('lib/optional'); rescue LoadError; 'none'; end,
  size: File.size?('config/asked'),
  time: File.exist?('config/asked') && File.mtime('config/asked').to_i,
  command: `cat config/by_command 2>/dev/null`,
}
"#;

const CALLBACKS: &str = r#"
class Callbacks < Gorgon::DefaultCallbacks
  def before_creating_workers
    BEFORE
    require File.expand_path('config/boot')
  end
end
Gorgon.callbacks = Callbacks.new
"#;

const SPEC: &str = r#"
RSpec.describe 'what is loaded' do
  it 'is written down' do
    File.write(ENV.fetch('SEEN'), [BOOT, LOADED, ENV['GORGON_JOB_ID'], ENV.keys.grep(/LD_PRELOAD|GORGON_(?:REC|KEEP)/)].inspect)
  end
end
"#;

/// A home with an application, and a gem outside of it.
struct App {
    home: Home,
    project: Project,
}

/// What a run saw.
struct Seen {
    /// Another number for each boot.
    boot: String,
    /// All that was loaded.
    loaded: String,
    /// Names of variables that tests must not see.
    leaked: String,
    run: Finished,
}

impl App {
    fn new() -> Self {
        Self::before("nil")
    }

    /// `before` runs before the application is loaded.
    fn before(before: &str) -> Self {
        let home = Home::new();
        let project = Project::of(
            &home,
            &[
                (
                    "gorgon.json",
                    r#"{"files": ["spec/*_spec.rb"], "job": {"callbacks": {"callbacks_class_file": "callbacks.rb"}}}"#,
                ),
                ("callbacks.rb", &CALLBACKS.replace("BEFORE", before)),
                ("config/boot.rb", BOOT),
                ("config/initializers/a.rb", "one"),
                ("config/by_command", "one"),
                ("config/one", "1"),
                ("config/two", "2"),
                ("spec/a_spec.rb", SPEC),
            ],
        );
        std::os::unix::fs::symlink("one", project.path().join("config/linked")).unwrap();
        let app = Self { home, project };
        fs::create_dir(app.gems()).unwrap();
        fs::write(app.gems().join("gem.rb"), "one").unwrap();
        app
    }

    fn gems(&self) -> std::path::PathBuf {
        self.home.path().join("run/gems")
    }

    fn run(&self) -> Seen {
        self.run_with(&["--local=1", "--warm"], |_| ())
    }

    fn run_with(&self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Seen {
        let seen = self.home.path().join("run/seen");
        let _ = fs::remove_file(&seen);
        let run = run::start_with(&self.home, &self.project, arguments, |command| {
            command.env("GEM_DIRECTORY", self.gems()).env("SEEN", &seen);
            change(command);
        });
        let run = run.finished(RUN_LIMIT);
        let text = fs::read_to_string(&seen)
            .unwrap_or_else(|_| panic!("nothing was seen: {} {}", run.stdout, run.stderr));
        let inner = text.trim_matches(['[', ']']);
        let (boot, rest) = inner.split_once(", ").unwrap();
        let (rest, leaked) = rest.rsplit_once(", ").unwrap();
        let (loaded, job) = rest.rsplit_once(", ").unwrap();
        assert_eq!(job.len(), 18, "a job's id: {job}");
        Seen {
            boot: boot.to_owned(),
            loaded: loaded.to_owned(),
            leaked: leaked.to_owned(),
            run,
        }
    }

    fn warm(&self, words: &[&str]) -> String {
        let mut command = self.home.command("gorgon-originator");
        command
            .arg("warm")
            .args(words)
            .current_dir(self.project.path());
        command::run(command, secs(20), b"").unwrap().stdout
    }

    fn status(&self) -> Value {
        let status: Value = serde_json::from_str(&self.warm(&["status", "--json"])).unwrap();
        status["kept"].clone()
    }

    fn stop(&self) {
        self.warm(&["stop"]);
        self.home.assert_nothing_left();
    }
}

/// What the run said of reloading.
fn reloading(seen: &Seen) -> Vec<String> {
    let lines = seen.run.stderr.lines();
    lines
        .filter_map(|line| line.strip_prefix("reloading: "))
        .map(str::to_owned)
        .collect()
}

#[test]
fn an_unchanged_application_is_not_loaded_again() {
    let app = App::new();
    let first = app.run();
    let second = app.run_with(&["--local=1", "--warm", "-v"], |_| ());
    assert_eq!(first.boot, second.boot, "{}", second.run.stderr);
    assert_eq!(first.loaded, second.loaded);
    assert_eq!((reloading(&first), reloading(&second)), (vec![], vec![]));
    assert!(
        second.run.stderr.contains("paths proven unchanged"),
        "{}",
        second.run.stderr
    );
    // Tests see nothing of the recorder.
    assert_eq!((first.leaked.as_str(), second.leaked.as_str()), ("", ""));
    let status = app.status();
    assert_eq!(
        (status[0]["state"].as_str(), status[0]["jobs"].as_u64()),
        (Some("idle"), Some(2)),
        "{status}"
    );
    assert!(app.warm(&[]).contains("idle for "));
    app.stop();
    assert_eq!(app.status(), Value::Array(Vec::new()));
    assert!(app.warm(&["status"]).contains("nothing is kept warm"));
}

#[test]
fn each_change_of_what_was_read_is_named_and_loaded() {
    type Change = (&'static str, fn(&App));
    let touch_back = |app: &App| {
        let path = app.project.path().join("config/initializers/a.rb");
        let before = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, "two").unwrap();
        fs::File::options()
            .append(true)
            .open(&path)
            .unwrap()
            .set_modified(before)
            .unwrap();
    };
    let relink = |app: &App| {
        let path = app.project.path().join("config/linked");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("two", path).unwrap();
    };
    let changes: [Change; 14] = [
        ("config/initializers/a.rb changed", |app| {
            app.project.write("config/initializers/a.rb", "two")
        }),
        ("config/initializers/a.rb changed", touch_back),
        ("config/boot.rb changed", |app| {
            app.project.write("config/boot.rb", &format!("{BOOT}\n"))
        }),
        (".env is new", |app| app.project.write(".env", "A=1")),
        (".env changed", |app| app.project.write(".env", "A=2")),
        (".env is gone", |app| {
            fs::remove_file(app.project.path().join(".env")).unwrap()
        }),
        ("config/initializers/b.rb is new", |app| {
            app.project.write("config/initializers/b.rb", "b")
        }),
        ("config/initializers/b.rb is gone", |app| {
            fs::remove_file(app.project.path().join("config/initializers/b.rb")).unwrap()
        }),
        ("lib/optional.rb is new", |app| {
            app.project.write("lib/optional.rb", "1")
        }),
        ("gem.rb changed", |app| {
            fs::write(app.gems().join("gem.rb"), "two").unwrap()
        }),
        ("config/linked changed", relink),
        ("config/asked is new", |app| {
            app.project.write("config/asked", "1")
        }),
        ("config/by_command changed", |app| {
            app.project.write("config/by_command", "two")
        }),
        ("callbacks.rb changed", |app| {
            let mode = fs::Permissions::from_mode(0o600);
            fs::set_permissions(app.project.path().join("callbacks.rb"), mode).unwrap();
        }),
    ];
    let app = App::new();
    let mut last = app.run();
    for (text, change) in changes {
        change(&app);
        let now = app.run();
        let said = reloading(&now);
        assert!(
            said.len() == 1 && said[0].ends_with(text),
            "{text}: {said:?} {}",
            now.run.stderr
        );
        assert_ne!(now.boot, last.boot, "{text}");
        let cold = app.run_with(&["--local=1"], |_| ());
        assert_eq!(now.loaded, cold.loaded, "{text}");
        last = now;
    }
    // The environment, all of it, and what else a process hands on.
    for (text, variable) in [
        (
            "the variable APP_MODE of the environment changed",
            "APP_MODE",
        ),
        ("the variable APP_MODE of the environment changed", "OTHER"),
    ] {
        let now = app.run_with(&["--local=1", "--warm"], |command| {
            command.env(variable, "1");
        });
        assert_eq!(reloading(&now), [text]);
        assert_eq!(
            now.loaded.contains("mode=>\"1\"") || now.loaded.contains("mode: \"1\""),
            variable == "APP_MODE"
        );
        last = now;
    }
    let now = app.run_with(&["--local=1", "--warm"], |command| {
        command.env("OTHER", "1");
    });
    assert_eq!((reloading(&now), now.boot), (vec![], last.boot));
    app.stop();
}

#[test]
fn what_was_not_read_changes_nothing_and_tests_are_always_fresh() {
    let app = App::new();
    let first = app.run();
    app.project.write("README", "changed");
    app.project.write("lib2/x.rb", "1");
    app.project
        .write("spec/a_spec.rb", &SPEC.replace("BOOT,", "BOOT, 'changed',"));
    app.project.write(
        "spec/b_spec.rb",
        "RSpec.describe('b') { it('runs') { expect(1).to eq 1 } }",
    );
    let second = app.run();
    assert_eq!((reloading(&second), &second.boot), (vec![], &first.boot));
    assert!(
        second.loaded.starts_with("\"changed\""),
        "{}",
        second.loaded
    );
    assert!(
        second.run.stdout.contains("2 tests: 2 passed"),
        "{}",
        second.run.stdout
    );
    app.stop();
}

/// There the process to be kept is the second program of its process, and Bundler remembers the environment.
#[test]
fn under_bundler_tests_see_nothing_of_the_recorder() {
    let app = App::before("require 'bundler'");
    app.project.write("Gemfile", "gem 'rspec'\n");
    let leaks = "ENV.keys.grep(/LD_PRELOAD/) + Bundler.original_env.keys.grep(/LD_PRELOAD|GORGON_REC/) + `env`.scan(/LD_PRELOAD/), ENV['GORGON_JOB_ID']";
    app.project.write(
        "spec/a_spec.rb",
        &SPEC.replace("LOADED, ENV['GORGON_JOB_ID']", &format!("LOADED, {leaks}")),
    );
    let (first, second) = (app.run(), app.run());
    assert_eq!(first.boot, second.boot, "{}", second.run.stderr);
    for seen in [&first, &second] {
        assert!(seen.loaded.ends_with(", []"), "{}", seen.loaded);
    }
    app.project.write("Gemfile", "gem 'rspec'\n#\n");
    assert_eq!(reloading(&app.run()), ["Gemfile changed"]);
    app.stop();
}

#[test]
fn without_it_and_in_a_ci_nothing_stays() {
    let app = App::new();
    app.run_with(&["--local=1"], |_| ());
    app.home.assert_nothing_left();
    let run = app.run_with(&["--local=1", "--warm", "-v"], |command| {
        command.env("CI", "true");
    });
    assert!(
        run.run
            .stderr
            .contains("nothing is kept warm, as CI is set"),
        "{}",
        run.run.stderr
    );
    let run = app.run_with(&["--local=1", "--warm"], |command| {
        command.env("CI", "true");
    });
    assert!(!run.run.stderr.contains("warm"), "{}", run.run.stderr);
    app.home.assert_nothing_left();
}

#[test]
fn it_ends_after_its_limit_without_use() {
    let app = App::new();
    app.project.write("gorgon.json", r#"{"files": ["spec/*_spec.rb"], "warm": true, "warm_limit": 1, "job": {"callbacks": {"callbacks_class_file": "callbacks.rb"}}}"#);
    app.run_with(&["--local=1"], |_| ());
    app.home.assert_nothing_left();
}

#[test]
fn what_jobs_cannot_share_is_named_once_and_ends_with_its_job() {
    for (before, why) in [
        (
            "require 'socket'; $server = TCPServer.new('127.0.0.1', 0)",
            "a socket (TCPServer, fd ",
        ),
        (
            "$child = spawn('sleep 1000')",
            "a process that is left: sleep 1000",
        ),
        ("Thread.new { sleep }", "a thread, made at "),
    ] {
        let app = App::before(before);
        let first = app.run();
        let said = first
            .run
            .stderr
            .lines()
            .find(|line| line.starts_with("not kept warm: "));
        assert!(
            said.is_some_and(|line| line.contains(why)),
            "{}",
            first.run.stderr
        );
        app.home.assert_nothing_left();
        let second = app.run();
        assert!(
            !second.run.stderr.contains("not kept warm"),
            "{}",
            second.run.stderr
        );
        assert_ne!(first.boot, second.boot);
        app.home.assert_nothing_left();
    }
}

/// Forks share the place in an open file: what one job reads, the next one is to find again.
#[test]
fn an_open_file_is_where_the_load_has_left_it() {
    let app = App::before("$words = File.open('config/words'); $words.sysread(3)");
    app.project.write(
        "spec/a_spec.rb",
        &SPEC.replace("BOOT, LOADED", "BOOT, $words.sysread(5)"),
    );
    app.project.write("config/words", "one two three");
    let (first, second) = (app.run(), app.run());
    assert_eq!(
        (&first.boot, &first.loaded),
        (&second.boot, &second.loaded),
        "{}",
        second.run.stderr
    );
    app.stop();
}

/// What the load has made must be there for each job as for the first one.
#[test]
fn what_the_load_has_written_is_written_again_if_it_is_gone() {
    let app =
        App::before("Dir.mkdir('made') unless Dir.exist?('made'); File.write('made/file', 'x')");
    let first = app.run();
    fs::write(app.project.path().join("made/file"), "y").unwrap();
    let second = app.run();
    assert_eq!(reloading(&second), ["made/file changed"]);
    fs::remove_dir_all(app.project.path().join("made")).unwrap();
    let third = app.run();
    assert_eq!(reloading(&third).len(), 1);
    assert_ne!(first.boot, third.boot);
    assert_eq!(app.project.read("made/file"), "x");
    app.stop();
}

#[test]
fn a_killed_application_is_loaded_again() {
    let app = App::new();
    let first = app.run();
    let status = app.status();
    integration::processes::signal(
        u32::try_from(status[0]["pid"].as_u64().unwrap()).unwrap(),
        "KILL",
    );
    until("the end of the keeper", secs(10), || {
        let status = app.status();
        if status.as_array().unwrap().is_empty() {
            Ok(())
        } else {
            Err(status)
        }
    });
    let second = app.run();
    assert_ne!(first.boot, second.boot);
    let keeper = app.status()[0]["keeper"].as_u64().unwrap();
    integration::processes::signal(u32::try_from(keeper).unwrap(), "KILL");
    // It takes what it keeps with it.
    app.home.assert_nothing_left();
    let third = app.run();
    assert_ne!(second.boot, third.boot);
    app.stop();
}

#[test]
fn a_callback_that_raises_is_told_as_without_it_and_nothing_stays() {
    let app = App::before("raise 'no database' if File.exist?('config/raise')");
    app.project.write("config/raise", "");
    let failed = run::start_with(&app.home, &app.project, &["--local=1", "--warm"], |_| ())
        .finished(RUN_LIMIT);
    assert!(
        failed.stderr.contains("no database") || failed.stdout.contains("no database"),
        "{failed:#?}"
    );
    app.home.assert_nothing_left();
    fs::remove_file(app.project.path().join("config/raise")).unwrap();
    app.run();
    app.stop();
}

/// A file that changes after it was read, and before the load ends: what lies there then is not what was loaded.
#[test]
fn a_change_during_the_load_is_not_taken_for_what_was_loaded() {
    let app =
        App::before("$during = File.read('config/during'); load 'gate.rb'; Gate.pass('load')");
    let gate = Gate::open(&app.home);
    gate.write_into(&app.project);
    app.project.write("config/during", "old");
    app.project.write(
        "spec/a_spec.rb",
        &SPEC.replace("BOOT, LOADED", "BOOT, $during"),
    );
    let seen = app.home.path().join("run/seen");
    let run = |change: &dyn Fn()| {
        let run = run::start_with(
            &app.home,
            &app.project,
            &["--local=1", "--warm"],
            |command| {
                command.env("GEM_DIRECTORY", app.gems()).env("SEEN", &seen);
            },
        );
        let test = gate.next();
        change();
        test.release();
        let finished = run.finished(RUN_LIMIT);
        (finished.stderr, fs::read_to_string(&seen).unwrap())
    };
    let (said, first) = run(&|| app.project.write("config/during", "new"));
    assert!(first.contains("\"old\""), "{first}");
    assert!(
        said.contains("not kept warm: config/during changed while it was loaded"),
        "{said}"
    );
    let (_, second) = run(&|| ());
    assert!(second.contains("\"new\""), "{second}");
    app.stop();
}

/// Without callbacks a Rails application is what is loaded. One that cannot be loaded is loaded by its files, as without
/// `--warm`, and nothing of it stays.
#[test]
fn a_rails_application_is_kept_unless_it_cannot_be_loaded() {
    let app = App::new();
    fs::remove_file(app.project.path().join("gorgon.json")).unwrap();
    app.project.write(
        "config/application.rb",
        "class Application < Rails::Application\nend\n",
    );
    let environment = "module Rails\n  def self.env = 'test'\n  def self.root = Dir.pwd\nend\nrequire File.expand_path('config/boot')\n";
    app.project.write("config/environment.rb", environment);
    let (first, second) = (app.run(), app.run());
    assert_eq!(
        (&first.boot, reloading(&second)),
        (&second.boot, vec![]),
        "{}",
        second.run.stderr
    );
    app.project.write(
        "config/environment.rb",
        &format!("raise 'broken' if $0.include?('boot.rb')\n{environment}"),
    );
    app.project.write(
        "spec/a_spec.rb",
        &format!("require './config/environment'\n{SPEC}"),
    );
    let third = app.run();
    assert_eq!(reloading(&third), ["config/environment.rb changed"]);
    let cold = app.run_with(&["--local=1"], |_| ());
    assert_eq!(third.loaded, cold.loaded);
    assert_eq!(app.status()[0]["pid"], Value::Null);
    app.stop();
}

#[test]
fn a_user_has_two_applications_at_most_and_the_longest_unused_goes() {
    let mut app = App::new();
    let mut paths = Vec::new();
    for number in 0..3 {
        let copy = app.home.path().join(format!("run/copy-{number}"));
        let mut command = Command::new("cp");
        command
            .args(["-a", "-T", "--"])
            .arg(app.project.path())
            .arg(&copy);
        command::run(command, secs(10), b"").unwrap();
        app.project = Project::at(copy.clone());
        app.run();
        paths.push(copy.display().to_string());
    }
    let status = app.status();
    let mut kept: Vec<_> = status
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["project"].as_str().unwrap())
        .collect();
    kept.sort_unstable();
    assert_eq!(kept, paths[1..], "{status}");
    assert!(
        app.warm(&["stop"])
            .contains("2 applications are no longer kept")
    );
    app.home.assert_nothing_left();
}

#[test]
fn a_killed_run_leaves_the_application_and_nothing_else() {
    let app = App::new();
    let first = app.run();
    let gate = Gate::open(&app.home);
    gate.write_into(&app.project);
    let waits =
        "require_relative '../gate'\nRSpec.describe('b') { it('waits') { Gate.pass('b') } }";
    app.project.write("spec/b_spec.rb", waits);
    let run = run::start_with(
        &app.home,
        &app.project,
        &["--local=1", "--warm", "spec/b_spec.rb"],
        |command| {
            command
                .env("GEM_DIRECTORY", app.gems())
                .env("SEEN", app.home.path().join("run/seen"));
        },
    );
    let test = gate.next();
    integration::processes::signal(run.pid(), "KILL");
    test.closed();
    until("the end of the job", secs(20), || {
        let status = app.status();
        if status[0]["state"] == "idle" {
            Ok(())
        } else {
            Err(status)
        }
    });
    let second = app.run_with(&["--local=1", "--warm", "spec/a_spec.rb"], |_| ());
    assert_eq!(first.boot, second.boot, "{}", second.run.stderr);
    app.stop();
}

/// While one run uses what is kept, another one loads its own; a keeper that is killed takes the job's processes with
/// it, and they are started again.
#[test]
fn two_runs_at_once_and_a_keeper_that_is_killed_under_one() {
    let app = App::new();
    let gate = Gate::open(&app.home);
    gate.write_into(&app.project);
    let waits =
        "require_relative '../gate'\nRSpec.describe('b') { it('waits') { Gate.pass('b') } }";
    app.project.write("spec/b_spec.rb", waits);
    let environment = |command: &mut Command| {
        command
            .env("GEM_DIRECTORY", app.gems())
            .env("SEEN", app.home.path().join("run/seen-2"));
    };
    let one = run::start_with(
        &app.home,
        &app.project,
        &["--local=1", "--warm", "spec/b_spec.rb"],
        environment,
    );
    let test = gate.next();
    let two = app.run_with(&["--local=1", "--warm", "-v", "spec/a_spec.rb"], |_| ());
    assert!(
        two.run.stderr.contains("in use by another run"),
        "{}",
        two.run.stderr
    );
    let keeper = app.status()[0]["keeper"].as_u64().unwrap();
    integration::processes::signal(u32::try_from(keeper).unwrap(), "KILL");
    test.closed_within(secs(5));
    gate.next().release();
    let one = one.finished(RUN_LIMIT);
    assert!(one.stdout.contains("1 test: 1 passed"), "{one:#?}");
    until("the end of all processes", secs(10), || {
        let left = app.home.processes();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}
