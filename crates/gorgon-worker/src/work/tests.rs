//! Each test is a play: an event on the left, what the worker does about it on the right.
//!
//! `ok` confirms everything published so far; `5s` lets time pass, deadlines included.

mod broker;
mod order;
mod play;

use std::time::Duration;

use gorgon_proto::job::{Framework, Isolation};

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
fn without_callbacks_the_first_child_is_ready_before_an_item_is_taken() {
    let ahead = || Settings {
        frameworks: vec![Framework::Minitest, Framework::Rspec],
        ..settings()
    };
    let begun = ("begin", "fork c1 minitest");
    check(
        ahead(),
        &[
            begun,
            ("c1 ready", "consume"),
            ("item 1", "start 1; fork c2 rspec"),
            ("c2 ready", "run c2 1"),
            ("c2 done", "finish 1 pass"),
        ],
    );
    check(
        ahead(),
        &[
            begun,
            ("c1 killed", "consume"),
            ("item 1", "start 1; fork c2 rspec"),
        ],
    );
    check(
        ahead(),
        &[
            begun,
            ("c1 exited 1", "ended after 0: starting a Ruby child"),
            ("ok", "exit starting a Ruby child"),
        ],
    );
    check(
        ahead(),
        &[
            begun,
            ("c1 unforkable", "ended after 0: forking a Ruby child"),
        ],
    );
    check(
        ahead(),
        &[
            begun,
            ("down", ""),
            ("c1 ready", ""),
            ("up", "idle; consume"),
        ],
    );
    check(
        ahead(),
        &[
            begun,
            ("down", ""),
            ("up", "idle; consume"),
            ("c1 ready", ""),
            ("slot wanted", "stop consuming"),
        ],
    );
    for (word, why) in [("cancel", "cancelled"), ("hand back", "handed back")] {
        let exit = format!("exit {why}");
        check(
            ahead(),
            &[
                begun,
                (word, "INT c1"),
                ("c1 killed", "ended after 0"),
                ("ok", &exit),
            ],
        );
    }
    check(
        ahead(),
        &[
            begun,
            ("slot wanted", "INT c1"),
            ("c1 ready", ""),
            ("c1 interrupted", ""),
            ("c1 finished", ""),
            ("c1 exited 0", "ended after 0"),
        ],
    );
    let callbacks = Settings {
        callbacks: true,
        ..ahead()
    };
    check(
        callbacks,
        &[("begin", "consume"), ("item 1", "start 1; fork c1 rspec")],
    );
    check(
        settings(),
        &[("begin", "consume"), ("item 1", "start 1; fork c1 rspec")],
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
fn a_child_that_dies_is_a_crash_and_the_next_item_gets_a_new_one() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 loading", ""),
            ("c1 killed", "finish 1 crash"),
            ("ok", "ack 1"),
            ("item 2", "start 2; fork c2 rspec"),
        ],
    );
}

#[test]
fn a_dead_childs_after_complete_runs_before_anything_else_begins() {
    check(
        Settings {
            callbacks: true,
            ..settings()
        },
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 loading", ""),
            ("c1 killed", "finish 1 crash; fork c2 after_complete"),
            ("ok", ""),
            ("c2 finished", ""),
            ("c2 exited 0", "ack 1"),
            ("item 2", "start 2; fork c3 rspec"),
        ],
    );
}

#[test]
fn a_child_that_died_between_files_is_replaced_for_the_next_one() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 killed", "fork c2 rspec"),
            ("c2 ready", "run c2 1"),
            ("c2 killed", "fork c3 rspec"),
            ("c3 ready", "run c3 1"),
            ("c3 killed", "finish 1 crash"),
        ],
    );
}

#[test]
fn the_right_framework_gets_the_file_and_is_remembered() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 other minitest", "fork c2 minitest"),
            ("c2 ready", "run c2 1"),
            ("c2 done", "finish 1 pass"),
            ("ok", "ack 1"),
            ("item 2", "start 2; run c2 2"),
            ("c2 other rspec", "run c1 2"),
            ("c1 done", "finish 2 pass"),
            ("ok", "ack 2"),
            ("deleted", "end c1; end c2"),
            ("c1 finished", ""),
            ("c2 finished", ""),
            ("c1 exited 0", ""),
            ("c2 exited 0", "ended after 2"),
        ],
    );
}

#[test]
fn frameworks_that_point_at_each_other_do_not_go_on_for_ever() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 other minitest", "fork c2 minitest"),
            ("c2 ready", "run c2 1"),
            ("c2 other rspec", "run c1 1"),
            ("c1 other minitest", "finish 1 fail"),
        ],
    );
}

#[test]
fn a_child_that_loaded_a_file_in_vain_ends_before_another_runs_it() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 other minitest", "fork c2 minitest"),
            ("c2 ready", "run c2 1"),
            ("c2 loading", ""),
            ("c2 loaded rspec", "end c2"),
            ("c2 finished", ""),
            ("c2 exited 0", "run c1 1"),
            ("c1 done", "finish 1 pass"),
            ("ok", "ack 1"),
            ("item 2", "start 2; run c1 2"),
        ],
    );
}

#[test]
fn with_isolation_file_every_file_has_its_own_child() {
    check(
        Settings {
            isolation: Isolation::File,
            ..settings()
        },
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 done", "end c1; finish 1 pass"),
            ("ok", ""),
            ("c1 finished", ""),
            ("c1 exited 0", "ack 1"),
            ("item 2", "start 2; fork c2 rspec"),
        ],
    );
}

#[test]
fn a_fresh_item_gets_a_fresh_child() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 done", "finish 1 pass"),
            ("ok", "ack 1"),
            ("item 2!", "start 2; end c1"),
            ("c1 finished", ""),
            ("c1 exited 0", "fork c2 rspec"),
            ("c2 ready", "run c2 2"),
        ],
    );
}

#[test]
fn a_spent_child_is_ended() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 done spent", "end c1; finish 1 pass"),
            ("c1 finished", ""),
            (
                "c1 left",
                "warning: f1_spec.rb, or a file before it in its Ruby child, left a process behind: sleep 9",
            ),
            ("ok", "ack 1"),
        ],
    );
}

#[test]
fn a_file_over_its_limit_is_stopped_rung_by_rung() {
    check(
        Settings {
            file_limit: Some(Duration::from_secs(10)),
            ..settings()
        },
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("100s", ""),
            ("c1 ready", "run c1 1"),
            ("9.9s", ""),
            ("0.1s", "INT c1"),
            ("2s", "TERM c1; KILL c1"),
            ("c1 killed", "finish 1 timeout"),
            ("ok", "ack 1"),
        ],
    );
}

#[test]
fn a_preloader_that_does_not_tell_the_end_of_a_killed_child_is_given_up() {
    for (stopped, before) in [("cancel", "1s"), ("hand back", "2s")] {
        check(
            settings(),
            &[
                ("item 1", "start 1; fork c1 rspec"),
                ("c1 ready", "run c1 1"),
                (stopped, "stop consuming; INT c1"),
                (before, "TERM c1; KILL c1"),
                ("8s", ""),
                ("2s", "exit preloader lost"),
            ],
        );
    }
}

#[test]
fn a_file_that_heeds_the_interrupt_is_timed_out_when_its_child_has_ended() {
    check(
        Settings {
            file_limit: Some(Duration::from_secs(10)),
            ..settings()
        },
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("10s", "INT c1"),
            ("c1 interrupted", ""),
            ("20s", ""),
            ("c1 finished", ""),
            ("c1 exited 1", "finish 1 timeout"),
        ],
    );
}

#[test]
fn a_callback_that_raises_gives_the_item_back_and_ends_the_worker() {
    check(
        Settings {
            callbacks: true,
            ..settings()
        },
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 raised before", "stop consuming; handed back 1"),
            ("drained", ""),
            ("ok", ""),
            ("c1 exited 1", "ack 1; ended after 0: before_start"),
            ("ok", "exit before_start"),
        ],
    );
}

#[test]
fn a_before_start_without_end_is_stopped() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("602s", "INT c1; TERM c1; KILL c1"),
            ("c1 killed", "stop consuming; handed back 1"),
            ("ok", ""),
            ("drained", "ack 1; ended after 0: before_start"),
        ],
    );
}

#[test]
fn a_ruby_that_exits_before_it_is_ready_is_not_tried_again_but_a_killed_one_is() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 killed", "fork c2 rspec"),
            ("c2 exited 1", "stop consuming; handed back 1"),
        ],
    );
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 unforkable", "stop consuming; handed back 1"),
        ],
    );
}

#[test]
fn an_after_complete_that_raises_is_told_at_the_end() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 done", "finish 1 pass"),
            ("ok", "ack 1"),
            ("deleted", "end c1"),
            ("c1 raised after", ""),
            ("c1 exited 0", "ended after 1: after_complete"),
            ("ok", "exit over"),
        ],
    );
}

#[test]
fn a_child_killed_in_its_hooks_fails_the_job_unless_its_host_is_being_ended() {
    let until_end = |story: &[(&'static str, &'static str)]| {
        let mut all = vec![
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 done", "finish 1 pass"),
            ("ok", "ack 1"),
        ];
        all.extend_from_slice(story);
        check(settings(), &all);
    };
    until_end(&[
        ("deleted", "end c1"),
        (
            "c1 killed",
            "suite hook: the Ruby child ended before its hooks were done: SIGKILL; ended after 1",
        ),
    ]);
    until_end(&[
        ("hand back", "stop consuming; end c1"),
        (
            "c1 killed",
            "warning: a Ruby child was killed before its hooks were done",
        ),
    ]);
}

#[test]
fn a_child_that_never_ends_is_stopped_and_reported() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("c1 done", "finish 1 pass"),
            ("ok", "ack 1"),
            ("deleted", "end c1"),
            ("601s", "INT c1; TERM c1; KILL c1"),
            (
                "c1 killed",
                "suite hook: the end of the Ruby child took longer than 600 s; ended after 1",
            ),
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
fn what_a_stopped_file_says_of_itself_is_no_result() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("hand back", "stop consuming; INT c1"),
            ("c1 done", "handed back 1"),
        ],
    );
}

#[test]
fn a_child_whose_file_ended_beside_the_signal_that_stops_it_is_told_so() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("ok", ""),
            ("deleted", "INT c1"),
            ("c1 done", "ack 1; end stopped c1"),
            ("c1 finished", ""),
            ("c1 exited 0", "ended after 0"),
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

#[test]
fn an_after_complete_that_ran_into_its_limit_is_not_run_again() {
    for (begun, owed) in [(true, ""), (false, "fork c2 after_complete")] {
        let mut play = Play::new(Settings {
            callbacks: true,
            ..settings()
        });
        for line in ["item 1", "c1 ready", "c1 done", "ok", "deleted"] {
            play.act(line);
        }
        if begun {
            play.act("c1 after_complete");
        }
        let stopped = [play.act("600s"), play.act("2s")].join("; ");
        assert!(stopped.contains("KILL c1"), "{stopped}");
        let after = play.act("c1 killed");
        assert_eq!(
            after.contains("after_complete"),
            !owed.is_empty(),
            "{after}"
        );
    }
}

#[test]
fn a_wanted_slot_is_given_at_the_end_of_the_item_and_takes_no_further_one() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("ok", ""),
            ("slot wanted", ""),
            ("c1 done", "finish 1 pass; stop consuming"),
            ("ok", ""),
            ("drained", "ack 1; end c1"),
            ("c1 finished", ""),
            ("c1 exited 0", "ended after 1"),
            ("ok", "exit slot given"),
        ],
    );
}

#[test]
fn a_slot_that_is_wanted_while_the_finish_is_on_its_way_brings_no_item_back() {
    let begin = [
        ("item 1", "start 1; fork c1 rspec"),
        ("c1 ready", "run c1 1"),
        ("ok", ""),
        ("c1 done", "finish 1 pass"),
        ("slot wanted", "stop consuming"),
    ];
    let given = [
        ("c1 finished", ""),
        ("c1 exited 0", "ended after 1"),
        ("ok", "exit slot given"),
    ];
    let not_acked = [("ok", ""), ("drained", "ack 1; end c1")];
    let nothing_came = [("acked before", ""), ("drained", "end c1")];
    for between in [not_acked, nothing_came] {
        check(settings(), &[&begin[..], &between, &given].concat());
    }
    let one_came = [
        ("acked before", ""),
        ("item 2", "start 2; run c1 2"),
        ("drained", ""),
        ("c1 done", "finish 2 pass"),
        ("ok", "ack 2; end c1"),
        ("c1 finished", ""),
        ("c1 exited 0", "ended after 2"),
    ];
    check(settings(), &[&begin[..], &one_came].concat());
}

#[test]
fn what_the_session_has_acked_is_not_acked_again_and_what_that_brings_goes_back() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("ok", ""),
            ("c1 done", "finish 1 pass"),
            ("hand back", "stop consuming"),
            ("acked before", ""),
            ("item 2", ""),
            ("drained", "handed back 2; end c1"),
        ],
    );
}

#[test]
fn a_wanted_slot_that_idles_is_given_once_no_item_is_on_its_way() {
    check(
        settings(),
        &[
            ("slot wanted", "stop consuming"),
            ("drained", "ended after 0"),
            ("ok", "exit slot given"),
        ],
    );
    // One was: it is run, not handed back.
    check(
        settings(),
        &[
            ("slot wanted", "stop consuming"),
            ("item 1", "start 1; fork c1 rspec"),
            ("drained", ""),
            ("c1 ready", "run c1 1"),
            ("ok", ""),
            ("c1 done", "finish 1 pass"),
            ("ok", "ack 1; end c1"),
            ("c1 finished", ""),
            ("c1 exited 0", "ended after 1"),
            ("ok", "exit slot given"),
        ],
    );
}

#[test]
fn a_cancel_is_stronger_than_a_wanted_slot() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            ("slot wanted", ""),
            ("cancel", "stop consuming; INT c1"),
        ],
    );
}
