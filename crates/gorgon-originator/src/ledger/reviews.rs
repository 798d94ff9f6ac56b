//! Files that failed where what ran before may be to blame: at the end each is judged again.
//!
//! ```text
//!  failed anew, in a Ruby child that had run other files, or in a part
//!     │ every item of the plan has its verdict, and no more than a tenth of the files failed
//!     ▼
//!  alone: the whole file in a fresh child ── fails ───▶ its first failures stand
//!     │ passes
//!     ▼
//!  again: the same files before it in one child, in
//!         the same order, or the part ───── passes ───▶ flaky: its first failures stand
//!     │ fails
//!     ▼
//!  order-dependent: it passes, with a warning that names what it followed
//! ```
//!
//! - This is decided for each test, and for all faults outside tests together. Where another test than
//!   the first time fails alone, all first failures stand.
//! - What failed the last time, as the history has it, is not judged again.
//! - Files of one Ruby child run again together, in one row up to the last of them.
//! - A run that crashes, times out or is lost proves nothing: the first failures stand.
//! - Retries follow: order-dependent tests are not tried again, flaky ones are.

mod firsts;

use std::collections::{BTreeMap, HashMap, HashSet};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::message::Finish;
use gorgon_proto::outcome::Verdict;

pub use firsts::LastFailed;
use firsts::{First, Suspect, as_u32, came_to_its_end, failed_in};

use super::Ledger;
use super::event::{Effect, Happening};

/// No file is judged again where more than one file in this number failed, and more than `FAILED_FROM`.
pub const FAILED_SHARE: usize = 10;
/// Up to this number of failed files, each is judged again whatever their share.
pub const FAILED_FROM: usize = 10;

/// How a file runs once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Whole, in a fresh Ruby child.
    Alone,
    /// As the first time: the same files before it, or the part.
    Again,
}

/// What was found of an item of the plan that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reviewed {
    /// The item.
    pub of: ItemId,
    /// Its file.
    pub filename: String,
    /// The run alone.
    pub alone: ItemId,
    /// Tests that fail only after what ran before.
    pub order_dependent: Vec<String>,
    /// So do its faults outside tests.
    pub errors_too: bool,
    /// Tests that passed both times.
    pub flaky: Vec<String>,
    /// The items that had run before in its Ruby child, in order.
    pub followed: Vec<ItemId>,
}

/// How far the reviews are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    #[default]
    Waiting,
    Alone,
    Again,
    Over,
}

/// A run of a review.
#[derive(Debug, Clone)]
struct Run {
    way: Way,
    /// The items of the plan that it is about.
    of: Vec<ItemId>,
}

/// All reviews of a job.
#[derive(Debug, Default)]
pub(super) struct Reviews {
    /// By file.
    last: HashMap<String, LastFailed>,
    /// By item of the plan.
    firsts: BTreeMap<ItemId, First>,
    stage: Stage,
    running: BTreeMap<ItemId, Run>,
    suspects: BTreeMap<ItemId, Suspect>,
}

impl Ledger {
    /// Names what of each file failed when it last ran: that is not judged again.
    #[must_use]
    pub fn knowing(mut self, last: BTreeMap<String, LastFailed>) -> Self {
        self.reviews.last = last.into_iter().collect();
        self
    }

    /// An execution of an item of the plan ended that counts.
    pub(super) fn counted(&mut self, of: ItemId, finish: &Finish) {
        if let Some(item) = self.items.get(of) {
            self.reviews.counted(of, &item.work.filename, finish);
            self.filters.counted(of, finish);
        }
    }

    /// Judges files again, when every item of the plan has its verdict. Returns whether that goes on.
    pub(super) fn review(&mut self, out: &mut Vec<Effect>) -> bool {
        if self.reviews.stage == Stage::Waiting {
            self.reviews.stage = Stage::Alone;
            self.review_alone(out);
        }
        if self.reviews.stage == Stage::Alone && self.reviews.running.is_empty() {
            self.reviews.stage = Stage::Again;
            self.review_again(out);
        }
        if self.reviews.stage == Stage::Again && self.reviews.running.is_empty() {
            self.reviews.stage = Stage::Over;
            self.reviews.suspects.clear();
        }
        !self.reviews.running.is_empty()
    }

    /// Names the file of an item of the plan, by what all its parts have in common.
    fn file_key(&self, of: ItemId) -> ItemId {
        self.splits.rest_of(of).unwrap_or(of)
    }

    /// Returns the failed items of each file that is to be judged again, or how many files are too many.
    fn to_review(&self) -> Result<Vec<Vec<ItemId>>, usize> {
        let mut files: BTreeMap<ItemId, Vec<ItemId>> = BTreeMap::new();
        for of in self.reviews.firsts.keys() {
            files.entry(self.file_key(*of)).or_default().push(*of);
        }
        let failed = files.len();
        let first = |of: &ItemId| &self.reviews.firsts[of];
        let doubtful = |of: &ItemId| {
            let part = self.items.get(*of).is_some_and(|item| item.work.part);
            first(of).anew && (part || !first(of).ran_before.is_empty())
        };
        let mut found = Vec::new();
        for items in files.into_values() {
            // Where a part is broken the file is so, whatever the rest of it does.
            if items.iter().any(|of| first(of).broken) {
                continue;
            }
            let items: Vec<ItemId> = items.into_iter().filter(doubtful).collect();
            if !items.is_empty() {
                found.push(items);
            }
        }
        let too_many = failed > FAILED_FROM && failed * FAILED_SHARE > self.splits.count_files();
        if too_many && !found.is_empty() {
            return Err(failed);
        }
        Ok(found)
    }

    fn review_alone(&mut self, out: &mut Vec<Effect>) {
        let files = match self.to_review() {
            Ok(files) => files,
            Err(failed) => {
                let files = self.splits.count_files();
                let skipped = Happening::ReviewsSkipped { failed, files };
                return out.push(Effect::Tell(skipped));
            }
        };
        for of in files {
            let Some(work) = self.items.get(of[0]).map(|item| item.work.clone()) else {
                continue;
            };
            let work = if work.part {
                WorkItem {
                    tests: Vec::new(),
                    except: Vec::new(),
                    part: false,
                    ..work
                }
            } else {
                work
            };
            let unfiltered = self.filters.is_unfiltered(of[0]);
            let work = WorkItem { unfiltered, ..work };
            self.run_for_review(work, Way::Alone, of, out);
        }
    }

    /// Queues the rows in which the files failed that passed alone.
    fn review_again(&mut self, out: &mut Vec<Effect>) {
        let length = |of: &ItemId| self.reviews.firsts[of].ran_before.len();
        let mut waiting: Vec<ItemId> = self.reviews.suspects.keys().copied().collect();
        waiting.sort_by_key(|of| std::cmp::Reverse(length(of)));
        while let Some(last) = waiting.first().copied() {
            let first = &self.reviews.firsts[&last];
            let Some(work) = self.items.get(first.ran).map(|item| item.work.clone()) else {
                waiting.remove(0);
                continue;
            };
            let ran = |id: &ItemId| self.items.get(*id).map(|item| item.work.clone());
            let row = first.ran_before.iter().filter_map(ran);
            // No attempt of theirs: it counts for nothing.
            let row = row.map(|work| WorkItem {
                attempt: 0,
                ..plain(work)
            });
            let work = WorkItem {
                before: row.collect(),
                ..work
            };
            let is_in = |of: &ItemId| {
                *of == last || first.ran_before.contains(&self.reviews.firsts[of].ran)
            };
            let (of, others) = waiting.iter().partition(|of| is_in(of));
            waiting = others;
            self.run_for_review(work, Way::Again, of, out);
        }
    }

    fn run_for_review(&mut self, work: WorkItem, way: Way, of: Vec<ItemId>, out: &mut Vec<Effect>) {
        let before = work.before.clone();
        let work = self.items.add(WorkItem {
            fresh: true,
            before,
            ..plain(work)
        });
        out.push(Effect::Tell(Happening::ReviewQueued {
            item: work.clone(),
            of: of.clone(),
            way,
        }));
        self.reviews.running.insert(work.item, Run { way, of });
        out.push(Effect::Publish(work));
        // The first results have become final.
        self.sick.close();
    }

    /// A run of a review came to its end.
    pub(super) fn review_ended(&mut self, finish: &Finish, out: &mut Vec<Effect>) {
        let Some(run) = self.reviews.running.remove(&finish.item) else {
            return;
        };
        match run.way {
            Way::Alone => self.ended_alone(&run.of, finish, out),
            Way::Again => self.ended_again(&run.of, finish, out),
        }
    }

    /// A run of a review was lost with its hosts, and proves nothing.
    pub(super) fn review_lost(&mut self, item: ItemId, out: &mut Vec<Effect>) {
        let run = self.reviews.running.remove(&item);
        for of in run.into_iter().flat_map(|run| run.of) {
            self.reviews.suspects.remove(&of);
            out.push(Effect::Tell(Happening::Reviewed(self.found(of, item))));
        }
    }

    /// A message was too large for the broker. If it is a run of a review, that proves nothing, and the
    /// job goes on. Returns whether it is.
    pub(super) fn review_too_large(
        &mut self,
        item: Option<ItemId>,
        what: &str,
        out: &mut Vec<Effect>,
    ) -> bool {
        let Some(item) = item.filter(|item| self.reviews.way_of(*item).is_some()) else {
            return false;
        };
        log::warn!(target: "gorgon::originator", "a failure is not judged again, as the broker takes no message of that size: {what}");
        self.items.settle(item, Verdict::Lost);
        self.review_lost(item, out);
        true
    }

    fn found(&self, of: ItemId, alone: ItemId) -> Reviewed {
        let first = self.reviews.firsts.get(&of);
        Reviewed {
            of,
            filename: self.file_of(of).unwrap_or_default().to_owned(),
            alone,
            followed: first.map_or_else(Vec::new, |first| first.ran_before.clone()),
            ..Reviewed::default()
        }
    }

    fn ended_alone(&mut self, items: &[ItemId], finish: &Finish, out: &mut Vec<Effect>) {
        let key = items.first().map(|of| self.file_key(*of));
        let firsts = self.reviews.firsts.iter();
        let same_file = firsts.filter(|(of, _)| Some(self.file_key(**of)) == key);
        let mut known: HashSet<&String> = same_file.flat_map(|(_, first)| &first.tests).collect();
        let file = items.first().and_then(|of| self.file_of(*of));
        if let Some(last) = file.and_then(|file| self.reviews.last.get(file)) {
            known.extend(&last.tests);
        }
        let mut suspects = Vec::new();
        for of in items {
            match self.reviews.suspect(*of, finish, &known) {
                Some(suspect) => suspects.push((*of, suspect)),
                None => {
                    let found = self.found(*of, finish.item);
                    out.push(Effect::Tell(Happening::Reviewed(found)));
                }
            }
        }
        self.reviews.suspects.extend(suspects);
    }

    fn ended_again(&mut self, items: &[ItemId], finish: &Finish, out: &mut Vec<Effect>) {
        let row = self
            .items
            .get(finish.item)
            .map_or(0, |item| item.work.before.len());
        for of in items {
            let Some(suspect) = self.reviews.suspects.remove(of) else {
                continue;
            };
            let ran = self.reviews.firsts[of].ran;
            let earlier = finish.earlier.iter().find(|earlier| earlier.item == ran);
            let last = came_to_its_end(finish) && finish.earlier.len() == row;
            let (failed, errors): (HashSet<&String>, bool) = match earlier {
                Some(earlier) => (earlier.failed.iter().collect(), earlier.errors > 0),
                None if last => (failed_in(finish).collect(), !finish.errors.is_empty()),
                // It was not reached, or did not come to its end.
                None => {
                    let found = self.found(*of, suspect.alone);
                    out.push(Effect::Tell(Happening::Reviewed(found)));
                    continue;
                }
            };
            let (order_dependent, flaky) = suspect
                .tests
                .iter()
                .cloned()
                .partition(|id| failed.contains(id));
            let found = Reviewed {
                order_dependent,
                errors_too: suspect.errors && errors,
                flaky,
                ..self.found(*of, suspect.alone)
            };
            self.excuse(&found);
            out.push(Effect::Tell(Happening::Reviewed(found)));
        }
    }

    /// What depends on what ran before has not failed.
    fn excuse(&mut self, found: &Reviewed) {
        let tests = &found.order_dependent;
        let waiting = self.retries.excuse(found.of, tests);
        let errors = self.reviews.firsts.get(&found.of).map_or(0, |it| it.errors);
        let errors = if found.errors_too { errors } else { 0 };
        // Tests that wait for a retry were not counted.
        let counted = as_u32(tests.len().saturating_sub(waiting));
        self.failures = self.failures.saturating_sub(counted + errors);
    }
}

/// Returns the same work as a first attempt of nobody's choice.
fn plain(work: WorkItem) -> WorkItem {
    WorkItem {
        attempt: 1,
        retry: 0,
        fresh: false,
        avoid: None,
        only: None,
        before: Vec::new(),
        ..work
    }
}
