//! Hosts that are sick: they are believed no more, and sent away.

use std::collections::BTreeSet;

use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{LeaveReason, WorkerKey};
use gorgon_proto::names;

use super::{HostState, Hosts};

impl Hosts {
    /// Returns whether the host is sick: nothing that it says of items counts any more.
    pub(in crate::ledger) fn is_fenced(&self, id: &ListenerId) -> bool {
        let state = self.hosts.get(id).map(|host| &host.state);
        matches!(
            state,
            Some(HostState::Fenced | HostState::Left(LeaveReason::Sick))
        )
    }

    /// Returns the queue of the manager that a sick host had last; it may live though it was
    /// written off.
    pub(in crate::ledger) fn fenced_queue(&self, id: &ListenerId) -> Option<String> {
        let host = self.hosts.get(id).filter(|_| self.is_fenced(id))?;
        let is_managers = host.queue.starts_with(names::MANAGER_QUEUE_PREFIX);
        is_managers.then(|| host.queue.clone())
    }

    /// Returns the queues of the managers of sick hosts that have not left yet.
    pub(in crate::ledger) fn fenced(&self) -> Vec<String> {
        let fenced = self
            .hosts
            .iter()
            .filter(|(_, host)| host.state == HostState::Fenced);
        fenced.filter_map(|(id, _)| self.fenced_queue(id)).collect()
    }

    /// The host is sick. Returns the workers that it had.
    pub(in crate::ledger) fn fence(&mut self, id: &ListenerId) -> BTreeSet<WorkerKey> {
        let Some(host) = self.hosts.get_mut(id) else {
            return BTreeSet::new();
        };
        host.state = match host.state {
            HostState::Refused { .. } | HostState::Left(_) => HostState::Left(LeaveReason::Sick),
            HostState::Preparing | HostState::Busy | HostState::Joined | HostState::Fenced => {
                HostState::Fenced
            }
        };
        std::mem::take(&mut host.workers)
    }
}
