//! Items from the file queue of a job.

use std::collections::BTreeMap;
use std::time::Duration;

use crossbeam_channel::{Receiver, never};
use gorgon_broker::{
    Connections, Consume, Declare, Event as BrokerEvent, OpenError, Patience, Publish, Session,
    Setup, Target, Token,
};
use gorgon_proto::lean::Outgoing;
use gorgon_proto::message::{self, Reply};
use log::{error, info, warn};

use crate::event::{Delivered, Event};
use crate::unconfirmed::{OF_START, Unconfirmed};

/// Time without a broker after which the worker ends.
pub const BROKER_LIMIT: Duration = Duration::from_secs(120);
/// How long a polite end of the connection may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Where replies go.
#[derive(Debug)]
pub struct ReplyTo {
    /// The exchange; empty is the default one.
    pub exchange: String,
    /// The queue, which is the routing key.
    pub queue: String,
}

/// The session with the broker, and what the core's numbers mean in it.
#[derive(Debug)]
pub struct Queue {
    session: Session,
    /// The session's, until it has ended.
    events: Receiver<BrokerEvent>,
    file_queue: String,
    reply_to: ReplyTo,
    tokens: BTreeMap<u64, Token>,
    deliveries: u64,
    unconfirmed: Unconfirmed,
    up: bool,
}

impl Queue {
    /// Connects. By hand the first connection may take 10 s; a worker of a
    /// manager, which has its own connection, waits for the broker as it would later.
    ///
    /// # Errors
    /// When there is no broker in time, or it does not let us in.
    pub fn open(
        target: &Target,
        role: String,
        file_queue: String,
        reply_to: ReplyTo,
        managed: bool,
    ) -> Result<Self, OpenError> {
        let exchange = Some(&reply_to.exchange).filter(|exchange| !exchange.is_empty());
        let setup = Setup {
            role,
            // A broker that was started again has forgotten it.
            declare: exchange.map(Declare::direct).into_iter().collect(),
            connections: Connections::One,
            ..Setup::default()
        };
        let patience = Patience::Limit(BROKER_LIMIT);
        let session = if managed {
            Session::open_patiently(target, setup, patience)?
        } else {
            Session::open(target, setup, patience)?
        };
        Ok(Self {
            events: session.events().clone(),
            session,
            file_queue,
            reply_to,
            tokens: BTreeMap::new(),
            deliveries: 0,
            unconfirmed: Unconfirmed::default(),
            up: true,
        })
    }

    /// Returns where the session's events arrive.
    #[must_use]
    pub fn events(&self) -> &Receiver<BrokerEvent> {
        &self.events
    }

    /// The session has ended. A disconnected receiver would be ready for ever, before everything that comes after it.
    pub fn ended(&mut self, cause: String) -> Event {
        self.events = never();
        Event::BrokerGaveUp(cause)
    }

    /// Translates an event for the core; none when it is no news for it.
    pub fn event(&mut self, event: BrokerEvent) -> Option<Event> {
        match event {
            BrokerEvent::Up => {
                if self.up {
                    return None;
                }
                self.up = true;
                info!(target: "gorgon::worker", "the broker is there again");
                Some(Event::BrokerUp)
            }
            BrokerEvent::Down {
                cause,
                retry_in,
                answered,
            } => {
                // The session has logged what the broker answered.
                if !answered {
                    warn!(target: "gorgon::worker", cause, retry_in:?; "no broker");
                }
                self.up = false;
                self.tokens.clear();
                Some(Event::BrokerDown { answered })
            }
            BrokerEvent::Delivery(delivery) => match message::read_items(&delivery.body) {
                Ok(items) => {
                    self.deliveries += 1;
                    self.tokens.insert(self.deliveries, delivery.token);
                    Some(Event::Delivered(Delivered {
                        delivery: self.deliveries,
                        items,
                        redelivered: delivery.redelivered,
                    }))
                }
                Err(fault) => {
                    warn!(target: "gorgon::worker", fault; "a message that is no work item is dropped");
                    self.session.ack(delivery.token);
                    None
                }
            },
            BrokerEvent::Confirmed { tag } => self.unconfirmed.confirmed(tag).map(Event::Confirmed),
            BrokerEvent::Acked { tag, token } => {
                self.unconfirmed.confirmed(tag);
                self.tokens.retain(|_, held| *held != token);
                Some(Event::Acked(tag))
            }
            BrokerEvent::Unroutable { tag } => Some(Event::Unroutable(Unconfirmed::whole(tag))),
            BrokerEvent::TooLarge { tag } => {
                let sent = self.resend_leaner(tag);
                (!sent).then_some(Event::Refused)
            }
            BrokerEvent::ConsumerEnded { missing, .. } => Some(Event::ConsumerEnded { missing }),
            BrokerEvent::ConsumerRefused { said, .. } => Some(Event::ConsumerRefused(said)),
            BrokerEvent::Drained { .. } => Some(Event::Drained),
            BrokerEvent::Blocked { reason } => {
                warn!(target: "gorgon::worker", reason; "the broker takes no messages for now");
                None
            }
            BrokerEvent::Unblocked => {
                info!(target: "gorgon::worker", "the broker takes messages again");
                None
            }
            BrokerEvent::GaveUp { cause } => Some(self.ended(cause)),
        }
    }

    /// Publishes replies as one message; with `then_ack` its confirm acknowledges this delivery. A `start` before the
    /// `finish` of the same item goes out with it, as a message of its own.
    pub fn publish(&mut self, tag: u64, replies: &[Reply], then_ack: Option<u64>) {
        let alone = match replies {
            [Reply::Start(start), Reply::Finish(finish)] => start.item == finish.item,
            _ => false,
        };
        let mut messages = Vec::with_capacity(2);
        if alone {
            messages.push((tag | OF_START, &replies[..1]));
            messages.push((tag, &replies[1..]));
        } else {
            messages.push((tag, replies));
        }
        let mut together = Vec::with_capacity(2);
        for (tag, replies) in messages {
            let outgoing = Outgoing::new(replies);
            together.push(Publish {
                unhurried: replies.iter().all(|it| matches!(it, Reply::Start(_))),
                ..self.reply(outgoing.body(), tag)
            });
            self.unconfirmed.insert(tag, outgoing);
        }
        if let Some(last) = together.last_mut() {
            // Of a lost connection it is forgotten.
            last.then_ack = then_ack.and_then(|delivery| self.tokens.get(&delivery).copied());
        }
        self.session.publish_together(together);
    }

    /// The broker does not take it: it goes out again in parts, or with shorter texts; false when nothing is left to be
    /// cut.
    fn resend_leaner(&mut self, tag: u64) -> bool {
        let Some(smaller) = self.unconfirmed.too_large(tag) else {
            return true;
        };
        if smaller.is_empty() {
            error!(target: "gorgon::worker", tag; "the broker does not even take the least of a message");
            return false;
        }
        let parts = smaller.len();
        warn!(target: "gorgon::worker", tag, parts; "the broker takes no message of that size: it is made smaller");
        for (tag, body) in smaller {
            self.session.publish(self.reply(body, tag));
        }
        true
    }

    /// Publishes a message again.
    pub fn resend(&mut self, tag: u64) {
        for (tag, body) in self.unconfirmed.again(tag) {
            self.session.publish(self.reply(body, tag));
        }
    }

    fn reply(&self, body: Vec<u8>, tag: u64) -> Publish {
        Publish {
            exchange: self.reply_to.exchange.clone(),
            ..Publish::to_queue(&self.reply_to.queue, body, tag)
        }
    }

    /// Acknowledges a delivery; one of a lost connection is forgotten already.
    pub fn ack(&mut self, delivery: u64) {
        if let Some(token) = self.tokens.remove(&delivery) {
            self.session.ack(token);
        }
    }

    /// Begins to consume.
    pub fn consume(&self) {
        self.session.consume(Consume::one(self.file_queue.clone()));
    }

    /// Stops consuming.
    pub fn stop_consuming(&self) {
        self.session.stop_consuming(&self.file_queue);
    }

    /// Closes the session.
    pub fn close(self) {
        self.session.close(CLOSE_LIMIT);
    }
}
