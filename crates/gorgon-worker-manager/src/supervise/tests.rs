//! Each test is a play: an event on the left, what the manager does about it on the right.

use std::time::{Duration, Instant};

use gorgon_process::child::End;
use gorgon_process::signals::Signal;
use gorgon_proto::item::ItemId;
use gorgon_proto::local::{ManagerLine, WorkerLine};
use gorgon_proto::message::{HostError, LeaveReason};

use super::{Supervisor, fault};
use crate::event::{Effect, Event, Files};
use crate::lookout::Look;

const LIMIT: Duration = Duration::from_secs(600);

fn error() -> HostError {
    fault("callback", "no".to_owned(), String::new())
}

mod ends;
mod sharing;

struct Play {
    supervisor: Supervisor,
    now: Instant,
    looks: Look,
    files: Files,
    /// Whether what the listener is told is of interest.
    tells: bool,
}

impl Play {
    fn act(&mut self, line: &str) -> String {
        let effects = match line.strip_suffix('s').and_then(|n| n.parse::<f64>().ok()) {
            Some(seconds) => self.pass(Duration::from_secs_f64(seconds)),
            None => self.supervisor.step(self.now, event(line)),
        };
        self.shown(&effects)
    }

    fn shown(&self, effects: &[Effect]) -> String {
        let told = |effect: &&Effect| self.tells || !matches!(effect, Effect::Tell(_));
        shown(effects.iter().filter(told))
    }

    /// Lets time pass; each look is answered at once.
    fn pass(&mut self, span: Duration) -> Vec<Effect> {
        let until = self.now + span;
        let mut effects = Vec::new();
        while let Some(at) = self.supervisor.deadline().filter(|at| *at <= until) {
            self.now = at;
            for effect in self.supervisor.step(at, Event::DeadlinePassed) {
                if effect == Effect::Look {
                    effects.extend(self.supervisor.step(at, Event::Looked(self.looks)));
                } else if effect == Effect::LookAtFiles {
                    let looked = Event::FilesLooked(self.files);
                    effects.extend(self.supervisor.step(at, looked));
                } else {
                    effects.push(effect);
                }
            }
            assert_ne!(
                self.supervisor.deadline(),
                Some(at),
                "a deadline that passed is still due"
            );
        }
        self.now = until;
        effects
    }
}

fn event(line: &str) -> Event {
    let words: Vec<&str> = line.split(' ').collect();
    let number = |word: &str| -> u32 { word[1..].parse().unwrap() };
    match words[..] {
        ["cancel"] => Event::Cancelled,
        ["stop"] => Event::Stopped,
        ["sent", "away"] => Event::SentAway,
        [who, "sent", "away"] => Event::SlotSentAway(number(who)),
        ["parent", "gone"] => Event::ParentGone,
        ["down"] => Event::BrokerDown,
        ["gave", "up"] => Event::BrokerGaveUp,
        ["job", "over"] => Event::JobOver,
        ["item", "waits"] => Event::ItemWaits,
        [who, "granted"] => Event::Granted(number(who)),
        [who, "recalled"] => Event::Recalled(number(who)),
        [who, "idle"] => Event::WorkerSaid(number(who), WorkerLine::Idle),
        [who, "ready"] => Event::PreloaderReady(number(who)),
        [who, "failed"] => {
            Event::PreloaderFailed(number(who), LeaveReason::CallbackFailed, error())
        }
        [who, "done"] => Event::CallbackDone(number(who)),
        [who, "raised"] => Event::CallbackFailed(number(who), error()),
        [who, "pid", pid] => Event::WorkerStarted(number(who), pid.parse().unwrap()),
        [who, "item", item] => Event::WorkerSaid(
            number(who),
            WorkerLine::Item {
                item: ItemId(item.parse().unwrap()),
                in_bundle: false,
            },
        ),
        [who, how @ ("killed" | "exited"), ref code @ ..] => {
            let end = match how {
                "killed" => End::Signaled(code.first().map_or(9, |code| code.parse().unwrap())),
                _ => End::Exited(code[0].parse().unwrap()),
            };
            match &who[..1] {
                "p" => Event::PreloaderEnded(number(who), end, String::new()),
                _ => Event::WorkerEnded(number(who), end),
            }
        }
        ref other => panic!("unknown event {other:?}"),
    }
}

fn shown<'a>(effects: impl Iterator<Item = &'a Effect>) -> String {
    let show = |effect: &Effect| match effect {
        Effect::StartPreloader(no) => format!("start p{no}"),
        Effect::RunAfterCreatingWorkers(no) => format!("after p{no}"),
        Effect::StopPreloader(no) => format!("stop p{no}"),
        Effect::InterruptPreloader(no) => format!("INT p{no}"),
        Effect::KillPreloader(no) => format!("kill p{no}"),
        Effect::StartWorker { slot, preloader } => format!("start w{slot} on p{preloader}"),
        Effect::SignalWorker(slot, Signal::Int) => format!("INT w{slot}"),
        Effect::SignalWorker(slot, Signal::Term) => format!("TERM w{slot}"),
        Effect::SignalWorker(slot, Signal::Quit) => format!("QUIT w{slot}"),
        Effect::SignalWorker(slot, Signal::Usr1) => format!("USR1 w{slot}"),
        Effect::SignalWorker(slot, Signal::Usr2) => format!("USR2 w{slot}"),
        Effect::SignalWorker(slot, _) => format!("KILL w{slot}"),
        Effect::Join(slots) => format!("join {slots:?}"),
        Effect::TellDeath { slot, pid, end } => format!("death w{slot} {pid} {end}"),
        Effect::Warn(_) => "warn".to_owned(),
        Effect::Look => "look".to_owned(),
        Effect::LookAtFiles => "look at files".to_owned(),
        Effect::TellSlots(slots, ended) if ended.is_empty() => format!("has {slots:?}"),
        Effect::TellSlots(slots, ended) => format!("has {slots:?} without {ended:?}"),
        Effect::Tell(line) => match line {
            ManagerLine::Ready => "> ready".to_owned(),
            ManagerLine::Idle { slot } => format!("> idle {slot}"),
            ManagerLine::Busy { slot } => format!("> busy {slot}"),
            ManagerLine::Waiting => "> waiting".to_owned(),
            ManagerLine::Freed { slot, out: false } => format!("> freed {slot}"),
            ManagerLine::Freed { slot, out: true } => format!("> out {slot}"),
            ManagerLine::Closing => "> closing".to_owned(),
        },
        Effect::Leave(reason, error) => {
            format!(
                "leave {reason:?}{}",
                error
                    .as_ref()
                    .map_or(String::new(), |e| format!(" ({})", e.what))
            )
        }
    };
    effects.map(show).collect::<Vec<_>>().join("; ")
}

fn check(slots: &[u32], own: bool, looks: Look, play: &[(&str, &str)]) {
    let now = Instant::now();
    let (supervisor, first) = Supervisor::begin(now, slots, own, LIMIT);
    let mut stage = Play {
        supervisor,
        now,
        looks,
        files: Files::Waiting(0),
        tells: false,
    };
    for (index, (event, effects)) in play.iter().enumerate() {
        let did = if *event == "begin" {
            stage.shown(&first)
        } else {
            stage.act(event)
        };
        assert_eq!(did, *effects, "line {}: {event}", index + 1);
    }
}

fn played(slots: &[u32], play: &[(&str, &str)]) {
    check(slots, false, Look::Consumed, play);
}

#[test]
fn a_job_from_its_beginning_to_its_end() {
    played(
        &[1, 3],
        &[
            ("begin", "start p0"),
            ("p0 ready", "join [1, 3]; start w1 on p0; start w3 on p0"),
            ("100s", ""),
            ("w1 exited 0", ""),
            ("w3 exited 0", "after p0"),
            ("p0 done", "stop p0"),
            ("p0 exited 0", "leave Done"),
        ],
    );
}

#[test]
fn each_slot_may_have_a_preloader_of_its_own() {
    check(
        &[1, 2],
        true,
        Look::Consumed,
        &[
            ("begin", "start p1; start p2"),
            ("p2 ready", "join [1, 2]; start w2 on p2"),
            ("p1 ready", "start w1 on p1"),
            ("w1 exited 0", ""),
            ("w2 exited 0", "after p1; after p2"),
            ("p1 done", "stop p1"),
            ("p2 done", "stop p2"),
            ("p2 exited 0", ""),
            ("p1 exited 0", "leave Done"),
        ],
    );
}

#[test]
fn a_worker_that_dies_is_replaced_until_it_dies_too_often() {
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("w1 pid 50", ""),
            ("w1 item 7", ""),
            ("w1 killed", "death w1 50 SIGKILL; start w1 on p0"),
            ("w1 pid 51", ""),
            ("w1 item 8", ""),
            (
                "w1 exited 101",
                "death w1 51 exit status 101; start w1 on p0",
            ),
            ("w1 pid 52", ""),
            ("w1 item 9", ""),
            ("w1 killed", "death w1 52 SIGKILL; after p0"),
            ("p0 done", "stop p0"),
            ("p0 exited 0", "leave WorkersFailed (gorgon-worker)"),
        ],
    );
}

#[test]
fn a_worker_whose_callback_raised_is_not_replaced() {
    played(
        &[1, 2],
        &[
            ("p0 ready", "join [1, 2]; start w1 on p0; start w2 on p0"),
            ("w1 exited 4", "has [2]"),
            ("w2 exited 0", "after p0"),
            ("p0 done", "stop p0"),
            ("p0 exited 0", "leave Done (gorgon-worker)"),
        ],
    );
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("w1 exited 4", "after p0"),
            ("p0 done", "stop p0"),
            ("p0 exited 0", "leave CallbackFailed (gorgon-worker)"),
        ],
    );
}

#[test]
fn a_preloader_that_dies_is_started_once_more() {
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("w1 exited 5", ""),
            ("p0 killed", "warn; start p0"),
            ("p0 ready", "start w1 on p0"),
            ("p0 killed", "USR1 w1"),
            ("w1 exited 5", "leave PreloaderFailed (preloader)"),
        ],
    );
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("p0 killed", "USR1 w1; warn; start p0"),
            ("w1 exited 5", ""),
            ("p0 ready", "start w1 on p0"),
        ],
    );
}

#[test]
fn a_preloader_that_is_said_to_be_dead_but_is_not_hangs_and_is_killed() {
    let until_killed = [
        ("p0 ready", "join [1]; start w1 on p0"),
        ("w1 pid 50", ""),
        ("w1 exited 5", "death w1 50 its preloader died"),
        ("2s", "kill p0"),
    ];
    for rest in [
        [
            ("p0 killed", "warn; start p0"),
            ("p0 ready", "start w1 on p0"),
        ],
        // The kernel holds it.
        [("5s", "start w1 on p0"), ("w1 exited 0", "after p0")],
    ] {
        played(&[1], &[&until_killed[..], &rest].concat());
    }
}

#[test]
fn a_host_without_ruby_leaves() {
    played(
        &[1, 2],
        &[("p0 failed", "stop p0; leave CallbackFailed (callback)")],
    );
    played(
        &[1, 2],
        &[("p0 exited 1", "leave PreloaderFailed (starting Ruby)")],
    );
    played(
        &[1, 2],
        &[
            ("p0 killed", "warn; start p0"),
            ("p0 killed", "leave PreloaderFailed (starting Ruby)"),
        ],
    );
}

#[test]
fn a_worker_that_dies_after_its_preloader_is_not_waited_for() {
    played(
        &[1],
        &[
            ("p0 ready", "join [1]; start w1 on p0"),
            ("p0 killed", "USR1 w1; warn; start p0"),
            ("p0 ready", ""),
            ("p0 killed", "USR1 w1"),
            ("w1 killed", "leave PreloaderFailed (preloader)"),
        ],
    );
}
