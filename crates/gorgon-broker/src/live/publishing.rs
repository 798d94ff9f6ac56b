//! Messages on their way out, and what becomes of them.

use super::{CALL_LIMIT, Cause, Happened, Live, MISSING};
use crate::connect::words;
use crate::runner::Runner;
use crate::window::Fate;
use crate::wish::{Wish, event_of};
use crate::{Event, Publish};
use amiquip::{AmqpProperties, AmqpValue, Channel, Confirm, Error, Return};
use crossbeam_channel::TryRecvError;
use log::warn;
use std::time::Instant;

/// What the broker says of a message larger than it is configured to take.
const TOO_LARGE: u16 = 406;

/// What it says of an exchange to which our account may not write.
const FORBIDDEN: u16 = 403;

/// Returns whether the broker's words name an exchange. It is told nowhere else which of the
/// messages under way was refused; if its words change, none is given up, and we connect again.
fn is_named(words: &str, exchange: &str) -> bool {
    let name = if exchange.is_empty() {
        "amq.default"
    } else {
        exchange
    };
    words.contains(&format!("'{name}'"))
}

/// Returns the largest message that the broker takes, which it tells nowhere else; if its words
/// change, we find it out by one lost connection for each message that is larger.
fn size_limit(words: &str) -> Option<usize> {
    let (_, after) = words.split_once("max size ")?;
    let digits = after.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

impl Live<'_> {
    pub(super) fn take_return(&mut self, runner: &mut Runner, returned: &Return) {
        let number = returned.properties.message_id().as_ref();
        match number.and_then(|id| id.rsplit('-').next()?.parse().ok()) {
            Some(number) => runner.wish.window.returned(number),
            None => {
                warn!(target: "gorgon::broker", "the broker returned a message that is not ours")
            }
        }
    }

    pub(super) fn take_confirm(
        &mut self,
        runner: &mut Runner,
        confirm: Confirm,
    ) -> Result<(), Cause> {
        // What was returned is told before it is confirmed, but by another channel.
        while let Ok(returned) = self.returns.try_recv() {
            self.take_return(runner, &returned);
        }
        match confirm {
            Confirm::Ack(ack) => {
                let mut acked = Ok(());
                for settled in runner.wish.window.confirmed(ack.delivery_tag, ack.multiple) {
                    if let Some(token) = settled.then_ack {
                        let tag = settled.tag;
                        let fuse = runner.fuse.clone();
                        let _guard = fuse.guard(CALL_LIMIT);
                        match self.ack(token) {
                            Ok(()) => runner.tell_soon(Event::Acked { tag, token }),
                            Err(cause) => {
                                acked = Err(cause);
                                runner.tell(Event::Confirmed { tag });
                            }
                        }
                        continue;
                    }
                    match settled.fate {
                        Fate::Routed | Fate::RoutedUnhurried if runner.without_confirms => {}
                        Fate::RoutedUnhurried => runner.unhurried.push(event_of(settled)),
                        Fate::Routed | Fate::Unroutable | Fate::TooLarge => {
                            runner.tell(event_of(settled));
                        }
                    }
                }
                acked
            }
            // The back-off of the reconnect keeps a broker in trouble from being pressed.
            Confirm::Nack(_) => Err(Cause::ours("the broker could not take a message")),
        }
    }

    /// Publishes what the window lets.
    pub(super) fn publish_all(&mut self, runner: &mut Runner) -> Result<(), Cause> {
        let fuse = runner.fuse.clone();
        while !self.blocked {
            let Some((number, message)) = runner.wish.window.next(Instant::now()) else {
                break;
            };
            let _guard = fuse.guard(CALL_LIMIT);
            let id = format!("{:08x}-{number}", runner.nonce);
            let done = publish(self.publishing, message, id);
            if done.is_err() {
                return Err(self.last_words_of_publishing(runner));
            }
            self.hear_notes(runner)?;
        }
        Ok(())
    }

    /// Looks for a note that the broker is full before more is published.
    pub(super) fn hear_notes(&mut self, runner: &mut Runner) -> Result<(), Cause> {
        match self.notes.try_recv() {
            Ok(note) => self.take(runner, Happened::Note(Ok(note))),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Ok(()),
        }
    }

    /// Asks a channel that has gone silent why: the client tells it at the next call, once.
    pub(super) fn last_words(&self, runner: &Runner, channel: &Channel) -> Cause {
        let _guard = runner.fuse.guard(CALL_LIMIT);
        match channel.qos(0, 1, false) {
            Ok(()) => Cause::of(&Error::EventLoopDropped),
            Err(error) => Cause::of(&error),
        }
    }

    /// The same of the channel on which we publish. A message for which the broker closes it would
    /// be published again at each connection, and cost us each: it is given up.
    pub(super) fn last_words_of_publishing(&self, runner: &mut Runner) -> Cause {
        let fuse = runner.fuse.clone();
        let _guard = fuse.guard(CALL_LIMIT);
        let error = match self.publishing.enable_publisher_confirms() {
            Ok(()) => Error::EventLoopDropped,
            Err(error) => error,
        };
        let window = &mut runner.wish.window;
        let given_up = match &error {
            Error::ServerClosedChannel { code: MISSING, .. } => {
                let declared = &runner.wish.declare;
                window.give_up_unknown(|name| Wish::knows_exchange(declared, name))
            }
            Error::ServerClosedChannel {
                code: TOO_LARGE,
                message,
                ..
            } => window.give_up_too_large(size_limit(message)),
            Error::ServerClosedChannel {
                code: FORBIDDEN,
                message,
                ..
            } => window.give_up_for(|exchange| is_named(message, exchange)),
            _ => Vec::new(),
        };
        for settled in given_up {
            warn!(target: "gorgon::broker", said = words(&error).as_str(), tag = settled.tag; "message given up");
            runner.tell(event_of(settled));
        }
        Cause::of(&error)
    }
}

fn publish(channel: &Channel, message: &Publish, id: String) -> amiquip::Result<()> {
    let mut properties = AmqpProperties::default().with_message_id(id);
    if !message.headers.is_empty() {
        let headers = message.headers.iter();
        let headers = headers.map(|(k, v)| (k.clone(), AmqpValue::LongString(v.clone())));
        properties = properties.with_headers(headers.collect());
    }
    let routing_key = message.routing_key.as_str();
    let mut publish = amiquip::Publish::with_properties(&message.body, routing_key, properties);
    publish.mandatory = message.mandatory;
    channel.basic_publish(message.exchange.as_str(), publish)
}

#[cfg(test)]
mod tests {
    use super::size_limit;

    #[test]
    fn the_largest_size_stands_in_the_words_of_the_broker() {
        for (words, limit) in [
            (
                "PRECONDITION_FAILED - message size 300000 is larger than configured max size 262144",
                Some(262_144),
            ),
            ("message size 3 larger than max size 2.", Some(2)),
            ("PRECONDITION_FAILED - unknown delivery tag 1", None),
            ("max size unknown", None),
        ] {
            assert_eq!(size_limit(words), limit, "{words}");
        }
    }
}
