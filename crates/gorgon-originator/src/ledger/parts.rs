//! Files that are split: what their parts leave runs as one more item.
//!
//! The plan holds an item for that, the rest, which waits here. A part tells which tests its file has:
//! where one is among them that no part was given, the rest is queued; it runs all but what the parts
//! were given, whatever that is in its process. Where all parts have ended and nothing is left, the rest
//! is nothing.

use std::collections::{BTreeSet, HashMap, HashSet};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::message::Finish;

use super::Ledger;
use super::event::{Effect, Happening};

/// A file that is split.
#[derive(Debug, Default)]
pub(super) struct Split {
    pub(super) rest: ItemId,
    /// What its parts were given.
    given: HashSet<String>,
    /// Parts without a verdict.
    open: BTreeSet<ItemId>,
    /// The rest was queued, or would have been.
    left: bool,
    /// Ids that are known to be gone.
    gone: BTreeSet<String>,
}

/// All files that are split.
#[derive(Debug, Default)]
pub(super) struct Splits {
    pub(super) files: Vec<Split>,
    /// By part, the rest among them.
    of: HashMap<ItemId, usize>,
    /// Items that are whole files.
    whole: usize,
}

/// Returns whether an item is what the parts of a file leave.
pub(super) fn is_rest(work: &WorkItem) -> bool {
    work.part && work.tests.is_empty()
}

impl Splits {
    pub(super) fn new(work: &[WorkItem]) -> Self {
        let mut splits = Self {
            whole: work.iter().filter(|item| !item.part).count(),
            ..Self::default()
        };
        let mut by_name: HashMap<&str, usize> = HashMap::new();
        for rest in work.iter().filter(|item| is_rest(item)) {
            by_name.insert(&rest.filename, splits.files.len());
            splits.of.insert(rest.item, splits.files.len());
            splits.files.push(Split {
                rest: rest.item,
                given: rest.except.iter().cloned().collect(),
                ..Split::default()
            });
        }
        for part in work.iter().filter(|item| item.part && !is_rest(item)) {
            if let Some(place) = by_name.get(part.filename.as_str()) {
                splits.files[*place].open.insert(part.item);
                splits.of.insert(part.item, *place);
            }
        }
        splits
    }

    /// Returns how many files there are, split or not.
    pub(super) fn count_files(&self) -> usize {
        self.whole + self.files.len()
    }

    /// Returns what the parts of a file leave, of any of its parts.
    pub(super) fn rest_of(&self, part: ItemId) -> Option<ItemId> {
        let split = self.files.get(*self.of.get(&part)?)?;
        Some(split.rest)
    }

    pub(super) fn get(&mut self, part: ItemId) -> Option<&mut Split> {
        let place = self.of.get(&part)?;
        self.files.get_mut(*place)
    }
}

impl Ledger {
    /// An execution of a part came to its end, and may know of tests that no part was given.
    pub(super) fn part_told(&mut self, part: ItemId, finish: &Finish, out: &mut Vec<Effect>) {
        let Some(defined) = &finish.defined else {
            return;
        };
        let asked = self.items.get(part).map(|item| item.work.tests.clone());
        let Some(split) = self.splits.get(part) else {
            return;
        };
        let there: HashSet<&String> = defined.iter().collect();
        let gone: Vec<String> = asked
            .unwrap_or_default()
            .into_iter()
            .filter(|id| !there.contains(id) && split.gone.insert(id.clone()))
            .collect();
        if !gone.is_empty() {
            out.push(Effect::Tell(Happening::TestsGone {
                filename: finish.filename.clone(),
                gone,
            }));
        }
        let left = defined.iter().filter(|id| !split.given.contains(*id));
        let left = left.count();
        if left == 0 || std::mem::replace(&mut split.left, true) {
            return;
        }
        let rest = split.rest;
        let publishes = self.publishes();
        let Some(item) = self.items.release(rest, publishes) else {
            return;
        };
        out.push(Effect::Tell(Happening::RestQueued {
            item: item.clone(),
            tests: left,
        }));
        if publishes {
            out.push(Effect::Publish(item));
        }
    }

    /// An item was lost with its hosts, perhaps a part, or what repeats one.
    pub(super) fn part_lost(&mut self, id: ItemId) {
        self.part_over(id);
        match self.items.get(id).and_then(|item| item.repeat) {
            Some(repeat) if repeat.is_trial() => {}
            Some(repeat) => {
                self.reviews.lost(repeat.item);
                self.filters.lost();
            }
            None if self.items.is_planned(id) => {
                self.reviews.lost(id);
                self.filters.lost();
            }
            None => {}
        }
    }

    /// A part has its verdict: after the last one it is known whether anything is left.
    pub(super) fn part_over(&mut self, part: ItemId) {
        let Some(split) = self.splits.get(part) else {
            return;
        };
        if !split.open.remove(&part) {
            return;
        }
        if split.open.is_empty() && !split.left {
            let rest = split.rest;
            self.items.withdraw(rest);
        }
    }
}
