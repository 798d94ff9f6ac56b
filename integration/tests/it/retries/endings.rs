//! Retries that do not come to their end, and jobs that end before their retries.

use gorgon_process::signals::Signal;
use integration::{
    gate::Gate,
    home::Home,
    processes,
    project::Project,
    run::{self, Finished},
};

use super::{FLAKY, case, pids, project, retries};

/// Runs a spec whose second run does something else than to fail.
fn second_run_does(home: &Home, what: &str, more: &[&str]) -> Finished {
    let spec = format!(
        "require_relative '../tries'\nRSpec.describe 'a' do\n  it('turns') do\n    \
         run = Tries.count('turns')\n    raise 'first time unlucky' if run == 1\n    {what}\n  end\n\
         it('holds') {{ expect(1).to eq 1 }}\nend\n"
    );
    let project = project(home, &[("spec/a_spec.rb", &spec)]);
    let arguments = ["--local=2", "--retries", "3"];
    run::run(home, &project, &[&arguments, more].concat())
}

#[test]
fn a_retry_that_proves_nothing_leaves_the_first_failure_and_is_the_last() {
    for (what, more, element, says) in [
        (
            "Process.kill(:KILL, $$); sleep",
            &[][..],
            "rerunError: the Ruby child ended: SIGKILL",
            "SIGKILL",
        ),
        (
            "exit!(0)",
            &[],
            "rerunError: the Ruby child ended: exit status 0",
            "exit status 0",
        ),
        (
            "sleep 60",
            &["--file-timeout", "3"],
            "rerunError: the file took longer than its limit of 3 s",
            "longer than its limit",
        ),
        (
            "skip 'no more'",
            &[],
            "rerunFailure: skipped when it was tried again: no more",
            "2 was skipped",
        ),
    ] {
        let home = Home::new();
        let run = second_run_does(&home, what, more);
        run.exited(1)
            .says(&["2 tests: 1 passed, 1 failed", "first time unlucky", says]);
        assert_eq!(pids(&home, "turns").len(), 2, "{what}");
        let case = case(&run, "spec/a_spec.rb", "a turns");
        assert_eq!(case.outcome, "failure", "{case:?}");
        assert!(case.text.contains("first time unlucky"), "{case:?}");
        assert_eq!(case.attempts, [element]);
        assert_eq!(run.junit().file("spec/a_spec.rb").len(), 2);
        home.assert_nothing_left();
    }
}

#[test]
fn a_test_that_is_gone_or_another_one_stays_failed() {
    let home = Home::new();
    let spec = "require_relative '../tries'\nRSpec.describe 'a' do\n\
                it(Tries.count('load') == 1 ? 'turns' : 'is another') do\n\
                raise 'first time unlucky' if Tries.count('turns') == 1\n end\nend\n";
    let test = "require 'minitest/autorun'\nrequire_relative '../tries'\n\
                class GoneTest < Minitest::Test\n\
                define_method(:test_gone) { flunk 'no luck' } if Tries.count('gone') == 1\n\
                def test_here; assert true; end\nend\n";
    // Tests of a loop are told apart by their names alone, also where only digits differ.
    let looped = "require_relative '../tries'\nRSpec.describe 'loop' do\n\
                  order = Tries.count('loop') == 1 ? [1, 2] : [2, 1]\n\
                  order.each { |n| it(\"takes #{n}\") { raise 'not one' if n == 1 } }\n\
                  order.each { |n| it { raise 'nor nameless' if n == 1; expect(n).to eq 2 } }\n\
                  order.each { |n| context(\"of #{n}\") { it('is in') { raise 'nor within' if n == 1 } } }\n\
                  end\n";
    let project = project(
        &home,
        &[
            ("spec/a_spec.rb", spec),
            ("spec/loop_spec.rb", looped),
            ("test/gone_test.rb", test),
        ],
    );
    let run = run::run(&home, &project, &["--local=2", "--retries", "3"]);
    run.exited(1).says(&[
        "9 tests: 4 passed, 5 failed",
        "under its id there was another test: loop takes 2",
        "under its id there was another test: loop is expected to eq 2",
        "under its id there was another test: loop of 2 is in",
        "2 at '",
        "did not find the test: under its id there was another test: a is another",
        "did not find the test: the file had no such test",
        "first time unlucky",
        "no luck",
    ]);
    assert_eq!(retries(&run).len(), 3);
    home.assert_nothing_left();
}

#[test]
fn a_crash_a_load_error_and_a_time_out_are_not_tried_again() {
    let home = Home::new();
    let crash = Project::fixture(&home, "crash-once");
    let run = run::run(&home, &crash, &["--local=1", "--retries", "3"]);
    run.exited(1).verdict("spec/a_spec.rb", "crashed");
    assert_eq!(crash.read("crash-once.log"), "started\n");

    let load = "require_relative '../tries'\nTries.count('load')\nraise 'no such thing'\n";
    let slow = "require_relative '../tries'\nRSpec.describe('s') { it('x') { Tries.count('slow'); sleep 60 } }\n";
    let files = [("spec/load_spec.rb", load), ("spec/slow_spec.rb", slow)];
    let project = project(&home, &files);
    let arguments = ["--local=2", "--retries", "3", "--file-timeout", "3"];
    let run = run::run(&home, &project, &arguments);
    run.exited(1)
        .verdict("spec/load_spec.rb", "failed")
        .verdict("spec/slow_spec.rb", "timed_out");
    assert_eq!(pids(&home, "load").len(), 1);
    assert_eq!(pids(&home, "slow").len(), 1);
    home.assert_nothing_left();
}

fn at_the_gate(home: &Home, gate: &Gate) -> Project {
    let waits = "require_relative '../gate'\nrequire_relative '../tries'\n\
                 RSpec.describe('w') { it('waits') { Gate.pass('w'); Tries.unlucky('waits', 1) } }\n";
    let project = project(
        home,
        &[("spec/a_spec.rb", FLAKY), ("spec/w_spec.rb", waits)],
    );
    gate.write_into(&project);
    project
}

#[test]
fn a_retry_whose_worker_is_killed_runs_once_more() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let project = at_the_gate(&home, &gate);
    let run = run::start(&home, &project, &["--local=2", "--retries", "1"]);
    gate.next().release();
    let visit = gate.next();
    let retry = run.event("the retry", |event| {
        event["event"] == "item_started"
            && event["filename"] == "spec/w_spec.rb"
            && event["retry"] == 1
    });
    let worker = retry["pid"].as_u64().unwrap();
    processes::signal(worker.try_into().unwrap(), "KILL");
    visit.closed_within(run::RUN_LIMIT);
    gate.next().release();
    let run = run.finished(run::RUN_LIMIT);
    run.exited(0).says(&["3 passed (2 flaky)", "Attempts: 2"]);
    let again = run.events("item_redelivered");
    assert_eq!((again.len(), &again[0]["retry"]), (1, &1.into()));
    home.assert_nothing_left();
}

#[test]
fn a_cancel_leaves_what_waits_for_a_retry_failed() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let project = at_the_gate(&home, &gate);
    let run = run::start(&home, &project, &["--local=2", "--retries", "2"]);
    let _visit = gate.next();
    run.event("the failure", |event| {
        event["event"] == "item_finished" && event["filename"] == "spec/a_spec.rb"
    });
    run.signal(Signal::Int);
    let run = run.finished(run::RUN_LIMIT);
    run.exited(130).says(&[
        "1 failed test was not retried: the job ended first",
        "unlucky in run 1",
        "2 tests: 1 passed, 1 failed",
    ]);
    let case = case(&run, "spec/a_spec.rb", "network answers");
    assert_eq!((case.outcome.as_str(), case.attempts.len()), ("failure", 0));
    home.assert_nothing_left();
}

#[test]
fn fail_fast_counts_a_test_when_its_retries_have_failed() {
    let home = Home::new();
    let broken = "require_relative '../tries'\nRSpec.describe('b') { it('is broken') { Tries.unlucky('broken', 99) } }\n";
    let project = project(
        &home,
        &[("spec/a_spec.rb", FLAKY), ("spec/b_spec.rb", broken)],
    );
    let arguments = ["--local=1", "--retries", "1", "--fail-fast"];
    let run = run::run(&home, &project, &arguments);
    // The first failure did not end the job, as it might have passed, and did.
    run.exited(1)
        .reported(&["spec/a_spec.rb", "spec/b_spec.rb"])
        .says(&["2 passed (1 flaky), 1 failed"]);
    home.assert_nothing_left();
}
