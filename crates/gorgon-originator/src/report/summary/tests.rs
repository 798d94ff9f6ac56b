//! The summary as text, and the JUnit report of the same results.

use std::time::{Duration, UNIX_EPOCH};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{Finish, SuiteHookFailed};
use gorgon_proto::outcome::{
    FileError, FinishType, LeftOut, Outcome, PlainRun, TestResult, Verdict,
};

use super::*;
use crate::ledger::Happening;
use crate::report::junit::JobFacts;
use crate::report::reproduce::REPRODUCE_LIMIT;
use crate::report::status::{self, Strict};
use gorgon_proto::text::shell::quoted;

fn finish(item: u32, name: &str, kind: FinishType) -> Finish {
    Finish {
        hostname: "web1".to_owned(),
        listener_id: ListenerId("l".to_owned()),
        worker_id: 2,
        pid: 7,
        filename: name.to_owned(),
        item: ItemId(item),
        attempt: 1,
        retry: 0,
        kind,
        runtime: 1.5,
        time: 1.25,
        runner: None,
        failures: Vec::new(),
        tests: Vec::new(),
        errors: Vec::new(),
        output: String::new(),
        warnings: Vec::new(),
        child: 1,
        ran_before: Vec::new(),
        test_env_number: 0,
        earlier: Vec::new(),
        needs_tests: false,
        left_out: None,
        defined: None,
        divisible: false,
        plain: PlainRun::default(),
    }
}

fn test(name: &str, outcome: Outcome, message: &str) -> TestResult {
    TestResult {
        key: None,
        group: None,
        id: "1:1".to_owned(),
        name: name.to_owned(),
        classname: "Cart".to_owned(),
        file: "spec/b_spec.rb".to_owned(),
        line: 7,
        outcome,
        seconds: 0.25,
        exception: outcome.is_bad().then(|| "RuntimeError".to_owned()),
        message: message.to_owned(),
        backtrace: vec![
            "spec/b_spec.rb:8:in `block'".to_owned(),
            "/gems/x.rb:1".to_owned(),
        ],
        output: String::new(),
        rerun: None,
    }
}

fn results() -> Results {
    let names = [
        "spec/a_spec.rb",
        "spec/b_spec.rb",
        "spec/c d_spec.rb",
        "spec/e_spec.rb",
    ];
    let work: Vec<_> = (0u32..)
        .zip(names)
        .map(|(n, name)| WorkItem::whole(ItemId(n), name))
        .collect();
    let mut results = Results::new(&work);
    let mut take = |finish: Finish, verdict| {
        let happening = Happening::ItemFinished {
            finish: Box::new(finish),
            verdict,
            attempts: 1,
            repeat: None,
            review: None,
        };
        results.take(Duration::from_secs(2), &happening);
    };
    let mut a = finish(0, names[0], FinishType::Pass);
    a.tests = vec![test("Cart is <empty>", Outcome::Passed, "")];
    take(a, Verdict::Passed);
    let mut b = finish(1, names[1], FinishType::Fail);
    b.ran_before = vec![ItemId(0)];
    b.tests = vec![
        test(
            "Cart adds\x1b[2J",
            Outcome::Failed,
            "expected: 1\n     got: \x1b[31m2\x1b[0m",
        ),
        test("Cart waits", Outcome::Skipped, "later"),
    ];
    b.output = "hello\x07\n".to_owned();
    take(b, Verdict::Failed);
    let mut c = finish(2, names[2], FinishType::Crash);
    c.ran_before = vec![ItemId(0), ItemId(1)];
    c.errors = vec![FileError {
        what: "crash".to_owned(),
        exception: None,
        message: "the Ruby process ended with SIGKILL".to_owned(),
        backtrace: Vec::new(),
        test: Some("Cart dies".to_owned()),
    }];
    take(c, Verdict::Crashed);
    results.take(
        Duration::from_secs(3),
        &Happening::SuiteHookFailed(SuiteHookFailed {
            hostname: "web1".to_owned(),
            listener_id: ListenerId("l".to_owned()),
            worker_id: 2,
            error: FileError {
                what: "after(:suite)".to_owned(),
                exception: Some("RuntimeError".to_owned()),
                message: "no".to_owned(),
                backtrace: Vec::new(),
                test: None,
            },
            output: String::new(),
        }),
    );
    results.close(&Ending::Complete);
    results
}

fn job() -> JobFacts {
    JobFacts {
        started: UNIX_EPOCH,
        elapsed: Duration::from_millis(3210),
        seed: 42,
    }
}

fn facts<'a>(ending: &'a Ending, job: &'a JobFacts) -> Facts<'a> {
    Facts {
        ending,
        job,
        colour: false,
        quiet: false,
        strict: Strict::default(),
        rerun: &|file, test| {
            let line = test.map_or_else(String::new, |test| format!(":{}", test.line));
            Some(format!("run {}{line}", file.filename))
        },
        keep_list: &|_| Some("/c/list".to_owned()),
    }
}

#[test]
fn the_summary_tells_each_failure_and_the_figures() {
    let (ending, job) = (Ending::FailFast, job());
    let stars = "*".repeat(80);
    assert_eq!(
        write(&results(), &facts(&ending, &job)),
        format!(
            "\
{stars}
File 'spec/b_spec.rb' failed at 'web1:2'

Test name: Cart adds\\x1b[2J
  spec/b_spec.rb:7
  RuntimeError
  Message:
    expected: 1
         got: 2
    # spec/b_spec.rb:8:in `block'
  rerun: run spec/b_spec.rb:7
  Output:
    hello\\x07

  with what ran before it in its Ruby process:
  reproduce: gorgon-worker --workspace . --seed 42 --worker-id 2 --file spec/a_spec.rb --file spec/b_spec.rb

{stars}
File 'spec/c d_spec.rb' crashed at 'web1:2'

Error outside tests: crash
  While this test was running: Cart dies
  Message:
    the Ruby process ended with SIGKILL
  rerun: run spec/c d_spec.rb

  with what ran before it in its Ruby process:
  reproduce: gorgon-worker --workspace . --seed 42 --worker-id 2 --file spec/a_spec.rb --file spec/b_spec.rb --file 'spec/c d_spec.rb'

{stars}
A suite hook raised at 'web1:2'

Error outside tests: after(:suite): RuntimeError
  Message:
    no

Files not run (1):
  spec/e_spec.rb

Slowest files:
     1.25 s  spec/a_spec.rb
     1.25 s  spec/b_spec.rb
     1.25 s  spec/c d_spec.rb

3 tests: 1 passed, 1 failed, 1 skipped; 2 errors outside tests
4 files: 1 passed, 1 failed, 1 crashed, 1 not run
Time: 3.21 s, seed 42
"
        )
    );
}

#[test]
fn a_child_that_ran_many_files_is_reproduced_from_a_list() {
    let mut results = results();
    let file = {
        let file = &mut results.files[1];
        file.ran_in_child = vec![ItemId(0); REPRODUCE_LIMIT + 1];
        file.clone()
    };
    assert_eq!(
        reproduce(&results, &file, 42, &|_| Some("/c/list".to_owned())),
        "gorgon-worker --workspace . --seed 42 --worker-id 2 --files-from /c/list"
    );
    assert_eq!(quoted("a'b"), "'a'\\''b'");
    assert_eq!(quoted("a\nb"), "$'a\\nb'");
}

#[test]
fn the_junit_report_names_the_file_everywhere() {
    let text = junit::write(&results(), &job());
    assert_eq!(
        text,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<testsuites name=\"gorgon\" tests=\"5\" failures=\"1\" errors=\"2\" skipped=\"1\" time=\"3.210000\" timestamp=\"1970-01-01T00:00:00\">
  <testsuite name=\"spec/a_spec.rb\" file=\"spec/a_spec.rb\" tests=\"1\" failures=\"0\" errors=\"0\" skipped=\"0\" time=\"0.250000\" timestamp=\"1970-01-01T00:00:00\" hostname=\"web1\">
    <properties><property name=\"seed\" value=\"42\"/></properties>
    <testcase file=\"spec/a_spec.rb\" classname=\"Cart\" name=\"Cart is &lt;empty&gt;\" time=\"0.250000\"/>
  </testsuite>
  <testsuite name=\"spec/b_spec.rb\" file=\"spec/b_spec.rb\" tests=\"2\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"0.500000\" timestamp=\"1970-01-01T00:00:00\" hostname=\"web1\">
    <properties><property name=\"seed\" value=\"42\"/></properties>
    <testcase file=\"spec/b_spec.rb\" classname=\"Cart\" name=\"Cart adds\\x1b[2J\" time=\"0.250000\">
      <failure type=\"RuntimeError\" message=\"expected: 1\">expected: 1
     got: 2
spec/b_spec.rb:8:in `block'
/gems/x.rb:1</failure>
    </testcase>
    <testcase file=\"spec/b_spec.rb\" classname=\"Cart\" name=\"Cart waits\" time=\"0.250000\">
      <skipped message=\"later\"/>
    </testcase>
    <system-out>hello\\x07
</system-out>
  </testsuite>
  <testsuite name=\"spec/c d_spec.rb\" file=\"spec/c d_spec.rb\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\" time=\"1.250000\" timestamp=\"1970-01-01T00:00:00\" hostname=\"web1\">
    <properties><property name=\"seed\" value=\"42\"/></properties>
    <testcase file=\"spec/c d_spec.rb\" classname=\"spec/c d_spec.rb\" name=\"crash\" time=\"1.250000\">
      <error type=\"crash\" message=\"the Ruby process ended with SIGKILL\">the Ruby process ended with SIGKILL
while this test was running: Cart dies</error>
    </testcase>
  </testsuite>
  <testsuite name=\"(suite hooks) web1:2\" file=\"(suite hooks) web1:2\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\" time=\"0.000000\" timestamp=\"1970-01-01T00:00:00\" hostname=\"web1\">
    <properties><property name=\"seed\" value=\"42\"/></properties>
    <testcase file=\"(suite hooks) web1:2\" classname=\"(suite hooks) web1:2\" name=\"suite hook\" time=\"0.000000\">
      <error type=\"RuntimeError\" message=\"no\">no</error>
    </testcase>
  </testsuite>
</testsuites>
"
    );
}

#[test]
fn the_exit_status_follows_from_ending_and_results() {
    let empty = Results::new(&[]);
    let mut lacks_tests = Results::new(&[]);
    lacks_tests.needs_tests = true;
    let table = [
        (Ending::Complete, &empty, 0),
        (Ending::Complete, &lacks_tests, 1),
        (Ending::Cancelled, &lacks_tests, 130),
        (Ending::FailFast, &results(), 1),
        (Ending::Complete, &results(), 1),
        (Ending::Cancelled, &empty, 130),
        (Ending::Cancelled, &results(), 130),
        (Ending::HostsFailed { all_in_sync: true }, &empty, 2),
        (Ending::HostsFailed { all_in_sync: false }, &empty, 3),
        (Ending::HostsFailed { all_in_sync: true }, &results(), 1),
        (
            Ending::NoListener {
                had_hosts: false,
                refused: Vec::new(),
            },
            &empty,
            3,
        ),
        (Ending::BrokerGone, &empty, 3),
    ];
    for (ending, results, code) in table {
        assert_eq!(
            status::of(&ending, results, Strict::default()),
            code,
            "{ending:?}"
        );
    }
}

#[test]
fn spans_are_read_at_a_glance() {
    for (seconds, text) in [
        (1.234, "1.23 s"),
        (61.9, "1 min 1 s"),
        (3725.0, "1 h 2 min"),
    ] {
        assert_eq!(span(Duration::from_secs_f64(seconds)), text);
    }
}

#[test]
fn the_filters_that_left_tests_out_are_named_if_there_are_any() {
    let (ending, job) = (Ending::Complete, job());
    for (by, line) in [
        (
            "include {:smoke=>true}",
            "left out: 3 tests in 1 file (include {:smoke=>true})\n",
        ),
        // The suite itself took them away.
        ("", "left out: 3 tests in 1 file\n"),
    ] {
        let mut results = results();
        results.files[0].left_out = Some(LeftOut {
            tests: 3,
            by: by.to_owned(),
            everything: false,
        });
        let said = write(&results, &facts(&ending, &job));
        assert!(said.contains(line), "{said}");
    }
}
