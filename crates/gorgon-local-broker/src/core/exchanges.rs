//! Exchanges: where publishers send, and which queues that means.

use std::collections::{BTreeMap, BTreeSet};

use amq_protocol::protocol::{AMQPClass, exchange, queue};

use super::{Broker, ChannelId};
use crate::fault::Fault;

/// Most exchanges; there are three and two for each cluster.
const EXCHANGES_MAX: usize = 1000;
/// Most bindings of an exchange.
const BINDINGS_MAX: usize = 10_000;

/// How an exchange chooses queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The binding's key equals the routing key.
    Direct,
    /// Every bound queue.
    Fanout,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Fanout => "fanout",
        }
    }
}

/// An exchange and its bindings.
#[derive(Debug)]
pub(super) struct Exchange {
    kind: Kind,
    durable: bool,
    auto_delete: bool,
    internal: bool,
    /// Queue and key.
    bindings: BTreeSet<(String, String)>,
}

impl Exchange {
    fn new(kind: Kind, durable: bool) -> Self {
        Self {
            kind,
            durable,
            auto_delete: false,
            internal: false,
            bindings: BTreeSet::new(),
        }
    }
}

/// Returns the exchanges that are always there.
pub(super) fn predeclared() -> BTreeMap<String, Exchange> {
    [("amq.direct", Kind::Direct), ("amq.fanout", Kind::Fanout)]
        .map(|(name, kind)| (name.to_owned(), Exchange::new(kind, true)))
        .into()
}

fn missing(name: &str) -> Fault {
    Fault::not_found(format!("no exchange '{name}' in vhost '/'"))
}

impl Broker {
    pub(super) fn declare_exchange(
        &mut self,
        from: ChannelId,
        declare: exchange::Declare,
    ) -> Result<(), Fault> {
        let name = declare.exchange.as_str();
        match self.exchanges.get(name) {
            _ if name.is_empty() && !declare.passive => {
                return Err(Fault::access_refused(
                    "operation not permitted on the default exchange",
                ));
            }
            Some(_) if declare.passive => {}
            None if declare.passive && !name.is_empty() => return Err(missing(name)),
            None if declare.passive => {}
            Some(known) => {
                for (what, received, current) in [
                    (
                        "type",
                        declare.kind.as_str().to_owned(),
                        known.kind.name().to_owned(),
                    ),
                    (
                        "durable",
                        declare.durable.to_string(),
                        known.durable.to_string(),
                    ),
                    (
                        "auto_delete",
                        declare.auto_delete.to_string(),
                        known.auto_delete.to_string(),
                    ),
                    (
                        "internal",
                        declare.internal.to_string(),
                        known.internal.to_string(),
                    ),
                ] {
                    if received != current {
                        return Err(Fault::precondition_failed(format!(
                            "inequivalent arg '{what}' for exchange '{name}' in vhost '/': received '{received}' but \
                             current is '{current}'"
                        )));
                    }
                }
            }
            None if self.exchanges.len() >= EXCHANGES_MAX => {
                return Err(Fault::precondition_failed(format!(
                    "cannot declare exchange '{name}': exchange limit ({EXCHANGES_MAX}) is reached"
                )));
            }
            None => {
                if name.starts_with("amq.") {
                    return Err(Fault::access_refused(format!(
                        "exchange name '{name}' contains reserved prefix 'amq.*'"
                    )));
                }
                let kind = match declare.kind.as_str() {
                    "direct" => Kind::Direct,
                    "fanout" => Kind::Fanout,
                    "topic" | "headers" => {
                        return Err(Fault::not_implemented(format!(
                            "exchanges of type '{}'",
                            declare.kind
                        )));
                    }
                    other => {
                        return Err(Fault::command_invalid(format!(
                            "unknown exchange type '{other}'"
                        )));
                    }
                };
                let exchange = Exchange {
                    auto_delete: declare.auto_delete,
                    internal: declare.internal,
                    ..Exchange::new(kind, declare.durable)
                };
                self.exchanges.insert(name.to_owned(), exchange);
            }
        }
        if !declare.nowait {
            self.send(
                from,
                AMQPClass::Exchange(exchange::AMQPMethod::DeclareOk(exchange::DeclareOk {})),
            );
        }
        Ok(())
    }

    pub(super) fn bind_queue(&mut self, from: ChannelId, bind: queue::Bind) -> Result<(), Fault> {
        let queue = self.queue_for(from, bind.queue.as_str())?.name().to_owned();
        let name = bind.exchange.as_str();
        if name.is_empty() {
            return Err(Fault::access_refused(
                "operation not permitted on the default exchange",
            ));
        }
        let exchange = self.exchanges.get_mut(name).ok_or_else(|| missing(name))?;
        if exchange.bindings.len() >= BINDINGS_MAX {
            return Err(Fault::precondition_failed(format!(
                "cannot bind to exchange '{name}': {BINDINGS_MAX} bindings are the most"
            )));
        }
        exchange.bindings.insert((queue, bind.routing_key.into()));
        if !bind.nowait {
            self.send(
                from,
                AMQPClass::Queue(queue::AMQPMethod::BindOk(queue::BindOk {})),
            );
        }
        Ok(())
    }

    /// Returns the names of the queues that a message goes to, each once.
    pub(super) fn route(&self, exchange: &str, key: &str) -> Result<Vec<String>, Fault> {
        if exchange.is_empty() {
            return Ok(self
                .queues
                .get_key_value(key)
                .map(|(name, _)| name.clone())
                .into_iter()
                .collect());
        }
        let found = self
            .exchanges
            .get(exchange)
            .ok_or_else(|| missing(exchange))?;
        if found.internal {
            return Err(Fault::access_refused(format!(
                "cannot publish to internal exchange '{exchange}' in vhost '/'"
            )));
        }
        let mut queues: Vec<String> = found
            .bindings
            .iter()
            .filter(|(_, bound)| found.kind == Kind::Fanout || bound == key)
            .map(|(queue, _)| queue.clone())
            .collect();
        queues.dedup();
        Ok(queues)
    }

    /// Forgets a deleted queue's bindings, and the exchanges that live only as long as they have one.
    pub(super) fn unbind_everywhere(&mut self, queue: &str) {
        self.exchanges.retain(|_, exchange| {
            let before = exchange.bindings.len();
            exchange.bindings.retain(|(bound, _)| bound != queue);
            !(exchange.auto_delete && before > 0 && exchange.bindings.is_empty())
        });
    }
}
