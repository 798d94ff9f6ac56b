//! Filters that left out every test of the job, where the suite wants all tests to run then (RSpec's
//! `run_all_when_everything_filtered`): what they left out is queued once more, without them.
//!
//! A filter is judged for the whole job. So this is known only when every item of the plan has its
//! verdict, and no test has run.

use std::collections::{BTreeMap, BTreeSet};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::message::Finish;
use gorgon_proto::outcome::FinishType;

use super::Ledger;
use super::event::{Effect, Happening};
use super::sick::{Repeat, Why};

/// What the filters of the job left out.
#[derive(Debug, Default)]
pub(super) struct Filters {
    /// Items of the plan of which everything was left out, and that want to run then; with the filter.
    everything: BTreeMap<ItemId, String>,
    /// A test ran, or an item did not end well: a plain run has something to show then too.
    any_ran: bool,
    over: bool,
    /// Items of the plan that the filters do not apply to any more.
    unfiltered: BTreeSet<ItemId>,
}

impl Filters {
    /// An execution of an item of the plan ended that counts.
    pub(super) fn counted(&mut self, of: ItemId, finish: &Finish) {
        self.any_ran |= !finish.tests.is_empty() || finish.kind != FinishType::Pass;
        let left_out = finish.left_out.as_ref().filter(|it| it.everything);
        match left_out {
            Some(left_out) => {
                self.everything.insert(of, left_out.by.clone());
            }
            None => {
                self.everything.remove(&of);
            }
        }
    }

    /// An item was lost.
    pub(super) fn lost(&mut self) {
        self.any_ran = true;
    }

    /// Returns whether an item of the plan ran without the filters.
    pub(super) fn is_unfiltered(&self, of: ItemId) -> bool {
        self.unfiltered.contains(&of)
    }
}

impl Ledger {
    /// Queues what the filters left out, once, where that was everything. Returns whether it was.
    pub(super) fn run_unfiltered(&mut self, out: &mut Vec<Effect>) -> bool {
        if std::mem::replace(&mut self.filters.over, true) || self.filters.any_ran {
            return false;
        }
        let everything = std::mem::take(&mut self.filters.everything);
        for (of, by) in &everything {
            let Some(work) = self.items.get(*of).map(|item| item.work.clone()) else {
                continue;
            };
            let work = WorkItem {
                attempt: 1,
                avoid: None,
                unfiltered: true,
                ..work
            };
            let repeat = Repeat {
                item: *of,
                why: Why::Instead,
            };
            self.filters.unfiltered.insert(*of);
            let item = self.items.add_in_place_of(work, repeat);
            out.push(Effect::Tell(Happening::UnfilteredQueued {
                item: item.clone(),
                repeat,
                by: by.clone(),
            }));
            out.push(Effect::Publish(item));
        }
        !everything.is_empty()
    }
}
