//! Items that a host or a slot is to leave alone: it has failed them, or is not believed. They wait here until a
//! worker elsewhere is free.

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::outcome::Verdict;

use super::{Item, Items, Phase};
use crate::ledger::sick::{Place, Repeat};

impl Items {
    /// Adds a repeat of an item, which waits until a worker elsewhere is free.
    pub(in crate::ledger) fn add_repeat(
        &mut self,
        work: WorkItem,
        repeat: Repeat,
        shuns: Place,
    ) -> WorkItem {
        let work = self.add(work);
        self.item(work.item).repeat = Some(repeat);
        self.shun(work.item, shuns);
        self.set_phase(work.item, Phase::Parked);
        work
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
        let item = self.item(id);
        item.work.avoid = Some(place.to_avoid());
        item.shuns = Some(place);
        self.shunning.insert(id);
    }

    pub(in crate::ledger) fn any_shuns(&self) -> bool {
        !self.shunning.is_empty()
    }

    /// Returns the items that shun a place and that nobody has begun, each with that place.
    pub(in crate::ledger) fn shunning(&self) -> Vec<(ItemId, Place)> {
        let open = |id: &ItemId| {
            let item = &self.items[id.0 as usize];
            let waits = matches!(item.phase, Phase::Parked | Phase::Queued);
            item.shuns
                .clone()
                .filter(|_| waits)
                .map(|place| (*id, place))
        };
        self.shunning.iter().filter_map(open).collect()
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
            item.shuns = None;
            item.work.avoid = None;
            self.shunning.remove(&id);
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
