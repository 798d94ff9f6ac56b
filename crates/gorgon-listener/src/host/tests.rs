//! Jobs that come, wait and go, as stories.

use std::time::Duration;

use gorgon_process::child::End;

use super::*;

fn job(id: &str) -> JobId {
    JobId(id.to_owned())
}

fn offered(id: &str) -> Event {
    Event::Offered(job(id))
}

fn ended() -> Event {
    Event::Job(host_job::Event::ManagerEnded(End::Exited(0), String::new()))
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
            Effect::Drop(job, told) => format!("{job} dropped {told:?}"),
            Effect::Exit => "exit".into(),
        })
        .collect();
    texts.join("; ")
}

fn check(once: bool, story: Vec<(Event, &str)>) {
    let mut host = Host::new(once);
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
fn one_job_after_another() {
    check(
        false,
        vec![
            (offered("a"), "a Accepted; a Prepare"),
            (offered("b"), "b Busy (runs job a)"),
            (offered("c"), "c Busy (runs job a, then 1 more)"),
            (offered("a"), ""),
            (offered("b"), "b Busy (runs job a)"),
            (Event::Cancelled(job("c")), "c dropped Some(Cancelled)"),
            (Event::Abandoned(job("nobody")), ""),
            (Event::Job(host_job::Event::Prepared), "a StartManager"),
            (ended(), "a Clean"),
            (
                Event::Job(host_job::Event::Cleaned),
                "a Finish; b Accepted; b Prepare",
            ),
            (Event::Stopped, "b EndPreparation"),
            (offered("d"), "d dropped None"),
            (
                Event::Job(host_job::Event::Prepared),
                "b Leave(Stopped, None); b Clean",
            ),
            (Event::Job(host_job::Event::Cleaned), "b Finish; exit"),
            (offered("e"), ""),
        ],
    );
}

#[test]
fn once_is_one_job() {
    check(
        true,
        vec![
            (offered("a"), "a Accepted; a Prepare"),
            (
                offered("b"),
                "b Refused (the listener serves one job alone (--once))",
            ),
            (Event::Job(host_job::Event::Prepared), "a StartManager"),
            (ended(), "a Clean"),
            (Event::Job(host_job::Event::Cleaned), "a Finish; exit"),
        ],
    );
}

#[test]
fn a_job_that_is_offered_again_while_it_ends_here_begins_anew() {
    check(
        false,
        vec![
            (offered("a"), "a Accepted; a Prepare"),
            (Event::Job(host_job::Event::Prepared), "a StartManager"),
            (offered("a"), ""),
            (ended(), "a Clean"),
            (offered("a"), "a Busy (runs job a)"),
            (offered("a"), "a Busy (runs job a)"),
            (
                Event::Job(host_job::Event::Cleaned),
                "a Finish; a Accepted; a Prepare",
            ),
        ],
    );
}

#[test]
fn an_idle_listener_stops_at_once() {
    check(false, vec![(Event::Stopped, "exit")]);
    check(true, vec![(Event::InputEnded, "exit")]);
}

#[test]
fn waiting_jobs_are_told_that_the_listener_stops() {
    check(
        false,
        vec![
            (offered("a"), "a Accepted; a Prepare"),
            (offered("b"), "b Busy (runs job a)"),
            (Event::Stopped, "b dropped Some(Stopped); a EndPreparation"),
        ],
    );
}

#[test]
fn the_queue_of_waiting_jobs_has_an_end() {
    let mut host = Host::new(false);
    let now = Instant::now();
    for number in 0..=MOST_WAITING {
        host.step(now, offered(&number.to_string()));
    }
    assert_eq!(
        shown(&host.step(now, offered("x"))),
        "x Refused (100 jobs wait already)"
    );
    assert_eq!(host.jobs().len(), MOST_WAITING + 1);
    assert!(
        host.deadline()
            .is_none_or(|at| at < now + Duration::from_secs(3600))
    );
}
