//! Which Ruby child runs a file, and what follows when it dies or cannot be used.

use gorgon_proto::job::{Framework, Isolation};

use super::play::{check, settings};
use crate::event::Settings;

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
            (
                "c1 exited 1",
                "start failed: starting a Ruby child; consume",
            ),
            ("item 1", "start 1; fork c2 rspec"),
            (
                "c2 unforkable",
                "start failed again; stop consuming; handed back 1",
            ),
        ],
    );
    check(
        ahead(),
        &[
            begun,
            (
                "c1 unforkable",
                "start failed: forking a Ruby child; consume",
            ),
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
fn a_child_that_has_run_tests_and_dies_between_files_fails_the_job() {
    let told = "suite hook: the Ruby child ended between two files, before its hooks were done: ";
    let first = [
        ("item 1", "start 1; fork c1 rspec"),
        ("c1 ready", "run c1 1"),
        ("c1 done", "finish 1 pass"),
        ("ok", "ack 1"),
    ];
    let told = |end: &str, then: &str| format!("{told}{end}{then}");
    let idle: &'static str = told("exit status 3", "").leak();
    check(settings(), &[&first[..], &[("c1 exited 3", idle)]].concat());
    let given: &'static str = told("exit status 0", "; fork c2 rspec").leak();
    let next = [("item 2", "start 2; run c1 2"), ("c1 exited 0", given)];
    check(settings(), &[&first[..], &next[..]].concat());
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
fn a_ruby_that_exits_before_it_is_ready_is_tried_once_more_and_a_killed_one_twice() {
    let exits = "start failed: starting a Ruby child; fork c3 rspec";
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 killed", "fork c2 rspec"),
            ("c2 exited 1", exits),
            (
                "c3 exited 1",
                "start failed again; stop consuming; handed back 1",
            ),
        ],
    );
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 killed", "fork c2 rspec"),
            ("c2 killed", "fork c3 rspec"),
            (
                "c3 killed",
                "start failed again; stop consuming; handed back 1",
            ),
        ],
    );
    let unforkable = "start failed: forking a Ruby child; fork c2 rspec";
    check(
        settings(),
        &[
            ("item 1", "start 1; fork c1 rspec"),
            ("c1 unforkable", unforkable),
            (
                "c2 unforkable",
                "start failed again; stop consuming; handed back 1",
            ),
        ],
    );
}

#[test]
fn a_child_with_a_line_that_cannot_be_read_is_ended_and_its_file_fails() {
    let running = [
        ("begin", "consume"),
        ("item 1", "start 1; fork c1 rspec"),
        ("c1 ready", "run c1 1"),
        ("c1 loading", ""),
    ];
    let after = |rest: &[(&'static str, &'static str)]| {
        let play: Vec<_> = running.iter().chain(rest).copied().collect();
        check(settings(), &play);
    };
    after(&[
        ("c1 unread", "TERM c1"),
        ("c1 unread", ""),
        ("c1 terminated", "finish 1 fail"),
    ]);
    after(&[
        ("c1 unread", "TERM c1"),
        ("0.3s", "KILL c1"),
        ("c1 killed", "finish 1 fail"),
    ]);
    // It told the end of the file before it was stopped.
    after(&[
        ("c1 unread", "TERM c1"),
        ("c1 done", "end stopped c1; finish 1 fail"),
        ("c1 terminated", ""),
    ]);
    // The line was cut off as it was killed.
    after(&[("c1 unread", "TERM c1"), ("c1 killed", "finish 1 crash")]);
}
