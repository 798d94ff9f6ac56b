//! What the retries of a job's failed tests said, folded beside the first results.

use std::collections::BTreeMap;

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::outcome::{Outcome, Verdict};

use super::Results;
use super::file::FileResult;
use super::kept::Kept;
use crate::ledger::{Ran, RetryResult};

/// One retry of one test.
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Which one, from 1 on: the attempt before is the first of all.
    pub number: u32,
    /// Where it ran, and what it printed; absent when it was lost.
    pub ran: Option<Ran>,
    /// What it said.
    pub result: RetryResult,
    /// The items of its Ruby child up to it, itself included, in order.
    pub ran_in_child: Vec<ItemId>,
}

/// A test whose fate retries decided, or could not.
#[derive(Debug, Clone, Copy)]
pub struct Retried<'a> {
    /// Its file, with where the first attempt ran.
    pub file: &'a FileResult,
    /// What the first attempt said.
    pub test: &'a Kept,
    /// Its retries; none where it was not tried again.
    pub retries: &'a [Retry],
}

impl Retried<'_> {
    /// Returns whether it failed, then passed.
    #[must_use]
    pub fn is_flaky(&self) -> bool {
        self.test.outcome().is_bad() && self.retries.last().is_some_and(|r| r.result.passed())
    }

    /// Returns whether it failed for good.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.test.outcome().is_bad() && !self.is_flaky()
    }

    /// Returns how it ended, retries included.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.is_flaky() {
            Outcome::Passed
        } else {
            self.test.outcome()
        }
    }

    /// Returns how often it was tried.
    #[must_use]
    pub fn attempts(&self) -> usize {
        1 + self.retries.len()
    }
}

impl FileResult {
    /// Returns the tests with their retries.
    pub fn tests(&self) -> impl Iterator<Item = Retried<'_>> {
        self.tests.iter().enumerate().map(|(place, test)| Retried {
            file: self,
            test,
            retries: self.retries.get(&place).map_or(&[], Vec::as_slice),
        })
    }

    /// Returns the tests that failed for good.
    pub fn failed(&self) -> impl Iterator<Item = Retried<'_>> {
        self.tests().filter(Retried::is_bad)
    }

    fn add(&mut self, id: &str, retry: &Retry) {
        for (place, test) in self.tests.iter().enumerate() {
            if test.id() == id && test.outcome().is_bad() {
                self.retries.entry(place).or_default().push(retry.clone());
            }
        }
    }
}

/// The retries that wait and run, of a job that goes on.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// How many tests of an item of the plan may yet pass.
    waiting: BTreeMap<ItemId, usize>,
    /// What was queued, by its own id.
    queued: BTreeMap<ItemId, WorkItem>,
}

impl Open {
    pub(super) fn wanted(&mut self, of: ItemId, tests: usize) {
        *self.waiting.entry(of).or_default() += tests;
    }

    pub(super) fn queued(&mut self, item: &WorkItem) {
        self.queued.insert(item.item, item.clone());
    }

    pub(super) fn item(&self, id: ItemId) -> Option<&WorkItem> {
        self.queued.get(&id)
    }

    pub(super) fn over(&mut self, of: ItemId, tests: usize) {
        if let Some(waiting) = self.waiting.get_mut(&of) {
            *waiting = waiting.saturating_sub(tests);
            if *waiting == 0 {
                self.waiting.remove(&of);
            }
        }
    }

    /// What failed in this item counts no more.
    pub(super) fn forget(&mut self, of: ItemId) {
        self.waiting.remove(&of);
    }

    pub(super) fn stopped(&mut self) {
        self.waiting.clear();
    }
}

impl Results {
    /// Returns how many tests wait for a retry, or run in one.
    #[must_use]
    pub fn to_retry(&self) -> usize {
        self.open.waiting.values().sum()
    }

    /// Returns how many tests of an item wait for a retry, or run in one.
    #[must_use]
    pub fn to_retry_of(&self, of: ItemId) -> usize {
        self.open.waiting.get(&of).copied().unwrap_or_default()
    }

    /// Returns how many files have failed for good so far: what may yet pass is left out.
    #[must_use]
    pub fn failed_so_far(&self) -> usize {
        let waits = |id: &&ItemId| {
            let file = self.files.get(id.0 as usize);
            let failed = file.map_or(0, |file| file.failed().count() + file.errors.len());
            failed > self.to_retry_of(**id)
        };
        let counts = self.bad.iter().filter(|id| !self.repeats.waits(**id));
        if self.open.waiting.is_empty() {
            self.files_among(counts)
        } else {
            self.files_among(counts.filter(waits))
        }
    }

    pub(super) fn retried(
        &mut self,
        item: ItemId,
        of: ItemId,
        number: u32,
        ran: Option<&Ran>,
        tests: &[(String, RetryResult)],
    ) {
        self.open.over(of, tests.len());
        let ran_in_child = self.last_in_child.remove(&item).unwrap_or_default();
        let Some(file) = self.files.get_mut(of.0 as usize) else {
            return;
        };
        for (id, result) in tests {
            let retry = Retry {
                number,
                ran: ran.cloned(),
                result: result.clone(),
                ran_in_child: ran_in_child.clone(),
            };
            file.add(id, &retry);
        }
        let good = file.errors.is_empty() && file.failed().next().is_none();
        if good && file.verdict == Some(Verdict::Failed) {
            file.verdict = Some(Verdict::Flaky);
            self.bad.retain(|bad| *bad != of);
        }
    }

    /// Returns the tests that failed and then passed, in the order of the plan.
    pub fn flaky(&self) -> impl Iterator<Item = Retried<'_>> {
        self.files
            .iter()
            .flat_map(FileResult::tests)
            .filter(Retried::is_flaky)
    }
}
