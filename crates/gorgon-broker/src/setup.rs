//! What a session wants to find on the broker: exchanges, queues, bindings, consumers.

use gorgon_proto::names::QUEUE_EXPIRES_MS;
use std::time::Duration;

/// How long an unused queue stays: the last resort, when nobody is left to delete it.
const EXPIRES: Duration = Duration::from_millis(QUEUE_EXPIRES_MS as u64);

/// What is declared and consumed at each connection, the first and every later one.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Who we are, for the broker's list of connections, e.g. `gorgon-worker HOST PID`.
    pub role: String,
    /// Declared in this order.
    pub declare: Vec<Declare>,
    /// Consumed after everything is declared.
    pub consume: Vec<Consume>,
    /// How many connections carry the session.
    pub connections: Connections,
    /// The owner is not told what is confirmed ([`crate::Event::Confirmed`]): it publishes much, and
    /// would be woken for each.
    pub without_confirms: bool,
}

/// How many connections carry a session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Connections {
    /// One to consume and acknowledge, one to publish: a broker without memory stops whoever
    /// publishes, and with it all else on that connection. For originator, listener, manager.
    #[default]
    Two,
    /// One for all. For a worker, which has nothing to do while it cannot publish.
    One,
}

/// Something to be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Declare {
    /// An exchange; neither durable nor deleted by itself.
    Exchange {
        /// Its name.
        name: String,
        /// How it routes.
        kind: ExchangeKind,
    },
    /// A classic queue. It is durable unless exclusive: RabbitMQ 4.3 refuses other queues. What it
    /// holds is transient, so a broker that restarts brings it back empty.
    Queue {
        /// Its name.
        name: String,
        /// Only for this connection, and deleted with it.
        exclusive: bool,
        /// Deleted with its last consumer. One without a consumer outlives a restart of the broker,
        /// and then expires.
        auto_delete: bool,
        /// Deleted when unused for this long. A consumer is a use.
        expires: Duration,
        /// A delivery may stay unacknowledged for days. RabbitMQ 3.12 to 4.2 needs an argument for that, see
        /// [`Declare::work_queue`].
        slow: bool,
    },
    /// A queue's wish to get what is published to an exchange.
    Bind {
        /// The queue.
        queue: String,
        /// The exchange.
        exchange: String,
        /// The routing key; a fanout exchange looks at none.
        key: String,
    },
}

/// How an exchange routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeKind {
    /// To every queue bound.
    Fanout,
    /// To the queues bound with the message's routing key.
    Direct,
}

impl Declare {
    /// A queue that anybody may use. The broker deletes it after 10 minutes without use.
    #[must_use]
    pub fn queue(name: impl Into<String>) -> Declare {
        Declare::expiring_queue(name, EXPIRES)
    }

    /// A queue that anybody may use and that the broker deletes when unused for `limit`.
    #[must_use]
    pub fn expiring_queue(name: impl Into<String>, limit: Duration) -> Declare {
        Declare::Queue {
            name: name.into(),
            exclusive: false,
            auto_delete: false,
            expires: limit,
            slow: false,
        }
    }

    /// A queue of work: whoever takes an item may need hours for it. RabbitMQ up to 3.11 and an
    /// operator's policy know one limit for all queues (`consumer_timeout`), 3.12 to 4.2 one for each
    /// queue, 4.3 none for classic queues.
    #[must_use]
    pub fn work_queue(name: impl Into<String>) -> Declare {
        Declare::Queue {
            name: name.into(),
            exclusive: false,
            auto_delete: false,
            expires: EXPIRES,
            slow: true,
        }
    }

    /// A queue that is deleted with its last consumer.
    #[must_use]
    pub fn brief_queue(name: impl Into<String>) -> Declare {
        Declare::Queue {
            name: name.into(),
            exclusive: false,
            auto_delete: true,
            expires: EXPIRES,
            slow: false,
        }
    }

    /// A queue of this connection alone.
    #[must_use]
    pub fn exclusive_queue(name: impl Into<String>) -> Declare {
        Declare::Queue {
            name: name.into(),
            exclusive: true,
            auto_delete: false,
            expires: EXPIRES,
            slow: false,
        }
    }

    /// An exchange that routes to every queue bound.
    #[must_use]
    pub fn fanout(name: impl Into<String>) -> Declare {
        Declare::Exchange {
            name: name.into(),
            kind: ExchangeKind::Fanout,
        }
    }

    /// An exchange that routes by the routing key.
    #[must_use]
    pub fn direct(name: impl Into<String>) -> Declare {
        Declare::Exchange {
            name: name.into(),
            kind: ExchangeKind::Direct,
        }
    }

    /// A binding.
    #[must_use]
    pub fn bind(
        queue: impl Into<String>,
        exchange: impl Into<String>,
        key: impl Into<String>,
    ) -> Declare {
        Declare::Bind {
            queue: queue.into(),
            exchange: exchange.into(),
            key: key.into(),
        }
    }
}

/// A queue to be consumed, with manual acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consume {
    /// The queue.
    pub queue: String,
    /// How many unacknowledged deliveries we hold at most; zero is taken as one.
    pub prefetch: u16,
}

impl Consume {
    /// One delivery at a time.
    #[must_use]
    pub fn one(queue: impl Into<String>) -> Consume {
        Consume {
            queue: queue.into(),
            prefetch: 1,
        }
    }

    /// Up to `prefetch` deliveries at a time.
    #[must_use]
    pub fn many(queue: impl Into<String>, prefetch: u16) -> Consume {
        Consume {
            queue: queue.into(),
            prefetch,
        }
    }
}
