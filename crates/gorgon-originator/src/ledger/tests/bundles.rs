//! Small files that share a message: who holds them, and how they come back.

use std::time::Instant;

use gorgon_proto::item::{ItemId, WorkItem};

use super::script::{Run, rules};
use crate::ledger::Ledger;

/// A job of four small files, the first two in one message; host a has joined.
#[track_caller]
fn check(events: &str, effects: &str) {
    let run = Run::bundling(rules(), 4);
    assert_eq!(
        run.run(&format!("offer; a joins; {events}")),
        effects,
        "after: {events}"
    );
}

#[test]
fn the_first_messages_are_the_largest() {
    let work = (0..4).map(|n| WorkItem::whole(ItemId(n), format!("f{n}")));
    let mut ledger = Ledger::new(rules(), work.collect()).bundling(vec![Some(0.001); 4], 1);
    let messages = ledger.publish_first().into_iter().map(|items| items.len());
    assert_eq!(messages.collect::<Vec<_>>(), [2, 1, 1]);
    assert_eq!(ledger.step(Instant::now(), super::event("offer")), []);
}

#[test]
fn who_begins_one_has_all_of_them() {
    check("a1 starts 0; a1 dies", "publish 0.2; publish 1.2");
    check("a1 starts 0; a1 passes 0; a1 dies", "passed 0; publish 1.2");
    check(
        "a1 starts 0; a1 starts 1; +3; a1 dies",
        "publish 0.2; publish 1.2",
    );
    check(
        "a1 starts 0; a1 hands 0; a1 hands 1",
        "publish 0.2; publish 1.2",
    );
    check("a2 starts 2; a1 starts 0; a2 dies", "publish 2.2");
}

#[test]
fn what_comes_back_waits_for_the_word_of_who_had_it() {
    check(
        "a2 returns 0; a2 returns 1; +2.1",
        "publish 0.2; publish 1.2",
    );
    check(
        "a1 starts 0; a2 returns 0; a2 returns 1; a1 holds 0+1; +3",
        "",
    );
    check(
        "a1 starts 0; a1 passes 0; a2 returns 0; a2 returns 1; +3",
        "passed 0; publish 1.2",
    );
    // A worker that begins something else has lost what it had not told of.
    check(
        "a1 starts 0; a1 passes 0; a1 starts 2; +3",
        "passed 0; publish 1.2",
    );
    // A finish that the broker has lost is of an item that its worker does not hold any more.
    check(
        "a1 starts 0; down; up; a1 holds 1; +3; a1 passes 1",
        "offer; publish 0.2; passed 1",
    );
    // Its last words come after its death was told.
    check(
        "a1 dies; a1 starts 0; a1 passes 0; +3",
        "passed 0; publish 1.2",
    );
}
