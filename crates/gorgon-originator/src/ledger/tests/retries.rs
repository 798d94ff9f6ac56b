//! Tables of what the ledger does about failed tests.

use std::fmt::Write as _;

use super::script::rules;
use super::{Rules, check_with};

#[track_caller]
fn check(retries: u32, count: u32, events: &str, effects: &str) {
    check_with(Rules { retries, ..rules() }, count, events, effects);
}

#[test]
fn failed_tests_alone_run_elsewhere_after_the_rest() {
    check(
        2,
        2,
        "a1 fails 0 -x +y -z; a2 passes 1; a2 passes 2 +x +z; a leaves done",
        "failed 0; passed 1; retry 1 x,z as 2.1 not on a:1; flaky 2; delete; done",
    );
    check(
        0,
        1,
        "a1 fails 0 -x; a leaves done",
        "failed 0; delete; done",
    );
    check(
        2,
        1,
        "a1 crashes 0 -x; a leaves done",
        "crashed 0; delete; done",
    );
    check(
        2,
        1,
        "a1 fails 0 !load; a leaves done",
        "failed 0; delete; done",
    );
}

#[test]
fn a_test_has_so_many_further_attempts_and_no_more() {
    check(
        2,
        1,
        "a1 fails 0 -x -y; a2 fails 1 -x +y; a1 fails 2 -x; a leaves done",
        "failed 0; retry 1 x,y as 1.1 not on a:1; failed 1; retry 2 x as 2.1 not on a:2; \
         failed 2; delete; done",
    );
    check(
        2,
        1,
        "a1 fails 0 -x; a2 fails 1 -x; a1 passes 2 +x; a leaves done",
        "failed 0; retry 1 x as 1.1 not on a:1; failed 1; retry 2 x as 2.1 not on a:2; flaky 2; \
         delete; done",
    );
}

#[test]
fn a_retry_without_a_clean_result_is_the_last() {
    for (end, verdict) in [
        ("crashes 1", "crashed"),
        ("crashes 1 +x", "crashed"),
        ("passes 1", "failed"),
        ("passes 1 +other", "failed"),
        ("passes 1 ?x", "failed"),
        ("fails 1 +x !after(:all)", "failed"),
    ] {
        check(
            3,
            1,
            &format!("a1 fails 0 -x; a2 {end}; a leaves done"),
            &format!("failed 0; retry 1 x as 1.1 not on a:1; {verdict} 1; delete; done"),
        );
    }
}

#[test]
fn losses_count_for_themselves() {
    check(
        1,
        1,
        "a1 fails 0 -x; a2 starts 1; a2 dies; a1 starts 1.2; a1 dies; a2' starts 1.3; a2' dies; \
         a leaves done",
        "failed 0; retry 1 x as 1.1 not on a:1; retry 1 x as 1.2 not on a:1; \
         retry 1 x as 1.3 not on a:1; lost 1 on a,a,a; delete; done",
    );
    check(
        1,
        1,
        "a1 starts 0; a1 dies; a2 fails 0.2 -x; a1' starts 1; a1' dies; a1' passes 1.2 +x",
        "publish 0.2; failed 0; retry 1 x as 1.1 not on a:2; retry 1 x as 1.2 not on a:2; flaky 1; \
         delete",
    );
}

#[test]
fn who_is_avoided_may_decline_three_times() {
    check(
        1,
        1,
        "a1 fails 0 -x; a1 declines 1; a1 declines 1; a1 declines 1; a1 declines 1",
        "failed 0; retry 1 x as 1.1 not on a:1; retry 1 x as 1.1 not on a:1; \
         retry 1 x as 1.1 not on a:1; retry 1 x as 1.1 not on a:1; retry 1 x as 1.1",
    );
    check(
        1,
        1,
        "b joins; a1 fails 0 -x; b leaves stopped; a2 ends; a leaves stopped; c joins one; \
         a1 declines 1",
        "failed 0; retry 1 x as 1.1 not on a:1; delete m.b; delete m.a; offer; retry 1 x as 1.1",
    );
}

#[test]
fn a_retry_waits_until_another_worker_than_its_own_is_free() {
    // Two that avoid each other's worker do not wait on the queue together.
    check(
        1,
        2,
        "a1 fails 0 -x; a2 fails 1 -y; a1 declines 2; a2 starts 2; a1 starts 3",
        "failed 0; failed 1; retry 1 x as 2.1 not on a:1; retry 1 x as 2.1 not on a:1; \
         retry 1 y as 3.1 not on a:2",
    );
    // What failed at one worker waits for the other, and what the free one may run goes first.
    check(
        1,
        3,
        "a1 fails 0 -x; a1 fails 1 -y; a2 fails 2 -z; a2 starts 3; a1 starts 4; a2 passes 3 +x",
        "failed 0; failed 1; failed 2; retry 1 x as 3.1 not on a:1; retry 1 z as 4.1 not on a:2; \
         flaky 3; retry 1 y as 5.1 not on a:1",
    );
    // Where nobody else is left there is nobody to wait for.
    check(
        1,
        1,
        "a1 starts 0; a2 ends; a1' fails 0 -x",
        "failed 0; retry 1 x as 1.1 not on a:1",
    );
}

#[test]
fn nobody_is_avoided_where_nobody_else_is() {
    let rules = Rules {
        retries: 1,
        ..rules()
    };
    let run = super::script::Run::new(rules, 1);
    assert_eq!(
        run.run("offer; a joins one; a1 fails 0 -x"),
        "failed 0; retry 1 x as 1.1"
    );
}

#[test]
fn after_a_cancel_nothing_is_tried_again() {
    check(
        2,
        2,
        "a1 fails 0 -x; cancel; a leaves done",
        "failed 0; cancel; purge; done Cancelled",
    );
    check(
        2,
        1,
        "a1 fails 0 -x; cancel; a2 declines 1; a2 fails 1 -x; a leaves done",
        "failed 0; retry 1 x as 1.1 not on a:1; cancel; purge; failed 1; done Cancelled",
    );
}

#[test]
fn fail_fast_counts_tests_after_their_retries() {
    let fast = |n| Rules {
        retries: 1,
        fail_fast: Some(n),
        ..rules()
    };
    check_with(
        fast(1),
        2,
        "a1 fails 0 -x; a2 fails 1 -y; a2 passes 2 +x; a1 fails 3 -y; a leaves done",
        "failed 0; failed 1; retry 1 x as 2.1 not on a:1; flaky 2; retry 1 y as 3.1 not on a:2; \
         failed 3; delete; done",
    );
    check_with(
        fast(1),
        2,
        "a1 fails 0 -x; a2 fails 1 -y; a2 starts 2; a1 fails 3 -y; a2 passes 2 +x; a leaves done",
        "failed 0; failed 1; retry 1 x as 2.1 not on a:1; retry 1 y as 3.1 not on a:2; failed 3; \
         purge; flaky 2; delete; done",
    );
    check_with(
        fast(1),
        2,
        "a1 fails 0 -x; a2 fails 1 -y; a2 fails 2 -x; +1; a leaves done",
        "failed 0; failed 1; retry 1 x as 2.1 not on a:1; failed 2; purge; delete; done FailFast",
    );
    check_with(
        fast(1),
        2,
        "a1 fails 0 -x; a2 fails 1 !load; a leaves done",
        "failed 0; failed 1; purge; delete; done FailFast",
    );
}

#[test]
fn where_too_much_failed_nothing_is_tried_again() {
    let many = |failed: usize, all: usize| {
        let mut words = String::new();
        for n in 0..all {
            let sign = if n < failed { '-' } else { '+' };
            let _ = write!(words, " {sign}t{n}");
        }
        words
    };
    check(
        1,
        1,
        &format!("a1 fails 0{}; a leaves done", many(11, 100)),
        "failed 0; stopped 11/100; delete; done",
    );
    for (failed, all) in [(10, 100), (20, 99)] {
        let ids: Vec<_> = (0..failed).map(|n| format!("t{n}")).collect();
        check(
            1,
            1,
            &format!("a1 fails 0{}", many(failed, all)),
            &format!("failed 0; retry 1 {} as 1.1 not on a:1", ids.join(",")),
        );
    }
}

#[test]
fn a_lost_file_queue_is_refilled_with_retries_too() {
    check(
        1,
        1,
        "a1 fails 0 -x; down; up missing; a1 idle; a2 idle; +6",
        "failed 0; retry 1 x as 1.1 not on a:1; declare; offer; retry 1 x as 1.1 not on a:1; look m.a; look file queue",
    );
}
