//! Declares exchanges, queues and bindings.

use crate::connect::words;
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

/// Declares one thing. Declaring again what is there does nothing.
pub(crate) fn declare(channel: &Channel, wish: &Declare) -> Result<(), Refused> {
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
        } => {
            let options = QueueDeclareOptions {
                durable: false,
                exclusive: *exclusive,
                auto_delete: *auto_delete,
                arguments: expires.map_or_else(FieldTable::new, expiry),
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

/// The argument that has an unused queue deleted; the broker takes 1 ms to about 49 days.
fn expiry(limit: Duration) -> FieldTable {
    let ms = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX).max(1);
    FieldTable::from([("x-expires".to_owned(), AmqpValue::LongInt(ms))])
}
