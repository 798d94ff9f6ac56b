//! Items that a host or a slot is to leave alone wait here until a worker elsewhere is free: on the file queue it would
//! take and decline them again and again. So do items that are for one place alone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gorgon_proto::item::ItemId;
use gorgon_proto::message::WorkerKey;

use super::{Place, Suspect};
use crate::ledger::Ledger;
use crate::ledger::event::Effect;
use crate::ledger::items::{Bound, DECLINE_LIMIT, Phase};

/// Interval at which a host without a slot gets the message that an item waits for it.
const WAKE_PAUSE: Duration = Duration::from_secs(2);
/// How long an item waits that was declined again and again.
const DECLINE_PAUSE: Duration = Duration::from_millis(500);

impl Ledger {
    /// An item was declined: what a listener is to leave alone waits until somebody else is free.
    pub(in crate::ledger) fn pause(&mut self, now: Instant, id: ItemId) {
        // What only one place may run comes to all others first.
        let others = match self.items.only(id) {
            Some(_) => u32::try_from(self.hosts.slots()).unwrap_or(u32::MAX),
            None => 0,
        };
        if self.items.times_parked(id) >= DECLINE_LIMIT.saturating_add(others) {
            self.sick.paused.insert(id, now + DECLINE_PAUSE);
        }
    }

    /// Publishes what waits for a worker of another host, as many as are free.
    pub(in crate::ledger) fn release(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.sick.paused.retain(|_, until| *until > now);
        if !self.broker_up || !self.items.any_bound() {
            return;
        }
        if !self.publishes() {
            self.sick.paused.clear();
            return;
        }
        let mut bound = self.items.bound();
        bound.retain(|(id, _)| {
            let item = self.items.get(*id);
            let is_probe = item.and_then(|i| i.repeat).is_some_and(|r| r.is_trial());
            let asked = |suspect: &Suspect| suspect.open().any(|open| open == *id);
            let wanted = !is_probe || self.sick.suspect.as_ref().is_some_and(asked);
            if !wanted {
                self.items.withdraw(*id);
            }
            wanted
        });
        let (parked, queued): (Vec<_>, Vec<_>) = bound
            .into_iter()
            .partition(|(id, _)| self.items.is_parked(*id));
        let mut waiting = queued.len();
        self.release_there(&parked, out);
        // By place that is shunned: how many workers of others are free. Nobody becomes so here.
        let mut free: BTreeMap<Place, usize> = BTreeMap::new();
        for (id, bound) in parked {
            let Bound::Not(place) = bound else { continue };
            if self.sick.paused.contains_key(&id) {
                continue;
            }
            if !self.hosts.runs(&place) {
                // Nobody is left who would have to decline it.
                out.extend(self.items.unpark(id, true).map(Effect::Publish));
                continue;
            }
            let free = match free.get(&place) {
                Some(free) => *free,
                None => {
                    let count = self.free_elsewhere(&place);
                    free.insert(place.clone(), count);
                    count
                }
            };
            if waiting < free {
                waiting += 1;
                out.extend(self.items.unpark(id, false).map(Effect::Publish));
            } else if free == 0 {
                self.wake(now, id, &place, out);
            }
        }
    }

    /// Publishes what only a worker of one place may run, if that is free.
    fn release_there(&mut self, parked: &[(ItemId, Bound)], out: &mut Vec<Effect>) {
        for (id, bound) in parked {
            let free = |worker: &WorkerKey| !self.items.is_held_by(worker);
            let Bound::Only(place) = bound else { continue };
            if !self.sick.paused.contains_key(id) && self.hosts.works_at(place).any(free) {
                out.extend(self.items.unpark(*id, false).map(Effect::Publish));
            }
        }
    }

    /// A host that shares its slots may have none for us now: it is told that something waits.
    fn wake(&mut self, now: Instant, id: ItemId, place: &Place, out: &mut Vec<Effect>) {
        let queues = self.hosts.without_slot(place);
        if !queues.is_empty() {
            out.extend(queues.into_iter().map(Effect::WakeHost));
            self.sick.paused.insert(id, now + WAKE_PAUSE);
        }
    }

    /// While a slot is suspected: returns how many messages may lie on the file queue besides what is to find out about it.
    /// The slot may fail quickly, and would take whatever no worker elsewhere is free for.
    pub(in crate::ledger) fn most_ahead(&self) -> Option<usize> {
        let suspect = self.sick.suspect.as_ref();
        let suspect = suspect.filter(|it| it.place.slot().is_some())?;
        let waits = |id: ItemId| {
            let phase = self.items.get(id).map(|item| &item.phase);
            matches!(phase, Some(Phase::Parked | Phase::Queued))
        };
        Some(match suspect.open().any(waits) {
            true => 0,
            false => self.free_elsewhere(&suspect.place),
        })
    }

    /// Returns how many workers elsewhere run nothing, as far as is known.
    fn free_elsewhere(&self, place: &Place) -> usize {
        let busy = |worker: &&WorkerKey| self.items.is_held_by(worker);
        let besides = self.hosts.besides(place);
        let free = besides.map(|(host, slots)| {
            let there = host.workers.iter().filter(|it| !place.has_worker(it));
            slots.saturating_sub(there.filter(busy).count())
        });
        free.sum()
    }
}
