//! Items that a host or a slot is to leave alone: it has failed them, or is not believed. They wait here until a
//! worker elsewhere is free. And items that one place is to run alone.

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::outcome::Verdict;

use super::{Bound, Item, Items, Phase};
use crate::ledger::sick::{Place, Repeat};

impl Items {
    /// Adds a repeat of an item, which waits until a worker is free that it is for.
    pub(in crate::ledger) fn add_repeat(
        &mut self,
        work: WorkItem,
        repeat: Repeat,
        bound: Bound,
    ) -> WorkItem {
        let id = self.add(work).item;
        self.item(id).repeat = Some(repeat);
        self.bind(id, bound);
        self.set_phase(id, Phase::Parked);
        self.item(id).work.clone()
    }

    /// Adds another execution of an item, which is for anybody and goes to the queue at once.
    pub(in crate::ledger) fn add_in_place_of(
        &mut self,
        work: WorkItem,
        repeat: Repeat,
    ) -> WorkItem {
        let work = self.add(work);
        self.item(work.item).repeat = Some(repeat);
        work
    }

    /// No worker of this place is to run the item from now on.
    pub(in crate::ledger) fn shun(&mut self, id: ItemId, place: Place) {
        self.bind(id, Bound::Not(place));
    }

    fn bind(&mut self, id: ItemId, bound: Bound) {
        let item = self.item(id);
        (item.work.avoid, item.work.only) = match &bound {
            Bound::Not(place) => (Some(place.to_avoid()), None),
            Bound::Only(place) => (None, Some(place.to_avoid())),
        };
        item.bound = Some(bound);
        self.bound.insert(id);
    }

    /// Returns the place that is to run an item alone.
    pub(in crate::ledger) fn only(&self, id: ItemId) -> Option<&Place> {
        match self.get(id)?.bound.as_ref()? {
            Bound::Only(place) => Some(place),
            Bound::Not(_) => None,
        }
    }

    pub(in crate::ledger) fn any_bound(&self) -> bool {
        !self.bound.is_empty()
    }

    /// Returns the items that shun a place, or are for one alone, and that nobody has begun, each with that place.
    pub(in crate::ledger) fn bound(&self) -> Vec<(ItemId, Bound)> {
        let open = |id: &ItemId| {
            let item = &self.items[id.0 as usize];
            let waits = matches!(item.phase, Phase::Parked | Phase::Queued);
            item.bound
                .clone()
                .filter(|_| waits)
                .map(|bound| (*id, bound))
        };
        self.bound.iter().filter_map(open).collect()
    }

    /// Returns whether an item waits here, not on the queue.
    pub(in crate::ledger) fn is_parked(&self, id: ItemId) -> bool {
        self.get(id).is_some_and(|item| item.phase == Phase::Parked)
    }

    /// Returns how often an item that waits was declined.
    pub(in crate::ledger) fn times_parked(&self, id: ItemId) -> u32 {
        let item = self.get(id).filter(|_| self.is_parked(id));
        item.map_or(0, |item| item.declined)
    }

    /// A parked item goes to the queue, for anybody or still for nobody of the place it shuns.
    pub(in crate::ledger) fn unpark(&mut self, id: ItemId, for_all: bool) -> Option<WorkItem> {
        if !self.is_parked(id) {
            return None;
        }
        if for_all {
            let item = self.item(id);
            item.bound = None;
            item.work.avoid = None;
            self.bound.remove(&id);
        }
        self.set_phase(id, Phase::Queued);
        self.get(id).map(|item| item.work.clone())
    }

    /// Nobody wants to know any more how an item ends that nobody has begun.
    pub(in crate::ledger) fn withdraw(&mut self, id: ItemId) {
        if matches!(
            self.get(id).map(|item| &item.phase),
            Some(Phase::Parked | Phase::Queued)
        ) {
            self.settle(id, Verdict::NotRun);
        }
    }

    /// Returns whether a repeat has no verdict yet.
    pub(in crate::ledger) fn any_repeat_open(&self) -> bool {
        let open = |item: &Item| item.repeat.is_some() && !matches!(item.phase, Phase::Settled(_));
        self.items[self.planned..].iter().any(open)
    }
}
