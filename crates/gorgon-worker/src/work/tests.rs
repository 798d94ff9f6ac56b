//! Each test is a play: an event on the left, what the worker does about it on the right.
//!
//! `ok` confirms everything published so far; `5s` lets time pass, deadlines included.

mod broker;
mod bundle;
mod children;
mod limits;
mod order;
mod play;
mod slot;

use std::time::Duration;

use crate::event::Settings;
use play::{Play, check, settings};

#[test]
fn an_item_is_started_run_finished_confirmed_and_only_then_acked() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("ok", ""),
            ("c1 ready", "run c1 1"),
            ("c1 loading", ""),
            ("c1 done", "finish 1 pass"),
            ("ok", "ack 1"),
            ("item 2", "start 2; run c1 2"),
            ("c1 error", ""),
            ("c1 done", "finish 2 fail after 1"),
            ("ok", "ack 2"),
            ("deleted", "end c1"),
            ("c1 finished", ""),
            ("c1 exited 0", "ended after 2"),
            ("ok", "exit over"),
        ],
    );
}

#[test]
fn a_redelivered_item_is_not_run() {
    check(
        settings(),
        &[
            ("again 1", "returned 1"),
            ("ok", "ack 1"),
            ("item 2", "start 2; fork c1 rspec"),
        ],
    );
}

#[test]
fn an_item_that_avoids_us_is_declined() {
    check(
        settings(),
        &[
            ("item 1@L1:2", "declined 1"),
            ("ok", "ack 1"),
            ("item 2@L1", "declined 2"),
            ("ok", "ack 2"),
            ("item 3@L1:4", "start 3; fork c1 rspec"),
        ],
    );
}

#[test]
fn an_item_that_is_for_others_only_is_declined() {
    check(
        settings(),
        &[
            ("item 1=L1:4", "declined 1"),
            ("ok", "ack 1"),
            ("item 2=L2", "declined 2"),
            ("ok", "ack 2"),
            ("item 3=L1:2", "start 3; fork c1 rspec"),
        ],
    );
}

#[test]
fn a_cancel_takes_no_more_items_and_acks_what_ran() {
    check(
        Settings {
            callbacks: true,
            ..settings()
        },
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("cancel", "stop consuming; INT c1"),
            ("c1 interrupted", ""),
            ("c1 finished", ""),
            ("ok", ""),
            ("c1 exited 1", ""),
            ("drained", "ack 1; ended after 0"),
            ("ok", "exit cancelled"),
        ],
    );
}

#[test]
fn a_cancelled_child_that_resists_is_killed_and_after_complete_runs_all_the_same() {
    check(
        Settings {
            callbacks: true,
            ..settings()
        },
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("ok", ""),
            ("cancel", "stop consuming; INT c1"),
            ("drained", ""),
            ("1s", "TERM c1; KILL c1"),
            ("c1 killed", "fork c2 after_complete"),
            ("6s", "INT c2; TERM c2; KILL c2"),
            ("c2 killed", "ack 1; ended after 0"),
        ],
    );
    // One that hangs in after_complete has had its seconds.
    check(
        Settings {
            callbacks: true,
            ..settings()
        },
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("ok", ""),
            ("cancel", "stop consuming; INT c1"),
            ("drained", ""),
            ("c1 interrupted", ""),
            ("4.9s", ""),
            ("1s", "INT c1; TERM c1; KILL c1"),
            ("c1 killed", "ack 1; ended after 0"),
        ],
    );
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("cancel", "stop consuming; INT c1"),
            ("cancel", "KILL c1"),
        ],
    );
}

#[test]
fn an_item_that_came_while_draining_is_not_run() {
    check(
        settings(),
        &[
            ("cancel", "stop consuming"),
            ("item 1", ""),
            ("drained", "ack 1; ended after 0"),
            ("ok", "exit cancelled"),
        ],
    );
    check(
        settings(),
        &[
            ("hand back", "stop consuming"),
            ("item 1", ""),
            ("drained", "handed back 1"),
            ("ok", "ack 1; ended after 0"),
            ("ok", "exit handed back"),
        ],
    );
}

#[test]
fn a_handed_back_item_is_confirmed_before_its_ack() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("ok", ""),
            ("hand back", "stop consuming; INT c1"),
            ("drained", ""),
            ("c1 interrupted", "handed back 1"),
            ("c1 finished", ""),
            ("c1 exited 1", ""),
            ("ok", "ack 1; ended after 0"),
            ("ok", "exit handed back"),
        ],
    );
}

#[test]
fn an_item_under_a_dead_listener_is_given_up_and_what_waits_is_handed_back() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("listener lost", "stop consuming; INT c1"),
            ("item 2", ""),
            ("drained", "handed back 2"),
            ("c1 interrupted", "given up 1"),
            ("c1 finished", ""),
        ],
    );
}

#[test]
fn a_lost_preloader_ends_the_worker_without_an_ack() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("ok", ""),
            ("preloader lost", "exit preloader lost"),
            ("c1 killed", ""),
        ],
    );
}

fn by_hand() -> Settings {
    Settings {
        idle_limit: Some(Duration::from_secs(2)),
        ..settings()
    }
}

#[test]
fn by_hand_it_does_not_wait_for_ever_for_a_queue_that_takes_its_replies() {
    let mut play = Play::new(by_hand());
    let before = ["item 1", "c1 ready", "c1 done"].map(|line| play.act(line));
    assert_eq!(before[2], "finish 1 pass");
    for second in 1..=15 {
        play.act("unroutable 1");
        play.act("unroutable 2");
        let expected = if second < 15 {
            "resend; resend"
        } else {
            "end c1"
        };
        assert_eq!(play.act("1s"), expected, "{second}");
    }
    let end = ["c1 finished", "c1 exited 0", "unroutable 3", "1s"].map(|line| play.act(line));
    assert_eq!(end, ["", "ended after 1", "", "exit broker gone"]);
}

#[test]
fn by_hand_on_a_live_queue_it_ends_when_nothing_comes() {
    check(
        by_hand(),
        &[
            ("1s", ""),
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("100s", ""),
            ("c1 done", "finish 1 pass"),
            ("ok", "ack 1"),
            ("1.9s", ""),
            ("0.1s", "stop consuming; end c1"),
            ("drained", ""),
            ("c1 finished", ""),
            ("c1 exited 0", "ended after 1"),
            ("ok", "exit over"),
        ],
    );
}
