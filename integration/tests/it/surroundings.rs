//! What a run inherits: environment, signals, limits, directories.

use std::{fs, process::Command};

use integration::{binaries, home::Home, project::Project, run};

const MIXED: [(&str, &str); 2] = [
    (
        "spec/a_spec.rb",
        "RSpec.describe('a') { it('holds') { expect(1).to eq 1 } }\n",
    ),
    (
        "test/c_test.rb",
        "require 'minitest/autorun'\nclass CTest < Minitest::Test\n  def test_one = assert(true)\nend\n",
    ),
];

/// <https://github.com/hrcorval/behavex/issues/118>, <https://github.com/scylladb/scylladb/issues/12622>: names of
/// sockets have at most 107 bytes, and macOS, Nix and CI make longer directories.
#[test]
fn a_long_tmpdir_is_no_hindrance() {
    let home = Home::new();
    let project = Project::of(&home, &MIXED);
    let long = home.path().join("tmp").join("l".repeat(200));
    fs::create_dir(&long).expect("a long directory");
    for arguments in [&["--local=2"][..], &["--local=2", "--sync"]] {
        let started = run::start_with(&home, &project, arguments, |command| {
            command.env("TMPDIR", &long);
        });
        started.finished(run::RUN_LIMIT).exited(0);
    }
    let mut by_hand = home.command("gorgon-worker");
    by_hand
        .args(["--workspace", ".", "--file", "spec/a_spec.rb"])
        .env("TMPDIR", &long)
        .current_dir(project.path());
    gorgon_process::command::run(by_hand, run::RUN_LIMIT, b"").expect("a green file");
    assert_eq!(fs::read_dir(&long).expect("it is there").count(), 0);
    fs::remove_dir(&long).expect("it is empty");
    home.assert_nothing_left();
}

#[test]
fn a_tmpdir_that_is_not_there_is_named_with_what_to_do() {
    let home = Home::new();
    let project = Project::of(&home, &MIXED);
    let started = run::start_with(&home, &project, &["--local=2"], |command| {
        command.env("TMPDIR", "/no/such/place");
    });
    let finished = started.finished(run::RUN_LIMIT);
    finished.exited(3).says(&["/no/such/place", "hint: TMPDIR"]);
}

/// <https://github.com/util-linux/util-linux/pull/4014>: who ignores SIGCHLD hands that down, and ends of
/// children are lost.
#[test]
fn signals_that_a_parent_ignores_change_no_result() {
    let home = Home::new();
    let crash = (
        "spec/crash_spec.rb",
        "RSpec.describe('c') { it('ends') { exit! 7 } }\n",
    );
    let children = (
        "spec/children_spec.rb",
        "RSpec.describe('children') do
          it('tell their end') { system('exit 4'); expect($?.exitstatus).to eq 4 }
          it('end by TERM') do
            pid = spawn('exec sleep 60')
            Process.kill('TERM', pid)
            expect(Process.wait2(pid).last.termsig).to eq 15
          end
        end
",
    );
    let project = Project::of(&home, &[MIXED[0], MIXED[1], crash, children]);
    let script = "%w[CHLD PIPE XFSZ].each { |name| trap(name, 'SIG_IGN') }; exec(*ARGV)";
    let mut parent = Command::new("ruby");
    parent
        .args(["-e", script])
        .arg(binaries::path("gorgon-originator"))
        .arg("--local=2")
        .env_clear()
        .envs(home.environment())
        .current_dir(project.path());
    let error = gorgon_process::command::run(parent, run::RUN_LIMIT, b"").expect_err("a crash");
    assert_eq!(error.end(), Some(gorgon_process::child::End::Exited(1)));
    let said = error.said().expect("it ran");
    for text in [
        "exit status 7",
        "4 tests: 4 passed",
        "4 files: 3 passed, 1 crashed",
    ] {
        assert!(said.stdout.contains(text), "{text}: {}", said.stdout);
    }
    let lost = said.stderr.contains("reaped by somebody else");
    assert!(!lost, "{}", said.stderr);
    home.assert_nothing_left();
}
