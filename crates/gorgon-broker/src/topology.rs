//! Declares exchanges, queues and bindings.

use crate::connect::words;
use crate::version::Version;
use crate::{Declare, ExchangeKind};
use amiquip::{
    AmqpValue, Channel, Error, ExchangeDeclareOptions, ExchangeType, FieldTable,
    QueueDeclareOptions,
};
use std::time::Duration;

/// The broker refused a declaration; its channel is closed.
pub(crate) struct Refused {
    pub(crate) what: String,
    pub(crate) said: String,
    /// False when the connection is gone rather than the wish refused.
    pub(crate) by_broker: bool,
}

impl Refused {
    pub(crate) fn lost(what: String, said: String) -> Refused {
        let by_broker = false;
        Refused {
            what,
            said,
            by_broker,
        }
    }

    pub(crate) fn of(what: &str, error: &Error) -> Refused {
        Refused {
            what: what.to_owned(),
            said: words(error),
            by_broker: matches!(error, Error::ServerClosedChannel { .. }),
        }
    }
}

/// How long a delivery of a work queue may stay unacknowledged: 7 days, in milliseconds.
const CONSUMER_TIMEOUT_MS: i32 = 604_800_000;

/// Declares one thing. Declaring again what is there does nothing.
pub(crate) fn declare(channel: &Channel, version: Version, wish: &Declare) -> Result<(), Refused> {
    let (what, done) = match wish {
        Declare::Exchange { name, kind } => {
            let kind = match kind {
                ExchangeKind::Fanout => ExchangeType::Fanout,
                ExchangeKind::Direct => ExchangeType::Direct,
            };
            let options = ExchangeDeclareOptions::default();
            let done = channel.exchange_declare(kind, name, options).map(|_| ());
            (format!("exchange {name}"), done)
        }
        Declare::Queue {
            name,
            exclusive,
            auto_delete,
            expires,
            slow,
        } => {
            let mut arguments = FieldTable::from([
                // The virtual host may have another default.
                (
                    "x-queue-type".to_owned(),
                    AmqpValue::LongString("classic".to_owned()),
                ),
                ("x-expires".to_owned(), expiry(*expires)),
            ]);
            if *slow && version.knows_consumer_timeout_of_queues() {
                let timeout = AmqpValue::LongInt(CONSUMER_TIMEOUT_MS);
                arguments.insert("x-consumer-timeout".to_owned(), timeout);
            }
            let options = QueueDeclareOptions {
                durable: !exclusive,
                exclusive: *exclusive,
                auto_delete: *auto_delete,
                arguments,
            };
            let done = channel.queue_declare(name, options).map(|_| ());
            (format!("queue {name}"), done)
        }
        Declare::Bind {
            queue,
            exchange,
            key,
        } => {
            let done = channel.queue_bind(queue, exchange, key, FieldTable::new());
            (format!("a binding of {queue} to {exchange}"), done)
        }
    };
    done.map_err(|error| Refused::of(&what, &error))
}

/// Returns the value of `x-expires`; the broker takes 1 ms to about 49 days.
fn expiry(limit: Duration) -> AmqpValue {
    AmqpValue::LongInt(i32::try_from(limit.as_millis()).unwrap_or(i32::MAX).max(1))
}
