//! Slots that are granted and called back.

use super::*;

/// What the manager does, and what it tells its listener.
fn told(slots: &[u32], own: bool, files: Files, play: &[(&str, &str)]) {
    let now = Instant::now();
    let (supervisor, first) = Supervisor::begin(now, slots, own, LIMIT);
    let mut stage = Play {
        supervisor,
        now,
        looks: Look::Consumed,
        files,
        tells: true,
    };
    for (index, (event, effects)) in play.iter().enumerate() {
        let did = match *event {
            "begin" => stage.shown(&first),
            event => stage.act(event),
        };
        assert_eq!(did, *effects, "line {}: {event}", index + 1);
    }
}

#[test]
fn a_manager_without_a_slot_makes_itself_ready_and_begins_when_it_is_granted_one() {
    told(
        &[],
        false,
        Files::Waiting(9),
        &[
            ("begin", "start p0"),
            ("p0 ready", "> ready; join []"),
            ("3s", ""),
            ("w3 granted", "start w3 on p0; has [3]"),
            ("w3 pid 31", ""),
            ("w3 granted", ""),
            ("w3 recalled", "USR2 w3"),
            ("w3 recalled", ""),
            ("w3 exited 0", "> freed 3; has [] without [(3, 31)]"),
            ("w1 granted", "start w1 on p0; has [1]"),
            ("w1 pid 32", ""),
            ("w1 exited 0", "after p0; > closing; > freed 1"),
            ("w2 granted", "> freed 2"),
            ("p0 done", "stop p0"),
            ("p0 exited 0", "leave Done"),
        ],
    );
}

#[test]
fn a_slot_that_is_called_back_before_its_worker_runs_goes_at_once() {
    told(
        &[1, 2],
        false,
        Files::Waiting(9),
        &[
            ("begin", "start p0"),
            ("w2 recalled", "> freed 2"),
            ("p0 ready", "> ready; join [1]; start w1 on p0; has [1]"),
            // It is told as soon as it can be told; it may not listen yet.
            ("w1 recalled", ""),
            ("w1 pid 11", "USR2 w1"),
            ("w1 killed 12", "> freed 1; has [] without [(1, 11)]"),
        ],
    );
}

#[test]
fn what_idles_and_what_runs_again_is_told() {
    told(
        &[1, 2],
        false,
        Files::Waiting(0),
        &[
            ("begin", "start p0"),
            (
                "p0 ready",
                "> ready; join [1, 2]; start w1 on p0; start w2 on p0",
            ),
            ("w1 pid 11", ""),
            ("w2 pid 12", ""),
            ("w2 idle", "> idle 2"),
            ("w1 item 1", ""),
            ("w2 item 2", "> busy 2"),
            ("w2 idle", "> idle 2"),
            // Kept for a while, for an item that waits for this host.
            ("item waits", "> waiting"),
            ("w1 idle", ""),
            ("4s", ""),
            ("1s", "> idle 1"),
        ],
    );
}

#[test]
fn without_a_slot_it_looks_for_items_and_for_the_end() {
    let begin: &[(&str, &str)] = &[
        ("begin", "start p0"),
        ("p0 ready", "> ready; join [1]; start w1 on p0"),
        ("w1 pid 11", ""),
        ("w1 idle", "> idle 1"),
        ("w1 recalled", "USR2 w1"),
        ("w1 exited 0", "> freed 1; has [] without [(1, 11)]"),
    ];
    let with = |more: &[(&'static str, &'static str)]| [begin, more].concat();
    told(
        &[1],
        false,
        Files::Waiting(3),
        &with(&[("1s", "> waiting"), ("9s", "")]),
    );
    told(
        &[1],
        false,
        Files::Waiting(0),
        &with(&[("9s", ""), ("job over", "after p0; > closing")]),
    );
    told(
        &[1],
        false,
        Files::Missing,
        &with(&[("1s", "after p0; > closing")]),
    );
    // The broker may have forgotten the queue.
    let lost = [("down", ""), ("15s", ""), ("2s", "after p0; > closing")];
    told(&[1], false, Files::Missing, &with(&lost));
    told(&[1], false, Files::Unknown, &with(&[("9s", "")]));
}

#[test]
fn a_slot_called_back_whose_worker_dies_is_given_back_and_what_died_is_told() {
    told(
        &[1, 2],
        false,
        Files::Waiting(0),
        &[
            ("begin", "start p0"),
            (
                "p0 ready",
                "> ready; join [1, 2]; start w1 on p0; start w2 on p0",
            ),
            ("w1 pid 11", ""),
            ("w2 pid 12", ""),
            ("w1 item 1", ""),
            ("w1 recalled", "USR2 w1"),
            (
                "w1 killed 9",
                "death w1 11 SIGKILL; > freed 1; has [2] without [(1, 11)]",
            ),
            ("w2 exited 4", "> out 2; has []"),
            // The other one may come again.
            ("w2 granted", "> out 2; has []"),
            ("w1 granted", "start w1 on p0; has [1]"),
            ("w1 pid 13", ""),
            ("w1 exited 4", "after p0; > closing; > out 1"),
        ],
    );
}

#[test]
fn a_preloader_of_a_slot_is_kept_for_its_return() {
    told(
        &[],
        true,
        Files::Waiting(0),
        &[
            ("begin", "> ready; join []"),
            ("w2 granted", "start p2; has [2]"),
            ("p2 ready", "start w2 on p2"),
            ("w2 pid 21", ""),
            ("w2 recalled", "USR2 w2"),
            ("w2 exited 0", "> freed 2; has [] without [(2, 21)]"),
            ("w2 granted", "start w2 on p2; has [2]"),
            ("w2 pid 22", ""),
            ("job over", "> closing"),
            ("w2 exited 0", "after p2; > freed 2"),
        ],
    );
}

#[test]
fn a_cancel_ends_it_also_without_a_slot() {
    told(
        &[],
        false,
        Files::Waiting(0),
        &[
            ("begin", "start p0"),
            ("p0 ready", "> ready; join []"),
            ("cancel", "after p0; > closing"),
            ("p0 done", "stop p0"),
            ("p0 exited 0", "leave Cancelled"),
        ],
    );
}

#[test]
fn a_slot_called_back_as_the_job_is_over_gets_no_further_worker() {
    told(
        &[1, 2],
        false,
        Files::Waiting(0),
        &[
            ("begin", "start p0"),
            ("job over", "> closing"),
            // The listener had not heard that yet; the slot is another job's from here on.
            ("w2 recalled", "> freed 2"),
            ("p0 ready", "> ready; join [1, 2]; start w1 on p0"),
        ],
    );
}

#[test]
fn a_slot_called_back_is_kept_until_a_preloader_that_hangs_is_killed() {
    told(
        &[1],
        false,
        Files::Waiting(0),
        &[
            ("begin", "start p0"),
            ("p0 ready", "> ready; join [1]; start w1 on p0"),
            ("w1 pid 11", ""),
            ("w1 item 1", ""),
            ("w1 recalled", "USR2 w1"),
            ("w1 exited 5", "death w1 11 its preloader died"),
            ("2s", "kill p0"),
            (
                "p0 killed",
                "warn; start p0; > freed 1; has [] without [(1, 11)]",
            ),
        ],
    );
}

#[test]
fn a_slot_that_comes_back_to_a_preloader_that_is_gone_is_the_last_one() {
    told(
        &[1],
        true,
        Files::Waiting(9),
        &[
            ("begin", "start p1; > ready"),
            ("p1 ready", "join [1]; start w1 on p1"),
            ("w1 pid 11", ""),
            ("w1 recalled", "USR2 w1"),
            ("w1 exited 0", "> freed 1; has [] without [(1, 11)]"),
            ("p1 killed", "warn; start p1"),
            ("p1 killed", ""),
            (
                "w1 granted",
                "> closing; > out 1; leave PreloaderFailed (starting Ruby)",
            ),
        ],
    );
}
