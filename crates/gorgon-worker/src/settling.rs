//! The last reply of an item on its way, its confirm, and the acknowledgement that follows, in the core.

use std::time::Instant;

use gorgon_proto::message::{ItemNote, Reply};

use crate::event::Effect;
use crate::work::{Consuming, Phase, Work};

/// An item whose last reply is on its way.
#[derive(Debug)]
pub(crate) struct Settling {
    pub(crate) delivery: Option<u64>,
    pub(crate) awaits: Option<u64>,
    /// While its finish is on its way: what says that nobody else need run it.
    pub(crate) holds: Option<Box<ItemNote>>,
    /// The session acknowledges the delivery, unless we say that it is not to: it may have done so already.
    pub(crate) acks_itself: bool,
}

impl Settling {
    /// Nothing is to be waited for.
    pub(crate) fn done() -> Self {
        Self {
            delivery: None,
            awaits: None,
            holds: None,
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
            Phase::Settling(settling) if settling.awaits == Some(tag) => {
                settling.awaits = None;
                settling.holds = None;
                settling.acks_itself &= acked;
                settling.delivery = settling.delivery.filter(|_| !acked);
            }
            Phase::Leaving { tag: last } if *last == tag => self.exit(out),
            Phase::Idle
            | Phase::Running(_)
            | Phase::Settling(_)
            | Phase::Ending
            | Phase::Leaving { .. }
            | Phase::Done => {}
        }
    }

    fn publish_then_ack(&mut self, reply: Reply, delivery: u64, out: &mut Vec<Effect>) -> u64 {
        self.next_tag += 1;
        let reply = Box::new(reply);
        out.push(Effect::PublishThenAck(self.next_tag, reply, delivery));
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

    /// Goes to `Settling` with the item's last reply, if it has one.
    pub(crate) fn settle(
        &mut self,
        delivery: Option<u64>,
        reply: Option<Reply>,
        out: &mut Vec<Effect>,
    ) {
        let holds = match &reply {
            Some(Reply::Finish(finish)) => Some(Box::new(self.settings.me.finished(finish))),
            _ => None,
        };
        // To be told of the confirm, only to ask for the ack, would wake who has nothing else to do then.
        let at_once = delivery.filter(|_| self.takes_another());
        let awaits = reply.map(|reply| match at_once {
            Some(delivery) => self.publish_then_ack(reply, delivery, out),
            None => self.publish(reply, out),
        });
        self.phase = Phase::Settling(Settling {
            delivery,
            awaits,
            holds,
            acks_itself: at_once.is_some() && awaits.is_some(),
        });
    }
}
