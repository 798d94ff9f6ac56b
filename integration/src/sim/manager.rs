//! A manager: the real supervisor, with preloaders that are invented.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gorgon_process::child::End;
use gorgon_process::exit;
use gorgon_process::signals::Signal;
use gorgon_proto::job::ListenerId;
use gorgon_proto::local::MANAGER_GONE;
use gorgon_proto::message::{
    HostError, HostJoined, HostLeft, HostSlots, LeaveReason, Reply, WorkerDied, WorkerOfHost,
};
use gorgon_proto::names;
use gorgon_ruby::ChildEvent;
use gorgon_worker::event as work;
use gorgon_worker_manager::event::{Effect, Event};
use gorgon_worker_manager::supervise::Supervisor;

use super::broker::{Body, Declare, Exchange, To};
use super::listener::trouble;
use super::originator::{CALLBACK_LIMIT, job};
use super::plan::Trouble;
use super::session::{Heard, Once, Order, Posted, Session};
use super::{Due, Pid, World, killed};

/// Without a broker for so long the job ends here.
const BROKER_LIMIT: Duration = Duration::from_secs(120);
/// The last words of its session; and the same when nobody is above it.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
const ABANDONED_CLOSE_LIMIT: Duration = Duration::from_millis(200);
/// A reply that found no queue is sent again after this.
const RESEND_AFTER: Duration = Duration::from_secs(1);
const PREFETCH: usize = 10;

/// A manager.
#[derive(Debug)]
pub(super) struct Manager {
    supervisor: Supervisor,
    pub(super) listener: Pid,
    pub(super) machine: usize,
    pub(super) listener_id: ListenerId,
    queue: String,
    was_down: bool,
    pub(super) parent_gone: bool,
    /// It has told the originator that it is there.
    pub(super) joined: bool,
    /// Preloaders that run, by number, with the number of their start.
    pub(super) preloaders: BTreeMap<u32, u32>,
    /// Workers by slot.
    pub(super) workers: BTreeMap<u32, Pid>,
    unconfirmed: BTreeMap<u64, Reply>,
    unroutable: Vec<u64>,
    tags: u64,
    /// How it ends, once it has said its last word.
    pub(super) exiting: Option<End>,
}

impl Manager {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.supervisor
            .deadline()
            .filter(|_| self.exiting.is_none())
    }

    pub(super) fn was_down(&self) -> bool {
        self.was_down
    }
}

impl World {
    pub(super) fn start_manager(&mut self, listener: Pid) {
        let pid = self.number();
        let Some(parent) = self.listeners.get_mut(&listener) else {
            return;
        };
        parent.manager = Some(pid);
        parent.last_manager = Some(pid);
        let (machine, listener_id) = (parent.machine, parent.id.clone());
        let slots = parent.host.slots_of(&job());
        let own = self.plan.own_preloaders;
        let (supervisor, effects) = Supervisor::begin(self.now, &slots, own, CALLBACK_LIMIT);
        let queue = names::queue_of_manager(&job(), &listener_id, pid);
        let mut session = Session::new(machine, self.now, Some(BROKER_LIMIT));
        session.declare.push(manager_queue(&queue));
        session.consume.insert(queue.clone(), PREFETCH);
        self.note(|_| format!("manager {pid} of listener {listener} starts"));
        self.managers.insert(
            pid,
            Manager {
                supervisor,
                listener,
                machine,
                listener_id,
                queue,
                was_down: false,
                parent_gone: false,
                joined: false,
                preloaders: BTreeMap::new(),
                workers: BTreeMap::new(),
                unconfirmed: BTreeMap::new(),
                unroutable: Vec::new(),
                tags: 0,
                exiting: None,
            },
        );
        self.open(pid, session);
        for effect in effects {
            self.perform_for_manager(pid, effect);
        }
    }

    pub(super) fn manager_heard(&mut self, pid: Pid, heard: Heard) {
        let Some(manager) = self.managers.get_mut(&pid) else {
            return;
        };
        match heard {
            Heard::Down { answered: true } => {}
            Heard::Down { .. } => {
                manager.was_down = true;
                self.tell_manager(pid, Event::BrokerDown);
            }
            Heard::Delivery(id, delivery) => {
                self.order(pid, Order::Ack(id, delivery.number));
                match delivery.body {
                    Body::Cancel => self.tell_manager(pid, Event::Cancelled),
                    Body::Leave => self.tell_manager(pid, Event::SentAway),
                    Body::LeaveSlot(slot) => self.tell_manager(pid, Event::SlotSentAway(slot)),
                    Body::ItemWaits => self.tell_manager(pid, Event::ItemWaits),
                    Body::Over => self.tell_manager(pid, Event::JobOver),
                    Body::Items(_)
                    | Body::Mark
                    | Body::Replies(_)
                    | Body::Offer(_)
                    | Body::Announce(_) => {}
                }
            }
            Heard::Confirmed(tag) | Heard::Acked(tag) => {
                manager.unconfirmed.remove(&tag);
            }
            Heard::Unroutable(tag) => {
                manager.unroutable.push(tag);
                if manager.unroutable.len() == 1 {
                    self.later(RESEND_AFTER, Due::Resend(pid));
                }
            }
            Heard::ConsumerEnded { queue, .. } => {
                self.order(pid, Order::Declare(manager_queue(&queue)));
                self.order(pid, Order::Consume(queue, PREFETCH));
            }
            Heard::GaveUp => self.tell_manager(pid, Event::BrokerGaveUp),
            Heard::Up | Heard::Drained => {}
        }
    }

    pub(super) fn parent_gone(&mut self, pid: Pid) {
        if let Some(manager) = self.managers.get_mut(&pid) {
            manager.parent_gone = true;
            self.tell_manager(pid, Event::ParentGone);
        }
    }

    pub(super) fn signal_manager(&mut self, pid: Pid, signal: Signal) {
        let event = match signal {
            Signal::Term => Event::Stopped,
            _ => Event::Cancelled,
        };
        self.soon(Due::Manager(pid, event));
    }

    pub(super) fn tell_manager(&mut self, pid: Pid, event: Event) {
        let now = self.now;
        let Some(manager) = self.managers.get_mut(&pid).filter(|m| m.exiting.is_none()) else {
            return;
        };
        let told = self.story.is_some();
        let words = told.then(|| format!("manager {pid}: {event:?}"));
        let effects = manager.supervisor.step(now, event);
        let looks = [Effect::Look, Effect::LookAtFiles];
        let dull = effects.iter().all(|effect| looks.contains(effect));
        if !dull {
            self.note(|_| words.unwrap_or_default());
        }
        for effect in effects {
            if !dull {
                self.note(|_| format!("  manager {pid}: {effect:?}"));
            }
            self.perform_for_manager(pid, effect);
        }
    }

    fn perform_for_manager(&mut self, pid: Pid, effect: Effect) {
        let Some(manager) = self.managers.get_mut(&pid) else {
            return;
        };
        let (hostname, listener_id) = (
            format!("host{}", manager.machine),
            manager.listener_id.clone(),
        );
        match effect {
            Effect::StartPreloader(no) => self.start_preloader(pid, no),
            Effect::RunAfterCreatingWorkers(no) => {
                self.preloader_says(pid, no, Event::CallbackDone(no));
            }
            Effect::StopPreloader(no) => {
                let ended = Event::PreloaderEnded(no, End::Exited(0), String::new());
                self.preloader_says(pid, no, ended);
            }
            // `StopPreloader` follows.
            Effect::InterruptPreloader(_) => {}
            Effect::KillPreloader(no) => {
                let ended = Event::PreloaderEnded(no, End::Signaled(9), String::new());
                self.preloader_says(pid, no, ended);
            }
            Effect::StartWorker { slot, preloader } => self.start_worker(pid, slot, preloader),
            Effect::SignalWorker(slot, signal) => {
                let Some(worker) = manager.workers.get(&slot).copied() else {
                    return;
                };
                let event = match signal {
                    Signal::Kill => return self.kill_worker(worker),
                    Signal::Usr1 => work::Event::PreloaderLost("its manager says so".to_owned()),
                    Signal::Usr2 => work::Event::SlotWanted,
                    Signal::Term => work::Event::HandBack,
                    Signal::Quit => work::Event::ListenerLost,
                    _ => work::Event::Cancelled,
                };
                self.soon(Due::Worker(worker, event));
            }
            Effect::TellSlots(slots, ended) => {
                let ended = ended.into_iter();
                let ended = ended.map(|(worker_id, pid)| WorkerOfHost { worker_id, pid });
                let has = HostSlots {
                    hostname,
                    listener_id,
                    slots,
                    ended: ended.collect(),
                    manager_queue_name: manager.queue.clone(),
                };
                self.manager_says(pid, Reply::HostSlots(has));
            }
            Effect::Tell(line) => {
                let listener = manager.listener;
                self.soon(Due::Said(listener, job(), line));
            }
            Effect::Join(slots) => {
                manager.joined = true;
                let joined = HostJoined {
                    hostname,
                    listener_id,
                    slots,
                    manager_queue_name: manager.queue.clone(),
                    pid,
                    began_ms: u64::from(pid),
                };
                self.manager_says(pid, Reply::HostJoined(joined));
            }
            Effect::TellDeath {
                slot,
                pid: worker,
                end,
            } => {
                let died = WorkerDied {
                    hostname,
                    listener_id,
                    worker_id: slot,
                    pid: worker,
                    end,
                };
                self.manager_says(pid, Reply::WorkerDied(died));
            }
            Effect::Warn(_) => {}
            Effect::Look => self.soon(Due::LookAtReplies(pid)),
            Effect::LookAtFiles => self.soon(Due::LookForItems(pid)),
            Effect::Leave(reason, error) => self.manager_leaves(pid, reason, error),
        }
    }

    fn manager_leaves(&mut self, pid: Pid, reason: LeaveReason, error: Option<HostError>) {
        self.end_below(pid);
        let Some(manager) = self.managers.get_mut(&pid) else {
            return;
        };
        let machine = manager.machine;
        let listener_id = manager.listener_id.clone();
        if matches!(
            reason,
            LeaveReason::PreloaderFailed
                | LeaveReason::CallbackFailed
                | LeaveReason::Refused
                | LeaveReason::WorkersFailed
                | LeaveReason::Sick
        ) {
            self.truth.fails(machine);
        }
        let silent = manager.parent_gone || reason == LeaveReason::Orphaned;
        let code = if silent { MANAGER_GONE } else { exit::OK };
        manager.exiting = Some(End::Exited(i32::from(code)));
        let queue = manager.queue.clone();
        if reason == LeaveReason::Orphaned && !self.replies_are_read(machine) {
            for name in [
                names::file_queue(&job()),
                names::reply_queue(&job()),
                names::originator_queue(&job()),
                names::mark_queue(&job()),
            ] {
                self.order(pid, Order::Once(Once::Delete(name)));
            }
        } else {
            let left = HostLeft {
                hostname: format!("host{machine}"),
                listener_id,
                reason: match reason {
                    LeaveReason::Lost => LeaveReason::Stopped,
                    heard => heard,
                },
                error,
                manager_pid: pid,
                trace: Vec::new(),
            };
            self.manager_says(pid, Reply::HostLeft(left));
        }
        self.order(pid, Order::Once(Once::Delete(queue)));
        self.close_within(
            pid,
            match reason {
                LeaveReason::Lost => ABANDONED_CLOSE_LIMIT,
                _ => CLOSE_LIMIT,
            },
        );
    }

    pub(super) fn manager_says(&mut self, pid: Pid, reply: Reply) {
        let Some(manager) = self.managers.get_mut(&pid) else {
            return;
        };
        manager.tags += 1;
        let tag = manager.tags;
        manager.unconfirmed.insert(tag, reply.clone());
        self.post_replies(pid, tag, vec![reply]);
    }

    pub(super) fn post_replies(&mut self, pid: Pid, tag: u64, replies: Vec<Reply>) {
        let posted = Posted {
            tag,
            to: To::Queue(names::reply_queue(&job())),
            body: Body::Replies(replies),
        };
        self.order(pid, Order::Publish(posted));
    }

    pub(super) fn resend(&mut self, pid: Pid) {
        let Some(manager) = self.managers.get_mut(&pid).filter(|m| m.exiting.is_none()) else {
            return;
        };
        for tag in std::mem::take(&mut manager.unroutable) {
            let manager = self.managers.get(&pid);
            if let Some(reply) = manager.and_then(|m| m.unconfirmed.get(&tag).cloned()) {
                self.post_replies(pid, tag, vec![reply]);
            }
        }
    }

    fn start_preloader(&mut self, pid: Pid, no: u32) {
        let start = self.number();
        let takes = Duration::from_millis(50 + self.dice.roll(400));
        let Some(manager) = self.managers.get_mut(&pid) else {
            return;
        };
        manager.preloaders.insert(no, start);
        let raises = self.plan.hosts[manager.machine - 1].trouble == Some(Trouble::Callback);
        let event = if raises {
            let error = trouble("before_creating_workers");
            Event::PreloaderFailed(no, LeaveReason::CallbackFailed, error)
        } else {
            Event::PreloaderReady(no)
        };
        self.later(takes, Due::Preloader(pid, no, start, event));
    }

    fn preloader_says(&mut self, pid: Pid, no: u32, event: Event) {
        let start = self
            .managers
            .get(&pid)
            .and_then(|m| m.preloaders.get(&no).copied());
        if let Some(start) = start {
            let takes = Duration::from_millis(5 + self.dice.roll(100));
            self.later(takes, Due::Preloader(pid, no, start, event));
        }
    }

    pub(super) fn preloader_happens(&mut self, pid: Pid, no: u32, start: u32, event: Event) {
        let Some(manager) = self.managers.get_mut(&pid) else {
            return;
        };
        if manager.preloaders.get(&no) != Some(&start) {
            return;
        }
        if matches!(event, Event::PreloaderEnded(..)) {
            self.preloader_ends(pid, no);
        }
        self.tell_manager(pid, event);
    }

    /// A preloader has ended, and its children with it.
    fn preloader_ends(&mut self, pid: Pid, no: u32) {
        let Some(start) = self
            .managers
            .get_mut(&pid)
            .and_then(|m| m.preloaders.remove(&no))
        else {
            return;
        };
        let workers = self.workers.iter().filter(|(_, w)| w.preloader == start);
        let children: Vec<_> = workers
            .flat_map(|(pid, w)| w.children.keys().map(|no| (*pid, *no)))
            .collect();
        for (worker, child) in children {
            self.fate(worker, child, &[(1, ChildEvent::PreloaderLost)]);
        }
    }

    /// Everything below a manager is gone.
    pub(super) fn end_below(&mut self, pid: Pid) {
        let Some(manager) = self.managers.get_mut(&pid) else {
            return;
        };
        manager.preloaders.clear();
        for worker in std::mem::take(&mut manager.workers).into_values() {
            self.kill_worker(worker);
        }
    }

    pub(super) fn kill_manager(&mut self, pid: Pid) {
        if let Some(manager) = self.managers.get_mut(&pid) {
            manager.exiting = Some(killed());
            self.truth.forgets_deaths_at(self.now);
            self.process_ends(pid);
        }
    }
}

/// It outlives a connection: it expires.
fn manager_queue(queue: &str) -> Declare {
    Declare {
        queue: queue.to_owned(),
        auto_delete: false,
        bound: Some(Exchange::Control),
    }
}
