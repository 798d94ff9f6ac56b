//! The life of a kept application: when it begins, whom it serves, what ends it.

use std::{
    fs,
    io::{Read, Write},
    os::unix::{ffi::OsStrExt, net::UnixStream},
    process::Command,
};

use gorgon_process::command;
use integration::{
    gate::Gate,
    project::Project,
    run::{self, RUN_LIMIT},
    wait::{secs, until},
};

use super::{App, SPEC};

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

/// A shell sets these for each command: what is loaded does not see them, and tests see their own.
#[test]
fn variables_of_the_shell_do_not_load_it_again() {
    let app = App::before("$seen = ENV.values_at('SHLVL', 'OLDPWD', '_')");
    app.project.write(
        "spec/a_spec.rb",
        &SPEC.replace(
            "BOOT, LOADED",
            "BOOT, [$seen, ENV.values_at('SHLVL', 'OLDPWD', '_')]",
        ),
    );
    let run = |level: &str| {
        app.run_with(&["--local=1", "--warm"], |command| {
            command
                .env("SHLVL", level)
                .env("OLDPWD", "/")
                .env("_", level);
        })
    };
    let (first, second) = (run("1"), run("2"));
    assert_eq!(first.boot, second.boot, "{}", second.run.stderr);
    assert_eq!(first.loaded, "[[nil, nil, nil], [\"1\", \"/\", \"1\"]]");
    assert_eq!(second.loaded, "[[nil, nil, nil], [\"2\", \"/\", \"2\"]]");
    app.stop();
}

#[test]
fn where_nothing_can_be_kept_a_line_says_why() {
    let app = App::new();
    let run = app.run_with(&["--local=1", "--warm"], |command| {
        command.env("LATIN", std::ffi::OsStr::from_bytes(b"\xe9"));
    });
    let text = "nothing is kept warm: the variable LATIN of the environment is not UTF-8";
    assert!(run.run.stderr.contains(text), "{}", run.run.stderr);
    let run = app.run_with(&["--local=1", "--sync", "--warm"], |_| ());
    let text = "nothing is kept warm: it works only with --local in place, not in a workspace";
    assert!(run.run.stderr.contains(text), "{}", run.run.stderr);
    app.home.assert_nothing_left();
}

/// A run that began while another one used it is served only after that: its umask may be another one.
#[test]
fn a_process_that_hands_on_something_else_is_not_served() {
    let app = App::new();
    app.run();
    let place = app.home.path().join("cache/gorgon/warm");
    let socket = fs::read_dir(&place).unwrap().flatten().map(|it| it.path());
    let socket = socket
        .into_iter()
        .find(|it| it.extension().is_some_and(|it| it == "keeper"));
    let mut stream = UnixStream::connect(socket.unwrap()).unwrap();
    stream.set_read_timeout(Some(secs(20))).unwrap();
    let wanted = serde_json::json!({
        "op": "want", "owner": "/none", "output": "/dev/null", "job": "1",
        "wanted": {"command": ["ruby"], "directory": "/", "environment": {}, "boot": "", "process": "the umask: 0077\n"},
    });
    stream.write_all(format!("{wanted}\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(
        answer.trim_end(),
        r#"{"event":"declined","why":"the umask changed"}"#
    );
    app.home.assert_nothing_left();
}

#[test]
fn an_application_that_is_killed_under_a_run_costs_that_run_nothing() {
    let app = App::new();
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
            command.env("GEM_DIRECTORY", app.gems());
        },
    );
    let test = gate.next();
    let kept = app.status()[0]["pid"].as_u64().unwrap();
    integration::processes::signal(u32::try_from(kept).unwrap(), "KILL");
    test.closed_within(secs(5));
    gate.next().release();
    let run = run.finished(RUN_LIMIT);
    assert!(run.stdout.contains("1 test: 1 passed"), "{run:#?}");
    app.home.assert_nothing_left();
}
