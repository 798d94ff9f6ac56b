//! Items of the plan that go to the file queue bit by bit, and those that share a message there.

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::message::WorkerKey;

use super::{Holder, Items, Phase};
use crate::ledger::bundles::Bundles;

impl Items {
    /// Nothing of the plan is published yet. `seconds`: how long each item of it took in an earlier job. `slots`: how
    /// many there will be, if that is known.
    pub(in crate::ledger) fn hold_back(&mut self, seconds: Vec<Option<f64>>, slots: usize) {
        let queued = self.items.iter_mut().filter(|it| it.phase == Phase::Queued);
        let waiting = queued.map(|item| {
            item.phase = Phase::Waiting;
            item.work.item
        });
        self.bundles = Bundles::new(waiting.collect(), seconds, slots);
    }

    /// Takes the items of the next message, if the file queue is short of messages for so many slots. `most`: so many may
    /// lie there now, with one item each.
    pub(in crate::ledger) fn next_message(
        &mut self,
        slots: usize,
        most: Option<usize>,
    ) -> Vec<WorkItem> {
        let items = &self.items;
        // A foreign message may have settled one of which nobody has been told.
        let waits = |id: ItemId| items[id.0 as usize].phase == Phase::Waiting;
        let plain = |id: ItemId| items[id.0 as usize].work.is_plain();
        let next = self.bundles.next(slots, most, waits, plain);
        for id in &next {
            self.set_phase(*id, Phase::Queued);
        }
        let work = |id: &ItemId| self.items[id.0 as usize].work.clone();
        next.iter().map(work).collect()
    }

    /// The worker that began an item has all of its bundle that nobody has a finish of.
    pub(in crate::ledger) fn began_bundle(&mut self, id: ItemId, attempt: u32, holder: &Holder) {
        for mate in self.bundles.mates(id).to_vec() {
            if mate != id {
                self.started(mate, attempt, holder.clone());
            }
        }
    }

    /// Returns whether an item is known to run there only because another one of its bundle began there.
    pub(in crate::ledger) fn is_untold_mate(&self, id: ItemId, worker: &WorkerKey) -> bool {
        let told = self.get(id).is_some_and(|item| item.told.contains(worker));
        !told && self.bundles.mates(id).len() > 1
    }

    /// Returns the items that a worker holds besides the bundle of the one that it has spoken of.
    pub(in crate::ledger) fn held_besides(
        &self,
        worker: &WorkerKey,
        but: Option<ItemId>,
    ) -> Vec<ItemId> {
        let mut held = self.held_by(worker);
        held.retain(|id| but.is_none_or(|but| *id != but && !self.bundles.are_mates(*id, but)));
        held
    }
}
