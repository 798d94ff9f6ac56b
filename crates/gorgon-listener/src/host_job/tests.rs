//! The life of a job on a host, as stories of events and what is done about them.

use super::*;

/// Plays `story`: lines of `event -> effects`; `+N` in front lets N seconds pass.
fn check(story: &[(&str, &str)]) {
    let start = Instant::now();
    let (mut job, effects) = HostJob::begin();
    assert_eq!(shown(&effects), "prepare");
    let mut now = start;
    for (event, expected) in story {
        let event = match event.split_once(' ') {
            Some((seconds, event)) if seconds.starts_with('+') => {
                now += Duration::from_secs(seconds[1..].parse().unwrap());
                event
            }
            _ => event,
        };
        let effects = job.step(now, read(event));
        assert_eq!(shown(&effects), *expected, "{event} in {story:?}");
        if let Some(deadline) = job.deadline() {
            assert!(deadline <= now + CLEAN_LIMIT, "every wait has an end");
        }
    }
}

fn error(message: &str) -> HostError {
    HostError {
        what: "x".into(),
        message: message.into(),
        command: String::new(),
        output: String::new(),
    }
}

fn read(event: &str) -> Event {
    match event {
        "prepared" => Event::Prepared,
        "sync failed" => Event::PreparationFailed(LeaveReason::SyncFailed, error("rsync")),
        "cancel" => Event::End(Ending::Cancelled),
        "stop" => Event::End(Ending::Stopped),
        "abandoned" => Event::End(Ending::Abandoned),
        "no manager" => Event::ManagerNotStarted(error("missing")),
        "exit 0" => Event::ManagerEnded(End::Exited(0), String::new()),
        "exit 3" => Event::ManagerEnded(End::Exited(3), "words".into()),
        "exit 4" => Event::ManagerEnded(End::Exited(4), String::new()),
        "exit 5" => Event::ManagerEnded(End::Exited(5), String::new()),
        "killed" => Event::ManagerEnded(End::Signaled(9), "words".into()),
        "panic" => Event::ManagerEnded(End::Exited(101), "words".into()),
        "cleaned" => Event::Cleaned,
        "deadline" => Event::DeadlinePassed,
        other => panic!("no event {other}"),
    }
}

fn shown(effects: &[Effect]) -> String {
    let texts: Vec<String> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Prepare => "prepare".into(),
            Effect::EndPreparation => "end preparation".into(),
            Effect::StartManager => "start manager".into(),
            Effect::SignalManager(signal) => signal.short_name().to_owned(),
            Effect::CloseManagerInput => "close input".into(),
            Effect::DeleteManagerQueue => "delete queue".into(),
            Effect::Leave(reason, None) => format!("leave {reason:?}"),
            Effect::Leave(reason, Some(error)) => format!("leave {reason:?}: {}", error.message),
            Effect::Clean => "clean".into(),
            Effect::Finish => "finish".into(),
        })
        .collect();
    texts.join("; ")
}

#[test]
fn a_job_runs_to_its_end() {
    check(&[
        ("prepared", "start manager"),
        ("exit 0", "clean"),
        ("cleaned", "finish"),
        ("cleaned", ""),
    ]);
}

#[test]
fn a_manager_whose_last_word_no_broker_took_has_it_said_by_its_listener() {
    check(&[
        ("prepared", "start manager"),
        ("exit 5", "delete queue; leave Lost; clean"),
        ("cleaned", "finish"),
    ]);
    check(&[
        ("prepared", "start manager"),
        ("stop", "TERM"),
        ("exit 5", "delete queue; leave Stopped; clean"),
        ("cleaned", "finish"),
    ]);
}

#[test]
fn a_source_that_cannot_be_had_is_told_and_cleaned() {
    check(&[
        ("sync failed", "leave SyncFailed: rsync; clean"),
        ("cleaned", "finish"),
    ]);
}

#[test]
fn what_ends_a_job_ends_its_preparation_first() {
    for (event, reason) in [
        ("cancel", "Cancelled"),
        ("stop", "Stopped"),
        ("abandoned", "Orphaned"),
    ] {
        let leave = format!("leave {reason}; clean");
        check(&[
            (event, "end preparation"),
            ("sync failed", &leave),
            ("cleaned", "finish"),
        ]);
        check(&[
            (event, "end preparation"),
            ("prepared", &leave),
            ("cleaned", "finish"),
        ]);
    }
    check(&[
        ("cancel", "end preparation"),
        ("stop", ""),
        ("prepared", "leave Stopped; clean"),
    ]);
}

#[test]
fn a_manager_that_dies_is_started_again_twice_at_most() {
    check(&[
        ("prepared", "start manager"),
        ("killed", "delete queue; start manager"),
        ("panic", "delete queue; start manager"),
        (
            "killed",
            "delete queue; leave WorkersFailed: the worker manager died 3 times, the last time with SIGKILL; clean",
        ),
        ("cleaned", "finish"),
    ]);
}

#[test]
fn a_manager_that_could_not_begin_is_told_and_not_tried_again() {
    let leave = "delete queue; leave WorkersFailed: the worker manager could not begin: exit status 3; clean";
    check(&[("prepared", "start manager"), ("exit 3", leave)]);
    check(&[
        ("prepared", "start manager"),
        ("no manager", "leave WorkersFailed: missing; clean"),
    ]);
}

#[test]
fn a_manager_that_left_without_a_word_had_nobody_to_tell() {
    check(&[
        ("prepared", "start manager"),
        ("exit 4", "delete queue; clean"),
        ("cleaned", "finish"),
    ]);
}

#[test]
fn a_cancelled_manager_is_nudged_and_then_killed() {
    check(&[
        ("prepared", "start manager"),
        ("cancel", ""),
        ("+1 deadline", ""),
        ("+1 deadline", "INT"),
        ("cancel", ""),
        ("+28 deadline", "KILL"),
        ("killed", "delete queue; leave Cancelled; clean"),
    ]);
}

#[test]
fn a_stopped_manager_hands_back_and_a_second_stop_kills() {
    check(&[
        ("prepared", "start manager"),
        ("stop", "TERM"),
        ("exit 0", "clean"),
    ]);
    check(&[
        ("prepared", "start manager"),
        ("stop", "TERM"),
        ("stop", ""),
        ("deadline", "KILL"),
        ("killed", "delete queue; leave Stopped; clean"),
    ]);
    check(&[
        ("prepared", "start manager"),
        ("stop", "TERM"),
        ("+40 deadline", "KILL"),
    ]);
}

#[test]
fn an_abandoned_manager_has_seconds() {
    check(&[
        ("prepared", "start manager"),
        ("abandoned", "close input"),
        ("+3 deadline", "KILL"),
        ("killed", "delete queue; leave Orphaned; clean"),
        ("cleaned", "finish"),
    ]);
}

#[test]
fn a_removal_that_hangs_does_not_hold_the_listener() {
    check(&[
        ("prepared", "start manager"),
        ("exit 0", "clean"),
        ("+59 deadline", ""),
        ("+1 deadline", "finish"),
    ]);
}

#[test]
fn no_order_of_events_leaves_a_job_without_end() {
    let events = [
        "prepared",
        "sync failed",
        "cancel",
        "stop",
        "abandoned",
        "no manager",
        "exit 0",
        "exit 3",
        "killed",
        "cleaned",
        "deadline",
    ];
    let mut seed: u64 = 1;
    for _ in 0..5_000 {
        let (mut job, _) = HostJob::begin();
        let mut now = Instant::now();
        let (mut cleaned, mut started, mut finished) = (0, 0, 0);
        for _ in 0..60 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let event = events[usize::try_from(seed >> 33).unwrap() % events.len()];
            now += Duration::from_secs((seed >> 40) % 30);
            for effect in job.step(now, read(event)) {
                match effect {
                    Effect::Clean => cleaned += 1,
                    Effect::StartManager => started += 1,
                    Effect::Finish => finished += 1,
                    _ => {}
                }
            }
            assert_eq!(finished > 0, job.is_done());
        }
        assert!(cleaned <= 1 && finished <= 1 && started <= 1 + MOST_RESTARTS);
        assert!(finished == 0 || cleaned == 1);
    }
}
