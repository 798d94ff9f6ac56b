//! Tables of what the ledger does: `check(events, effects)`, in the words of `script`.

mod bundles;
mod dropped;
mod filters;
mod hosts;
mod late;
pub(crate) mod parts;
mod retries;
mod reviews;
pub(crate) mod script;
mod shown;
mod sick;
mod sick_slots;
mod world;

use std::time::{Duration, Instant};

use gorgon_proto::item::{ItemId, WorkItem};

use super::{Effect, Happening, Ledger, Rules};
use script::{Run, event, rules};

/// A job of `count` items that host a has joined.
#[track_caller]
fn check_with(rules: Rules, count: u32, events: &str, effects: &str) {
    let run = Run::new(rules, count);
    assert_eq!(
        run.run(&format!("offer; a joins; {events}")),
        effects,
        "after: {events}"
    );
}

#[track_caller]
fn check(count: u32, events: &str, effects: &str) {
    check_with(rules(), count, events, effects);
}

#[test]
fn the_first_finish_settles_an_item_and_the_last_verdict_ends_the_job() {
    check(
        1,
        "a1 starts 0; a1 passes 0; a leaves done",
        "passed 0; delete; done",
    );
    check(1, "a1 passes 0; a leaves done", "passed 0; delete; done");
    check(2, "a1 passes 0; a1 fails 0; a1 crashes 0", "passed 0");
    check(
        2,
        "a1 passes 0; a2 fails 1; +1; a leaves done",
        "passed 0; failed 1; delete; done",
    );
    check(1, "a1 passes 0; a1 ends; +6", "passed 0; delete; look m.a");
}

#[test]
fn a_dead_workers_item_moves_at_once_and_its_return_says_nothing_new() {
    check(1, "a1 starts 0; a1 dies", "publish 0.2");
    check(1, "a1 starts 0; a1 dies; a2 returns 0; +3", "publish 0.2");
    check(1, "a1 starts 0; a2 returns 0; +1; a1 dies", "publish 0.2");
    check(
        1,
        "a1 starts 0; a1 passes 0; a1 dies; a leaves done",
        "passed 0; delete; done",
    );
    check(1, "a1 dies", "");
}

#[test]
fn a_returned_item_waits_for_its_workers_word() {
    check(1, "a1 starts 0; a2 returns 0; +1.9", "");
    check(1, "a1 starts 0; a2 returns 0; +2.1", "publish 0.2");
    check(1, "a1 starts 0; a2 returns 0; a1 holds 0; +4", "");
    // A worker whose channel is closed says so before the broker delivers the item anew, often to itself.
    check(1, "a1 starts 0; a1 holds 0; a1 returns 0; +4", "");
    check(1, "a1 starts 0; a1 holds 0; +1; a2 returns 0; +4", "");
    check(
        1,
        "a1 starts 0; a1 holds 0; a2 returns 0; a2 returns 0; +4",
        "publish 0.2",
    );
    check(
        1,
        "a1 starts 0; a1 holds 0; +11; a2 returns 0; +4",
        "look m.a; look m.a; publish 0.2",
    );
    check(
        1,
        "a1 starts 0; a2 returns 0; a1 holds 0; a2 returns 0; +4",
        "publish 0.2",
    );
    check(2, "a1 starts 0; a2 returns 0; a1 passes 0; +4", "passed 0");
    check(1, "a2 returns 0; +2.1", "publish 0.2");
    check(1, "a2 returns 0; +1; a1 starts 0; +4", "");
    check(
        2,
        "a1 starts 0; a2 returns 0; +3; a1 passes 0",
        "publish 0.2; passed 0",
    );
    check(2, "a1 passes 0; a2 returns 0; +3", "passed 0");
}

#[test]
fn each_start_is_told_once() {
    // A manager tells the start of what its dead worker ran, and cannot know whether the worker had told it; a start
    // that found no queue comes after the word that its worker holds the item.
    for before in [
        "a1 starts 0; a1 starts 0",
        "a1 starts 0; a2 returns 0",
        "a1 starts 0; a1 dies",
        "a1 starts 0; a1 dies; a2 returns 0",
        "a1 holds 0",
        "a1 holds 0; a2 returns 0",
        "a1 holds 0; a2 returns 0; a2 returns 0",
    ] {
        let mut ledger = Ledger::new(rules(), vec![WorkItem::whole(ItemId(0), "f0")]);
        let told = format!("offer; a joins; {before}; a1 starts 0")
            .split("; ")
            .flat_map(|text| ledger.step(Instant::now(), event(text)))
            .filter(|it| matches!(it, Effect::Tell(Happening::ItemStarted(_))))
            .count();
        assert_eq!(told, 1, "{before}");
    }
}

#[test]
fn an_item_that_was_in_doubt_when_the_broker_went_is_excused() {
    let outage = "a1 starts 0; a2 returns 0; +1; down; +1; up";
    // Its worker has the time to come back first, too.
    check(1, &format!("{outage}; +4"), "offer");
    check(
        1,
        &format!("{outage}; +4; a1 holds 0; +9"),
        "offer; look m.a",
    );
    check(1, &format!("{outage}; +6"), "offer; publish 0.2");
}

#[test]
fn three_losses_make_an_item_lost() {
    check(
        1,
        "b joins; a1 starts 0; a1 dies; b1 starts 0.2; b1 dies; a1' starts 0.3; a1' dies; a leaves done; b leaves done",
        "publish 0.2; publish 0.3; lost 0 on a,b,a; delete; done",
    );
    check(
        2,
        "a2 returns 0; +3; a2 returns 0.2; +3; a2 returns 0.3; +3",
        "publish 0.2; publish 0.3; lost 0 on an unknown host,an unknown host,an unknown host",
    );
}

#[test]
fn handing_back_and_declining_cost_nothing() {
    check(
        1,
        "a1 hands 0; a1 hands 0.2; a1 hands 0.3; a1 hands 0.4",
        "publish 0.2; publish 0.3; publish 0.4; publish 0.5",
    );
    check(
        1,
        "a1 starts 0; a1 hands 0; a2 returns 0; +3",
        "publish 0.2",
    );
    check(
        1,
        "a1 declines 0; a1 declines 0; a1 declines 0; a1 declines 0",
        "publish 0; publish 0; publish 0; publish 0",
    );
}

#[test]
fn what_is_given_up_three_times_is_lost() {
    check(
        1,
        "a1 starts 0; a1 drops 0; b1 starts 0.2; b1 hands 0.2; a1 drops 0.3; a1 drops 0.3; b1 starts 0.4; b1 drops 0.4",
        "publish 0.2; publish 0.3; publish 0.4; lost 0 on a,a,b; delete",
    );
    check(
        1,
        "a1 starts 0; a1 drops 0; a1 starts 0.2; a1 dies; a2 drops 0.3; a2 starts 0.4; a2 dies; a3 passes 0.5",
        "publish 0.2; publish 0.3; publish 0.4; publish 0.5; passed 0; delete",
    );
}

#[test]
fn a_second_start_is_let_run() {
    check(1, "a1 starts 0; a2 starts 0; a1 dies", "");
    check(
        1,
        "a1 starts 0; a2 starts 0; a1 dies; a2 dies",
        "publish 0.2",
    );
}

#[test]
fn a_word_that_a_worker_said_before_its_manager_died_and_that_comes_late_holds_no_item() {
    // Whoever speaks of the dead has spoken: the item is doubted, and runs again.
    check(2, "a joins anew; a1 starts 0; +1", "delete m.a");
    check(
        2,
        "a joins anew; a1 starts 0; +2",
        "delete m.a; publish 0.2",
    );
    check(
        2,
        "a1 starts 0; a joins anew; a1 holds 0.2; +2",
        "delete m.a; publish 0.2; publish 0.3",
    );
    // That the old manager joined may be heard late as well, before or after the word of its worker.
    let heard = |events: &str| Run::new(rules(), 2).run(&format!("offer; a joins anew; {events}"));
    assert_eq!(heard("a joins; a1 starts 0; +2"), "delete m.a; publish 0.2");
    assert_eq!(heard("a1 starts 0; a joins; +2"), "delete m.a; publish 0.2");
    // Those of the new manager live, also where the one before it says late that it leaves.
    check(2, "a joins anew; a1 starts 0 anew; +4", "delete m.a");
    check(
        2,
        "a joins anew; a leaves workers old; a1 starts 0 anew; +4",
        "delete m.a",
    );
    // … or where nothing is heard of the new one but a worker's word.
    check(
        2,
        "a1' starts 0 anew; a leaves workers old; a1' passes 0; a joins anew",
        "passed 0; delete m.a",
    );
}

#[test]
fn fail_fast_publishes_nothing_more_and_lets_running_items_end() {
    let fast = |n| Rules {
        fail_fast: Some(n),
        ..rules()
    };
    // What runs comes to its end before the word that ends it; what is handed back stays.
    check_with(
        fast(1),
        4,
        "a1 starts 0; a2 starts 1; a1 fails 0; a1 starts 2; +2; a2 passes 1; +2; a1 passes 2; a leaves done",
        "failed 0; purge; passed 1; passed 2; delete; done FailFast",
    );
    check_with(
        fast(1),
        3,
        "a1 starts 0; a2 starts 1; a1 fails 0; +1; a2 dies; a leaves done",
        "failed 0; purge; delete; done FailFast",
    );
    check_with(
        fast(1),
        3,
        "a1 starts 0; a2 starts 1; a1 crashes 0; a2 hands 1; a1 declines 2; +4; a leaves done",
        "crashed 0; purge; delete; done FailFast",
    );
    // An item that was on its way to its worker runs too.
    check_with(
        fast(1),
        3,
        "a1 starts 0; a1 fails 0; +0.4; a1 starts 1; +5; a1 passes 1; a leaves done",
        "failed 0; purge; passed 1; delete; done FailFast",
    );
    check_with(
        fast(1),
        3,
        "a1 starts 0; a1 fails 0; +0.5; a leaves done",
        "failed 0; purge; delete; done FailFast",
    );
    // The word of a death may be lost with the broker, before the fail-fast or after it.
    check_with(
        fast(1),
        3,
        "a1 starts 0; a2 starts 1; down; up missing; a1 fails 0; +14; a seen; +1",
        "declare; offer; failed 0; purge; look m.a; look m.a; delete",
    );
    check_with(
        fast(1),
        3,
        "a1 starts 0; a2 starts 1; a1 fails 0; down; up missing; a1 idle; +14; a seen; +1",
        "failed 0; purge; look m.a; look m.a; delete",
    );
    // Nothing was left to be cut off.
    check_with(
        fast(1),
        2,
        "a1 starts 0; a2 starts 1; a1 fails 0; a2 passes 1; a leaves done",
        "failed 0; purge; passed 1; delete; done",
    );
    check_with(
        fast(1),
        3,
        "a1 starts 0; a2 starts 1; a1 fails 0; cancel; a leaves done",
        "failed 0; purge; cancel; purge; done Cancelled",
    );
    check_with(fast(2), 3, "a1 fails 0; a1 passes 1", "failed 0; passed 1");
}

#[test]
fn a_cancel_publishes_nothing_more() {
    check(
        2,
        "a1 starts 0; cancel; a1 dies; a2 returns 0; a leaves done",
        "cancel; purge; done Cancelled",
    );
    check(
        2,
        "a1 starts 0; cancel; a1 hands 0; +1",
        "cancel; purge; done Cancelled",
    );
    check(2, "cancel; cancel", "cancel; purge; done Cancelled");
    check(
        2,
        "cancel; a1 passes 0; +1; a1 passes 1",
        "cancel; purge; passed 0; done Cancelled",
    );
    assert_eq!(Run::new(rules(), 1).run("cancel"), "done Cancelled");
}

#[test]
fn a_worker_that_comes_back_with_an_item_has_no_other_one() {
    // Its finish of the first was lost with the broker.
    check(2, "a1 starts 0; a1 starts 1; a1 holds 1; +2", "publish 0.2");
}
