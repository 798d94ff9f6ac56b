//! Tables of what the ledger does about a file that is split.

use gorgon_proto::item::{ItemId, WorkItem};

use super::Rules;
use super::script::{Run, rules};

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
fn failed_tests_of_a_part_are_tried_again_after_all_parts() {
    let rules = Rules {
        retries: 1,
        ..rules()
    };
    check_with(
        rules,
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
        "offer; a joins; b joins; b1 passes 2; b1 passes 10; b1 passes 11; a1 fails 4 !x; a1 fails 5 !x; a1 fails 6 !x; \
         a1 fails 0 !load; a1 fails 1 !load; b1 passes 12; b1 passes 13; b1 passes 14; b1 passes 15 +a +b =a,b,c,d,e",
    );
    assert!(told.contains("sick a 5/5 0/3"), "{told}");
    assert!(
        told.ends_with("passed 15; rest of 1 as 3; publish 3"),
        "{told}"
    );
}
