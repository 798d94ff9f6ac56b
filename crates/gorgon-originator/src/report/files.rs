//! The items of a job by file: a file that is split is one, with the results of all its parts.

use std::collections::{HashMap, HashSet};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::outcome::{FileError, Verdict};

use super::Results;
use super::file::FileResult;
use super::results::is_bad;
use super::retries::Retried;

/// How much of its file an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All of it, or what was asked for.
    All,
    /// A part.
    Part,
    /// What the parts leave, which is nothing so far.
    Nothing,
}

impl Share {
    /// Returns how much of its file an item is when nothing has run.
    #[must_use]
    pub fn of(item: &WorkItem) -> Self {
        match (item.part, item.except.is_empty()) {
            (false, _) => Self::All,
            (true, true) => Self::Part,
            (true, false) => Self::Nothing,
        }
    }
}

/// A file with all its items: one as a rule, or its parts.
#[derive(Debug, Clone)]
pub struct Whole<'a> {
    /// At least one, in the order of the plan.
    items: Vec<&'a FileResult>,
}

impl<'a> Whole<'a> {
    /// Puts the items of one file together.
    ///
    /// # Panics
    /// Without any item.
    #[must_use]
    pub fn new(items: Vec<&'a FileResult>) -> Self {
        assert!(!items.is_empty(), "a file has an item");
        Self { items }
    }

    /// Returns its first item.
    #[must_use]
    pub fn first(&self) -> &'a FileResult {
        self.items[0]
    }

    /// Returns its items.
    #[must_use]
    pub fn items(&self) -> &[&'a FileResult] {
        &self.items
    }

    /// Returns the worst verdict of its items: it has passed when all have. None while there is one
    /// without.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        let rank = |verdict: Option<Verdict>| match verdict {
            Some(Verdict::Crashed) => 7,
            Some(Verdict::TimedOut) => 6,
            Some(Verdict::Lost) => 5,
            Some(Verdict::Failed) => 4,
            None => 3,
            Some(Verdict::NotRun) => 2,
            Some(Verdict::Flaky) => 1,
            Some(Verdict::Passed) => 0,
        };
        let verdicts = self.items.iter().map(|item| item.verdict);
        verdicts.max_by_key(|verdict| rank(*verdict)).flatten()
    }

    /// Returns whether the verdict makes the job fail.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.verdict().is_some_and(is_bad)
    }

    /// Returns whether an item has no verdict, or was not run.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.items.iter().any(|item| item.is_open())
    }

    /// Returns the tests with their retries, each id once, in the order of the file where it is known.
    #[must_use]
    pub fn tests(&self) -> Vec<Retried<'a>> {
        let Some((first, others)) = self.items.split_first().filter(|(_, it)| !it.is_empty())
        else {
            return self.first().tests().collect();
        };
        let mut tests: Vec<Retried<'a>> = first.tests().collect();
        let mut seen: HashSet<&str> = tests.iter().map(|it| it.test.id()).collect();
        for item in others {
            let before = tests.len();
            let fresh = item.tests().filter(|it| !seen.contains(it.test.id()));
            tests.extend(fresh);
            seen.extend(tests[before..].iter().map(|it| it.test.id()));
        }
        let defined = self.items.iter().find_map(|item| item.defined.as_ref());
        let places: HashMap<&str, usize> = defined
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(place, id)| (id.as_str(), place))
            .collect();
        let place = |it: &Retried<'_>| places.get(it.test.id()).copied();
        tests.sort_by_key(|it| place(it).unwrap_or(usize::MAX));
        tests
    }

    /// Returns the faults outside tests; what every part says is said once.
    #[must_use]
    pub fn errors(&self) -> Vec<&'a FileError> {
        let mut errors: Vec<&FileError> = self.first().errors.iter().collect();
        for item in &self.items[1..] {
            for error in &item.errors {
                if !errors.contains(&error) {
                    errors.push(error);
                }
            }
        }
        errors
    }

    /// Returns how long its items ran without a result until this fault ended them.
    #[must_use]
    pub fn seconds_of_fault(&self, fault: &FileError) -> f64 {
        let of = |item: &&FileResult| item.seconds_of_fault(fault);
        self.items.iter().map(of).sum()
    }

    /// Returns how many of its tests the filters of the job left out. Each part says it of the whole file.
    #[must_use]
    pub fn left_out(&self) -> usize {
        let of = |item: &&FileResult| item.left_out.as_ref().map_or(0, |it| it.tests as usize);
        self.items.iter().map(of).max().unwrap_or_default()
    }

    /// Returns how long it takes as a whole: the load of its slowest part, and all tests.
    #[must_use]
    pub fn time(&self) -> f64 {
        if self.items.len() == 1 {
            return self.first().time;
        }
        let spent = |item: &FileResult| item.tests.iter().map(|test| test.seconds()).sum::<f64>();
        let loads = self.items.iter().map(|item| item.time - spent(item));
        let tests: f64 = self.items.iter().map(|item| spent(item)).sum();
        loads.fold(0.0, f64::max) + tests
    }

    /// Returns whether each of its tests can be told from every other.
    #[must_use]
    pub fn divisible(&self) -> bool {
        self.items.iter().all(|item| item.divisible)
    }
}

impl Results {
    /// Returns the items by file, in the order of the plan. What the parts of a file leave counts only
    /// where they leave something.
    #[must_use]
    pub fn by_file(&self) -> Vec<Whole<'_>> {
        let mut files: Vec<Whole<'_>> = Vec::with_capacity(self.progress.files());
        for item in &self.files {
            let place = self.progress.file_of(item.item);
            match files.get_mut(place) {
                None => files.push(Whole::new(vec![item])),
                Some(_) if item.share == Share::Nothing => {}
                Some(file) => file.items.push(item),
            }
        }
        files
    }

    /// Returns how many files have all their verdicts.
    #[must_use]
    pub fn done(&self) -> usize {
        self.progress.done
    }

    /// Returns how many files there are.
    #[must_use]
    pub fn total(&self) -> usize {
        self.progress.files()
    }

    /// Returns how many of these items are of different files.
    #[must_use]
    pub(super) fn files_among<'a>(&self, items: impl Iterator<Item = &'a ItemId>) -> usize {
        let files: HashSet<usize> = items.map(|item| self.progress.file_of(*item)).collect();
        files.len()
    }

    /// Returns the files that began and have no verdict, or did not have one at the close: for each the
    /// item that was at work.
    #[must_use]
    pub fn unfinished(&self) -> Vec<&FileResult> {
        let at_work = |file: &Whole<'_>| file.items.iter().any(|item| item.started);
        self.open_files(at_work)
    }

    /// Returns the files that never began.
    #[must_use]
    pub fn not_run(&self) -> Vec<&FileResult> {
        self.open_files(|file| !file.items.iter().any(|item| item.started))
    }

    fn open_files(&self, wanted: impl Fn(&Whole<'_>) -> bool) -> Vec<&FileResult> {
        let mut found = Vec::new();
        for file in self.by_file() {
            if wanted(&file) {
                let open = || file.items.iter().filter(|item| item.is_open());
                found.extend(open().find(|item| item.started).or_else(|| open().next()));
            }
        }
        found
    }
}

/// How many files have all their verdicts.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// By item: the number of its file.
    of: Vec<usize>,
    /// By file: how many of its items have no verdict.
    open: Vec<usize>,
    done: usize,
}

impl Progress {
    pub(super) fn new(work: &[WorkItem]) -> Self {
        let mut progress = Self::default();
        let mut split: HashMap<&str, usize> = HashMap::new();
        for item in work {
            let fresh = progress.open.len();
            let file = if item.part {
                *split.entry(&item.filename).or_insert(fresh)
            } else {
                fresh
            };
            if file == fresh {
                progress.open.push(0);
            }
            progress.of.push(file);
            // What parts leave is open when they do.
            progress.open[file] += usize::from(item.except.is_empty());
        }
        progress
    }

    fn files(&self) -> usize {
        self.open.len()
    }

    fn file_of(&self, item: ItemId) -> usize {
        self.of.get(item.0 as usize).copied().unwrap_or(usize::MAX)
    }

    /// An item has its verdict.
    pub(super) fn close(&mut self, item: ItemId) {
        let file = self.file_of(item);
        if let Some(open) = self.open.get_mut(file)
            && *open > 0
        {
            *open -= 1;
            self.done += usize::from(*open == 0);
        }
    }

    /// An item has no verdict yet, or none any more.
    pub(super) fn open(&mut self, item: ItemId) {
        let file = self.file_of(item);
        if let Some(open) = self.open.get_mut(file) {
            self.done -= usize::from(*open == 0);
            *open += 1;
        }
    }
}

#[cfg(test)]
mod tests;
