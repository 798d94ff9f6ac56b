//! Items that a host or a slot is to leave alone wait here until a worker elsewhere is free: on the file queue it would
//! take and decline them again and again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gorgon_proto::item::ItemId;
use gorgon_proto::message::WorkerKey;

use super::{Place, Suspect};
use crate::ledger::Ledger;
use crate::ledger::event::Effect;
use crate::ledger::items::DECLINE_LIMIT;

/// Interval at which a host without a slot gets the message that an item waits for it.
const WAKE_PAUSE: Duration = Duration::from_secs(2);
/// How long an item waits that was declined again and again.
const DECLINE_PAUSE: Duration = Duration::from_millis(500);

impl Ledger {
    /// An item was declined: what a listener is to leave alone waits until somebody else is free.
    pub(in crate::ledger) fn pause(&mut self, now: Instant, id: ItemId) {
        if self.items.times_parked(id) >= DECLINE_LIMIT {
            self.sick.paused.insert(id, now + DECLINE_PAUSE);
        }
    }

    /// Publishes what waits for a worker of another host, as many as are free.
    pub(in crate::ledger) fn release(&mut self, now: Instant, out: &mut Vec<Effect>) {
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
        // By place that is shunned: how many workers of others are free. Nobody becomes so here.
        let mut free: BTreeMap<Place, usize> = BTreeMap::new();
        for (id, place) in parked {
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

    /// A host that shares its slots may have none for us now: it is told that something waits.
    fn wake(&mut self, now: Instant, id: ItemId, place: &Place, out: &mut Vec<Effect>) {
        let queues = self.hosts.without_slot(place.listener());
        if !queues.is_empty() {
            out.extend(queues.into_iter().map(Effect::WakeHost));
            self.sick.paused.insert(id, now + WAKE_PAUSE);
        }
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
