//! Several small files in one delivery.

use std::time::Duration;

use super::play::{check, settings};
use crate::event::Settings;

fn holding_back() -> Settings {
    Settings {
        holds_back: true,
        ..settings()
    }
}

#[test]
fn its_files_run_in_one_child_and_share_a_message_and_an_ack() {
    check(
        holding_back(),
        &[
            ("item 1+2+3", "fork c1 rspec"),
            ("c1 ready", "run c1 1+2+3"),
            ("c1 passed x", ""),
            ("c1 more", ""),
            ("c1 passed x", ""),
            ("c1 more", ""),
            ("c1 passed x", ""),
            (
                "c1 done",
                "start 1 & finish 1 pass & start 2 & finish 2 pass & start 3 & finish 3 pass",
            ),
            ("ok", "ack 1"),
        ],
    );
}

#[test]
fn what_takes_longer_is_told_bit_by_bit_and_acked_when_all_is_confirmed() {
    check(
        holding_back(),
        &[
            ("item 1+2+3", "fork c1 rspec"),
            ("c1 ready", "run c1 1+2+3"),
            ("0.011s", "start 1"),
            ("c1 more", ""),
            ("0.009s", ""),
            ("0.001s", "finish 1 pass & start 2"),
            ("c1 more", ""),
            ("c1 done", "finish 2 pass & start 3 & finish 3 pass"),
            ("confirmed 3", ""),
            ("confirmed 2", "ack 1"),
        ],
    );
}

#[test]
fn after_a_file_that_did_not_pass_the_rest_is_given_anew() {
    check(
        settings(),
        &[
            ("item 1+2+3", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1+2+3"),
            ("c1 failed x", ""),
            // It can run no more files.
            ("c1 done spent", "end c1; finish 1 fail; start 2"),
            ("c1 finished", ""),
            ("c1 exited 0", "fork c2 rspec"),
            ("c2 ready", "run c2 2+3"),
            ("c2 more", "finish 2 pass; start 3"),
            ("c2 done", "finish 3 pass"),
            ("ok", "ack 1"),
        ],
    );
}

#[test]
fn a_child_that_waits_after_a_failure_goes_on_when_told() {
    check(
        holding_back(),
        &[
            ("item 1+2+3", "fork c1 rspec"),
            ("c1 ready", "run c1 1+2+3"),
            ("c1 failed x", ""),
            ("c1 done", "run c1 2+3"),
            ("c1 more", ""),
            (
                "c1 done",
                "start 1 & finish 1 fail & start 2 & finish 2 pass & start 3 & finish 3 pass",
            ),
            ("ok", "ack 1"),
        ],
    );
}

#[test]
fn a_crash_is_that_files_alone() {
    check(
        settings(),
        &[
            ("item 1+2+3", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1+2+3"),
            ("c1 more", "finish 1 pass; start 2"),
            ("c1 loading", ""),
            (
                "c1 killed",
                "finish 2 crash after 1; start 3; fork c2 rspec",
            ),
            ("c2 ready", "run c2 3"),
            ("c2 done", "finish 3 pass"),
            ("ok", "ack 1"),
        ],
    );
}

#[test]
fn a_limit_is_that_of_the_file_that_runs() {
    check(
        Settings {
            file_limit: Some(Duration::from_secs(5)),
            ..settings()
        },
        &[
            ("item 1+2+3", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1+2+3"),
            ("0.099s", ""),
            ("0.901s", "look c1"),
            ("3s", "look c1; look c1; look c1"),
            ("c1 more", "finish 1 pass; start 2"),
            ("4s", "look c1; look c1; look c1; look c1"),
            ("1s", "look c1; INT c1"),
            // It had gone on before it was told to stop: what it told of the file before is no end by force.
            ("c1 more", "finish 2 pass; start 3"),
            // So it is given to another child, with all of its time.
            ("c1 interrupted", ""),
            ("c1 finished", ""),
            ("c1 exited 1", "fork c2 rspec"),
            ("c2 ready", "run c2 3"),
            ("4s", ""),
            ("1s", "INT c2"),
            ("c2 interrupted", ""),
            ("c2 finished", ""),
            ("c2 exited 1", "finish 3 timeout"),
            ("ok", "ack 1"),
        ],
    );
}

#[test]
fn a_line_that_cannot_be_read_is_the_fault_of_its_file_alone() {
    check(
        settings(),
        &[
            ("item 1+2+3", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1+2+3"),
            ("c1 unread", "TERM c1"),
            ("c1 more", "finish 1 fail; start 2"),
            ("c1 terminated", "fork c2 rspec"),
            ("c2 ready", "run c2 2+3"),
            ("c2 more", "finish 2 pass; start 3"),
        ],
    );
}

#[test]
fn a_file_outside_is_never_given_to_a_child() {
    check(
        settings(),
        &[
            ("item 1+../2+3", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1"),
            (
                "c1 done",
                "finish 1 pass; start 2; finish 2 fail; start 3; run c1 3",
            ),
            ("c1 done", "finish 3 pass"),
        ],
    );
}

#[test]
fn a_worker_that_is_to_leave_gives_back_what_has_not_ended() {
    let begin = [
        ("item 1+2+3", "start 1; fork c1 rspec"),
        ("c1 ready", "run c1 1+2+3"),
        ("c1 more", "finish 1 pass; start 2"),
    ];
    let with = |end: &[(&'static str, &'static str)]| [&begin[..], end].concat();
    check(
        settings(),
        &with(&[
            ("hand back", "stop consuming; INT c1"),
            ("drained", ""),
            ("c1 interrupted", "handed back 2 & handed back 3"),
            ("c1 finished", ""),
            ("c1 exited 1", ""),
            ("ok", "ack 1; ended after 1"),
        ]),
    );
    check(
        settings(),
        &with(&[
            ("listener lost", "stop consuming; INT c1"),
            ("drained", ""),
            ("c1 more", "finish 2 pass; start 3"),
            ("c1 interrupted", "given up 3"),
        ]),
    );
    check(
        settings(),
        &with(&[
            ("cancel", "stop consuming; INT c1"),
            ("c1 interrupted", ""),
            ("c1 finished", ""),
            ("ok", ""),
            ("c1 exited 1", ""),
            ("drained", "ack 1; ended after 1"),
        ]),
    );
    // For another job nothing is cut off.
    check(
        settings(),
        &with(&[
            ("slot wanted", ""),
            ("c1 more", "finish 2 pass; start 3"),
            ("c1 done", "finish 3 pass; stop consuming"),
        ]),
    );
}

#[test]
fn one_that_comes_back_is_told_and_not_run() {
    check(
        settings(),
        &[
            ("again 1+2", "returned 1 & returned 2"),
            ("ok", "ack 1"),
            ("hand back", "stop consuming"),
            ("item 3+4", ""),
            ("drained", "handed back 3 & handed back 4"),
        ],
    );
}

#[test]
fn after_an_outage_it_holds_what_the_broker_has_no_finish_of() {
    let begin = [
        ("item 1+2+3", "start 1; fork c1 rspec"),
        ("c1 ready", "run c1 1+2+3"),
        ("c1 more", "finish 1 pass; start 2"),
    ];
    check(
        settings(),
        &[
            &begin[..],
            &[("down", ""), ("up", "holds 1+2+3; stop consuming")],
        ]
        .concat(),
    );
    // The broker may have lost the finish that it had confirmed: then nobody holds the item.
    check(
        settings(),
        &[
            &begin[..],
            &[
                ("ok", ""),
                ("down", ""),
                ("up", "holds 2+3; stop consuming"),
            ],
        ]
        .concat(),
    );
    check(
        holding_back(),
        &[
            ("item 1+2", "fork c1 rspec"),
            ("c1 ready", "run c1 1+2"),
            ("c1 more", ""),
            ("down", ""),
            // Its word may be outdated soon, and is then not sent again: it goes alone.
            (
                "up",
                "start 1 & finish 1 pass & start 2; holds 1+2; stop consuming",
            ),
        ],
    );
}

#[test]
fn files_for_another_framework_are_given_to_its_child() {
    check(
        settings(),
        &[
            ("item 1+2", "start 1; fork c1 rspec"),
            ("c1 ready", "run c1 1+2"),
            ("c1 other minitest", "fork c2 minitest"),
            ("c2 ready", "run c2 1"),
            ("c2 done", "finish 1 pass; start 2; run c2 2"),
        ],
    );
}
