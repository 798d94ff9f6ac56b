//! The hosts of a job: who answered, joined, left, and when each was last known to live.

mod fencing;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{
    Answer, HostAnswered, HostJoined, HostLeft, HostSlots, LeaveReason, WorkerKey, WorkerOfHost,
};
use gorgon_proto::names;

use super::managers::Managers;
use super::sick::Place;
use fencing::Fence;

/// How often a silent host is looked for.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Time without a consumer on a host's queue after which the host is lost.
pub const SILENCE_LIMIT: Duration = Duration::from_secs(15);
/// Time within which messages arrive that a worker sent before its end.
const LATE_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostState {
    /// Prepares its workspace.
    Preparing,
    /// Serves another job first.
    Busy,
    /// Runs workers.
    Joined,
    /// Is sick, and told to leave.
    Fenced,
    /// Does not take part.
    Refused { reason: String },
    /// Is gone.
    Left(LeaveReason),
}

impl HostState {
    pub(super) fn lives(&self) -> bool {
        match self {
            Self::Preparing | Self::Busy | Self::Joined | Self::Fenced => true,
            Self::Refused { .. } | Self::Left(_) => false,
        }
    }

    /// Returns whether the host left by an error of its own, so that waiting for it is in vain.
    fn failed(&self) -> bool {
        match self {
            Self::Refused { .. } => true,
            Self::Left(reason) => is_own_error(*reason),
            Self::Preparing | Self::Busy | Self::Joined | Self::Fenced => false,
        }
    }
}

/// Returns whether a host that left for this reason would leave again.
pub(super) fn is_own_error(reason: LeaveReason) -> bool {
    match reason {
        LeaveReason::SyncFailed
        | LeaveReason::CallbackFailed
        | LeaveReason::Refused
        | LeaveReason::PreloaderFailed
        | LeaveReason::WorkersFailed
        | LeaveReason::Sick => true,
        LeaveReason::Done
        | LeaveReason::Cancelled
        | LeaveReason::Stopped
        | LeaveReason::Orphaned
        | LeaveReason::Lost => false,
    }
}

#[derive(Debug, Clone)]
pub(super) struct Host {
    pub(super) hostname: String,
    pub(super) state: HostState,
    /// The queue whose consumer shows that the host lives.
    queue: String,
    /// When it was last known to live.
    alive_at: Instant,
    pub(super) workers: BTreeSet<WorkerKey>,
    managers: Managers,
    /// When its manager began, by its own clock.
    began_ms: u64,
    /// The slots in which it said it would run workers, but for sick ones.
    slots: BTreeSet<u32>,
    /// Its sick slots.
    fences: BTreeMap<u32, Fence>,
    /// It left, and was offered the job again.
    asked: bool,
}

impl Host {
    /// Returns how many workers it has, those included that have not said a word yet.
    pub(super) fn slots(&self) -> usize {
        self.slots.len().max(self.workers.len())
    }
}

#[derive(Debug, Default)]
pub(super) struct Hosts {
    hosts: BTreeMap<ListenerId, Host>,
    /// Workers that are known to have ended a moment ago: what they said before may come after that.
    ended: BTreeMap<WorkerKey, Instant>,
}

impl Hosts {
    pub(super) fn get(&self, id: &ListenerId) -> Option<&Host> {
        self.hosts.get(id)
    }

    pub(super) fn answered(&mut self, now: Instant, message: &HostAnswered) {
        let state = match message.answer {
            Answer::Accepted => HostState::Preparing,
            Answer::Busy => HostState::Busy,
            Answer::Refused => HostState::Refused {
                reason: message.reason.clone(),
            },
        };
        let queue = names::listener_queue(&message.hostname, &message.listener_id);
        let known = self.hosts.contains_key(&message.listener_id);
        let host = self.host(now, &message.listener_id, &message.hostname);
        // The word of a host that left and was not asked again is an old one, which came twice.
        let old = matches!(host.state, HostState::Left(_)) && !host.asked;
        if !known || (host.state != HostState::Joined && !old) {
            host.state = state;
            host.queue = queue;
        }
    }

    /// Returns the workers of an earlier manager of this host, which died with it, and its queue.
    /// The word of a manager may come twice, and after that of its workers: those live.
    ///
    /// # Errors
    /// It comes after that of the manager that took its place; with its workers, who died with it.
    pub(super) fn joined(
        &mut self,
        now: Instant,
        message: &HostJoined,
    ) -> Result<(BTreeSet<WorkerKey>, Option<String>), BTreeSet<WorkerKey>> {
        let before = self.manager_queue(&message.listener_id);
        let fenced = self.is_fenced(&message.listener_id);
        let host = self.host(now, &message.listener_id, &message.hostname);
        if message.began_ms < host.began_ms {
            let theirs = |worker: &WorkerKey| host.managers.has(worker, message.pid);
            let (died, live): (BTreeSet<_>, _) = std::mem::take(&mut host.workers)
                .into_iter()
                .partition(theirs);
            host.workers = live;
            host.managers.was(message.pid);
            let ended = died.iter().map(|worker| (worker.clone(), now));
            self.ended.extend(ended);
            return Err(died);
        }
        host.began_ms = message.began_ms;
        if !fenced {
            host.state = HostState::Joined;
        }
        host.queue.clone_from(&message.manager_queue_name);
        host.set_slots(&message.slots);
        let gone = before.filter(|queue| *queue != message.manager_queue_name);
        host.fences_unknown();
        let died = if gone.is_some() {
            let theirs = |worker: &WorkerKey| host.managers.has(worker, message.pid);
            let (live, died) = std::mem::take(&mut host.workers)
                .into_iter()
                .partition(theirs);
            host.workers = live;
            died
        } else {
            BTreeSet::new()
        };
        let goes = |worker: &&WorkerKey| host.managers.goes(worker, message.pid);
        let ended: Vec<_> = died.iter().filter(goes).cloned().collect();
        host.managers.joined(message.pid);
        self.ended
            .extend(ended.into_iter().map(|worker| (worker, now)));
        Ok((died, gone))
    }

    /// The host has these slots now; the word of an earlier manager is an old one. Returns the
    /// workers that have ended by that.
    pub(super) fn has_slots(&mut self, now: Instant, message: &HostSlots) -> Vec<WorkerKey> {
        if self.manager_queue(&message.listener_id).as_ref() != Some(&message.manager_queue_name) {
            return Vec::new();
        }
        let host = self.host(now, &message.listener_id, &message.hostname);
        host.set_slots(&message.slots);
        host.fences_left(&message.slots);
        let key = |ended: &WorkerOfHost| WorkerKey {
            listener_id: message.listener_id.clone(),
            worker_id: ended.worker_id,
            pid: ended.pid,
        };
        let ended: Vec<WorkerKey> = message.ended.iter().map(key).collect();
        host.workers.retain(|worker| !ended.contains(worker));
        self.ended
            .extend(ended.iter().map(|worker| (worker.clone(), now)));
        ended
    }

    /// Returns the queue of the manager that the host has.
    pub(super) fn manager_queue(&self, id: &ListenerId) -> Option<String> {
        let host = self.hosts.get(id)?;
        (matches!(host.state, HostState::Joined | HostState::Fenced)
            && host.queue.starts_with(names::MANAGER_QUEUE_PREFIX))
        .then(|| host.queue.clone())
    }

    /// Returns whether the host is known to have left.
    pub(super) fn has_left(&self, id: &ListenerId) -> bool {
        matches!(
            self.hosts.get(id),
            Some(Host {
                state: HostState::Left(_),
                ..
            })
        )
    }

    /// Returns whether a host that leaves is that of a manager which another one has followed since.
    pub(super) fn was_followed(&self, message: &HostLeft) -> bool {
        let host = self.hosts.get(&message.listener_id);
        host.is_some_and(|host| host.managers.is_followed(message.manager_pid))
    }

    /// Returns the workers that the host had.
    pub(super) fn left(
        &mut self,
        now: Instant,
        id: &ListenerId,
        hostname: &str,
        reason: LeaveReason,
    ) -> BTreeSet<WorkerKey> {
        let reason = match self.is_fenced(id) {
            true => LeaveReason::Sick,
            false => reason,
        };
        let host = self.host(now, id, hostname);
        host.state = HostState::Left(reason);
        // One of which nothing is heard may live.
        if reason != LeaveReason::Lost {
            host.managers.gone();
        }
        host.asked = false;
        std::mem::take(&mut host.workers)
    }

    /// A worker of the host said something.
    pub(super) fn heard_worker(&mut self, now: Instant, worker: &WorkerKey, hostname: &str) {
        if self.has_just_ended(now, worker) {
            // Said before its end, and late.
            return;
        }
        let host = self.host(now, &worker.listener_id, hostname);
        // A worker may be heard before its manager's `host_joined`. Its host is waited for at the end: what
        // ends its processes may fail the job.
        if matches!(
            host.state,
            HostState::Preparing | HostState::Busy | HostState::Left(LeaveReason::Lost)
        ) {
            host.state = HostState::Joined;
        }
        if self
            .fence_of(&worker.listener_id, worker.worker_id)
            .is_none()
        {
            let host = self.host(now, &worker.listener_id, hostname);
            host.workers.insert(worker.clone());
        }
    }

    /// A worker named its manager's process; 0: it has none, or is of a version that does not tell.
    /// Returns whether the worker is known to have ended, by itself or with its manager. After a while its
    /// number may be that of another one.
    pub(super) fn has_ended(&mut self, now: Instant, worker: &WorkerKey, manager_pid: u32) -> bool {
        let ended = self.has_just_ended(now, worker);
        let Some(host) = self.hosts.get_mut(&worker.listener_id) else {
            return ended;
        };
        host.managers.named(worker, manager_pid);
        let ended = ended || host.managers.is_gone(manager_pid);
        if ended {
            // It is free for nothing.
            host.workers.remove(worker);
        }
        ended
    }

    /// Returns whether a worker is known to have ended a moment ago.
    pub(super) fn has_just_ended(&self, now: Instant, worker: &WorkerKey) -> bool {
        let ended = self.ended.get(worker);
        ended.is_some_and(|at| now.duration_since(*at) < LATE_LIMIT)
    }

    pub(super) fn worker_gone(&mut self, now: Instant, worker: &WorkerKey, hostname: &str) {
        self.ended
            .retain(|_, at| now.duration_since(*at) < LATE_LIMIT);
        self.ended.insert(worker.clone(), now);
        let host = self.host(now, &worker.listener_id, hostname);
        host.workers.remove(worker);
        host.fence_left(worker);
    }

    fn host(&mut self, now: Instant, id: &ListenerId, hostname: &str) -> &mut Host {
        let host = self.hosts.entry(id.clone()).or_insert_with(|| Host {
            hostname: hostname.to_owned(),
            state: HostState::Joined,
            queue: names::listener_queue(hostname, id),
            alive_at: now,
            workers: BTreeSet::new(),
            managers: Managers::default(),
            began_ms: 0,
            slots: BTreeSet::new(),
            fences: BTreeMap::new(),
            asked: false,
        });
        host.alive_at = now;
        host
    }

    /// A look found a consumer, or none. Returns whether the host is lost.
    pub(super) fn looked(&mut self, now: Instant, id: &ListenerId, consumers: Option<u32>) -> bool {
        let Some(host) = self.hosts.get_mut(id) else {
            return false;
        };
        if consumers.is_some_and(|count| count > 0) {
            host.alive_at = now;
        }
        host.state.lives() && now.duration_since(host.alive_at) >= SILENCE_LIMIT
    }

    /// Nobody could be heard during a broker outage.
    pub(super) fn excuse_silence(&mut self, now: Instant) {
        for host in self.hosts.values_mut() {
            host.alive_at = now;
        }
    }

    /// Returns the queues of the hosts that were not heard of for a while.
    pub(super) fn silent(&self, now: Instant) -> Vec<(ListenerId, String)> {
        self.hosts
            .iter()
            .filter(|(_, host)| host.state.lives())
            .filter(|(_, host)| now.duration_since(host.alive_at) >= LOOK_INTERVAL)
            .map(|(id, host)| (id.clone(), host.queue.clone()))
            .collect()
    }

    pub(super) fn each_worker(&self) -> impl Iterator<Item = &WorkerKey> {
        self.hosts.values().flat_map(|host| &host.workers)
    }

    pub(super) fn workers(&self) -> BTreeSet<WorkerKey> {
        self.each_worker().cloned().collect()
    }

    /// Returns how many workers serve the job, those included that have not said a word yet. A host
    /// without a slot for now counts: it gets one when an item waits.
    pub(super) fn slots(&self) -> usize {
        let joined = self.hosts.values();
        joined
            .filter(|host| host.state == HostState::Joined)
            .map(|host| host.slots().max(1))
            .sum()
    }

    /// Returns the queues of the managers that have no slot now besides this place.
    pub(super) fn without_slot(&self, place: &Place) -> Vec<String> {
        let joined = |host: &&Host| host.state == HostState::Joined;
        let own = self.hosts.get(place.listener()).filter(joined);
        let own = own.filter(|host| {
            place
                .slot()
                .is_some_and(|slot| host.slots_besides(slot) == 0)
        });
        let others = self.others(place.listener());
        let rest = others.filter(|host| host.slots() == 0).chain(own);
        rest.map(|host| host.queue.clone()).collect()
    }

    /// The job is offered to a host once more.
    pub(super) fn ask(&mut self, id: &ListenerId) {
        if let Some(host) = self.hosts.get_mut(id) {
            host.asked = true;
        }
    }

    /// The job is offered to all once more.
    pub(super) fn ask_all(&mut self) {
        for host in self.hosts.values_mut() {
            host.asked = true;
        }
    }

    pub(super) fn ids_living(&self) -> Vec<ListenerId> {
        self.hosts
            .iter()
            .filter(|(_, h)| h.state.lives())
            .map(|(id, _)| id.clone())
            .collect()
    }

    pub(super) fn any_lives(&self) -> bool {
        self.hosts.values().any(|host| host.state.lives())
    }

    /// Returns whether a host runs workers, or ends them.
    pub(super) fn any_joined(&self) -> bool {
        let joined = |host: &Host| matches!(host.state, HostState::Joined | HostState::Fenced);
        self.hosts.values().any(joined)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// Returns whether there were hosts, and each left by an error of its own.
    pub(super) fn all_failed(&self) -> bool {
        !self.is_empty() && self.hosts.values().all(|host| host.state.failed())
    }

    pub(super) fn all_failed_in_sync(&self) -> bool {
        !self.is_empty()
            && self
                .hosts
                .values()
                .all(|host| host.state == HostState::Left(LeaveReason::SyncFailed))
    }

    /// Returns the hosts that refused, if there are no others.
    pub(super) fn refused(&self) -> Vec<(String, String)> {
        self.hosts
            .values()
            .filter_map(|host| match &host.state {
                HostState::Refused { reason } => Some((host.hostname.clone(), reason.clone())),
                HostState::Preparing
                | HostState::Busy
                | HostState::Joined
                | HostState::Fenced
                | HostState::Left(_) => None,
            })
            .collect()
    }
}
