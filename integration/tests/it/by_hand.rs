//! One worker by hand, without a broker: what a person debugs with.

use gorgon_process::child::{self, End, Options};
use gorgon_process::command::{self, CommandError};
use gorgon_process::signals::Signal;
use integration::{binaries, gate::Gate, home::Home, project::Project, wait::secs};
use serde_json::Value;

const FILES: &[(&str, &str)] = &[
    (
        "spec/a_spec.rb",
        "RSpec.describe('A') do\n  it('adds') { expect(1 + 1).to eq 2 }\n  it('fails') { puts 'hello'; expect(1).to eq 2 }\nend\n",
    ),
    (
        "spec/dies_spec.rb",
        "RSpec.describe('D') { it('dies') { puts 'last words'; Process.kill(:KILL, $$); sleep } }\n",
    ),
    (
        "spec/x_spec.rb",
        "RSpec.describe('X') { it('holds') { expect($files = $files.to_i + 1).to eq 1 } }\n",
    ),
    (
        "spec/y_spec.rb",
        "RSpec.describe('Y') { it('sees X') { expect($files).to eq 1 } }\n",
    ),
    (
        "spec/sleeps_spec.rb",
        "RSpec.describe('S') { it('sleeps') { sleep 60 } }\n",
    ),
];

/// Runs a worker by hand; returns its exit status, the messages it printed, and its stderr.
fn by_hand(home: &Home, project: &Project, arguments: &[&str]) -> (i32, Vec<Value>, String) {
    let mut command = home.command("gorgon-worker");
    command
        .arg("--workspace")
        .arg(project.path())
        .args(arguments);
    let (status, stdout, stderr) = match command::run(command, secs(30), b"") {
        Ok(finished) => (0, finished.stdout, finished.stderr),
        Err(CommandError::Ended {
            end: End::Exited(status),
            source,
            ..
        }) => (status, source.stdout, source.stderr),
        Err(error) => panic!("{error}"),
    };
    let messages = stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (status, messages, stderr)
}

/// Runs a worker by hand as a shell would, with stdout a terminal; returns what is on it.
fn on_a_terminal(home: &Home, project: &Project, arguments: &str) -> String {
    let worker = binaries::path("gorgon-worker").display().to_string();
    let mut command = std::process::Command::new("script");
    command
        .args(["-qec", &format!("{worker} --workspace . {arguments}")])
        .arg("/dev/null")
        .current_dir(project.path())
        .env_clear()
        .envs(home.environment())
        .env("TERM", "xterm");
    match command::run(command, secs(30), b"") {
        Ok(finished) => finished.stdout,
        Err(CommandError::Ended { source, .. }) => source.stdout,
        Err(error) => panic!("{error}"),
    }
}

fn finishes(messages: &[Value]) -> Vec<(&str, &str, u64)> {
    messages
        .iter()
        .filter(|m| m["action"] == "finish")
        .map(|m| {
            let text = |key: &str| m[key].as_str().unwrap();
            (text("filename"), text("type"), m["child"].as_u64().unwrap())
        })
        .collect()
}

#[test]
fn files_run_in_the_order_given_in_one_child_and_a_crash_costs_one_file() {
    let home = Home::new();
    let project = Project::of(&home, FILES);
    let arguments = [
        "--file",
        "spec/x_spec.rb",
        "--file",
        "spec/y_spec.rb",
        "--file",
        "spec/dies_spec.rb",
        "--file",
        "spec/x_spec.rb",
    ];
    let (status, messages, _) = by_hand(&home, &project, &arguments);
    assert_eq!(status, 1);
    let crash = messages.iter().find(|m| m["type"] == "crash").unwrap();
    assert_eq!(crash["errors"][0]["test"], "D dies");
    assert_eq!(
        crash["errors"][0]["message"],
        "the Ruby child ended: SIGKILL"
    );
    assert_eq!(crash["output"], "last words\n");
    assert_eq!(
        finishes(&messages),
        [
            ("spec/x_spec.rb", "pass", 1),
            ("spec/y_spec.rb", "pass", 1),
            ("spec/dies_spec.rb", "crash", 1),
            ("spec/x_spec.rb", "pass", 2)
        ]
    );
    home.assert_nothing_left();
}

#[test]
fn one_test_can_be_named_by_line_or_id() {
    let home = Home::new();
    let project = Project::of(&home, FILES);
    for (name, passed) in [
        ("spec/a_spec.rb:2", true),
        ("spec/a_spec.rb[1:1]", true),
        ("spec/a_spec.rb:3", false),
        ("spec/a_spec.rb[1:2]", false),
    ] {
        let (status, messages, _) = by_hand(&home, &project, &["--file", name]);
        assert_eq!(status, i32::from(!passed), "{name}");
        let tests = messages[1]["tests"].as_array().unwrap();
        assert_eq!(tests.len(), 1, "{name}: {tests:#?}");
    }
    home.assert_nothing_left();
}

#[test]
fn a_list_settings_and_callbacks_of_the_workspace_count() {
    let home = Home::new();
    let project = Project::of(&home, FILES);
    project.write(
        "list",
        "spec/x_spec.rb\nspec/sleeps_spec.rb\nspec/x_spec.rb\n",
    );
    project.write(
        "gorgon.json",
        r#"{ "isolation": "file", "file_timeout": 3, "job": { "callbacks": { "callbacks_class_file": "hooks.rb" } } }"#,
    );
    project.write(
        "hooks.rb",
        r#"
class Hooks < Gorgon::DefaultCallbacks
  def note(text) File.open('hooks.log', 'a') { |f| f.puts(text) } end
  def before_creating_workers; note 'before_creating_workers'; end
  def before_start; note 'before_start'; end
  def after_complete; note 'after_complete'; end
  def after_creating_workers; note 'after_creating_workers'; end
end
Gorgon.callbacks = Hooks.new
"#,
    );
    let list = project.path().join("list");
    let (status, messages, stderr) =
        by_hand(&home, &project, &["--files-from", list.to_str().unwrap()]);
    assert_eq!(status, 1, "{stderr}");
    assert_eq!(
        finishes(&messages),
        [
            ("spec/x_spec.rb", "pass", 1),
            ("spec/sleeps_spec.rb", "timeout", 2),
            ("spec/x_spec.rb", "pass", 3)
        ]
    );
    let hooks = project.read("hooks.log");
    let expected = ["before_creating_workers"]
        .into_iter()
        .chain(["before_start", "after_complete"].repeat(3))
        .chain(["after_creating_workers"])
        .fold(String::new(), |all, line| all + line + "\n");
    assert_eq!(hooks, expected);
    home.assert_nothing_left();
}

fn interrupted_by(signal: Signal) {
    let home = Home::new();
    let project = Project::of(
        &home,
        &[(
            "spec/g_spec.rb",
            "require_relative '../gate'
RSpec.describe('g') { it('fails') { raise 'no' }; it('waits') { Gate.pass('g') } }
",
        )],
    );
    let gate = Gate::open(&home);
    gate.write_into(&project);
    let stdout = home.fresh("stdout");
    let mut command = home.command("gorgon-worker");
    command
        .arg("--workspace")
        .arg(project.path())
        .args(["--format", "text", "--file", "spec/g_spec.rb"])
        .args(["--file", "spec/later_spec.rb"])
        .stdout(std::fs::File::create(&stdout).unwrap());
    let worker = child::spawn(command, Options::default()).unwrap();
    let visit = gate.next();
    worker.signal(signal);
    visit.closed();
    assert_eq!(
        worker.end().recv_timeout(secs(20)).unwrap().to_string(),
        "exit status 130"
    );
    let said = std::fs::read_to_string(&stdout).unwrap();
    let (head, rest) = said.split_once(" (").unwrap();
    assert_eq!(head, "spec/g_spec.rb interrupted");
    let (_, rest) = rest.split_once(" s), ").unwrap();
    let (tests, end) = rest.split_once("Interrupted test: ").unwrap();
    assert!(
        tests.starts_with("1 test: 1 failed\n\nTest name: g fails\n"),
        "{said}"
    );
    assert_eq!(
        end,
        "g waits\n\nspec/later_spec.rb not run\n\
         2 files: 1 interrupted, 1 not run; 1 test: 1 failed\n"
    );
    home.assert_nothing_left();
}

#[test]
fn ctrl_c_ends_it_with_130_and_it_says_what_was_interrupted() {
    interrupted_by(Signal::Int);
}

/// Nobody is there to whom a file could be handed back.
#[test]
fn a_term_ends_it_in_the_same_way() {
    interrupted_by(Signal::Term);
}

#[test]
fn what_before_start_raised_stands_on_stdout_alone() {
    let home = Home::new();
    let config = r#"{ "job": { "callbacks": { "before_start": "before.rb" } } }"#;
    let own = [
        ("gorgon.json", config),
        ("before.rb", "raise 'no database'\n"),
    ];
    let project = Project::of(&home, &[FILES, &own].concat());
    let mut command = home.command("gorgon-worker");
    command.arg("--workspace").arg(project.path());
    command.args(["--format", "text", "--file", "spec/a_spec.rb"]);
    let Err(CommandError::Ended { source, .. }) = command::run(command, secs(30), b"") else {
        panic!("it has not failed");
    };
    let end = "The worker ended early: before_start\n    RuntimeError: no database\n      ";
    let (said, rest) = source
        .stdout
        .split_once(end)
        .unwrap_or_else(|| panic!("{}", source.stdout));
    let tried = "warning: before_start failed, and is tried once more: RuntimeError: no database\n";
    assert_eq!(said, tried);
    let last = "spec/a_spec.rb not run\n1 file: 1 not run; 0 tests; 1 error outside tests\n";
    assert!(rest.ends_with(last), "{rest}");
    assert_eq!(source.stderr, "");
    home.assert_nothing_left();
}

#[test]
fn what_cannot_be_begun_is_said_with_a_hint() {
    let home = Home::new();
    let project = Project::of(&home, FILES);
    let (status, _, stderr) = by_hand(&home, &project, &[]);
    assert_eq!(status, 3);
    assert_eq!(
        stderr,
        "gorgon-worker: nothing to run: name files by --file or --files-from\n  hint: gorgon-worker --help shows how to use it by hand\n"
    );
    project.write("gorgon.json", r#"{ "ruby": "no-such-ruby -w" }"#);
    let (status, _, stderr) = by_hand(&home, &project, &["--file", "spec/x_spec.rb"]);
    assert_eq!(status, 3);
    assert!(
        stderr.contains("no-such-ruby") && stderr.lines().count() <= 10,
        "{stderr}"
    );
    let (status, _, stderr) = by_hand(&home, &project, &["--no-such-flag"]);
    assert_eq!(status, 3);
    assert!(stderr.contains("--no-such-flag"), "{stderr}");
    home.assert_nothing_left();
}

#[test]
fn a_person_reads_results_as_text_and_a_program_as_json() {
    let home = Home::new();
    let project = Project::of(&home, FILES);
    let odd = r#"RSpec.describe("odd \e[2J") { it("\a rings") { puts "\e[2J"; raise "no\e[2J" } }"#;
    project.write("spec/odd_spec.rb", odd);
    let files = "--file spec/x_spec.rb --file spec/a_spec.rb --file spec/dies_spec.rb --file spec/odd_spec.rb";
    let shown = on_a_terminal(&home, &project, &format!("--format text {files} | cat"));
    let times = |line: &str| match line.split_once(" s), ") {
        Some((before, rest)) => format!("{} ({rest}", before.rsplit_once(" (").expect("a time").0),
        None => line.to_owned(),
    };
    let shown: Vec<String> = shown.lines().map(times).collect();
    let expected = r#"spec/x_spec.rb passed (1 test: 1 passed
spec/a_spec.rb failed (2 tests: 1 passed, 1 failed

Test name: A fails
  spec/a_spec.rb:3
  RSpec::Expectations::ExpectationNotMetError
  Message:
    Failure/Error: it('fails') { puts 'hello'; expect(1).to eq 2 }

      expected: 2
           got: 1

      (compared using ==)
    # spec/a_spec.rb:3:in `block (2 levels) in <top (required)>'
  Output:
    hello

spec/dies_spec.rb crashed (0 tests

Error outside tests: crash
  While this test was running: D dies
  Message:
    the Ruby child ended: SIGKILL
  Output:
    last words

spec/odd_spec.rb failed (1 test: 1 failed

Test name: odd \x1b[2J \x07 rings
  spec/odd_spec.rb:1
  RuntimeError
  Message:
    Failure/Error: RSpec.describe("odd \e[2J") { it("\a rings") { puts "\e[2J"; raise "no\e[2J" } }

    RuntimeError:
      no\x1b[2J
    # spec/odd_spec.rb:1:in `block (2 levels) in <top (required)>'
  Output:
    \x1b[2J

4 files: 1 passed, 2 failed, 1 crashed; 4 tests: 2 passed, 2 failed; 1 error outside tests"#;
    assert_eq!(shown.join("\n"), expected);

    let shown = on_a_terminal(&home, &project, "--file spec/x_spec.rb");
    assert!(
        shown.contains("spec/x_spec.rb passed")
            && shown.contains("\u{1b}[32m1 file: 1 passed; 1 test: 1 passed"),
        "{shown}"
    );
    let shown = on_a_terminal(&home, &project, "--format json --file spec/x_spec.rb");
    assert!(shown.starts_with("{\"action\":\"start\""), "{shown}");
    home.assert_nothing_left();
}
