//! Items that the broker dropped from the file queue without a word: a policy with a maximum
//! length or a time to live, a purge by hand. Nobody is told of them, so their absence has to be
//! noticed.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gorgon_proto::item::ItemId;

use super::Ledger;
use super::event::{Cause, Effect};

/// Time without a message, while no worker is busy, after which the file queue is looked at. An item that is
/// missing there is looked for again after the same time. Longer than an item takes from the queue to its start.
pub const QUIET_LIMIT: Duration = Duration::from_secs(5);

/// What was missed on the file queue at the last look, and when the next one is due.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    missed: BTreeSet<(ItemId, u32)>,
    missed_at: Option<Instant>,
    look_at: Option<Instant>,
    /// The broker takes no messages now: what was published last has not reached it.
    blocked: bool,
}

impl Dropped {
    /// A reply came: the job is not quiet.
    pub(super) fn heard(&mut self, now: Instant) {
        self.look_at = Some(now + QUIET_LIMIT);
    }

    /// The broker takes no messages from now on, or does so again.
    pub(super) fn blocked(&mut self, now: Instant, blocked: bool) {
        self.blocked = blocked;
        self.missed.clear();
        self.missed_at = None;
        self.heard(now);
    }

    /// Returns when the file queue is looked at if nothing is heard before.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }
}

impl Ledger {
    /// Looks at the file queue when nothing was heard for a while, and nobody runs what waits
    /// there.
    pub(super) fn look_when_quiet(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.dropped.look_at.is_none_or(|at| at > now) {
            return;
        }
        self.dropped.look_at = None;
        let waits = self.hosts.any_joined() && !self.items.any_held() && !self.dropped.blocked;
        if waits && self.publishes() && !self.items.queued().is_empty() {
            out.push(Effect::LookAtFileQueue);
        }
    }

    /// An item that is queued, while the queue holds none, is on its way to a worker, or lost: it
    /// is lost when the next look finds the same.
    pub(super) fn file_queue_looked(&mut self, now: Instant, messages: u32, out: &mut Vec<Effect>) {
        let before = self.dropped.missed_at;
        if messages == 0 && before.is_some_and(|at| now < at + QUIET_LIMIT) {
            // Looks that were asked for together are one.
            return;
        }
        let missed = std::mem::take(&mut self.dropped.missed);
        self.dropped.missed_at = None;
        let refills = self
            .recovery
            .as_ref()
            .is_some_and(|r| r.refill_at.is_some());
        let reaches = self.broker_up && !self.dropped.blocked && self.publishes();
        if messages > 0 || refills || !reaches {
            return;
        }
        let queued = self.items.queued();
        let (lost, on_its_way): (BTreeSet<_>, BTreeSet<_>) =
            queued.into_iter().partition(|item| missed.contains(item));
        if !lost.is_empty() || !on_its_way.is_empty() {
            self.dropped.heard(now);
        }
        for (id, _) in lost {
            self.requeue(id, Cause::Dropped, None, false, out);
        }
        self.dropped.missed = on_its_way;
        self.dropped.missed_at = Some(now);
    }
}
