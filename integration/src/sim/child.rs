//! Ruby children that are invented: what they say of a file is its nature, and the truth.

use std::collections::VecDeque;
use std::time::Duration;

use gorgon_process::child::End;
use gorgon_process::signals::Signal;
use gorgon_proto::item::WorkItem;
use gorgon_proto::outcome::{FileError, Outcome, TestResult};
use gorgon_ruby::{ChildEvent, Purpose};
use gorgon_worker::children::ChildNo;
use gorgon_worker::event as work;

use super::plan::{Nature, Trouble};
use super::split::{SLOW_ONE_OF, asks_for};
use super::{Due, Pid, World, killed};

/// Tests of a file.
pub(super) const TESTS: u32 = 3;
/// The one that fails, if any does.
const BAD: u32 = 2;

/// A Ruby child.
#[derive(Debug, Default)]
pub(super) struct Child {
    /// Raised by whatever changes its fate: what it would have said before is not said any more.
    fate: u32,
    /// So many files ran in it to their end, and whether any test did.
    files: u32,
    tested: bool,
    /// A file ran in it after which all tests fail.
    spoiled: bool,
    /// Files of a bundle that it goes on with after one that passes.
    then: VecDeque<WorkItem>,
    /// It runs a bundle, and holds its lines back until one follows that the worker waits for, or the worker looks.
    holds_back: bool,
    held: Vec<ChildEvent>,
    /// It was told to stop. If it holds lines back, it does not go on by itself.
    asked_to_stop: bool,
}

/// A child that has ended.
pub(super) fn ended(end: End) -> ChildEvent {
    ChildEvent::Ended {
        end,
        output: String::new(),
        left: Vec::new(),
    }
}

pub(super) fn test_id(n: u32) -> String {
    format!("1:{n}")
}

fn result(n: u32, outcome: Outcome) -> TestResult {
    TestResult {
        key: None,
        group: None,
        id: test_id(n),
        name: format!("test {n}"),
        classname: String::new(),
        file: String::new(),
        line: 0,
        outcome,
        seconds: 0.1,
        exception: None,
        message: String::new(),
        backtrace: Vec::new(),
        output: String::new(),
        rerun: None,
    }
}

impl World {
    /// From now on this, in milliseconds, is what a child will say.
    pub(super) fn fate(&mut self, pid: Pid, no: ChildNo, events: &[(u64, ChildEvent)]) {
        let worker = self.workers.get_mut(&pid);
        let Some(child) = worker.and_then(|w| w.children.get_mut(&no)) else {
            return;
        };
        child.fate += 1;
        let fate = child.fate;
        for (ms, event) in events {
            let due = Due::Child(pid, no, fate, event.clone());
            self.later(Duration::from_millis(*ms), due);
        }
    }

    pub(super) fn child_says(&mut self, pid: Pid, no: ChildNo, fate: u32, mut event: ChildEvent) {
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        if worker
            .children
            .get(&no)
            .is_none_or(|child| child.fate != fate)
        {
            return;
        }
        let mut held = Vec::new();
        if matches!(
            event,
            ChildEvent::Ended { .. } | ChildEvent::PreloaderLost | ChildEvent::ForkFailed(_)
        ) {
            let gone = worker.children.remove(&no);
            // Its branch sends what it held back.
            held = gone
                .filter(|_| matches!(event, ChildEvent::Ended { .. }))
                .map_or_else(Vec::new, |child| child.held);
        }
        let mut holds = false;
        if let Some(child) = worker.children.get_mut(&no) {
            if let ChildEvent::FileFinished { more, .. } = &mut event {
                *more &= !(child.holds_back && child.asked_to_stop);
            }
            holds = child.holds_back
                && matches!(
                    event,
                    ChildEvent::Loading
                        | ChildEvent::TestFinished(_)
                        | ChildEvent::FileFinished { more: true, .. }
                );
            if !holds {
                held = std::mem::take(&mut child.held);
            }
            child.tested |= matches!(event, ChildEvent::TestFinished(_));
            child.files += u32::from(matches!(event, ChildEvent::FileFinished { .. }));
        }
        self.truth.child_says(pid, no, &event);
        let more = matches!(event, ChildEvent::FileFinished { more: true, .. });
        if holds {
            let worker = self.workers.get_mut(&pid);
            if let Some(child) = worker.and_then(|worker| worker.children.get_mut(&no)) {
                child.held.push(event);
            }
        } else {
            for event in held.into_iter().chain([event]) {
                self.tell_worker(pid, work::Event::Child(no, event));
            }
        }
        if more {
            let worker = self.workers.get_mut(&pid);
            let child = worker.and_then(|worker| worker.children.get_mut(&no));
            // Unless it was stopped meanwhile.
            let next = child.filter(|it| it.fate == fate);
            if let Some(item) = next.and_then(|child| child.then.pop_front()) {
                self.run_item(pid, no, &item);
            }
        }
    }

    /// A worker looks at what a child holds back.
    pub(super) fn look_at_child(&mut self, pid: Pid, no: ChildNo) {
        let worker = self.workers.get_mut(&pid);
        let child = worker.and_then(|worker| worker.children.get_mut(&no));
        for event in child.map_or_else(Vec::new, |child| std::mem::take(&mut child.held)) {
            self.tell_worker(pid, work::Event::Child(no, event));
        }
    }

    pub(super) fn fork(&mut self, pid: Pid, no: ChildNo, purpose: Purpose) {
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        let lives = self.managers.get(&worker.manager).is_some_and(|m| {
            m.preloaders
                .values()
                .any(|start| *start == worker.preloader)
        });
        if !lives {
            let lost = work::Event::PreloaderLost("no answer".to_owned());
            return self.soon(Due::Worker(pid, lost));
        }
        worker.children.insert(no, Child::default());
        let trouble = self.plan.hosts[worker.machine - 1].trouble;
        if trouble == Some(Trouble::Slot(worker.slot)) {
            return self.fate(
                pid,
                no,
                &[(10, ChildEvent::ForkFailed("no memory".to_owned()))],
            );
        }
        let boot = 5 + self.dice.roll(100);
        match purpose {
            Purpose::Items => self.fate(pid, no, &[(boot, ChildEvent::Ready)]),
            Purpose::AfterComplete => {
                let events = [
                    (boot, ChildEvent::CallbackDone),
                    (boot + 1, ended(End::Exited(0))),
                ];
                self.fate(pid, no, &events);
            }
        }
    }

    pub(super) fn run_items(
        &mut self,
        pid: Pid,
        no: ChildNo,
        item: &WorkItem,
        then: Vec<WorkItem>,
    ) {
        let holds_back = self.plan.holds_back;
        let worker = self.workers.get_mut(&pid);
        if let Some(child) = worker.and_then(|worker| worker.children.get_mut(&no)) {
            child.holds_back = holds_back && !then.is_empty();
            child.then = then.into();
        }
        self.run_item(pid, no, item);
    }

    fn run_item(&mut self, pid: Pid, no: ChildNo, item: &WorkItem) {
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        let child = worker.children.get(&no);
        let bundled = child.is_some_and(|child| !child.then.is_empty());
        let (follows, clashes) = child.map_or((false, false), |it| (it.files > 0, it.tested));
        let spoiled = child.is_some_and(|child| child.spoiled);
        if let Some(child) = worker.children.get_mut(&no) {
            child.spoiled |= self.plan.spoils.as_ref() == Some(&item.filename);
        }
        let nature = match self.plan.hosts[worker.machine - 1].trouble {
            Some(Trouble::Sick(slot)) if slot == worker.slot => Nature::Unloadable,
            _ => self.plan.nature_of(&item.filename),
        };
        if self.plan.times_small && self.truth.nothing_ran() {
            self.schedule_faults();
        }
        self.truth.runs(pid, no, item);
        let takes = self.takes();
        let mut events = vec![(1, ChildEvent::Loading)];
        let loads = nature != Nature::Unloadable && !(nature == Nature::Clashes && clashes);
        if item.part && loads {
            let defined = (1..=TESTS).map(test_id).collect();
            events.push((2, ChildEvent::Defined(defined)));
        }
        match nature {
            _ if !loads => {
                let error = FileError {
                    what: "load".to_owned(),
                    exception: None,
                    message: "no such file".to_owned(),
                    backtrace: Vec::new(),
                    test: None,
                };
                events.push((2, ChildEvent::FileError(error)));
            }
            Nature::Hangs => return self.fate(pid, no, &events),
            Nature::Crashes => {
                if asks_for(item, &test_id(1)) {
                    events.push((2 + takes / 2, passed(1)));
                }
                events.push((3 + takes, ended(End::Signaled(11))));
                return self.fate(pid, no, &events);
            }
            nature => {
                let bad = match nature {
                    Nature::Fails => true,
                    Nature::Flaky => self.dice.roll(2) == 0,
                    Nature::Relies => !asks_for(item, &test_id(1)),
                    Nature::Follows => follows,
                    _ => false,
                };
                for n in 1..=TESTS {
                    let asked = asks_for(item, &test_id(n));
                    let outcome = if spoiled || bad && n == BAD {
                        Outcome::Failed
                    } else {
                        Outcome::Passed
                    };
                    let at = 2 + takes * u64::from(n) / u64::from(TESTS + 1);
                    let mut result = result(n, outcome);
                    if spoiled {
                        result.message = "spoiled".to_owned();
                    }
                    if asked {
                        events.push((at, ChildEvent::TestFinished(Box::new(result))));
                    }
                }
            }
        }
        let spent = self.dice.roll(30) == 0;
        let amiss = |event: &(u64, ChildEvent)| match &event.1 {
            ChildEvent::FileError(_) => true,
            ChildEvent::TestFinished(result) => result.outcome == Outcome::Failed,
            _ => false,
        };
        let tests = events.iter().filter_map(|event| match &event.1 {
            ChildEvent::TestFinished(result) => Some(result.outcome),
            _ => None,
        });
        let bad = tests.clone().filter(|outcome| outcome.is_bad()).count();
        let finished = ChildEvent::FileFinished {
            time: match self.plan.times_small {
                true => Duration::from_millis(takes + 3).as_secs_f64(),
                false => 0.1,
            },
            told: Some((tests.count(), bad)),
            output: String::new(),
            spent,
            more: bundled && !spent && !events.iter().any(amiss),
        };
        events.push((takes + 3, finished));
        self.fate(pid, no, &events);
    }

    /// How many milliseconds the next file takes.
    fn takes(&mut self) -> u64 {
        if self.plan.times_small && self.dice.roll(SLOW_ONE_OF) > 0 {
            return self.dice.roll(6);
        }
        5 + self.dice.roll(self.plan.item_ms)
    }

    pub(super) fn finish_child(&mut self, pid: Pid, no: ChildNo) {
        let takes = 1 + self.dice.roll(200);
        let events = [
            (takes, ChildEvent::Finished),
            (takes + 1, ended(End::Exited(0))),
        ];
        self.fate(pid, no, &events);
    }

    /// It gives up at once, or not before it is killed.
    pub(super) fn signal_child(&mut self, pid: Pid, no: ChildNo, signal: Signal) {
        self.truth.stops(pid, no);
        let worker = self.workers.get_mut(&pid);
        if let Some(child) = worker.and_then(|worker| worker.children.get_mut(&no)) {
            child.asked_to_stop = true;
        }
        if signal == Signal::Kill {
            return self.fate(pid, no, &[(1, ended(killed()))]);
        }
        if self.dice.roll(3) > 0 {
            let events = [
                (1, ChildEvent::Interrupted),
                (2, ChildEvent::Finished),
                (3, ended(End::Exited(1))),
            ];
            self.fate(pid, no, &events);
        }
    }
}

fn passed(n: u32) -> ChildEvent {
    ChildEvent::TestFinished(Box::new(result(n, Outcome::Passed)))
}
