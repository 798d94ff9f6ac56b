//! What waits to be published and what waits to be confirmed: pure.
//!
//! The window bounds what the client's buffers and the broker owe us. The outbox behind it has no bound: it holds the
//! messages that the owner gave us to publish. The originator publishes only a few messages ahead for each slot.
//! Without bundles it publishes all items of the job, one a message (a few hundred bytes each). The outbox grows only
//! while the broker is away or slow. Holding the owner back instead would stop the loop that reads its signals.

use crate::{Publish, Token};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

/// So many messages may be unconfirmed.
const MESSAGES: usize = 1_000;
/// So many bytes may be unconfirmed; a message larger than this goes alone.
const BYTES: usize = 4 << 20;
/// Time without a confirm after which the connection counts as lost. The clock stops while the broker blocks
/// publishers; large messages get more time below.
const CONFIRM: Duration = Duration::from_secs(10);
/// The slowest link we count with.
const BYTES_PER_SEC: u32 = 1 << 20;

/// A message on its way.
#[derive(Debug)]
struct Entry {
    /// Our own number of the message: its `message_id`, by which the broker returns it.
    number: u64,
    message: Publish,
}

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    /// The owner's number.
    pub(crate) tag: u64,
    /// How.
    pub(crate) fate: Fate,
    /// What is to be acknowledged now.
    pub(crate) then_ack: Option<Token>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A queue took it, or nobody had to.
    Routed,
    /// The same of one that is unhurried.
    RoutedUnhurried,
    /// No queue took it.
    Unroutable,
    /// It is larger than the broker takes.
    TooLarge,
}

/// The outbox and the unconfirmed, in the order of publishing.
#[derive(Debug)]
pub(crate) struct Window {
    /// The largest message that the broker takes, as far as we know.
    limit_bytes: usize,
    numbered: u64,
    outbox: VecDeque<Entry>,
    /// By the delivery tag that the channel counts.
    flight: BTreeMap<u64, (Entry, Instant)>,
    flight_bytes: usize,
    /// It was full, and is not half empty yet.
    full: bool,
    /// The channel's next delivery tag, less one.
    sent: u64,
    /// Returned, not yet confirmed.
    returned: BTreeSet<u64>,
}

impl Default for Window {
    fn default() -> Self {
        Window {
            limit_bytes: Publish::LIMIT_BYTES,
            numbered: 0,
            outbox: VecDeque::new(),
            flight: BTreeMap::new(),
            flight_bytes: 0,
            full: false,
            sent: 0,
            returned: BTreeSet::new(),
        }
    }
}

impl Window {
    /// Takes a message. One that the broker would not take is settled at once.
    pub(crate) fn push(&mut self, message: Publish) -> Option<Settled> {
        if message.body.len() > self.limit_bytes {
            return Some(Settled {
                tag: message.tag,
                fate: Fate::TooLarge,
                then_ack: None,
            });
        }
        self.numbered += 1;
        self.outbox.push_back(Entry {
            number: self.numbered,
            message,
        });
        None
    }

    /// Moves the next message into flight, if the window is open, and returns it with its number.
    ///
    /// A window that was full opens when half of it is settled: one message for each confirm would
    /// wake three threads for each, and the broker too.
    pub(crate) fn next(&mut self, now: Instant) -> Option<(u64, &Publish)> {
        let size = self.outbox.front()?.message.body.len();
        let (count, bytes) = (self.flight.len(), self.flight_bytes);
        let fits = count < MESSAGES && bytes.saturating_add(size) <= BYTES;
        let half = count <= MESSAGES / 2 && bytes <= BYTES / 2;
        self.full = count > 0 && (!fits || (self.full && !half));
        if self.full {
            return None;
        }
        let entry = self.outbox.pop_front()?;
        self.flight_bytes += size;
        self.sent += 1;
        let (entry, _) = self.flight.entry(self.sent).or_insert((entry, now));
        Some((entry.number, &entry.message))
    }

    /// Takes note that the broker returned message `number`; its confirm follows.
    pub(crate) fn returned(&mut self, number: u64) {
        self.returned.insert(number);
    }

    /// Takes a confirm; confirms may come in any order, and twice.
    pub(crate) fn confirmed(&mut self, delivery_tag: u64, multiple: bool) -> Vec<Settled> {
        let mut settled = Vec::new();
        if multiple {
            let rest = self.flight.split_off(&(delivery_tag.saturating_add(1)));
            for (entry, _) in std::mem::replace(&mut self.flight, rest).into_values() {
                settled.push(self.settle(&entry));
            }
        } else if let Some((entry, _)) = self.flight.remove(&delivery_tag) {
            settled.push(self.settle(&entry));
        }
        settled
    }

    fn settle(&mut self, entry: &Entry) -> Settled {
        self.flight_bytes -= entry.message.body.len();
        let fate = if self.returned.remove(&entry.number) {
            Fate::Unroutable
        } else if entry.message.unhurried {
            Fate::RoutedUnhurried
        } else {
            Fate::Routed
        };
        Settled {
            tag: entry.message.tag,
            fate,
            then_ack: entry.message.then_ack.filter(|_| fate != Fate::Unroutable),
        }
    }

    /// Acknowledges nothing by itself any more.
    pub(crate) fn forget_acks(&mut self) {
        for (entry, _) in self.flight.values_mut() {
            entry.message.then_ack = None;
        }
        for entry in &mut self.outbox {
            entry.message.then_ack = None;
        }
    }

    /// Puts the unconfirmed back before the rest: the connection is lost, and every delivery with it.
    pub(crate) fn lost(&mut self) {
        for (entry, _) in std::mem::take(&mut self.flight).into_values().rev() {
            self.outbox.push_front(entry);
        }
        self.forget_acks();
        self.flight_bytes = 0;
        self.sent = 0;
        self.returned.clear();
    }

    /// Gives up the unconfirmed messages to exchanges that `known` does not know: the broker closed
    /// the channel because an exchange is missing, and would do so at each attempt.
    pub(crate) fn give_up_unknown(&mut self, known: impl Fn(&str) -> bool) -> Vec<Settled> {
        self.give_up_for(|exchange| !exchange.is_empty() && !known(exchange))
    }

    /// Gives up the unconfirmed messages for exchanges of which `hopeless` is true.
    pub(crate) fn give_up_for(&mut self, hopeless: impl Fn(&str) -> bool) -> Vec<Settled> {
        self.give_up(Fate::Unroutable, |message| hopeless(&message.exchange))
    }

    /// Gives up what is larger than the broker is configured to take, and takes no such message any
    /// more; where it did not say how large that is, the largest unconfirmed one.
    pub(crate) fn give_up_too_large(&mut self, limit_bytes: Option<usize>) -> Vec<Settled> {
        let sizes = self
            .flight
            .values()
            .map(|(entry, _)| entry.message.body.len());
        let Some(largest) = sizes.max() else {
            return Vec::new();
        };
        match limit_bytes.filter(|limit| *limit < largest) {
            Some(limit) => {
                self.limit_bytes = limit;
                self.give_up(Fate::TooLarge, |message| message.body.len() > limit)
            }
            None => self.give_up(Fate::TooLarge, |message| message.body.len() == largest),
        }
    }

    fn give_up(&mut self, fate: Fate, hopeless: impl Fn(&Publish) -> bool) -> Vec<Settled> {
        let hopeless: Vec<u64> = self
            .flight
            .iter()
            .filter(|(_, (entry, _))| hopeless(&entry.message))
            .map(|(delivery_tag, _)| *delivery_tag)
            .collect();
        let mut settled = Vec::new();
        for delivery_tag in hopeless {
            if let Some((entry, _)) = self.flight.remove(&delivery_tag) {
                let tag = self.settle(&entry).tag;
                settled.push(Settled {
                    tag,
                    fate,
                    then_ack: None,
                });
            }
        }
        settled
    }

    /// Starts the clock of every unconfirmed message anew: the broker was blocked until now.
    pub(crate) fn restart_clocks(&mut self, now: Instant) {
        for (_, sent_at) in self.flight.values_mut() {
            *sent_at = now;
        }
    }

    /// Returns when the oldest confirm is overdue.
    pub(crate) fn overdue_at(&self) -> Option<Instant> {
        let (_, (entry, sent_at)) = self.flight.first_key_value()?;
        let size = u32::try_from(entry.message.body.len()).unwrap_or(u32::MAX);
        Some(*sent_at + CONFIRM + Duration::from_secs(u64::from(size / BYTES_PER_SEC)))
    }

    /// Returns whether everything is settled.
    pub(crate) fn is_empty(&self) -> bool {
        self.outbox.is_empty() && self.flight.is_empty()
    }
}

#[cfg(test)]
mod tests;
