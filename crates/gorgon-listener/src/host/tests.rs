//! Jobs that come, wait and go, as stories.

use std::time::Duration;

use gorgon_process::child::End;

use super::*;

fn job(id: &str) -> JobId {
    JobId(id.to_owned())
}

fn offered(id: &str) -> Event {
    Event::Offered {
        job: job(id),
        most: 100,
    }
}

fn of(id: &str, event: host_job::Event) -> Event {
    Event::Job(job(id), event)
}

fn prepared(id: &str) -> Event {
    of(id, host_job::Event::Prepared)
}

fn cleaned(id: &str) -> Event {
    of(id, host_job::Event::Cleaned)
}

fn ended(id: &str) -> Event {
    of(
        id,
        host_job::Event::ManagerEnded(End::Exited(0), String::new()),
    )
}

fn said(id: &str, line: ManagerLine) -> Event {
    Event::Said(job(id), line)
}

fn freed(id: &str, slot: u32) -> Event {
    said(id, ManagerLine::Freed { slot, out: false })
}

fn shown(effects: &[Effect]) -> String {
    let texts: Vec<String> = effects
        .iter()
        .map(|effect| match effect {
            Effect::Answer(job, answer, reason) if reason.is_empty() => {
                format!("{job} {answer:?}")
            }
            Effect::Answer(job, answer, reason) => format!("{job} {answer:?} ({reason})"),
            Effect::Job(job, effect) => format!("{job} {effect:?}"),
            Effect::Grant(job, slot) => format!("{job} gets {slot}"),
            Effect::Recall(job, slot) => format!("{job} loses {slot}"),
            Effect::Drop(job, told) => format!("{job} dropped {told:?}"),
            Effect::Exit => "exit".into(),
        })
        .collect();
    texts.join("; ")
}

fn check(once: bool, slots: u32, story: Vec<(Event, &str)>) {
    let mut host = Host::new(once, slots);
    let now = Instant::now();
    for (number, (event, expected)) in story.into_iter().enumerate() {
        let told = format!("{event:?}");
        assert_eq!(
            shown(&host.step(now, event)),
            expected,
            "step {number}: {told}"
        );
    }
}

#[test]
fn a_second_job_is_served_at_once_and_gets_slots_when_it_is_ready() {
    check(
        false,
        4,
        vec![
            (offered("a"), "a Accepted; a Prepare"),
            (prepared("a"), "a StartManager"),
            (said("a", ManagerLine::Ready), ""),
            (offered("b"), "b Accepted; b Prepare"),
            (prepared("b"), "b StartManager"),
            (said("b", ManagerLine::Ready), "a loses 4; a loses 3"),
            (freed("a", 4), "b gets 4"),
            (freed("a", 3), "b gets 3"),
            (ended("b"), "b Clean; a gets 3; a gets 4"),
            (cleaned("b"), "b Finish"),
            (Event::Cancelled(job("b")), ""),
            (Event::Stopped, "a SignalManager(Term)"),
            (said("a", ManagerLine::Closing), ""),
            (freed("a", 1), ""),
            (ended("a"), "a Clean"),
            (cleaned("a"), "a Finish; exit"),
        ],
    );
}

#[test]
fn a_manager_that_is_started_again_has_the_slots_that_are_left() {
    let died = || host_job::Event::ManagerEnded(End::Signaled(9), String::new());
    check(
        false,
        2,
        vec![
            (offered("a"), "a Accepted; a Prepare"),
            (offered("b"), "b Accepted; b Prepare"),
            (prepared("a"), "a StartManager"),
            (said("a", ManagerLine::Ready), ""),
            (prepared("b"), "b StartManager"),
            (said("b", ManagerLine::Ready), "a loses 2"),
            // Nothing of it runs any more: both of its slots are free.
            (
                of("a", died()),
                "a DeleteManagerQueue; a StartManager; b gets 1; b gets 2",
            ),
            (said("a", ManagerLine::Ready), "b loses 2"),
            (freed("b", 2), "a gets 2"),
            (ended("b"), "b Clean; a gets 1"),
        ],
    );
}

#[test]
fn more_jobs_than_slots_wait_for_one_to_end() {
    check(
        false,
        2,
        vec![
            (offered("a"), "a Accepted; a Prepare"),
            (offered("b"), "b Accepted; b Prepare"),
            (offered("c"), "c Busy (runs jobs a, b)"),
            (offered("d"), "d Busy (runs jobs a, b, then 1 more)"),
            (offered("a"), ""),
            (offered("c"), "c Busy (runs jobs a, b)"),
            (Event::Cancelled(job("d")), "d dropped Some(Cancelled)"),
            (Event::Abandoned(job("nobody")), ""),
            (prepared("a"), "a StartManager"),
            (ended("a"), "a Clean"),
            (cleaned("a"), "a Finish; c Accepted; c Prepare"),
            (Event::Stopped, "b EndPreparation; c EndPreparation"),
            (offered("d"), "d dropped None"),
            (prepared("b"), "b Leave(Stopped, None); b Clean"),
            (cleaned("b"), "b Finish"),
            (prepared("c"), "c Leave(Stopped, None); c Clean"),
            (cleaned("c"), "c Finish; exit"),
            (offered("e"), ""),
        ],
    );
}

#[test]
fn once_is_one_job() {
    check(
        true,
        4,
        vec![
            (offered("a"), "a Accepted; a Prepare"),
            (
                offered("b"),
                "b Refused (the listener serves one job alone (--once))",
            ),
            (prepared("a"), "a StartManager"),
            (ended("a"), "a Clean"),
            (cleaned("a"), "a Finish; exit"),
        ],
    );
}

#[test]
fn a_job_that_is_offered_again_while_it_ends_here_begins_anew() {
    check(
        false,
        4,
        vec![
            (offered("a"), "a Accepted; a Prepare"),
            (prepared("a"), "a StartManager"),
            (offered("a"), ""),
            (ended("a"), "a Clean"),
            (offered("a"), "a Busy (runs job a)"),
            (offered("a"), "a Busy (runs job a)"),
            (offered("b"), "b Accepted; b Prepare"),
            // Another's end is no reason to begin beside itself.
            (Event::Cancelled(job("b")), "b EndPreparation"),
            (prepared("b"), "b Leave(Cancelled, None); b Clean"),
            (cleaned("b"), "b Finish"),
            (cleaned("a"), "a Finish; a Accepted; a Prepare"),
        ],
    );
}

#[test]
fn a_job_that_is_offered_again_while_its_manager_closes_begins_anew() {
    check(
        false,
        4,
        vec![
            (offered("a"), "a Accepted; a Prepare"),
            (prepared("a"), "a StartManager"),
            (said("a", ManagerLine::Ready), ""),
            // It found nobody at the reply queue; the originator was away, and is back.
            (said("a", ManagerLine::Closing), ""),
            (offered("a"), "a Busy (runs job a)"),
            (ended("a"), "a Clean"),
            (cleaned("a"), "a Finish; a Accepted; a Prepare"),
            (prepared("a"), "a StartManager"),
            (offered("a"), ""),
        ],
    );
}

#[test]
fn a_job_that_is_offered_again_while_its_manager_closes_and_dies_is_served_by_the_next_manager() {
    let died = || host_job::Event::ManagerEnded(End::Signaled(9), String::new());
    check(
        false,
        4,
        vec![
            (offered("a"), "a Accepted; a Prepare"),
            (prepared("a"), "a StartManager"),
            (said("a", ManagerLine::Closing), ""),
            (offered("a"), "a Busy (runs job a)"),
            (of("a", died()), "a DeleteManagerQueue; a StartManager"),
            (offered("a"), ""),
            (ended("a"), "a Clean"),
            (cleaned("a"), "a Finish"),
        ],
    );
}

#[test]
fn an_idle_listener_stops_at_once() {
    check(false, 4, vec![(Event::Stopped, "exit")]);
    check(true, 4, vec![(Event::InputEnded, "exit")]);
}

#[test]
fn waiting_jobs_are_told_that_the_listener_stops() {
    check(
        false,
        1,
        vec![
            (offered("a"), "a Accepted; a Prepare"),
            (offered("b"), "b Accepted; b Prepare"),
            (offered("c"), "c Busy (runs jobs a, b)"),
            (
                Event::Stopped,
                "c dropped Some(Stopped); a EndPreparation; b EndPreparation",
            ),
        ],
    );
}

#[test]
fn the_queue_of_waiting_jobs_has_an_end() {
    let mut host = Host::new(false, 1);
    let now = Instant::now();
    let served = LEAST_AT_ONCE;
    for number in 0..MOST_WAITING + served {
        host.step(now, offered(&number.to_string()));
    }
    assert_eq!(
        shown(&host.step(now, offered("x"))),
        "x Refused (100 jobs wait already)"
    );
    assert_eq!(host.jobs().len(), MOST_WAITING + served);
    assert!(
        host.deadline()
            .is_none_or(|at| at < now + Duration::from_secs(3600))
    );
}
