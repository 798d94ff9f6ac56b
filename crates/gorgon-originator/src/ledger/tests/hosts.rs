//! Hosts that leave, are silent, or never come.

use super::*;

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
