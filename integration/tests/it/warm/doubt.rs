//! What cannot be proven, or could not be shared: such an application is not kept, or is loaded anew, and one line says why.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use gorgon_process::command;
use integration::{
    gate::Gate,
    run::{self, RUN_LIMIT},
    wait::secs,
};

use super::{App, SPEC, not_kept, reloading};

/// A program without a loader, in which nothing can be recorded: it becomes the program of its arguments.
fn launcher(app: &App) -> PathBuf {
    let (source, program) = (
        app.home.path().join("run/launcher.c"),
        app.home.path().join("run/launcher"),
    );
    let code = "#include <unistd.h>\nint main(int n, char **a) { return execvp(a[1], a + 1); }\n";
    fs::write(&source, code).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args(["-static", "-o"]).args([&program, &source]);
    let built = command::run(compiler, secs(60), b"").unwrap();
    assert!(
        program.exists(),
        "a C compiler with a static C library: {built:?}"
    );
    program
}

fn write_program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_launcher_that_cannot_be_recorded_keeps_nothing() {
    let app = App::new();
    let program = launcher(&app);
    let settings = app.project.read("gorgon.json");
    let launched = settings.replacen('{', &format!("{{\"ruby\": [{program:?}, \"ruby\"], "), 1);
    app.project.write("gorgon.json", &launched);
    assert_eq!(
        not_kept(&app.run().run),
        [
            "what starts its Ruby cannot be recorded (a program of another user, or without the C library)"
        ]
    );
    app.home.assert_nothing_left();
}

#[test]
fn a_program_that_cannot_be_recorded_keeps_nothing_also_if_it_becomes_one_that_can() {
    let app = App::new();
    let program = launcher(&app);
    for load in [
        "system(LAUNCHER, 'cat', 'config/one')",
        "system(LAUNCHER + ' cat config/one; true')",
    ] {
        let load = load.replace("LAUNCHER", &format!("{program:?}"));
        app.project
            .write("config/boot.rb", &format!("{load}\n{}", super::BOOT));
        let run = app.run().run;
        let expected = "it started a program that cannot be recorded (one of another user, or without the C library)";
        let said = not_kept(&run);
        // It is told once.
        assert!(said.is_empty() || said == [expected], "{said:?}");
        app.home.assert_nothing_left();
    }
}

#[test]
fn a_program_that_now_comes_earlier_in_path_is_started() {
    let app = App::before("IO.popen(%w[env cat config/one]).read; `cat config/two`");
    let first = app.home.path().join("run/first");
    fs::create_dir(&first).unwrap();
    let path = format!("{}:{}", first.display(), std::env::var("PATH").unwrap());
    let run = || {
        app.run_with(&["--local=1", "--warm"], |command| {
            command.env("PATH", &path);
        })
    };
    let mut last = run();
    assert_eq!(not_kept(&last.run), Vec::<String>::new());
    for name in ["ruby", "env", "cat"] {
        let real = path
            .split(':')
            .skip(1)
            .map(|it| format!("{it}/{name}"))
            .find(|it| Path::new(it).exists());
        write_program(
            &first.join(name),
            &format!("#!/bin/sh\nexec {} \"$@\"\n", real.unwrap()),
        );
        let now = run();
        let said = reloading(&now);
        assert!(
            said.len() == 1 && said[0].ends_with(&format!("first/{name} is new")),
            "{name}: {said:?} {}",
            now.run.stderr
        );
        assert_ne!(now.boot, last.boot);
        last = now;
    }
    assert_eq!(run().boot, last.boot);
    app.stop();
}

/// The load writes there what somebody else has written meanwhile: so the content does not tell.
#[test]
fn a_file_that_others_change_before_the_load_writes_it_is_no_proof() {
    let app = App::before(
        "$during = File.read('config/during'); load 'gate.rb'; Gate.pass('load'); File.write('config/during', 'new')",
    );
    let gate = Gate::open(&app.home);
    gate.write_into(&app.project);
    app.project.write("config/during", "old");
    app.project.write(
        "spec/a_spec.rb",
        &SPEC.replace("BOOT, LOADED", "BOOT, $during"),
    );
    let run = run::start_with(
        &app.home,
        &app.project,
        &["--local=1", "--warm"],
        |command| {
            command
                .env("GEM_DIRECTORY", app.gems())
                .env("SEEN", app.home.path().join("run/seen"));
        },
    );
    let load = gate.next();
    app.project.write("config/during", "new");
    load.release();
    let run = run.finished(RUN_LIMIT);
    assert_eq!(
        not_kept(&run),
        ["config/during changed while it was loaded"],
        "{}",
        run.stderr
    );
    app.home.assert_nothing_left();
}

#[test]
fn what_the_load_reads_and_changes_is_loaded_each_time() {
    for (load, path, kept) in [
        (
            "File.write('config/count', (File.read('config/count').to_i + 1).to_s)",
            "config/count",
            false,
        ),
        (
            "File.write('config/count', '5', mode: 'a') if File.size('config/count') < 9",
            "config/count",
            false,
        ),
        (
            "Dir.children('config/initializers'); File.write(\"config/initializers/#{Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)}.txt\", '')",
            "config/initializers",
            false,
        ),
        // A new start would find the same.
        (
            "File.write('config/count', File.read('config/count'))",
            "config/count",
            true,
        ),
        (
            "Dir.children('config'); File.write('config/x', ''); File.delete('config/x')",
            "config",
            true,
        ),
    ] {
        let app = App::before(load);
        app.project.write("config/count", "4");
        let first = app.run();
        let expected = format!("{path} changed while it was loaded");
        assert_eq!(
            not_kept(&first.run).contains(&expected),
            !kept,
            "{load}: {}",
            first.run.stderr
        );
        assert_eq!(app.run().boot == first.boot, kept, "{load}");
        app.stop();
    }
}

/// Not an addition itself: its size is.
#[test]
fn a_log_whose_size_was_asked_for_is_proven_by_all_of_it() {
    let app =
        App::before("$size = File.size?('log/test.log'); $log = File.open('log/test.log', 'a')");
    app.project.write("log/test.log", "1\n");
    app.project.write(
        "spec/a_spec.rb",
        &SPEC.replace("BOOT, LOADED", "BOOT, $size"),
    );
    let (first, second) = (app.run(), app.run());
    assert_eq!(first.boot, second.boot, "{}", second.run.stderr);
    app.project.write("log/test.log", "1\n2\n");
    let third = app.run();
    assert_eq!(reloading(&third), ["log/test.log changed"]);
    assert_eq!(third.loaded, "4");
    app.stop();
}

#[test]
fn a_path_by_the_kernels_own_links_and_the_file_of_a_time_zone_count() {
    let app = App::before(
        "$linked = File.read('/proc/self/cwd/config/by_link'); $zone = Time.at(0).hour",
    );
    app.project.write("config/by_link", "old");
    app.project.write(
        "spec/a_spec.rb",
        &SPEC.replace("BOOT, LOADED", "BOOT, [$linked, $zone]"),
    );
    let zones = app.home.path().join("run/zones/Here");
    fs::create_dir_all(&zones).unwrap();
    let set = |zone: &str| {
        fs::copy(
            Path::new("/usr/share/zoneinfo").join(zone),
            zones.join("There"),
        )
        .unwrap()
    };
    set("Asia/Tokyo");
    let run = || {
        app.run_with(&["--local=1", "--warm"], |command| {
            command
                .env("TZDIR", zones.parent().unwrap())
                .env("TZ", "Here/There");
        })
    };
    let (first, second) = (run(), run());
    assert_eq!(
        (&first.boot, first.loaded.as_str()),
        (&second.boot, "[\"old\", 9]"),
        "{}",
        second.run.stderr
    );
    app.project.write("config/by_link", "new");
    let third = run();
    assert_eq!(reloading(&third), ["config/by_link changed"]);
    assert_eq!(third.loaded, "[\"new\", 9]");
    set("UTC");
    let fourth = run();
    let said = reloading(&fourth);
    assert!(
        said.len() == 1 && said[0].ends_with("zones/Here/There changed"),
        "{said:?}"
    );
    assert_eq!(fourth.loaded, "[\"new\", 0]");
    app.stop();
}

#[test]
fn what_jobs_cannot_share_is_named_once_and_ends_with_its_job() {
    for (load, why) in [
        (
            "require 'socket'; $server = TCPServer.new('127.0.0.1', 0)",
            "a socket (TCPServer, fd ",
        ),
        (
            "$child = spawn('sleep 1000')",
            "a process that is left: sleep 1000",
        ),
        (
            "fork { fork { exec 'sleep', '1000' }; exit! }; Process.wait",
            "a process that is left: ",
        ),
        ("Thread.new { sleep }", "a thread runs, made at "),
        ("$pipe = IO.pipe", "a pipe (IO, fd "),
        (
            "$lock = File.open('config/one'); $lock.flock(File::LOCK_EX)",
            "a lock is held (",
        ),
        (
            "$file = File.open('config/written', 'w')",
            "a file is open for writing (",
        ),
        (
            "$file = File.open('config/one', 'r+')",
            "a file is open for writing (",
        ),
        (
            "File.open('config/two', 'r+') { |it| $memory = IO::Buffer.map(it) }",
            "memory that processes share (",
        ),
    ] {
        let app = App::before(load);
        let first = app.run();
        let said = not_kept(&first.run);
        assert!(
            said.len() == 1 && said[0].contains(why),
            "{load}: {}",
            first.run.stderr
        );
        app.home.assert_nothing_left();
        let second = app.run();
        assert_eq!(not_kept(&second.run), Vec::<String>::new(), "{load}");
        assert_ne!(first.boot, second.boot);
        app.home.assert_nothing_left();
    }
}

/// As the log of an application is.
#[test]
fn a_file_that_is_only_added_to_may_stay_open() {
    let app = App::before("$log = File.open('log/test.log', 'a')");
    app.project.write("log/test.log", "");
    app.project
        .write("spec/a_spec.rb", &format!("$log.syswrite('x')\n{SPEC}"));
    let (first, second) = (app.run(), app.run());
    assert_eq!(first.boot, second.boot, "{}", second.run.stderr);
    assert_eq!(app.project.read("log/test.log"), "xx");
    app.stop();
}
