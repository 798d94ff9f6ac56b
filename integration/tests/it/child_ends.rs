//! However a Ruby child ends, it is a fault of its file alone, named; nothing of it is ever green.

use std::process::Command;

use gorgon_process::{child::End, command};
use integration::{
    home::Home,
    project::Project,
    run::{self, Finished},
    wait::secs,
};

/// A file of each framework: `NAME` and `BODY` are put in. The test that ends the child comes before another one.
const FRAMEWORKS: [(&str, &str); 3] = [
    (
        "spec/NAME_spec.rb",
        "RSpec.describe('NAME') { it('ends here') { BODY }; it('never runs') { } }\n",
    ),
    (
        "test/NAME_m_test.rb",
        "require 'minitest/autorun'\nclass NAMEMTest < Minitest::Test\n  def self.test_order = :alpha\n  \
         def test_ends_here; BODY; end\n  def test_never_runs = nil\nend\n",
    ),
    (
        "test/NAME_u_test.rb",
        "require 'test/unit'\nclass NAMEUTest < Test::Unit::TestCase\n  def test_ends_here; BODY; end\n  def test_never_runs; end\nend\n",
    ),
];

/// What a test does in the end, the verdict of its file, and what is said about it.
struct Case<'a> {
    name: &'a str,
    body: String,
    verdict: &'a str,
    says: Vec<&'a str>,
}

fn case<'a>(name: &'a str, body: &str, verdict: &'a str, says: &[&'a str]) -> Case<'a> {
    Case {
        name,
        body: body.to_owned(),
        verdict,
        says: says.to_vec(),
    }
}

fn files_of(name: &str) -> [String; 3] {
    FRAMEWORKS.map(|(path, _)| path.replace("NAME", &name.to_lowercase()))
}

/// Runs a file of each framework for each case, between files that pass.
fn check(arguments: &[&str], cases: &[Case<'_>]) -> Finished {
    let home = Home::new();
    let project = Project::empty(&home);
    let green = case("ZGreen", "", "passed", &[]);
    for case in cases.iter().chain([&green]) {
        for ((_, text), path) in FRAMEWORKS.iter().zip(files_of(case.name)) {
            let text = text.replace("NAME", case.name).replace("BODY", &case.body);
            project.write(&path, &text);
        }
    }
    let run = run::start(&home, &project, arguments).finished(secs(180));
    run.exited(1);
    for case in cases.iter().chain([&green]) {
        for file in files_of(case.name) {
            run.verdict(&file, case.verdict);
            let told = run.file(&file).to_string();
            for text in &case.says {
                assert!(told.contains(text), "{file} does not say {text:?}: {told}");
            }
        }
    }
    home.assert_nothing_left();
    run
}

/// Returns how plain Ruby ends by a signal that it sends itself.
fn plainly(signal: &str) -> End {
    let mut ruby = Command::new("ruby");
    let kill = format!("Process.kill(:{signal}, Process.pid); sleep 0.2");
    ruby.args(["-e", &kill]);
    match command::run(ruby, secs(20), b"") {
        Ok(_) => End::Exited(0),
        Err(error) => error.end().expect("it ended"),
    }
}

#[test]
fn a_signal_that_ends_plain_ruby_is_a_crash_of_its_file_and_is_named() {
    let signals = [
        ("HUP", "SIGHUP"),
        ("QUIT", "SIGQUIT"),
        ("ILL", "illegal instruction, SIGILL"),
        ("TRAP", "SIGTRAP"),
        ("ABRT", "SIGABRT"),
        ("BUS", "bus error, SIGBUS"),
        ("FPE", "SIGFPE"),
        ("KILL", "SIGKILL"),
        ("SEGV", "segmentation fault, SIGSEGV"),
        ("PIPE", ""),
        ("ALRM", "SIGALRM"),
        ("TERM", "SIGTERM"),
        ("USR1", "SIGUSR1"),
        ("USR2", "SIGUSR2"),
        ("XCPU", "SIGXCPU"),
    ];
    let cases: Vec<_> = signals
        .iter()
        .map(|(signal, named)| {
            // Ruby ignores SIGPIPE.
            let goes_on = plainly(signal) == End::Exited(0);
            assert!(!goes_on || *signal == "PIPE", "{signal}");
            let body = format!("Process.kill(:{signal}, Process.pid); sleep 0.2");
            let verdict = if goes_on { "passed" } else { "crashed" };
            case(signal, &body, verdict, &[named])
        })
        .collect();
    let run = check(&["--local=2"], &cases);
    let passed = cases.iter().filter(|case| case.verdict == "passed").count() + 1;
    let crashed = cases.len() + 1 - passed;
    let counts = format!("{} passed, {} crashed", 3 * passed, 3 * crashed);
    run.says(&["ends here", &counts]);
    println!("48 files, {} crashes: {:?}", 3 * crashed, run.took);
}

/// RSpec has a handler of its own: the example goes on, and RSpec ends after it.
#[test]
fn an_interrupt_ends_a_file_as_its_framework_does() {
    let home = Home::new();
    let project = Project::empty(&home);
    let body = "Process.kill(:INT, Process.pid); sleep 0.2";
    for ((_, text), path) in FRAMEWORKS.iter().zip(files_of("Int")) {
        project.write(&path, &text.replace("NAME", "Int").replace("BODY", body));
    }
    let run = run::run(&home, &project, &["--local=2"]);
    run.exited(1).says(&[
        "RSpec was told to quit (wants_to_quit): 1 of 2 examples did not run",
        "SIGINT",
    ]);
    let [rspec, minitest, test_unit] = files_of("Int");
    run.verdict(&rspec, "failed");
    run.verdict(&minitest, "crashed");
    run.verdict(&test_unit, "crashed");
    home.assert_nothing_left();
}

#[test]
fn an_exit_in_a_test_is_a_crash_whatever_its_status() {
    let cases = [
        case("E0", "exit 0", "crashed", &["exit status 0"]),
        case("E1", "exit 1", "crashed", &["exit status 1"]),
        case("E7", "exit 7", "crashed", &["exit status 7"]),
        case("N0", "exit! 0", "crashed", &["exit status 0"]),
        case("N1", "exit! 1", "crashed", &["exit status 1"]),
        case("N7", "exit! 7", "crashed", &["exit status 7"]),
        case(
            "Abort",
            "abort 'no more'",
            "crashed",
            &["exit status 1", "no more"],
        ),
        case("Exec", "exec 'true'", "crashed", &["exit status 0"]),
        case(
            "Daemon",
            "Process.daemon(true, true)",
            "crashed",
            &["exit status 0"],
        ),
        case(
            "Closes",
            "(3..50).each { |n| IO.for_fd(n).close rescue nil }",
            "crashed",
            &["exit status"],
        ),
    ];
    let run = check(&["--local=2"], &cases);
    run.says(&["3 passed, 30 crashed"]);
}

#[test]
fn memory_that_runs_out_and_a_stack_too_deep_are_named() {
    let cases = [
        // Frameworks let NoMemoryError through, as plain runs of them do.
        case(
            "NoMemory",
            "Process.setrlimit(:AS, File.read('/proc/self/statm').split[0].to_i * 4096 + (64 << 20)); \
             a = []; loop { a << 'x' * (1 << 20) }",
            "crashed",
            &["exit status 1", "NoMemoryError"],
        ),
        case(
            "TooMuch",
            "'a' * (1 << 45)",
            "crashed",
            &["exit status 1", "NoMemoryError"],
        ),
        case(
            "Deep",
            "deep = ->(n) { deep.(n + 1) }; deep.(0)",
            "failed",
            &["SystemStackError"],
        ),
        // What the kernel's killer of a host or a container that is out of memory does.
        case(
            "Oom",
            "system('kill', '-9', Process.pid.to_s); sleep 1",
            "crashed",
            &["SIGKILL"],
        ),
    ];
    for arguments in [&["--local=2"][..], &["--local=1", "--sync"]] {
        check(arguments, &cases);
    }
}

#[test]
fn a_file_that_ends_with_its_child_shows_how_long_it_ran() {
    let home = Home::new();
    let ends = "RSpec.describe('a') { it('ends') { sleep 1; exit! } }\n";
    let sleeps = "RSpec.describe('b') { it('sleeps') { sleep } }\n";
    let (a, b) = ("spec/a_spec.rb", "spec/b_spec.rb");
    let project = Project::of(&home, &[(a, ends), (b, sleeps)]);
    let run = run::run(&home, &project, &["-v", "--local=2", "--file-timeout", "2"]);
    run.exited(1).says(&["Slowest files:"]);
    let junit = run.junit();
    for (file, verdict, word) in [(a, "crashed", "crashed"), (b, "timed_out", "timed out")] {
        let finishes = run.events("item_finished");
        let finish = finishes
            .iter()
            .find(|event| event["filename"] == file)
            .expect("a finish");
        assert_eq!(finish["verdict"], verdict, "{finish:#}");
        let time = finish["time"].as_f64().expect("seconds");
        let shown = format!("({time:.2} s)");
        assert_ne!(shown, "(0.00 s)", "{finish:#}");
        // The terminal and the JUnit report have the same figure.
        let said = format!("{}{}", run.stdout, run.stderr);
        let is_its_line =
            |line: &&str| line.contains(&format!("{word} {file} at ")) && line.contains(&shown);
        assert!(said.lines().any(|line| is_its_line(&line)), "{said}");
        let slow = format!("{time:.2} s  {file}");
        assert!(said.contains(&slow), "no {slow:?} in {said}");
        let suite = junit.suites.iter().find(|(name, _)| name == file);
        let times: Vec<&str> = suite
            .expect("a suite")
            .1
            .iter()
            .map(|case| case.time.as_str())
            .collect();
        assert_eq!(times, [format!("{time:.6}")]);
    }
    home.assert_nothing_left();
}
