//! Where items fail: a host, or one slot of it.

use gorgon_proto::job::ListenerId;
use gorgon_proto::message::WorkerKey;

/// A host, or one slot of a host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// All slots of a listener.
    Host(ListenerId),
    /// This slot of a listener, whoever works in it.
    Slot(ListenerId, u32),
}

impl Place {
    /// Returns its listener.
    #[must_use]
    pub fn listener(&self) -> &ListenerId {
        match self {
            Self::Host(listener) | Self::Slot(listener, _) => listener,
        }
    }

    /// Returns the slot, if it is one.
    #[must_use]
    pub fn slot(&self) -> Option<u32> {
        match self {
            Self::Host(_) => None,
            Self::Slot(_, slot) => Some(*slot),
        }
    }

    /// Returns whether this slot of this listener is the place, or part of it.
    #[must_use]
    pub fn has(&self, listener: &ListenerId, worker_id: u32) -> bool {
        self.listener() == listener && self.slot().is_none_or(|slot| slot == worker_id)
    }

    /// Returns whether this worker works there.
    #[must_use]
    pub fn has_worker(&self, worker: &WorkerKey) -> bool {
        self.has(&worker.listener_id, worker.worker_id)
    }

    /// Returns the name by which items avoid the place.
    #[must_use]
    pub fn to_avoid(&self) -> String {
        match self {
            Self::Host(listener) => listener.0.clone(),
            Self::Slot(listener, slot) => format!("{}:{slot}", listener.0),
        }
    }
}
