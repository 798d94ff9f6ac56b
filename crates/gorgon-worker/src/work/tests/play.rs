//! Plays a worker's life written down as events, and what it does about each.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gorgon_process::child::End;
use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::{Framework, Isolation, ListenerId};
use gorgon_proto::message::{CoveragePiece, Reply};
use gorgon_proto::outcome::{FileError, FinishType, Outcome, TestResult};
use gorgon_ruby::{Callback, CallbackFailure, ChildEvent, Purpose};

use crate::children::ChildNo;
use crate::event::{Delivered, Effect, Event, Exit, Settings};
use crate::identity::Identity;
use crate::work::Work;

pub(super) fn settings() -> Settings {
    Settings {
        me: Identity {
            hostname: "web".into(),
            listener_id: ListenerId("L1".into()),
            worker_id: 2,
            pid: 9,
            manager_pid: 8,
            test_env_number: 2,
        },
        isolation: Isolation::Worker,
        file_limit: None,
        callback_limit: Duration::from_secs(600),
        callbacks: false,
        frameworks: Vec::new(),
        queue_may_be_late: false,
        idle_limit: None,
        holds_back: false,
    }
}

fn item(number: &str) -> WorkItem {
    let (number, only) = match number.split_once('=') {
        Some((number, only)) => (number, Some(only.to_owned())),
        None => (number, None),
    };
    let (number, avoid) = match number.split_once('@') {
        Some((number, avoid)) => (number, Some(avoid.to_owned())),
        None => (number, None),
    };
    let (number, before) = match number.split_once('<') {
        Some((number, before)) => (number, before.split(',').map(item).collect()),
        None => (number, Vec::new()),
    };
    let fresh = number.ends_with('!');
    let number = number.trim_end_matches('!');
    let (directory, number) = number.split_at(number.rfind('/').map_or(0, |slash| slash + 1));
    let id = number.parse().unwrap();
    let mut item = WorkItem::whole(ItemId(id), format!("{directory}f{id}_spec.rb"));
    item.fresh = fresh;
    item.before = before;
    item.avoid = avoid;
    item.only = only;
    item
}

pub(super) struct Play {
    work: Work,
    /// What it does first.
    first: Vec<Effect>,
    now: Instant,
    unconfirmed: Vec<u64>,
    /// What the session acknowledges by itself, by the tag of the confirm.
    acking: BTreeMap<u64, u64>,
}

impl Play {
    pub(super) fn new(settings: Settings) -> Self {
        let now = Instant::now();
        let (work, first) = Work::open(settings, now);
        Self {
            work,
            first,
            now,
            unconfirmed: Vec::new(),
            acking: BTreeMap::new(),
        }
    }

    pub(super) fn act(&mut self, line: &str) -> String {
        if line == "down" {
            self.acking.clear();
        }
        let effects = if line == "begin" {
            std::mem::take(&mut self.first)
        } else if line == "ok" {
            let tags = std::mem::take(&mut self.unconfirmed);
            tags.into_iter()
                .flat_map(|tag| match self.acking.remove(&tag) {
                    // The session has done it; here it stands as what is done.
                    Some(delivery) => {
                        let mut effects = self.work.step(self.now, Event::Acked(tag));
                        effects.insert(0, Effect::Ack(delivery));
                        effects
                    }
                    None => self.work.step(self.now, Event::Confirmed(tag)),
                })
                .collect()
        } else if line == "acked before" {
            // The session had done it when it was told not to.
            let tags = std::mem::take(&mut self.unconfirmed);
            let acked = |tag| self.work.step(self.now, Event::Acked(tag));
            tags.into_iter().flat_map(acked).collect()
        } else if let Some(seconds) = line.strip_suffix('s').and_then(|n| n.parse::<f64>().ok()) {
            self.pass(Duration::from_secs_f64(seconds))
        } else {
            self.work.step(self.now, event(line))
        };
        let seen = effects
            .iter()
            .filter(|it| !matches!(it, Effect::Note(_) | Effect::NoteEnd(_)));
        let shown: Vec<String> = seen.map(|effect| self.show(effect)).collect();
        shown.join("; ")
    }

    fn pass(&mut self, span: Duration) -> Vec<Effect> {
        let until = self.now + span;
        let mut effects = Vec::new();
        while let Some(at) = self.work.deadline().filter(|at| *at <= until) {
            assert!(at >= self.now, "a deadline lies in the past");
            self.now = at;
            effects.extend(self.work.step(at, Event::DeadlinePassed));
            assert_ne!(
                self.work.deadline(),
                Some(at),
                "a deadline that passed is still due"
            );
        }
        self.now = until;
        effects
    }

    fn show(&mut self, effect: &Effect) -> String {
        match effect {
            Effect::Note(_) | Effect::NoteEnd(_) => String::new(),
            Effect::Publish(tag, replies) => {
                self.unconfirmed.push(*tag);
                show_replies(replies)
            }
            Effect::PublishThenAck(tag, replies, delivery) => {
                self.unconfirmed.push(*tag);
                self.acking.insert(*tag, *delivery);
                show_replies(replies)
            }
            Effect::Resend(tag) => {
                self.unconfirmed.push(*tag);
                "resend".into()
            }
            Effect::Ack(delivery) => format!("ack {delivery}"),
            Effect::Consume => "consume".into(),
            Effect::StopConsuming => {
                self.acking.clear();
                "stop consuming".into()
            }
            Effect::Fork(no, framework, Purpose::Items) => {
                format!("fork c{} {}", no.0, framework.name())
            }
            Effect::Fork(no, _, Purpose::AfterComplete) => format!("fork c{} after_complete", no.0),
            Effect::Run(no, item, _, then) => {
                let mut items = vec![item.item.to_string()];
                items.extend(then.iter().map(|it| it.item.to_string()));
                format!("run c{} {}", no.0, items.join("+"))
            }
            Effect::Look(no) => format!("look c{}", no.0),
            Effect::Finish(no, false) => format!("end c{}", no.0),
            Effect::Finish(no, true) => format!("end stopped c{}", no.0),
            Effect::Signal(no, signal) => format!("{} c{}", signal.short_name(), no.0),
            Effect::Exit(exit) => match exit {
                Exit::Over => "exit over".into(),
                Exit::Cancelled => "exit cancelled".into(),
                Exit::HandedBack => "exit handed back".into(),
                Exit::ListenerLost => "exit listener lost".into(),
                Exit::SlotGiven => "exit slot given".into(),
                Exit::CallbackFailed(error) => format!("exit {}", error.what),
                Exit::Refused(error) => format!("exit refused {}", error.what),
                Exit::PreloaderLost(_) => "exit preloader lost".into(),
                Exit::BrokerGone(_) => "exit broker gone".into(),
            },
        }
    }
}

/// Replies of one message are joined by `&`.
fn show_replies(replies: &[Reply]) -> String {
    let shown: Vec<String> = replies.iter().map(show_reply).collect();
    shown.join(" & ")
}

fn show_reply(reply: &Reply) -> String {
    match reply {
        Reply::Start(m) => format!("start {}", m.item),
        Reply::Finish(m) => {
            let mut text = format!("finish {} {}", m.item, show_type(m.kind));
            let ran: Vec<String> = m.ran_before.iter().map(ToString::to_string).collect();
            if !ran.is_empty() {
                text.push_str(&format!(" after {}", ran.join(",")));
            }
            for earlier in &m.earlier {
                let (item, failed, errors) = (earlier.item, &earlier.failed, earlier.errors);
                text.push_str(&format!(", {item} {} {errors}", failed.join("+")));
            }
            for warning in &m.warnings {
                text.push_str(&format!(", {warning}"));
            }
            text
        }
        Reply::Returned(m) => format!("returned {}", m.item),
        Reply::Holds(m) => {
            let items = m.items();
            let items: Vec<String> = items.iter().map(|(item, _)| item.to_string()).collect();
            format!("holds {}", items.join("+"))
        }
        Reply::Idle(_) => "idle".into(),
        Reply::HandedBack(m) => format!("handed back {}", m.item),
        Reply::GivenUp(m) => format!("given up {}", m.item),
        Reply::Declined(m) => format!("declined {}", m.item),
        Reply::SuiteHookFailed(m) => format!("suite hook: {}", m.error.message),
        Reply::Warning(m) => format!("warning: {}", m.message),
        Reply::StartFailed(m) if m.again => format!("start failed: {}", m.error.what),
        Reply::StartFailed(_) => "start failed again".into(),
        Reply::Coverage(m) => format!("coverage: {}", m.piece.text),
        Reply::WorkerEnded(m) => match &m.error {
            Some(error) => format!("ended after {}: {}", m.items, error.what),
            None => format!("ended after {}", m.items),
        },
        Reply::HostAnswered(_)
        | Reply::HostJoined(_)
        | Reply::HostSlots(_)
        | Reply::WorkerDied(_)
        | Reply::HostLeft(_) => "?".into(),
    }
}

fn show_type(kind: FinishType) -> &'static str {
    match kind {
        FinishType::Pass => "pass",
        FinishType::Fail => "fail",
        FinishType::Crash => "crash",
        FinishType::Timeout => "timeout",
    }
}

fn event(line: &str) -> Event {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        ["item", number] | ["again", number] => {
            let items: Vec<WorkItem> = number.split('+').map(item).collect();
            Event::Delivered(Delivered {
                delivery: items[0].item.0.into(),
                items,
                redelivered: words[0] == "again",
            })
        }
        ["unroutable", tag] => Event::Unroutable(tag.parse().unwrap()),
        ["confirmed", tag] => Event::Confirmed(tag.parse().unwrap()),
        ["refused"] => Event::Refused,
        ["down"] => Event::BrokerDown { answered: false },
        ["channel", "closed"] => Event::BrokerDown { answered: true },
        ["consumer", "refused"] => Event::ConsumerRefused("403".into()),
        ["up"] => Event::BrokerUp,
        ["gave", "up"] => Event::BrokerGaveUp("refused".into()),
        ["deleted"] => Event::ConsumerEnded { missing: false },
        ["missing"] => Event::ConsumerEnded { missing: true },
        ["drained"] => Event::Drained,
        ["cancel"] => Event::Cancelled,
        ["hand", "back"] => Event::HandBack,
        ["listener", "lost"] => Event::ListenerLost,
        ["slot", "wanted"] => Event::SlotWanted,
        ["preloader", "lost"] => Event::PreloaderLost("SIGKILL".into()),
        [child, ref said @ ..] => {
            Event::Child(ChildNo(child[1..].parse().unwrap()), child_event(said))
        }
        [] => unreachable!(),
    }
}

fn child_event(words: &[&str]) -> ChildEvent {
    let ended = |end| ChildEvent::Ended {
        end,
        output: "tail".into(),
        left: vec![],
    };
    match words {
        ["ready"] => ChildEvent::Ready,
        ["loading"] => ChildEvent::Loading,
        ["empty"] => ChildEvent::HasNoTests,
        ["done"] => ChildEvent::FileFinished {
            time: 0.1,
            told: None,
            output: "out".into(),
            spent: false,
            more: false,
        },
        ["more"] => ChildEvent::FileFinished {
            time: 0.1,
            told: None,
            output: String::new(),
            spent: false,
            more: true,
        },
        ["done", "spent"] => ChildEvent::FileFinished {
            time: 0.1,
            told: None,
            output: "out".into(),
            spent: true,
            more: false,
        },
        ["error"] => ChildEvent::FileError(FileError {
            what: "load".into(),
            exception: None,
            message: "no such file".into(),
            backtrace: vec![],
            test: None,
        }),
        ["passed" | "failed", id] => ChildEvent::TestFinished(Box::new(TestResult {
            key: None,
            group: None,
            id: (*id).to_owned(),
            name: (*id).to_owned(),
            classname: String::new(),
            file: String::new(),
            line: 0,
            outcome: if words[0] == "passed" {
                Outcome::Passed
            } else {
                Outcome::Failed
            },
            seconds: 0.1,
            exception: None,
            message: String::new(),
            backtrace: Vec::new(),
            output: String::new(),
            rerun: None,
        })),
        ["other", "minitest"] => other(Framework::Minitest, false),
        ["other", "rspec"] => other(Framework::Rspec, false),
        ["loaded", "rspec"] => other(Framework::Rspec, true),
        ["unread"] => ChildEvent::Unread("no event".into()),
        ["interrupted"] => ChildEvent::Interrupted,
        ["after_complete"] => ChildEvent::AfterComplete,
        ["finished"] => ChildEvent::Finished,
        ["share", text] => ChildEvent::Coverage(CoveragePiece {
            share: 1,
            piece: 0,
            pieces: 1,
            text: (*text).to_owned(),
        }),
        ["exited", code] => ended(End::Exited(code.parse().unwrap())),
        ["killed"] => ended(End::Signaled(9)),
        ["ended", "by", "INT"] => ended(End::Signaled(2)),
        ["terminated"] => ended(End::Signaled(15)),
        ["raised", which] => ChildEvent::CallbackFailed(CallbackFailure {
            callback: Some(if *which == "before" {
                Callback::BeforeStart
            } else {
                Callback::AfterComplete
            }),
            exception: None,
            message: "no".into(),
            backtrace: vec![],
            output: String::new(),
        }),
        ["unforkable"] => ChildEvent::ForkFailed("no memory".into()),
        ["left"] => ChildEvent::Ended {
            end: End::Exited(0),
            output: String::new(),
            left: vec!["sleep 9".into()],
        },
        other => panic!("unknown event {other:?}"),
    }
}

pub(super) fn check(settings: Settings, play: &[(&str, &str)]) {
    let mut stage = Play::new(settings);
    for (index, (event, effects)) in play.iter().enumerate() {
        assert_eq!(stage.act(event), *effects, "line {}: {event}", index + 1);
    }
}

fn other(framework: Framework, loaded: bool) -> ChildEvent {
    ChildEvent::OtherFramework { framework, loaded }
}
