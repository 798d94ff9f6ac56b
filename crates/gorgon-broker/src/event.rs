//! What a session tells its owner, and what is published through it.

use std::collections::BTreeMap;
use std::time::Duration;

/// What happened on the broker, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Connected, or connected again: what [`crate::Setup`] asks for is declared and consumed.
    Up,
    /// The connection is lost, or another attempt to get one was in vain. The session goes on by itself.
    Down {
        /// Why, in words for a person.
        cause: String,
        /// When the next attempt begins; zero means at once.
        retry_in: Duration,
        /// The broker was there all the time and has lost nothing: it closed our channel as its answer
        /// to something of ours, or took back what we held for too long.
        answered: bool,
    },
    /// A message of a consumed queue. It belongs to us until [`crate::Session::ack`] or the loss of the connection.
    Delivery(Delivery),
    /// The broker has taken over the message published with this tag.
    Confirmed {
        /// The tag given in [`Publish`].
        tag: u64,
    },
    /// The same, and the delivery of [`Publish::then_ack`] is acknowledged. Told with the next event, see
    /// [`Delivery::before`], or a moment later.
    Acked {
        /// The tag given in [`Publish`].
        tag: u64,
        /// The delivery.
        token: Token,
    },
    /// The message published with this tag is gone: no queue took it (only with `mandatory`), or its
    /// exchange does not exist, or our account may not write to it.
    Unroutable {
        /// The tag given in [`Publish`].
        tag: u64,
    },
    /// The message published with this tag is gone, and would be each time: it is larger than the
    /// broker takes ([`Publish::LIMIT_BYTES`], or less where so configured).
    TooLarge {
        /// The tag given in [`Publish`].
        tag: u64,
    },
    /// A queue is no longer consumed, because it was deleted or was not there to begin with.
    ConsumerEnded {
        /// The queue.
        queue: String,
        /// True when it did not exist as we began to consume (also after a reconnect).
        missing: bool,
    },
    /// The broker refuses to let us consume a queue that [`crate::Session::consume`] named: the account
    /// lacks the right, or the queue belongs to another connection. Not tried again.
    ConsumerRefused {
        /// The queue.
        queue: String,
        /// The broker's words.
        said: String,
    },
    /// After [`crate::Session::stop_consuming`]: no delivery of this queue will follow. What was
    /// delivered and not acknowledged still belongs to us; an acknowledgement brings no further one.
    Drained {
        /// The queue.
        queue: String,
    },
    /// The broker has no memory or disk left and takes nothing from us for now. Deliveries go on
    /// (with [`crate::Connections::Two`]); publishing waits, until [`Event::Unblocked`] or the loss of the connection.
    Blocked {
        /// The broker's words.
        reason: String,
    },
    /// The broker takes messages again.
    Unblocked,
    /// No connection for as long as [`crate::Patience::Limit`] allows; the session has ended.
    GaveUp {
        /// Why the last attempt was in vain.
        cause: String,
    },
}

/// One message of a consumed queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The queue it came from.
    pub queue: String,
    /// Names this delivery in [`crate::Session::ack`].
    pub token: Token,
    /// The message.
    pub body: Vec<u8>,
    /// True when it was delivered before, to us or to another, and not acknowledged.
    pub redelivered: bool,
    /// The sender's name of the message; a session gives each message one of its own.
    pub message_id: Option<String>,
    /// The headers whose values are texts.
    pub headers: BTreeMap<String, String>,
    /// What happened before it and waited for it: of messages [`Publish::unhurried`] and [`Publish::then_ack`] alone.
    pub before: Vec<Event>,
}

impl Event {
    /// Takes out what happened before this and was not told, for want of haste.
    pub fn take_before(&mut self) -> Vec<Event> {
        match self {
            Event::Delivery(delivery) => std::mem::take(&mut delivery.before),
            _ => Vec::new(),
        }
    }
}

/// Names a delivery. It is worth nothing after the connection it came by; acknowledging with an old one does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token {
    pub(crate) epoch: u64,
    pub(crate) delivery: u64,
}

/// A message to be published.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publish {
    /// The exchange; empty means the default one, whose routing key is a queue's name.
    pub exchange: String,
    /// The routing key.
    pub routing_key: String,
    /// The message.
    pub body: Vec<u8>,
    /// Whether a message that no queue takes is to be told as [`Event::Unroutable`] (otherwise it is confirmed and
    /// gone).
    pub mandatory: bool,
    /// Headers.
    pub headers: BTreeMap<String, String>,
    /// Comes back in [`Event::Confirmed`], [`Event::Unroutable`] or [`Event::TooLarge`]; the caller's own number.
    pub tag: u64,
    /// Nobody waits for its [`Event::Confirmed`]: it goes to the owner together with the next event, to wake it once.
    pub unhurried: bool,
    /// A delivery to be acknowledged as soon as this message is confirmed, without asking the owner: then comes
    /// [`Event::Acked`]. [`Event::Confirmed`] comes where it must not be acknowledged any more: after
    /// [`crate::Session::stop_consuming`], as that would bring the next one, and after the loss of its connection.
    pub then_ack: Option<Token>,
}

impl Publish {
    /// The largest body that is published: 12 MiB. RabbitMQ's default `max_message_size` is 16 MiB
    /// since 4.0 (128 MiB before), and it closes the channel for a larger one.
    pub const LIMIT_BYTES: usize = 12 << 20;

    /// Makes a message for a queue by its name, mandatory: a missing queue is told.
    #[must_use]
    pub fn to_queue(queue: impl Into<String>, body: impl Into<Vec<u8>>, tag: u64) -> Publish {
        Publish {
            routing_key: queue.into(),
            body: body.into(),
            mandatory: true,
            tag,
            ..Publish::default()
        }
    }

    /// Makes a message for an exchange; nobody listening is no error.
    #[must_use]
    pub fn to_exchange(
        exchange: impl Into<String>,
        routing_key: impl Into<String>,
        body: impl Into<Vec<u8>>,
        tag: u64,
    ) -> Publish {
        Publish {
            exchange: exchange.into(),
            routing_key: routing_key.into(),
            body: body.into(),
            tag,
            ..Publish::default()
        }
    }
}
