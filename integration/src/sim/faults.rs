//! What goes wrong, and where: whom it hits is decided when it does.

use std::time::{Duration, Instant};

use gorgon_proto::job::JobId;
use gorgon_proto::names;
use gorgon_worker_manager::event as supervise;

use super::child::ended;
use super::originator::job;
use super::plan::{Fault, Plan};
use super::wire::BROKER_NOTICES_MS;
use super::{Due, ORIGINATOR, Pid, World, killed};

/// A machine. The originator's comes first.
#[derive(Debug)]
pub(super) struct Machine {
    /// Since when, or until when not, the network is there.
    pub(super) reachable_at: Instant,
    pub(super) had_listener: bool,
}

impl Machine {
    pub(super) fn all(plan: &Plan, now: Instant) -> Vec<Self> {
        let machine = |_| Self {
            reachable_at: now,
            had_listener: false,
        };
        (0..=plan.hosts.len()).map(machine).collect()
    }
}

impl World {
    pub(super) fn fault(&mut self, fault: Fault) {
        self.note(|_| format!("fault: {fault:?}"));
        match fault {
            Fault::Worker => {
                if let Some(pid) = self.one_of(&self.workers.keys().copied().collect::<Vec<_>>()) {
                    self.note(|_| format!("worker {pid} is killed"));
                    self.kill_worker(pid);
                }
            }
            Fault::Child => self.kill_child(),
            Fault::Preloader => self.kill_preloader(),
            Fault::Manager => {
                let living: Vec<Pid> = self.managers.keys().copied().collect();
                if let Some(pid) = self.one_of(&living) {
                    self.note(|_| format!("manager {pid} is killed"));
                    // Nobody is left who knows of its queue.
                    let parent = self.managers.get(&pid).map(|m| m.listener);
                    self.truth.died_badly |=
                        parent.is_some_and(|p| !self.listeners.contains_key(&p));
                    self.kill_manager(pid);
                }
            }
            Fault::Listener => {
                let living: Vec<Pid> = self.listeners.keys().copied().collect();
                if let Some(pid) = self.one_of(&living) {
                    self.note(|_| format!("listener {pid} is killed"));
                    self.kill_listener(pid);
                }
            }
            Fault::Stop => {
                let living: Vec<Pid> = self.listeners.keys().copied().collect();
                if let Some(pid) = self.one_of(&living) {
                    self.note(|_| format!("listener {pid} is told to stop"));
                    self.soon(Due::Stop(pid));
                    if self.dice.roll(4) == 0 {
                        let again = Duration::from_millis(self.dice.roll(3_000));
                        self.later(again, Due::Stop(pid));
                    }
                }
            }
            Fault::Machine => self.lose_machine(),
            Fault::Connection => {
                let mut living: Vec<Pid> = self.sessions.keys().copied().collect();
                living.retain(|pid| *pid != ORIGINATOR);
                if let Some(pid) = self.one_of(&living) {
                    self.note(|_| format!("the connection of {pid} is cut"));
                    self.truth.cuts += 1;
                    self.cut(pid);
                }
            }
            Fault::Network => {
                let machines = self.machines.len() as u64 - 1;
                let machine = 1 + usize::try_from(self.dice.roll(machines)).unwrap_or_default();
                self.cut_machine(machine, 40_000);
            }
            Fault::OriginatorNetwork => self.cut_machine(0, 25_000),
            Fault::Broker => self.stop_broker(),
        }
    }

    fn one_of(&mut self, pids: &[Pid]) -> Option<Pid> {
        self.dice.pick(pids).copied()
    }

    fn kill_child(&mut self) {
        let children = self.workers.iter();
        let children: Vec<_> = children
            .flat_map(|(pid, worker)| worker.children.keys().map(|no| (*pid, *no)))
            .collect();
        if let Some((pid, no)) = self.dice.pick(&children).copied() {
            self.note(|_| format!("child {no:?} of worker {pid} is killed"));
            self.fate(pid, no, &[(0, ended(killed()))]);
        }
    }

    fn kill_preloader(&mut self) {
        let preloaders = self.managers.iter();
        let preloaders: Vec<_> = preloaders
            .flat_map(|(pid, m)| m.preloaders.iter().map(|(no, start)| (*pid, *no, *start)))
            .collect();
        if let Some((pid, no, start)) = self.dice.pick(&preloaders).copied() {
            self.note(|_| format!("preloader {no} of manager {pid} is killed"));
            let event = supervise::Event::PreloaderEnded(no, killed(), String::new());
            self.later(Duration::ZERO, Due::Preloader(pid, no, start, event));
        }
    }

    /// Whatever a machine ran is gone without a word, its connections too.
    fn lose_machine(&mut self) {
        let machines = self.machines.len() as u64 - 1;
        let machine = 1 + usize::try_from(self.dice.roll(machines)).unwrap_or_default();
        self.note(|_| format!("machine {machine} loses its power"));
        self.truth.died_badly = true;
        self.truth.lost_machines += 1;
        self.truth.forgets_deaths_at(self.now);
        for pid in self.on(machine) {
            self.cut(pid);
        }
        for pid in self.on(machine) {
            self.sessions.remove(&pid);
        }
        let workers = self.workers.iter().filter(|(_, w)| w.machine == machine);
        let workers: Vec<_> = workers.map(|(pid, w)| (*pid, w.holds.clone())).collect();
        for (pid, holds) in workers {
            self.truth.takes_with_it(pid);
            for (item, attempt) in holds {
                self.truth.loses(item, attempt);
            }
        }
        self.workers.retain(|_, worker| worker.machine != machine);
        self.managers
            .retain(|_, manager| manager.machine != machine);
        self.listeners
            .retain(|_, listener| listener.machine != machine);
        if self.dice.roll(2) == 0 {
            let after = Duration::from_millis(10_000 + self.dice.roll(40_000));
            self.later(after, Due::Listener(machine));
        }
    }

    fn on(&self, machine: usize) -> Vec<Pid> {
        let sessions = self.sessions.iter().filter(|(_, s)| s.machine == machine);
        sessions.map(|(pid, _)| *pid).collect()
    }

    fn cut_machine(&mut self, machine: usize, most_ms: u64) {
        let brief = self.dice.roll(2) == 0;
        let span = self.dice.roll(if brief { 2_000 } else { most_ms });
        self.note(|_| format!("machine {machine} has no network for {span} ms"));
        self.truth.cuts += 1;
        let until = self.now + Duration::from_millis(span);
        let reachable = &mut self.machines[machine].reachable_at;
        *reachable = (*reachable).max(until);
        for pid in self.on(machine) {
            self.cut(pid);
        }
    }

    fn stop_broker(&mut self) {
        if !self.broker.up {
            return;
        }
        let brief = self.dice.roll(2) == 0;
        let span = 500 + self.dice.roll(if brief { 3_000 } else { 30_000 });
        let data = self.dice.roll(4) == 0;
        self.note(|_| format!("the broker stops for {span} ms; it loses its data: {data}"));
        self.truth.outages += 1;
        for id in self.broker.stop(data) {
            self.later(Duration::ZERO, Due::ClientLoses(id));
        }
        // Those that begin are refused.
        let begun: Vec<_> = self.sessions.values().filter_map(|s| s.link).collect();
        for id in begun {
            self.soon(Due::ClientLoses(id));
            self.later(
                Duration::from_millis(BROKER_NOTICES_MS),
                Due::BrokerLoses(id),
            );
        }
        self.later(Duration::from_millis(span), Due::BrokerStarts);
    }

    /// Returns the queues of the job that are there.
    pub(super) fn queues_of_the_job(&self) -> Vec<String> {
        let of = |job: &JobId| {
            [
                names::file_queue(job),
                names::reply_queue(job),
                names::originator_queue(job),
                names::manager_queue(job, ""),
            ]
        };
        let ours = of(&job());
        let names = self.broker.queues.keys();
        names
            .filter(|name| ours.iter().any(|our| name.starts_with(our)))
            .cloned()
            .collect()
    }

    /// Returns the machines whose listener could serve the job, and has been there for `span`.
    pub(super) fn able_hosts(&self, span: Duration) -> Vec<usize> {
        let stood = |pid: &Pid| {
            let session = self.sessions.get(pid).filter(|session| session.stands);
            session.is_some_and(|session| self.now - session.since >= span)
        };
        if !stood(&ORIGINATOR) {
            return Vec::new();
        }
        let listeners = self.listeners.iter();
        listeners
            .filter(|(pid, listener)| listener.takes_jobs() && stood(pid))
            .map(|(_, listener)| listener.machine)
            .filter(|machine| !self.truth.failed.contains(machine))
            .collect()
    }
}
