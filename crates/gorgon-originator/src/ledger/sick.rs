//! A host or a slot on which much fails that passes elsewhere: how it is found, and what is done about it.
//!
//! ```text
//!  well ─▶ suspected ── probes pass elsewhere, and one file fails there again ──▶ fenced: sent away, what failed runs again
//!   ▲          │ └───── they do not ──────────────────────────────────────────▶ cleared: the first results stand, for good
//!   └──────────┘ no worker there or elsewhere, or a file ended in the slot in another way: nothing is proven
//! ```
//!
//! - A host has failed an item that it ended as failed, crashed or timed out; lost ones count for
//!   nobody. Retries and probes count for no host.
//! - A host is suspected if enough items failed there, and few elsewhere. A slot is suspected if enough
//!   files in a row failed there with the same error, and few failed elsewhere (`tallies.rs` has the numbers).
//!   This is looked at after each event while items run, and before the first retry.
//! - One place at a time is suspected, a host before its slots, unless all failed in one of these. The quickest of its failed items are the probes.
//! - A host is cleared for good. So is the error of a slot: no slot is suspected of it any more, as it is the suite's own.
//! - What finds out whether a place is sick runs in fresh Ruby children (`suspect.rs`).
//! - Probes and repeats are items of their own (`waiting.rs`).

mod place;
mod suspect;
mod tallies;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{Finish, SuiteHookFailed, Warning};
use gorgon_proto::text::first_line::first_line;

pub use place::Place;

use super::Ledger;
use super::event::{Cause, Effect, Happening};
use super::hosts::Hosts;
use super::items::{Bound, Phase};
use super::stages::Stage;
use suspect::{Next, Suspect};
use tallies::{Alike, Tallies};

/// Another execution of an item that failed at a place: elsewhere, or there in a fresh Ruby child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeat {
    /// The item of the plan.
    pub item: ItemId,
    /// Why it runs.
    pub why: Why,
}

impl Repeat {
    /// Returns whether it runs to find out whether a place is sick.
    #[must_use]
    pub fn is_trial(self) -> bool {
        match self.why {
            Why::Instead => false,
            Why::Probe | Why::There => true,
        }
    }
}

/// Why an item of the plan runs again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Its first execution does not count.
    Instead,
    /// To find out whether the place of the first execution is sick: only then it counts.
    Probe,
    /// For the same, at that place itself: it never counts.
    There,
}

/// What was found about a suspected place, and on what grounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// Name of the host.
    pub hostname: String,
    /// The host, or a slot of it.
    pub place: Place,
    /// Of a slot: the error for which it was suspected.
    pub error: Option<String>,
    /// Of a slot: its TEST_ENV_NUMBER, if it is known.
    pub test_env_number: Option<u32>,
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
    /// The items of the plan that ran elsewhere as probes; of a sick place those that passed.
    pub probes: Vec<ItemId>,
    /// Whether one of these failed there again, in a fresh Ruby child; none if none ran there.
    pub failed_again: Option<bool>,
    /// The failed items of the plan that run again elsewhere besides; none when it is not sick.
    pub repeats: Vec<ItemId>,
}

impl Probed {
    /// Returns whether files passed there, which count still: so does what a suite hook says that ran for them.
    #[must_use]
    pub fn keeps_hooks(&self) -> bool {
        self.ran > self.failed
    }
}

/// Returns the warning about a hook that raised on a sick host or slot, where nothing counts that it ran for.
#[must_use]
pub fn hook_of_sick(hook: &SuiteHookFailed, place: &Place) -> Warning {
    let kind = hook.error.exception.as_deref().unwrap_or_default();
    let fault = first_line(kind, &hook.error.message);
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

/// What is known about the health of hosts and slots.
#[derive(Debug, Default)]
pub(super) struct Sick {
    tallies: Tallies,
    suspect: Option<Suspect>,
    /// Hosts that are not at fault, and errors that are the suite's own.
    cleared: BTreeSet<ListenerId>,
    own_errors: BTreeSet<Alike>,
    /// By probe that has not ended: the error of the suspicion, which may have been dropped since.
    errors: BTreeMap<ItemId, Alike>,
    /// Sick places where files passed that count.
    passed: BTreeSet<Place>,
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

    /// Returns whether a suite hook counts that raised at a sick place.
    pub(super) fn keeps_hooks(&self, place: &Place) -> bool {
        self.passed.contains(place)
    }

    /// Counts an execution of an item of the plan, which added so much to the failures of the job. A slot that ends a
    /// file in another way is suspected no more.
    pub(super) fn ended(&mut self, of: ItemId, finish: &Finish, failures: u32) {
        self.tallies.ended(of, finish, failures);
        let there = |suspect: &Suspect| {
            let place = &suspect.place;
            place.slot().is_some() && place.has(&finish.listener_id, finish.worker_id)
        };
        let otherwise = |suspect: &Suspect| {
            there(suspect) && self.tallies.error(&suspect.place) != suspect.error.as_ref()
        };
        if self.suspect.as_ref().is_some_and(otherwise) {
            self.suspect = None;
        }
    }

    /// Returns a place that is to be probed.
    fn next_suspect(&self, hosts: &Hosts) -> Option<Place> {
        let own = |error: &Alike| self.own_errors.contains(error);
        // Without a worker there nothing would be proven.
        let may_be = |place: &Place| hosts.any_besides(place) && hosts.any_works(place);
        let slots = self.tallies.suspicious_slots();
        let mut slots =
            slots.filter(|slot| !self.tallies.error(slot).is_some_and(own) && may_be(slot));
        let mut all = self.tallies.suspicious_hosts();
        let host = all.find(|host| !self.cleared.contains(host.listener()) && may_be(host));
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

    /// The place is not at fault: what failed there does so elsewhere, or does so no more.
    fn clear(&mut self, suspect: &Suspect, hosts: &Hosts) {
        let place = &suspect.place;
        match &suspect.error {
            Some(error) => self.own_errors.extend([error.clone()]),
            None => self.own_errors.extend(self.tallies.errors(place).cloned()),
        }
        if !hosts.has_others(place) {
            self.cleared.insert(place.listener().clone());
        }
    }

    fn probed(&self, suspect: &Suspect, sick: bool) -> Probed {
        let place = &suspect.place;
        let (here, elsewhere) = (self.tallies.share(place), self.tallies.elsewhere(place));
        let probes: Vec<ItemId> = match sick {
            true => suspect.passed().collect(),
            false => suspect.probed().collect(),
        };
        let repeats = self.tallies.failed(place);
        let repeats = repeats.iter().map(|failed| failed.item);
        let repeats = repeats.filter(|item| sick && !probes.contains(item));
        Probed {
            hostname: self.tallies.hostname(place),
            error: suspect.error.as_ref().map(Alike::text),
            test_env_number: self.tallies.test_env_number(place),
            place: place.clone(),
            sick,
            ran: here.ran,
            failed: here.failed,
            elsewhere_ran: elsewhere.ran,
            elsewhere_failed: elsewhere.failed,
            repeats: repeats.collect(),
            probes,
            failed_again: suspect.failed_again(),
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
            let away = suspect.runs_there() && !self.hosts.any_works(&suspect.place);
            // What its runs still do proves nothing any more; nor does the end of the job.
            if !alone && !away && !self.failed_fast() {
                self.pursue(suspect, out);
            }
        }
        if self.sick.over || self.sick.suspects() || self.failed_fast() {
            return;
        }
        if let Some(place) = self.sick.next_suspect(&self.hosts) {
            let error = self.sick.tallies.error(&place).cloned();
            self.pursue(Suspect::new(place, error), out);
        }
    }

    /// Queues what is still to run to find out about a place, or comes to a conclusion.
    fn pursue(&mut self, mut suspect: Suspect, out: &mut Vec<Effect>) {
        for item in self.sick.tallies.to_probe(&suspect) {
            let repeat = Repeat {
                item,
                why: Why::Probe,
            };
            if let Some(probe) = self.run_elsewhere(repeat, &suspect.place, out) {
                suspect.probes_with(probe, item);
                let error = suspect.error.clone();
                self.sick.errors.extend(error.map(|error| (probe, error)));
            }
        }
        match suspect.next() {
            Next::Wait => {}
            Next::RunThere(item) => {
                if let Some(id) = self.run_there(item, &suspect.place, out) {
                    suspect.run_there(id);
                }
            }
            Next::Conclude(sick) => {
                let probed = self.sick.probed(&suspect, sick);
                out.push(Effect::Tell(Happening::PlaceProbed(probed.clone())));
                match sick {
                    true => self.fence(probed, out),
                    false => self.sick.clear(&suspect, &self.hosts),
                }
                return;
            }
        }
        self.sick.suspect = Some(suspect);
    }

    /// Queues another execution of an item that failed at a place: not there.
    fn run_elsewhere(
        &mut self,
        repeat: Repeat,
        place: &Place,
        out: &mut Vec<Effect>,
    ) -> Option<ItemId> {
        self.run_again(repeat, Bound::Not(place.clone()), out)
    }

    /// Queues another execution of an item that failed at a place: there alone.
    fn run_there(&mut self, item: ItemId, place: &Place, out: &mut Vec<Effect>) -> Option<ItemId> {
        let repeat = Repeat {
            item,
            why: Why::There,
        };
        self.run_again(repeat, Bound::Only(place.clone()), out)
    }

    fn run_again(&mut self, repeat: Repeat, bound: Bound, out: &mut Vec<Effect>) -> Option<ItemId> {
        let work = self.items.get(repeat.item)?.work.clone();
        let work = WorkItem {
            attempt: 1,
            // A child that an earlier file has spoiled would speak for no place, or against none.
            fresh: work.fresh || repeat.is_trial(),
            ..work
        };
        let place = bound.place().clone();
        let item = self.items.add_repeat(work, repeat, bound);
        let id = item.item;
        out.push(Effect::Tell(Happening::RepeatQueued {
            item,
            repeat,
            hostname: self.sick.tallies.hostname(&place),
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
        if probed.keeps_hooks() {
            self.sick.passed.insert(place.clone());
        }
        for item in probed.repeats {
            let why = Why::Instead;
            self.run_elsewhere(Repeat { item, why }, place, out);
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
    pub(super) fn repeat_ended(&mut self, id: ItemId, repeat: Repeat, finish: &Finish) {
        if repeat.is_trial() {
            self.probe_ended(id, Some(finish));
        } else {
            self.retries.count(&finish.tests);
            let failures = super::replies::failures_of(finish);
            self.failures = self.failures.saturating_add(failures);
            self.counted(repeat.item, finish);
            // This place may be sick, too.
            self.sick.ended(repeat.item, finish, failures);
        }
    }

    /// A probe ended, or was lost with its hosts.
    pub(super) fn probe_ended(&mut self, id: ItemId, finish: Option<&Finish>) {
        let error = self.sick.errors.remove(&id);
        // Though the suspicion was dropped: the error is the suite's own.
        let own = error.filter(|error| finish.and_then(Alike::of).as_ref() == Some(error));
        self.sick.own_errors.extend(own);
        if let Some(suspect) = &mut self.sick.suspect {
            suspect.ended(id, finish);
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
