//! The broker itself: exchanges, queues, consumers and deliveries, as a pure machine.
//!
//! A method goes in, methods for this and other connections come out, in the order in which they are to be written.
//! There is no socket and no clock in here: time is an argument, and `deadline` tells when `tick` is due.

mod acks;
mod channel;
mod consumers;
mod exchanges;
mod queues;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap},
    rc::Rc,
    time::Instant,
};

use amq_protocol::{
    protocol::{AMQPClass, basic, confirm, exchange, queue},
    types::ShortString,
};

use self::{channel::Channel, exchanges::Exchange, queues::Queue};
use crate::fault::Fault;

/// Bytes handed out to a connection beyond which it gets no more deliveries until it has read them.
pub(crate) const DELIVERY_WINDOW: usize = 1 << 20;
/// Bytes of messages in the broker at which publishers are no longer read.
pub(crate) const MEMORY_HIGH: usize = 512 << 20;
/// Bytes of messages in the broker at which publishers are read again.
pub(crate) const MEMORY_LOW: usize = 384 << 20;

/// About what a method takes on the wire.
const METHOD_BYTES: usize = 64;

/// A connection's number; never used twice.
pub(crate) type ConnectionId = u64;

/// A channel of one connection; 0 is the connection itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ChannelId {
    pub(crate) connection: ConnectionId,
    pub(crate) number: u16,
}

/// A published message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    /// The properties as they came: flags, then values.
    pub(crate) properties: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Returns about what the message takes in memory and on the wire.
    fn size(&self) -> usize {
        self.body.len() + self.properties.len() + 256
    }
}

/// Something to be written to a client.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) to: ChannelId,
    pub(crate) method: AMQPClass,
    /// What follows the method, if it carries a message.
    pub(crate) message: Option<Rc<Message>>,
}

/// What the broker knows of a connection.
#[derive(Debug)]
struct Link {
    /// Whether the client understands that the broker ends a consumer.
    takes_cancels: bool,
    /// Bytes delivered since the client's outgoing buffer was last empty.
    window_bytes: usize,
    /// Whether a delivery was held back because of the window.
    starved: bool,
}

/// The broker's state.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    exchanges: BTreeMap<String, Exchange>,
    queues: HashMap<String, Queue>,
    links: HashMap<ConnectionId, Link>,
    channels: HashMap<ChannelId, Channel>,
    out: Vec<Sent>,
    out_bytes: usize,
    /// Bytes of all messages in queues or with consumers.
    stored_bytes: usize,
    alarmed: bool,
    /// The last number given to a queue, a consumer or a generated name.
    last_number: u64,
}

impl Broker {
    /// Makes a broker that has the exchanges every client may expect.
    pub(crate) fn new() -> Self {
        Self {
            exchanges: exchanges::predeclared(),
            ..Self::default()
        }
    }

    /// Takes in an opened connection.
    pub(crate) fn connect(&mut self, id: ConnectionId, takes_cancels: bool) {
        self.links.insert(
            id,
            Link {
                takes_cancels,
                window_bytes: 0,
                starved: false,
            },
        );
    }

    /// Ends a connection: its exclusive queues go, and what its channels held is given back.
    pub(crate) fn disconnect(&mut self, now: Instant, id: ConnectionId) {
        if self.links.remove(&id).is_none() {
            return;
        }
        self.delete_exclusive_queues(id);
        let mut ended: Vec<_> = self
            .channels
            .keys()
            .filter(|channel| channel.connection == id)
            .copied()
            .collect();
        ended.sort_unstable();
        // All consumers go first, so that nothing of one channel is given to the next that is about to end.
        for channel in &ended {
            self.end_consumers(now, *channel);
        }
        for channel in ended {
            self.close_channel(now, channel);
        }
    }

    /// Opens a channel.
    pub(crate) fn open_channel(&mut self, id: ChannelId) {
        self.channels.insert(id, Channel::default());
    }

    /// Ends a channel: its consumers go, its unacknowledged messages return to their places.
    pub(crate) fn close_channel(&mut self, now: Instant, id: ChannelId) {
        self.end_consumers(now, id);
        if let Some(channel) = self.channels.remove(&id) {
            self.requeue(channel.into_held());
        }
    }

    /// Performs one method of a client. What it answers and causes is added to the output.
    pub(crate) fn method(
        &mut self,
        now: Instant,
        from: ChannelId,
        method: AMQPClass,
    ) -> Result<(), Fault> {
        match method {
            AMQPClass::Exchange(exchange::AMQPMethod::Declare(declare)) => {
                self.declare_exchange(from, declare)
            }
            AMQPClass::Queue(queue::AMQPMethod::Declare(declare)) => {
                self.declare_queue(now, from, declare)
            }
            AMQPClass::Queue(queue::AMQPMethod::Bind(bind)) => self.bind_queue(from, bind),
            AMQPClass::Queue(queue::AMQPMethod::Purge(purge)) => self.purge_queue(from, purge),
            AMQPClass::Queue(queue::AMQPMethod::Delete(delete)) => self.delete_queue(from, delete),
            AMQPClass::Basic(basic::AMQPMethod::Qos(qos)) => self.set_prefetch(from, qos),
            AMQPClass::Basic(basic::AMQPMethod::Consume(consume)) => self.consume(from, consume),
            AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel)) => self.cancel(now, from, cancel),
            AMQPClass::Basic(basic::AMQPMethod::Get(get)) => self.get(now, from, get),
            AMQPClass::Basic(basic::AMQPMethod::Ack(ack)) => self.ack(from, ack),
            AMQPClass::Basic(basic::AMQPMethod::Nack(nack)) => self.nack(from, nack),
            AMQPClass::Basic(basic::AMQPMethod::Reject(reject)) => self.reject(from, reject),
            AMQPClass::Confirm(confirm::AMQPMethod::Select(select)) => {
                self.select_confirms(from, select)
            }
            other => Err(Fault::not_implemented(format!(
                "method {} of class {} at the local broker",
                other.get_amqp_method_id(),
                other.get_amqp_class_id()
            ))),
        }
    }

    /// Routes a published message into its queues, or returns it.
    pub(crate) fn publish(
        &mut self,
        from: ChannelId,
        publish: basic::Publish,
        properties: Vec<u8>,
        body: Vec<u8>,
    ) -> Result<(), Fault> {
        if publish.immediate {
            return Err(Fault::not_implemented("immediate=true"));
        }
        let queues = self.route(publish.exchange.as_str(), publish.routing_key.as_str())?;
        let message = Rc::new(Message {
            exchange: publish.exchange,
            routing_key: publish.routing_key,
            properties,
            body,
        });
        if queues.is_empty() && publish.mandatory {
            self.put_out(Sent {
                to: from,
                method: AMQPClass::Basic(basic::AMQPMethod::Return(basic::Return {
                    reply_code: 312,
                    reply_text: "NO_ROUTE".into(),
                    exchange: message.exchange.clone(),
                    routing_key: message.routing_key.clone(),
                })),
                message: Some(Rc::clone(&message)),
            });
        }
        for name in queues {
            self.store(&name, &message);
            self.pump(&name);
        }
        if let Some(channel) = self.channels.get_mut(&from) {
            channel.count_publish();
        }
        Ok(())
    }

    /// Sends the confirms that became due while a batch of a client's input was worked through.
    pub(crate) fn end_of_batch(&mut self, id: ConnectionId, numbers: impl Iterator<Item = u16>) {
        for number in numbers {
            let to = ChannelId {
                connection: id,
                number,
            };
            if let Some(ack) = self.channels.get_mut(&to).and_then(Channel::take_confirm) {
                self.send(to, AMQPClass::Basic(basic::AMQPMethod::Ack(ack)));
            }
        }
    }

    /// Notes that a client has been sent all there was, so that it may be given more.
    pub(crate) fn drained(&mut self, id: ConnectionId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.window_bytes = 0;
        if std::mem::take(&mut link.starved) {
            for queue in self.queues_consumed_by(id) {
                self.pump(&queue);
            }
        }
    }

    /// Returns when the next queue expires.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.queues.values().filter_map(Queue::expires_at).min()
    }

    /// Deletes the queues that have expired.
    pub(crate) fn tick(&mut self, now: Instant) {
        let expired = |queue: &Queue| queue.expires_at().is_some_and(|at| at <= now);
        let names: Vec<_> = self
            .queues
            .iter()
            .filter(|(_, queue)| expired(queue))
            .map(|(name, _)| name.clone())
            .collect();
        for name in names {
            log::debug!(target: "gorgon::local_broker", queue = name; "queue expired");
            self.remove_queue(&name);
        }
    }

    /// Tells whether so much is stored that publishers have to wait.
    pub(crate) fn alarmed(&mut self) -> bool {
        self.alarmed = self.stored_bytes
            > if self.alarmed {
                MEMORY_LOW
            } else {
                MEMORY_HIGH
            };
        self.alarmed
    }

    /// Adds a method to the output.
    pub(crate) fn send(&mut self, to: ChannelId, method: AMQPClass) {
        self.put_out(Sent {
            to,
            method,
            message: None,
        });
    }

    /// Takes what has to be written, in order.
    pub(crate) fn take_output(&mut self) -> Vec<Sent> {
        self.out_bytes = 0;
        std::mem::take(&mut self.out)
    }

    /// Returns about how many bytes the output will be.
    pub(crate) fn output_bytes(&self) -> usize {
        self.out_bytes
    }

    fn put_out(&mut self, sent: Sent) {
        self.out_bytes += METHOD_BYTES + sent.message.as_ref().map_or(0, |message| message.size());
        self.out.push(sent);
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    fn channel(&mut self, id: ChannelId) -> &mut Channel {
        self.channels.entry(id).or_default()
    }

    /// Panics when the counted bytes are not those of the messages that are there.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn audit(&self) {
        let ready: usize = self.queues.values().map(Queue::bytes).sum();
        let held: usize = self.channels.values().map(Channel::held_bytes).sum();
        assert_eq!(self.stored_bytes, ready + held);
    }
}
