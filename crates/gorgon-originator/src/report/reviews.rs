//! Files that were judged again. Order-dependent failures pass; a warning and a section of the summary show
//! them.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::outcome::{FileError, TestResult, Verdict};

use super::Results;
use super::file::FileResult;
use super::files::Whole;
use super::summary::counted;
use super::visible::one_line;
use crate::ledger::{Reviewed, Way};

/// Maximum number of files that a warning names as having run before.
const NAMED_FILES: usize = 3;

/// The failures of an item that happen only after the files before it.
#[derive(Debug, Clone)]
pub struct OrderDependent {
    /// The item, as it ended the first time.
    pub first: FileResult,
    /// Its tests, as they failed.
    pub tests: Vec<TestResult>,
    /// Its faults outside tests.
    pub errors: Vec<FileError>,
    /// What had run before in its Ruby child, in order, as a command line names it.
    pub followed: Vec<String>,
    /// It is a part of a file, so there may be no files before it.
    pub part: bool,
}

impl OrderDependent {
    /// Says after what it fails.
    #[must_use]
    pub fn after(&self) -> String {
        let more = self.followed.len().saturating_sub(NAMED_FILES);
        let names: Vec<String> = self.followed[more..]
            .iter()
            .map(|it| one_line(it))
            .collect();
        match (names.is_empty(), self.part) {
            (true, _) => "in a part, without the tests before it in the file".to_owned(),
            (false, part) => {
                let part = if part { "in a part, " } else { "" };
                let more = match more {
                    0 => String::new(),
                    more => format!(" and {} before", counted(more, "file")),
                };
                format!("{part}after {}{more}", names.join(", "))
            }
        }
    }
}

/// The runs that judge files again, and what was found.
#[derive(Debug, Default)]
pub(super) struct Reviews {
    queued: BTreeMap<ItemId, WorkItem>,
    /// Those that ended.
    ended: BTreeMap<ItemId, FileResult>,
    /// Items of the plan that were judged again.
    judged: BTreeSet<ItemId>,
}

impl Reviews {
    pub(super) fn item(&self, id: ItemId) -> Option<&WorkItem> {
        self.queued.get(&id)
    }

    pub(super) fn ended(&mut self, id: ItemId, file: FileResult) {
        self.ended.insert(id, file);
    }
}

/// Says that a file runs once more, to be judged.
pub(super) fn runs_again(item: &WorkItem, way: Way) -> String {
    let file = one_line(&item.filename);
    match (way, item.before.len()) {
        (Way::Alone, _) => format!("{file} failed and is judged again, alone"),
        (Way::Again, 0) => format!("{file} passed alone and runs once more as the first time"),
        (Way::Again, files) => {
            let files = counted(files, "file");
            format!("{file} passed alone and runs once more after the {files} before it")
        }
    }
}

/// Says that no file is judged again.
pub(super) fn skipped(failed: usize, files: usize) -> String {
    format!(
        "no failure was judged again in a fresh Ruby process: {failed} of {files} files failed, more than a tenth"
    )
}

impl Results {
    pub(super) fn review_queued(&mut self, item: &WorkItem) {
        self.reviews.queued.insert(item.item, item.clone());
    }

    /// Takes the result of the review of an item of the plan.
    pub(super) fn reviewed(&mut self, found: &Reviewed) {
        self.reviews.judged.insert(found.of);
        let ids: HashSet<&String> = found.order_dependent.iter().collect();
        let Some(first) = self.files.get(found.of.0 as usize).cloned() else {
            return;
        };
        if let Some(file) = self.files.get_mut(found.of.0 as usize) {
            file.flaky_alone.extend(found.flaky.iter().cloned());
        }
        if ids.is_empty() && !found.errors_too {
            return;
        }
        let failed = first.tests.iter().filter_map(|test| test.told());
        let failed = failed.filter(|test| test.outcome.is_bad() && ids.contains(&test.id));
        let entry = OrderDependent {
            tests: failed.cloned().collect(),
            errors: if found.errors_too {
                first.errors.clone()
            } else {
                Vec::new()
            },
            followed: found
                .followed
                .iter()
                .filter_map(|id| self.name_of(*id))
                .collect(),
            part: first.share != super::files::Share::All,
            first,
        };
        self.excuse(found, &ids);
        self.warn(format!(
            "{} depends on what runs before it: it passes alone and fails {}",
            one_line(&found.filename),
            entry.after()
        ));
        self.order_dependent.push(entry);
    }

    /// Replaces order-dependent failures by the results of the run alone.
    fn excuse(&mut self, found: &Reviewed, ids: &HashSet<&String>) {
        let alone = self.reviews.ended.get(&found.alone);
        let alone = alone.map_or_else(Vec::new, |alone| alone.tests.clone());
        let of_file = self.by_file().into_iter();
        let mut of_file = of_file.filter(|file| file.items().iter().any(|it| it.item == found.of));
        let known: HashSet<String> = of_file
            .next()
            .map(|file| {
                file.tests()
                    .iter()
                    .map(|it| it.test.id().to_owned())
                    .collect()
            })
            .unwrap_or_default();
        let Some(file) = self.files.get_mut(found.of.0 as usize) else {
            return;
        };
        for test in &mut file.tests {
            let better = alone.iter().find(|it| it.id() == test.id());
            if let Some(better) = better
                && test.outcome().is_bad()
                && ids.contains(&test.id().to_owned())
            {
                *test = better.clone();
            }
        }
        if found.errors_too {
            file.errors.clear();
            // What a fault outside of tests kept from running.
            let kept = alone.into_iter().filter(|test| !known.contains(test.id()));
            file.tests
                .extend(kept.filter(|test| !test.outcome().is_bad()));
        }
        if file.errors.is_empty()
            && file.failed().next().is_none()
            && file.verdict == Some(Verdict::Failed)
        {
            file.verdict = Some(Verdict::Passed);
            file.output.clear();
            self.bad.retain(|bad| *bad != found.of);
        }
        self.open.over(found.of, ids.len());
    }

    /// Returns whether tests of a file, run in parts, were found to rely on those before them in the file.
    #[must_use]
    pub fn relies(&self, file: &Whole<'_>) -> bool {
        let of_file =
            |it: &OrderDependent| file.items().iter().any(|item| item.item == it.first.item);
        self.order_dependent.iter().any(|it| it.part && of_file(it))
    }

    /// Returns whether a file has a failure that files before it may have caused, and that was not judged again.
    #[must_use]
    pub fn is_unjudged(&self, file: &Whole<'_>) -> bool {
        let doubtful = |item: &&FileResult| {
            item.verdict == Some(Verdict::Failed) && item.ran_in_child.len() > 1
        };
        file.items()
            .iter()
            .any(|item| doubtful(item) && !self.reviews.judged.contains(&item.item))
    }

    /// Returns whether a failure of a file was judged again, and shown not to come from the cut. A test that passed both
    /// times it was judged again has failed only while other parts of its file ran beside it: the cut may be to blame.
    #[must_use]
    pub fn is_settled(&self, file: &Whole<'_>) -> bool {
        let items = file.items();
        let judged = items
            .iter()
            .any(|item| self.reviews.judged.contains(&item.item));
        judged && items.iter().all(|item| item.flaky_alone.is_empty())
    }

    /// Returns the first failure of an order-dependent test, and the files before it.
    #[must_use]
    pub fn order_dependence(
        &self,
        item: ItemId,
        id: &str,
    ) -> Option<(&OrderDependent, &TestResult)> {
        let of_item = self
            .order_dependent
            .iter()
            .filter(|it| it.first.item == item);
        let mut found = of_item.flat_map(|it| it.tests.iter().map(move |test| (it, test)));
        found.find(|(_, test)| test.id == id)
    }
}
