//! Deliveries and their acknowledgement, and the queues they come from.

use super::{CALL_LIMIT, Cause, Consuming, Live, MISSING};
use crate::connect::words;
use crate::runner::Runner;
use crate::{Consume, Delivery, Event, Token};
use amiquip::{AmqpValue, Consumer, ConsumerMessage, ConsumerOptions, Error, FieldTable};
use log::warn;
use std::collections::BTreeMap;

/// So many consumers that the broker has ended are kept. Each holds some 10 KB, and a listener's connection lives for months.
const ENDED: usize = 16;

impl<'c> Live<'c> {
    pub(super) fn ack(&mut self, token: Token) -> Result<(), Cause> {
        if token.epoch != self.epoch {
            return Ok(());
        }
        match self.unacked.remove(&token.delivery) {
            Some(delivery) => delivery
                .ack(self.control)
                .map_err(|error| Cause::of(&error)),
            None => Ok(()),
        }
    }

    /// Begins to consume. If the broker refuses that, it closes the channel: the owner hears its
    /// answer first, then of the lost connection, with which every delivery that we hold goes back.
    pub(super) fn begin_to_consume(
        &mut self,
        runner: &mut Runner,
        consume: Consume,
    ) -> Result<(), Cause> {
        let queue = consume.queue.clone();
        if let Some(one) = self.consuming.iter().find(|one| one.queue == queue) {
            if one.consumer.is_none() {
                // It still drains; then it begins anew.
                runner.wish.consume(consume);
            } else {
                warn!(target: "gorgon::broker", queue = queue.as_str(); "consumed already");
            }
            return Ok(());
        }
        runner.wish.consume(consume.clone());
        let Err(error) = self.consume(&consume) else {
            return Ok(());
        };
        if let Error::ServerClosedChannel { code, .. } = &error {
            runner.wish.stop_consuming(&queue);
            runner.tell(if *code == MISSING {
                let missing = true;
                Event::ConsumerEnded { queue, missing }
            } else {
                let said = words(&error);
                Event::ConsumerRefused { queue, said }
            });
        }
        Err(Cause::of(&error))
    }

    pub(super) fn consume(&mut self, consume: &Consume) -> amiquip::Result<()> {
        self.control.qos(0, consume.prefetch.max(1), false)?;
        let options = ConsumerOptions::default();
        let consumer = self
            .control
            .basic_consume(consume.queue.as_str(), options)?;
        self.consuming.push(Consuming {
            queue: consume.queue.clone(),
            messages: consumer.receiver().clone(),
            consumer: Some(consumer),
        });
        Ok(())
    }

    pub(super) fn stop_consuming(
        &mut self,
        runner: &mut Runner,
        queue: String,
    ) -> Result<(), Cause> {
        runner.wish.stop_consuming(&queue);
        // It would bring the next delivery.
        runner.wish.window.forget_acks();
        let Some(one) = self.consuming.iter_mut().find(|one| one.queue == queue) else {
            runner.tell(Event::Drained { queue });
            return Ok(());
        };
        match one.consumer.take() {
            // Our clone of the receiver stays until the client has said its last word on it: the
            // client takes a receiver that is gone before that for a fault of its connection.
            Some(consumer) => consumer.cancel().map_err(|error| Cause::of(&error)),
            // It drains already.
            None => Ok(()),
        }
    }

    pub(super) fn take_message(
        &mut self,
        runner: &mut Runner,
        nth: usize,
        message: ConsumerMessage,
    ) -> Result<(), Cause> {
        match message {
            ConsumerMessage::Delivery(delivery) => {
                let queue = self.consuming[nth].queue.clone();
                let delivery = self.hold(queue, delivery);
                runner.tell(Event::Delivery(delivery));
                Ok(())
            }
            ConsumerMessage::ClientCancelled => {
                let queue = self.consuming.remove(nth).queue;
                let wished = &runner.wish.consume;
                let again = wished.iter().find(|wish| wish.queue == queue).cloned();
                runner.tell(Event::Drained { queue });
                match again {
                    None => Ok(()),
                    Some(consume) => {
                        let fuse = runner.fuse.clone();
                        let _guard = fuse.guard(CALL_LIMIT);
                        self.begin_to_consume(runner, consume)
                    }
                }
            }
            ConsumerMessage::ServerCancelled => {
                let one = self.consuming.remove(nth);
                runner.wish.stop_consuming(&one.queue);
                let drained = one.consumer.is_none();
                self.keep_ended(runner, one.consumer);
                let queue = one.queue.clone();
                let missing = false;
                runner.tell(Event::ConsumerEnded { queue, missing });
                if drained {
                    runner.tell(Event::Drained { queue: one.queue });
                }
                Ok(())
            }
            ConsumerMessage::ServerClosedChannel(error)
            | ConsumerMessage::ServerClosedConnection(error) => Err(Cause::of(&error)),
            ConsumerMessage::ClientClosedChannel | ConsumerMessage::ClientClosedConnection => {
                Err(Cause::of(&Error::EventLoopDropped))
            }
        }
    }

    /// Keeps a consumer that has ended, and drops the oldest of them when they are too many.
    fn keep_ended(&mut self, runner: &Runner, consumer: Option<Consumer<'c>>) {
        self.ended.extend(consumer);
        if self.ended.len() > ENDED {
            let fuse = runner.fuse.clone();
            let _guard = fuse.guard(CALL_LIMIT);
            self.ended.pop_front();
        }
    }

    /// Keeps what the acknowledgement needs, and hands on the rest.
    pub(super) fn hold(&mut self, queue: String, mut delivery: amiquip::Delivery) -> Delivery {
        let tag = delivery.delivery_tag();
        let body = std::mem::take(&mut delivery.body);
        let properties = std::mem::take(&mut delivery.properties);
        let held = Delivery {
            queue,
            token: Token {
                epoch: self.epoch,
                delivery: tag,
            },
            body,
            redelivered: delivery.redelivered,
            message_id: properties.message_id().clone(),
            headers: texts(properties.headers().as_ref()),
            before: Vec::new(),
        };
        self.unacked.insert(tag, delivery);
        held
    }
}

/// Returns the headers whose values are texts.
fn texts(headers: Option<&FieldTable>) -> BTreeMap<String, String> {
    let headers = headers.into_iter().flatten();
    headers
        .filter_map(|(key, value)| match value {
            AmqpValue::LongString(text) => Some((key.clone(), text.clone())),
            _ => None,
        })
        .collect()
}
