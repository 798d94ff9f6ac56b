//! Tables of what the ledger does: `check(events, effects)`, in the words of `script`.

mod filters;
mod late;
pub(crate) mod parts;
mod retries;
mod reviews;
pub(crate) mod script;
mod sick;
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
fn the_end_of_the_hosts_is_waited_for_within_the_callback_limit() {
    // A callback is told of that overran its limit.
    for (span, then) in [
        ("+4", ""),
        ("+20", "; look m.a; look m.a; look m.a; cancel; done"),
    ] {
        check_with(
            Rules {
                callback_limit: Duration::from_secs(3),
                ..rules()
            },
            1,
            &format!("a1 passes 0; {span}"),
            &format!("passed 0; delete{then}"),
        );
    }
    check(
        1,
        "b joins; a1 passes 0; a leaves done; b leaves done",
        "passed 0; delete; done",
    );
    check(
        1,
        "b answers accepted; a1 passes 0; a leaves done",
        "passed 0; delete; cancel; done",
    );
    // A worker may be heard before its manager has joined: its end may still fail the job.
    check(
        1,
        "c answers accepted; a leaves done; c1 passes 0",
        "offer to gorgon.listener.a.a; passed 0; delete",
    );
    check(
        1,
        "c answers accepted; a leaves done; c1 passes 0; c joins; c leaves done",
        "offer to gorgon.listener.a.a; passed 0; delete; done",
    );
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
fn a_host_that_leaves_gives_its_items_back() {
    check(
        1,
        "b joins; a1 starts 0; a leaves stopped",
        "delete m.a; publish 0.2",
    );
    check(1, "a1 starts 0; a joins anew", "delete m.a; publish 0.2");
    // The old manager's word, late.
    check(
        1,
        "a joins anew; a1 starts 0 anew; a joins",
        "delete m.a; delete m.a",
    );
    // Out of order, as after a cut of our own link: the word of its death came before that of its start.
    check(1, "a1 dies; a1 starts 0; +3", "publish 0.2");
    check(
        1,
        "a1 dies; a1 starts 0; a1 passes 0; +3",
        "passed 0; delete",
    );
    check(
        1,
        "a joins anew; a1 starts 0; +3",
        "delete m.a; publish 0.2",
    );
    check(
        1,
        "b joins; a leaves stopped; a1 starts 0; +3",
        "delete m.a; publish 0.2",
    );
    check(
        1,
        "b joins; a leaves lost; a1 starts 0; +3",
        "delete m.a; lost host a",
    );
    // A number that was that of a worker before: a long time is between them.
    check(
        1,
        "a1 dies; +31; a1 starts 0; +3",
        "look m.a; look file queue; look m.a; look m.a; look m.a; look m.a; look m.a",
    );
    // What a cut of our own link held up: its worker was heard before its manager.
    check(1, "a2 starts 0 anew; a joins anew", "delete m.a");
    check(
        2,
        "a1 starts 0; a2 starts 1 anew; a joins anew",
        "delete m.a; publish 0.2",
    );
    // The same manager's word, which came twice.
    check(1, "a1 starts 0; a joins", "");
    check(
        1,
        "b joins; a1 starts 0; a leaves workers",
        "delete m.a; publish 0.2",
    );
    check(
        1,
        "a1 starts 0; a leaves callback; +1",
        "publish 0.2; done HostsFailed { all_in_sync: false }",
    );
    check(
        1,
        "a1 starts 0; a leaves stopped",
        "delete m.a; publish 0.2; offer",
    );
}

#[test]
fn a_job_without_hosts_waits_for_one_or_ends() {
    let check = |events: &str, effects: &str| {
        assert_eq!(Run::new(rules(), 1).run(events), effects, "after: {events}");
    };
    check("offer; +59", "");
    check(
        "offer; +61",
        "look file queue; done NoListener { had_hosts: false, refused: [] }",
    );
    check("offer; a answers busy; +4", "");
    check("offer; +50; a announces", "offer to l.a");
    // Who failed is offered the job once more with those that may take it, not for ever.
    check(
        "offer; a answers accepted; b answers accepted; b leaves stopped; a leaves sync; \
         a answers accepted; a leaves sync; +61",
        "offer; look file queue; done NoListener { had_hosts: true, refused: [] }",
    );
    // Its first word, which comes twice, does not bring it back.
    check(
        "offer; a answers accepted; b answers accepted; a leaves sync; b leaves sync; \
         a answers accepted; +1",
        "done HostsFailed { all_in_sync: true }",
    );
    check("offer; a answers accepted; a announces", "offer to l.a");
    check("offer; a answers accepted; replies lost", "offer");
    check("offer; a answers accepted; announcements lost", "offer");
    // It may have left, and its word was lost.
    let told = Run::new(rules(), 1).run("offer; a answers accepted; +61");
    assert!(told.ends_with("look file queue; offer"), "{told}");
    // A host that took a forgotten queue for the end of the job is asked again.
    check(
        "offer; a joins; b joins; a leaves done",
        "offer to gorgon.listener.a.a",
    );
    check("offer; a answers accepted; a leaves sync; +0.9", "");
    check(
        "offer; a answers accepted; a leaves sync; +1",
        "done HostsFailed { all_in_sync: true }",
    );
    check(
        "offer; a answers accepted; b answers accepted; a leaves sync; +2; b leaves callback",
        "done HostsFailed { all_in_sync: false }",
    );
    check(
        "offer; a answers refused; +1",
        "done NoListener { had_hosts: false, refused: [(\"a\", \"version\")] }",
    );
    check("offer; a answers refused; b answers accepted; +4", "");
    check(
        "offer; a joins; a leaves done; +61",
        "offer; look file queue; done NoListener { had_hosts: true, refused: [] }",
    );
}

#[test]
fn a_silent_host_is_looked_for_and_written_off() {
    check(1, "+5", "look m.a; look file queue");
    check(
        1,
        "a1 starts 0; +15; a unseen",
        "look m.a; look m.a; look m.a; delete m.a; lost host a; publish 0.2; offer",
    );
    check(1, "a1 starts 0; +14; a unseen", "look m.a; look m.a");
    check(
        1,
        "a1 starts 0; +14; a seen; +2; a unseen",
        "look m.a; look m.a",
    );
    check(
        1,
        "a1 starts 0; +14; down; +100; a unseen; up; a unseen",
        "look m.a; look m.a; offer; look file queue",
    );
}

#[test]
fn a_lost_file_queue_is_refilled_with_what_nobody_holds() {
    check(
        3,
        "a1 starts 0; a2 passes 1; down; +30; up missing; a1 holds 0; a2 idle",
        "passed 1; declare; offer; publish 2",
    );
    check(2, "a1 starts 0; down; up missing; +4.9", "declare; offer");
    check(
        2,
        "a1 starts 0; down; up missing; +5",
        "declare; offer; publish 1; look m.a",
    );
    check(
        2,
        "a1 starts 0; down; up missing; +4; a seen; +12",
        "declare; offer; publish 1; look m.a; publish 0.2; look m.a",
    );
    check(
        2,
        "a1 starts 0; down; up missing; a1 idle",
        "declare; offer; publish 0.2; publish 1",
    );
    check(2, "a1 starts 0; down; up; +4", "offer");
    // The queue outlives a restart of the broker, its messages do not.
    check(
        3,
        "a1 starts 0; a2 passes 1; down; +30; up emptied; a1 holds 0; a2 idle",
        "passed 1; offer; empty; publish 2",
    );
    check(
        2,
        "a1 starts 0; a2 starts 1; down; up emptied; a1 idle; a2 holds 1",
        "offer; publish 0.2",
    );
    check(
        2,
        "a1 starts 0; a2 starts 1; down; up emptied; a1 holds 0; +14; a seen; +1",
        "offer; look m.a; look m.a; publish 1.2",
    );
    check(2, "a1 starts 0; missing; a1 holds 0", "declare; publish 1");
    // A host that left meanwhile and is back lost nothing by its own fault, and what went to the new
    // queue before the refill is there already.
    check(
        2,
        "a1 starts 0; down; up missing; a joins anew; +1",
        "declare; offer; delete m.a; publish 0.2; publish 1",
    );
    // Each item that finds no queue asks for a look.
    check(
        2,
        "missing; missing; missing; +5; missing",
        "declare; publish 0; publish 1; look m.a; look file queue; look file queue; declare; publish 0; publish 1",
    );
    // Its finish was confirmed, and lost: it would not run the next one else.
    check(
        2,
        "a1 starts 0; down; up; a1 holds 1; +2",
        "offer; publish 0.2",
    );
}

#[test]
fn what_the_broker_dropped_is_missed_twice_and_queued_again() {
    check(
        2,
        "a1 starts 0; a1 passes 0; +5; queue 0; +5; queue 0",
        "passed 0; look m.a; look file queue; look m.a; look file queue; publish 1.2",
    );
    // Looks that were asked for together.
    check(
        2,
        "a1 starts 0; a1 passes 0; +5; queue 0; queue 0; +1; queue 0",
        "passed 0; look m.a; look file queue",
    );
    // On its way to a worker, or waiting for one.
    check(2, "a1 starts 0; queue 0; a1 starts 1; queue 0", "");
    check(2, "a1 starts 0; queue 0; queue 1; queue 0", "");
    check(1, "a1 starts 0; queue 0; queue 0", "");
    // The refill is still to come.
    check(
        2,
        "a1 starts 0; down; up missing; queue 0; queue 0",
        "declare; offer",
    );
    check(2, "cancel; queue 0; queue 0", "cancel; purge");
}

#[test]
fn what_a_blocked_broker_has_not_got_is_not_missed() {
    check(
        2,
        "a1 passes 0; queue 0; blocked; +9; queue 0; +9; queue 0; unblocked; queue 0",
        "passed 0; look m.a; look m.a; look m.a",
    );
    // A policy may have dropped it meanwhile.
    check(
        2,
        "a1 passes 0; blocked; +4; unblocked; +5; queue 0; +5; queue 0",
        "passed 0; look m.a; look file queue; look m.a; look file queue; publish 1.2",
    );
    // Another connection is told anew.
    check(
        2,
        "a1 passes 0; blocked; down; up; queue 0; +5; queue 0",
        "passed 0; offer; look m.a; look file queue; publish 1.2",
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
fn the_local_listener_is_started_again_twice() {
    let check = |events: &str, effects: &str| {
        let rules = Rules {
            local: true,
            ..rules()
        };
        check_with(rules, 1, events, effects);
    };
    check("a1 starts 0; listener ends; +0.9", "");
    check(
        "a1 starts 0; listener ends; +1",
        "delete m.a; lost host a; publish 0.2; start listener",
    );
    check(
        "listener ends; +1; b joins; listener ends; +1; c joins; listener ends; +1",
        "delete m.a; lost host a; start listener; delete m.b; lost host b; start listener; delete m.c; lost host c; \
         done LocalListenerDied { end: \"SIGKILL\" }",
    );
    check(
        "a1 passes 0; listener ends; a leaves done",
        "passed 0; delete; done",
    );
    check(
        "a1 passes 0; listener ends; +1",
        "passed 0; delete; delete m.a; lost host a; done",
    );
}

#[test]
fn a_worker_that_comes_back_with_an_item_has_no_other_one() {
    // Its finish of the first was lost with the broker.
    check(2, "a1 starts 0; a1 starts 1; a1 holds 1; +2", "publish 0.2");
}
