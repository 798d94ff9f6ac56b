//! Looks at queues, each over a connection of its own, which the network may refuse.

use std::time::Duration;

use gorgon_originator::ledger::{Event, Kept};
use gorgon_proto::job::ListenerId;
use gorgon_proto::names;
use gorgon_worker_manager::event::{self as supervise, Files};
use gorgon_worker_manager::lookout::Look;

use super::originator::job;
use super::{Due, Pid, World};

impl World {
    fn reaches_broker(&self, machine: usize) -> bool {
        self.broker.up && self.machines[machine].reachable_at <= self.now
    }

    pub(super) fn look_at_hosts(&mut self, hosts: Vec<(ListenerId, String)>) {
        if !self.reaches_broker(0) {
            return;
        }
        for (listener_id, queue) in hosts {
            let there = self.broker.queues.contains_key(&queue);
            let consumers = there.then(|| self.broker.consumers(&queue));
            let looked = Event::HostLooked {
                listener_id,
                consumers,
            };
            self.soon(Due::Ledger(looked));
        }
    }

    pub(super) fn look_at_files(&mut self, back: bool, tries: u32) {
        let seen = if self.reaches_broker(0) {
            let messages_in = |queue: &str| {
                let queue = self.broker.queues.get(queue);
                queue.map(|queue| u32::try_from(queue.ready.len()).unwrap_or(u32::MAX))
            };
            let mark = messages_in(&names::mark_queue(&job())).unwrap_or(0);
            Some((messages_in(&names::file_queue(&job())), mark))
        } else if tries > 1 {
            let again = Due::LookAtFiles {
                back,
                tries: tries - 1,
            };
            return self.later(Duration::from_millis(500), again);
        } else {
            None
        };
        let event = match (seen, back) {
            (Some((None, _)), false) => Event::FileQueueMissing,
            (Some((Some(messages), _)), false) => Event::FileQueueLooked { messages },
            (None, false) => return,
            (seen, true) => {
                let files = match seen {
                    Some((None, _)) => Kept::Nothing,
                    Some((Some(_), 0)) => Kept::Queue,
                    Some(_) | None => Kept::All,
                };
                if files != Kept::All {
                    self.post_mark();
                }
                Event::BrokerBack { files }
            }
        };
        self.soon(Due::Ledger(event));
    }

    /// Returns whether a look finds somebody who reads the replies.
    pub(super) fn replies_are_read(&self, machine: usize) -> bool {
        let replies = names::reply_queue(&job());
        self.reaches_broker(machine) && self.broker.consumers(&replies) > 0
    }

    pub(super) fn look_at_replies(&mut self, pid: Pid) {
        let Some(manager) = self.managers.get(&pid) else {
            return;
        };
        let look = if !self.reaches_broker(manager.machine) {
            Look::Unreachable
        } else if self.broker.consumers(&names::reply_queue(&job())) > 0 {
            Look::Consumed
        } else {
            Look::Abandoned
        };
        self.soon(Due::Manager(pid, supervise::Event::Looked(look)));
    }

    pub(super) fn look_for_items(&mut self, pid: Pid) {
        let Some(manager) = self.managers.get(&pid) else {
            return;
        };
        let files = if self.reaches_broker(manager.machine) {
            let queue = self.broker.queues.get(&names::file_queue(&job()));
            let count = |ready: usize| Files::Waiting(u32::try_from(ready).unwrap_or(u32::MAX));
            queue.map_or(Files::Missing, |queue| count(queue.ready.len()))
        } else {
            Files::Unknown
        };
        self.soon(Due::Manager(pid, supervise::Event::FilesLooked(files)));
    }
}
