//! The broker: queues that it forgets when it stops, and connections that hold what they have not
//! acknowledged.

use std::collections::{BTreeMap, VecDeque};

use gorgon_proto::item::WorkItem;
use gorgon_proto::job::JobId;
use gorgon_proto::message::{Announce, Reply};

use crate::soak::dice::Dice;

/// Names a connection; none is used twice.
pub(super) type ConnectionId = u64;

/// A message.
#[derive(Debug, Clone)]
pub(super) enum Body {
    Items(Vec<WorkItem>),
    Mark,
    Replies(Vec<Reply>),
    Offer(JobId),
    Announce(Announce),
    Cancel,
    Leave,
    LeaveSlot(u32),
    Over,
    ItemWaits,
}

/// The exchanges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exchange {
    Jobs,
    Originators,
    Control,
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum To {
    Queue(String),
    Exchange(Exchange),
}

/// A queue that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declare {
    pub(super) queue: String,
    /// Goes with its last consumer; else it expires.
    pub(super) auto_delete: bool,
    pub(super) bound: Option<Exchange>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) ready: VecDeque<(Body, bool)>,
    bound: Vec<Exchange>,
    auto_delete: bool,
}

#[derive(Debug)]
struct Connection {
    /// Consumed queues, with the most that may be unacknowledged.
    consumes: BTreeMap<String, usize>,
    unacked: BTreeMap<u64, (String, Body)>,
}

/// A delivery on its way.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) number: u64,
    pub(super) body: Body,
    pub(super) redelivered: bool,
}

#[derive(Debug, Default)]
pub(super) struct Broker {
    pub(super) up: bool,
    pub(super) queues: BTreeMap<String, Queue>,
    connections: BTreeMap<ConnectionId, Connection>,
    deliveries: u64,
}

impl Broker {
    pub(super) fn start() -> Self {
        Self {
            up: true,
            ..Self::default()
        }
    }

    pub(super) fn knows(&self, id: ConnectionId) -> bool {
        self.connections.contains_key(&id)
    }

    pub(super) fn open(&mut self, id: ConnectionId) {
        let connection = Connection {
            consumes: BTreeMap::new(),
            unacked: BTreeMap::new(),
        };
        self.connections.insert(id, connection);
    }

    pub(super) fn declare(&mut self, wish: &Declare) {
        let queue = self.queues.entry(wish.queue.clone()).or_default();
        queue.auto_delete = wish.auto_delete;
        if let Some(exchange) = wish.bound
            && !queue.bound.contains(&exchange)
        {
            queue.bound.push(exchange);
        }
    }

    /// Returns the queues that took the message.
    pub(super) fn publish(&mut self, to: &To, body: &Body) -> Vec<String> {
        let mut took = Vec::new();
        for (name, queue) in &mut self.queues {
            let takes = match to {
                To::Queue(wanted) => wanted == name,
                To::Exchange(exchange) => queue.bound.contains(exchange),
            };
            if takes {
                queue.ready.push_back((body.clone(), false));
                took.push(name.clone());
            }
        }
        took
    }

    /// Returns the queue from which more may be delivered now.
    pub(super) fn ack(&mut self, id: ConnectionId, delivery: u64) -> Option<String> {
        let connection = self.connections.get_mut(&id)?;
        connection.unacked.remove(&delivery).map(|(queue, _)| queue)
    }

    /// Begins to consume; `false` when there is no such queue.
    pub(super) fn consume(&mut self, id: ConnectionId, queue: &str, prefetch: usize) -> bool {
        let there = self.queues.contains_key(queue);
        if let Some(connection) = self.connections.get_mut(&id).filter(|_| there) {
            connection.consumes.insert(queue.to_owned(), prefetch);
        }
        there
    }

    pub(super) fn stop_consuming(&mut self, id: ConnectionId, queue: &str) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.consumes.remove(queue);
        }
        self.drop_unused(queue);
    }

    fn drop_unused(&mut self, queue: &str) {
        if self.queues.get(queue).is_some_and(|q| q.auto_delete) && self.consumers(queue) == 0 {
            self.queues.remove(queue);
        }
    }

    pub(super) fn consumers(&self, queue: &str) -> u32 {
        let consuming = self.connections.values();
        let count = consuming.filter(|c| c.consumes.contains_key(queue)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Delivers what can be delivered of a queue.
    pub(super) fn deliver(&mut self, name: &str, dice: &mut Dice) -> Vec<(ConnectionId, Delivery)> {
        let mut out = Vec::new();
        let Some(queue) = self.queues.get_mut(name) else {
            return out;
        };
        while !queue.ready.is_empty() {
            let mut free = Vec::new();
            for (id, connection) in &self.connections {
                if let Some(prefetch) = connection.consumes.get(name) {
                    let held = connection
                        .unacked
                        .values()
                        .filter(|(q, _)| q == name)
                        .count();
                    if held < *prefetch {
                        free.push(*id);
                    }
                }
            }
            let Some(id) = dice.pick(&free).copied() else {
                break;
            };
            let (Some((body, redelivered)), Some(connection)) =
                (queue.ready.pop_front(), self.connections.get_mut(&id))
            else {
                break;
            };
            self.deliveries += 1;
            let number = self.deliveries;
            connection
                .unacked
                .insert(number, (name.to_owned(), body.clone()));
            out.push((
                id,
                Delivery {
                    number,
                    body,
                    redelivered,
                },
            ));
        }
        out
    }

    /// A connection has ended: what it held goes back to the heads of the queues. Returns it.
    pub(super) fn drop_connection(&mut self, id: ConnectionId) -> Vec<(String, Body)> {
        let Some(connection) = self.connections.remove(&id) else {
            return Vec::new();
        };
        let back: Vec<_> = connection.unacked.into_values().collect();
        for (name, body) in back.iter().rev() {
            if let Some(queue) = self.queues.get_mut(name) {
                queue.ready.push_front((body.clone(), true));
            }
        }
        for queue in connection.consumes.keys() {
            self.drop_unused(queue);
        }
        back
    }

    /// Every message is forgotten, and with `data` every queue; returns the connections that stood.
    pub(super) fn stop(&mut self, data: bool) -> Vec<ConnectionId> {
        self.up = false;
        if data {
            self.queues.clear();
        }
        for queue in self.queues.values_mut() {
            queue.ready.clear();
            // The exchanges are forgotten.
            queue.bound.clear();
        }
        std::mem::take(&mut self.connections).into_keys().collect()
    }

    /// Deletes a queue; returns the connections that consumed it.
    pub(super) fn delete(&mut self, name: &str) -> Vec<ConnectionId> {
        let mut told = Vec::new();
        if self.queues.remove(name).is_none() {
            return told;
        }
        for (id, connection) in &mut self.connections {
            if connection.consumes.remove(name).is_some() {
                told.push(*id);
            }
            connection.unacked.retain(|_, (queue, _)| queue != name);
        }
        told
    }

    /// Queues that go with their last consumer had none when the broker came back, and now expire.
    pub(super) fn expire_unused(&mut self) {
        let queues = self.queues.iter().filter(|(_, queue)| queue.auto_delete);
        let names: Vec<_> = queues.map(|(name, _)| name.clone()).collect();
        for name in names {
            self.drop_unused(&name);
        }
    }

    pub(super) fn purge(&mut self, name: &str) {
        if let Some(queue) = self.queues.get_mut(name) {
            queue.ready.clear();
        }
    }
}
