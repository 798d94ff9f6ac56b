//! A worker: the real core, with Ruby children that are invented.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gorgon_process::child::End;
use gorgon_process::exit;
use gorgon_proto::item::ItemId;
use gorgon_proto::job::{Framework, Isolation};
use gorgon_proto::local::{Began, WORKER_CALLBACK_FAILED, WORKER_PRELOADER_LOST, WorkerLine};
use gorgon_proto::message::Reply;
use gorgon_proto::names;
use gorgon_worker::children::ChildNo;
use gorgon_worker::event::{Delivered, Effect, Event, Exit, Settings};
use gorgon_worker::identity::Identity;
use gorgon_worker::idle::Idleness;
use gorgon_worker::work::Work;
use gorgon_worker_manager::event as supervise;

use super::broker::{Body, ConnectionId};
use super::child::Child;
use super::originator::{CALLBACK_LIMIT, job};
use super::session::{Heard, Order, Session};
use super::{Due, Pid, World, killed};

/// Without a broker for so long it ends.
const BROKER_LIMIT: Duration = Duration::from_secs(120);
/// The last words of its session.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Items, each with its attempt.
type Runs = Vec<(ItemId, u32)>;

/// A worker.
#[derive(Debug)]
pub(super) struct Worker {
    work: Work,
    pub(super) manager: Pid,
    pub(super) listener: Pid,
    pub(super) machine: usize,
    pub(super) slot: u32,
    /// The number of the start of its preloader.
    pub(super) preloader: u32,
    pub(super) children: BTreeMap<ChildNo, Child>,
    /// What it runs, and what it waits to acknowledge.
    pub(super) holds: Runs,
    up: bool,
    idle: Idleness,
    /// Deliveries of this connection, by the core's number; with the items that it may run.
    tokens: BTreeMap<u64, (ConnectionId, u64, Runs)>,
    deliveries: u64,
    unconfirmed: BTreeMap<u64, Vec<Reply>>,
    /// Deliveries that a confirm acknowledges, by its tag.
    acking: BTreeMap<u64, u64>,
    /// The start of what it runs, which its manager learns at its death.
    pub(super) noted: Option<Began>,
    /// How it ends, once it has said its last word.
    pub(super) exiting: Option<End>,
}

impl Worker {
    fn is_confirmed(&mut self, tag: u64) {
        for reply in self.unconfirmed.remove(&tag).into_iter().flatten() {
            if let Reply::Finish(finish) = reply {
                let ended = (finish.item, finish.attempt);
                self.holds.retain(|held| *held != ended);
            }
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = self.work.deadline().into_iter().chain(self.idle.deadline());
        due.min().filter(|_| self.exiting.is_none())
    }
}

impl World {
    pub(super) fn start_worker(&mut self, manager: Pid, slot: u32, preloader: u32) {
        let Some(parent) = self.managers.get(&manager) else {
            return;
        };
        let (machine, listener) = (parent.machine, parent.listener);
        let (listener_id, was_down) = (parent.listener_id.clone(), parent.was_down());
        let Some(start) = parent.preloaders.get(&preloader).copied() else {
            let end = End::Exited(i32::from(WORKER_PRELOADER_LOST));
            return self.soon(Due::Manager(
                manager,
                supervise::Event::WorkerEnded(slot, end),
            ));
        };
        let pid = self.number();
        let twin = self
            .workers
            .values()
            .any(|w| w.listener == listener && w.slot == slot);
        if twin {
            self.truth
                .wrong(format!("two workers in slot {slot} of listener {listener}"));
        }
        self.takes_slot(listener, slot);
        let settings = Settings {
            me: Identity {
                hostname: format!("host{machine}"),
                listener_id,
                worker_id: slot,
                pid,
                manager_pid: manager,
                test_env_number: slot,
            },
            isolation: Isolation::Worker,
            file_limit: self.plan.file_limit,
            callback_limit: CALLBACK_LIMIT,
            callbacks: self.plan.callbacks,
            frameworks: vec![Framework::Rspec],
            queue_may_be_late: was_down,
            idle_limit: None,
            holds_back: true,
        };
        self.note(|_| format!("worker {pid} starts in slot {slot} of manager {manager}"));
        let mut idle = Idleness::default();
        idle.note(self.now, true);
        let (work, first) = Work::open(settings, self.now);
        let worker = Worker {
            work,
            manager,
            listener,
            machine,
            slot,
            preloader: start,
            children: BTreeMap::new(),
            holds: Vec::new(),
            up: true,
            idle,
            tokens: BTreeMap::new(),
            deliveries: 0,
            unconfirmed: BTreeMap::new(),
            acking: BTreeMap::new(),
            noted: None,
            exiting: None,
        };
        self.workers.insert(pid, worker);
        if let Some(parent) = self.managers.get_mut(&manager) {
            parent.workers.insert(slot, pid);
        }
        self.tell_manager(manager, supervise::Event::WorkerStarted(slot, pid));
        let session = Session::new(machine, self.now, Some(BROKER_LIMIT));
        self.open(pid, session);
        for effect in first {
            self.perform_for_worker(pid, effect);
        }
    }

    pub(super) fn worker_heard(&mut self, pid: Pid, heard: Heard) {
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        let event = match heard {
            Heard::Up => {
                if std::mem::replace(&mut worker.up, true) {
                    return;
                }
                Event::BrokerUp
            }
            Heard::Down { answered } => {
                worker.up = false;
                worker.tokens.clear();
                Event::BrokerDown { answered }
            }
            Heard::Delivery(id, delivery) => {
                let Body::Items(items) = delivery.body else {
                    return;
                };
                worker.deliveries += 1;
                // What comes back is never run: it is told, and what runs of it is the ledger's to weigh.
                let runs = items.iter().filter(|_| !delivery.redelivered);
                let runs = runs.map(|item| (item.item, item.attempt)).collect();
                let token = (id, delivery.number, runs);
                worker.tokens.insert(worker.deliveries, token);
                Event::Delivered(Delivered {
                    delivery: worker.deliveries,
                    items,
                    redelivered: delivery.redelivered,
                })
            }
            Heard::Confirmed(tag) => {
                worker.is_confirmed(tag);
                Event::Confirmed(tag)
            }
            Heard::Acked(tag) => {
                worker.is_confirmed(tag);
                if let Some(delivery) = worker.acking.remove(&tag) {
                    worker.tokens.remove(&delivery);
                }
                Event::Acked(tag)
            }
            Heard::Unroutable(tag) => Event::Unroutable(tag),
            Heard::ConsumerEnded { missing, .. } => Event::ConsumerEnded { missing },
            Heard::Drained => Event::Drained,
            Heard::GaveUp => Event::BrokerGaveUp("away".to_owned()),
        };
        self.tell_worker(pid, event);
    }

    pub(super) fn tell_worker(&mut self, pid: Pid, event: Event) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&pid).filter(|w| w.exiting.is_none()) else {
            return;
        };
        let told = self.story.is_some();
        let words = told.then(|| format!("worker {pid}: {event:?}"));
        let effects = worker.work.step(now, event);
        self.note(|_| words.unwrap_or_default());
        for effect in effects {
            self.note(|_| format!("  worker {pid}: {effect:?}"));
            self.perform_for_worker(pid, effect);
        }
        if let Some(worker) = self.workers.get_mut(&pid) {
            worker.idle.note(now, worker.work.is_idle());
        }
    }

    /// A deadline of a worker has come: of its core, or it has waited for an item for a while.
    pub(super) fn worker_deadline(&mut self, pid: Pid) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        let (manager, slot) = (worker.manager, worker.slot);
        if worker.idle.take_due(now) {
            let said = supervise::Event::WorkerSaid(slot, WorkerLine::Idle);
            return self.soon(Due::Manager(manager, said));
        }
        self.tell_worker(pid, Event::DeadlinePassed);
    }

    fn perform_for_worker(&mut self, pid: Pid, effect: Effect) {
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        let files = || names::file_queue(&job());
        match effect {
            Effect::Publish(tag, replies) => self.worker_says(pid, tag, replies),
            Effect::Note(began) => self.worker_notes(pid, began.map(|began| *began)),
            // No suite has hooks here.
            Effect::NoteEnd(_) => {}
            Effect::PublishThenAck(tag, replies, delivery) => {
                worker.acking.insert(tag, delivery);
                let token = worker
                    .tokens
                    .get(&delivery)
                    .map(|(id, number, _)| (*id, *number));
                if let (Some(token), Some(session)) = (token, self.sessions.get_mut(&pid)) {
                    session.then_ack.insert(tag, token);
                }
                self.worker_says(pid, tag, replies);
            }
            Effect::Resend(tag) => {
                if let Some(replies) = worker.unconfirmed.get(&tag).cloned() {
                    self.post_replies(pid, tag, replies);
                }
            }
            Effect::Ack(delivery) => {
                worker.holds.clear();
                if let Some((id, number, of)) = worker.tokens.remove(&delivery) {
                    // Not of another: what came beside it after a reconnect is handed back meanwhile.
                    let mut waiting = worker.unconfirmed.values().flatten();
                    let of_it = |reply: &Reply| matches!(reply, Reply::Finish(f) if of.contains(&(f.item, f.attempt)));
                    if waiting.any(of_it) {
                        let what = "acknowledges before its finish is confirmed";
                        self.truth.wrong(format!("worker {pid} {what}"));
                    }
                    self.order(pid, Order::Ack(id, number));
                }
            }
            Effect::Consume => self.order(pid, Order::Consume(files(), 1)),
            Effect::StopConsuming => self.order(pid, Order::StopConsuming(files())),
            Effect::Fork(no, _, purpose) => self.fork(pid, no, purpose),
            Effect::Run(no, item, _, then) => self.run_items(pid, no, &item, then),
            Effect::Look(no) => self.soon(Due::Look(pid, no)),
            Effect::Finish(no, _) => self.finish_child(pid, no),
            Effect::Signal(no, signal) => self.signal_child(pid, no, signal),
            Effect::Exit(exit) => self.worker_exits(pid, exit),
        }
    }

    fn worker_says(&mut self, pid: Pid, tag: u64, replies: Vec<Reply>) {
        if let Some(worker) = self.workers.get_mut(&pid) {
            worker.unconfirmed.insert(tag, replies.clone());
        }
        for reply in &replies {
            self.truth.hears_worker(reply);
        }
        self.post_replies(pid, tag, replies);
    }

    /// What it runs now is written down, where its manager finds it.
    fn worker_notes(&mut self, pid: Pid, began: Option<Began>) {
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        worker.noted = began.clone();
        let Some(Began { start, in_bundle }) = began else {
            return;
        };
        let first = (start.item, start.attempt);
        let bundle = worker
            .tokens
            .values()
            .find(|(_, _, runs)| runs.contains(&first));
        worker.holds = bundle.map_or_else(|| vec![first], |(_, _, runs)| runs.clone());
        let (manager, slot) = (worker.manager, worker.slot);
        if worker.idle.runs() {
            let item = start.item;
            let line = WorkerLine::Item { item, in_bundle };
            let said = supervise::Event::WorkerSaid(slot, line);
            self.soon(Due::Manager(manager, said));
        }
    }

    fn worker_exits(&mut self, pid: Pid, exit: Exit) {
        let code = match exit {
            Exit::Over | Exit::HandedBack | Exit::ListenerLost | Exit::SlotGiven => exit::OK,
            Exit::Cancelled => exit::CANCELLED,
            Exit::CallbackFailed(_) | Exit::Refused(_) => WORKER_CALLBACK_FAILED,
            Exit::PreloaderLost(_) => WORKER_PRELOADER_LOST,
            Exit::BrokerGone(_) => exit::ERROR,
        };
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        worker.exiting = Some(End::Exited(i32::from(code)));
        let Some(worker) = self.workers.get(&pid) else {
            return;
        };
        if let Exit::CallbackFailed(error) = exit {
            let (manager, slot) = (worker.manager, worker.slot);
            let line = WorkerLine::Failed { error };
            self.soon(Due::Manager(
                manager,
                supervise::Event::WorkerSaid(slot, line),
            ));
        }
        self.close_within(pid, CLOSE_LIMIT);
    }

    pub(super) fn kill_worker(&mut self, pid: Pid) {
        if let Some(worker) = self.workers.get_mut(&pid) {
            worker.exiting = Some(killed());
            self.process_ends(pid);
        }
    }
}
