//! The managers of the world: their supervisors' effects performed, their preloaders invented.

use super::*;

impl World {
    pub(super) fn tell_host(&mut self, host: usize, event: manager::Event) {
        if self.hosts[host].left {
            return;
        }
        let effects = self.hosts[host].supervisor.step(self.now, event);
        self.manage(host, effects);
    }

    pub(super) fn manage(&mut self, host: usize, effects: Vec<manager::Effect>) {
        for effect in effects {
            self.manage_one(host, effect);
        }
    }

    fn manage_one(&mut self, host: usize, effect: manager::Effect) {
        let hostname = format!("host{host}");
        let listener_id = self.hosts[host].listener.clone();
        match effect {
            manager::Effect::StartPreloader(no) => {
                let start = u32::try_from(self.number()).unwrap();
                self.hosts[host].preloaders.insert(no, start);
                let ready = manager::Event::PreloaderReady(no);
                self.later(
                    Duration::from_millis(100),
                    Happen::Preloader(host, no, start, ready),
                );
            }
            manager::Effect::RunAfterCreatingWorkers(no) => {
                self.preloader_says(host, no, manager::Event::CallbackDone(no));
            }
            manager::Effect::StopPreloader(no) => {
                self.preloader_says(
                    host,
                    no,
                    manager::Event::PreloaderEnded(no, End::Exited(0), String::new()),
                );
            }
            manager::Effect::StartWorker { slot, preloader } => {
                let pid = u32::try_from(self.number()).unwrap();
                let Some(start) = self.hosts[host].preloaders.get(&preloader).copied() else {
                    let lost = manager::Event::WorkerEnded(slot, End::Exited(5));
                    return self.later(LATENCY, Happen::Supervisor(host, lost));
                };
                self.note(format!("worker {pid} starts in slot {slot} of host {host}"));
                self.hosts[host].workers.insert(slot, pid);
                let mut worker = Worker::new(host, &self.hosts[host], slot, pid, self.now);
                worker.preloader = start;
                self.workers.insert(pid, worker);
                let started = manager::Event::WorkerStarted(slot, pid);
                self.later(Duration::ZERO, Happen::Supervisor(host, started));
                self.later(LATENCY, Happen::Connect(pid));
            }
            manager::Effect::SignalWorker(slot, signal) => {
                let Some(pid) = self.hosts[host].workers.get(&slot).copied() else {
                    return;
                };
                match signal {
                    Signal::Kill => self.end_worker(pid, killed()),
                    Signal::Usr1 => {
                        let lost = work::Event::PreloaderLost("its manager says so".to_owned());
                        self.tell_worker(pid, lost);
                    }
                    Signal::Int => self.tell_worker(pid, work::Event::Cancelled),
                    _ => self.tell_worker(pid, work::Event::HandBack),
                }
            }
            manager::Effect::Join(slots) => {
                let manager_queue_name = format!("m{host}");
                let joined = HostJoined {
                    hostname,
                    listener_id,
                    slots,
                    manager_queue_name,
                };
                self.later(LATENCY, Happen::FromManager(Reply::HostJoined(joined)));
            }
            manager::Effect::TellDeath { slot, pid, end } => {
                let died = WorkerDied {
                    hostname,
                    listener_id,
                    worker_id: slot,
                    pid,
                    end,
                };
                self.later(LATENCY, Happen::FromManager(Reply::WorkerDied(died)));
            }
            manager::Effect::Warn(_) => {}
            manager::Effect::Look => {
                let look = match (self.broker.up, self.ledger_link) {
                    (false, _) => Look::Unreachable,
                    (true, Some(_)) => Look::Consumed,
                    (true, None) => Look::Abandoned,
                };
                self.later(
                    LATENCY,
                    Happen::Supervisor(host, manager::Event::Looked(look)),
                );
            }
            manager::Effect::Leave(reason, error) => {
                self.note(format!("host {host} leaves: {reason:?}"));
                self.hosts[host].left = true;
                let left = HostLeft {
                    hostname,
                    listener_id,
                    reason,
                    error,
                };
                self.later(LATENCY, Happen::FromManager(Reply::HostLeft(left)));
            }
        }
    }

    fn preloader_says(&mut self, host: usize, no: u32, event: manager::Event) {
        if let Some(start) = self.hosts[host].preloaders.get(&no).copied() {
            self.later(
                Duration::from_millis(10),
                Happen::Preloader(host, no, start, event),
            );
        }
    }

    /// A preloader has ended, and its children with it.
    pub(super) fn preloader_ends(&mut self, host: usize, no: u32) {
        self.hosts[host].preloaders.remove(&no);
        let pids: Vec<u32> = self.hosts[host].workers.values().copied().collect();
        for pid in pids {
            let children: Vec<ChildNo> = self
                .workers
                .get(&pid)
                .map(|w| w.children.keys().copied().collect())
                .unwrap_or_default();
            for child in children {
                self.fate(pid, child, &[(0, ChildEvent::PreloaderLost)]);
            }
        }
    }
}
