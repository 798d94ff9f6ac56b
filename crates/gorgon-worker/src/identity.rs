//! Who a worker is.

use gorgon_proto::item::WorkItem;
use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{Finish, ItemNote, Start, WorkerNote};

/// Who this worker is, on every message that it sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name of the host.
    pub hostname: String,
    /// The listener it belongs to.
    pub listener_id: ListenerId,
    /// Its slot.
    pub worker_id: u32,
    /// Its process id.
    pub pid: u32,
    /// The process id of its manager; 0 by hand.
    pub manager_pid: u32,
    /// Its TEST_ENV_NUMBER.
    pub test_env_number: u32,
}

impl Identity {
    /// Returns the start message of an item.
    #[must_use]
    pub fn start(&self, item: &WorkItem) -> Start {
        Start {
            hostname: self.hostname.clone(),
            listener_id: self.listener_id.clone(),
            worker_id: self.worker_id,
            pid: self.pid,
            filename: item.filename.clone(),
            item: item.item,
            attempt: item.attempt,
            retry: item.retry,
            tests: item.tests.clone(),
            manager_pid: self.manager_pid,
        }
    }

    /// Returns a note about an item.
    #[must_use]
    pub fn about(&self, item: &WorkItem) -> ItemNote {
        ItemNote {
            hostname: self.hostname.clone(),
            listener_id: self.listener_id.clone(),
            worker_id: self.worker_id,
            pid: self.pid,
            item: item.item,
            attempt: item.attempt,
        }
    }

    /// Returns a note about the item of a finish.
    #[must_use]
    pub fn finished(&self, finish: &Finish) -> ItemNote {
        ItemNote {
            hostname: self.hostname.clone(),
            listener_id: self.listener_id.clone(),
            worker_id: self.worker_id,
            pid: self.pid,
            item: finish.item,
            attempt: finish.attempt,
        }
    }

    /// Returns a note about the worker itself.
    #[must_use]
    pub fn note(&self) -> WorkerNote {
        WorkerNote {
            hostname: self.hostname.clone(),
            listener_id: self.listener_id.clone(),
            worker_id: self.worker_id,
            pid: self.pid,
        }
    }

    /// Returns whether an item is not for others only.
    #[must_use]
    pub fn may_run(&self, item: &WorkItem) -> bool {
        let avoids = item.avoid.as_deref().is_some_and(|it| self.is_named_by(it));
        !avoids && item.only.as_deref().is_none_or(|it| self.is_named_by(it))
    }

    /// Returns whether `avoid` or `only` of an item names this worker, as `LISTENER:SLOT` or `LISTENER`.
    #[must_use]
    pub fn is_named_by(&self, avoid: &str) -> bool {
        match avoid.strip_prefix(self.listener_id.0.as_str()) {
            Some("") => true,
            Some(rest) => rest.strip_prefix(':') == Some(self.worker_id.to_string().as_str()),
            None => false,
        }
    }
}
