//! A process's session with the broker, as `gorgon_broker` keeps it: what it wants outlives its
//! connections, and what is unconfirmed is published again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use gorgon_proto::message::Reply;

use super::broker::{Body, ConnectionId, Declare, Delivery, To};

/// A message to be published.
#[derive(Debug, Clone)]
pub(super) struct Posted {
    pub(super) tag: u64,
    pub(super) to: To,
    pub(super) body: Body,
}

/// Something to be done once, at the next connection if there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Once {
    Declare(Declare),
    Purge(String),
    Delete(String),
}

/// What the owner asks of its session.
#[derive(Debug, Clone)]
pub(super) enum Order {
    Publish(Posted),
    /// Of a delivery of this connection.
    Ack(ConnectionId, u64),
    Consume(String, usize),
    StopConsuming(String),
    Declare(Declare),
    Once(Once),
}

/// What goes to the broker.
#[derive(Debug, Clone)]
pub(super) enum Frame {
    Open,
    Publish(Posted),
    Ack(u64),
    Consume(String, usize),
    StopConsuming(String),
    Declare(Declare),
    Once(Once),
}

/// What comes from it.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    Opened {
        missing: Vec<String>,
    },
    Delivery(Delivery),
    Confirmed(u64),
    Unroutable(u64),
    ConsumerEnded {
        queue: String,
        missing: bool,
    },
    /// The broker has closed our channel as its answer.
    Closed,
    Drained(String),
    OnceDone,
}

/// What a session tells its owner.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    Up,
    /// The connection is lost; `answered`: by the broker's answer, which has lost nothing.
    Down {
        answered: bool,
    },
    Delivery(ConnectionId, Delivery),
    Confirmed(u64),
    /// And the delivery that was to be acknowledged then is.
    Acked(u64),
    Unroutable(u64),
    ConsumerEnded {
        queue: String,
        missing: bool,
    },
    Drained,
    GaveUp,
}

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) machine: usize,
    pub(super) link: Option<ConnectionId>,
    /// Whether the connection stands, and not only begins.
    pub(super) stands: bool,
    pub(super) declare: Vec<Declare>,
    pub(super) consume: BTreeMap<String, usize>,
    pub(super) once: Vec<Once>,
    pub(super) outbox: VecDeque<Posted>,
    pub(super) flight: VecDeque<Posted>,
    /// What the broker is asked and has not answered; orders wait for that.
    pub(super) busy: Option<Once>,
    pub(super) waiting: VecDeque<Order>,
    pub(super) draining: BTreeSet<String>,
    /// What a confirm acknowledges, by its tag.
    pub(super) then_ack: BTreeMap<u64, (ConnectionId, u64)>,
    /// Tags of which that is to be told with the next event.
    pub(super) acked: Vec<u64>,
    /// Since when it stands, or does not.
    pub(super) since: Instant,
    pub(super) patience: Option<Duration>,
    /// Its owner has said its last word.
    pub(super) closing: bool,
}

impl Session {
    pub(super) fn new(machine: usize, now: Instant, patience: Option<Duration>) -> Self {
        Self {
            machine,
            link: None,
            stands: false,
            declare: Vec::new(),
            consume: BTreeMap::new(),
            once: Vec::new(),
            outbox: VecDeque::new(),
            flight: VecDeque::new(),
            busy: None,
            waiting: VecDeque::new(),
            draining: BTreeSet::new(),
            then_ack: BTreeMap::new(),
            acked: Vec::new(),
            since: now,
            patience,
            closing: false,
        }
    }

    pub(super) fn is_settled(&self) -> bool {
        self.outbox.is_empty()
            && self.flight.is_empty()
            && self.once.is_empty()
            && self.busy.is_none()
            && self.waiting.is_empty()
    }

    /// Returns whether the broker has not confirmed that the host leaves.
    pub(super) fn owes_last_word(&self) -> bool {
        let waiting = self.waiting.iter().filter_map(|order| match order {
            Order::Publish(posted) => Some(posted),
            _ => None,
        });
        let mut posted = self.outbox.iter().chain(&self.flight).chain(waiting);
        posted.any(|posted| match &posted.body {
            Body::Replies(replies) => replies
                .iter()
                .any(|reply| matches!(reply, Reply::HostLeft(_))),
            _ => false,
        })
    }

    pub(super) fn wish(&mut self, declare: Declare) {
        if !self.declare.contains(&declare) {
            self.declare.push(declare);
        }
    }

    /// Takes an order while there is no connection; returns whether a drain is done by that.
    pub(super) fn absorb(&mut self, order: Order) -> bool {
        match order {
            Order::Publish(posted) => self.outbox.push_back(posted),
            Order::Ack(..) => {}
            Order::Consume(queue, prefetch) => {
                self.consume.insert(queue, prefetch);
            }
            Order::StopConsuming(queue) => {
                self.consume.remove(&queue);
                self.then_ack.clear();
                return true;
            }
            Order::Declare(declare) => self.wish(declare),
            Order::Once(once) => {
                self.forget(&once);
                self.once.push(once);
            }
        }
        false
    }

    /// A queue that is deleted is wanted no longer.
    pub(super) fn forget(&mut self, once: &Once) {
        if let Once::Delete(gone) = once {
            self.declare.retain(|declare| declare.queue != *gone);
        }
    }

    /// The connection is lost: the unconfirmed goes before the rest. Returns the drains that are
    /// done by that.
    pub(super) fn lose(&mut self, now: Instant) -> usize {
        self.link = None;
        self.then_ack.clear();
        if self.stands {
            self.since = now;
        }
        self.stands = false;
        for posted in std::mem::take(&mut self.flight).into_iter().rev() {
            self.outbox.push_front(posted);
        }
        if let Some(once) = self.busy.take() {
            self.once.insert(0, once);
        }
        let mut drained = std::mem::take(&mut self.draining).len();
        for order in std::mem::take(&mut self.waiting) {
            drained += usize::from(self.absorb(order));
        }
        drained
    }
}
