//! What is proven unchanged before an application is used again, and what is noticed.

use std::{fs, os::unix::fs::PermissionsExt};

use integration::{
    gate::Gate,
    run::{self, RUN_LIMIT},
};
use serde_json::Value;

use super::{App, BOOT, SPEC, not_kept, reloading};

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
    // Bundler writes Gemfile.lock.
    let before = ["Gemfile.lock changed while it was loaded"];
    assert_eq!(not_kept(&app.run().run), before);
    let (first, second) = (app.run(), app.run());
    assert_eq!(first.boot, second.boot, "{}", second.run.stderr);
    for seen in [&first, &second] {
        assert!(seen.loaded.ends_with(", []"), "{}", seen.loaded);
    }
    app.project.write("Gemfile", "gem 'rspec'\n#\n");
    assert_eq!(reloading(&app.run()), ["Gemfile changed"]);
    app.stop();
}

/// What the load has made must be there for each job as for the first one.
#[test]
fn what_the_load_has_written_is_written_again_if_it_is_gone() {
    let app =
        App::before("Dir.mkdir('made') unless Dir.exist?('made'); File.write('made/file', 'x')");
    let made = ["made changed while it was loaded"];
    // A new start would find the directory.
    assert_eq!(not_kept(&app.run().run), made);
    let first = app.run();
    assert_eq!(app.run().boot, first.boot);
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
