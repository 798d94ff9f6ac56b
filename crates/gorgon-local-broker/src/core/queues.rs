//! Queues: messages in order, who consumes them, when they go.

use std::{
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant},
};

use amq_protocol::{
    protocol::{AMQPClass, basic, queue},
    types::{AMQPValue, FieldTable},
};

use super::{Broker, ChannelId, ConnectionId, Message, consumers::Consumer};
use crate::fault::{Fault, short};

/// Arguments of RabbitMQ that change what a queue does, which this broker cannot.
const FOREIGN_ARGUMENTS: [&str; 8] = [
    "x-message-ttl",
    "x-max-length",
    "x-max-length-bytes",
    "x-max-priority",
    "x-overflow",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-single-active-consumer",
];

/// Most queues; a job has a few and one for each host.
const QUEUES_MAX: usize = 10_000;

/// A message in a queue.
#[derive(Debug)]
pub(super) struct Stored {
    /// Where it stands among all messages the queue ever had.
    position: u64,
    pub(super) redelivered: bool,
    pub(super) message: Rc<Message>,
}

/// A queue.
#[derive(Debug)]
pub(super) struct Queue {
    name: String,
    number: u64,
    durable: bool,
    exclusive_to: Option<ConnectionId>,
    auto_delete: bool,
    /// `x-expires`, as declared.
    expires: Option<Duration>,
    /// Since when nobody has used it; none while there are consumers.
    unused_since: Option<Instant>,
    ready: VecDeque<Stored>,
    last_position: u64,
    /// The front is the next to be served.
    pub(super) consumers: VecDeque<Consumer>,
}

impl Queue {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn auto_deletes(&self) -> bool {
        self.auto_delete
    }

    pub(super) fn expires_at(&self) -> Option<Instant> {
        Some(self.unused_since? + self.expires?)
    }

    /// Begins the time of disuse anew, if nobody consumes.
    pub(super) fn renew(&mut self, now: Instant) {
        self.unused_since = self.consumers.is_empty().then_some(now);
    }

    /// Ends the time of disuse: somebody consumes.
    pub(super) fn used(&mut self) {
        self.unused_since = None;
    }

    pub(super) fn ready(&self) -> u32 {
        u32::try_from(self.ready.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn take_front(&mut self) -> Option<Stored> {
        self.ready.pop_front()
    }

    /// Puts a message back where it stood.
    pub(super) fn put_back(&mut self, mut stored: Stored) {
        stored.redelivered = true;
        let at = self
            .ready
            .partition_point(|other| other.position < stored.position);
        self.ready.insert(at, stored);
    }

    pub(super) fn free_consumer(&mut self, number: u64) {
        if let Some(consumer) = self
            .consumers
            .iter_mut()
            .find(|consumer| consumer.number == number)
        {
            consumer.held -= 1;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.ready.iter().map(|stored| stored.message.size()).sum()
    }

    fn allows(&self, connection: ConnectionId) -> Result<(), Fault> {
        match self.exclusive_to {
            Some(owner) if owner != connection => Err(Fault::resource_locked(format!(
                "cannot obtain exclusive access to locked queue '{}' in vhost '/'. It could be originally declared on \
                 another connection or the exclusive property value does not match that of the original declaration.",
                self.name
            ))),
            _ => Ok(()),
        }
    }

    fn equals(
        &self,
        from: ChannelId,
        declare: &queue::Declare,
        expires: Option<Duration>,
    ) -> Result<(), Fault> {
        let inequivalent = |what: &str, received: String, current: String| {
            Err(Fault::precondition_failed(format!(
                "inequivalent arg '{what}' for queue '{}' in vhost '/': received {received} but current is {current}",
                self.name
            )))
        };
        if declare.exclusive != self.exclusive_to.is_some() {
            return Err(Fault::resource_locked(format!(
                "cannot obtain exclusive access to locked queue '{}' in vhost '/'. It could be originally declared on \
                 another connection or the exclusive property value does not match that of the original declaration.",
                self.name
            )));
        }
        self.allows(from.connection)?;
        if declare.durable != self.durable {
            return inequivalent(
                "durable",
                format!("'{}'", declare.durable),
                format!("'{}'", self.durable),
            );
        }
        if declare.auto_delete != self.auto_delete {
            return inequivalent(
                "auto_delete",
                format!("'{}'", declare.auto_delete),
                format!("'{}'", self.auto_delete),
            );
        }
        let shown = |expires: Option<Duration>| {
            expires.map_or("none".to_owned(), |expires| {
                format!("the value '{}'", expires.as_millis())
            })
        };
        if expires != self.expires {
            return inequivalent("x-expires", shown(expires), shown(self.expires));
        }
        Ok(())
    }
}

/// Refuses an argument that RabbitMQ 4.3 knows, but not for classic queues and their consumers.
pub(super) fn check_foreign_to_classic(name: &str, arguments: &FieldTable) -> Result<(), Fault> {
    if arguments.contains_key("x-consumer-timeout") {
        return Err(Fault::precondition_failed(format!(
            "invalid arg 'x-consumer-timeout' for queue '{name}' in vhost '/' of queue type rabbit_classic_queue"
        )));
    }
    Ok(())
}

/// Reads the arguments of a queue: `x-expires` means something here, and `x-queue-type` is classic.
fn expires(name: &str, arguments: &FieldTable) -> Result<Option<Duration>, Fault> {
    match arguments.inner().get("x-queue-type") {
        None => {}
        Some(AMQPValue::LongString(kind)) if kind.as_bytes() == b"classic" => {}
        Some(other) => {
            return Err(Fault::not_implemented(format!("queue type {other:?}")));
        }
    }
    check_foreign_to_classic(name, arguments)?;
    for foreign in FOREIGN_ARGUMENTS {
        if arguments.contains_key(foreign) {
            return Err(Fault::not_implemented(format!(
                "queue argument '{foreign}'"
            )));
        }
    }
    let Some(value) = arguments.inner().get("x-expires") else {
        return Ok(None);
    };
    match whole_number(value) {
        Some(0) => Err(Fault::precondition_failed(format!(
            "invalid arg 'x-expires' for queue '{name}' in vhost '/': value 0 is not positive"
        ))),
        Some(ms) => Ok(Some(Duration::from_millis(ms))),
        None => Err(Fault::precondition_failed(format!(
            "invalid arg 'x-expires' for queue '{name}' in vhost '/': {value:?} is no whole number of milliseconds"
        ))),
    }
}

fn whole_number(value: &AMQPValue) -> Option<u64> {
    match *value {
        AMQPValue::ShortShortInt(n) => n.try_into().ok(),
        AMQPValue::ShortShortUInt(n) => Some(n.into()),
        AMQPValue::ShortInt(n) => n.try_into().ok(),
        AMQPValue::ShortUInt(n) => Some(n.into()),
        AMQPValue::LongInt(n) => n.try_into().ok(),
        AMQPValue::LongUInt(n) => Some(n.into()),
        AMQPValue::LongLongInt(n) => n.try_into().ok(),
        _ => None,
    }
}

fn missing(name: &str) -> Fault {
    Fault::not_found(format!("no queue '{name}' in vhost '/'"))
}

impl Broker {
    pub(super) fn declare_queue(
        &mut self,
        now: Instant,
        from: ChannelId,
        mut declare: queue::Declare,
    ) -> Result<(), Fault> {
        let expires = expires(declare.queue.as_str(), &declare.arguments)?;
        if declare.queue.as_str().is_empty() {
            declare.queue = match &self.channel(from).last_queue {
                Some(last) if declare.passive => short(last),
                _ => short(&format!("amq.gen-{}", self.next_number())),
            };
        } else if declare.queue.as_str().starts_with("amq.")
            && !self.queues.contains_key(declare.queue.as_str())
        {
            if declare.passive {
                return Err(missing(declare.queue.as_str()));
            }
            return Err(Fault::access_refused(format!(
                "queue name '{}' contains reserved prefix 'amq.*'",
                declare.queue
            )));
        }
        let name = declare.queue.as_str().to_owned();
        let full = self.queues.len() >= QUEUES_MAX;
        match self.queues.get_mut(&name) {
            Some(queue) => {
                if declare.passive {
                    queue.allows(from.connection)?;
                } else {
                    queue.equals(from, &declare, expires)?;
                }
                queue.renew(now);
            }
            None if declare.passive => return Err(missing(&name)),
            None if full => {
                return Err(Fault::precondition_failed(format!(
                    "cannot declare queue '{name}': queue limit in vhost '/' ({QUEUES_MAX}) is reached"
                )));
            }
            None if !declare.durable && !declare.exclusive => {
                return Err(Fault::internal_error(
                    "Feature `transient_nonexcl_queues` is deprecated. Its use is not permitted.",
                ));
            }
            None => {
                let queue = Queue {
                    name: name.clone(),
                    number: self.next_number(),
                    durable: declare.durable,
                    exclusive_to: declare.exclusive.then_some(from.connection),
                    auto_delete: declare.auto_delete,
                    expires,
                    unused_since: Some(now),
                    ready: VecDeque::new(),
                    last_position: 0,
                    consumers: VecDeque::new(),
                };
                self.queues.insert(name.clone(), queue);
            }
        }
        let queue = &self.queues[&name];
        let ok = queue::DeclareOk {
            queue: declare.queue,
            message_count: queue.ready(),
            consumer_count: u32::try_from(queue.consumers.len()).unwrap_or(u32::MAX),
        };
        self.channel(from).last_queue = Some(name);
        if !declare.nowait {
            self.send(from, AMQPClass::Queue(queue::AMQPMethod::DeclareOk(ok)));
        }
        Ok(())
    }

    pub(super) fn purge_queue(
        &mut self,
        from: ChannelId,
        purge: queue::Purge,
    ) -> Result<(), Fault> {
        let queue = self.queue_for(from, purge.queue.as_str())?;
        let bytes = queue.bytes();
        let message_count = queue.ready();
        queue.ready.clear();
        self.stored_bytes -= bytes;
        if !purge.nowait {
            self.send(
                from,
                AMQPClass::Queue(queue::AMQPMethod::PurgeOk(queue::PurgeOk { message_count })),
            );
        }
        Ok(())
    }

    pub(super) fn delete_queue(
        &mut self,
        from: ChannelId,
        delete: queue::Delete,
    ) -> Result<(), Fault> {
        let name = self.name_for(from, delete.queue.as_str())?;
        let mut message_count = 0;
        if let Some(queue) = self.queues.get(&name) {
            queue.allows(from.connection)?;
            if delete.if_unused && !queue.consumers.is_empty() {
                return Err(Fault::precondition_failed(format!(
                    "queue '{name}' in vhost '/' in use"
                )));
            }
            message_count = queue.ready();
            if delete.if_empty && message_count > 0 {
                return Err(Fault::precondition_failed(format!(
                    "queue '{name}' in vhost '/' is not empty"
                )));
            }
            self.remove_queue(&name);
        }
        if !delete.nowait {
            self.send(
                from,
                AMQPClass::Queue(queue::AMQPMethod::DeleteOk(queue::DeleteOk {
                    message_count,
                })),
            );
        }
        Ok(())
    }

    /// Returns the queue that a method on this channel means.
    pub(super) fn queue_for(&mut self, from: ChannelId, name: &str) -> Result<&mut Queue, Fault> {
        let name = self.name_for(from, name)?;
        let queue = self.queues.get_mut(&name).ok_or_else(|| missing(&name))?;
        queue.allows(from.connection)?;
        Ok(queue)
    }

    fn name_for(&mut self, from: ChannelId, name: &str) -> Result<String, Fault> {
        if !name.is_empty() {
            return Ok(name.to_owned());
        }
        self.channel(from)
            .last_queue
            .clone()
            .ok_or_else(|| Fault::not_found("no previously declared queue"))
    }

    /// Puts a message at the end of a queue.
    pub(super) fn store(&mut self, name: &str, message: &Rc<Message>) {
        if let Some(queue) = self.queues.get_mut(name) {
            queue.last_position += 1;
            self.stored_bytes += message.size();
            queue.ready.push_back(Stored {
                position: queue.last_position,
                redelivered: false,
                message: Rc::clone(message),
            });
        }
    }

    /// Deletes a queue, and tells its consumers where they can be told.
    pub(super) fn remove_queue(&mut self, name: &str) {
        let Some(queue) = self.queues.remove(name) else {
            return;
        };
        self.stored_bytes -= queue.bytes();
        self.unbind_everywhere(name);
        for consumer in queue.consumers {
            if let Some(channel) = self.channels.get_mut(&consumer.channel) {
                channel.consumers.remove(&consumer.tag);
            }
            if self
                .links
                .get(&consumer.channel.connection)
                .is_some_and(|link| link.takes_cancels)
            {
                let cancel = basic::Cancel {
                    consumer_tag: consumer.tag,
                    nowait: true,
                };
                self.send(
                    consumer.channel,
                    AMQPClass::Basic(basic::AMQPMethod::Cancel(cancel)),
                );
            }
        }
    }

    pub(super) fn delete_exclusive_queues(&mut self, connection: ConnectionId) {
        let owned = |queue: &&Queue| queue.exclusive_to == Some(connection);
        let names: Vec<_> = self
            .queues
            .values()
            .filter(owned)
            .map(|queue| queue.name.clone())
            .collect();
        for name in names {
            self.remove_queue(&name);
        }
    }
}
