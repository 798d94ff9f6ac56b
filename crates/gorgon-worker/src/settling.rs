//! The last reply of an item on its way, its confirm, and the acknowledgement that follows, in the core.

use std::collections::BTreeMap;
use std::time::Instant;

use gorgon_proto::message::{ItemNote, Reply};

use crate::event::Effect;
use crate::work::{Consuming, Phase, Work};

/// What this worker has of a delivery, from its arrival on.
#[derive(Debug, Default)]
pub(crate) struct InHand {
    /// The delivery, while its connection lives.
    pub(crate) delivery: Option<u64>,
    /// Messages that are to be confirmed before it is acknowledged, each with the items whose finish it holds. While one
    /// is on its way nobody else need run these.
    pub(crate) awaits: BTreeMap<u64, Vec<ItemNote>>,
}

impl InHand {
    /// Returns the items whose finish is on its way.
    pub(crate) fn on_their_way(&self) -> impl Iterator<Item = ItemNote> + '_ {
        self.awaits.values().flatten().cloned()
    }

    /// Of this delivery nothing is done yet.
    pub(crate) fn of(delivery: u64) -> Self {
        Self {
            delivery: Some(delivery),
            ..Self::default()
        }
    }
}

/// A delivery whose last reply is on its way.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    pub(crate) hand: InHand,
    /// The session acknowledges the delivery, unless we say that it is not to: it may have done so already.
    pub(crate) acks_itself: bool,
}

impl Work {
    /// The broker has a reply; `acked`: and what was to be acknowledged then is.
    pub(crate) fn confirmed(&mut self, now: Instant, tag: u64, acked: bool, out: &mut Vec<Effect>) {
        self.renew_leave(now);
        self.unroutable.remove(&tag);
        self.unheard_since = None;
        self.stale_words.remove(&tag);
        self.word = self.word.filter(|word| *word != tag);
        if let Some(delivery) = self.notes.remove(&tag) {
            out.push(Effect::Ack(delivery));
        }
        match &mut self.phase {
            Phase::Settling(settling) if settling.hand.awaits.contains_key(&tag) => {
                settling.hand.awaits.remove(&tag);
                settling.acks_itself &= acked;
                settling.hand.delivery = settling.hand.delivery.filter(|_| !acked);
            }
            Phase::Running(running) => {
                running.hand.awaits.remove(&tag);
            }
            Phase::Leaving { tag: last } if *last == tag => self.exit(out),
            Phase::Idle
            | Phase::Settling(_)
            | Phase::Ending
            | Phase::Leaving { .. }
            | Phase::Done => {}
        }
    }

    /// Returns whether nothing speaks against the next item but the confirm that the last one waits for.
    fn takes_another(&self) -> bool {
        self.leaving.is_none()
            && !self.slot_wanted
            && self.consuming == Consuming::Yes
            && !self.children.any_leaving()
            && self.owed.is_none()
    }

    /// Returns the items whose finish is among these replies.
    pub(crate) fn finished_in(&self, replies: &[Reply]) -> Vec<ItemNote> {
        let finishes = replies.iter().filter_map(|reply| match reply {
            Reply::Finish(finish) => Some(self.settings.me.finished(finish)),
            _ => None,
        });
        finishes.collect()
    }

    /// Goes to `Settling` with the last replies of a delivery, if it has some.
    pub(crate) fn settle(&mut self, mut hand: InHand, replies: Vec<Reply>, out: &mut Vec<Effect>) {
        out.push(Effect::Note(None));
        // To be told of the confirm, only to ask for the ack, would wake who has nothing else to do then.
        let delivery = hand.delivery;
        let at_once = delivery.filter(|_| self.takes_another() && hand.awaits.is_empty());
        let replies = self.unsent.take(replies);
        let published = !replies.is_empty();
        if published {
            self.next_tag += 1;
            hand.awaits
                .insert(self.next_tag, self.finished_in(&replies));
            out.push(match at_once {
                Some(delivery) => Effect::PublishThenAck(self.next_tag, replies, delivery),
                None => Effect::Publish(self.next_tag, replies),
            });
        }
        self.phase = Phase::Settling(Settling {
            hand,
            acks_itself: at_once.is_some() && published,
        });
    }
}
