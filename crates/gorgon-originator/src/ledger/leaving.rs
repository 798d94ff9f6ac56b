//! A host leaves the job, or announces itself, perhaps after it had left.

use std::time::Instant;

use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{Announce, HostLeft, LeaveReason};
use gorgon_proto::names;

use super::Ledger;
use super::event::{Effect, Happening};
use super::hosts::{self, HostState};
use super::stages::Stage;

impl Ledger {
    /// A host of which nothing is heard is done with the job.
    pub(super) fn write_off(&mut self, now: Instant, id: &ListenerId, out: &mut Vec<Effect>) {
        let Some(host) = self.hosts.get(id) else {
            return;
        };
        let left = HostLeft {
            hostname: host.hostname.clone(),
            listener_id: id.clone(),
            reason: LeaveReason::Lost,
            error: None,
            manager_pid: 0,
            trace: Vec::new(),
        };
        self.host_left(now, left, out);
    }

    pub(super) fn host_left(&mut self, now: Instant, left: HostLeft, out: &mut Vec<Effect>) {
        // A manager deletes its queue itself, unless it has died, or was killed by its listener.
        let queue = match left.reason {
            LeaveReason::Lost | LeaveReason::WorkersFailed | LeaveReason::Stopped => {
                self.hosts.manager_queue(&left.listener_id)
            }
            LeaveReason::Done
            | LeaveReason::Orphaned
            | LeaveReason::Cancelled
            | LeaveReason::Sick
            | LeaveReason::SyncFailed
            | LeaveReason::CallbackFailed
            | LeaveReason::Refused
            | LeaveReason::PreloaderFailed => None,
        };
        out.extend(queue.map(Effect::DeleteQueue));
        let workers = self
            .hosts
            .left(now, &left.listener_id, &left.hostname, left.reason);
        let costs = match left.reason {
            LeaveReason::Stopped
            | LeaveReason::Orphaned
            | LeaveReason::Cancelled
            | LeaveReason::Sick => false,
            LeaveReason::Done
            | LeaveReason::SyncFailed
            | LeaveReason::CallbackFailed
            | LeaveReason::Refused
            | LeaveReason::PreloaderFailed
            | LeaveReason::WorkersFailed
            | LeaveReason::Lost => true,
        };
        self.offer_again |= !hosts::is_own_error(left.reason);
        // It took a file queue that the broker had forgotten for the end of the job.
        let misled = left.reason == LeaveReason::Done && left.error.is_none();
        let goes_on = self.stage == Stage::Running && self.items.unsettled() > 0;
        // Where it was the last one, all are asked.
        if misled && goes_on && self.hosts.any_lives() && !self.rules.local {
            self.hosts.ask(&left.listener_id);
            let queue = names::listener_queue(&left.hostname, &left.listener_id);
            out.push(Effect::OfferTo(queue));
        }
        out.push(Effect::Tell(Happening::HostLeft(left)));
        self.lose_workers(workers, costs, out);
    }

    pub(super) fn announced(&mut self, announce: &Announce, out: &mut Vec<Effect>) {
        let offers = match self
            .hosts
            .get(&announce.listener_id)
            .map(|host| &host.state)
        {
            None => true,
            Some(HostState::Left(reason)) => match reason {
                LeaveReason::Done
                | LeaveReason::Stopped
                | LeaveReason::Orphaned
                | LeaveReason::Lost => true,
                LeaveReason::Cancelled
                | LeaveReason::SyncFailed
                | LeaveReason::CallbackFailed
                | LeaveReason::Refused
                | LeaveReason::PreloaderFailed
                | LeaveReason::WorkersFailed
                | LeaveReason::Sick => false,
            },
            // Sent away.
            Some(HostState::Fenced) => false,
            // It was away, and may have left, and the broker lost its word; else it takes no notice.
            Some(HostState::Preparing | HostState::Busy | HostState::Joined) => true,
            Some(HostState::Refused { .. }) => false,
        };
        if offers && self.stage == Stage::Running {
            self.hosts.ask(&announce.listener_id);
            out.push(Effect::OfferTo(announce.listener_queue_name.clone()));
        }
    }
}
