//! The last reply of an item on its way, its confirm, and the acknowledgement that follows, in the core.

use std::collections::BTreeSet;
use std::time::Instant;

use gorgon_proto::message::{ItemNote, Reply};

use crate::event::Effect;
use crate::work::{Consuming, Phase, Work};

/// What this worker has of a delivery, from its arrival on.
#[derive(Debug, Default)]
pub(crate) struct InHand {
    /// The delivery, while its connection lives.
    pub(crate) delivery: Option<u64>,
    /// Messages with finishes of it that the broker has not confirmed.
    pub(crate) awaits: BTreeSet<u64>,
    /// Items of its bundle that have their finish.
    pub(crate) finished: Vec<ItemNote>,
}

impl InHand {
    /// Of this delivery nothing is done yet.
    pub(crate) fn of(delivery: u64) -> Self {
        Self {
            delivery: Some(delivery),
            ..Self::default()
        }
    }
}

/// A delivery whose last reply is on its way.
#[derive(Debug)]
pub(crate) struct Settling {
    pub(crate) delivery: Option<u64>,
    /// Messages that are to be confirmed before it is acknowledged.
    pub(crate) awaits: BTreeSet<u64>,
    /// While its finish is on its way: what says that nobody else need run it.
    pub(crate) holds: Vec<ItemNote>,
    /// The session acknowledges the delivery, unless we say that it is not to: it may have done so already.
    pub(crate) acks_itself: bool,
}

impl Settling {
    /// Nothing is to be waited for.
    pub(crate) fn done() -> Self {
        Self {
            delivery: None,
            awaits: BTreeSet::new(),
            holds: Vec::new(),
            acks_itself: false,
        }
    }
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
            Phase::Settling(settling) if settling.awaits.contains(&tag) => {
                settling.awaits.remove(&tag);
                settling.acks_itself &= acked;
                settling.delivery = settling.delivery.filter(|_| !acked);
                if settling.awaits.is_empty() {
                    settling.holds.clear();
                }
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

    fn publish_then_ack(
        &mut self,
        replies: Vec<Reply>,
        delivery: u64,
        out: &mut Vec<Effect>,
    ) -> u64 {
        let replies = self.unsent.take(replies);
        self.next_tag += 1;
        out.push(Effect::PublishThenAck(self.next_tag, replies, delivery));
        self.next_tag
    }

    /// Returns whether nothing speaks against the next item but the confirm that the last one waits for.
    fn takes_another(&self) -> bool {
        self.leaving.is_none()
            && !self.slot_wanted
            && self.consuming == Consuming::Yes
            && !self.children.any_leaving()
            && self.owed.is_none()
    }

    /// Goes to `Settling` with the last replies of a delivery, if it has some.
    pub(crate) fn settle(&mut self, hand: InHand, replies: Vec<Reply>, out: &mut Vec<Effect>) {
        let InHand {
            delivery,
            mut awaits,
            finished: mut holds,
        } = hand;
        holds.extend(replies.iter().filter_map(|reply| match reply {
            Reply::Finish(finish) => Some(self.settings.me.finished(finish)),
            _ => None,
        }));
        out.push(Effect::Note(None));
        // To be told of the confirm, only to ask for the ack, would wake who has nothing else to do then.
        let at_once = delivery.filter(|_| self.takes_another() && awaits.is_empty());
        let published = !replies.is_empty();
        if published {
            awaits.insert(match at_once {
                Some(delivery) => self.publish_then_ack(replies, delivery, out),
                None => self.publish_all(replies, out),
            });
        }
        self.phase = Phase::Settling(Settling {
            delivery,
            awaits,
            holds,
            acks_itself: at_once.is_some() && published,
        });
    }
}
