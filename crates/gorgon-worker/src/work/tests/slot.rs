//! A slot that another job wants.

use super::play::{check, settings};

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
