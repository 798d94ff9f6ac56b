//! Consumers: who gets the next message, and how many at a time.

use std::{rc::Rc, time::Instant};

use amq_protocol::{
    protocol::{AMQPClass, basic},
    types::ShortString,
};

use super::{
    Broker, ChannelId, ConnectionId, DELIVERY_WINDOW, Sent, channel::Held,
    queues::check_foreign_to_classic,
};
use crate::fault::{Fault, short};

/// Most consumers of a channel; ours have one or two.
const CONSUMERS_MAX: usize = 1000;

/// One consumer of a queue.
#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) number: u64,
    pub(super) channel: ChannelId,
    pub(super) tag: ShortString,
    no_ack: bool,
    exclusive: bool,
    /// Maximum number of unacknowledged deliveries; 0 is no limit.
    prefetch: u16,
    pub(super) held: usize,
}

impl Broker {
    pub(super) fn set_prefetch(&mut self, from: ChannelId, qos: basic::Qos) -> Result<(), Fault> {
        let channel = self.channel(from);
        if qos.global {
            channel.prefetch_all = qos.prefetch_count;
        } else {
            channel.prefetch_each = qos.prefetch_count;
        }
        let queues: Vec<_> = channel.consumers.values().cloned().collect();
        self.send(
            from,
            AMQPClass::Basic(basic::AMQPMethod::QosOk(basic::QosOk {})),
        );
        if qos.global {
            for queue in queues {
                self.pump(&queue);
            }
        }
        Ok(())
    }

    pub(super) fn consume(
        &mut self,
        from: ChannelId,
        consume: basic::Consume,
    ) -> Result<(), Fault> {
        if consume.arguments.contains_key("x-priority") {
            return Err(Fault::not_implemented("consumer argument 'x-priority'"));
        }
        let number = self.next_number();
        let tag = if consume.consumer_tag.as_str().is_empty() {
            short(&format!("amq.ctag-{number}"))
        } else {
            consume.consumer_tag
        };
        if self.channel(from).consumers.contains_key(&tag) {
            return Err(Fault::not_allowed(format!(
                "attempt to reuse consumer tag '{tag}'"
            )));
        }
        if self.channel(from).consumers.len() >= CONSUMERS_MAX {
            return Err(Fault::not_allowed(format!(
                "reached maximum ({CONSUMERS_MAX}) of consumers per channel"
            )));
        }
        let prefetch = self.channel(from).prefetch_each;
        let queue = self.queue_for(from, consume.queue.as_str())?;
        let name = queue.name().to_owned();
        check_foreign_to_classic(&name, &consume.arguments)?;
        if queue
            .consumers
            .iter()
            .any(|other| other.exclusive || consume.exclusive)
        {
            return Err(Fault::access_refused(format!(
                "queue '{name}' in vhost '/' in exclusive use"
            )));
        }
        queue.consumers.push_front(Consumer {
            number,
            channel: from,
            tag: tag.clone(),
            no_ack: consume.no_ack,
            exclusive: consume.exclusive,
            prefetch,
            held: 0,
        });
        queue.used();
        self.channel(from)
            .consumers
            .insert(tag.clone(), name.clone());
        if !consume.nowait {
            let ok = basic::ConsumeOk { consumer_tag: tag };
            self.send(from, AMQPClass::Basic(basic::AMQPMethod::ConsumeOk(ok)));
        }
        self.pump(&name);
        Ok(())
    }

    pub(super) fn cancel(
        &mut self,
        now: Instant,
        from: ChannelId,
        cancel: basic::Cancel,
    ) -> Result<(), Fault> {
        let queue = self.channel(from).consumers.remove(&cancel.consumer_tag);
        // The answer goes first: an auto-delete queue may end with this consumer.
        if !cancel.nowait {
            let ok = basic::CancelOk {
                consumer_tag: cancel.consumer_tag.clone(),
            };
            self.send(from, AMQPClass::Basic(basic::AMQPMethod::CancelOk(ok)));
        }
        if let Some(queue) = queue {
            self.remove_consumer(now, from, &cancel.consumer_tag, &queue);
        }
        Ok(())
    }

    /// Ends all consumers of a channel.
    pub(super) fn end_consumers(&mut self, now: Instant, from: ChannelId) {
        let Some(channel) = self.channels.get_mut(&from) else {
            return;
        };
        for (tag, queue) in std::mem::take(&mut channel.consumers) {
            self.remove_consumer(now, from, &tag, &queue);
        }
    }

    fn remove_consumer(&mut self, now: Instant, from: ChannelId, tag: &ShortString, name: &str) {
        let Some(queue) = self.queues.get_mut(name) else {
            return;
        };
        queue
            .consumers
            .retain(|consumer| consumer.channel != from || consumer.tag != *tag);
        queue.renew(now);
        if queue.consumers.is_empty() && queue.auto_deletes() {
            self.remove_queue(name);
        }
    }

    pub(super) fn get(
        &mut self,
        now: Instant,
        from: ChannelId,
        get: basic::Get,
    ) -> Result<(), Fault> {
        let queue = self.queue_for(from, get.queue.as_str())?;
        queue.renew(now);
        let (name, queue_number) = (queue.name().to_owned(), queue.number());
        let Some(stored) = queue.take_front() else {
            self.send(
                from,
                AMQPClass::Basic(basic::AMQPMethod::GetEmpty(basic::GetEmpty {})),
            );
            return Ok(());
        };
        let message_count = queue.ready();
        let channel = self.channels.entry(from).or_default();
        let delivery_tag = channel.next_tag();
        let message = Rc::clone(&stored.message);
        let ok = basic::GetOk {
            delivery_tag,
            redelivered: stored.redelivered,
            exchange: message.exchange.clone(),
            routing_key: message.routing_key.clone(),
            message_count,
        };
        if get.no_ack {
            self.stored_bytes -= message.size();
        } else {
            channel.hold(Held {
                tag: delivery_tag,
                queue: name,
                queue_number,
                consumer: None,
                stored,
            });
        }
        self.put_out(Sent {
            to: from,
            method: AMQPClass::Basic(basic::AMQPMethod::GetOk(ok)),
            message: Some(message),
        });
        Ok(())
    }

    /// Gives a queue's messages to its consumers, in turn, as long as both last.
    pub(super) fn pump(&mut self, name: &str) {
        while self.deliver_one(name) {}
    }

    fn deliver_one(&mut self, name: &str) -> bool {
        let Some(queue) = self.queues.get_mut(name) else {
            return false;
        };
        if queue.ready() == 0 {
            return false;
        }
        let has_room = |consumer: &Consumer| {
            if consumer.prefetch > 0 && consumer.held >= usize::from(consumer.prefetch) {
                return false;
            }
            if !consumer.no_ack
                && !self
                    .channels
                    .get(&consumer.channel)
                    .is_some_and(|channel| channel.has_room())
            {
                return false;
            }
            // Last, as it leaves a mark: only a consumer that the window alone holds back is starved.
            self.links
                .get_mut(&consumer.channel.connection)
                .is_some_and(|link| {
                    link.starved |= link.window_bytes >= DELIVERY_WINDOW;
                    link.window_bytes < DELIVERY_WINDOW
                })
        };
        let Some(at) = queue.consumers.iter().position(has_room) else {
            return false;
        };
        queue.consumers.rotate_left(at);
        let Some(stored) = queue.take_front() else {
            return false;
        };
        let queue_number = queue.number();
        let consumer = &mut queue.consumers[0];
        let to = consumer.channel;
        let channel = self.channels.entry(to).or_default();
        let delivery_tag = channel.next_tag();
        let message = Rc::clone(&stored.message);
        let deliver = basic::Deliver {
            consumer_tag: consumer.tag.clone(),
            delivery_tag,
            redelivered: stored.redelivered,
            exchange: message.exchange.clone(),
            routing_key: message.routing_key.clone(),
        };
        if consumer.no_ack {
            self.stored_bytes -= message.size();
        } else {
            consumer.held += 1;
            let consumer = Some(consumer.number);
            channel.hold(Held {
                tag: delivery_tag,
                queue: name.to_owned(),
                queue_number,
                consumer,
                stored,
            });
        }
        queue.consumers.rotate_left(1);
        if let Some(link) = self.links.get_mut(&to.connection) {
            link.window_bytes += message.size();
        }
        self.put_out(Sent {
            to,
            method: AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver)),
            message: Some(message),
        });
        true
    }

    /// Returns the queues that a connection consumes.
    pub(super) fn queues_consumed_by(&self, connection: ConnectionId) -> Vec<String> {
        self.channels
            .iter()
            .filter(|(id, _)| id.connection == connection)
            .flat_map(|(_, channel)| channel.consumers.values().cloned())
            .collect()
    }
}
