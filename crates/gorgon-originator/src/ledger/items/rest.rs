//! What the parts of a file leave: an item of the plan that waits until it is known whether it is anything.

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::outcome::Verdict;

use super::{Item, Items, Phase};
use crate::ledger::parts::is_rest;

impl Item {
    /// What the parts of a file leave waits until it is known that they leave something.
    pub(super) fn planned(work: WorkItem) -> Self {
        let phase = if is_rest(&work) {
            Phase::Parked
        } else {
            Phase::Queued
        };
        Self {
            phase,
            ..Self::queued(work)
        }
    }
}

impl Items {
    /// What the parts of a file leave is to run, if anything is published still; also when it seemed to
    /// be nothing.
    pub(in crate::ledger) fn release(&mut self, rest: ItemId, publishes: bool) -> Option<WorkItem> {
        match &self.get(rest)?.phase {
            Phase::Parked if publishes => self.set_phase(rest, Phase::Queued),
            Phase::Parked => {}
            Phase::Settled(Verdict::NotRun) => {
                self.unsettled += 1;
                self.unsettled_planned += 1;
                let phase = if publishes {
                    Phase::Queued
                } else {
                    Phase::Parked
                };
                self.set_phase(rest, phase);
            }
            Phase::Waiting
            | Phase::Queued
            | Phase::Started(_)
            | Phase::Doubtful { .. }
            | Phase::Settled(_) => {
                return None;
            }
        }
        self.get(rest).map(|item| item.work.clone())
    }
}
