//! Tables of what the ledger does about a file that is split.

use gorgon_proto::item::{ItemId, WorkItem};

use super::Rules;
use super::script::{Run, rules};
use crate::ledger::LastFailed;

/// Items 0 and 1 are parts of a file, with the tests a, b and c, d; item 2 is whole; item 3 is what the
/// parts leave.
pub(crate) fn work() -> Vec<WorkItem> {
    let ids = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
    let part = |n, tests: &str, except: &str| WorkItem {
        part: true,
        tests: ids(tests),
        except: ids(except),
        ..WorkItem::whole(ItemId(n), "giant")
    };
    vec![
        part(0, "ab", ""),
        part(1, "cd", ""),
        WorkItem::whole(ItemId(2), "small"),
        part(3, "", "abcd"),
    ]
}

#[track_caller]
fn check_with(rules: Rules, events: &str, effects: &str) {
    let run = Run::of(rules, work());
    assert_eq!(
        run.run(&format!("offer; a joins; {events}")),
        effects,
        "after: {events}"
    );
}

#[track_caller]
fn check_knowing(rules: Rules, failing: &[&str], events: &str, effects: &str) {
    let mut run = Run::of(rules, work());
    let last = LastFailed {
        tests: failing.iter().map(|id| (*id).to_owned()).collect(),
        ..LastFailed::default()
    };
    let known = [("giant".to_owned(), last)];
    run.ledger = run.ledger.knowing(known.into_iter().collect());
    assert_eq!(
        run.run(&format!("offer; a joins; {events}")),
        effects,
        "after: {events}, knowing {failing:?}"
    );
}

#[track_caller]
fn check(events: &str, effects: &str) {
    check_with(rules(), events, effects);
}

#[test]
fn a_file_as_it_was_ends_with_its_parts() {
    check(
        "a1 passes 0 +a +b =a,b,c,d; a1 passes 2; a2 passes 1 +c +d =a,b,c,d; a leaves done",
        "passed 0; passed 2; passed 1; delete; done",
    );
}

#[test]
fn tests_that_no_part_was_given_run_as_one_more_item_at_once() {
    check(
        "a1 passes 0 +a +b =a,b,c,d,e; a1 passes 2; a2 passes 1 +c +d =a,b,c,d,e; a1 passes 3 +e =a,b,c,d,e; \
         a leaves done",
        "passed 0; rest of 1 as 3; publish 3; passed 2; passed 1; passed 3; delete; done",
    );
}

#[test]
fn the_last_part_may_be_the_first_that_knows_of_them() {
    check(
        "a1 passes 2; a1 crashes 0; a2 passes 1 +c +d =a,b,c,d,e,f; a1 passes 3 +e +f; a leaves done",
        "passed 2; crashed 0; passed 1; rest of 2 as 3; publish 3; passed 3; delete; done",
    );
}

#[test]
fn tests_that_are_gone_are_named_once() {
    check(
        "a1 passes 0 +a =a,c,d; a1 passes 2; a2 passes 1 +c +d =a,c,d; a leaves done",
        "passed 0; gone b; passed 2; passed 1; delete; done",
    );
}

#[test]
fn parts_that_know_nothing_leave_nothing() {
    check(
        "a1 crashes 0; a1 passes 2; a2 fails 1 !load; a leaves done",
        "crashed 0; passed 2; failed 1; delete; done",
    );
    // Once it is known that nothing waits, the file runs whole; it cannot be loaded then either.
    check(
        "a1 fails 0 !load; a1 passes 2; a2 fails 1 !load; a1 fails 4 !load; a leaves done",
        "failed 0; passed 2; failed 1; alone 0+1 as 4; publish 4; failed 4; found of 0; found of 1; delete; done",
    );
}

#[test]
fn a_part_that_is_lost_is_the_last_one_too() {
    check(
        "a1 passes 2; a1 passes 0 +a +b =a,b,c,d; a2 starts 1; a2 dies; a1 starts 1.2; a1 dies; a2' starts 1.3; \
         a2' dies; a leaves done",
        "passed 2; passed 0; publish 1.2; publish 1.3; lost 1 on a,a,a; delete; done",
    );
}

#[test]
fn what_the_parts_leave_is_not_queued_after_fail_fast() {
    let rules = Rules {
        fail_fast: Some(1),
        ..rules()
    };
    check_with(
        rules,
        "a1 starts 0; a2 starts 1; a1 fails 0 -a +b =a,b,c,d,e; a2 passes 1 +c +d =a,b,c,d,e; +1; a leaves done",
        "failed 0; rest of 1 as 3; publish 3; purge; passed 1; delete; done FailFast",
    );
}

#[test]
fn tests_of_a_part_that_are_known_to_fail_are_tried_again_after_all_parts() {
    let rules = Rules {
        retries: 1,
        ..rules()
    };
    check_knowing(
        rules,
        &["a"],
        "a1 fails 0 -a +b =a,b,c,d; a1 passes 2; a2 passes 1 +c +d =a,b,c,d; a2 passes 4 +a; a leaves done",
        "failed 0; passed 2; passed 1; retry 1 a as 4.1 not on a:1; flaky 4; delete; done",
    );
}

#[test]
fn a_rest_that_seemed_to_be_nothing_runs_when_a_repeat_knows_better() {
    let mut work = work();
    let whole = |n| WorkItem::whole(ItemId(n), format!("f{n}"));
    work.extend((4..12).map(whole));
    let run = Run::of(rules(), work);
    let told = run.run(
        "offer; a joins; b joins; b1 passes 2; b1 passes 10; b1 passes 11; a1 fails 4 !x; a2 fails 5 !x; a1 fails 6 !x; \
         a1 fails 0 !load; a1 fails 1 !load; b1 passes 12; b1 passes 13; b1 passes 14; a1 fails 15; b1 passes 16 +a +b =a,b,c,d,e",
    );
    assert!(told.contains("sick a 5/5 0/3"), "{told}");
    assert!(
        told.ends_with("passed 16; rest of 1 as 3; publish 3"),
        "{told}"
    );
}

#[test]
fn a_file_that_fails_anew_in_a_part_is_judged_again_alone_and_as_the_part() {
    let fails = "a1 fails 0 +a -b =a,b,c,d; a2 passes 1 +c +d =a,b,c,d; a1 passes 2";
    let alone = "failed 0; passed 1; passed 2; alone 0 as 4; publish 4";
    let again = format!("{alone}; passed 4; again 0 as 5; publish 5");
    for (ends, effects) in [
        (
            "a1 passes 4 +a +b +c +d; a2 fails 5 +a -b",
            format!("{again}; failed 5; found of 0 after others b"),
        ),
        (
            "a1 passes 4 +a +b +c +d; a2 passes 5 +a +b",
            format!("{again}; passed 5; found of 0 flaky b"),
        ),
        (
            "a1 passes 4 +a +b +c +d; a2 crashes 5 +a",
            format!("{again}; crashed 5; found of 0"),
        ),
        // It fails by itself, in the same way or in another.
        (
            "a1 fails 4 +a -b +c +d",
            format!("{alone}; failed 4; found of 0"),
        ),
        (
            "a1 fails 4 +a +b -c +d",
            format!("{alone}; failed 4; found of 0"),
        ),
        (
            "a1 fails 4 +a +b +c +d !x",
            format!("{alone}; failed 4; found of 0"),
        ),
        (
            "a1 crashes 4 +a +b",
            format!("{alone}; crashed 4; found of 0"),
        ),
        // A test that is not there has not passed.
        (
            "a1 passes 4 +a +c +d",
            format!("{alone}; passed 4; found of 0"),
        ),
    ] {
        check(
            &format!("{fails}; {ends}; a leaves done"),
            &format!("{effects}; delete; done"),
        );
    }
    // What is known to fail is no reason; another test is, also a new one in what the parts leave.
    let knowing = |ids: &[&str], events: &str, effects: &str| {
        check_knowing(rules(), ids, events, effects);
    };
    knowing(
        &["b"],
        &format!("{fails}; a leaves done"),
        "failed 0; passed 1; passed 2; delete; done",
    );
    knowing(
        &["a", "c"],
        &format!("{fails}; a1 fails 4 -a +b"),
        &format!(
            "{}; again 0 as 5; publish 5",
            again.replace("passed 4; again 0 as 5; publish 5", "failed 4")
        ),
    );
    knowing(
        &["b"],
        &format!(
            "{}; a1 fails 3 -e; a1 fails 4 -b +e; a1 fails 5 -e",
            fails.replace("=a,b,c,d", "=a,b,c,d,e")
        ),
        "failed 0; rest of 1 as 3; publish 3; passed 1; passed 2; failed 3; alone 3 as 4; publish 4; failed 4; \
         again 3 as 5; publish 5; failed 5; found of 3 after others e; delete",
    );
}

#[test]
fn each_part_of_a_file_that_failed_runs_again_by_itself() {
    check(
        "a1 fails 0 -a +b =a,b,c,d; a2 fails 1 -c -d =a,b,c,d; a1 passes 2; a1 fails 4 +a +b +c -d; \
         a1 fails 5 -a +b; a2 passes 6 +c +d",
        "failed 0; failed 1; passed 2; alone 0+1 as 4; publish 4; failed 4; again 0 as 5; publish 5; again 1 as 6; \
         publish 6; failed 5; found of 0 after others a; passed 6; found of 1 flaky c; delete",
    );
}

#[test]
fn a_part_that_crashes_or_is_lost_makes_a_review_useless() {
    check(
        "a1 fails 0 -a; a2 crashes 1; a1 passes 2; a leaves done",
        "failed 0; crashed 1; passed 2; delete; done",
    );
    check(
        "a1 passes 2; a1 fails 0 -a; a2 starts 1; a2 dies; a1 starts 1.2; a1 dies; a2' starts 1.3; a2' dies; \
         a leaves done",
        "passed 2; failed 0; publish 1.2; publish 1.3; lost 1 on a,a,a; delete; done",
    );
}

#[test]
fn parts_that_failed_on_a_sick_host_count_as_they_end_elsewhere() {
    let mut work = work();
    let whole = |n| WorkItem::whole(ItemId(n), format!("f{n}"));
    work.extend((4..12).map(whole));
    let begins = "offer; a joins; b joins; b1 passes 2; b1 passes 7; b1 passes 8; b1 passes 9; b1 passes 10; \
                  b1 passes 11; a1 fails 4 !x; a2 fails 5 !x; a1 fails 6 !x; a1 fails 0 -a; a1 fails 1 -c";
    // The probes are of 4, 5, 6; of the others each part runs once more.
    let probes = "b1 passes 12; b1 passes 13; b1 passes 14; a1 fails 15";
    let run = |ends: &str| {
        let run = Run::of(rules(), work.clone());
        run.run(&format!(
            "{begins}; {probes}; {ends}; a leaves sick; b leaves done"
        ))
    };
    let told = run("b1 passes 16; b1 passes 17");
    assert!(told.contains("sick a 5/5 0/6"), "{told}");
    assert!(
        told.ends_with("passed 16; passed 17; delete; done"),
        "{told}"
    );
    let told = run("b1 passes 16; b1 fails 17 -c; b1 passes 18 +c; b1 fails 19 -c");
    assert!(
        told.contains("passed 16; failed 17; alone 1 as 18; publish 18; passed 18; again 1 as 19; publish 19; failed 19; found of 1 after others c; delete"),
        "{told}"
    );
}
