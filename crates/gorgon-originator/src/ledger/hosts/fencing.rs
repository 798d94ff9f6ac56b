//! Hosts and slots that are sick: they are believed no more, and sent away.

use std::collections::BTreeSet;

use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{LeaveReason, WorkerKey};
use gorgon_proto::names;

use super::{Host, HostState, Hosts};
use crate::ledger::event::Effect;
use crate::ledger::sick::Place;

/// Whether the worker of a sick slot has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fence {
    Leaving,
    Gone,
}

impl Host {
    /// The host has these slots; those that are sick do not count.
    pub(super) fn set_slots(&mut self, slots: &[u32]) {
        let well = slots.iter().filter(|slot| !self.fences.contains_key(slot));
        self.slots = well.copied().collect();
    }

    /// Returns how many workers it has besides that of this slot, those included that have not said a word yet.
    pub(super) fn slots_besides(&self, slot: u32) -> usize {
        let is_there = self.workers.iter().any(|worker| worker.worker_id == slot);
        let counts = is_there || self.slots.contains(&slot);
        self.slots().saturating_sub(usize::from(counts))
    }

    /// Returns its sick slots whose workers have not gone.
    fn leaving(&self, id: &ListenerId) -> Vec<Place> {
        let fences = self.fences.iter();
        let leaving = fences.filter(|(_, fence)| **fence == Fence::Leaving);
        leaving
            .map(|(slot, _)| Place::Slot(id.clone(), *slot))
            .collect()
    }

    /// The manager names its slots: a sick one that is not among them has no worker, and gets none.
    pub(super) fn fences_left(&mut self, slots: &[u32]) {
        for (slot, fence) in &mut self.fences {
            if !slots.contains(slot) {
                *fence = Fence::Gone;
            }
        }
    }

    /// A worker of it has gone.
    pub(super) fn fence_left(&mut self, worker: &WorkerKey) {
        if let Some(fence) = self.fences.get_mut(&worker.worker_id) {
            *fence = Fence::Gone;
        }
    }

    /// A manager has joined that does not know which slots are sick.
    pub(super) fn fences_unknown(&mut self) {
        for fence in self.fences.values_mut() {
            *fence = Fence::Leaving;
        }
    }
}

impl Hosts {
    /// Returns whether the host is sick: nothing that it says of items counts any more.
    pub(in crate::ledger) fn is_fenced(&self, id: &ListenerId) -> bool {
        let state = self.hosts.get(id).map(|host| &host.state);
        matches!(
            state,
            Some(HostState::Fenced | HostState::Left(LeaveReason::Sick))
        )
    }

    /// Returns the sick host or slot that speaks: nothing that it says of items counts any more.
    pub(in crate::ledger) fn fence_of(&self, id: &ListenerId, worker_id: u32) -> Option<Place> {
        if self.is_fenced(id) {
            return Some(Place::Host(id.clone()));
        }
        let host = self.hosts.get(id)?;
        let is_sick = host.fences.contains_key(&worker_id);
        is_sick.then(|| Place::Slot(id.clone(), worker_id))
    }

    /// Returns the message that sends a sick host or slot away; its manager may live though it was written off.
    pub(in crate::ledger) fn send_away(&self, place: &Place) -> Option<Effect> {
        let host = self.hosts.get(place.listener())?;
        let is_managers = host.queue.starts_with(names::MANAGER_QUEUE_PREFIX);
        let queue = is_managers.then(|| host.queue.clone())?;
        Some(match place {
            Place::Host(_) => Effect::SendAway(queue),
            Place::Slot(_, slot) => Effect::SendSlotAway(queue, *slot),
        })
    }

    /// Returns the messages for a sick host, or for sick slots of a host, that have not left yet.
    pub(in crate::ledger) fn send_leaving_away(&self, id: &ListenerId) -> Vec<Effect> {
        let Some(host) = self.hosts.get(id) else {
            return Vec::new();
        };
        let places = match host.state {
            HostState::Fenced => vec![Place::Host(id.clone())],
            HostState::Joined => host.leaving(id),
            HostState::Preparing
            | HostState::Busy
            | HostState::Refused { .. }
            | HostState::Left(_) => Vec::new(),
        };
        let effects = places.iter().filter_map(|place| self.send_away(place));
        effects.collect()
    }

    /// Returns these messages for all hosts.
    pub(in crate::ledger) fn send_all_away(&self) -> Vec<Effect> {
        let hosts = self.hosts.keys();
        hosts.flat_map(|id| self.send_leaving_away(id)).collect()
    }

    /// The host or slot is sick. Returns the workers that it had.
    pub(in crate::ledger) fn fence(&mut self, place: &Place) -> BTreeSet<WorkerKey> {
        let Some(host) = self.hosts.get_mut(place.listener()) else {
            return BTreeSet::new();
        };
        if let Some(slot) = place.slot() {
            host.fences.insert(slot, Fence::Leaving);
            host.slots.remove(&slot);
        } else {
            host.state = match host.state {
                HostState::Refused { .. } | HostState::Left(_) => {
                    HostState::Left(LeaveReason::Sick)
                }
                HostState::Preparing | HostState::Busy | HostState::Joined | HostState::Fenced => {
                    HostState::Fenced
                }
            };
        }
        let (gone, kept) = std::mem::take(&mut host.workers)
            .into_iter()
            .partition(|worker| place.has_worker(worker));
        host.workers = kept;
        gone
    }

    /// A sick slot has a worker though it was gone.
    pub(in crate::ledger) fn fence_again(&mut self, place: &Place) {
        let host = self.hosts.get_mut(place.listener());
        if let (Some(host), Some(slot)) = (host, place.slot()) {
            host.fences.insert(slot, Fence::Leaving);
        }
    }

    /// Returns whether workers of a place may still take items.
    pub(in crate::ledger) fn runs(&self, place: &Place) -> bool {
        let Some(host) = self.hosts.get(place.listener()) else {
            return false;
        };
        let has_left = place
            .slot()
            .is_some_and(|slot| host.fences.get(&slot) == Some(&Fence::Gone));
        matches!(host.state, HostState::Joined | HostState::Fenced) && !has_left
    }

    /// Returns the workers of a place that are known to live.
    pub(in crate::ledger) fn works_at(&self, place: &Place) -> impl Iterator<Item = &WorkerKey> {
        let host = self.hosts.get(place.listener());
        let host = host.filter(|host| host.state == HostState::Joined);
        let workers = host.into_iter().flat_map(|host| &host.workers);
        workers.filter(|worker| place.has_worker(worker))
    }

    /// Returns whether a place has a worker that is known to live.
    pub(in crate::ledger) fn any_works(&self, place: &Place) -> bool {
        self.works_at(place).next().is_some()
    }

    /// Returns the hosts that run workers, all but this one.
    pub(in crate::ledger) fn others(&self, id: &ListenerId) -> impl Iterator<Item = &Host> {
        let others = self.hosts.iter().filter(move |(other, _)| *other != id);
        let hosts = others.map(|(_, host)| host);
        hosts.filter(|host| host.state == HostState::Joined)
    }

    /// Returns the hosts that run workers which are not of this place, each with their number.
    pub(in crate::ledger) fn besides(&self, place: &Place) -> impl Iterator<Item = (&Host, usize)> {
        let others = self.others(place.listener());
        let own = self.hosts.get(place.listener());
        let own = own.filter(|host| host.state == HostState::Joined);
        let own = own.zip(place.slot());
        let own = own.map(|(host, slot)| (host, host.slots_besides(slot)));
        others
            .map(|host| (host, host.slots()))
            .chain(own.filter(|(_, slots)| *slots > 0))
    }

    pub(in crate::ledger) fn any_besides(&self, place: &Place) -> bool {
        self.besides(place).next().is_some()
    }

    /// Returns whether the host of a slot has others.
    pub(in crate::ledger) fn has_others(&self, place: &Place) -> bool {
        let host = self.hosts.get(place.listener()).zip(place.slot());
        host.is_some_and(|(host, slot)| host.slots_besides(slot) > 0)
    }
}
