//! Files, callbacks and children that take too long, or end otherwise than they should.

use std::time::Duration;

use super::play::{Play, check, settings};
use crate::event::Settings;

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
fn a_before_start_that_raises_is_tried_once_more_before_the_item_goes_back() {
    let callbacks = || Settings {
        callbacks: true,
        ..settings()
    };
    let begin = [
        ("item 1", "start 1; fork c1 rspec"),
        ("c1 raised before", "start failed: before_start"),
        ("c1 exited 1", "fork c2 rspec"),
    ];
    let fails = [
        (
            "c2 raised before",
            "start failed again; stop consuming; handed back 1",
        ),
        ("drained", ""),
        ("ok", ""),
        ("c2 exited 1", "ack 1; ended after 0: before_start"),
        ("ok", "exit before_start"),
    ];
    check(callbacks(), &[&begin[..], &fails].concat());
    // A child that was ready in between makes the next failure the first one.
    let works = [
        ("c2 ready", "run c2 1"),
        ("c2 killed", "fork c3 after_complete"),
    ];
    check(callbacks(), &[&begin[..], &works].concat());
    let cancelled = [("cancel", "stop consuming; INT c2")];
    check(callbacks(), &[&begin[..], &cancelled].concat());
}

#[test]
fn a_before_start_without_end_is_stopped() {
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("602s", "INT c1; TERM c1; KILL c1"),
            (
                "c1 killed",
                "start failed again; stop consuming; handed back 1",
            ),
            ("ok", ""),
            ("drained", "ack 1; ended after 0: before_start"),
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
fn the_signal_that_stops_a_file_may_find_its_child_at_its_end() {
    for (last, end) in [
        (
            "c1 finished",
            "warning: a Ruby child whose hooks were done ended by the signal that was to stop its file; ended after 0",
        ),
        (
            "",
            "suite hook: the Ruby child ended before its hooks were done: SIGINT; ended after 0",
        ),
    ] {
        let mut play = Play::new(settings());
        let lines = ["item 1", "c1 ready", "ok", "deleted", "c1 done", last];
        for line in lines.into_iter().filter(|line| !line.is_empty()) {
            play.act(line);
        }
        assert_eq!(play.act("c1 ended by INT"), end);
    }
}

/// Plays an item to its end, and then the end of its child: until after_complete, if that begins, and on by these lines.
fn ends(begins: bool, story: &[&str]) -> String {
    let mut play = Play::new(Settings {
        callbacks: true,
        ..settings()
    });
    for line in ["item 1", "c1 ready", "c1 done", "ok", "deleted"] {
        play.act(line);
    }
    if begins {
        play.act("c1 after_complete");
    }
    let done: Vec<String> = story.iter().map(|line| play.act(line)).collect();
    done.join("; ")
}

#[test]
fn an_after_complete_that_ran_into_its_limit_is_not_run_again() {
    let stops = "INT c1; TERM c1; KILL c1; ";
    for (begins, end) in [
        (
            true,
            "suite hook: it did not end within 600 s; ended after 1",
        ),
        (
            false,
            "suite hook: the end of the Ruby child took longer than 600 s; fork c2 after_complete",
        ),
    ] {
        let all = ends(begins, &["602s", "c1 killed"]);
        assert_eq!(all, format!("{stops}{end}"));
    }
}

#[test]
fn an_after_complete_that_ends_its_process_is_named_and_not_run_again() {
    for (begins, end) in [
        (
            true,
            "suite hook: it ended the Ruby child: exit status 3; ended after 1",
        ),
        (
            false,
            "suite hook: the Ruby child ended before its hooks were done: exit status 3; fork c2 after_complete",
        ),
    ] {
        assert_eq!(ends(begins, &["c1 exited 3"]), end);
    }
}

#[test]
fn an_after_complete_in_a_child_of_its_own_that_ends_it_or_hangs_has_begun() {
    for (story, end) in [
        (
            &["c2 after_complete", "c2 exited 4"][..],
            "; suite hook: it ended the Ruby child: exit status 4; ended after 1",
        ),
        (
            &["c2 after_complete", "602s", "c2 killed"],
            "; INT c2; TERM c2; KILL c2; suite hook: it did not end within 600 s; ended after 1",
        ),
        (
            &["c2 exited 4"],
            "suite hook: the Ruby child ended before after_complete had run: exit status 4; ended after 1",
        ),
    ] {
        let mut lines = vec!["c1 exited 3"];
        lines.extend(story);
        let all = ends(false, &lines);
        assert!(all.ends_with(end), "{all}");
    }
}

#[test]
fn an_after_complete_whose_child_cannot_be_forked_is_tried_once_more_and_is_an_error_then() {
    let owed = [
        ("item 1", "start 1; fork c1 rspec"),
        ("c1 ready", "run c1 1"),
        ("c1 loading", ""),
        ("c1 killed", "finish 1 crash; fork c2 after_complete"),
        ("ok", ""),
        (
            "c2 unforkable",
            "start failed: forking a Ruby child for after_complete; fork c3 after_complete",
        ),
        ("ok", ""),
    ];
    let callbacks = || Settings {
        callbacks: true,
        ..settings()
    };
    let runs = [
        ("c3 finished", ""),
        ("c3 exited 0", "ack 1"),
        ("deleted", "ended after 1"),
    ];
    check(callbacks(), &[&owed[..], &runs].concat());
    let fails = [
        (
            "c3 unforkable",
            "suite hook: after_complete has not run, forking a Ruby child for after_complete failed twice: no memory; ack 1",
        ),
        ("ok", ""),
        ("deleted", "ended after 1"),
    ];
    let dies = [
        (
            "c3 killed",
            "suite hook: the Ruby child ended before after_complete had run: SIGKILL; ack 1",
        ),
        ("ok", ""),
        ("deleted", "ended after 1"),
    ];
    check(callbacks(), &[&owed[..], &dies].concat());
    check(callbacks(), &[&owed[..], &fails].concat());
    // The next one has two tries again; also at the end, when no item is waited for any more.
    let next = [
        ("c3 finished", ""),
        ("c3 exited 0", "ack 1"),
        ("item 2", "start 2; fork c4 rspec"),
        ("c4 ready", "run c4 2"),
        ("c4 done", "finish 2 pass"),
        ("ok", "ack 2"),
        ("deleted", "end c4"),
        (
            "c4 killed",
            "suite hook: the Ruby child ended before its hooks were done: SIGKILL; fork c5 after_complete",
        ),
        (
            "c5 unforkable",
            "start failed: forking a Ruby child for after_complete; fork c6 after_complete",
        ),
    ];
    check(callbacks(), &[&owed[..], &next].concat());
}
