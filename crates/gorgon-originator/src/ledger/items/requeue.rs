//! An item goes to the file queue once more, or would if anything were published still.

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::outcome::Verdict;

use super::{DECLINE_LIMIT, Items, LOST_LIMIT, Phase};
use crate::ledger::event::{Cause, Effect, Happening};

impl Items {
    /// Queues an item once more, as its next attempt; or settles it as lost when this loss counts
    /// and was the last one allowed: then returns the hosts.
    pub(in crate::ledger) fn requeue(
        &mut self,
        id: ItemId,
        cause: Cause,
        hostname: Option<String>,
        costs: bool,
        out: &mut Vec<Effect>,
    ) -> Option<Vec<String>> {
        let item = self.item(id);
        if matches!(item.phase, Phase::Settled(_)) {
            return None;
        }
        if costs {
            item.lost_on.push(
                hostname
                    .clone()
                    .unwrap_or_else(|| "an unknown host".to_owned()),
            );
        }
        item.given_up += usize::from(cause == Cause::ListenerLost);
        // Counted apart: workers end in order under a dead listener, and all of a host's at once.
        if item.given_up.max(item.lost_on.len() - item.given_up) >= LOST_LIMIT {
            let (filename, hosts) = (item.work.filename.clone(), item.lost_on.clone());
            let (retry, repeat) = (item.work.retry, item.repeat);
            self.settle(id, Verdict::Lost);
            out.push(Effect::Tell(Happening::ItemLost {
                item: id,
                filename,
                retry,
                hosts: hosts.clone(),
                repeat,
            }));
            return Some(hosts);
        }
        item.work.attempt += 1;
        item.told.clear();
        let work = item.work.clone();
        let parked = item.bound.is_some();
        self.bundles.dissolve(id);
        self.set_phase(id, if parked { Phase::Parked } else { Phase::Queued });
        out.push(Effect::Tell(Happening::ItemRedelivered {
            item: id,
            filename: work.filename.clone(),
            attempt: work.attempt,
            retry: work.retry,
            hostname,
            cause,
        }));
        if !parked {
            out.push(Effect::Publish(work));
        }
        None
    }

    /// From now on nothing is published: an item that would be queued stays without a verdict.
    pub(in crate::ledger) fn shelve(&mut self, id: ItemId) {
        if !matches!(self.item(id).phase, Phase::Settled(_)) {
            self.set_phase(id, Phase::Queued);
        }
    }

    /// A worker that the item avoids did not run it: the same attempt is queued again, after some
    /// times, or where nobody else is, for anybody.
    pub(in crate::ledger) fn declined(
        &mut self,
        id: ItemId,
        attempt: u32,
        alone: bool,
    ) -> Option<WorkItem> {
        let item = self.items.get_mut(id.0 as usize)?;
        if attempt != item.work.attempt || item.phase != Phase::Queued {
            return None;
        }
        if item.bound.is_some() {
            item.declined += 1;
            self.set_phase(id, Phase::Parked);
            return None;
        }
        item.declined += 1;
        if item.declined > DECLINE_LIMIT || alone {
            item.work.avoid = None;
        }
        Some(item.work.clone())
    }
}
