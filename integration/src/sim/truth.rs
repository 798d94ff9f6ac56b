//! What really happened, beside what the ledger makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gorgon_originator::ledger::{Cause, Effect, Happening, Repeat, RetryResult, Reviewed};
use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::message::{Finish, Reply};
use gorgon_proto::outcome::{FileError, FinishType, Outcome, Verdict};
use gorgon_ruby::ChildEvent;
use gorgon_worker::children::ChildNo;

use super::Pid;
use super::again::Deaths;

/// One execution of an item by a Ruby child.
#[derive(Debug)]
struct Execution {
    pid: Pid,
    child: ChildNo,
    item: ItemId,
    attempt: u32,
    tests: Vec<(String, Outcome)>,
    errors: usize,
    /// It began to load the file.
    loading: bool,
    /// Its last event arrived.
    complete: bool,
}

/// What happened, and what was told.
#[derive(Debug, Default)]
pub(super) struct Truth {
    executions: Vec<Execution>,
    /// Ruby children that were told to stop.
    stopped: BTreeSet<(Pid, ChildNo)>,
    /// Attempts whose worker, or its connection, was lost.
    losses: BTreeSet<(ItemId, u32)>,
    deaths: Deaths,
    handed_back: BTreeMap<ItemId, u32>,
    /// How often an item was told to be queued again because its worker was lost.
    told_lost: BTreeMap<ItemId, u32>,
    /// Properties found broken on the way.
    pub(super) wrongs: Vec<String>,
    pub(super) verdicts: BTreeMap<ItemId, Vec<Verdict>>,
    pub(super) attempts: BTreeMap<ItemId, u32>,
    /// So many attempts were told as lost with an item's finish.
    pub(super) lost: BTreeMap<ItemId, u32>,
    /// Of each test that failed, by item of the plan and id: what each of its retries said.
    pub(super) retried: BTreeMap<(ItemId, String), Vec<RetryResult>>,
    /// By file and item of the plan: the tests of the finish that counts, and whether it came to an end.
    pub(super) parts: BTreeMap<String, BTreeMap<ItemId, (Vec<String>, bool)>>,
    pub(super) failing: BTreeSet<(ItemId, String)>,
    /// Items of the plan that were judged again, each with what was found.
    pub(super) reviewed: BTreeMap<ItemId, Reviewed>,
    /// Runs of reviews that came to no end, and prove nothing.
    pub(super) broken_reviews: bool,
    pub(super) reviews_skipped: bool,
    pub(super) retries_stopped: bool,
    /// A slot is sick, or a file spoils its Ruby child. Or a host or a slot was found so: what failed there has run once more.
    pub(super) sick: bool,
    /// Hosts and slots that were found sick: name of the host, the slot, and the items whose first failures do not count.
    pub(super) turned: Vec<(String, Option<u32>, Vec<ItemId>)>,
    /// So many slots that are well were suspected and found so.
    pub(super) acquitted: u32,
    pub(super) starts: u32,
    /// Nothing may be queued any more.
    pub(super) shut: bool,
    pub(super) shut_by_fail_fast: bool,
    pub(super) cancelled: bool,
    pub(super) outages: u32,
    pub(super) cuts: u32,
    pub(super) managers: u32,
    pub(super) listeners_ended: u32,
    /// Something was killed that could not clean up.
    pub(super) died_badly: bool,
    /// A machine lost its power: for some seconds the broker gives items to workers that are gone.
    pub(super) lost_machines: u32,
    /// Machines that cannot run the job.
    pub(super) failed: BTreeSet<usize>,
    pub(super) able_at_end: Vec<usize>,
    retries: BTreeSet<ItemId>,
}

impl Truth {
    pub(super) fn wrong(&mut self, what: String) {
        self.wrongs.push(what);
    }

    pub(super) fn fails(&mut self, machine: usize) {
        self.failed.insert(machine);
    }

    pub(super) fn loses(&mut self, item: ItemId, attempt: u32) {
        self.losses.insert((item, attempt));
    }

    /// A worker is gone. A broker that stopped may have forgotten the finishes of what it ran before,
    /// and what an originator that was cut off had not taken comes late.
    pub(super) fn takes_with_it(&mut self, pid: Pid) {
        let ran = self.executions.iter().filter(|e| e.pid == pid);
        if self.outages + self.cuts > 0 {
            self.losses.extend(ran.map(|e| (e.item, e.attempt)));
        }
    }

    /// A worker has died under a manager that lives.
    pub(super) fn dies(&mut self, now: Instant, item: ItemId, attempt: u32) {
        self.deaths.insert((item, attempt), now);
    }

    /// A manager is gone: of workers that died in the same moment it could not tell.
    pub(super) fn forgets_deaths_at(&mut self, now: Instant) {
        self.deaths
            .retain(|_, at| now - *at > Duration::from_millis(50));
    }

    pub(super) fn died_at(&self, item: ItemId, attempt: u32) -> Option<Instant> {
        self.deaths.get(&(item, attempt)).copied()
    }

    pub(super) fn losses_of(&self, id: ItemId) -> u32 {
        let count = self.losses.iter().filter(|(item, _)| *item == id).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    pub(super) fn handed_back(&self, id: ItemId) -> u32 {
        self.handed_back.get(&id).copied().unwrap_or_default()
    }

    pub(super) fn hears_worker(&mut self, reply: &Reply) {
        match reply {
            Reply::Start(_) => self.starts += 1,
            Reply::HandedBack(note) => *self.handed_back.entry(note.item).or_default() += 1,
            Reply::GivenUp(note) => {
                self.losses.insert((note.item, note.attempt));
                // It is not counted with those.
                *self.handed_back.entry(note.item).or_default() += 1;
            }
            _ => {}
        }
    }

    pub(super) fn runs(&mut self, pid: Pid, child: ChildNo, item: &WorkItem) {
        // What could not be loaded is loaded once more in another child, and nothing else counts. So is a file whose
        // child was stopped for the file before it, even if it came to its end.
        let same =
            |e: &&mut Execution| (e.pid, e.item, e.attempt) == (pid, item.item, item.attempt);
        for before in self.executions.iter_mut().filter(same) {
            let disturbed = self.stopped.contains(&(pid, before.child));
            before.loading &= before.errors == 0 && !disturbed;
        }
        self.executions.push(Execution {
            pid,
            child,
            item: item.item,
            attempt: item.attempt,
            tests: Vec::new(),
            errors: 0,
            loading: false,
            complete: false,
        });
    }

    /// A Ruby child is told to stop.
    pub(super) fn stops(&mut self, pid: Pid, child: ChildNo) {
        self.stopped.insert((pid, child));
    }

    pub(super) fn child_says(&mut self, pid: Pid, child: ChildNo, said: &ChildEvent) {
        let mut latest = self.executions.iter_mut().rev();
        let Some(execution) = latest.find(|e| e.pid == pid && e.child == child) else {
            return;
        };
        match said {
            ChildEvent::TestFinished(test) => {
                execution.tests.push((test.id.clone(), test.outcome));
            }
            ChildEvent::Loading => execution.loading = true,
            ChildEvent::FileError(_) => execution.errors += 1,
            ChildEvent::FileFinished { .. } => execution.complete = true,
            _ => {}
        }
    }

    /// Returns whether no file has begun.
    pub(super) fn nothing_ran(&self) -> bool {
        self.executions.is_empty()
    }

    /// Returns an attempt that ran more than once: a child that is killed before it loads the file ran nothing.
    pub(super) fn ran_twice(&self) -> Option<(ItemId, u32)> {
        let mut seen = BTreeSet::new();
        // What runs before others once more is no attempt.
        let began = self
            .executions
            .iter()
            .filter(|e| e.loading && e.attempt > 0);
        let mut ran = began.map(|e| (e.item, e.attempt));
        ran.find(|one| !seen.insert(*one))
    }

    /// Looks at what the ledger does and tells.
    pub(super) fn sees(&mut self, at: Duration, effect: &Effect) {
        match effect {
            Effect::Publish(item) => self.is_queued(item),
            Effect::PublishBundle(items) => items.iter().for_each(|item| self.is_queued(item)),
            Effect::Offer | Effect::OfferTo(_) if self.shut => {
                self.wrong("the job is offered after its end".to_owned());
            }
            Effect::SendCancel => self.shut = true,
            Effect::PurgeFileQueue => {
                self.shut_by_fail_fast |= !self.shut;
                self.shut = true;
            }
            Effect::Tell(happening) => self.told(at, happening),
            _ => {}
        }
    }

    fn is_queued(&mut self, item: &WorkItem) {
        if self.shut {
            self.wrong(format!("item {} is queued after the end", item.item));
        }
        let attempts = self.attempts.entry(item.item).or_default();
        *attempts = (*attempts).max(item.attempt);
    }

    fn told(&mut self, at: Duration, happening: &Happening) {
        match happening {
            Happening::ItemFinished {
                finish,
                verdict,
                attempts,
                repeat,
                review,
            } => {
                self.lost.insert(finish.item, attempts - 1);
                self.counts_losses(finish.item, attempts - 1);
                if review.is_none() {
                    self.part_ended(finish, *repeat);
                } else if !matches!(finish.kind, FinishType::Pass | FinishType::Fail) {
                    self.broken_reviews = true;
                }
                self.verdicts.entry(finish.item).or_default().push(*verdict);
                // A row that could not be gone on with: nobody has said anything of its last file.
                let ended = matches!(finish.kind, FinishType::Pass | FinishType::Fail);
                let broken = !ended
                    || finish
                        .errors
                        .iter()
                        .any(|error| error.what == FileError::ROW_BROKEN);
                if broken && review.is_some() {
                    self.broken_reviews = true;
                } else {
                    self.holds_against(at, finish, *verdict);
                }
                let first = review.is_none() && !self.retries.contains(&finish.item);
                if first && finish.kind == FinishType::Fail {
                    let of = finish.item;
                    let bad = finish.tests.iter().filter(|test| test.outcome.is_bad());
                    self.failing.extend(bad.map(|test| (of, test.id.clone())));
                }
            }
            Happening::ItemLost {
                item,
                filename,
                retry,
                hosts,
                repeat,
            } => {
                // The last loss is told by this alone.
                let before = u32::try_from(hosts.len()).unwrap_or(u32::MAX) - 1;
                self.counts_losses(*item, before);
                self.broken_reviews |= self.retries.contains(item);
                if *retry == 0 && !self.retries.contains(item) {
                    self.counts_of_file(filename, *item, *repeat, (Vec::new(), false));
                }
                self.verdicts.entry(*item).or_default().push(Verdict::Lost);
                let losses = self.losses_of(*item);
                if losses < 3 {
                    self.wrong(format!("item {item} is lost after {losses} real losses"));
                }
            }
            Happening::ItemRedelivered {
                item,
                cause: Cause::Dropped,
                ..
            } => {
                // What waits at a dead end is on no queue either.
                let dead_ends = self.cuts + self.outages + self.lost_machines;
                if dead_ends == 0 {
                    self.wrong(format!(
                        "item {item} was dropped by a broker that drops nothing"
                    ));
                }
            }
            Happening::ItemRedelivered {
                item,
                cause: Cause::WorkerLost | Cause::ListenerLost | Cause::Returned,
                ..
            } => *self.told_lost.entry(*item).or_default() += 1,
            Happening::RetryQueued { item, .. } | Happening::RepeatQueued { item, .. } => {
                self.retries.insert(item.item);
            }
            Happening::ReviewQueued { item, .. } => {
                self.retries.insert(item.item);
            }
            Happening::Reviewed(found) => {
                let excused = |of: &ItemId, id: &String| {
                    *of == found.of && found.order_dependent.contains(id)
                };
                self.failing.retain(|(of, id)| !excused(of, id));
                if self.reviewed.insert(found.of, found.clone()).is_some() {
                    self.wrong(format!("item {} was judged again twice", found.of));
                }
            }
            Happening::ReviewsSkipped { .. } => self.reviews_skipped = true,
            Happening::PlaceProbed(probed) if probed.sick => {
                self.sick = true;
                let items = probed.probes.iter().chain(&probed.repeats);
                let (host, slot) = (probed.hostname.clone(), probed.place.slot());
                self.turned.push((host, slot, items.copied().collect()));
            }
            Happening::PlaceProbed(_) => self.acquitted += 1,
            Happening::Retried { of, tests, .. } => {
                for (id, said) in tests {
                    self.retried
                        .entry((*of, id.clone()))
                        .or_default()
                        .push(said.clone());
                }
            }
            Happening::RetriesStopped { .. } => self.retries_stopped = true,
            _ => {}
        }
    }

    /// An outage, or an item that was handed back, costs no attempt.
    fn counts_losses(&mut self, item: ItemId, lost: u32) {
        let told = self.told_lost.get(&item).copied().unwrap_or_default();
        if lost > told {
            self.wrong(format!(
                "item {item} has lost {lost} attempts, of which {told} were told as its workers' loss"
            ));
        }
    }

    /// What counts of a file, of all its items together.
    fn part_ended(&mut self, finish: &Finish, repeat: Option<Repeat>) {
        if self.retries.contains(&finish.item) && repeat.is_none() {
            return;
        }
        let tests = finish.tests.iter().map(|test| test.id.clone()).collect();
        let ended = matches!(finish.kind, FinishType::Pass | FinishType::Fail);
        self.counts_of_file(&finish.filename, finish.item, repeat, (tests, ended));
    }

    fn counts_of_file(
        &mut self,
        filename: &str,
        item: ItemId,
        repeat: Option<Repeat>,
        of_item: (Vec<String>, bool),
    ) {
        // Whether a probe counts is known later, and where it does, its file is not looked at.
        if repeat.is_some_and(Repeat::is_trial) {
            return;
        }
        let items = self.parts.entry(filename.to_owned()).or_default();
        items.insert(repeat.map_or(item, |repeat| repeat.item), of_item);
    }

    /// A finish that counts tells what a child has said, all of it, and nothing else.
    fn holds_against(&mut self, at: Duration, finish: &Finish, verdict: Verdict) {
        let tests: Vec<_> = finish
            .tests
            .iter()
            .map(|t| (t.id.clone(), t.outcome))
            .collect();
        let bad = tests.iter().any(|(_, outcome)| outcome.is_bad());
        let is_of = |e: &&Execution| {
            e.pid == finish.pid
                && e.item == finish.item
                && e.attempt == finish.attempt
                && e.tests == tests
                && match finish.kind {
                    FinishType::Pass => e.complete && !bad && e.errors == 0,
                    FinishType::Fail => e.complete && (bad || e.errors > 0),
                    FinishType::Crash => !e.complete,
                    FinishType::Timeout => true,
                }
        };
        if !self.executions.iter().any(|e| is_of(&e)) {
            self.wrong(format!(
                "at {at:?} item {} ended as {:?}, which no child has said",
                finish.item, finish.kind
            ));
        }
        let fits = match finish.kind {
            FinishType::Pass => {
                matches!(verdict, Verdict::Passed | Verdict::Flaky | Verdict::Failed)
            }
            FinishType::Fail => matches!(verdict, Verdict::Failed | Verdict::Flaky),
            FinishType::Crash => verdict == Verdict::Crashed,
            FinishType::Timeout => verdict == Verdict::TimedOut,
        };
        let green = verdict == Verdict::Passed && (bad || finish.kind != FinishType::Pass);
        if !fits || green {
            self.wrong(format!(
                "item {} is {verdict:?} by a finish of {:?}",
                finish.item, finish.kind
            ));
        }
    }
}
