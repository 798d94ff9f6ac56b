//! The world of the simulation: time, chance, what is under way, and who performs the cores'
//! effects.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gorgon_originator::ledger::{self, Ending, Happening, Ledger, Rules};
use gorgon_process::child::End;
use gorgon_process::signals::Signal;
use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{HostJoined, HostLeft, Reply, WorkerDied};
use gorgon_proto::outcome::Verdict;
use gorgon_ruby::{ChildEvent, Purpose};
use gorgon_worker::children::ChildNo;
use gorgon_worker::event as work;
use gorgon_worker_manager::event as manager;
use gorgon_worker_manager::lookout::Look;
use gorgon_worker_manager::supervise::Supervisor;

use super::broker::{Broker, Connection, ConnectionId};
use super::host::{CALLBACK_LIMIT, Child, Host, Worker, killed};

/// The time of a message on its way.
const LATENCY: Duration = Duration::from_millis(1);
/// A broken link is noticed by the broker after three heartbeats at most.
const NOTICE_MS: u64 = 14_000;

/// What a history consists of.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) items: u32,
    pub(super) hosts: u32,
    pub(super) slots: u32,
    pub(super) faults: u32,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            items: 24,
            hosts: 2,
            slots: 2,
            faults: 8,
        }
    }
}

impl Plan {
    /// Every seventh file kills its Ruby child.
    pub(super) fn crashes(&self, item: ItemId) -> bool {
        item.0 % 7 == 6
    }
}

/// What is under way.
enum Happen {
    ToBroker(ConnectionId, Command),
    ToWorker(u32, ConnectionId, work::Event),
    ToLedger(u64, Reply),
    FromLedger(u64, LedgerCommand),
    FromManager(Reply),
    Child(u32, ChildNo, u32, ChildEvent),
    Supervisor(usize, manager::Event),
    Preloader(usize, u32, u32, manager::Event),
    Connect(u32),
    ConnectLedger,
    DropConnection(ConnectionId),
    Fault,
    BrokerStarts,
    Ledger(ledger::Event),
}

enum Command {
    Open { pid: u32, consume: bool },
    Publish(u64, Box<Reply>),
    Ack(u64),
    Consume,
    StopConsuming,
}

#[derive(Clone)]
enum LedgerCommand {
    Publish(WorkItem),
    Declare,
    Delete,
}

pub(super) struct World {
    pub(super) ledger: Ledger,
    pub(super) ending: Option<Ending>,
    pub(super) verdicts: BTreeMap<ItemId, Vec<Verdict>>,
    pub(super) starts: u32,
    /// Items whose child was killed.
    pub(super) shot: BTreeSet<ItemId>,
    pub(super) story: Vec<String>,
    plan: Plan,
    dice: u64,
    begun: Instant,
    now: Instant,
    sequence: u64,
    agenda: BTreeMap<(Instant, u64), Happen>,
    broker: Broker,
    /// The ledger's connection: none while it is down.
    ledger_link: Option<u64>,
    ledger_unconfirmed: Vec<LedgerCommand>,
    hosts: Vec<Host>,
    workers: BTreeMap<u32, Worker>,
    numbers: u64,
    /// Hosts whose preloader was killed once.
    spared: BTreeSet<usize>,
}

impl World {
    /// Runs a history to its end, or to what must be far behind it.
    pub(super) fn run(seed: u64, plan: &Plan) -> Self {
        let mut world = Self::new(seed, plan);
        let limit = world.now + Duration::from_secs(900);
        while world.now < limit && !(world.ending.is_some() && world.nobody_is_left()) {
            world.next();
        }
        world
    }

    fn new(seed: u64, plan: &Plan) -> Self {
        let now = Instant::now();
        let items: Vec<WorkItem> = (0..plan.items)
            .map(|n| WorkItem::whole(ItemId(n), format!("f{n}_spec.rb")))
            .collect();
        let rules = Rules {
            retries: 0,
            fail_fast: None,
            local: false,
            wait_limit: Duration::from_secs(60),
            callback_limit: CALLBACK_LIMIT,
            cancel_limit: Duration::from_secs(1),
        };
        let broker = Broker {
            up: true,
            files: Some(items.iter().map(|item| (item.clone(), false)).collect()),
            replies: Some([].into()),
            ..Broker::default()
        };
        let mut world = Self {
            ledger: Ledger::new(rules, items),
            ending: None,
            verdicts: BTreeMap::new(),
            starts: 0,
            shot: BTreeSet::new(),
            story: Vec::new(),
            plan: plan.clone(),
            dice: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            begun: now,
            now,
            sequence: 0,
            agenda: BTreeMap::new(),
            broker,
            ledger_link: Some(0),
            ledger_unconfirmed: Vec::new(),
            hosts: Vec::new(),
            workers: BTreeMap::new(),
            numbers: 100,
            spared: BTreeSet::new(),
        };
        world.tell_ledger(ledger::Event::Offered);
        for host in 0..plan.hosts as usize {
            let slots: Vec<u32> = (1..=plan.slots).collect();
            let (supervisor, effects) = Supervisor::begin(now, &slots, false, CALLBACK_LIMIT);
            let listener = ListenerId(format!("L{host}"));
            world.hosts.push(Host {
                listener,
                supervisor,
                preloaders: BTreeMap::new(),
                workers: BTreeMap::new(),
                was_down: false,
                left: false,
            });
            world.manage(host, effects);
        }
        for _ in 0..plan.faults {
            let at = Duration::from_millis(world.roll(20_000));
            world.later(at, Happen::Fault);
        }
        world
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.now - self.begun
    }

    pub(super) fn nobody_is_left(&self) -> bool {
        self.workers.is_empty() && self.hosts.iter().all(|host| host.left)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn later(&mut self, after: Duration, happen: Happen) {
        self.sequence += 1;
        self.agenda
            .insert((self.now + after, self.sequence), happen);
    }

    fn note(&mut self, line: String) {
        self.story
            .push(format!("{:8.3} {line}", self.elapsed().as_secs_f64()));
    }

    /// The next thing happens: a deadline, or what is under way.
    fn next(&mut self) {
        let due = self.agenda.keys().next().map(|(at, _)| *at);
        let ledger = self.ledger.deadline().filter(|_| self.ending.is_none());
        let host = (0..self.hosts.len())
            .filter(|host| !self.hosts[*host].left)
            .filter_map(|host| Some((self.hosts[host].supervisor.deadline()?, host)))
            .min();
        let worker = self
            .workers
            .iter()
            .filter_map(|(pid, w)| Some((w.work.deadline()?, *pid)))
            .min();
        let first = [due, ledger, host.map(|h| h.0), worker.map(|w| w.0)]
            .into_iter()
            .flatten()
            .min();
        let Some(first) = first else {
            self.now += Duration::from_secs(3600);
            return;
        };
        self.now = self.now.max(first);
        if due == Some(first) {
            if let Some((_, happen)) = self.agenda.pop_first() {
                self.happen(happen);
            }
        } else if ledger == Some(first) {
            self.tell_ledger(ledger::Event::DeadlinePassed);
        } else if let Some((_, host)) = host.filter(|(at, _)| *at == first) {
            self.tell_host(host, manager::Event::DeadlinePassed);
        } else if let Some((_, pid)) = worker {
            self.tell_worker(pid, work::Event::DeadlinePassed);
        }
    }

    fn happen(&mut self, happen: Happen) {
        match happen {
            Happen::ToBroker(id, command) => self.command(id, command),
            Happen::ToWorker(pid, id, event) => {
                if self
                    .workers
                    .get(&pid)
                    .is_some_and(|w| w.connection == Some(id))
                {
                    self.heard(pid, event);
                }
            }
            Happen::ToLedger(link, reply) => {
                if self.ledger_link == Some(link) {
                    self.tell_ledger(ledger::Event::Reply(Box::new(reply)));
                } else if let Some(replies) = &mut self.broker.replies {
                    // Not acknowledged over a link that is gone: it comes again.
                    replies.push_front(reply);
                }
            }
            Happen::FromLedger(link, command) => self.ledger_command(link, &command),
            Happen::FromManager(reply) => match &mut self.broker.replies {
                Some(replies) => {
                    replies.push_back(reply);
                    self.read_replies();
                }
                None => self.later(Duration::from_secs(1), Happen::FromManager(reply)),
            },
            Happen::Child(pid, no, fate, said) => {
                let Some(worker) = self.workers.get_mut(&pid) else {
                    return;
                };
                if worker
                    .children
                    .get(&no)
                    .is_none_or(|child| child.fate != fate)
                {
                    return;
                }
                if matches!(said, ChildEvent::Ended { .. } | ChildEvent::PreloaderLost) {
                    worker.children.remove(&no);
                }
                self.tell_worker(pid, work::Event::Child(no, said));
            }
            Happen::Supervisor(host, event) => self.tell_host(host, event),
            Happen::Preloader(host, no, start, event) => {
                if self.hosts[host].preloaders.get(&no) == Some(&start) {
                    if matches!(event, manager::Event::PreloaderEnded(..)) {
                        self.preloader_ends(host, no);
                    }
                    self.tell_host(host, event);
                }
            }
            Happen::Connect(pid) => self.connect(pid),
            Happen::ConnectLedger => self.connect_ledger(),
            Happen::DropConnection(id) => {
                self.broker.drop_connection(id);
                self.deliver();
            }
            Happen::Fault => self.fault(),
            Happen::BrokerStarts => {
                self.note("the broker is there again".to_owned());
                self.broker.up = true;
            }
            Happen::Ledger(event) => self.tell_ledger(event),
        }
    }

    fn fault(&mut self) {
        let pids: Vec<u32> = self.workers.keys().copied().collect();
        let Some(pid) = pids
            .get(self.roll(pids.len().max(1) as u64) as usize)
            .copied()
        else {
            return;
        };
        match self.roll(7) {
            0 => {
                self.note(format!("worker {pid} is killed"));
                self.end_worker(pid, killed());
            }
            1 => {
                let child = self.workers[&pid].children.keys().next().copied();
                if let Some(no) = child {
                    self.note(format!("child {no:?} of {pid} is killed"));
                    self.shot.extend(self.workers[&pid].running);
                    self.fate(pid, no, &[(0, ended(killed()))]);
                }
            }
            2 => {
                let host = self.workers[&pid].host;
                // A host whose preloader dies twice leaves: that is another test's subject.
                let start = self.hosts[host].preloaders.get(&0).copied();
                if let Some(start) = start.filter(|_| self.spared.insert(host)) {
                    self.note(format!("the preloader of host {host} is killed"));
                    let event = manager::Event::PreloaderEnded(0, killed(), String::new());
                    let end = Happen::Preloader(host, 0, start, event);
                    self.later(Duration::ZERO, end);
                }
            }
            3 | 4 => {
                self.note(format!("the link of {pid} is cut"));
                self.cut(pid);
            }
            5 => {
                self.note("the ledger's link is cut".to_owned());
                self.cut_ledger();
            }
            _ => {
                if !self.broker.up {
                    return;
                }
                self.note("the broker stops".to_owned());
                self.broker.stop();
                for pid in pids {
                    self.lose_link(pid);
                }
                self.cut_ledger();
                for host in 0..self.hosts.len() {
                    self.hosts[host].was_down = true;
                    self.tell_host(host, manager::Event::BrokerDown);
                }
                let after = Duration::from_millis(500 + self.roll(30_000));
                self.later(after, Happen::BrokerStarts);
            }
        }
    }
}

mod links;
mod manage;
mod originator;
mod run;

fn ended(end: End) -> ChildEvent {
    ChildEvent::Ended {
        end,
        output: String::new(),
        left: Vec::new(),
    }
}
