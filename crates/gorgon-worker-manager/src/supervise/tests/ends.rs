//! How a job on a host is ended, and what is ended by force.

use super::*;

#[test]
fn a_cancel_reaches_the_workers_and_the_end_callbacks_have_five_seconds() {
    played(
        &[1, 2],
        &[
            ("p0 ready", "join [1, 2]; start w1 on p0; start w2 on p0"),
            ("cancel", "INT w1; INT w2"),
            ("cancel", ""),
            ("w1 exited 130", ""),
            ("w2 exited 130", "after p0"),
            ("5s", "stop p0"),
            ("p0 exited 0", "leave Cancelled"),
        ],
    );
}

#[test]
fn a_cancel_while_the_preloader_starts() {
    played(
        &[1],
        &[
            ("cancel", "INT p0; stop p0"),
            ("p0 killed 2", "leave Cancelled"),
        ],
    );
    // It resists: it is killed as we end.
    played(
        &[1],
        &[("cancel", "INT p0; stop p0"), ("1s", "leave Cancelled")],
    );
}

#[test]
fn workers_that_do_not_end_are_killed() {
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("w1 pid 50", ""),
            ("cancel", "INT w1"),
            ("12s", "KILL w1"),
            ("w1 killed", "death w1 50 SIGKILL; after p0"),
        ],
    );
}

#[test]
fn a_stop_and_a_lost_parent_hand_back() {
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("stop", "TERM w1"),
            ("w1 exited 0", "after p0"),
            ("p0 done", "stop p0"),
            ("p0 exited 0", "leave Stopped"),
        ],
    );
    // The originator sends a sick host away: once is enough.
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("sent away", "TERM w1"),
            ("sent away", ""),
            ("w1 exited 0", "after p0"),
            ("p0 done", "stop p0"),
            ("p0 exited 0", "leave Sick"),
        ],
    );
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            // It stops its children through its preloader, which has to stay for that.
            ("parent gone", "QUIT w1"),
            ("w1 exited 0", "stop p0"),
            ("p0 exited 0", "leave Lost"),
        ],
    );
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("parent gone", "QUIT w1"),
            ("1s", "KILL w1"),
            ("w1 killed", "stop p0"),
            ("1s", "leave Lost"),
        ],
    );
}

#[test]
fn an_orphaned_job_is_ended() {
    check(
        &[1],
        false,
        Look::Abandoned,
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("19s", ""),
            ("1s", "INT w1"),
            ("w1 exited 130", "after p0"),
            ("p0 done", "stop p0"),
            ("p0 exited 0", "leave Orphaned"),
        ],
    );
    check(
        &[1],
        false,
        Look::Unreachable,
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("119s", ""),
            ("gave up", "INT w1"),
        ],
    );
}

#[test]
fn an_end_callback_that_raises_or_hangs_is_told() {
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("w1 exited 0", "after p0"),
            ("p0 raised", "stop p0"),
            ("p0 exited 0", "leave CallbackFailed (callback)"),
        ],
    );
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("w1 exited 0", "after p0"),
            ("600s", "stop p0"),
            ("5s", "leave CallbackFailed (after_creating_workers)"),
        ],
    );
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("w1 exited 0", "after p0"),
            ("p0 killed", "leave CallbackFailed (after_creating_workers)"),
        ],
    );
}

#[test]
fn a_slot_that_is_sent_away_gets_no_worker_any_more_and_the_others_go_on() {
    played(
        &[1, 2],
        &[
            ("p0 ready", "join [1, 2]; start w1 on p0; start w2 on p0"),
            ("w1 pid 50", ""),
            ("w2 pid 51", ""),
            ("w2 sent away", "TERM w2"),
            ("w2 sent away", ""),
            ("w2 exited 0", "has [1]"),
            // The originator has not heard that.
            ("w2 sent away", "has [1]"),
            ("w3 sent away", "has [1]"),
            ("w1 exited 0", "after p0"),
            ("p0 done", "stop p0"),
            ("p0 exited 0", "leave Done"),
        ],
    );
    // Its worker dies, or did not run yet, or did not listen yet.
    for (before, word, after) in [
        ("w2 pid 51", "TERM w2", "w2 killed"),
        ("w1 idle", "", "w2 pid 51"),
    ] {
        let (dies, ended, has) = match after {
            "w2 killed" => ("death w2 51 SIGKILL; has [1]", "w1 idle", ""),
            _ => ("TERM w2", "w2 killed 15", "has [1]"),
        };
        played(
            &[1, 2],
            &[
                ("p0 ready", "join [1, 2]; start w1 on p0; start w2 on p0"),
                ("w1 pid 50", ""),
                (before, ""),
                ("w2 sent away", word),
                (after, dies),
                (ended, has),
                ("w1 exited 0", "after p0"),
                ("p0 done", "stop p0"),
                ("p0 exited 0", "leave Done"),
            ],
        );
    }
    // Before its preloader is ready.
    played(
        &[1, 2],
        &[
            ("w2 sent away", ""),
            ("p0 ready", "join [1, 2]; start w1 on p0; has [1]"),
        ],
    );
    // If the others are another job's when this one is over, it has worked all the same.
    played(
        &[1, 2],
        &[
            ("p0 ready", "join [1, 2]; start w1 on p0; start w2 on p0"),
            ("w1 pid 50", ""),
            ("w2 pid 51", ""),
            ("w2 sent away", "TERM w2"),
            ("w2 exited 0", "has [1]"),
            ("w1 recalled", "USR2 w1"),
            ("w1 exited 0", "has [] without [(1, 50)]"),
            ("job over", "after p0"),
            ("p0 done", "stop p0"),
            ("p0 exited 0", "leave Done"),
        ],
    );
    // A host whose last slot is sent away leaves as a sick one.
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("w1 pid 50", ""),
            ("w1 sent away", "TERM w1"),
            ("w1 exited 0", "after p0"),
            ("p0 done", "stop p0"),
            ("p0 exited 0", "leave Sick"),
        ],
    );
}
