//! How the broker comes and goes, and its queues.

use super::play::{Play, check, settings};
use crate::event::Settings;

#[test]
fn after_a_reconnect_it_first_says_what_it_holds_and_takes_nothing_else() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("down", ""),
            ("up", "holds 1; stop consuming"),
            ("again 1", ""),
            ("drained", "returned 1"),
            ("ok", "ack 1"),
            ("c1 done", "finish 1 pass"),
            ("ok", "consume"),
            ("item 2", "start 2; run c1 2"),
        ],
    );
    check(
        settings(),
        &[
            ("down", ""),
            ("up", "idle"),
            ("item 1", "start 1; fork c1 rspec"),
        ],
    );
}

#[test]
fn a_finish_that_was_under_way_when_the_link_broke_is_not_acked() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 done", "finish 1 pass"),
            ("down", ""),
            ("up", "holds 1; stop consuming"),
            ("drained", ""),
            ("ok", "consume"),
        ],
    );
}

#[test]
fn after_an_answer_of_the_broker_a_missing_queue_is_the_end_of_the_job() {
    // A finish that was too large.
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 done", "finish 1 pass"),
            ("channel closed", ""),
            ("up", "holds 1; stop consuming"),
            ("channel closed", ""),
            ("up", "holds 1"),
            ("ok", "consume"),
            ("missing", "end c1"),
            ("channel closed", ""),
        ],
    );
    // The outage before is over: an item came since.
    check(
        settings(),
        &[
            ("down", ""),
            ("up", "idle"),
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 done", "finish 1 pass"),
            ("channel closed", ""),
            ("up", "holds 1; stop consuming"),
            ("drained", ""),
            ("ok", "consume"),
            ("missing", "end c1"),
        ],
    );
    // The queue was missing when it began to consume.
    check(
        settings(),
        &[
            ("missing", "ended after 0"),
            ("channel closed", ""),
            ("up", "idle"),
            ("ok", "exit over"),
        ],
    );
}

#[test]
fn a_queue_that_stays_missing_after_an_outage_is_looked_for_no_faster_than_that() {
    check(
        settings(),
        &[
            ("down", ""),
            ("up", "idle"),
            ("missing", ""),
            ("channel closed", ""),
            ("up", "idle"),
            ("1s", "consume"),
            ("missing", ""),
            ("channel closed", ""),
            ("1s", ""),
            ("up", "idle"),
            ("1s", "consume"),
            ("item 1", "start 1; fork c1 rspec"),
        ],
    );
}

#[test]
fn a_worker_that_may_not_consume_leaves() {
    check(
        settings(),
        &[
            ("consumer refused", "ended after 0"),
            ("channel closed", ""),
            ("up", "idle"),
            ("ok", "exit broker gone"),
        ],
    );
}

#[test]
fn a_reply_that_is_refused_however_lean_ends_the_worker_and_its_item_goes_back_unacked() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 done", "finish 1 pass"),
            ("channel closed", ""),
            ("up", "holds 1; stop consuming"),
            ("refused", "end c1"),
            ("c1 finished", ""),
            ("c1 exited 0", "ended after 1"),
            ("refused", "exit broker gone"),
        ],
    );
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("refused", "INT c1"),
            ("c1 killed", "ended after 0"),
            ("ok", "exit broker gone"),
        ],
    );
}

#[test]
fn a_queue_missing_at_first_means_that_the_job_is_over() {
    check(
        settings(),
        &[("missing", "ended after 0"), ("ok", "exit over")],
    );
}

#[test]
fn a_queue_missing_after_a_reconnect_is_looked_for_until_its_originator_made_it_anew() {
    check(
        settings(),
        &[
            ("down", ""),
            ("up", "idle"),
            ("missing", ""),
            ("1s", "consume"),
            ("missing", ""),
            ("1s", "consume"),
            ("100s", ""),
            ("item 1", "start 1; fork c1 rspec"),
        ],
    );
    let mut play = Play::new(settings());
    play.act("down");
    play.act("up");
    play.act("missing");
    for _ in 0..14 {
        assert_eq!(play.act("1s"), "consume");
        assert_eq!(play.act("missing"), "");
    }
    assert_eq!(play.act("1s"), "consume");
    assert_eq!(play.act("missing"), "ended after 0");
}

#[test]
fn a_reply_without_a_queue_is_sent_again() {
    check(
        settings(),
        &[
            ("again 1", "returned 1"),
            ("unroutable 1", ""),
            ("1s", "resend"),
            ("ok", "ack 1"),
        ],
    );
}

#[test]
fn what_it_said_of_being_idle_is_not_said_again_once_it_runs_an_item() {
    for late in [false, true] {
        let mut play = Play::new(settings());
        assert_eq!(play.act("down"), "");
        assert_eq!(play.act("up"), "idle");
        if !late {
            assert_eq!(play.act("unroutable 1"), "");
        }
        assert_eq!(play.act("item 1"), "start 1; fork c1 rspec");
        if late {
            assert_eq!(play.act("unroutable 1"), "");
        }
        assert_eq!(play.act("c1 ready"), "run c1 1");
        assert_eq!(play.act("3s"), "");
    }
}

#[test]
fn a_job_that_is_over_stops_a_file_that_still_runs() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("deleted", "INT c1"),
            ("c1 interrupted", ""),
            ("c1 finished", ""),
            ("c1 exited 1", "ack 1; ended after 0"),
        ],
    );
}

#[test]
fn a_worker_leaves_without_a_broker() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("down", ""),
            ("gave up", "INT c1"),
            ("c1 interrupted", ""),
            ("c1 finished", ""),
            ("c1 exited 1", "ended after 0"),
            ("5s", "exit broker gone"),
        ],
    );
}

#[test]
fn an_item_settled_before_the_consumer_is_drained_does_not_leave_the_worker_deaf() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("ok", ""),
            ("down", ""),
            ("c1 done", "finish 1 pass"),
            ("up", "holds 1; stop consuming"),
            ("ok", ""),
            ("drained", "consume"),
            ("missing", ""),
        ],
    );
}

#[test]
fn a_broker_that_goes_again_while_its_queue_is_missing_does_not_leave_the_worker_deaf() {
    check(
        settings(),
        &[
            ("down", ""),
            ("up", "idle"),
            ("missing", ""),
            ("down", ""),
            ("up", "idle; consume"),
        ],
    );
}

#[test]
fn a_worker_that_came_after_an_outage_waits_for_its_queue() {
    let settings = Settings {
        queue_may_be_late: true,
        ..settings()
    };
    check(
        settings,
        &[
            ("missing", ""),
            ("1s", "consume"),
            ("item 1", "start 1; fork c1 rspec"),
        ],
    );
}

#[test]
fn the_last_message_waits_as_long_as_the_broker_goes_on_confirming() {
    let begin = [
        ("item 1", "start 1; fork c1 rspec"),
        ("c1 ready", "run c1 1"),
        ("c1 done", "finish 1 pass"),
        ("ok", "ack 1"),
    ];
    let end = |told: &'static str| {
        [
            ("c1 share one", "coverage: one"),
            ("c1 share two", "coverage: two"),
            ("c1 finished", ""),
            ("c1 exited 0", told),
            ("4s", ""),
            ("confirmed 3", ""),
        ]
    };
    let over = [
        ("4s", ""),
        ("confirmed 4", ""),
        ("4s", ""),
        ("confirmed 5", "exit over"),
    ];
    let deleted = [("deleted", "end c1")];
    let told = "ended after 1";
    check(
        settings(),
        &[&begin[..], &deleted, &end(told), &over].concat(),
    );
    let silent = [("4s", ""), ("1s", "exit over")];
    check(
        settings(),
        &[&begin[..], &deleted, &end(told), &silent].concat(),
    );
    // Nobody would read it.
    let cancelled = [("cancel", "stop consuming; end c1"), ("drained", "")];
    let gone = [("1s", "exit cancelled")];
    check(
        settings(),
        &[&begin[..], &cancelled, &end(told), &gone].concat(),
    );
}
