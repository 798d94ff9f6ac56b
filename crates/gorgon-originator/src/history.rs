//! What earlier jobs of a project took and what failed in them, kept between jobs.
//!
//! One file a project under `${XDG_CACHE_HOME:-~/.cache}/gorgon/`, in a directory named after the
//! project and a hash of its path. It is read whole, changed under a lock and written beside and
//! renamed, so that two jobs of one project lose nothing of each other. A history that cannot be
//! read is an empty one: nothing but speed depends on it.

pub mod original;
mod store;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::ledger::LastFailed;
use crate::split::{Piece, Pieces};

pub(crate) use store::fnv1a;
pub use store::{HistoryError, Store};

/// What is known of the files of a project, by their paths.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// One record a file.
    #[serde(default)]
    pub files: BTreeMap<String, FileRecord>,
    /// Suite hooks raised, or no test ran where one had to, and the whole suite has not run without that since. This belongs
    /// to no file.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hooks_failed: bool,
    /// How many tests ran at once in the last job that ran on listeners; 0 where there was none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub slots: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Longer than any file takes, in seconds: a year.
const MOST_SECONDS: f64 = 366.0 * 86_400.0;

/// Returns whether a number is one of seconds that something took.
#[must_use]
pub fn is_span(seconds: f64) -> bool {
    (0.0..=MOST_SECONDS).contains(&seconds)
}

/// What is known of one file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Seconds of the last time when the whole file ran to its end; absent when it never did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<f64>,
    /// What the file looked like then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// Its tests, in the order in which they ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<TestRecord>,
    /// The file itself is to be run again as a whole: it crashed, took too long, was lost, or
    /// something outside of its tests failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub broken: bool,
    /// Each of its tests can be told from every other: it may be split.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub divisible: bool,
    /// When it ran in parts, tests failed that had not before, and the job ended before it could run whole; or tests
    /// passed that had failed. The next run is whole, and shows whether the cut was to blame.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubted: bool,
    /// It failed where what ran before may be to blame, and was not judged again: it may be the next time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unjudged: bool,
    /// Tests ended in another way in parts than in the whole file, or its tests have other names in each process: as long as it is
    /// unchanged it is not cut again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub entire: bool,
    /// A test failed, or passed only when it was tried again, and the whole file has not passed since. It is not cut: in
    /// parts it may pass, where the failure needs all of its tests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub red: bool,
}

/// What is known of one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestRecord {
    /// Its id within the file.
    pub id: String,
    /// Seconds of its last run.
    #[serde(rename = "s")]
    pub seconds: f64,
    /// It failed, or raised.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// What it is not to be torn from, where it does not stand for itself.
    #[serde(default, rename = "g", skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// What tells whether a file was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Its size.
    pub bytes: u64,
    /// Its time of modification, in nanoseconds since 1970.
    pub mtime_ns: i64,
}

impl Stamp {
    /// Looks at a file.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            bytes: metadata.len(),
            mtime_ns: metadata
                .mtime()
                .checked_mul(1_000_000_000)?
                .checked_add(metadata.mtime_nsec())?,
        })
    }
}

/// What one job says of one file.
#[derive(Debug, Clone, PartialEq)]
pub enum Ran {
    /// All of it ran to its end, in one item or in parts.
    Whole {
        /// Seconds, of all parts together.
        seconds: f64,
        /// What it looked like when the job began.
        stamp: Option<Stamp>,
        /// All its tests.
        tests: Vec<TestRecord>,
        /// Each of them can be told from every other.
        divisible: bool,
        /// It ran in parts.
        cut: bool,
        /// Something failed in parts of it that has passed now.
        relies: bool,
        /// It failed where what ran before may be to blame, and was not judged again.
        unjudged: bool,
        /// A test failed first, and passed when it was tried again.
        flaky: bool,
    },
    /// It ran to its end with options for the framework, which may have left tests out.
    Filtered {
        /// Seconds.
        seconds: f64,
        /// What it looked like when the job began.
        stamp: Option<Stamp>,
        /// The tests that ran.
        tests: Vec<TestRecord>,
    },
    /// Only some of its tests were asked for.
    Some {
        /// Those tests.
        tests: Vec<TestRecord>,
        /// They ran in parts.
        cut: bool,
        /// They failed where what ran before may be to blame, and were not judged again.
        unjudged: bool,
    },
    /// It crashed, took too long, was lost, or something outside of its tests failed.
    Broken {
        /// The tests that had come to an end.
        tests: Vec<TestRecord>,
        /// It ran in parts.
        cut: bool,
        /// It failed where what ran before may be to blame, and was not judged again.
        unjudged: bool,
    },
}

/// What is to be run again of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The file.
    pub file: String,
    /// The ids of the tests that failed; none: the whole file.
    pub tests: Vec<String>,
}

fn any_failed(tests: &[TestRecord]) -> bool {
    tests.iter().any(|test| test.failed)
}

impl History {
    /// Leaves out numbers that nothing can have taken. Returns the files that had some.
    pub(crate) fn mend(&mut self) -> Vec<String> {
        let mut mended = Vec::new();
        for (file, record) in &mut self.files {
            let wrong = |seconds: f64| !is_span(seconds);
            let whole = record.seconds.is_some_and(wrong);
            if whole || record.tests.iter().any(|test| wrong(test.seconds)) {
                // Its tests are known; how long they take the next run tells.
                record.seconds = None;
                for test in &mut record.tests {
                    test.seconds = if wrong(test.seconds) {
                        0.0
                    } else {
                        test.seconds
                    };
                }
                mended.push(file.clone());
            }
        }
        mended
    }

    /// Lays what a job says over what was known; files that did not run stay as they were.
    pub fn merge(&mut self, ran: &BTreeMap<String, Ran>) {
        for (file, ran) in ran {
            let record = self.files.entry(file.clone()).or_default();
            match ran {
                Ran::Filtered { tests, .. } if !record.is_covered_by(tests) => {
                    record.lay_over(tests);
                }
                Ran::Whole {
                    seconds,
                    stamp,
                    tests,
                    divisible,
                    cut,
                    relies,
                    unjudged,
                    flaky,
                } => {
                    let same = stamp.is_some() && record.stamp == *stamp;
                    let unjudged = *unjudged && (record.unjudged || record.fails_anew_in(tests));
                    let differs = record.fails_anew_in(tests) || record.passes_in(tests);
                    let blamed = record.doubted && !cut && differs;
                    let drawn = record.is_drawn_anew_in(tests);
                    *record = FileRecord {
                        doubted: *cut && differs,
                        entire: *relies || (same && (record.entire || blamed || drawn)),
                        seconds: Some(*seconds),
                        stamp: *stamp,
                        tests: tests.clone(),
                        broken: false,
                        divisible: *divisible,
                        unjudged,
                        red: *flaky || any_failed(tests),
                    };
                }
                Ran::Filtered {
                    seconds,
                    stamp,
                    tests,
                } => {
                    *record = FileRecord {
                        seconds: Some(*seconds),
                        stamp: *stamp,
                        tests: tests.clone(),
                        broken: false,
                        divisible: false,
                        doubted: false,
                        unjudged: false,
                        entire: false,
                        red: any_failed(tests),
                    };
                }
                Ran::Some {
                    tests,
                    cut,
                    unjudged,
                } => {
                    let anew = record.fails_anew_in(tests);
                    record.doubted |= *cut && anew;
                    record.unjudged |= *unjudged && anew;
                    record.lay_over(tests);
                }
                Ran::Broken {
                    tests,
                    cut,
                    unjudged,
                } => {
                    record.doubted |= *cut && record.fails_anew_in(tests);
                    record.unjudged |= *unjudged && !record.broken;
                    record.lay_over(tests);
                    record.broken = true;
                }
            }
        }
    }

    /// Returns what failed when it last ran, in the order of the paths.
    #[must_use]
    pub fn failures(&self) -> Vec<Failure> {
        self.files
            .iter()
            .filter_map(|(file, record)| {
                let failed = || record.tests.iter().filter(|test| test.failed);
                let tests = if record.broken || (record.doubted && failed().next().is_some()) {
                    Vec::new()
                } else {
                    failed().map(|test| test.id.clone()).collect()
                };
                (record.broken || failed().next().is_some()).then(|| Failure {
                    file: file.clone(),
                    tests,
                })
            })
            .collect()
    }

    /// Returns the seconds of a file, when they are known.
    #[must_use]
    pub fn seconds(&self, file: &str) -> Option<f64> {
        self.files.get(file)?.seconds
    }

    /// Returns the record of a file that was not changed since.
    #[must_use]
    pub fn unchanged(&self, project: &Path, file: &str) -> Option<&FileRecord> {
        let record = self.files.get(file)?;
        let now = Stamp::of(&project.join(file))?;
        (record.stamp == Some(now)).then_some(record)
    }
}

impl FileRecord {
    /// Returns whether tests ran, and among them every one that is known.
    fn is_covered_by(&self, tests: &[TestRecord]) -> bool {
        let ran: HashSet<&str> = tests.iter().map(|test| test.id.as_str()).collect();
        !ran.is_empty()
            && self
                .tests
                .iter()
                .all(|known| ran.contains(known.id.as_str()))
    }

    /// Returns what the file may be cut into, if it may.
    #[must_use]
    pub fn pieces(&self) -> Option<Pieces> {
        let red = self.red || any_failed(&self.tests);
        let whole = self.broken || self.doubted || self.entire || red;
        let seconds = self.seconds.filter(|_| self.divisible && !whole)?;
        let mut pieces: Vec<Piece> = Vec::new();
        let mut groups: HashMap<&str, usize> = HashMap::new();
        let mut ids: HashSet<&str> = HashSet::new();
        for test in &self.tests {
            if !ids.insert(&test.id) {
                return None;
            }
            let spent = if test.seconds.is_finite() {
                test.seconds.max(0.0)
            } else {
                0.0
            };
            let group = test.group.as_deref();
            match group.and_then(|group| groups.get(group)) {
                Some(place) => {
                    pieces[*place].tests.push(test.id.clone());
                    pieces[*place].seconds += spent;
                }
                None => {
                    groups.extend(group.map(|group| (group, pieces.len())));
                    pieces.push(Piece {
                        tests: vec![test.id.clone()],
                        seconds: spent,
                    });
                }
            }
        }
        let spent: f64 = pieces.iter().map(|piece| piece.seconds).sum();
        let load = (seconds - spent).max(0.0);
        (pieces.len() > 1 && load.is_finite()).then_some(Pieces { load, pieces })
    }

    /// Returns whether a test has failed now that is not known to have failed.
    fn fails_anew_in(&self, tests: &[TestRecord]) -> bool {
        let failed = self.tests.iter().filter(|test| test.failed);
        let failed: HashSet<&str> = failed.map(|test| test.id.as_str()).collect();
        let mut now = tests.iter().filter(|test| test.failed);
        now.any(|test| !failed.contains(test.id.as_str()))
    }

    /// Returns whether half of the known tests, or more, have made room for others.
    fn is_drawn_anew_in(&self, tests: &[TestRecord]) -> bool {
        let now: HashSet<&str> = tests.iter().map(|test| test.id.as_str()).collect();
        let known: HashSet<&str> = self.tests.iter().map(|test| test.id.as_str()).collect();
        let gone = known.difference(&now).count();
        gone > 0 && gone * 2 >= known.len() && now.difference(&known).next().is_some()
    }

    /// Returns whether a test that is known to have failed has passed now.
    fn passes_in(&self, tests: &[TestRecord]) -> bool {
        let passed = tests.iter().filter(|test| !test.failed);
        let passed: HashSet<&str> = passed.map(|test| test.id.as_str()).collect();
        let mut failed = self.tests.iter().filter(|test| test.failed);
        failed.any(|test| passed.contains(test.id.as_str()))
    }

    /// Returns what failed when the file last ran, where that is known to be its own fault.
    #[must_use]
    pub fn last_failed(&self, changed: bool) -> Option<LastFailed> {
        let failed = self.tests.iter().filter(|test| test.failed);
        let last = LastFailed {
            tests: failed.map(|test| test.id.clone()).collect(),
            file: self.broken,
            changed,
        };
        let any = last.file || !last.tests.is_empty();
        (any && !self.unjudged && !self.doubted).then_some(last)
    }

    fn lay_over(&mut self, tests: &[TestRecord]) {
        self.red |= any_failed(&self.tests) || any_failed(tests);
        for test in tests {
            match self.tests.iter_mut().find(|known| known.id == test.id) {
                Some(known) => *known = test.clone(),
                None => self.tests.push(test.clone()),
            }
        }
    }
}

#[cfg(test)]
mod tests;
