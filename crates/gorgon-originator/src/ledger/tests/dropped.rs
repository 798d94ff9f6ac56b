//! What the broker has lost, and what it has not got yet.

use super::*;

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
