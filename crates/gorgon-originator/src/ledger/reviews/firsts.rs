//! First failures: which of them may be the fault of what ran before, and what of them passes alone.

use std::collections::{BTreeSet, HashSet};

use gorgon_proto::item::ItemId;
use gorgon_proto::message::Finish;
use gorgon_proto::outcome::{FileError, FinishType};

use super::{Reviews, Way};

/// What of a file failed when it last ran.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastFailed {
    /// Ids of its tests.
    pub tests: BTreeSet<String>,
    /// Something outside of its tests, or it did not come to its end.
    pub file: bool,
    /// The file has changed since: its ids may name other tests by now.
    pub changed: bool,
}

/// The execution of an item of the plan that counts, where it failed.
#[derive(Debug, Default)]
pub(super) struct First {
    /// What ran: the item itself, or what repeats it elsewhere.
    pub(super) ran: ItemId,
    pub(super) ran_before: Vec<ItemId>,
    pub(super) tests: BTreeSet<String>,
    pub(super) errors: u32,
    /// It failed in another way than the last time.
    pub(super) anew: bool,
    /// It crashed, timed out or was lost, or would have ended a plain run.
    pub(super) broken: bool,
}

/// What failed and passed alone.
#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) alone: ItemId,
    pub(super) tests: BTreeSet<String>,
    pub(super) errors: bool,
}

pub(super) fn failed_in(finish: &Finish) -> impl Iterator<Item = &String> {
    let failed = finish.tests.iter().filter(|test| test.outcome.is_bad());
    failed.map(|test| &test.id)
}

/// Returns whether the run of an item came to its end, whatever its tests made of it.
pub(super) fn came_to_its_end(finish: &Finish) -> bool {
    let broken = |error: &FileError| error.what == FileError::ROW_BROKEN;
    matches!(finish.kind, FinishType::Pass | FinishType::Fail) && !finish.errors.iter().any(broken)
}

/// Returns whether a plain run would have ended there. A thread that an earlier file has left may have raised, so that no
/// test of this file is at fault: to run it alone proves nothing.
fn ended_the_run(finish: &Finish) -> bool {
    let ends = |error: &FileError| FileError::ENDS_RUN.contains(&error.what.as_str());
    finish.errors.iter().any(ends)
}

pub(super) fn as_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl LastFailed {
    fn fails_anew_in(&self, finish: &Finish) -> bool {
        let errors = !finish.errors.is_empty() && !self.file;
        !self.changed && (errors || failed_in(finish).any(|id| !self.tests.contains(id)))
    }
}

impl Reviews {
    /// An execution of an item of the plan ended that counts.
    pub(super) fn counted(&mut self, of: ItemId, file: &str, finish: &Finish) {
        if finish.kind == FinishType::Pass {
            return self.forget(of);
        }
        let last = self.last.get(file);
        let first = First {
            ran: finish.item,
            ran_before: finish.ran_before.clone(),
            tests: failed_in(finish).cloned().collect(),
            errors: as_u32(finish.errors.len()),
            anew: last.is_none_or(|last| last.fails_anew_in(finish)),
            broken: !came_to_its_end(finish) || ended_the_run(finish),
        };
        self.firsts.insert(of, first);
    }

    /// What an item has said counts no more.
    pub(in crate::ledger) fn forget(&mut self, of: ItemId) {
        self.firsts.remove(&of);
    }

    /// An item of the plan was lost with its hosts.
    pub(in crate::ledger) fn lost(&mut self, of: ItemId) {
        let first = First {
            broken: true,
            ..First::default()
        };
        self.firsts.insert(of, first);
    }

    /// Returns which run of a review an item is.
    pub(in crate::ledger) fn way_of(&self, item: ItemId) -> Option<Way> {
        self.running.get(&item).map(|run| run.way)
    }

    /// Says what of an item has passed alone; `None` where its first failures stand.
    pub(super) fn suspect(
        &self,
        of: ItemId,
        alone: &Finish,
        known: &HashSet<&String>,
    ) -> Option<Suspect> {
        let first = self.firsts.get(&of)?;
        let bad: HashSet<&String> = failed_in(alone).collect();
        if !came_to_its_end(alone)
            || !alone.errors.is_empty()
            || bad.iter().any(|id| !known.contains(*id))
        {
            return None;
        }
        let there: HashSet<&String> = alone.tests.iter().map(|test| &test.id).collect();
        let passed = first.tests.iter();
        let passed = passed.filter(|id| there.contains(id) && !bad.contains(id));
        let suspect = Suspect {
            alone: alone.item,
            tests: passed.cloned().collect(),
            errors: first.errors > 0,
        };
        (suspect.errors || !suspect.tests.is_empty()).then_some(suspect)
    }
}
