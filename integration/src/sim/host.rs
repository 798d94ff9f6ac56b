//! The one host of the simulated world: a manager that starts workers, replaces the dead, and leaves when all are done.

use std::time::Duration;

use gorgon_proto::{
    job::{Framework, Isolation, ListenerId},
    message::{HostJoined, HostLeft, LeaveReason, Reply, WorkerDied},
};
use gorgon_worker::{
    event::{Event, Settings},
    record::Identity,
    work::Work,
};

use super::{Due, World, worker::Worker};

fn listener() -> ListenerId {
    ListenerId("L1".into())
}

impl World {
    /// The host joins with so many workers.
    pub(super) fn join(&mut self, workers: u32) {
        let slots: Vec<_> = (1..=workers).collect();
        self.manager_says(Reply::HostJoined(HostJoined {
            hostname: "web".into(),
            listener_id: listener(),
            slots: slots.clone(),
            manager_queue_name: "gorgon.manager.J.1".into(),
        }));
        for slot in slots {
            self.start_worker(slot);
        }
    }

    pub(super) fn start_worker(&mut self, slot: u32) {
        if self.host_left || self.over.is_some() {
            return;
        }
        self.last_pid += 1;
        let pid = self.last_pid;
        let settings = Settings {
            me: Identity {
                hostname: "web".into(),
                listener_id: listener(),
                worker_id: slot,
                pid,
            },
            isolation: Isolation::Worker,
            file_limit: None,
            callback_limit: Duration::from_secs(600),
            callbacks: true,
            frameworks: vec![Framework::Rspec],
            queue_may_be_late: false,
            idle_limit: None,
        };
        self.workers
            .insert(pid, Worker::new(Work::new(settings, self.now), slot));
        if self.cancelled {
            self.tell_worker(pid, Event::Cancelled);
        } else if self.queue.is_some() {
            self.deliver();
        } else {
            self.tell_worker(pid, Event::ConsumerEnded { missing: true });
        }
    }

    fn manager_says(&mut self, reply: Reply) {
        let broker = self.broker;
        self.after(
            Duration::from_millis(3),
            Due::Reply {
                broker,
                reply: Box::new(reply),
            },
        );
    }

    fn any_worker(&mut self) -> Option<u32> {
        let count = self.workers.len() as u64;
        let place = usize::try_from(self.dice.roll(count.max(1))).ok()?;
        self.workers.keys().nth(place).copied()
    }

    pub(super) fn kill_one(&mut self) {
        let Some(pid) = self.any_worker() else { return };
        let slot = self.workers[&pid].slot;
        // It is replaced before the host could see itself without workers.
        self.after(Duration::from_millis(100), Due::Start { slot });
        let left = std::mem::replace(&mut self.host_left, true);
        self.worker_gone(pid);
        self.host_left = left;
        self.manager_says(Reply::WorkerDied(WorkerDied {
            hostname: "web".into(),
            listener_id: listener(),
            worker_id: slot,
            pid,
            end: "SIGKILL".into(),
        }));
    }

    pub(super) fn cut_one(&mut self) {
        if let Some(pid) = self.any_worker() {
            let back_after = self.dice.ms(20_000);
            self.disconnect(pid, back_after, true);
        }
    }

    pub(super) fn cancel_workers(&mut self) {
        self.cancelled = true;
        for worker in self.workers.keys().copied().collect::<Vec<_>>() {
            self.after(
                Duration::from_millis(2),
                Due::Work {
                    worker,
                    connection: None,
                    event: Event::Cancelled,
                },
            );
        }
    }

    /// Leaves when the last worker has ended.
    pub(super) fn leave_if_empty(&mut self) {
        let starting = self
            .due
            .values()
            .any(|due| matches!(due, Due::Start { .. }));
        if self.workers.is_empty() && !self.host_left && !starting {
            self.host_left = true;
            let reason = if self.cancelled {
                LeaveReason::Cancelled
            } else {
                LeaveReason::Done
            };
            let left = HostLeft {
                hostname: "web".into(),
                listener_id: listener(),
                reason,
                error: None,
            };
            self.manager_says(Reply::HostLeft(left));
        }
    }
}
