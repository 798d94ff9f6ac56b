//! The ledger: knows the state of each item from events and decides what follows. A pure core.
//!
//! Its rules, in short (the long form is in ARCHITECTURE.md):
//! - the first finish of an item is its verdict, later ones are dropped;
//! - the job is over when every item has a verdict, not when a queue is empty;
//! - what a dead worker ran is queued again at once; what the broker gave back is queued again
//!   after [`DOUBT_LIMIT`], unless its worker says meanwhile that it still runs it;
//! - three losses that count make an item lost; an outage of the broker and an item that is
//!   handed back do not count;
//! - after a cancel or `--fail-fast` nothing is published any more.

mod event;
mod hosts;
mod items;
mod replies;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{Announce, HostLeft, LeaveReason, WorkerKey};

pub use event::{Cause, Effect, Ending, Event, Happening, Rules};
pub use hosts::{LOOK_INTERVAL, SILENCE_LIMIT};
pub use items::{DECLINE_LIMIT, DOUBT_LIMIT, LOST_LIMIT};

use hosts::{HostState, Hosts};
use items::{Items, Phase};

/// How long the workers' word on what they hold is waited for after a lost file queue.
pub const HOLDS_LIMIT: Duration = Duration::from_secs(5);
/// A started item is queued again when its worker stays silent for so long after a reconnect.
pub const MUTE_LIMIT: Duration = Duration::from_secs(15);
/// How often the file queue is looked for, long before it would expire.
pub const QUEUE_LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// The answers of all listeners are waited for so long before a job without hosts is given up.
pub const ANSWERS_LIMIT: Duration = Duration::from_secs(1);
/// What a listener that ended had still sent arrives within this time.
pub const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);
/// A listener of `--local` is started again so often.
pub const LOCAL_RESTARTS: u32 = 2;

/// Where the job is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// The offer is not out yet.
    Preparing,
    Running,
    /// Nothing is published any more; the hosts end.
    Closing {
        ending: Ending,
        until: Instant,
    },
    Done,
}

/// The file queue was lost with the broker: who holds what, and what is queued again.
#[derive(Debug)]
struct Recovery {
    awaited: BTreeSet<WorkerKey>,
    /// When the items that nobody holds are queued again; absent afterwards.
    refill_at: Option<Instant>,
    /// When silent workers lose their items.
    mute_at: Instant,
}

/// The state of one job.
#[derive(Debug)]
pub struct Ledger {
    rules: Rules,
    items: Items,
    hosts: Hosts,
    stage: Stage,
    broker_up: bool,
    recovery: Option<Recovery>,
    failures: u32,
    offered_at: Option<Instant>,
    /// Since when no host lives.
    alone_since: Option<Instant>,
    look_at: Option<Instant>,
    queue_look_at: Option<Instant>,
    /// The local listener ended then; its last words are waited for.
    local_ended: Option<(Instant, String)>,
    local_restarts: u32,
}

impl Ledger {
    /// Makes the ledger of these items, which are numbered from 0 on and lie on the file queue.
    #[must_use]
    pub fn new(rules: Rules, work: Vec<WorkItem>) -> Self {
        Self {
            rules,
            items: Items::new(work),
            hosts: Hosts::default(),
            stage: Stage::Preparing,
            broker_up: true,
            recovery: None,
            failures: 0,
            offered_at: None,
            alone_since: None,
            look_at: None,
            queue_look_at: None,
            local_ended: None,
            local_restarts: 0,
        }
    }

    /// Returns the items without a verdict, in the order of the plan.
    #[must_use]
    pub fn open_items(&self) -> Vec<ItemId> {
        self.items.open()
    }

    /// Takes one event at `now` and tells what to do about it.
    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.stage == Stage::Done {
            return out;
        }
        match event {
            Event::Offered => self.offered(now),
            Event::Reply(reply) => self.reply(now, *reply, &mut out),
            Event::Announced(announce) => self.announced(&announce, &mut out),
            Event::BrokerLost => {
                self.broker_up = false;
                out.push(Effect::Tell(Happening::BrokerLost));
            }
            Event::BrokerBack { file_queue_missing } => {
                self.broker_back(now, file_queue_missing, &mut out);
            }
            Event::BrokerGaveUp => self.done(Ending::BrokerGone, &mut out),
            Event::FileQueueMissing => self.recover(now, &mut out),
            Event::HostLooked {
                listener_id,
                consumers,
            } => {
                if self.broker_up && self.hosts.looked(now, &listener_id, consumers) {
                    self.write_off(now, &listener_id, &mut out);
                }
            }
            Event::LocalListenerEnded { end } => self.local_ended = Some((now, end)),
            Event::Cancelled => self.cancelled(now, &mut out),
            Event::DeadlinePassed => {}
        }
        self.pass_deadlines(now, &mut out);
        self.conclude(now, &mut out);
        out
    }

    /// Returns when `DeadlinePassed` is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Done => return None,
            Stage::Closing { until, .. } => Some(*until),
            Stage::Running => self.alone_since.map(|since| {
                let answers = self.offered_at.map(|at| at + ANSWERS_LIMIT);
                let wait = since + self.rules.wait_limit;
                if self.hosts.all_failed() {
                    answers.map_or(wait, |at| at.min(wait))
                } else {
                    wait
                }
            }),
            Stage::Preparing => None,
        };
        let up = |at: Option<Instant>| at.filter(|_| self.broker_up);
        [
            stage,
            up(self.items.deadline()),
            up(self
                .recovery
                .as_ref()
                .map(|r| r.refill_at.unwrap_or(r.mute_at))),
            up(self.look_at),
            up(self.queue_look_at),
            self.local_ended
                .as_ref()
                .map(|(at, _)| *at + LAST_WORDS_LIMIT),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn offered(&mut self, now: Instant) {
        if self.stage == Stage::Preparing {
            self.stage = Stage::Running;
        }
        self.offered_at = Some(now);
        self.look_at = Some(now + LOOK_INTERVAL);
        self.queue_look_at = Some(now + QUEUE_LOOK_INTERVAL);
        if !self.hosts.any_lives() {
            self.alone_since = Some(now);
        }
    }

    /// Items may be queued: not after a cancel or fail-fast.
    fn publishes(&self) -> bool {
        matches!(self.stage, Stage::Preparing | Stage::Running)
    }

    fn requeue(
        &mut self,
        id: ItemId,
        cause: Cause,
        hostname: Option<String>,
        costs: bool,
        out: &mut Vec<Effect>,
    ) {
        if self.publishes() {
            self.items.requeue(id, cause, hostname, costs, out);
        } else {
            self.items.shelve(id);
        }
    }

    /// These workers are gone for good: what they ran is queued again at once.
    fn lose_workers(
        &mut self,
        workers: impl IntoIterator<Item = WorkerKey>,
        costs: bool,
        out: &mut Vec<Effect>,
    ) {
        for worker in workers {
            if let Some(recovery) = &mut self.recovery {
                recovery.awaited.remove(&worker);
            }
            for id in self.items.held_by(&worker) {
                if let Some(holder) = self.items.drop_holder(id, &worker) {
                    self.requeue(id, Cause::WorkerLost, Some(holder.hostname), costs, out);
                }
            }
        }
    }

    /// A host of which nothing is heard is done with the job.
    fn write_off(&mut self, now: Instant, id: &ListenerId, out: &mut Vec<Effect>) {
        let Some(host) = self.hosts.get(id) else {
            return;
        };
        let left = HostLeft {
            hostname: host.hostname.clone(),
            listener_id: id.clone(),
            reason: LeaveReason::Lost,
            error: None,
        };
        self.host_left(now, left, out);
    }

    fn host_left(&mut self, now: Instant, left: HostLeft, out: &mut Vec<Effect>) {
        let workers = self
            .hosts
            .left(now, &left.listener_id, &left.hostname, left.reason);
        let costs = match left.reason {
            LeaveReason::Stopped | LeaveReason::Orphaned | LeaveReason::Cancelled => false,
            LeaveReason::Done
            | LeaveReason::SyncFailed
            | LeaveReason::CallbackFailed
            | LeaveReason::PreloaderFailed
            | LeaveReason::WorkersFailed
            | LeaveReason::Lost => true,
        };
        out.push(Effect::Tell(Happening::HostLeft(left)));
        self.lose_workers(workers, costs, out);
    }

    fn announced(&self, announce: &Announce, out: &mut Vec<Effect>) {
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
                | LeaveReason::PreloaderFailed
                | LeaveReason::WorkersFailed => false,
            },
            Some(HostState::Preparing | HostState::Busy | HostState::Joined) => false,
            Some(HostState::Refused { .. }) => false,
        };
        if offers && self.stage == Stage::Running {
            out.push(Effect::OfferTo(announce.listener_queue_name.clone()));
        }
    }

    fn broker_back(&mut self, now: Instant, file_queue_missing: bool, out: &mut Vec<Effect>) {
        if !self.broker_up {
            out.push(Effect::Tell(Happening::BrokerBack));
        }
        self.broker_up = true;
        self.hosts.excuse_silence(now);
        self.items.excuse_doubts(now + HOLDS_LIMIT);
        if self.alone_since.is_some() {
            self.alone_since = Some(now);
        }
        if file_queue_missing {
            self.recover(now, out);
        }
    }

    /// The file queue is gone: make it anew, ask who holds what, refill it.
    fn recover(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if !self.publishes() {
            return;
        }
        out.push(Effect::DeclareFileQueue);
        self.queue_look_at = Some(now + QUEUE_LOOK_INTERVAL);
        self.recovery = Some(Recovery {
            awaited: self.hosts.workers(),
            refill_at: Some(now + HOLDS_LIMIT),
            mute_at: now + MUTE_LIMIT,
        });
    }

    fn cancelled(&mut self, now: Instant, out: &mut Vec<Effect>) {
        match self.stage {
            Stage::Preparing => self.done(Ending::Cancelled, out),
            Stage::Closing {
                ending: Ending::Cancelled,
                ..
            } => self.done(Ending::Cancelled, out),
            Stage::Running | Stage::Closing { .. } => {
                out.push(Effect::SendCancel);
                out.push(Effect::PurgeFileQueue);
                self.close(Ending::Cancelled, now + self.rules.cancel_limit);
            }
            Stage::Done => {}
        }
    }

    fn close(&mut self, ending: Ending, until: Instant) {
        self.recovery = None;
        self.alone_since = None;
        self.stage = Stage::Closing { ending, until };
    }

    fn done(&mut self, ending: Ending, out: &mut Vec<Effect>) {
        self.stage = Stage::Done;
        out.push(Effect::Done(ending));
    }

    fn pass_deadlines(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self
            .local_ended
            .as_ref()
            .is_some_and(|(at, _)| *at + LAST_WORDS_LIMIT <= now)
        {
            self.local_listener_is_gone(now, out);
        }
        if !self.broker_up {
            return;
        }
        self.pass_recovery(now, out);
        for id in self.items.expired(now) {
            let Some(Phase::Doubtful { holders, costs, .. }) = self.items.get(id).map(|i| &i.phase)
            else {
                continue;
            };
            let (hostname, costs) = (holders.first().map(|h| h.hostname.clone()), *costs);
            let cause = if costs {
                Cause::Returned
            } else {
                Cause::BrokerOutage
            };
            self.requeue(id, cause, hostname, costs, out);
        }
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = Some(now + LOOK_INTERVAL);
            let silent = self.hosts.silent(now);
            if !silent.is_empty() {
                out.push(Effect::LookAtHosts(silent));
            }
        }
        if self.queue_look_at.is_some_and(|at| at <= now) {
            self.queue_look_at = Some(now + QUEUE_LOOK_INTERVAL);
            if self.publishes() {
                out.push(Effect::LookAtFileQueue);
            }
        }
    }

    fn pass_recovery(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let Some(recovery) = &mut self.recovery else {
            return;
        };
        if recovery
            .refill_at
            .is_some_and(|at| at <= now || recovery.awaited.is_empty())
        {
            recovery.refill_at = None;
            for id in self.items.open() {
                match self.items.get(id).map(|item| &item.phase) {
                    Some(Phase::Queued) => {
                        let work = self.items.get(id).map(|item| item.work.clone());
                        out.extend(work.map(Effect::Publish));
                    }
                    Some(Phase::Doubtful { .. }) => {
                        self.requeue(id, Cause::BrokerOutage, None, false, out);
                    }
                    Some(Phase::Started(_) | Phase::Settled(_)) | None => {}
                }
            }
        }
        let Some(recovery) = &self.recovery else {
            return;
        };
        if recovery.mute_at <= now {
            let mute: Vec<_> = recovery.awaited.iter().cloned().collect();
            self.recovery = None;
            for worker in mute {
                for id in self.items.held_by(&worker) {
                    if let Some(holder) = self.items.drop_holder(id, &worker) {
                        self.requeue(id, Cause::BrokerOutage, Some(holder.hostname), false, out);
                    }
                }
            }
        }
    }

    fn local_listener_is_gone(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let Some((_, end)) = self.local_ended.take() else {
            return;
        };
        for id in self.hosts.ids_living() {
            self.write_off(now, &id, out);
        }
        if self.stage != Stage::Running || self.hosts.all_failed() {
            return;
        }
        if self.local_restarts < LOCAL_RESTARTS {
            self.local_restarts += 1;
            out.push(Effect::StartLocalListener);
        } else {
            self.done(Ending::LocalListenerDied { end }, out);
        }
    }

    /// Looks whether the job, or a stage of it, is over.
    fn conclude(&mut self, now: Instant, out: &mut Vec<Effect>) {
        match &mut self.stage {
            Stage::Preparing | Stage::Done => {}
            Stage::Running if self.items.unsettled() == 0 => {
                out.push(Effect::DeleteFileQueue);
                self.close(Ending::Complete, now + self.rules.callback_limit);
                self.conclude(now, out);
            }
            Stage::Running
                if self
                    .rules
                    .fail_fast
                    .is_some_and(|n| self.failures >= n.max(1)) =>
            {
                out.push(Effect::DeleteFileQueue);
                self.close(Ending::FailFast, now + self.rules.callback_limit);
                self.conclude(now, out);
            }
            Stage::Running => self.look_for_hosts(now, out),
            Stage::Closing { ending, until } => {
                if *ending == Ending::FailFast && self.items.any_held() {
                    *until = now + self.rules.callback_limit;
                }
                let waits = match ending {
                    Ending::Cancelled => self.hosts.any_lives(),
                    Ending::Complete
                    | Ending::FailFast
                    | Ending::NoListener { .. }
                    | Ending::HostsFailed { .. }
                    | Ending::LocalListenerDied { .. }
                    | Ending::BrokerGone => self.hosts.any_joined(),
                };
                if !waits || *until <= now {
                    let ending = ending.clone();
                    if ending != Ending::Cancelled && self.hosts.any_lives() {
                        // Nobody takes part any more who would be disturbed by it: hosts that
                        // still prepare, or wait for another job to end, need not begin.
                        out.push(Effect::SendCancel);
                    }
                    self.done(ending, out);
                }
            }
        }
    }

    fn look_for_hosts(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.hosts.any_lives() {
            self.alone_since = None;
            return;
        }
        let Some(offered_at) = self.offered_at else {
            return;
        };
        if self.hosts.all_failed() && now >= offered_at + ANSWERS_LIMIT {
            let refused = self.hosts.refused();
            let ending = if refused.is_empty() {
                Ending::HostsFailed {
                    all_in_sync: self.hosts.all_failed_in_sync(),
                }
            } else {
                Ending::NoListener {
                    had_hosts: false,
                    refused,
                }
            };
            return self.done(ending, out);
        }
        match self.alone_since {
            None => {
                self.alone_since = Some(now);
                if !self.hosts.all_failed() {
                    let wait_limit = self.rules.wait_limit;
                    out.push(Effect::Tell(Happening::NoHostLeft { wait_limit }));
                    out.push(Effect::Offer);
                }
            }
            Some(since) if self.broker_up && now >= since + self.rules.wait_limit => {
                let had_hosts = !self.hosts.is_empty();
                self.done(
                    Ending::NoListener {
                        had_hosts,
                        refused: self.hosts.refused(),
                    },
                    out,
                );
            }
            Some(_) => {}
        }
    }
}
