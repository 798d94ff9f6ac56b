//! Between the processes and the broker: connections that begin, are cut and lost, frames on their
//! way, and what both ends make of them.

use std::time::{Duration, Instant};

use super::broker::{Body, ConnectionId, To};
use super::session::{Answer, Frame, Heard, Once, Order, Session};
use super::{Due, Pid, World};

/// A broken link is noticed by the broker after three heartbeats at most.
pub(super) const BROKER_NOTICES_MS: u64 = 14_000;
/// What waits for another event is told after so long without one.
const SOON: Duration = Duration::from_millis(10);
/// And by the client after two.
const CLIENT_NOTICES_MS: u64 = 10_000;

/// A connection on its way through the network.
#[derive(Debug)]
pub(super) struct Link {
    owner: Pid,
    cut: bool,
    /// When the last frame arrives, each way, of what is asked (0) and of what is published (1).
    arrives_at: [[Instant; 2]; 2],
}

impl Link {
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }
}

/// The lane of a frame: publishing has a connection of its own, but for workers.
fn lane(frame: &Frame) -> usize {
    usize::from(matches!(frame, Frame::Publish(_)))
}

impl World {
    /// Begins a session.
    pub(super) fn open(&mut self, pid: Pid, session: Session) {
        self.sessions.insert(pid, session);
        self.soon(Due::Connect(pid));
    }

    /// Gives an order to a session.
    pub(super) fn order(&mut self, pid: Pid, order: Order) {
        let Some(session) = self.sessions.get_mut(&pid) else {
            return;
        };
        let waits = !session.stands || session.busy.is_some();
        if session.link.is_some() && waits {
            session.waiting.push_back(order);
        } else if session.stands {
            self.obey(pid, order);
        } else if session.absorb(order) {
            self.heard(pid, Heard::Drained);
        }
    }

    /// An order, over a connection that stands.
    fn obey(&mut self, pid: Pid, order: Order) {
        let Some(session) = self.sessions.get_mut(&pid) else {
            return;
        };
        let link = session.link;
        let frame = match order {
            Order::Publish(posted) => {
                session.flight.push_back(posted.clone());
                Frame::Publish(posted)
            }
            Order::Ack(of, number) if link == Some(of) => Frame::Ack(number),
            Order::Ack(..) => return,
            Order::Consume(queue, prefetch) => {
                session.consume.insert(queue.clone(), prefetch);
                if session.draining.contains(&queue) {
                    // It still drains; then it begins anew.
                    return;
                }
                Frame::Consume(queue, prefetch)
            }
            Order::StopConsuming(queue) => {
                session.then_ack.clear();
                if session.consume.remove(&queue).is_none() && !session.draining.contains(&queue) {
                    return self.heard(pid, Heard::Drained);
                }
                if !session.draining.insert(queue.clone()) {
                    return;
                }
                Frame::StopConsuming(queue)
            }
            Order::Declare(declare) => {
                session.wish(declare.clone());
                Frame::Declare(declare)
            }
            Order::Once(once) => {
                session.forget(&once);
                session.busy = Some(once.clone());
                Frame::Once(once)
            }
        };
        self.send(pid, frame);
    }

    fn latency(&mut self) -> Duration {
        let late = self.plan.lag_ms > 0 && self.dice.roll(30) == 0;
        let more = if late {
            self.dice.roll(self.plan.lag_ms)
        } else {
            0
        };
        Duration::from_millis(1 + more)
    }

    /// When a frame that is sent now arrives: never before the one sent before it.
    fn arrival(&mut self, id: ConnectionId, way: usize, lane: usize) -> Option<Instant> {
        let earliest = self.now + self.latency();
        let link = self.links.get_mut(&id)?;
        let lane = if self.workers.contains_key(&link.owner) {
            0
        } else {
            lane
        };
        let at = link.arrives_at[way][lane].max(earliest);
        link.arrives_at[way][lane] = at;
        Some(at)
    }

    fn send(&mut self, pid: Pid, frame: Frame) {
        let Some(id) = self.sessions.get(&pid).and_then(|s| s.link) else {
            return;
        };
        if let Some(at) = self.arrival(id, 0, lane(&frame)) {
            self.at(at, Due::ToBroker(id, frame));
        }
    }

    fn answer(&mut self, id: ConnectionId, answer: Answer) {
        let lane = usize::from(matches!(
            answer,
            Answer::Confirmed(_) | Answer::Unroutable(_)
        ));
        if let Some(at) = self.arrival(id, 1, lane) {
            self.at(at, Due::ToClient(id, answer));
        }
    }

    /// A session tries to connect.
    pub(super) fn connect(&mut self, pid: Pid) {
        let Some(session) = self.sessions.get(&pid).filter(|s| s.link.is_none()) else {
            return;
        };
        let reachable = self.broker.up && self.machines[session.machine].reachable_at <= self.now;
        if !reachable {
            return self.in_vain(pid);
        }
        let id = self.number();
        let link = Link {
            owner: pid,
            cut: false,
            arrives_at: [[self.now; 2]; 2],
        };
        self.links.insert(u64::from(id), link);
        if let Some(session) = self.sessions.get_mut(&pid) {
            session.link = Some(u64::from(id));
        }
        self.send(pid, Frame::Open);
    }

    /// An attempt in vain is told, as a loss is.
    fn in_vain(&mut self, pid: Pid) {
        let (now, wait) = (self.now, Duration::from_millis(200 + self.dice.roll(4_800)));
        let Some(session) = self.sessions.get_mut(&pid) else {
            return;
        };
        if session
            .patience
            .is_some_and(|p| now + wait >= session.since + p)
        {
            return self.heard(pid, Heard::GaveUp);
        }
        self.heard(pid, Heard::Down { answered: false });
        self.later(wait, Due::Connect(pid));
    }

    /// The client finds its connection gone.
    pub(super) fn client_loses(&mut self, id: ConnectionId) {
        let now = self.now;
        let mut sessions = self.sessions.iter_mut();
        let Some((pid, session)) = sessions.find(|(_, s)| s.link == Some(id)) else {
            return;
        };
        let pid = *pid;
        let drained = session.lose(now);
        for _ in 0..drained {
            self.heard(pid, Heard::Drained);
        }
        self.in_vain(pid);
    }

    /// The client hears that the broker has closed its channel, and connects anew.
    fn client_is_answered(&mut self, pid: Pid, id: ConnectionId) {
        self.links.remove(&id);
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&pid) else {
            return;
        };
        let drained = session.lose(now);
        for _ in 0..drained {
            self.heard(pid, Heard::Drained);
        }
        self.heard(pid, Heard::Down { answered: true });
        self.later(Duration::ZERO, Due::Connect(pid));
    }

    /// The broker finds a connection gone.
    pub(super) fn broker_loses(&mut self, id: ConnectionId) {
        self.links.remove(&id);
        self.broker_takes_back(id);
    }

    /// What a connection holds goes back to its queues.
    fn broker_takes_back(&mut self, id: ConnectionId) {
        let back = self.broker.drop_connection(id);
        for (queue, body) in back {
            if let Body::Items(items) = body {
                for item in items {
                    self.truth.loses(item.item, item.attempt);
                }
            }
            self.deliver(&queue);
        }
    }

    /// The network between a process and the broker breaks: neither end hears of it at once.
    pub(super) fn cut(&mut self, pid: Pid) {
        let Some(id) = self.sessions.get(&pid).and_then(|s| s.link) else {
            return;
        };
        match self.links.get_mut(&id) {
            Some(link) if !link.cut => link.cut = true,
            Some(_) | None => return,
        }
        let broker = Duration::from_millis(self.dice.roll(2) * self.dice.roll(BROKER_NOTICES_MS));
        let client = Duration::from_millis(self.dice.roll(2) * self.dice.roll(CLIENT_NOTICES_MS));
        self.later(broker, Due::BrokerLoses(id));
        self.later(client, Due::ClientLoses(id));
    }

    /// A process is gone, and its connection with it; what it had sent still arrives.
    pub(super) fn close(&mut self, pid: Pid) {
        let Some(id) = self.sessions.remove(&pid).and_then(|session| session.link) else {
            return;
        };
        let Some(link) = self.links.get(&id).filter(|link| !link.cut) else {
            return;
        };
        let last = link.arrives_at[0].into_iter().max().unwrap_or(self.now);
        let at = last.max(self.now) + Duration::from_millis(1);
        self.at(at, Due::BrokerLoses(id));
    }

    pub(super) fn at_broker(&mut self, id: ConnectionId, frame: Frame) {
        let Some(link) = self.links.get(&id).filter(|link| !link.cut) else {
            return;
        };
        let owner = link.owner;
        if matches!(frame, Frame::Open) {
            return self.opens(id, owner);
        }
        if !self.broker.knows(id) {
            return;
        }
        match frame {
            Frame::Open => {}
            Frame::Publish(posted) => {
                let took = self.broker.publish(&posted.to, &posted.body);
                let confirmed = !took.is_empty() || matches!(posted.to, To::Exchange(_));
                self.answer(
                    id,
                    if confirmed {
                        Answer::Confirmed(posted.tag)
                    } else {
                        Answer::Unroutable(posted.tag)
                    },
                );
                for queue in took {
                    self.deliver(&queue);
                }
            }
            Frame::Ack(number) => {
                if let Some(queue) = self.broker.ack(id, number) {
                    self.deliver(&queue);
                }
            }
            Frame::Consume(queue, prefetch) => {
                if self.broker.consume(id, &queue, prefetch) {
                    self.deliver(&queue);
                } else {
                    let missing = true;
                    self.answer(id, Answer::ConsumerEnded { queue, missing });
                    self.answer(id, Answer::Closed);
                    self.broker_takes_back(id);
                }
            }
            Frame::StopConsuming(queue) => {
                self.broker.stop_consuming(id, &queue);
                self.answer(id, Answer::Drained(queue));
            }
            Frame::Declare(declare) => self.broker.declare(&declare),
            Frame::Once(once) => {
                self.do_once(&once);
                self.answer(id, Answer::OnceDone);
            }
        }
    }

    /// A connection begins: everything wished is declared and consumed.
    fn opens(&mut self, id: ConnectionId, owner: Pid) {
        let Some(session) = self.sessions.get_mut(&owner).filter(|s| s.link == Some(id)) else {
            return;
        };
        if !self.broker.up {
            return;
        }
        let (declare, consume) = (session.declare.clone(), session.consume.clone());
        let once = std::mem::take(&mut session.once);
        self.broker.open(id);
        for wish in &declare {
            self.broker.declare(wish);
        }
        let mut missing = Vec::new();
        for (queue, prefetch) in &consume {
            if !self.broker.consume(id, queue, *prefetch) {
                missing.push(queue.clone());
            }
        }
        for one in &once {
            self.do_once(one);
        }
        self.answer(id, Answer::Opened { missing });
        for queue in consume.keys() {
            self.deliver(queue);
        }
    }

    fn do_once(&mut self, once: &Once) {
        match once {
            Once::Declare(declare) => self.broker.declare(declare),
            Once::Purge(queue) => self.broker.purge(queue),
            Once::Delete(queue) => {
                for id in self.broker.delete(queue) {
                    let (queue, missing) = (queue.clone(), false);
                    self.answer(id, Answer::ConsumerEnded { queue, missing });
                }
            }
        }
    }

    pub(super) fn deliver(&mut self, queue: &str) {
        for (id, delivery) in self.broker.deliver(queue, &mut self.dice) {
            self.answer(id, Answer::Delivery(delivery));
        }
    }

    pub(super) fn at_client(&mut self, id: ConnectionId, answer: Answer) {
        let Some(link) = self.links.get(&id).filter(|link| !link.cut) else {
            return;
        };
        let pid = link.owner;
        let Some(session) = self.sessions.get_mut(&pid).filter(|s| s.link == Some(id)) else {
            return;
        };
        match answer {
            Answer::Opened { missing } => {
                session.stands = true;
                session.since = self.now;
                for queue in &missing {
                    session.consume.remove(queue);
                }
                self.empty_outbox(pid);
                self.take_orders(pid);
                self.heard(pid, Heard::Up);
                for queue in missing {
                    let missing = true;
                    self.heard(pid, Heard::ConsumerEnded { queue, missing });
                }
            }
            Answer::Delivery(delivery) => self.heard(pid, Heard::Delivery(id, delivery)),
            Answer::Confirmed(tag) | Answer::Unroutable(tag) => {
                if let Some(at) = session.flight.iter().position(|posted| posted.tag == tag) {
                    session.flight.remove(at);
                }
                let acks = session.then_ack.remove(&tag).filter(|(of, _)| *of == id);
                if let Some((_, number)) = acks.filter(|_| matches!(answer, Answer::Confirmed(_))) {
                    session.acked.push(tag);
                    self.send(pid, Frame::Ack(number));
                    self.later(SOON, Due::Late(pid));
                } else if matches!(answer, Answer::Confirmed(_)) {
                    self.heard(pid, Heard::Confirmed(tag));
                } else {
                    self.heard(pid, Heard::Unroutable(tag));
                }
            }
            Answer::ConsumerEnded { queue, missing } => {
                session.consume.remove(&queue);
                self.heard(pid, Heard::ConsumerEnded { queue, missing });
            }
            Answer::Closed => self.client_is_answered(pid, id),
            Answer::Drained(queue) => {
                session.draining.remove(&queue);
                let again = session.consume.get(&queue).copied();
                self.heard(pid, Heard::Drained);
                if let Some(prefetch) = again {
                    self.send(pid, Frame::Consume(queue, prefetch));
                }
            }
            Answer::OnceDone => {
                session.busy = None;
                self.take_orders(pid);
            }
        }
        self.leave_if_settled(pid);
    }

    /// Orders that waited for an answer of the broker.
    fn take_orders(&mut self, pid: Pid) {
        while let Some(session) = self.sessions.get_mut(&pid) {
            if session.busy.is_some() || !session.stands {
                return;
            }
            let Some(order) = session.waiting.pop_front() else {
                return;
            };
            self.obey(pid, order);
        }
    }

    /// What waited for a connection goes out, in its order.
    fn empty_outbox(&mut self, pid: Pid) {
        while let Some(session) = self.sessions.get_mut(&pid) {
            let Some(posted) = session.outbox.pop_front().filter(|_| session.stands) else {
                return;
            };
            session.flight.push_back(posted.clone());
            self.send(pid, Frame::Publish(posted));
        }
    }
}
