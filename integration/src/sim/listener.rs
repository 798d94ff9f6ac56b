//! A listener: the real host and host job, with a workspace, and a manager, that are invented or real.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use gorgon_listener::host::{self, Host};
use gorgon_listener::host_job;
use gorgon_process::child::End;
use gorgon_process::signals::Signal;
use gorgon_proto::job::{JobId, ListenerId};
use gorgon_proto::local::ListenerLine;
use gorgon_proto::message::{
    Announce, Answer, HostAnswered, HostError, HostLeft, LeaveReason, Reply,
};
use gorgon_proto::names;

use super::broker::{Body, Declare, Exchange, To};
use super::originator::job;
use super::plan::Trouble;
use super::session::{Heard, Once, Order, Posted, Session};
use super::sharing::{Other, other_job};
use super::{Due, Pid, World};

/// The last words of its session.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);
/// How many deliveries it holds at most.
const PREFETCH: usize = 16;

/// One for an offer, and two that follow managers that died.
const MOST_MANAGERS: u32 = 3;

/// A listener.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) host: Host,
    pub(super) machine: usize,
    pub(super) id: ListenerId,
    hostname: String,
    slots: u32,
    definitions: BTreeSet<JobId>,
    /// Answers under way, by tag.
    answers: BTreeMap<u64, JobId>,
    tags: u64,
    soon: VecDeque<(JobId, host_job::Event)>,
    /// The manager of our job.
    pub(super) manager: Option<Pid>,
    /// So many were started for the offer that is served.
    managers: u32,
    pub(super) last_manager: Option<Pid>,
    pub(super) other: Other,
    /// It has said its last word.
    exiting: bool,
}

impl Listener {
    pub(super) fn is_idle(&self) -> bool {
        self.host.jobs().is_empty() && !self.exiting
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.host.deadline().filter(|_| !self.exiting)
    }

    pub(super) fn takes_jobs(&self) -> bool {
        !self.exiting
    }

    fn queue(&self) -> String {
        names::listener_queue(&self.hostname, &self.id)
    }

    fn control_queue(&self, job: &JobId) -> String {
        names::manager_queue(job, &format!("listener-{}", self.id))
    }
}

pub(super) fn trouble(what: &str) -> HostError {
    HostError {
        what: what.to_owned(),
        message: String::new(),
        command: String::new(),
        output: String::new(),
    }
}

impl World {
    /// A listener starts on a machine, unless one runs there.
    pub(super) fn start_listener(&mut self, machine: usize) {
        if self.originator.ended.is_some() || self.listeners.values().any(|l| l.machine == machine)
        {
            return;
        }
        let pid = self.number();
        let hostname = format!("host{machine}");
        let id = ListenerId(format!("L{pid}"));
        let plan = self.plan.hosts[machine - 1].clone();
        self.note(|_| format!("listener {pid} starts on {hostname}"));
        let listener = Listener {
            host: Host::new(self.plan.local, plan.slots),
            machine,
            id,
            hostname,
            slots: plan.slots,
            definitions: BTreeSet::new(),
            answers: BTreeMap::new(),
            tags: 0,
            soon: VecDeque::new(),
            manager: None,
            managers: 0,
            last_manager: None,
            other: Other::default(),
            exiting: false,
        };
        let mut session = Session::new(machine, self.now, None);
        let queue = listener.queue();
        session.declare.push(listener_queue(&queue));
        session.consume.insert(queue, PREFETCH);
        self.listeners.insert(pid, listener);
        self.open(pid, session);
        let first = !std::mem::replace(&mut self.machines[machine].had_listener, true);
        if first && let Some((comes_after, runs_for)) = plan.other {
            self.later(comes_after, Due::Other(pid, runs_for));
        }
    }

    pub(super) fn listener_heard(&mut self, pid: Pid, heard: Heard) {
        match heard {
            Heard::Up => self.announce(pid),
            Heard::Delivery(id, delivery) => {
                self.order(pid, Order::Ack(id, delivery.number));
                match delivery.body {
                    Body::Offer(job) => self.offered(pid, job),
                    Body::Cancel => self.tell_host(pid, host::Event::Cancelled(job())),
                    Body::Items(_)
                    | Body::Mark
                    | Body::Replies(_)
                    | Body::Announce(_)
                    | Body::Leave
                    | Body::LeaveSlot(_)
                    | Body::Over
                    | Body::ItemWaits => {}
                }
            }
            Heard::Confirmed(tag) | Heard::Acked(tag) => {
                if let Some(listener) = self.listeners.get_mut(&pid) {
                    listener.answers.remove(&tag);
                }
            }
            Heard::Unroutable(tag) => {
                let listener = self.listeners.get_mut(&pid);
                if let Some(job) = listener.and_then(|l| l.answers.remove(&tag)) {
                    self.tell_host(pid, host::Event::Abandoned(job));
                }
            }
            Heard::ConsumerEnded { queue, .. } => self.consume_again(pid, &queue),
            Heard::Down { .. } | Heard::Drained | Heard::GaveUp => {}
        }
    }

    fn consume_again(&mut self, pid: Pid, queue: &str) {
        let Some(listener) = self.listeners.get(&pid) else {
            return;
        };
        if queue == listener.queue() {
            self.order(pid, Order::Declare(listener_queue(queue)));
            self.order(pid, Order::Consume(queue.to_owned(), PREFETCH));
            return self.announce(pid);
        }
        let of = |job: &JobId| listener.control_queue(job) == queue;
        if let Some(job) = listener.host.jobs().into_iter().find(of) {
            self.listen_for_cancel(pid, &job);
        }
    }

    fn listen_for_cancel(&mut self, pid: Pid, of: &JobId) {
        let Some(listener) = self.listeners.get(&pid) else {
            return;
        };
        let queue = listener.control_queue(of);
        let declare = Declare {
            queue: queue.clone(),
            auto_delete: true,
            bound: (*of == job()).then_some(Exchange::Control),
        };
        self.order(pid, Order::Declare(declare));
        self.order(pid, Order::Consume(queue, PREFETCH));
    }

    fn announce(&mut self, pid: Pid) {
        let Some(listener) = self.listeners.get(&pid) else {
            return;
        };
        let announce = Announce {
            listener_queue_name: listener.queue(),
            hostname: listener.hostname.clone(),
            listener_id: listener.id.clone(),
        };
        self.say(
            pid,
            To::Exchange(Exchange::Originators),
            Body::Announce(announce),
        );
    }

    fn say(&mut self, pid: Pid, to: To, body: Body) -> u64 {
        let Some(listener) = self.listeners.get_mut(&pid) else {
            return 0;
        };
        listener.tags += 1;
        let tag = listener.tags;
        self.order(pid, Order::Publish(Posted { tag, to, body }));
        tag
    }

    fn reply(&mut self, pid: Pid, reply: Reply) -> u64 {
        let to = To::Queue(names::reply_queue(&job()));
        self.say(pid, to, Body::Replies(vec![reply]))
    }

    fn offered(&mut self, pid: Pid, job: JobId) {
        let Some(listener) = self.listeners.get_mut(&pid) else {
            return;
        };
        if self.plan.hosts[listener.machine - 1].trouble == Some(Trouble::Refuses) {
            let answered = answered(listener, Answer::Refused, "another version".to_owned());
            self.truth.fails(listener.machine);
            self.reply(pid, answered);
            return;
        }
        if listener.definitions.insert(job.clone()) {
            self.listen_for_cancel(pid, &job);
        }
        let most = u32::try_from(self.plan.natures.len()).unwrap_or(u32::MAX);
        self.tell_host(pid, host::Event::Offered { job, most });
    }

    pub(super) fn job_happens(&mut self, pid: Pid, of: &JobId, event: host_job::Event) {
        if *of == other_job() && matches!(event, host_job::Event::ManagerEnded(..)) {
            self.other_ended(pid);
        }
        self.tell_host(pid, host::Event::Job(of.clone(), event));
    }

    pub(super) fn tell_host(&mut self, pid: Pid, event: host::Event) {
        let mut event = Some(event);
        while let Some(one) = event {
            let now = self.now;
            let Some(listener) = self.listeners.get_mut(&pid).filter(|l| !l.exiting) else {
                return;
            };
            let told = self.story.is_some();
            let words = told.then(|| format!("listener {pid}: {one:?}"));
            let effects = listener.host.step(now, one);
            self.note(|_| words.unwrap_or_default());
            for effect in effects {
                self.note(|_| format!("  listener {pid}: {effect:?}"));
                self.perform_for_host(pid, effect);
            }
            let listener = self.listeners.get_mut(&pid);
            let soon = listener.and_then(|listener| listener.soon.pop_front());
            event = soon.map(|(of, event)| host::Event::Job(of, event));
        }
    }

    fn perform_for_host(&mut self, pid: Pid, effect: host::Effect) {
        match effect {
            host::Effect::Answer(of, answer, reason) => self.answer_offer(pid, of, answer, reason),
            host::Effect::Drop(of, told) => {
                if let Some(reason) = told {
                    self.host_leaves(pid, &of, reason, None);
                }
                self.forget(pid, &of);
            }
            host::Effect::Job(of, effect) => self.perform_for_job(pid, &of, effect),
            host::Effect::Grant(of, slot) => {
                self.tell_of_slots(pid, &of, ListenerLine::Grant { slot });
            }
            host::Effect::Recall(of, slot) => {
                self.tell_of_slots(pid, &of, ListenerLine::Recall { slot });
            }
            host::Effect::Exit => {
                if let Some(listener) = self.listeners.get_mut(&pid) {
                    listener.exiting = true;
                }
                self.close_within(pid, CLOSE_LIMIT);
            }
        }
    }

    fn answer_offer(&mut self, pid: Pid, of: JobId, answer: Answer, reason: String) {
        let Some(listener) = self.listeners.get_mut(&pid).filter(|_| of == job()) else {
            return;
        };
        let answered = answered(listener, answer, reason);
        let tag = self.reply(pid, answered);
        match answer {
            Answer::Accepted | Answer::Busy => {
                if let Some(listener) = self.listeners.get_mut(&pid) {
                    listener.answers.insert(tag, of);
                }
            }
            Answer::Refused => self.forget(pid, &of),
        }
    }

    pub(super) fn forget(&mut self, pid: Pid, of: &JobId) {
        let Some(listener) = self.listeners.get_mut(&pid) else {
            return;
        };
        if listener.host.jobs().contains(of) {
            return;
        }
        listener.definitions.remove(of);
        listener.answers.retain(|_, answered| answered != of);
        let queue = listener.control_queue(of);
        self.order(pid, Order::Once(Once::Delete(queue)));
    }

    fn host_leaves(&mut self, pid: Pid, of: &JobId, reason: LeaveReason, error: Option<HostError>) {
        let Some(listener) = self.listeners.get(&pid).filter(|_| *of == job()) else {
            return;
        };
        if reason == LeaveReason::WorkersFailed {
            self.truth.failed.insert(listener.machine);
        }
        let left = HostLeft {
            hostname: listener.hostname.clone(),
            listener_id: listener.id.clone(),
            reason,
            error,
            manager_pid: 0,
            trace: Vec::new(),
        };
        self.reply(pid, Reply::HostLeft(left));
    }

    fn perform_for_job(&mut self, pid: Pid, of: &JobId, effect: host_job::Effect) {
        if *of != job() {
            return self.perform_for_other(pid, of, &effect);
        }
        let Some(listener) = self.listeners.get_mut(&pid) else {
            return;
        };
        let machine = listener.machine;
        match effect {
            host_job::Effect::Prepare => {
                listener.managers = 0;
                let event = if self.plan.hosts[machine - 1].trouble == Some(Trouble::Sync) {
                    self.truth.fails(machine);
                    host_job::Event::PreparationFailed(LeaveReason::SyncFailed, trouble("rsync"))
                } else {
                    host_job::Event::Prepared
                };
                let takes = Duration::from_millis(50 + self.dice.roll(800));
                self.later(takes, Due::Host(pid, of.clone(), event));
            }
            host_job::Effect::EndPreparation => {
                let event = host_job::Event::PreparationFailed(
                    LeaveReason::SyncFailed,
                    trouble("given up"),
                );
                self.soon(Due::Host(pid, of.clone(), event));
            }
            host_job::Effect::StartManager => {
                self.truth.managers += 1;
                listener.managers += 1;
                if listener.managers > MOST_MANAGERS {
                    let what = format!("listener {pid} starts a manager too often for an offer");
                    self.truth.wrong(what);
                }
                self.start_manager(pid);
            }
            host_job::Effect::SignalManager(Signal::Kill) => {
                if let Some(manager) = listener.manager {
                    self.kill_manager(manager);
                }
            }
            host_job::Effect::SignalManager(signal) => {
                if let Some(manager) = listener.manager {
                    self.signal_manager(manager, signal);
                }
            }
            host_job::Effect::CloseManagerInput => {
                if let Some(manager) = listener.manager {
                    self.soon(Due::ParentGone(manager));
                }
            }
            host_job::Effect::DeleteManagerQueue => {
                if let Some(manager) = listener.last_manager.take() {
                    let queue = names::queue_of_manager(of, &listener.id, manager);
                    self.order(pid, Order::Once(Once::Delete(queue)));
                }
            }
            host_job::Effect::Leave(reason, error) => self.host_leaves(pid, of, reason, error),
            host_job::Effect::Clean => {
                let takes = Duration::from_millis(5 + self.dice.roll(200));
                self.later(takes, Due::Host(pid, of.clone(), host_job::Event::Cleaned));
            }
            host_job::Effect::Finish => self.forget(pid, of),
        }
    }

    /// A manager is gone, and all below it.
    pub(super) fn manager_ended(&mut self, pid: Pid, manager: Pid, end: End) {
        let Some(listener) = self.listeners.get_mut(&pid) else {
            return;
        };
        if listener.manager == Some(manager) {
            listener.manager = None;
            let ended = host_job::Event::ManagerEnded(end, String::new());
            self.soon(Due::Host(pid, job(), ended));
        }
    }
}

fn answered(listener: &Listener, answer: Answer, reason: String) -> Reply {
    Reply::HostAnswered(HostAnswered {
        hostname: listener.hostname.clone(),
        listener_id: listener.id.clone(),
        slots: listener.slots,
        answer,
        reason,
    })
}

/// It goes with its consumer.
fn listener_queue(queue: &str) -> Declare {
    Declare {
        queue: queue.to_owned(),
        auto_delete: true,
        bound: Some(Exchange::Jobs),
    }
}
