//! The plan: in which order the files are queued, and in which parts. Pure.

use crate::ledger::SMALL_S;
use crate::split::{Pieces, Splitting, Whole, split};

/// A file that is to run, and what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Path from the project.
    pub filename: String,
    /// Its size, for an estimate.
    pub size_bytes: u64,
    /// How long it took the last time.
    pub seconds: Option<f64>,
    /// It has changed since, or failed: this time it may take longer.
    pub unsure: bool,
    /// Only these tests, by id.
    pub tests: Vec<String>,
    /// Only the tests at these lines.
    pub lines: Vec<u32>,
    /// What it may be cut into.
    pub pieces: Option<Pieces>,
}

impl Candidate {
    /// Makes a candidate of a whole file.
    #[must_use]
    pub fn whole(filename: impl Into<String>, size_bytes: u64, seconds: Option<f64>) -> Self {
        Self {
            filename: filename.into(),
            size_bytes,
            seconds,
            unsure: false,
            tests: Vec::new(),
            lines: Vec::new(),
            pieces: None,
        }
    }
}

/// The order that the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Named on the command line, one by one: kept.
    AsGiven,
    /// Longest first, where anything is known; else as given.
    LongestFirst,
}

/// How long a file will take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Seconds {
    /// The last run's.
    Known(f64),
    /// In proportion to its size.
    Estimated(f64),
    /// Nothing is known of any file.
    Unknown,
}

impl Seconds {
    fn value(self) -> f64 {
        match self {
            Self::Known(seconds) | Self::Estimated(seconds) => seconds,
            Self::Unknown => 0.0,
        }
    }
}

/// How much of a file an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// All that was asked for.
    Whole,
    /// These of its tests.
    Tests(Vec<String>),
    /// What the other parts leave, if they leave anything: they have these tests.
    Rest(Vec<String>),
}

/// A file, or a part of it, in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// The file.
    pub candidate: Candidate,
    /// How long it will take.
    pub seconds: Seconds,
    /// How much of it.
    pub part: Part,
}

impl Planned {
    /// Returns how long it took the last time, unless it took a moment then and may take longer now.
    #[must_use]
    pub fn sure_seconds(&self) -> Option<f64> {
        match self.seconds {
            Seconds::Known(seconds) if !self.candidate.unsure || seconds >= SMALL_S => {
                Some(seconds)
            }
            Seconds::Known(_) | Seconds::Estimated(_) | Seconds::Unknown => None,
        }
    }
}

/// Puts the files, or their parts, in the order in which they are queued; what the parts leave comes
/// last, and is not queued unless there is something.
#[must_use]
pub fn plan(candidates: Vec<Candidate>, order: Order, splitting: Splitting) -> Vec<Planned> {
    let known: f64 = candidates.iter().filter_map(|c| c.seconds).sum();
    let size: u64 = candidates
        .iter()
        .filter(|c| c.seconds.is_some())
        .map(|c| c.size_bytes.max(1))
        .sum();
    let any_known = candidates.iter().any(|c| c.seconds.is_some());
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let estimate = |candidate: &Candidate| match candidate.seconds {
        Some(seconds) => Seconds::Known(seconds),
        None if any_known => {
            Seconds::Estimated(known / size as f64 * candidate.size_bytes.max(1) as f64)
        }
        None => Seconds::Unknown,
    };
    let files: Vec<(Seconds, Candidate)> = candidates
        .into_iter()
        .map(|candidate| (estimate(&candidate), candidate))
        .collect();
    let seen: Vec<Whole<'_>> = files
        .iter()
        .map(|(seconds, candidate)| Whole {
            seconds: seconds.value(),
            pieces: candidate.pieces.as_ref(),
        })
        .collect();
    let parts = split(&seen, splitting);
    let mut planned: Vec<Planned> = Vec::new();
    let mut rests: Vec<Planned> = Vec::new();
    for ((seconds, mut candidate), parts) in files.into_iter().zip(parts) {
        let load = candidate.pieces.take().map_or(0.0, |known| known.load);
        let push = |list: &mut Vec<Planned>, seconds, part| {
            list.push(Planned {
                candidate: candidate.clone(),
                seconds,
                part,
            });
        };
        if parts.is_empty() {
            push(&mut planned, seconds, Part::Whole);
            continue;
        }
        let given = parts.iter().flat_map(|part| part.tests.clone()).collect();
        push(&mut rests, Seconds::Known(0.0), Part::Rest(given));
        for part in parts {
            let seconds = Seconds::Known(load + part.seconds);
            push(&mut planned, seconds, Part::Tests(part.tests));
        }
    }
    if order == Order::LongestFirst && any_known {
        planned.sort_by(|a, b| {
            let longest = b.seconds.value().total_cmp(&a.seconds.value());
            longest.then_with(|| a.candidate.filename.cmp(&b.candidate.filename))
        });
    }
    planned.append(&mut rests);
    planned
}

/// Puts what failed the last time before the rest, for a run that ends at the first failure. What the parts of a file
/// leave stays last.
pub fn put_failed_first(planned: &mut [Planned], failed: impl Fn(&str) -> bool) {
    planned.sort_by_key(|it| {
        let rest = matches!(it.part, Part::Rest(_));
        (rest, !failed(&it.candidate.filename))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Files as `name:bytes:seconds`, the last absent when unknown.
    #[track_caller]
    fn check(order: Order, files: &str, expected: &str) {
        let candidates = files
            .split_whitespace()
            .map(|file| {
                let mut parts = file.split(':');
                let name = parts.next().unwrap();
                let bytes = parts.next().unwrap().parse().unwrap();
                Candidate::whole(name, bytes, parts.next().map(|s| s.parse().unwrap()))
            })
            .collect();
        let names: Vec<_> = plan(candidates, order, Splitting::Never)
            .into_iter()
            .map(|p| match p.seconds {
                Seconds::Known(s) => format!("{}={s}", p.candidate.filename),
                Seconds::Estimated(s) => format!("{}~{s}", p.candidate.filename),
                Seconds::Unknown => p.candidate.filename,
            })
            .collect();
        assert_eq!(names.join(" "), expected, "{files}");
    }

    #[test]
    fn without_history_the_order_is_that_of_the_globs() {
        check(Order::LongestFirst, "b:10 a:999 c:1", "b a c");
        check(Order::LongestFirst, "", "");
    }

    #[test]
    fn with_history_the_longest_is_first_and_unknown_files_count_by_size() {
        check(Order::LongestFirst, "a:10:1 b:10:3 c:10:2", "b=3 c=2 a=1");
        check(
            Order::LongestFirst,
            "a:10:1 b:10:3 new:100 tiny:1",
            "new~20 b=3 a=1 tiny~0.2",
        );
        check(Order::LongestFirst, "b:10:1 a:10:1", "a=1 b=1");
        check(Order::LongestFirst, "b:0:0 a:0", "a~0 b=0");
    }

    #[test]
    fn what_failed_comes_first_and_keeps_its_order() {
        let files = [("a", 3.0), ("b", 2.0), ("c", 1.0), ("d", 0.5)]
            .map(|(name, seconds)| Candidate::whole(name, 1, Some(seconds)));
        let mut planned = plan(files.to_vec(), Order::LongestFirst, Splitting::Never);
        put_failed_first(&mut planned, |file| ["b", "d"].contains(&file));
        let names: Vec<_> = planned.iter().map(|it| &it.candidate.filename).collect();
        assert_eq!(names, ["b", "d", "a", "c"]);
    }

    #[test]
    fn named_files_keep_their_order() {
        check(Order::AsGiven, "a:10:1 b:10:3", "a=1 b=3");
    }
}
