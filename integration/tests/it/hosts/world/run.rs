//! The workers of the world: their effects performed, their Ruby children invented.

use super::*;

impl World {
    /// A session's event, as the worker's shell passes it on.
    pub(super) fn heard(&mut self, pid: u32, event: work::Event) {
        if let work::Event::Confirmed(tag) = &event
            && let Some(worker) = self.workers.get_mut(&pid)
        {
            worker.unconfirmed.remove(tag);
        }
        self.tell_worker(pid, event);
    }

    pub(super) fn tell_worker(&mut self, pid: u32, event: work::Event) {
        let now = self.now;
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        for effect in worker.work.step(now, event) {
            self.perform(pid, effect);
        }
    }

    fn send_broker(&mut self, pid: u32, command: Command) {
        if let Some(id) = self.workers.get(&pid).and_then(|w| w.connection) {
            self.later(LATENCY, Happen::ToBroker(id, command));
        }
    }

    fn perform(&mut self, pid: u32, effect: work::Effect) {
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        match effect {
            work::Effect::Publish(tag, reply) => {
                worker.unconfirmed.insert(tag, (*reply).clone());
                if matches!(*reply, Reply::Start(_)) {
                    self.starts += 1;
                }
                self.send_broker(pid, Command::Publish(tag, reply));
            }
            work::Effect::Resend(tag) => {
                if let Some(reply) = worker.unconfirmed.get(&tag).cloned() {
                    self.send_broker(pid, Command::Publish(tag, Box::new(reply)));
                }
            }
            work::Effect::Ack(delivery) => self.send_broker(pid, Command::Ack(delivery)),
            work::Effect::Consume => {
                worker.consumes = true;
                self.send_broker(pid, Command::Consume);
            }
            work::Effect::StopConsuming => {
                worker.consumes = false;
                self.send_broker(pid, Command::StopConsuming);
            }
            work::Effect::Fork(no, _, purpose) => {
                if self.hosts[worker.host].preloaders.get(&0) != Some(&worker.preloader) {
                    return self
                        .tell_worker(pid, work::Event::PreloaderLost("no answer".to_owned()));
                }
                worker.children.insert(no, Child { fate: 0 });
                match purpose {
                    Purpose::Items => self.fate(pid, no, &[(20, ChildEvent::Ready)]),
                    Purpose::AfterComplete => {
                        self.fate(
                            pid,
                            no,
                            &[(20, ChildEvent::CallbackDone), (21, ended(End::Exited(0)))],
                        );
                    }
                }
            }
            work::Effect::Run(no, item) => {
                worker.running = Some(item.item);
                let takes = 5 + self.roll(2_000);
                let last = if self.plan.crashes(item.item) {
                    ended(End::Signaled(11))
                } else {
                    ChildEvent::FileFinished {
                        time: 0.1,
                        output: String::new(),
                        spent: false,
                    }
                };
                self.fate(pid, no, &[(1, ChildEvent::Loading), (takes, last)]);
            }
            work::Effect::Finish(no) => {
                self.fate(
                    pid,
                    no,
                    &[(5, ChildEvent::Finished), (10, ended(End::Exited(0)))],
                );
            }
            work::Effect::Signal(no, Signal::Kill) => self.fate(pid, no, &[(1, ended(killed()))]),
            work::Effect::Signal(no, _) => {
                let events = [
                    (1, ChildEvent::Interrupted),
                    (2, ChildEvent::Finished),
                    (3, ended(End::Exited(1))),
                ];
                self.fate(pid, no, &events);
            }
            work::Effect::Exit(exit) => {
                let code = match exit {
                    work::Exit::Over | work::Exit::HandedBack => 0,
                    work::Exit::Cancelled => 130,
                    work::Exit::CallbackFailed(_) => 4,
                    work::Exit::PreloaderLost(_) => 5,
                    work::Exit::BrokerGone(_) => 3,
                };
                self.end_worker(pid, End::Exited(code));
            }
        }
    }

    /// From now on this, in milliseconds, is what a child will say.
    pub(super) fn fate(&mut self, pid: u32, no: ChildNo, events: &[(u64, ChildEvent)]) {
        let Some(child) = self
            .workers
            .get_mut(&pid)
            .and_then(|w| w.children.get_mut(&no))
        else {
            return;
        };
        child.fate += 1;
        let fate = child.fate;
        for (ms, event) in events {
            self.later(
                Duration::from_millis(*ms),
                Happen::Child(pid, no, fate, event.clone()),
            );
        }
    }

    /// A worker has ended: its link and its children with it.
    pub(super) fn end_worker(&mut self, pid: u32, end: End) {
        let Some(worker) = self.workers.remove(&pid) else {
            return;
        };
        self.note(format!("worker {pid} ends: {end}"));
        if let Some(id) = worker.connection {
            // What it had sent before still arrives.
            self.later(2 * LATENCY, Happen::DropConnection(id));
        }
        let event = manager::Event::WorkerEnded(worker.slot, end);
        self.hosts[worker.host].workers.remove(&worker.slot);
        self.later(LATENCY, Happen::Supervisor(worker.host, event));
    }
}
