//! The broker's coming and going, in the core.

use std::time::Instant;

use gorgon_proto::message::{Holding, Reply};

use crate::event::{Effect, Exit};
use crate::work::{Consuming, Phase, QUEUE_PATIENCE, RESEND_AFTER, Work};

impl Work {
    /// What is in hand goes back to the queue by itself, the connection being gone.
    pub(crate) fn broker_down(&mut self, answered: bool) {
        self.up = false;
        self.extra.clear();
        self.notes.clear();
        if !answered {
            self.outage = true;
            self.patience_until = None;
            self.look_at = None;
        }
        if self.consuming == Consuming::Stopping {
            self.consuming = Consuming::No;
        }
        match &mut self.phase {
            Phase::Running(running) => running.hand.delivery = None,
            Phase::Settling(settling) => {
                settling.hand.delivery = None;
                settling.acks_itself = false;
            }
            Phase::Idle | Phase::Ending | Phase::Leaving { .. } | Phase::Done => {}
        }
    }

    /// First says what it holds; while it runs an item it takes no other.
    pub(crate) fn broker_up(&mut self, out: &mut Vec<Effect>) {
        if self.up {
            return;
        }
        self.up = true;
        // What it says of what it holds may be outdated, and is then not sent again.
        self.send_unsent(out);
        let me = &self.settings.me;
        let held = match &self.phase {
            Phase::Running(running) => {
                let left = [&running.record.item].into_iter().chain(&running.rest);
                let notes = running.hand.on_their_way();
                Holding::of(notes.chain(left.map(|item| me.about(item))))
            }
            // A finish that the broker found too large comes anew, and may be too large once more.
            Phase::Settling(settling) => Holding::of(settling.hand.on_their_way()),
            Phase::Idle | Phase::Ending | Phase::Leaving { .. } | Phase::Done => None,
        };
        let word = held.map_or_else(|| Reply::Idle(me.note()), Reply::Holds);
        self.outdate_word();
        self.word = Some(self.publish(word, out));
        let idle = matches!(self.phase, Phase::Idle);
        if self.consuming == Consuming::Yes && !idle {
            self.stop_consuming(out);
        } else if self.consuming == Consuming::No
            && idle
            && self.look_at.is_none()
            && self.leaving.is_none()
            && !self.slot_wanted
        {
            // The queue was missing when the connection was lost once more.
            self.consuming = Consuming::Yes;
            out.push(Effect::Consume);
        }
    }

    /// What it said last of what it holds is true no longer: if it found no queue, it is not said again,
    /// or an item that it has begun since would be taken for one that nobody runs.
    pub(crate) fn outdate_word(&mut self) {
        if let Some(word) = self.word.take()
            && !self.unroutable.remove(&word)
        {
            self.stale_words.insert(word);
        }
    }

    /// A missing queue means that the job is over, whether it is deleted under us or before we begin
    /// to consume. Only after an outage it may be one that the broker has lost: then the originator
    /// makes it anew.
    pub(crate) fn consumer_ended(&mut self, now: Instant, missing: bool, out: &mut Vec<Effect>) {
        self.consuming = Consuming::No;
        if !missing || !self.outage {
            return self.leave(now, Exit::Over, out);
        }
        let until = *self.patience_until.get_or_insert(now + QUEUE_PATIENCE);
        if now < until {
            self.look_at = Some(now + RESEND_AFTER);
        } else if matches!(self.phase, Phase::Idle) {
            self.leave(now, Exit::Over, out);
        }
    }

    pub(crate) fn stop_consuming(&mut self, out: &mut Vec<Effect>) {
        if self.consuming == Consuming::Yes {
            self.consuming = if self.up {
                Consuming::Stopping
            } else {
                Consuming::No
            };
            out.push(Effect::StopConsuming);
        }
    }

    /// An item came: the broker has not lost the file queue, or the originator has made it anew.
    pub(crate) fn queue_is_there(&mut self) {
        self.outage = false;
        self.patience_until = None;
        self.look_at = None;
    }
}
