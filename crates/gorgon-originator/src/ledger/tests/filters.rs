//! Tables of what the ledger does where filters left out tests.

use super::script::rules;
use super::{Rules, check_with};

#[track_caller]
fn check(count: u32, events: &str, effects: &str) {
    check_with(rules(), count, events, effects);
}

#[test]
fn where_filters_leave_out_every_test_of_the_job_all_run_that_want_to() {
    check(
        3,
        "a1 passes 0 ~all; a2 passes 1 ~some; a1 passes 2 ~all; a1 passes 3 +x; a2 passes 4 +y; a leaves done",
        "passed 0; passed 1; passed 2; unfiltered 0 as 3; publish 3; unfiltered 2 as 4; publish 4; passed 3; passed 4; \
         delete; done",
    );
}

#[test]
fn a_filter_is_judged_for_the_whole_job() {
    for end in ["passes 1 +x", "fails 1 !load", "crashes 1"] {
        let verdict = match end.split(' ').next() {
            Some("passes") => "passed",
            Some("fails") => "failed",
            _ => "crashed",
        };
        check(
            2,
            &format!("a1 passes 0 ~all; a1 {end}; a leaves done"),
            &format!("passed 0; {verdict} 1; delete; done"),
        );
    }
    check(
        1,
        "a1 passes 0 ~some; a leaves done",
        "passed 0; delete; done",
    );
}

#[test]
fn what_fails_without_the_filters_is_tried_again_without_them() {
    let rules = Rules {
        retries: 1,
        ..rules()
    };
    check_with(
        rules,
        1,
        "a1 passes 0 ~all; a1 fails 1 -x; a2 passes 2 +x; a leaves done",
        "passed 0; unfiltered 0 as 1; publish 1; failed 1; retry 1 x as 2.1 not on a:1; flaky 2; delete; done",
    );
}
