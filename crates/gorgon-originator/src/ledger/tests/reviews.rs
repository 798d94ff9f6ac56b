//! Tables of files that fail after others in one Ruby child, and are judged again.

use std::fmt::Write as _;

use gorgon_proto::item::{ItemId, WorkItem};

use super::script::{Run, rules};
use super::{Rules, check_with};
use crate::ledger::LastFailed;

#[track_caller]
fn check(count: u32, events: &str, effects: &str) {
    check_with(rules(), count, events, effects);
}

#[test]
fn a_file_that_fails_after_others_and_passes_alone_is_run_once_more_after_them() {
    let begins = "a1 passes 0; a1 passes 1; a1 fails 2 -x +y <0,1";
    let alone = "passed 0; passed 1; failed 2; alone 2 as 3; publish 3";
    let again = format!("{alone}; passed 3; again 2 as 4 after 0,1; publish 4");
    for (ends, effects) in [
        (
            "a2 passes 3 +x +y; a1 fails 4 -x +y @0 @1",
            format!("{again}; failed 4; found of 2 after others x"),
        ),
        (
            "a2 passes 3 +x +y; a1 passes 4 +x +y @0 @1",
            format!("{again}; passed 4; found of 2 flaky x"),
        ),
        ("a2 fails 3 -x +y", format!("{alone}; failed 3; found of 2")),
        // The row was not run to its end.
        (
            "a2 passes 3 +x +y; a1 fails 4 !again @0",
            format!("{again}; failed 4; found of 2"),
        ),
        // Nor where all before it ended, and it was not begun.
        (
            "a2 passes 3 +x +y; a1 fails 4 !again @0 @1",
            format!("{again}; failed 4; found of 2"),
        ),
        // The list of what is to run before it is longer than a message may be.
        (
            "a2 passes 3 +x +y; too large 4",
            format!("{again}; found of 2"),
        ),
        (
            "a2 passes 3 +x +y; a1 crashes 4 @0 @1",
            format!("{again}; crashed 4; found of 2"),
        ),
    ] {
        check(
            3,
            &format!("{begins}; {ends}; a leaves done"),
            &format!("{effects}; delete; done"),
        );
    }
}

#[test]
fn what_failed_in_a_child_of_its_own_or_ends_a_plain_run_is_not_judged_again() {
    for end in [
        "a1 fails 1 -x",
        "a1 crashes 1 -x <0",
        // A thread of the file before it raised, for instance.
        "a1 fails 1 +x !run <0",
        "a1 fails 1 +x !quit <0",
    ] {
        let verdict = if end.contains("crashes") {
            "crashed"
        } else {
            "failed"
        };
        check(
            2,
            &format!("a1 passes 0; {end}; a leaves done"),
            &format!("passed 0; {verdict} 1; delete; done"),
        );
    }
}

#[test]
fn files_of_one_child_run_again_in_one_row() {
    check(
        4,
        "a1 passes 0; a1 fails 1 -x <0; a1 fails 2 -y !hook <0,1; a2 fails 3 -z; a1 passes 4 +x; a2 passes 5 +y; \
         a1 fails 6 -y @0 @1-x; a leaves done",
        "passed 0; failed 1; failed 2; failed 3; alone 1 as 4; publish 4; alone 2 as 5; publish 5; passed 4; passed 5; \
         again 2+1 as 6 after 0,1; publish 6; failed 6; found of 2 after others y; found of 1 after others x; \
         delete; done",
    );
    // A hook that raises again, too.
    check(
        2,
        "a1 passes 0; a1 fails 1 !hook <0; a1 passes 2 +x; a1 fails 3 !hook @0; a leaves done",
        "passed 0; failed 1; alone 1 as 2; publish 2; passed 2; again 1 as 3 after 0; publish 3; failed 3; \
         found of 1 after others !; delete; done",
    );
    // It could not be run once more: that is no fault of its own.
    check(
        2,
        "a1 passes 0; a1 fails 1 !hook <0; a1 passes 2 +x; a1 fails 3 !again @0; a leaves done",
        "passed 0; failed 1; alone 1 as 2; publish 2; passed 2; again 1 as 3 after 0; publish 3; failed 3; \
         found of 1; delete; done",
    );
}

#[test]
fn a_run_of_a_review_is_lost_like_others_and_proves_nothing() {
    check(
        2,
        "a1 passes 0; a1 fails 1 -x <0; a2 starts 2; a2 dies; a1 starts 2.2; a1 dies; a2' starts 2.3; a2' dies; \
         a leaves done",
        "passed 0; failed 1; alone 1 as 2; publish 2; publish 2.2; publish 2.3; lost 2 on a,a,a; found of 1; \
         delete; done",
    );
}

#[test]
fn what_depends_on_what_ran_before_is_not_tried_again_and_what_is_flaky_is() {
    let rules = Rules {
        retries: 1,
        ..rules()
    };
    check_with(
        rules,
        2,
        "a1 passes 0; a1 fails 1 -x -y -z <0; a2 fails 2 +x +y -z; a1 fails 3 -x +y -z @0; a2 fails 4 +y -z; \
         a leaves done",
        "passed 0; failed 1; alone 1 as 2; publish 2; failed 2; again 1 as 3 after 0; publish 3; failed 3; \
         found of 1 after others x flaky y; retry 1 y,z as 4.1 not on a:1; failed 4; delete; done",
    );
}

#[test]
fn fail_fast_counts_at_once_and_what_was_excused_no_more() {
    let fast = |n| Rules {
        fail_fast: Some(n),
        ..rules()
    };
    check_with(
        fast(1),
        2,
        "a1 passes 0; a1 fails 1 -x <0; a leaves done",
        "passed 0; failed 1; delete; done",
    );
    let rules = Rules {
        retries: 1,
        ..fast(2)
    };
    // The test that is tried again is the first failure.
    check_with(
        rules,
        3,
        "a1 passes 0; a1 fails 1 !x <0; a2 fails 2 -y; a1 passes 3; a1 fails 4 !x @0; a1 fails 5 -y; a leaves done",
        "passed 0; failed 1; failed 2; alone 1 as 3; publish 3; passed 3; again 1 as 4 after 0; publish 4; failed 4; \
         found of 1 after others !; retry 1 y as 5.1 not on a:2; failed 5; delete; done",
    );
}

#[test]
fn nothing_is_judged_again_after_a_cancel() {
    check(
        2,
        "a1 passes 0; a2 starts 1; cancel; a1 fails 1 -x <0; a leaves done",
        "passed 0; cancel; purge; failed 1; done Cancelled",
    );
}

#[test]
fn what_failed_the_last_time_is_not_judged_again() {
    let work: Vec<_> = (0..2)
        .map(|n| WorkItem::whole(ItemId(n), format!("f{n}")))
        .collect();
    let with = |last: LastFailed, events: &str| {
        let mut run = Run::of(rules(), work.clone());
        run.ledger = run
            .ledger
            .knowing([("f1".to_owned(), last)].into_iter().collect());
        run.run(&format!("offer; a joins; a1 passes 0; {events}"))
    };
    let tests = ["x".to_owned()].into_iter().collect();
    let last = LastFailed {
        tests,
        ..LastFailed::default()
    };
    let failed = "passed 0; failed 1; delete";
    let judged = "passed 0; failed 1; alone 1 as 2; publish 2";
    assert_eq!(with(last.clone(), "a1 fails 1 -x <0"), failed);
    assert_eq!(with(last.clone(), "a1 fails 1 -x -y <0"), judged);
    assert_eq!(with(last.clone(), "a1 fails 1 -x !hook <0"), judged);
    let file = true;
    assert_eq!(
        with(
            LastFailed {
                file,
                ..last.clone()
            },
            "a1 fails 1 -x !hook <0"
        ),
        failed
    );
    let changed = true;
    assert_eq!(
        with(LastFailed { changed, ..last }, "a1 fails 1 -y <0"),
        failed
    );
}

#[test]
fn where_more_than_a_tenth_of_the_files_fail_none_is_judged_again() {
    let run = |files: u32, failed: u32| {
        let mut events = String::new();
        for n in 0..files {
            let end = if n >= files - failed {
                format!("fails {n} -x <0")
            } else {
                format!("passes {n}")
            };
            let _ = write!(events, "; a1 {end}");
        }
        Run::new(rules(), files).run(&format!("offer; a joins{events}"))
    };
    assert!(
        run(12, 10).contains("alone 2 as 12"),
        "ten are few in any case"
    );
    assert!(
        run(12, 11).ends_with("skipped 11/12; delete"),
        "{}",
        run(12, 11)
    );
    assert!(run(110, 11).contains("alone 99 as 110"));
    assert!(run(109, 11).ends_with("skipped 11/109; delete"));
}
