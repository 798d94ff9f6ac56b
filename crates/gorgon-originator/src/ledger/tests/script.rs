//! The words in which tests tell events, and a run of them; `shown.rs` has those in which they are told effects.
//!
//! Events: `+2` lets seconds pass (to each deadline on the way) · `offer` · `a joins` (`a joins one`: with one slot) · `a has 1 2` · `a answers
//! busy|refused|accepted` · `a leaves done|sync|callback|stopped|lost|sick` · `a1 starts 0` (of attempt 2:
//! `0.2`; a worker of the manager that `joins anew`: `starts 0 anew`) · `a1 passes|fails|crashes 0` (with tests: `a1 fails 0 -x +y`, failed and passed; `=x,y`: those that the file of a part has; `<0,1`: what ran before in its child; `~all`, `~some`: filters left out all of it and it wants to run then, or left out something; `@0-x`: how an item of a row ended) · `a1 returns|holds|hands|drops|declines 0` · `a1 idle` · `a1
//! dies|ends` · `a1 leaks` (a suite hook raises) · `down` · `up` · `up missing` · `missing` · `cancel` · `a seen|unseen` · `a
//! announces` · `listener ends`.

use std::time::{Duration, Instant};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{
    Announce, Answer, Earlier, Finish, Holding, HostAnswered, HostJoined, HostLeft, HostSlots,
    ItemNote, LeaveReason, Reply, Start, SuiteHookFailed, WorkerDied, WorkerEnded, WorkerNote,
};
use gorgon_proto::outcome::{FileError, FinishType, LeftOut, Outcome, PlainRun, TestResult};

use crate::ledger::Kept;
use crate::ledger::{Effect, Event, Ledger, Rules};

use super::shown::show;

pub(crate) fn rules() -> Rules {
    Rules {
        retries: 0,
        fail_fast: None,
        gone_run_whole: false,
        local: false,
        wait_limit: Duration::from_secs(60),
        callback_limit: Duration::from_secs(600),
        cancel_limit: Duration::from_secs(1),
    }
}

fn words(event: &str) -> Vec<&str> {
    event.split_whitespace().collect()
}

/// Reads `a1` as the worker of slot 1 on host a; its process id is the slot too, `a1'` is the
/// worker that replaced it.
fn worker(name: &str) -> (String, ListenerId, u32, u32) {
    let host = name[..1].to_owned();
    let pid = 100 * u32::try_from(name.matches('\'').count()).unwrap();
    let slot: u32 = name[1..].trim_end_matches('\'').parse().unwrap();
    (host.clone(), ListenerId(host), slot, pid + slot)
}

fn item(text: &str) -> (ItemId, u32) {
    let (id, attempt) = text.split_once('.').unwrap_or((text, "1"));
    (ItemId(id.parse().unwrap()), attempt.parse().unwrap())
}

fn item_of(text: &str) -> (ItemId, u32) {
    item(text)
}

fn note(who: &str, what: &str) -> ItemNote {
    let (hostname, listener_id, worker_id, pid) = worker(who);
    let (item, attempt) = item(what);
    ItemNote {
        hostname,
        listener_id,
        worker_id,
        pid,
        item,
        attempt,
    }
}

fn result(word: &str) -> TestResult {
    let (sign, id) = word.split_at(1);
    TestResult {
        key: None,
        group: None,
        id: id.to_owned(),
        name: id.to_owned(),
        classname: String::new(),
        file: "f".to_owned(),
        line: 1,
        outcome: match sign {
            "+" => Outcome::Passed,
            "-" => Outcome::Failed,
            "?" => Outcome::Skipped,
            other => panic!("no outcome {other}"),
        },
        seconds: 0.1,
        exception: None,
        message: String::new(),
        backtrace: Vec::new(),
        output: String::new(),
        rerun: None,
    }
}

/// Reads `3`, an item that passed in a row, `3-x-y` and `3!`, those that failed.
fn earlier(word: &str) -> Earlier {
    let errors = word.matches('!').count();
    let mut words = word.trim_end_matches('!').split('-');
    Earlier {
        item: item(words.next().unwrap()).0,
        failed: words.map(str::to_owned).collect(),
        errors: u32::try_from(errors).unwrap(),
    }
}

fn fault(what: &str) -> FileError {
    FileError {
        what: what.to_owned(),
        exception: None,
        message: what.to_owned(),
        backtrace: Vec::new(),
        test: None,
    }
}

pub(super) fn finish(who: &str, what: &str, kind: FinishType, tests: &[&str]) -> Reply {
    let (hostname, listener_id, worker_id, pid) = worker(who);
    let (item, attempt) = item(what);
    Reply::Finish(Box::new(Finish {
        hostname,
        listener_id,
        worker_id,
        pid,
        filename: format!("f{item}"),
        item,
        attempt,
        retry: 0,
        kind,
        runtime: 0.1,
        time: 0.1,
        runner: None,
        failures: Vec::new(),
        tests: tests
            .iter()
            .filter(|word| !word.starts_with(['!', '=', '<', '@', '~']))
            .map(|word| result(word))
            .collect(),
        errors: tests
            .iter()
            .filter_map(|word| word.strip_prefix('!'))
            .chain((kind == FinishType::Crash).then_some("crash"))
            .map(fault)
            .collect(),
        output: String::new(),
        warnings: Vec::new(),
        child: 1,
        ran_before: tests
            .iter()
            .find_map(|word| word.strip_prefix('<'))
            .map(|ids| ids.split(',').map(|id| item_of(id).0).collect())
            .unwrap_or_default(),
        // That of slot 1 is no plain run's.
        test_env_number: worker_id + 1,
        left_out: tests
            .iter()
            .find_map(|word| word.strip_prefix('~'))
            .map(|word| LeftOut {
                tests: 3,
                by: "tag".to_owned(),
                everything: word == "all",
            }),
        earlier: tests
            .iter()
            .filter_map(|word| word.strip_prefix('@'))
            .map(earlier)
            .collect(),
        needs_tests: false,
        defined: tests
            .iter()
            .find_map(|word| word.strip_prefix('='))
            .map(|ids| ids.split(',').map(str::to_owned).collect()),
        divisible: false,
        plain: PlainRun::default(),
    }))
}

fn host_event(host: &str, verb: &str, rest: &[&str]) -> Option<Event> {
    let (hostname, listener_id) = (host.to_owned(), ListenerId(host.to_owned()));
    let reply = match verb {
        "joins" => Reply::HostJoined(HostJoined {
            hostname,
            listener_id,
            slots: if rest == ["one"] { vec![1] } else { vec![1, 2] },
            manager_queue_name: if rest == ["anew"] {
                format!("gorgon.manager.{host}'")
            } else {
                format!("gorgon.manager.{host}")
            },
            pid: if rest == ["anew"] { 2 } else { 1 },
            began_ms: if rest == ["anew"] { 2 } else { 1 },
        }),
        "has" => Reply::HostSlots(HostSlots {
            hostname,
            listener_id,
            slots: rest.iter().map(|slot| slot.parse().unwrap()).collect(),
            ended: Vec::new(),
            manager_queue_name: format!("gorgon.manager.{host}"),
        }),
        "answers" => Reply::HostAnswered(HostAnswered {
            hostname,
            listener_id,
            slots: 2,
            answer: match rest[0] {
                "busy" => Answer::Busy,
                "refused" => Answer::Refused,
                _ => Answer::Accepted,
            },
            reason: "version".to_owned(),
        }),
        "leaves" => Reply::HostLeft(HostLeft {
            hostname,
            listener_id,
            reason: match rest[0] {
                "done" => LeaveReason::Done,
                "sync" => LeaveReason::SyncFailed,
                "callback" => LeaveReason::CallbackFailed,
                "workers" => LeaveReason::WorkersFailed,
                "stopped" => LeaveReason::Stopped,
                "lost" => LeaveReason::Lost,
                "sick" => LeaveReason::Sick,
                other => panic!("no reason {other}"),
            },
            error: None,
            manager_pid: u32::from(rest.get(1) == Some(&"old")),
            trace: Vec::new(),
        }),
        "seen" => {
            return Some(Event::HostLooked {
                listener_id,
                consumers: Some(1),
            });
        }
        "unseen" => {
            return Some(Event::HostLooked {
                listener_id,
                consumers: None,
            });
        }
        "announces" => {
            return Some(Event::Announced(Announce {
                listener_queue_name: format!("l.{host}"),
                hostname,
                listener_id,
            }));
        }
        _ => return None,
    };
    Some(Event::Reply(Box::new(reply)))
}

pub(crate) fn event(text: &str) -> Event {
    let words = words(text);
    match words[..] {
        ["offer"] => return Event::Offered,
        ["down"] => return Event::BrokerLost,
        ["blocked"] => return Event::BrokerBlocked,
        ["unblocked"] => return Event::BrokerUnblocked,
        ["up"] => {
            return Event::BrokerBack { files: Kept::All };
        }
        ["up", "missing"] => {
            return Event::BrokerBack {
                files: Kept::Nothing,
            };
        }
        ["up", "emptied"] => return Event::BrokerBack { files: Kept::Queue },
        ["replies", "lost"] => return Event::ReplyQueueLost,
        ["announcements", "lost"] => return Event::AnnouncementsLost,
        ["missing"] => return Event::FileQueueMissing,
        ["queue", n] => {
            let messages = n.parse().unwrap();
            return Event::FileQueueLooked { messages };
        }
        ["too", "large", what] => {
            return Event::MessageTooLarge {
                item: Some(item(what).0),
                what: "a list".to_owned(),
            };
        }
        ["cancel"] => return Event::Cancelled,
        ["listener", "ends"] => {
            return Event::LocalListenerEnded {
                end: "SIGKILL".to_owned(),
            };
        }
        _ => {}
    }
    if let Some(event) = host_event(words[0], words[1], &words[2..]) {
        return event;
    }
    let who = words[0];
    let (hostname, listener_id, worker_id, pid) = worker(who);
    let reply = match (words[1], words.get(2)) {
        ("starts", Some(what)) => {
            let (item, attempt) = item(what);
            let filename = format!("f{item}");
            Reply::Start(Start {
                hostname,
                listener_id,
                worker_id,
                pid,
                filename,
                item,
                attempt,
                retry: 0,
                tests: Vec::new(),
                manager_pid: if words.get(3) == Some(&"anew") { 2 } else { 1 },
            })
        }
        ("passes", Some(what)) => finish(who, what, FinishType::Pass, &words[3..]),
        ("fails", Some(what)) => finish(who, what, FinishType::Fail, &words[3..]),
        ("crashes", Some(what)) => finish(who, what, FinishType::Crash, &words[3..]),
        ("returns", Some(what)) => Reply::Returned(note(who, what)),
        ("holds", Some(what)) => {
            let notes = what.split('+').map(|what| note(who, what));
            Reply::Holds(Holding::of(notes).unwrap())
        }
        ("hands", Some(what)) => Reply::HandedBack(note(who, what)),
        ("drops", Some(what)) => Reply::GivenUp(note(who, what)),
        ("declines", Some(what)) => Reply::Declined(note(who, what)),
        ("idle", None) => Reply::Idle(WorkerNote {
            hostname,
            listener_id,
            worker_id,
            pid,
        }),
        ("leaks", None) => Reply::SuiteHookFailed(SuiteHookFailed {
            hostname,
            listener_id,
            worker_id,
            error: fault("suite hook"),
            output: String::new(),
        }),
        ("ends", None) => Reply::WorkerEnded(WorkerEnded {
            hostname,
            listener_id,
            worker_id,
            pid,
            items: 0,
            error: None,
            trace: Vec::new(),
        }),
        ("dies", None) => Reply::WorkerDied(WorkerDied {
            hostname,
            listener_id,
            worker_id,
            pid,
            end: "SIGKILL".to_owned(),
        }),
        other => panic!("no event {other:?}"),
    };
    Event::Reply(Box::new(reply))
}

pub(super) struct Run {
    pub(super) ledger: Ledger,
    pub(super) now: Instant,
    effects: Vec<String>,
}

impl Run {
    pub(super) fn new(rules: Rules, count: u32) -> Self {
        let work = (0..count)
            .map(|n| WorkItem::whole(ItemId(n), format!("f{n}")))
            .collect();
        Self::of(rules, work)
    }

    /// Small files, as many of them in a message as two slots allow.
    pub(super) fn bundling(rules: Rules, count: u32) -> Self {
        let mut run = Self::new(rules, count);
        run.ledger = run.ledger.bundling(vec![Some(0.001); count as usize], 1);
        run.ledger.publish_first();
        run
    }

    pub(super) fn of(rules: Rules, work: Vec<WorkItem>) -> Self {
        Self {
            ledger: Ledger::new(rules, work),
            now: Instant::now(),
            effects: Vec::new(),
        }
    }

    fn take(&mut self, effects: &[Effect]) {
        self.effects.extend(effects.iter().filter_map(show));
    }

    fn pass(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        while let Some(at) = self.ledger.deadline().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let effects = self.ledger.step(self.now, Event::DeadlinePassed);
            self.take(&effects);
            let next = self.ledger.deadline();
            assert!(
                next.is_none_or(|at| at > self.now),
                "a deadline that has passed comes again"
            );
        }
        self.now = end;
    }

    pub(super) fn run(mut self, events: &str) -> String {
        for text in events
            .split(';')
            .map(str::trim)
            .filter(|text| !text.is_empty())
        {
            if let Some(seconds) = text.strip_prefix('+') {
                self.pass(seconds.parse().unwrap());
            } else {
                let effects = self.ledger.step(self.now, event(text));
                self.take(&effects);
            }
        }
        self.effects.join("; ")
    }
}
