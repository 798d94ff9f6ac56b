//! Acknowledgements of consumers, and confirms to publishers.

use std::collections::BTreeSet;

use amq_protocol::protocol::{AMQPClass, basic, confirm};

use super::{Broker, ChannelId, channel::Held};
use crate::fault::Fault;

impl Broker {
    pub(super) fn ack(&mut self, from: ChannelId, ack: basic::Ack) -> Result<(), Fault> {
        let settled = self.settle(from, ack.delivery_tag, ack.multiple)?;
        self.drop_held(settled);
        Ok(())
    }

    pub(super) fn nack(&mut self, from: ChannelId, nack: basic::Nack) -> Result<(), Fault> {
        let settled = self.settle(from, nack.delivery_tag, nack.multiple)?;
        if nack.requeue {
            self.requeue(settled)
        } else {
            self.drop_held(settled)
        }
        Ok(())
    }

    pub(super) fn reject(&mut self, from: ChannelId, reject: basic::Reject) -> Result<(), Fault> {
        let settled = self.settle(from, reject.delivery_tag, false)?;
        if reject.requeue {
            self.requeue(settled)
        } else {
            self.drop_held(settled)
        }
        Ok(())
    }

    pub(super) fn select_confirms(
        &mut self,
        from: ChannelId,
        select: confirm::Select,
    ) -> Result<(), Fault> {
        self.channel(from).confirm();
        if !select.nowait {
            self.send(
                from,
                AMQPClass::Confirm(confirm::AMQPMethod::SelectOk(confirm::SelectOk {})),
            );
        }
        Ok(())
    }

    fn settle(&mut self, from: ChannelId, tag: u64, multiple: bool) -> Result<Vec<Held>, Fault> {
        self.channel(from)
            .settle(tag, multiple)
            .ok_or_else(|| Fault::precondition_failed(format!("unknown delivery tag {tag}")))
    }

    /// Forgets settled deliveries and uses the room that their consumers have now.
    fn drop_held(&mut self, settled: Vec<Held>) {
        let mut freed = BTreeSet::new();
        for held in settled {
            self.stored_bytes -= held.stored.message.size();
            self.free_consumer(&held);
            freed.insert(held.queue);
        }
        self.pump_all(freed);
    }

    /// Puts deliveries back where they were, marked as redelivered.
    pub(super) fn requeue(&mut self, returned: Vec<Held>) {
        let mut freed = BTreeSet::new();
        for held in returned {
            self.free_consumer(&held);
            match self.queues.get_mut(&held.queue) {
                Some(queue) if queue.number() == held.queue_number => queue.put_back(held.stored),
                // The queue is gone, and its messages with it.
                _ => self.stored_bytes -= held.stored.message.size(),
            }
            freed.insert(held.queue);
        }
        self.pump_all(freed);
    }

    fn free_consumer(&mut self, held: &Held) {
        let queue = self
            .queues
            .get_mut(&held.queue)
            .filter(|queue| queue.number() == held.queue_number);
        if let (Some(queue), Some(number)) = (queue, held.consumer) {
            queue.free_consumer(number);
        }
    }

    /// Delivers from queues whose consumers may have room; with a shared prefetch, from their channel's others too.
    fn pump_all(&mut self, queues: BTreeSet<String>) {
        let mut all = queues.clone();
        for channel in self
            .channels
            .values()
            .filter(|channel| channel.prefetch_all > 0)
        {
            if channel
                .consumers
                .values()
                .any(|queue| queues.contains(queue))
            {
                all.extend(channel.consumers.values().cloned());
            }
        }
        for queue in all {
            self.pump(&queue);
        }
    }
}
