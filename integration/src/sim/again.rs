//! Why an item runs once more: something has happened that asks for it, and nobody who can be heard
//! still runs it.

use std::time::{Duration, Instant};

use gorgon_originator::ledger::{Cause, Effect, Happening};
use gorgon_proto::item::ItemId;

use super::wire::BROKER_NOTICES_MS;
use super::{ORIGINATOR, Pid, World};

/// The word of a worker that has come back finds no queue of replies at first, and goes out again.
const WORD_LIMIT: Duration = Duration::from_millis(1_500);
/// Where the broker has not stopped, the queue is there.
const CALM_WORD_LIMIT: Duration = Duration::from_millis(50);
/// The originator's first connection stands by then.
const FIRST: Duration = Duration::from_millis(100);
/// A manager whose queue nobody reads is written off after this, and not before.
const SILENCE: Duration = Duration::from_secs(15);
/// Where no message is late, a dead worker's item is queued again after this.
const AT_ONCE: Duration = Duration::from_millis(500);

impl World {
    /// Looks at what the ledger tells, before it is done.
    pub(super) fn judge_again(&mut self, effect: &Effect) {
        let Effect::Tell(Happening::ItemRedelivered {
            item,
            attempt,
            cause,
            ..
        }) = effect
        else {
            return;
        };
        let before = attempt - 1;
        if let Some(pid) = self.heard_holder(*item, before, *cause) {
            self.truth.wrong(format!(
                "item {item} is queued again ({cause:?}) although worker {pid} runs attempt {before}, and can say so"
            ));
        }
        let calm = self.truth.cuts == 0 && self.truth.outages == 0 && self.plan.lag_ms == 0;
        let died_at = self.truth.died_at(*item, before);
        if let Some(late) = died_at
            .map(|at| self.now - at)
            .filter(|s| calm && *s > AT_ONCE)
        {
            self.truth.wrong(format!(
                "item {item} is queued again only {late:?} after its worker's death"
            ));
        }
    }

    /// Returns a worker that runs this attempt, and whose word must have arrived.
    fn heard_holder(&self, item: ItemId, attempt: u32, cause: Cause) -> Option<Pid> {
        let late = 4 * Duration::from_millis(self.plan.lag_ms);
        let limit = match cause {
            Cause::Returned | Cause::BrokerOutage if self.truth.outages > 0 => WORD_LIMIT + late,
            Cause::Returned | Cause::BrokerOutage => CALM_WORD_LIMIT + late,
            Cause::WorkerLost | Cause::BundleLost => SILENCE + late,
            Cause::HandedBack
            | Cause::ListenerLost
            | Cause::Dropped
            | Cause::HostSick
            | Cause::SlotSick => {
                return None;
            }
        };
        // Replies that it had not acknowledged come again, after younger ones.
        let since = self.sessions.get(&ORIGINATOR).map(|session| session.since);
        let disorder = if since.is_some_and(|since| since > self.begun + FIRST) {
            Duration::from_millis(BROKER_NOTICES_MS)
        } else {
            Duration::ZERO
        };
        if !self.stands_for(ORIGINATOR, limit + disorder) {
            return None;
        }
        let holds = |w: &super::Worker| {
            w.exiting.is_none() && w.holds.contains(&(item, attempt)) && !w.children.is_empty()
        };
        let mut workers = self.workers.iter().filter(|(_, w)| holds(w));
        let heard = workers.find(|(pid, w)| {
            let manager = !matches!(cause, Cause::WorkerLost | Cause::BundleLost)
                || self.stands_for(w.manager, limit);
            manager && self.stands_for(**pid, limit)
        });
        heard.map(|(pid, _)| *pid)
    }

    /// Returns whether a process has been connected for so long.
    fn stands_for(&self, pid: Pid, span: Duration) -> bool {
        let session = self.sessions.get(&pid).filter(|session| session.stands);
        session.is_some_and(|session| {
            let cut = session
                .link
                .and_then(|id| self.links.get(&id))
                .is_none_or(|l| l.is_cut());
            !cut && self.now - session.since >= span
        })
    }
}

/// When an attempt's worker died under a manager that tells of it.
pub(super) type Deaths = std::collections::BTreeMap<(ItemId, u32), Instant>;
