//! A host or a slot on which much fails that passes elsewhere: how it is found, and what is done about it.
//!
//! ```text
//!  well ─▶ suspected ── all probes pass elsewhere ──▶ fenced: sent away, what failed runs again
//!   ▲          │ └───── one does not ──────────────▶ cleared: the first results stand, for good
//!   └──────────┘ no other host or slot left: nothing is proven
//! ```
//!
//! - A host has failed an item that it ended as failed, crashed or timed out; lost ones count for
//!   nobody. Retries and probes count for no host.
//! - A host is suspected if enough items failed there, and few elsewhere. A slot is suspected if enough
//!   files in a row failed there with the same error, and few failed elsewhere (`tallies.rs` has the numbers).
//!   This is looked at after each event while items run, and before the first retry.
//! - One place at a time is suspected, a host before its slots, unless all failed in one of these. The quickest of its failed items are the probes.
//! - A host is cleared for good. So is the error of a slot: no slot is suspected of it any more, as it is the suite's own.
//! - Probes and repeats are items of their own (`waiting.rs`).

mod place;
mod tallies;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{Finish, SuiteHookFailed, Warning};

pub use place::Place;

use super::Ledger;
use super::event::{Cause, Effect, Happening};
use super::hosts::Hosts;
use super::items::Phase;
use super::stages::Stage;
use tallies::{Alike, Tallies};

/// Another execution of an item that failed on a host, on another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    /// The item of the plan.
    pub item: ItemId,
    /// It counts only if the place of the first execution is found sick.
    pub probe: bool,
}

/// What was found about a suspected place, and on what grounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Name of the host.
    pub hostname: String,
    /// The host, or a slot of it.
    pub place: Place,
    /// Of a slot: the error with which its last files failed.
    pub error: Option<String>,
    /// It is sick, and fenced from the job; else the suite itself is at fault.
    pub sick: bool,
    /// How many items it ran.
    pub ran: usize,
    /// Of these, how many failed.
    pub failed: usize,
    /// How many items ran elsewhere.
    pub elsewhere_ran: usize,
    /// Of these, how many failed.
    pub elsewhere_failed: usize,
    /// The items of the plan that ran elsewhere as probes.
    pub probes: Vec<ItemId>,
    /// The failed items of the plan that run again elsewhere besides; none when it is not sick.
    pub repeats: Vec<ItemId>,
}

/// Returns the warning about a hook that raised on a sick host or slot, which does not make the job fail.
#[must_use]
pub fn hook_of_sick(hook: &SuiteHookFailed, place: &Place) -> Warning {
    let fault = hook.error.message.lines().next().unwrap_or_default();
    let what = match place {
        Place::Host(_) => "host",
        Place::Slot(..) => "slot",
    };
    Warning {
        message: format!("a suite hook of the sick {what} raised: {fault}"),
        hostname: hook.hostname.clone(),
        listener_id: hook.listener_id.clone(),
        worker_id: Some(hook.worker_id),
    }
}

#[derive(Debug)]
struct Suspect {
    place: Place,
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

/// What is known about the health of hosts and slots.
#[derive(Debug, Default)]
pub(super) struct Sick {
    tallies: Tallies,
    suspect: Option<Suspect>,
    /// Hosts that are not at fault, and errors that are the suite's own.
    cleared: BTreeSet<ListenerId>,
    own_errors: BTreeSet<Alike>,
    /// Retries run: nobody is suspected any more.
    over: bool,
    /// What was declined too often, and until when it waits.
    paused: BTreeMap<ItemId, Instant>,
}

impl Sick {
    /// Returns whether a host or a slot is being probed.
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

    /// Counts an execution of an item of the plan, which added so much to the failures of the job.
    pub(super) fn ended(&mut self, of: ItemId, finish: &Finish, failures: u32) {
        self.tallies.ended(of, finish, failures);
    }

    /// Returns a place that is to be probed.
    fn next_suspect(&self, hosts: &Hosts) -> Option<Place> {
        let own = |error: &Alike| self.own_errors.contains(error);
        let slots = self.tallies.suspicious_slots();
        let mut slots = slots
            .filter(|slot| !self.tallies.error(slot).is_some_and(own) && hosts.any_besides(slot));
        let mut all = self.tallies.suspicious_hosts();
        let host =
            all.find(|host| !self.cleared.contains(host.listener()) && hosts.any_besides(host));
        let Some(host) = host else {
            return slots.next().cloned();
        };
        // All that failed there did so in one of its slots.
        let alone = slots.find(|slot| {
            let all_there = self.tallies.share(slot).failed == self.tallies.share(&host).failed;
            slot.listener() == host.listener() && all_there && hosts.has_others(slot)
        });
        Some(alone.cloned().unwrap_or(host))
    }

    /// The place is not at fault: what failed there does so elsewhere.
    fn clear(&mut self, place: &Place, hosts: &Hosts) {
        self.own_errors.extend(self.tallies.errors(place).cloned());
        if !hosts.has_others(place) {
            self.cleared.insert(place.listener().clone());
        }
    }

    fn probed(&self, suspect: &Suspect, sick: bool) -> Probed {
        let place = &suspect.place;
        let (here, elsewhere) = (self.tallies.share(place), self.tallies.elsewhere(place));
        let probes: Vec<ItemId> = suspect.probes.values().map(|(of, _)| *of).collect();
        let repeats = self.tallies.failed(place);
        let repeats = repeats.iter().map(|failed| failed.item);
        let repeats = repeats.filter(|item| sick && !probes.contains(item));
        Probed {
            hostname: self.tallies.hostname(place),
            error: self.tallies.error(place).map(Alike::text),
            place: place.clone(),
            sick,
            ran: here.ran,
            failed: here.failed,
            elsewhere_ran: elsewhere.ran,
            elsewhere_failed: elsewhere.failed,
            repeats: repeats.collect(),
            probes,
        }
    }
}

impl Ledger {
    /// Suspects a host or a slot, or comes to a conclusion about it.
    pub(super) fn watch_places(&mut self, out: &mut Vec<Effect>) {
        if self.stage != Stage::Running {
            return;
        }
        if let Some(suspect) = self.sick.suspect.take() {
            let alone = !self.hosts.any_besides(&suspect.place);
            match suspect.is_sick() {
                // What its probes still do proves nothing any more; nor does the end of the job.
                _ if alone || self.failed_fast() => {}
                None => self.sick.suspect = Some(suspect),
                Some(sick) => {
                    let probed = self.sick.probed(&suspect, sick);
                    out.push(Effect::Tell(Happening::PlaceProbed(probed.clone())));
                    if sick {
                        self.fence(probed, out);
                    } else {
                        self.sick.clear(&suspect.place, &self.hosts);
                    }
                }
            }
        }
        if self.sick.over || self.sick.suspects() || self.failed_fast() {
            return;
        }
        if let Some(place) = self.sick.next_suspect(&self.hosts) {
            let mut probes = BTreeMap::new();
            for item in self.sick.tallies.to_probe(&place) {
                let probe = self.run_elsewhere(Repeat { item, probe: true }, &place, out);
                probes.extend(probe.map(|probe| (probe, (item, None))));
            }
            self.sick.suspect = Some(Suspect { place, probes });
        }
    }

    /// Queues another execution of an item that failed at a place.
    fn run_elsewhere(
        &mut self,
        repeat: Repeat,
        place: &Place,
        out: &mut Vec<Effect>,
    ) -> Option<ItemId> {
        let work = self.items.get(repeat.item)?.work.clone();
        let work = WorkItem { attempt: 1, ..work };
        let item = self.items.add_repeat(work, repeat, place.clone());
        let id = item.item;
        out.push(Effect::Tell(Happening::RepeatQueued {
            item,
            repeat,
            hostname: self.sick.tallies.hostname(place),
            slot: place.slot(),
        }));
        Some(id)
    }

    /// Sends a sick host or slot away. What it runs, and what failed there, runs elsewhere.
    fn fence(&mut self, probed: Probed, out: &mut Vec<Effect>) {
        let place = &probed.place;
        let workers = self.hosts.fence(place);
        let is_there = self.hosts.manager_queue(place.listener()).is_some();
        out.extend(self.hosts.send_away(place).filter(|_| is_there));
        for worker in workers {
            for id in self.items.held_by(&worker) {
                if let Some(holder) = self.items.drop_holder(id, &worker) {
                    self.items.shun(id, place.clone());
                    self.requeue(id, Cause::sick(place), Some(holder.hostname), false, out);
                }
            }
        }
        for item in probed.repeats {
            let probe = false;
            self.run_elsewhere(Repeat { item, probe }, place, out);
        }
        // Its failures have never been.
        for failed in self.sick.tallies.forget(place) {
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
            // This place may be sick, too.
            self.sick.ended(repeat.item, finish, failures);
        }
    }

    /// An item was lost with its hosts; a probe that is lost has not passed.
    pub(super) fn probe_ended(&mut self, id: ItemId, passed: bool) {
        let suspect = self.sick.suspect.as_mut();
        if let Some((_, result)) = suspect.and_then(|suspect| suspect.probes.get_mut(&id)) {
            *result = Some(passed);
        }
    }

    /// Sick hosts and slots are to leave; the word that says so may have been lost, and comes twice in vain.
    pub(super) fn send_all_away(&self, out: &mut Vec<Effect>) {
        out.extend(self.hosts.send_all_away());
    }

    /// A sick host or slot still runs an item: the item runs elsewhere, too, and the place is told to leave.
    pub(super) fn still_runs(
        &mut self,
        id: ItemId,
        attempt: u32,
        place: &Place,
        hostname: &str,
        out: &mut Vec<Effect>,
    ) {
        self.hosts.fence_again(place);
        out.extend(self.hosts.send_away(place));
        self.take_back(id, attempt, place, hostname, out);
    }

    /// What a sick host or slot says of an item does not count: it runs elsewhere.
    pub(super) fn take_back(
        &mut self,
        id: ItemId,
        attempt: u32,
        place: &Place,
        hostname: &str,
        out: &mut Vec<Effect>,
    ) {
        let item = self.items.get(id);
        let open = item.is_some_and(|item| {
            item.work.attempt == attempt && !matches!(item.phase, Phase::Settled(_))
        });
        if open {
            self.items.shun(id, place.clone());
            self.requeue(
                id,
                Cause::sick(place),
                Some(hostname.to_owned()),
                false,
                out,
            );
        }
    }
}
