//! The broker came back: what it lost is queued again, unless a worker still holds it. A queue outlives
//! a restart of the broker, its messages do not.

use std::collections::BTreeSet;
use std::time::Instant;

use gorgon_proto::item::ItemId;
use gorgon_proto::message::WorkerKey;

use super::event::{Cause, Effect, Happening, Kept};
use super::items::Phase;
use super::stages::Stage;
use super::{HOLDS_LIMIT, Ledger, MUTE_LIMIT, QUEUE_LOOK_INTERVAL};

/// The items on the file queue were lost with the broker: who holds what, and what is queued again.
#[derive(Debug)]
pub(super) struct Recovery {
    /// The queue is there. What we had published and the broker had not confirmed went to it again.
    purges: bool,
    begun_at: Instant,
    pub(super) awaited: BTreeSet<WorkerKey>,
    /// When the items that nobody holds are queued again; absent afterwards.
    pub(super) refill_at: Option<Instant>,
    /// Items that went to the new queue before that.
    published: BTreeSet<ItemId>,
    /// When silent workers lose their items.
    pub(super) mute_at: Instant,
}

impl Ledger {
    pub(super) fn broker_back(&mut self, now: Instant, files: Kept, out: &mut Vec<Effect>) {
        if !self.broker_up {
            out.push(Effect::Tell(Happening::BrokerBack));
        }
        self.broker_up = true;
        self.hosts.excuse_silence(now);
        self.items.excuse_doubts(now + HOLDS_LIMIT);
        if self.alone_since.is_some() {
            self.alone_since = Some(now);
        }
        if files != Kept::All {
            self.recover(now, files == Kept::Nothing, out);
        }
        self.offer_to_all(out);
        self.send_all_away(out);
    }

    /// Words of hosts were lost: while we were away, listeners announced themselves in vain, and
    /// managers took us for gone and left. Who serves the job already takes no notice of another
    /// offer.
    pub(super) fn offer_to_all(&mut self, out: &mut Vec<Effect>) {
        if self.stage == Stage::Running && !self.rules.local {
            self.offer_again = false;
            self.hosts.ask_all();
            out.push(Effect::Offer);
        }
    }

    /// A look found no file queue. One that was asked for before the queue was made anew says
    /// nothing: each item that found no queue asks for one.
    pub(super) fn file_queue_missing(&mut self, now: Instant, out: &mut Vec<Effect>) {
        match self.recovery.as_ref().map(|r| r.begun_at + HOLDS_LIMIT) {
            Some(fresh_until) if now < fresh_until => {
                // It may be gone once more: then the next look finds that.
                let look_at = self
                    .queue_look_at
                    .map_or(fresh_until, |at| at.min(fresh_until));
                self.queue_look_at = Some(look_at);
            }
            Some(_) | None => self.recover(now, true, out),
        }
    }

    /// The items are gone, and with `missing` the file queue too: make it anew, ask who holds what, refill
    /// it. After a fail-fast nothing goes to it any more, but what runs is waited for, and the word of a
    /// death may be lost.
    fn recover(&mut self, now: Instant, missing: bool, out: &mut Vec<Effect>) {
        let refills = self.publishes();
        if !refills && !matches!(self.stage, Stage::Draining { .. }) {
            return;
        }
        if refills {
            out.extend(missing.then_some(Effect::DeclareFileQueue));
            self.queue_look_at = Some(now + QUEUE_LOOK_INTERVAL);
        }
        self.recovery = Some(Recovery {
            purges: !missing,
            begun_at: now,
            awaited: self.hosts.workers(),
            refill_at: refills.then(|| now + HOLDS_LIMIT),
            published: BTreeSet::new(),
            mute_at: now + MUTE_LIMIT,
        });
    }

    /// Nothing goes to the file queue any more; silent workers still lose what they hold.
    pub(super) fn stop_refilling(&mut self) {
        if let Some(recovery) = &mut self.recovery {
            recovery.refill_at = None;
        }
    }

    /// What goes to the new queue while its refill is due is there already.
    pub(super) fn remember_published(&mut self, out: &[Effect]) {
        if let Some(recovery) = self.recovery.as_mut().filter(|r| r.refill_at.is_some()) {
            recovery.published.extend(published(out));
        }
    }

    pub(super) fn pass_recovery(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let Some(recovery) = &mut self.recovery else {
            return;
        };
        if recovery
            .refill_at
            .is_some_and(|at| at <= now || recovery.awaited.is_empty())
        {
            recovery.refill_at = None;
            recovery.published.extend(published(out));
            let mut there = std::mem::take(&mut recovery.published);
            if recovery.purges && self.items.any_queued() {
                out.push(Effect::EmptyFileQueue);
                there.clear();
            }
            for id in self.items.open() {
                match self.items.get(id).map(|item| &item.phase) {
                    Some(Phase::Queued) if !there.contains(&id) => {
                        self.items.bundles.dissolve(id);
                        let work = self.items.get(id).map(|item| item.work.clone());
                        out.extend(work.map(Effect::Publish));
                    }
                    Some(Phase::Doubtful { .. }) => {
                        self.requeue(id, Cause::BrokerOutage, None, false, out);
                    }
                    Some(
                        Phase::Waiting
                        | Phase::Queued
                        | Phase::Parked
                        | Phase::Started(_)
                        | Phase::Settled(_),
                    )
                    | None => {}
                }
            }
        }
        let Some(recovery) = &self.recovery else {
            return;
        };
        if recovery.mute_at <= now {
            let mute: Vec<_> = recovery.awaited.iter().cloned().collect();
            self.recovery = None;
            for worker in mute {
                for id in self.items.held_by(&worker) {
                    if let Some(holder) = self.items.drop_holder(id, &worker) {
                        self.requeue(id, Cause::BrokerOutage, Some(holder.hostname), false, out);
                    }
                }
            }
        }
    }
}

fn published(out: &[Effect]) -> impl Iterator<Item = ItemId> {
    out.iter().flat_map(|effect| match effect {
        Effect::Publish(work) => vec![work.item],
        Effect::PublishBundle(works) => works.iter().map(|work| work.item).collect(),
        _ => Vec::new(),
    })
}
