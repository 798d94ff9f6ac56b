//! A host of the simulation: its supervisor's core, and a worker's core with invented Ruby
//! children in each slot.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gorgon_process::child::End;
use gorgon_proto::item::ItemId;
use gorgon_proto::job::{Framework, Isolation, ListenerId};
use gorgon_proto::message::Reply;
use gorgon_worker::children::ChildNo;
use gorgon_worker::event::Settings;
use gorgon_worker::record::Identity;
use gorgon_worker::work::Work;
use gorgon_worker_manager::supervise::Supervisor;

use super::broker::ConnectionId;

/// Limit of a callback.
pub(super) const CALLBACK_LIMIT: Duration = Duration::from_secs(60);

/// An invented Ruby child.
#[derive(Debug)]
pub(super) struct Child {
    /// Raised by whatever changes its fate: events of an earlier fate no longer happen.
    pub(super) fate: u32,
}

/// A worker process.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) work: Work,
    pub(super) host: usize,
    pub(super) slot: u32,
    /// Which start of its preloader it is linked to.
    pub(super) preloader: u32,
    pub(super) connection: Option<ConnectionId>,
    /// Whether the session consumes the file queue at a reconnect.
    pub(super) consumes: bool,
    /// The item that a child got last.
    pub(super) running: Option<ItemId>,
    pub(super) children: BTreeMap<ChildNo, Child>,
    /// Replies that are not confirmed, by tag.
    pub(super) unconfirmed: BTreeMap<u64, Reply>,
}

impl Worker {
    pub(super) fn new(host: usize, from: &Host, slot: u32, pid: u32, now: Instant) -> Self {
        let settings = Settings {
            me: Identity {
                hostname: format!("host{host}"),
                listener_id: from.listener.clone(),
                worker_id: slot,
                pid,
            },
            isolation: Isolation::Worker,
            file_limit: None,
            callback_limit: CALLBACK_LIMIT,
            callbacks: true,
            frameworks: vec![Framework::Rspec],
            queue_may_be_late: from.was_down,
            idle_limit: None,
        };
        Self {
            work: Work::new(settings, now),
            host,
            slot,
            preloader: 0,
            connection: None,
            consumes: true,
            running: None,
            children: BTreeMap::new(),
            unconfirmed: BTreeMap::new(),
        }
    }
}

/// A host.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) listener: ListenerId,
    pub(super) supervisor: Supervisor,
    /// Preloaders that run, by number, and how often each was started.
    pub(super) preloaders: BTreeMap<u32, u32>,
    /// Pids of the workers that run, by slot.
    pub(super) workers: BTreeMap<u32, u32>,
    /// Whether the broker was ever away.
    pub(super) was_down: bool,
    pub(super) left: bool,
}

/// How a killed process ends.
pub(super) fn killed() -> End {
    End::Signaled(9)
}
