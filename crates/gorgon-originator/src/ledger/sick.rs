//! A host on which much fails that passes elsewhere: how it is found, and what is done about it.
//!
//! ```text
//!  well ─▶ suspected ── all probes pass elsewhere ──▶ fenced: sent away, what failed runs again
//!   ▲          │ └───── one does not ──────────────▶ cleared: the first results stand, for good
//!   └──────────┘ no other host left: nothing is proven
//! ```
//!
//! - A host has failed an item that it ended as failed, crashed or timed out; lost ones count for
//!   nobody. Retries, probes and repeats count for no host.
//! - It is suspected from [`FAILED_FROM`] failed items on, when they are at least half of those it
//!   ran, and elsewhere at least [`ELSEWHERE_FROM`] item ended and at most one of [`WELL_SHARE`]
//!   failed. This is looked at after each event while items run, and before the first retry.
//! - One host at a time is suspected. The quickest of its failed items are the probes.
//! - Probes and repeats are items of their own. They wait here until a worker is free that may take
//!   them: on the queue the suspect would take and decline them again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{Finish, SuiteHookFailed, Warning};

use super::Ledger;
use super::event::{Cause, Effect, Happening};
use super::hosts::Hosts;
use super::items::{DECLINE_LIMIT, Phase};
use super::stages::Stage;

/// Minimum number of items that must have failed on a host before it is suspected.
const FAILED_FROM: usize = 5;
/// At least one item in this number that the host ran must have failed.
const SICK_SHARE: usize = 2;
/// Minimum number of items that must have ended elsewhere.
const ELSEWHERE_FROM: usize = 1;
/// At most one item in this number may have failed elsewhere.
const WELL_SHARE: usize = 10;
/// Maximum number of failed items that run elsewhere as probes.
const PROBES: usize = 3;
/// Interval at which a host without a slot gets the message that an item waits for it.
const WAKE_PAUSE: Duration = Duration::from_secs(2);
/// How long an item waits that was declined again and again.
const DECLINE_PAUSE: Duration = Duration::from_millis(500);

/// Another execution of an item that failed on a host, on another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    /// The item of the plan.
    pub item: ItemId,
    /// It counts only if the host of the first execution is found sick.
    pub probe: bool,
}

/// What was found about a suspected host, and on what grounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// It is sick, and fenced from the job; else the suite itself is at fault.
    pub sick: bool,
    /// How many items it ran.
    pub ran: usize,
    /// Of these, how many failed.
    pub failed: usize,
    /// How many items the other hosts ran.
    pub elsewhere_ran: usize,
    /// Of these, how many failed.
    pub elsewhere_failed: usize,
    /// The items of the plan that ran elsewhere as probes.
    pub probes: Vec<ItemId>,
    /// The failed items of the plan that run again elsewhere besides; none when it is not sick.
    pub repeats: Vec<ItemId>,
}

/// Returns the warning about a hook that raised on a sick host, which does not make the job fail.
#[must_use]
pub fn hook_of_sick_host(hook: &SuiteHookFailed) -> Warning {
    let fault = hook.error.message.lines().next().unwrap_or_default();
    Warning {
        message: format!("a suite hook of the sick host raised: {fault}"),
        hostname: hook.hostname.clone(),
        listener_id: hook.listener_id.clone(),
        worker_id: Some(hook.worker_id),
    }
}

/// A failed item, with what it added to the ledger's counts.
#[derive(Debug, Clone)]
struct Failed {
    item: ItemId,
    runtime: f64,
    tests: usize,
    failed_tests: usize,
    failures: u32,
}

#[derive(Debug, Default)]
struct Tally {
    hostname: String,
    ran: usize,
    failed: Vec<Failed>,
}

#[derive(Debug)]
struct Suspect {
    host: ListenerId,
    /// By probe: the item of the plan, and whether the probe passed.
    probes: BTreeMap<ItemId, (ItemId, Option<bool>)>,
}

impl Suspect {
    /// Returns whether it is sick, once that is known.
    fn is_sick(&self) -> Option<bool> {
        let results = || self.probes.values().map(|(_, passed)| *passed);
        if results().any(|passed| passed == Some(false)) {
            return Some(false);
        }
        results().all(|passed| passed.is_some()).then_some(true)
    }
}

/// What is known about the health of hosts.
#[derive(Debug, Default)]
pub(super) struct Sick {
    tallies: BTreeMap<ListenerId, Tally>,
    suspect: Option<Suspect>,
    cleared: BTreeSet<ListenerId>,
    /// Retries run: nobody is suspected any more.
    over: bool,
    /// What was declined too often, and until when it waits.
    paused: BTreeMap<ItemId, Instant>,
}

impl Sick {
    /// Returns whether a host is being probed.
    pub(super) fn suspects(&self) -> bool {
        self.suspect.is_some()
    }

    /// The first results have become final.
    pub(super) fn close(&mut self) {
        self.over = true;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.paused.values().min().copied()
    }

    /// Counts the first execution of an item, which added so much to the failures of the job.
    pub(super) fn ended(&mut self, finish: &Finish, bad: bool, failures: u32) {
        let tally = self.tallies.entry(finish.listener_id.clone()).or_default();
        tally.hostname.clone_from(&finish.hostname);
        tally.ran += 1;
        if bad {
            let failed = finish.tests.iter().filter(|test| test.outcome.is_bad());
            tally.failed.push(Failed {
                item: finish.item,
                runtime: finish.runtime,
                tests: finish.tests.len(),
                failed_tests: failed.count(),
                failures,
            });
        }
    }

    /// Returns how many items ended elsewhere, and how many of them failed.
    fn elsewhere(&self, host: &ListenerId) -> (usize, usize) {
        let others = self.tallies.iter().filter(|(other, _)| *other != host);
        others.fold((0, 0), |(ran, failed), (_, tally)| {
            (ran + tally.ran, failed + tally.failed.len())
        })
    }

    fn is_suspicious(&self, host: &ListenerId, tally: &Tally) -> bool {
        let failed = tally.failed.len();
        if failed < FAILED_FROM || failed * SICK_SHARE < tally.ran || self.cleared.contains(host) {
            return false;
        }
        let (ran, failed) = self.elsewhere(host);
        ran >= ELSEWHERE_FROM && failed * WELL_SHARE <= ran
    }

    /// Returns a host that is to be probed, and the items for it.
    fn next_suspect(&self, hosts: &Hosts) -> Option<(ListenerId, Vec<ItemId>)> {
        let (host, tally) = self.tallies.iter().find(|(host, tally)| {
            self.is_suspicious(host, tally) && hosts.others(host).next().is_some()
        })?;
        let mut failed: Vec<&Failed> = tally.failed.iter().collect();
        failed.sort_by(|a, b| a.runtime.total_cmp(&b.runtime));
        let probes = failed.iter().take(PROBES).map(|failed| failed.item);
        Some((host.clone(), probes.collect()))
    }

    fn probed(&self, suspect: &Suspect, sick: bool) -> Probed {
        let (elsewhere_ran, elsewhere_failed) = self.elsewhere(&suspect.host);
        let probes: Vec<ItemId> = suspect.probes.values().map(|(of, _)| *of).collect();
        let tally = self.tallies.get(&suspect.host);
        let failed = tally.map_or(&[][..], |tally| &tally.failed);
        let repeats = failed.iter().map(|failed| failed.item);
        let repeats = repeats.filter(|item| sick && !probes.contains(item));
        Probed {
            hostname: tally.map_or_else(String::new, |tally| tally.hostname.clone()),
            listener_id: suspect.host.clone(),
            sick,
            ran: tally.map_or(0, |tally| tally.ran),
            failed: failed.len(),
            elsewhere_ran,
            elsewhere_failed,
            repeats: repeats.collect(),
            probes,
        }
    }
}

impl Ledger {
    /// Suspects a host, or comes to a conclusion about it.
    pub(super) fn watch_hosts(&mut self, out: &mut Vec<Effect>) {
        if self.rules.local || self.stage != Stage::Running {
            return;
        }
        if let Some(suspect) = self.sick.suspect.take() {
            let alone = self.hosts.others(&suspect.host).next().is_none();
            match suspect.is_sick() {
                // What its probes still do proves nothing any more; nor does the end of the job.
                _ if alone || self.failed_fast() => {}
                None => self.sick.suspect = Some(suspect),
                Some(sick) => {
                    let probed = self.sick.probed(&suspect, sick);
                    out.push(Effect::Tell(Happening::HostProbed(probed.clone())));
                    if sick {
                        self.fence(probed, out);
                    } else {
                        self.sick.cleared.insert(suspect.host);
                    }
                }
            }
        }
        if self.sick.over || self.sick.suspects() || self.failed_fast() {
            return;
        }
        if let Some((host, items)) = self.sick.next_suspect(&self.hosts) {
            let mut probes = BTreeMap::new();
            for item in items {
                let probe = self.run_elsewhere(Repeat { item, probe: true }, &host, out);
                probes.extend(probe.map(|probe| (probe, (item, None))));
            }
            self.sick.suspect = Some(Suspect { host, probes });
        }
    }

    /// Queues another execution of an item that failed on a host.
    fn run_elsewhere(
        &mut self,
        repeat: Repeat,
        host: &ListenerId,
        out: &mut Vec<Effect>,
    ) -> Option<ItemId> {
        let work = self.items.get(repeat.item)?.work.clone();
        let work = WorkItem {
            attempt: 1,
            avoid: Some(host.0.clone()),
            ..work
        };
        let item = self.items.add_repeat(work, repeat, host.clone());
        let hostname = self.sick.tallies.get(host);
        let hostname = hostname.map_or_else(String::new, |tally| tally.hostname.clone());
        let id = item.item;
        out.push(Effect::Tell(Happening::RepeatQueued {
            item,
            repeat,
            hostname,
        }));
        Some(id)
    }

    /// Sends a sick host away. What it runs, and what failed there, runs elsewhere.
    fn fence(&mut self, probed: Probed, out: &mut Vec<Effect>) {
        let host = &probed.listener_id;
        out.extend(self.hosts.manager_queue(host).map(Effect::SendAway));
        for worker in self.hosts.fence(host) {
            for id in self.items.held_by(&worker) {
                if let Some(holder) = self.items.drop_holder(id, &worker) {
                    self.items.shun(id, host.clone());
                    self.requeue(id, Cause::HostSick, Some(holder.hostname), false, out);
                }
            }
        }
        for item in probed.repeats {
            let probe = false;
            self.run_elsewhere(Repeat { item, probe }, host, out);
        }
        // Its failures have never been.
        let tally = self.sick.tallies.remove(host).unwrap_or_default();
        for failed in tally.failed {
            self.failures = self.failures.saturating_sub(failed.failures);
            self.reviews.forget(failed.item);
            self.retries
                .forget(failed.item, failed.tests, failed.failed_tests);
        }
    }

    /// A probe or a repeat came to its end.
    pub(super) fn repeat_ended(&mut self, id: ItemId, repeat: Repeat, finish: &Finish, bad: bool) {
        if repeat.probe {
            self.probe_ended(id, !bad);
        } else {
            self.retries.count(&finish.tests);
            let failures = super::replies::failures_of(finish);
            self.failures = self.failures.saturating_add(failures);
            self.counted(repeat.item, finish);
        }
    }

    /// An item was lost with its hosts; a probe that is lost has not passed.
    pub(super) fn probe_ended(&mut self, id: ItemId, passed: bool) {
        let suspect = self.sick.suspect.as_mut();
        if let Some((_, result)) = suspect.and_then(|suspect| suspect.probes.get_mut(&id)) {
            *result = Some(passed);
        }
    }

    /// Sick hosts are to leave; the word that says so may have been lost, and comes twice in vain.
    pub(super) fn send_all_away(&self, out: &mut Vec<Effect>) {
        let fenced = self.hosts.fenced();
        out.extend(fenced.into_iter().map(Effect::SendAway));
    }

    /// A sick host still runs an item: the item runs elsewhere, too, and the host is told to leave.
    pub(super) fn still_runs(
        &mut self,
        id: ItemId,
        attempt: u32,
        host: &ListenerId,
        hostname: &str,
        out: &mut Vec<Effect>,
    ) {
        out.extend(self.hosts.fenced_queue(host).map(Effect::SendAway));
        self.take_back(id, attempt, host, hostname, out);
    }

    /// What a sick host says of an item does not count: it runs elsewhere.
    pub(super) fn take_back(
        &mut self,
        id: ItemId,
        attempt: u32,
        host: &ListenerId,
        hostname: &str,
        out: &mut Vec<Effect>,
    ) {
        let item = self.items.get(id);
        let open = item.is_some_and(|item| {
            item.work.attempt == attempt && !matches!(item.phase, Phase::Settled(_))
        });
        if open {
            self.items.shun(id, host.clone());
            self.requeue(id, Cause::HostSick, Some(hostname.to_owned()), false, out);
        }
    }

    /// An item was declined: what a listener is to leave alone waits until somebody else is free.
    pub(super) fn pause(&mut self, now: Instant, id: ItemId) {
        if self.items.times_parked(id) >= DECLINE_LIMIT {
            self.sick.paused.insert(id, now + DECLINE_PAUSE);
        }
    }

    /// Publishes what waits for a worker of another host, as many as are free.
    pub(super) fn release(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.sick.paused.retain(|_, until| *until > now);
        if !self.broker_up || !self.items.any_shuns() {
            return;
        }
        if !self.publishes() {
            self.sick.paused.clear();
            return;
        }
        let mut shunning = self.items.shunning();
        shunning.retain(|(id, _)| {
            let item = self.items.get(*id);
            let is_probe = item.and_then(|i| i.repeat).is_some_and(|r| r.probe);
            let asked = |suspect: &Suspect| suspect.probes.contains_key(id);
            let wanted = !is_probe || self.sick.suspect.as_ref().is_some_and(asked);
            if !wanted {
                self.items.withdraw(*id);
            }
            wanted
        });
        let (parked, queued): (Vec<_>, Vec<_>) = shunning
            .into_iter()
            .partition(|(id, _)| self.items.is_parked(*id));
        let mut waiting = queued.len();
        // By host that is shunned: how many workers of others are free. Nobody becomes so here.
        let mut free: BTreeMap<ListenerId, usize> = BTreeMap::new();
        for (id, host) in parked {
            if self.sick.paused.contains_key(&id) {
                continue;
            }
            if !self.hosts.runs(&host) {
                // Nobody is left who would have to decline it.
                out.extend(self.items.unpark(id, true).map(Effect::Publish));
                continue;
            }
            let free = match free.get(&host) {
                Some(free) => *free,
                None => {
                    let count = self.free_elsewhere(&host);
                    free.insert(host.clone(), count);
                    count
                }
            };
            if waiting < free {
                waiting += 1;
                out.extend(self.items.unpark(id, false).map(Effect::Publish));
            } else if free == 0 {
                self.wake(now, id, &host, out);
            }
        }
    }

    /// A host that shares its slots may have none for us now: it is told that something waits.
    fn wake(&mut self, now: Instant, id: ItemId, host: &ListenerId, out: &mut Vec<Effect>) {
        let queues = self.hosts.without_slot(host);
        if !queues.is_empty() {
            out.extend(queues.into_iter().map(Effect::WakeHost));
            self.sick.paused.insert(id, now + WAKE_PAUSE);
        }
    }

    /// Returns how many workers of other hosts run nothing, as far as is known.
    fn free_elsewhere(&self, host: &ListenerId) -> usize {
        let free = |other: &super::hosts::Host| {
            let busy = other.workers.iter().filter(|w| self.items.is_held_by(w));
            other.slots() - busy.count()
        };
        self.hosts.others(host).map(free).sum()
    }
}
