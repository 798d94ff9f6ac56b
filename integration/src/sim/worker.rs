//! A worker of the simulated world: the real core, its connection, and its children of dice.

use std::{collections::BTreeMap, time::Duration};

use gorgon_process::{child::End, signals::Signal};
use gorgon_proto::{
    item::WorkItem,
    message::Reply,
    outcome::{Outcome, TestResult},
};
use gorgon_ruby::{ChildEvent, Purpose};
use gorgon_worker::{
    event::{Delivered, Effect, Event},
    work::Work,
};

use super::{Due, World};

/// A living worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) work: Work,
    pub(super) slot: u32,
    pub(super) up: bool,
    /// Which connection this is.
    pub(super) connection: u32,
    consuming: bool,
    /// What the broker has given it and waits for: number, item.
    held: Option<(u64, WorkItem)>,
    deliveries: u64,
    /// Replies without a confirm, which are sent again over the next connection.
    unconfirmed: BTreeMap<u64, Reply>,
    /// Its children that live, and the number of the last order each was given.
    children: BTreeMap<u32, u32>,
}

impl Worker {
    pub(super) fn new(work: Work, slot: u32) -> Self {
        Self {
            work,
            slot,
            up: true,
            connection: 1,
            consuming: true,
            held: None,
            deliveries: 0,
            unconfirmed: BTreeMap::new(),
            children: BTreeMap::new(),
        }
    }
}

impl World {
    pub(super) fn tell_worker(&mut self, pid: u32, event: Event) {
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        if let Event::Confirmed(tag) = &event {
            worker.unconfirmed.remove(tag);
        }
        for effect in worker.work.step(self.now, event) {
            self.note(format!("    worker {pid}: {effect:?}"));
            self.perform(pid, effect);
        }
    }

    fn perform(&mut self, pid: u32, effect: Effect) {
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        match effect {
            Effect::Publish(tag, reply) => {
                worker.unconfirmed.insert(tag, (*reply).clone());
                self.send(pid, tag, *reply);
            }
            Effect::Resend(tag) => {
                if let Some(reply) = worker.unconfirmed.get(&tag).cloned() {
                    self.send(pid, tag, reply);
                }
            }
            Effect::Ack(number) => {
                if worker.up
                    && worker
                        .held
                        .as_ref()
                        .is_some_and(|(held, _)| *held == number)
                {
                    worker.held = None;
                    self.deliver();
                }
            }
            Effect::Consume => {
                worker.consuming = true;
                self.begin_to_consume(pid);
            }
            Effect::StopConsuming => {
                let was = std::mem::take(&mut worker.consuming);
                let (up, connection) = (worker.up, worker.connection);
                if was && up {
                    let due = Due::Work {
                        worker: pid,
                        connection: Some(connection),
                        event: Event::Drained,
                    };
                    self.after(Duration::from_millis(2), due);
                }
            }
            Effect::Fork(child, _, purpose) => {
                worker.children.insert(child.0, 0);
                let boot = self.dice.ms(100);
                match purpose {
                    Purpose::Items => self.say(pid, child.0, boot, ChildEvent::Ready),
                    Purpose::AfterComplete => {
                        self.say(pid, child.0, boot, ChildEvent::CallbackDone);
                        self.say(pid, child.0, boot, ended(End::Exited(0)));
                    }
                }
            }
            Effect::Run(child, item) => {
                self.order(pid, child.0);
                self.say(pid, child.0, Duration::from_millis(1), ChildEvent::Loading);
                let takes = self.dice.ms(8000);
                if self.dice.roll(20) == 0 {
                    self.say(pid, child.0, takes, ended(End::Signaled(11)));
                } else {
                    for id in tests_of(&item) {
                        let unlucky = self.dice.roll(100) < self.unlucky;
                        let result = ChildEvent::TestFinished(Box::new(result(id, unlucky)));
                        self.say(pid, child.0, takes, result);
                    }
                    let finished = ChildEvent::FileFinished {
                        time: 0.1,
                        output: String::new(),
                        spent: false,
                    };
                    self.say(pid, child.0, takes, finished);
                }
            }
            Effect::Finish(child) => {
                self.order(pid, child.0);
                let takes = self.dice.ms(200);
                self.say(pid, child.0, takes, ChildEvent::Finished);
                self.say(pid, child.0, takes, ended(End::Exited(0)));
            }
            Effect::Signal(child, signal) => {
                self.order(pid, child.0);
                let takes = self.dice.ms(50);
                if signal == Signal::Kill {
                    self.say(pid, child.0, takes, ended(End::Signaled(9)));
                } else {
                    self.say(pid, child.0, takes, ChildEvent::Interrupted);
                    self.say(pid, child.0, takes, ChildEvent::Finished);
                    self.say(pid, child.0, takes, ended(End::Exited(0)));
                }
            }
            Effect::Exit(_) => self.worker_gone(pid),
        }
    }

    /// A new order to a child: what it would have said to the one before is not said any more.
    fn order(&mut self, pid: u32, child: u32) {
        if let Some(order) = self
            .workers
            .get_mut(&pid)
            .and_then(|worker| worker.children.get_mut(&child))
        {
            *order += 1;
        }
    }

    fn say(&mut self, pid: u32, child: u32, after: Duration, event: ChildEvent) {
        let Some(order) = self
            .workers
            .get(&pid)
            .and_then(|worker| worker.children.get(&child).copied())
        else {
            return;
        };
        self.after(
            after,
            Due::Child {
                worker: pid,
                child,
                order,
                event,
            },
        );
    }

    pub(super) fn child_says(&mut self, pid: u32, child: u32, order: u32, event: ChildEvent) {
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        if worker.children.get(&child) != Some(&order) {
            return;
        }
        if matches!(event, ChildEvent::Ended { .. }) {
            worker.children.remove(&child);
        }
        self.tell_worker(
            pid,
            Event::Child(gorgon_worker::children::ChildNo(child), event),
        );
    }

    /// Sends a reply over the worker's connection: it arrives, and later its confirm, unless the connection ends between.
    fn send(&mut self, pid: u32, tag: u64, reply: Reply) {
        let Some(worker) = self.workers.get(&pid) else {
            return;
        };
        if !worker.up {
            return;
        }
        let (connection, broker) = (worker.connection, self.broker);
        self.after(
            Duration::from_millis(1),
            Due::Reply {
                broker,
                reply: Box::new(reply),
            },
        );
        let confirmed = self.dice.ms(5);
        let due = Due::Work {
            worker: pid,
            connection: Some(connection),
            event: Event::Confirmed(tag),
        };
        self.after(confirmed, due);
    }

    fn begin_to_consume(&mut self, pid: u32) {
        let Some(worker) = self.workers.get_mut(&pid) else {
            return;
        };
        if self.queue.is_some() {
            self.deliver();
        } else if worker.up {
            worker.consuming = false;
            let due = Due::Work {
                worker: pid,
                connection: Some(worker.connection),
                event: Event::ConsumerEnded { missing: true },
            };
            self.after(Duration::from_millis(1), due);
        }
    }

    /// Gives what waits to who has room: one at a time.
    pub(super) fn deliver(&mut self) {
        loop {
            let Some(queue) = &mut self.queue else { return };
            if queue.is_empty() {
                return;
            }
            let free: Vec<u32> = self
                .workers
                .iter()
                .filter(|(_, worker)| worker.up && worker.consuming && worker.held.is_none())
                .map(|(pid, _)| *pid)
                .collect();
            if free.is_empty() {
                return;
            }
            let place =
                usize::try_from(self.dice.roll(free.len() as u64)).expect("a place in the list");
            let pid = free[place];
            let (Some((item, redelivered)), Some(worker)) =
                (queue.pop_front(), self.workers.get_mut(&pid))
            else {
                return;
            };
            worker.deliveries += 1;
            worker.held = Some((worker.deliveries, item.clone()));
            let delivered = Delivered {
                delivery: worker.deliveries,
                item,
                redelivered,
            };
            let due = Due::Work {
                worker: pid,
                connection: Some(worker.connection),
                event: Event::Delivered(delivered),
            };
            self.after(Duration::from_millis(1), due);
        }
    }

    /// The file queue was deleted: every consumer hears it.
    pub(super) fn end_consumers(&mut self) {
        let mut told = Vec::new();
        for (pid, worker) in &mut self.workers {
            worker.held = None;
            if worker.up && std::mem::take(&mut worker.consuming) {
                told.push((*pid, worker.connection));
            }
        }
        for (worker, connection) in told {
            let event = Event::ConsumerEnded { missing: false };
            self.after(
                Duration::from_millis(1),
                Due::Work {
                    worker,
                    connection: Some(connection),
                    event,
                },
            );
        }
    }

    /// Ends a worker's connection, and makes it again after a while.
    pub(super) fn disconnect(&mut self, pid: u32, back_after: Duration, keeps_queue: bool) {
        let Some(worker) = self.workers.get_mut(&pid).filter(|worker| worker.up) else {
            return;
        };
        worker.up = false;
        let held = worker.held.take();
        if let Some((_, item)) = held.filter(|_| keeps_queue) {
            // The broker notices at once, or after some heartbeats.
            let notices = self.dice.ms(14_000);
            self.after(notices, Due::Requeue(item));
        }
        self.tell_worker(pid, Event::BrokerDown);
        self.after(back_after, Due::Up { worker: pid });
    }

    pub(super) fn reconnect(&mut self, pid: u32) {
        let Some(worker) = self.workers.get_mut(&pid).filter(|worker| !worker.up) else {
            return;
        };
        worker.up = true;
        worker.connection += 1;
        let consumes = worker.consuming;
        for (tag, reply) in worker.unconfirmed.clone() {
            self.send(pid, tag, reply);
        }
        // The session begins to consume with the connection, before the worker can say no.
        if consumes {
            self.begin_to_consume(pid);
        }
        self.tell_worker(pid, Event::BrokerUp);
    }

    /// A worker is gone, and its connection with it.
    pub(super) fn worker_gone(&mut self, pid: u32) {
        if let Some(worker) = self.workers.remove(&pid)
            && let Some((_, item)) = worker.held
        {
            self.after(Duration::from_millis(2), Due::Requeue(item));
        }
        self.leave_if_empty();
    }
}

/// Each file has two tests.
fn tests_of(item: &WorkItem) -> Vec<String> {
    if item.tests.is_empty() {
        vec!["1:1".into(), "1:2".into()]
    } else {
        item.tests.clone()
    }
}

fn result(id: String, unlucky: bool) -> TestResult {
    TestResult {
        name: format!("test {id}"),
        id,
        classname: String::new(),
        file: String::new(),
        line: 0,
        outcome: if unlucky {
            Outcome::Failed
        } else {
            Outcome::Passed
        },
        seconds: 0.1,
        exception: None,
        message: String::new(),
        backtrace: Vec::new(),
        output: String::new(),
    }
}

fn ended(end: End) -> ChildEvent {
    ChildEvent::Ended {
        end,
        output: String::new(),
        left: Vec::new(),
    }
}
