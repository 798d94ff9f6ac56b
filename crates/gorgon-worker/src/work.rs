//! One worker's life, pure: what it does about each event, one item at a time.
//!
//! ```text
//!            item                  last reply              confirmed, no child leaving
//!   Idle ───────────▶ Running ──────────────▶ Settling ──────────────────────▶ Idle (ack)
//!    │                 │   ▲
//!    │                 └───┘ the next item of the bundle
//!    │ a reason to leave
//!    └──▶ Ending (children finish) ──▶ Leaving (worker_ended confirmed) ──▶ Done
//! ```
//!
//! A slot that is wanted for another job is a reason to leave once nothing runs. Any other never cuts the way short: a
//! running item is stopped, settled (acked, or given back and acked), and only then do the children end. Nothing is
//! acked before its last reply is confirmed, and, once the worker is to leave, before the consumer is drained: an ack
//! would bring the next item.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use gorgon_proto::job::Framework;
use gorgon_proto::message::{Finish, HostError, Reply};

use crate::children::{ChildNo, Children};
use crate::event::{Delivered, Effect, Event, Exit, Settings};
use crate::guess::Guess;
use crate::running::Running;
use crate::settling::Settling;
use crate::unsent::Unsent;

/// How long hooks, after_complete and at_exit of a child may take once the job is cancelled.
pub const CANCELLED_END_LIMIT: Duration = Duration::from_secs(5);
/// How long the preloader may take to tell the end of a child that it was asked to kill. One that hangs would be
/// waited for without end.
pub const KILLED_LIMIT: Duration = Duration::from_secs(10);
/// After how long a reply that found no queue is sent again.
pub const RESEND_AFTER: Duration = Duration::from_secs(1);
/// How long a file queue that is missing after an outage is looked for: a broker that has lost its
/// data comes back without it, and the originator makes it anew.
pub const QUEUE_PATIENCE: Duration = Duration::from_secs(15);
/// How often a child that a signal ended before it was ready is forked again.
pub const START_TRIES: u32 = 3;

/// The connection's consumer of the file queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consuming {
    Yes,
    Stopping,
    No,
}

/// An after_complete that has not run: the child died that had run before_start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owed {
    pub(crate) framework: Framework,
    /// Whether a child for it could not be forked.
    pub(crate) again: bool,
}

impl Owed {
    /// Owed by a child of this framework.
    pub(crate) fn by(framework: Framework) -> Self {
        Self {
            framework,
            again: false,
        }
    }
}

/// The item that a cancel stopped, for the person who runs files by hand.
#[derive(Debug)]
pub struct Interrupted {
    /// The test that ran.
    pub test: Option<String>,
    /// What had come of the item until then.
    pub finish: Box<Finish>,
}

#[derive(Debug)]
pub(crate) enum Phase {
    Idle,
    Running(Box<Running>),
    Settling(Settling),
    Ending,
    Leaving { tag: u64 },
    Done,
}

/// The core of a worker.
#[derive(Debug)]
pub struct Work {
    pub(crate) settings: Settings,
    pub(crate) phase: Phase,
    pub(crate) children: Children,
    /// A child that is forked before there is an item: none is taken until it is ready.
    pub(crate) ahead: Option<ChildNo>,
    pub(crate) guess: Guess,
    /// Why it is to leave.
    pub(crate) leaving: Option<Exit>,
    /// Its slot is wanted for another job: it leaves as soon as it runs nothing.
    pub(crate) slot_wanted: bool,
    pub(crate) consuming: Consuming,
    /// Deliveries that came while another was in hand: only after a reconnect, or while draining.
    pub(crate) extra: VecDeque<Delivered>,
    /// Notes about such deliveries that await their confirm, by tag.
    pub(crate) notes: BTreeMap<u64, u64>,
    pub(crate) up: bool,
    /// The broker was away: it may have lost the file queue.
    pub(crate) outage: bool,
    pub(crate) owed: Option<Owed>,
    pub(crate) next_tag: u64,
    pub(crate) unsent: Unsent,
    pub(crate) unroutable: BTreeSet<u64>,
    /// Since when no reply has found a queue.
    pub(crate) unheard_since: Option<Instant>,
    /// The last word on what it holds, if the broker has not confirmed it; and those that hold no longer.
    pub(crate) word: Option<u64>,
    pub(crate) stale_words: BTreeSet<u64>,
    resend_at: Option<Instant>,
    /// Until when a file queue that is missing after a reconnect is looked for.
    pub(crate) patience_until: Option<Instant>,
    /// When it is looked for next.
    pub(crate) look_at: Option<Instant>,
    idle_until: Option<Instant>,
    /// Once the job is cancelled: until when hooks and callbacks of children may run.
    pub(crate) hurry_until: Option<Instant>,
    pub(crate) leave_at: Option<Instant>,
    /// A callback of the end that raised.
    pub(crate) end_error: Option<HostError>,
    pub(crate) items: u32,
    /// Whether it is written down that a child which has run files is being ended.
    noted_end: bool,
    /// By hand: what a cancel stopped.
    pub(crate) interrupted: Option<Interrupted>,
    /// Children in a row that a signal ended before they were ready.
    pub(crate) false_starts: u32,
    /// Why the last Ruby child did not become ready, if another one is tried for that.
    pub(crate) start_error: Option<HostError>,
}

impl Work {
    /// Makes a worker that is connected and consumes its file queue.
    pub(crate) fn new(settings: Settings, now: Instant) -> Self {
        Self {
            guess: Guess::new(&settings.frameworks),
            outage: settings.queue_may_be_late,
            idle_until: settings.idle_limit.map(|limit| now + limit),
            settings,
            phase: Phase::Idle,
            children: Children::default(),
            ahead: None,
            leaving: None,
            slot_wanted: false,
            consuming: Consuming::Yes,
            extra: VecDeque::new(),
            notes: BTreeMap::new(),
            up: true,
            owed: None,
            next_tag: 0,
            unsent: Unsent::default(),
            unroutable: BTreeSet::new(),
            unheard_since: None,
            word: None,
            stale_words: BTreeSet::new(),
            resend_at: None,
            patience_until: None,
            look_at: None,
            hurry_until: None,
            leave_at: None,
            end_error: None,
            items: 0,
            noted_end: false,
            interrupted: None,
            false_starts: 0,
            start_error: None,
        }
    }

    /// Takes one event at `now` and tells what to do about it.
    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        if matches!(self.phase, Phase::Done) {
            return out;
        }
        match event {
            Event::Delivered(delivered) => self.extra.push_back(delivered),
            Event::Confirmed(tag) => self.confirmed(now, tag, false, &mut out),
            Event::Acked(tag) => self.confirmed(now, tag, true, &mut out),
            Event::Unroutable(tag) if self.stale_words.remove(&tag) => {}
            Event::Unroutable(tag) => {
                self.unroutable.insert(tag);
                self.unheard_since.get_or_insert(now);
                self.resend_at.get_or_insert(now + RESEND_AFTER);
            }
            Event::Refused => {
                let cause =
                    "it takes not even the least of a message: its max_message_size is too small";
                self.refused(now, cause, &mut out);
            }
            Event::BrokerDown { answered } => self.broker_down(answered),
            Event::BrokerUp => self.broker_up(&mut out),
            Event::BrokerGaveUp(cause) => self.leave(now, Exit::BrokerGone(cause), &mut out),
            Event::ConsumerEnded { missing } => self.consumer_ended(now, missing, &mut out),
            Event::ConsumerRefused(said) => {
                self.consuming = Consuming::No;
                let cause = format!("it does not let us consume the file queue: {said}");
                self.leave(now, Exit::BrokerGone(cause), &mut out);
            }
            Event::Drained => self.drained(&mut out),
            Event::Child(no, said) => self.child_said(now, no, said, &mut out),
            Event::PreloaderLost(how) => self.preloader_lost(how, &mut out),
            Event::Cancelled => {
                if self.leaving == Some(Exit::Cancelled) {
                    self.kill_children(now, &mut out);
                }
                self.leave(now, Exit::Cancelled, &mut out);
            }
            Event::SlotWanted => self.slot_wanted = true,
            Event::HandBack => self.leave(now, Exit::HandedBack, &mut out),
            Event::ListenerLost => self.leave(now, Exit::ListenerLost, &mut out),
            Event::DeadlinePassed => self.deadline_passed(now, &mut out),
        }
        self.advance(now, &mut out);
        self.note_end(&mut out);
        out
    }

    /// Writes down that a child which has run files begins to end, or that none does any more. If this process dies in
    /// between, nobody else knows that the hooks of the suite were not seen.
    fn note_end(&mut self, out: &mut Vec<Effect>) {
        let ends = self.children.any_ends_files();
        if ends == self.noted_end || matches!(self.phase, Phase::Done) {
            return;
        }
        self.noted_end = ends;
        // Before the child begins to.
        let at = if ends { 0 } else { out.len() };
        out.insert(at, Effect::NoteEnd(ends));
    }

    /// Returns what a cancel stopped, by hand.
    #[must_use]
    pub fn stopped_by_cancel(&self) -> Option<&Interrupted> {
        self.interrupted.as_ref()
    }

    /// Returns when `DeadlinePassed` is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let item = match &self.phase {
            Phase::Running(running) => {
                let limit_at = running.limit_at.filter(|_| !running.timed_out);
                limit_at.into_iter().chain(running.look_at).min()
            }
            Phase::Idle => self.idle_until,
            Phase::Settling(_) | Phase::Ending | Phase::Leaving { .. } | Phase::Done => None,
        };
        let queue = match self.phase {
            Phase::Idle => self.look_at.filter(|_| self.up),
            Phase::Running(_)
            | Phase::Settling(_)
            | Phase::Ending
            | Phase::Leaving { .. }
            | Phase::Done => None,
        };
        [
            item,
            queue,
            self.children.deadline(),
            self.resend_at.filter(|_| self.up),
            self.leave_at,
            self.unsent.due(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn deadline_passed(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.unsent.due().is_some_and(|at| at <= now) {
            self.send_unsent(out);
        }
        if self.resend_at.is_some_and(|at| at <= now) && self.up {
            self.resend_at = None;
            let by_hand = self.settings.idle_limit.is_some();
            if by_hand
                && self
                    .unheard_since
                    .is_some_and(|at| at + QUEUE_PATIENCE <= now)
            {
                // Whoever has a manager is ended by it.
                self.unroutable.clear();
                return self.refused(now, "it has no queue for the replies", out);
            }
            out.extend(
                std::mem::take(&mut self.unroutable)
                    .into_iter()
                    .map(Effect::Resend),
            );
        }
        self.look_at_child(now, out);
        self.children_overdue(now, out);
        if matches!(self.phase, Phase::Done) {
            return;
        }
        match &mut self.phase {
            Phase::Running(running)
                if running.limit_at.is_some_and(|at| at <= now) && !running.timed_out =>
            {
                running.timed_out = true;
                if let Some(no) = running.child {
                    self.stop_child(now, no, out);
                }
            }
            Phase::Idle if self.idle_until.is_some_and(|at| at <= now) => {
                self.leave(now, Exit::Over, out)
            }
            Phase::Idle if self.up && self.look_at.is_some_and(|at| at <= now) => {
                self.look_at = None;
                self.consuming = Consuming::Yes;
                out.push(Effect::Consume);
            }
            Phase::Leaving { .. } | Phase::Settling(_) | Phase::Ending
                if self.leave_at.is_some_and(|at| at <= now) =>
            {
                self.leave_at = None;
                self.consuming = Consuming::No;
                self.notes.clear();
                match &mut self.phase {
                    // Neither confirm nor drain will come any more: the broker itself gives the item back.
                    Phase::Settling(settling) => {
                        *settling = Settling::default();
                    }
                    Phase::Leaving { .. } => self.exit(out),
                    Phase::Idle | Phase::Running(_) | Phase::Ending | Phase::Done => {}
                }
            }
            Phase::Idle
            | Phase::Running(_)
            | Phase::Settling(_)
            | Phase::Ending
            | Phase::Leaving { .. }
            | Phase::Done => {}
        }
    }

    /// No confirm will come; what is in hand goes back with the connection.
    fn refused(&mut self, now: Instant, cause: &str, out: &mut Vec<Effect>) {
        self.leave(now, Exit::BrokerGone(cause.to_owned()), out);
        self.notes.clear();
        match &mut self.phase {
            Phase::Settling(settling) => *settling = Settling::default(),
            Phase::Leaving { .. } => self.exit(out),
            Phase::Running(running) => running.hand.delivery = None,
            Phase::Idle | Phase::Ending | Phase::Done => {}
        }
    }

    /// After a reconnect the item may have been settled before the consumer was drained: then
    /// nothing but this begins to consume again.
    fn drained(&mut self, out: &mut Vec<Effect>) {
        self.consuming = Consuming::No;
        let idle = matches!(self.phase, Phase::Idle) && self.extra.is_empty();
        if idle && self.leaving.is_none() && !self.slot_wanted && self.up {
            self.consuming = Consuming::Yes;
            out.push(Effect::Consume);
        }
    }

    pub(crate) fn publish(&mut self, reply: Reply, out: &mut Vec<Effect>) -> u64 {
        self.publish_all(vec![reply], out)
    }

    /// Publishes replies as one message, after those that were held back.
    pub(crate) fn publish_all(&mut self, replies: Vec<Reply>, out: &mut Vec<Effect>) -> u64 {
        let replies = self.unsent.take(replies);
        self.next_tag += 1;
        let finished = self.finished_in(&replies);
        if let Phase::Running(running) = &mut self.phase
            && !finished.is_empty()
        {
            running.hand.awaits.insert(self.next_tag, finished);
        }
        out.push(Effect::Publish(self.next_tag, replies));
        self.next_tag
    }

    /// Publishes a reply with the next one, or in a moment.
    pub(crate) fn publish_soon(&mut self, now: Instant, reply: Reply, out: &mut Vec<Effect>) {
        if self.settings.holds_back {
            self.unsent.hold(now, reply);
        } else {
            self.publish(reply, out);
        }
    }

    /// Publishes what was held back.
    pub(crate) fn send_unsent(&mut self, out: &mut Vec<Effect>) {
        if self.unsent.due().is_some() {
            self.publish_all(Vec::new(), out);
        }
    }

    pub(crate) fn become_idle(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.phase = Phase::Idle;
        self.idle_until = self.settings.idle_limit.map(|limit| now + limit);
        let stays = self.leaving.is_none() && !self.slot_wanted;
        if stays && self.up && self.consuming == Consuming::No {
            self.patience_until = None;
            self.look_at = None;
            self.consuming = Consuming::Yes;
            out.push(Effect::Consume);
        }
    }
}

#[cfg(test)]
mod tests;
