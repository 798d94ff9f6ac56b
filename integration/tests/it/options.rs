//! Options that a framework does not know, and ids with characters that mean something.

use std::process::{Command, Stdio};

use integration::{home::Home, project::Project, run};

const MINITEST: &str =
    "require 'minitest/autorun'\nclass T < Minitest::Test; def test_x; assert true; end; end\n";
const TEST_UNIT: &str =
    "require 'test/unit'\nclass T < Test::Unit::TestCase; def test_x; assert true; end; end\n";

#[test]
fn an_option_that_the_framework_does_not_know_is_one_error() {
    let home = Home::new();
    for (text, framework) in [(MINITEST, "Minitest"), (TEST_UNIT, "Test::Unit")] {
        let files: Vec<_> = (0..6).map(|n| format!("test/a{n}_test.rb")).collect();
        let files: Vec<_> = files.iter().map(|file| (file.as_str(), text)).collect();
        let project = Project::of(&home, &files);
        run::run(&home, &project, &["--local=2"]).exited(0);
        let run = run::run(&home, &project, &["--local=2", "--", "--bogus"]);
        run.exited(3).says(&[
            &format!("the options of {framework}"),
            "invalid option: --bogus",
        ]);
        assert_eq!(run.stdout.matches("--bogus").count(), 1, "{}", run.stdout);
        assert_eq!(run.events("item_finished").len(), 0);
    }
    home.assert_nothing_left();
}

#[test]
fn labels_with_commas_and_brackets_are_run_again_by_their_reproduce_line() {
    let home = Home::new();
    let text = "require 'test/unit'
      class T < Test::Unit::TestCase
        data('plain' => 1, '[a, b]' => 2, 'x\\\\, ]' => 3)
        def test_x(n) = assert_equal(0, n)
      end\n";
    let project = Project::of(&home, &[("test/a_test.rb", text)]);
    run::run(&home, &project, &["--local=1"]).exited(1);
    let again = run::run(&home, &project, &["--local=1", "--only-failures"]);
    again.exited(1);
    let line = again
        .stdout
        .lines()
        .find(|line| line.contains("reproduce: "));
    let line = line.and_then(|line| line.split_once("reproduce: "));
    let (_, line) = line.expect("a line to reproduce it");
    let (_, arguments) = line.split_once(' ').expect("arguments");
    let worker = home.command("gorgon-worker").get_program().to_owned();
    let mut command = Command::new("sh");
    command
        .env_clear()
        .envs(home.environment())
        .arg("-c")
        .arg(format!("exec {} {arguments}", worker.to_string_lossy()))
        .current_dir(project.path())
        .stdin(Stdio::null());
    let ended = gorgon_process::command::run(command, run::RUN_LIMIT, b"");
    let said = ended
        .expect_err("failures")
        .said()
        .cloned()
        .expect("its output")
        .stdout;
    assert_eq!(
        said.matches("\"outcome\":\"failed\"").count(),
        3,
        "{line}\n{said}"
    );
    home.assert_nothing_left();
}
