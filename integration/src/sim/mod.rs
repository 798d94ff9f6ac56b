//! A whole job in one thread and in virtual time, history after history, each decided by its seed.
//!
//! What is real: the ledger, the hosts and host jobs of listeners, the supervisors of managers, the
//! cores of workers. Nothing tells them that this is not the world. What is invented: the broker and
//! the sessions with it, the network, the processes, and Ruby. All of it dies, is cut off, is late,
//! forgets, and says things twice; after each history `judge` looks at what must be true of every one.

mod again;
mod broker;
mod child;
mod faults;
mod judge;
mod listener;
mod looks;
mod manager;
mod originator;
mod plan;
mod processes;
mod session;
mod sharing;
mod split;
mod truth;
mod wire;
mod worker;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gorgon_listener::host_job;
use gorgon_originator::ledger;
use gorgon_process::child::End;
use gorgon_proto::job::JobId;
use gorgon_proto::local::ManagerLine;
use gorgon_ruby::ChildEvent;
use gorgon_worker::children::ChildNo;
use gorgon_worker::event as work;
use gorgon_worker_manager::event as supervise;

use crate::soak::dice::Dice;
use broker::{Broker, ConnectionId};
use faults::Machine;
use listener::Listener;
use manager::Manager;
use originator::Originator;
use plan::{Fault, Plan};
use session::{Answer, Frame, Session};
use truth::Truth;
use wire::Link;
use worker::Worker;

/// Names a process; none is used twice.
type Pid = u32;
/// The originator.
const ORIGINATOR: Pid = 1;
/// The longest history. What is not over by then never will be.
const LONGEST: Duration = Duration::from_secs(1_800);
/// Once a job is over, everybody has gone by then, whatever has happened.
const GONE_WITHIN: Duration = Duration::from_secs(300);
/// When a queue without a consumer, which a restart of the broker has left, is removed.
const EXPIRES: Duration = Duration::from_secs(60);

/// What is wrong with a history.
#[derive(Debug)]
pub struct Wrong {
    /// Its seed.
    pub seed: u64,
    /// Which property does not hold.
    pub what: String,
    /// What happened, line by line.
    pub story: Vec<String>,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const TAIL: usize = 2_000;
        let skipped = self.story.len().saturating_sub(TAIL);
        for line in &self.story[skipped..] {
            writeln!(f, "{line}")?;
        }
        write!(f, "seed {}: {}", self.seed, self.what)
    }
}

/// Runs the history of a seed, and tells what is wrong with it.
///
/// # Errors
/// The first property that does not hold, with the story.
pub fn check(seed: u64) -> Result<(), Box<Wrong>> {
    if judge::wrong(&World::run(seed, false)).is_none() {
        return Ok(());
    }
    // The same once more, to tell it.
    let world = World::run(seed, true);
    let what = judge::wrong(&world).unwrap_or_else(|| "it differs when it is told".to_owned());
    Err(Box::new(Wrong {
        seed,
        what,
        story: world.story.unwrap_or_default(),
    }))
}

/// What will happen.
#[derive(Debug)]
enum Due {
    ToBroker(ConnectionId, Frame),
    ToClient(ConnectionId, Answer),
    ClientLoses(ConnectionId),
    BrokerLoses(ConnectionId),
    Connect(Pid),
    /// What waits for another event has waited long enough.
    Late(Pid),
    /// A process that closes its session waits no longer.
    Close(Pid),
    Ledger(ledger::Event),
    LookAtHosts(Vec<(gorgon_proto::job::ListenerId, String)>),
    LookAtFiles {
        back: bool,
        tries: u32,
    },
    LookAtReplies(Pid),
    LookForItems(Pid),
    Said(Pid, JobId, ManagerLine),
    Other(Pid, Duration),
    Host(Pid, JobId, host_job::Event),
    Stop(Pid),
    ParentGone(Pid),
    Manager(Pid, supervise::Event),
    Preloader(Pid, u32, u32, supervise::Event),
    Resend(Pid),
    Worker(Pid, work::Event),
    Child(Pid, ChildNo, u32, ChildEvent),
    /// A worker reads what a child holds back.
    Look(Pid, ChildNo),
    Listener(usize),
    Fault(Fault),
    Cancel,
    BrokerStarts,
    Expire,
    EndLocal,
}

/// One history.
#[derive(Debug)]
struct World {
    plan: Plan,
    dice: Dice,
    begun: Instant,
    now: Instant,
    sequence: u64,
    numbers: u32,
    agenda: BTreeMap<(Instant, u64), Due>,
    broker: Broker,
    links: BTreeMap<ConnectionId, Link>,
    sessions: BTreeMap<Pid, Session>,
    originator: Originator,
    machines: Vec<Machine>,
    listeners: BTreeMap<Pid, Listener>,
    managers: BTreeMap<Pid, Manager>,
    workers: BTreeMap<Pid, Worker>,
    truth: Truth,
    story: Option<Vec<String>>,
}

impl World {
    fn run(seed: u64, told: bool) -> Self {
        let mut dice = Dice::new(seed);
        let mut plan = Plan::draw(&mut dice);
        plan.sicken(seed);
        split::shrink(&mut plan, seed);
        let work = split::work(&plan, seed);
        split::rely(&mut plan, &work, seed);
        split::follow(&mut plan, seed);
        split::bundle(&mut plan, &work, seed);
        plan.spoil(&work, seed);
        let now = Instant::now();
        let mut world = Self {
            originator: Originator::new(&plan, work),
            machines: Machine::all(&plan, now),
            dice,
            begun: now,
            now,
            sequence: 0,
            numbers: 100,
            agenda: BTreeMap::new(),
            broker: Broker::start(),
            links: BTreeMap::new(),
            sessions: BTreeMap::new(),
            listeners: BTreeMap::new(),
            managers: BTreeMap::new(),
            workers: BTreeMap::new(),
            truth: Truth::default(),
            story: told.then(Vec::new),
            plan,
        };
        world.truth.sick = world.plan.has_sick_slot();
        world.note(|world| format!("{:?}", world.plan));
        world.start_originator();
        for (machine, host) in world.plan.hosts.clone().iter().enumerate() {
            world.later(host.comes_at, Due::Listener(machine + 1));
        }
        if !world.plan.times_small {
            world.schedule_faults();
        }
        let limit = now + LONGEST;
        while world.now < limit && !world.is_over() {
            world.next();
            world.watch_sharing();
        }
        world
    }

    /// Puts the faults and cancels of the plan on the agenda, counted from now.
    fn schedule_faults(&mut self) {
        for (at, fault) in self.plan.faults.clone() {
            self.later(at, Due::Fault(fault));
        }
        for at in self.plan.cancels.clone() {
            self.later(at, Due::Cancel);
        }
    }

    /// Everybody has gone; or it is time that they had.
    fn is_over(&self) -> bool {
        let Some((_, ended_at)) = self.originator.ended else {
            return false;
        };
        self.nobody_is_left() || self.now > ended_at + GONE_WITHIN
    }

    fn nobody_is_left(&self) -> bool {
        self.workers.is_empty()
            && self.managers.is_empty()
            && !self.sessions.contains_key(&ORIGINATOR)
            && self.listeners.values().all(Listener::is_idle)
            && self.broker.up
            && (self.plan.local || self.queues_of_the_job().is_empty())
    }

    fn elapsed(&self) -> Duration {
        self.now - self.begun
    }

    fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    fn at(&mut self, at: Instant, due: Due) {
        self.sequence += 1;
        self.agenda.insert((at, self.sequence), due);
    }

    fn later(&mut self, after: Duration, due: Due) {
        self.at(self.now + after, due);
    }

    fn soon(&mut self, due: Due) {
        self.later(Duration::from_millis(1), due);
    }

    /// Adds a line to the story, if it is told.
    fn note(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.story.is_some() {
            let line = format!("{:9.3} {}", self.elapsed().as_secs_f64(), line(self));
            if let Some(story) = &mut self.story {
                story.push(line);
            }
        }
    }

    /// The next thing happens: a deadline of a core, or what is due.
    fn next(&mut self) {
        let due = self.agenda.keys().next().map(|(at, _)| *at);
        let core = self.next_deadline();
        let Some(first) = [due, core.map(|(at, _)| at)].into_iter().flatten().min() else {
            self.now += LONGEST;
            return;
        };
        self.now = self.now.max(first);
        if due == Some(first) {
            if let Some((_, due)) = self.agenda.pop_first() {
                self.happen(due);
            }
        } else if let Some((_, pid)) = core {
            self.deadline_of(pid);
        }
    }

    /// Returns the first deadline of a core, and whose it is.
    fn next_deadline(&self) -> Option<(Instant, Pid)> {
        let ledger = self.originator.deadline().map(|at| (at, ORIGINATOR));
        let listeners = self.listeners.iter();
        let listeners = listeners.filter_map(|(pid, l)| Some((l.deadline()?, *pid)));
        let managers = self.managers.iter();
        let managers = managers.filter_map(|(pid, m)| Some((m.deadline()?, *pid)));
        let workers = self.workers.iter();
        let workers = workers.filter_map(|(pid, w)| Some((w.deadline()?, *pid)));
        ledger
            .into_iter()
            .chain(listeners)
            .chain(managers)
            .chain(workers)
            .min()
    }

    fn deadline_of(&mut self, pid: Pid) {
        if pid == ORIGINATOR {
            self.tell_ledger(ledger::Event::DeadlinePassed);
        } else if self.listeners.contains_key(&pid) {
            self.tell_host(pid, gorgon_listener::host::Event::DeadlinePassed);
        } else if self.managers.contains_key(&pid) {
            self.tell_manager(pid, supervise::Event::DeadlinePassed);
        } else {
            self.worker_deadline(pid);
        }
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::ToBroker(id, frame) => self.at_broker(id, frame),
            Due::ToClient(id, answer) => self.at_client(id, answer),
            Due::ClientLoses(id) => self.client_loses(id),
            Due::BrokerLoses(id) => self.broker_loses(id),
            Due::Connect(pid) => self.connect(pid),
            Due::Late(pid) => self.heard_late(pid),
            Due::Close(pid) => self.process_ends(pid),
            Due::Ledger(event) => self.tell_ledger(event),
            Due::LookAtHosts(hosts) => self.look_at_hosts(hosts),
            Due::LookAtFiles { back, tries } => self.look_at_files(back, tries),
            Due::LookAtReplies(pid) => self.look_at_replies(pid),
            Due::LookForItems(pid) => self.look_for_items(pid),
            Due::Said(pid, job, line) => self.manager_said(pid, job, line),
            Due::Other(pid, runs_for) => self.begin_other(pid, runs_for),
            Due::Host(pid, job, event) => self.job_happens(pid, &job, event),
            Due::Stop(pid) => self.tell_host(pid, gorgon_listener::host::Event::Stopped),
            Due::ParentGone(pid) => self.parent_gone(pid),
            Due::Manager(pid, event) => self.tell_manager(pid, event),
            Due::Preloader(pid, no, start, event) => self.preloader_happens(pid, no, start, event),
            Due::Resend(pid) => self.resend(pid),
            Due::Worker(pid, event) => self.tell_worker(pid, event),
            Due::Child(pid, no, fate, event) => self.child_says(pid, no, fate, event),
            Due::Look(pid, no) => self.look_at_child(pid, no),
            Due::Listener(machine) => self.start_listener(machine),
            Due::Fault(fault) => self.fault(fault),
            Due::Cancel => self.cancel(),
            Due::BrokerStarts => {
                self.note(|_| "the broker is there again".to_owned());
                self.broker.up = true;
                self.later(EXPIRES, Due::Expire);
            }
            Due::Expire => self.broker.expire_unused(),
            Due::EndLocal => self.end_local(),
        }
    }
}

/// How a killed process ends.
fn killed() -> End {
    End::Signaled(9)
}
