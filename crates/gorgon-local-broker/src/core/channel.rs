//! A channel's own state: what it holds unacknowledged, its prefetch, its confirms.

use std::collections::{BTreeMap, VecDeque};

use amq_protocol::{protocol::basic, types::ShortString};

use super::queues::Stored;

/// A delivery that waits for its acknowledgement.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) tag: u64,
    /// The queue's name and number: a queue made anew under an old name takes nothing back.
    pub(super) queue: String,
    pub(super) queue_number: u64,
    /// The consumer's number; none for a message that was fetched by `get`.
    pub(super) consumer: Option<u64>,
    pub(super) stored: Stored,
}

/// State of an open channel.
#[derive(Debug, Default)]
pub(super) struct Channel {
    last_tag: u64,
    held: VecDeque<Held>,
    /// How many of `held` came to consumers, which is what a shared prefetch counts.
    held_by_consumers: usize,
    /// Prefetch of each consumer that is started from now on; 0 is without limit.
    pub(super) prefetch_each: u16,
    /// Prefetch of all consumers together; 0 is without limit.
    pub(super) prefetch_all: u16,
    /// Consumer tag to queue.
    pub(super) consumers: BTreeMap<ShortString, String>,
    /// The queue last declared, which an empty name means.
    pub(super) last_queue: Option<String>,
    confirms: Option<Confirms>,
}

#[derive(Debug, Default)]
struct Confirms {
    published: u64,
    confirmed: u64,
}

impl Channel {
    /// Returns the tag for the next delivery.
    pub(super) fn next_tag(&mut self) -> u64 {
        self.last_tag += 1;
        self.last_tag
    }

    /// Keeps a delivery until it is acknowledged.
    pub(super) fn hold(&mut self, held: Held) {
        self.held_by_consumers += usize::from(held.consumer.is_some());
        self.held.push_back(held);
    }

    /// Tells whether the shared prefetch allows one more delivery.
    pub(super) fn has_room(&self) -> bool {
        self.prefetch_all == 0 || self.held_by_consumers < usize::from(self.prefetch_all)
    }

    /// Takes the deliveries that an acknowledgement of `tag` means; `None` when the tag is unknown.
    pub(super) fn settle(&mut self, tag: u64, multiple: bool) -> Option<Vec<Held>> {
        let settled: Vec<Held> = if multiple && tag == 0 {
            self.held.drain(..).collect()
        } else {
            // Tags grow, so the place is found by halving.
            let at = self.held.binary_search_by_key(&tag, |held| held.tag).ok()?;
            if multiple {
                self.held.drain(..=at).collect()
            } else {
                self.held.remove(at).into_iter().collect()
            }
        };
        self.held_by_consumers -= settled
            .iter()
            .filter(|held| held.consumer.is_some())
            .count();
        Some(settled)
    }

    /// Gives up all deliveries that were held, when the channel ends.
    pub(super) fn into_held(self) -> Vec<Held> {
        self.held.into()
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn held_bytes(&self) -> usize {
        self.held
            .iter()
            .map(|held| held.stored.message.size())
            .sum()
    }

    /// Begins to confirm.
    pub(super) fn confirm(&mut self) {
        self.confirms.get_or_insert_default();
    }

    /// Counts a message that the broker has dealt with.
    pub(super) fn count_publish(&mut self) {
        if let Some(confirms) = &mut self.confirms {
            confirms.published += 1;
        }
    }

    /// Returns the confirm that is due, one for all messages since the last.
    pub(super) fn take_confirm(&mut self) -> Option<basic::Ack> {
        let confirms = self.confirms.as_mut()?;
        let newly = confirms.published - confirms.confirmed;
        confirms.confirmed = confirms.published;
        (newly > 0).then_some(basic::Ack {
            delivery_tag: confirms.published,
            multiple: newly > 1,
        })
    }
}
