use std::time::{Duration, Instant};

use gorgon_proto::outcome::Verdict;

use crate::ledger::tests::parts::work;
use crate::ledger::tests::script::{event, rules};
use crate::ledger::{Effect, Ending, Ledger};
use crate::report::Results;

/// What the reports know after these events.
fn results(events: &str) -> Results {
    let (mut results, mut ledger) = (Results::new(&work()), Ledger::new(rules(), work()));
    for text in events.split("; ") {
        for effect in ledger.step(Instant::now(), event(text)) {
            if let Effect::Tell(happening) = effect {
                results.take(Duration::ZERO, &happening);
            }
        }
    }
    results
}

/// The files as `verdict tests errors`, and how many are done.
#[track_caller]
fn check(events: &str, expected: &str) {
    let results = results(&format!("offer; a joins; {events}"));
    let mut shown: Vec<String> = Vec::new();
    for file in results.by_file() {
        let tests: Vec<_> = file
            .tests()
            .iter()
            .map(|it| it.test.id().to_owned())
            .collect();
        shown.push(format!(
            "{:?} {} {}",
            file.verdict(),
            tests.join(","),
            file.errors().len()
        ));
    }
    shown.push(format!("{}/{}", results.done(), results.total()));
    assert_eq!(shown.join("; "), expected, "{events}");
}

#[test]
fn a_file_has_passed_when_all_its_parts_have() {
    check(
        "a1 passes 0 +a +b =a,c,b,d; a2 passes 2",
        "None a,b 0; Some(Passed)  0; 1/2",
    );
    check(
        "a1 passes 0 +a +b =a,c,b,d; a2 passes 2; a2 passes 1 +c +d =a,c,b,d",
        "Some(Passed) a,c,b,d 0; Some(Passed)  0; 2/2",
    );
    check(
        "a1 passes 0 +a +b =a,b,c,d; a2 passes 1 +c +d =a,b,c,d,e",
        "None a,b,c,d 0; None  0; 0/2",
    );
    check(
        "a1 passes 0 +a +b =a,b,c,d,e; a2 passes 1 +c +d =a,b,c,d,e; a1 fails 3 -e =a,b,c,d,e",
        "Some(Failed) a,b,c,d,e 0; None  0; 1/2",
    );
}

#[test]
fn the_worst_part_is_the_files_verdict_and_a_common_fault_is_one() {
    check(
        "a1 fails 0 -a +b =a,b,c,d; a2 crashes 1 +c",
        "Some(Crashed) a,b,c 1; None  0; 1/2",
    );
    check(
        "a1 fails 0 !load; a2 fails 1 !load",
        "Some(Failed)  1; None  0; 1/2",
    );
}

const FAILS: &str =
    "a1 fails 0 -a +b =a,c,b,d,e; a2 fails 1 +c +d !x =a,c,b,d,e; a1 passes 3 +e; a1 passes 2";

#[test]
fn what_depends_on_what_ran_before_passes_as_it_did_alone() {
    let pending = "Some(Failed) a,c,b,d,e 1; Some(Passed)  0; 2/2";
    check(FAILS, pending);
    for (ends, expected, relies, settled, bad) in [
        (
            "a1 passes 4 +a +b +c +d +e; a1 fails 5 -a +b; a1 fails 6 +c +d !x",
            "Some(Passed) a,c,b,d,e 0; Some(Passed)  0; 2/2",
            true,
            true,
            0,
        ),
        ("a1 fails 4 -a +b +c +d +e !x", pending, false, true, 1),
        // One part depends on it, the other one is flaky.
        (
            "a1 passes 4 +a +b +c +d +e; a1 fails 5 -a +b; a1 passes 6 +c +d",
            pending,
            true,
            true,
            1,
        ),
        // It passes whenever no other part runs beside it.
        (
            "a1 passes 4 +a +b +c +d +e; a1 passes 5 +a +b; a1 fails 6 +c +d !x",
            "Some(Failed) a,c,b,d,e 0; Some(Passed)  0; 2/2",
            true,
            false,
            1,
        ),
        ("a1 crashes 4 +a", pending, false, true, 1),
    ] {
        let events = format!("{FAILS}; {ends}");
        check(&events, expected);
        let mut results = results(&format!("offer; a joins; {events}"));
        let told = |it: &String| it.contains("depends on what runs before it");
        let warned = results.warnings.iter().any(told);
        let file = &results.by_file()[0];
        assert_eq!((results.relies(file), warned), (relies, relies), "{ends}");
        assert_eq!(results.is_settled(file), settled, "{ends}");
        results.close(&Ending::Complete);
        assert_eq!(results.failed_so_far(), bad, "{ends}");
        assert_eq!(results.counts().files_not_run, 0, "{ends}");
    }
}

#[test]
fn a_test_that_ran_in_two_parts_counts_once() {
    check(
        "a1 passes 0 +a +b =a,b,c,d; a2 passes 1 +b +c +d =a,b,c,d",
        "Some(Passed) a,b,c,d 0; None  0; 1/2",
    );
}

#[test]
fn files_are_counted_once_and_a_file_that_was_begun_is_unfinished() {
    let mut results = results("offer; a joins; a1 fails 0 -a +b =a,b,c,d; a2 starts 1");
    results.close(&Ending::Complete);
    let counts = results.counts();
    assert_eq!(
        (counts.files, counts.files_failed, counts.files_not_run),
        (2, 1, 1)
    );
    let names = |files: Vec<&crate::report::FileResult>| {
        let names = files.iter().map(|file| file.filename.clone());
        names.collect::<Vec<_>>().join(",")
    };
    assert_eq!(names(results.unfinished()), "giant");
    assert_eq!(names(results.not_run()), "small");
    assert_eq!(results.by_file()[0].verdict(), Some(Verdict::Failed));
    assert_eq!(results.failed_so_far(), 1);
}
