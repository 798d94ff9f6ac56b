//! Which worker of a host is of which manager: the words of a manager that has gone, and of its workers, may come late.

use std::collections::{BTreeMap, BTreeSet};

use gorgon_proto::message::WorkerKey;

/// The managers of one host. A process number of 0 is not known.
#[derive(Debug, Clone, Default)]
pub(super) struct Managers {
    /// The one that joined last.
    now: u32,
    /// Those that have gone, and their workers with them.
    past: BTreeSet<u32>,
    /// Workers that named their manager.
    of: BTreeMap<WorkerKey, u32>,
}

impl Managers {
    /// A worker named its manager.
    pub(super) fn named(&mut self, worker: &WorkerKey, manager: u32) {
        if manager != 0 {
            self.of.insert(worker.clone(), manager);
        }
    }

    /// Returns whether a worker named this manager.
    pub(super) fn has(&self, worker: &WorkerKey, manager: u32) -> bool {
        manager != 0 && self.of.get(worker) == Some(&manager)
    }

    /// Returns whether a worker goes with the managers before this one.
    pub(super) fn goes(&self, worker: &WorkerKey, manager: u32) -> bool {
        let of = self.of.get(worker).filter(|of| **of != manager);
        of.is_some_and(|of| *of == self.now || self.past.contains(of))
    }

    /// A manager joined: the one before has gone.
    pub(super) fn joined(&mut self, manager: u32) {
        if manager != self.now {
            self.gone();
        }
        self.now = manager;
        self.past.remove(&manager);
        self.of.retain(|_, of| *of == manager);
    }

    /// A manager was there before the one that joined last: it has gone.
    pub(super) fn was(&mut self, manager: u32) {
        if manager != 0 && manager != self.now {
            self.past.insert(manager);
        }
    }

    /// The manager has gone.
    pub(super) fn gone(&mut self) {
        if self.now != 0 {
            self.past.insert(self.now);
        }
        self.now = 0;
    }

    /// Returns whether another manager has followed this one, as it said itself or one of its workers.
    pub(super) fn is_followed(&self, manager: u32) -> bool {
        let later = |of: &u32| *of != manager && !self.past.contains(of);
        self.is_gone(manager) || manager != 0 && manager == self.now && self.of.values().any(later)
    }

    /// Returns whether a manager is known to have gone.
    pub(super) fn is_gone(&self, manager: u32) -> bool {
        self.past.contains(&manager)
    }
}
