//! A place that is suspected, and the runs that find out whether it is sick. A pure sub-state.
//!
//! ```text
//!  probes elsewhere ── enough pass ──▶ one file once more at the place ── fails alike ──▶ sick
//!     │ one fails alike, or too few pass     │ it does not
//!     └──────────────────────────────────────┴─────────────────────────────────────────▶ not at fault
//! ```
//!
//! All these runs are fresh: nothing ran before them in their Ruby children. So a child that an earlier file has spoiled
//! speaks against no place. The run at the place comes last: what has recovered meanwhile is not sick.

use std::collections::BTreeMap;

use gorgon_proto::item::ItemId;
use gorgon_proto::message::Finish;
use gorgon_proto::outcome::FinishType;

use super::Place;
use super::tallies::Alike;

/// Number of files that are to pass elsewhere.
const PROBES: usize = 3;
/// Minimum number of files that must have passed elsewhere, if there are no more to probe with.
const PASSED_FROM: usize = 2;
/// Maximum number of probes.
const MOST_PROBES: usize = 6;

/// What a run says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Passed,
    /// It failed with the error of the suspicion.
    Alike,
    /// It failed in another way, or was lost: that says nothing of the place.
    Otherwise,
}

/// What is to be done about a suspicion.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Its runs are waited for.
    Wait,
    /// This item of the plan is to run at the place once more.
    RunThere(ItemId),
    /// It is known whether the place is sick.
    Conclude(bool),
}

#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) place: Place,
    /// Of a slot: the error with which its files failed. On a host any failure counts.
    pub(super) error: Option<Alike>,
    /// By probe: the item of the plan, and what the probe said.
    probes: BTreeMap<ItemId, (ItemId, Option<Said>)>,
    /// The run at the place, and what it said.
    there: Option<(ItemId, Option<Said>)>,
}

impl Suspect {
    pub(super) fn new(place: Place, error: Option<Alike>) -> Self {
        Self {
            place,
            error,
            probes: BTreeMap::new(),
            there: None,
        }
    }

    fn count(&self, is: impl Fn(Option<Said>) -> bool) -> usize {
        let said = self.probes.values().map(|(_, said)| *said);
        said.filter(|said| is(*said)).count()
    }

    /// Returns how many more probes are wanted.
    pub(super) fn wants(&self) -> usize {
        let counted = self.count(|said| matches!(said, None | Some(Said::Passed)));
        let missing = PROBES.saturating_sub(counted);
        let is_decided = self.there.is_some() || self.count(|said| said == Some(Said::Alike)) > 0;
        match is_decided {
            true => 0,
            false => missing.min(MOST_PROBES.saturating_sub(self.probes.len())),
        }
    }

    /// Returns whether an item of the plan has been a probe.
    pub(super) fn has_probed(&self, item: ItemId) -> bool {
        self.probes.values().any(|(of, _)| *of == item)
    }

    pub(super) fn probes_with(&mut self, probe: ItemId, of: ItemId) {
        self.probes.insert(probe, (of, None));
    }

    pub(super) fn run_there(&mut self, id: ItemId) {
        self.there = Some((id, None));
    }

    /// Returns whether the run at the place is waited for.
    pub(super) fn runs_there(&self) -> bool {
        self.there.is_some_and(|(_, said)| said.is_none())
    }

    /// Returns the runs that have not ended.
    pub(super) fn open(&self) -> impl Iterator<Item = ItemId> {
        let probes = self.probes.iter();
        let open = probes.filter(|(_, (_, said))| said.is_none());
        let there = self.there.filter(|(_, said)| said.is_none());
        open.map(|(id, _)| *id).chain(there.map(|(id, _)| id))
    }

    /// A run ended, or was lost.
    pub(super) fn ended(&mut self, id: ItemId, finish: Option<&Finish>) {
        let is_there = self.there.is_some_and(|(there, _)| there == id);
        let elsewhere = |it: &Finish| !self.place.has(&it.listener_id, it.worker_id);
        let said = match finish {
            // A worker that does not know for whom it is.
            Some(finish) if is_there && elsewhere(finish) => Said::Otherwise,
            Some(finish) if finish.kind == FinishType::Pass => Said::Passed,
            // Of a host nothing is known but that its items failed.
            Some(_) if self.error.is_none() => Said::Alike,
            None if self.error.is_none() && !is_there => Said::Alike,
            Some(finish) if Alike::of(finish) == self.error => Said::Alike,
            Some(_) | None => Said::Otherwise,
        };
        if let Some((_, result)) = self.there.as_mut().filter(|_| is_there) {
            *result = Some(said);
        } else if let Some((_, result)) = self.probes.get_mut(&id) {
            *result = Some(said);
        }
    }

    /// Returns the items of the plan that passed elsewhere.
    pub(super) fn passed(&self) -> impl Iterator<Item = ItemId> {
        let probes = self.probes.values();
        let passed = probes.filter(|(_, said)| *said == Some(Said::Passed));
        passed.map(|(of, _)| *of)
    }

    /// Returns the items of the plan that were probes.
    pub(super) fn probed(&self) -> impl Iterator<Item = ItemId> {
        self.probes.values().map(|(of, _)| *of)
    }

    /// Returns whether the run at the place failed alike, if it has ended.
    pub(super) fn failed_again(&self) -> Option<bool> {
        let (_, said) = self.there?;
        said.map(|said| said == Said::Alike)
    }

    /// Returns what is to be done when there is nothing more to probe with.
    pub(super) fn next(&self) -> Next {
        if self.count(|said| said == Some(Said::Alike)) > 0 {
            return Next::Conclude(false);
        }
        if self.count(|said| said.is_none()) > 0 {
            return Next::Wait;
        }
        match (self.there, self.passed().next()) {
            (Some((_, None)), _) => Next::Wait,
            (Some((_, Some(said))), _) => Next::Conclude(said == Said::Alike),
            (None, Some(item)) if self.passed().count() >= PASSED_FROM => Next::RunThere(item),
            (None, _) => Next::Conclude(false),
        }
    }
}
