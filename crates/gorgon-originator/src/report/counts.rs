//! The figures of a job: how many tests and files ended how.

use gorgon_proto::outcome::{Outcome, Verdict};

use super::Results;

/// Counts of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Tests that came to an end.
    pub tests: usize,
    /// Of these, passed.
    pub passed: usize,
    /// Of those that passed, failed before.
    pub flaky: usize,
    /// Failed.
    pub failed: usize,
    /// Ended by another exception.
    pub errored: usize,
    /// Skipped, pending or omitted.
    pub skipped: usize,
    /// Faults outside tests, suite-level hooks included.
    pub file_errors: usize,
    /// Tests that the filters of the job left out.
    pub left_out: usize,
    /// Files of which they left out some.
    pub files_left_out: usize,
    /// Files.
    pub files: usize,
    /// Files that passed.
    pub files_passed: usize,
    /// Files with a failed test or a fault.
    pub files_failed: usize,
    /// Files whose Ruby child died.
    pub files_crashed: usize,
    /// Files that took too long.
    pub files_timed_out: usize,
    /// Files lost with their hosts.
    pub files_lost: usize,
    /// Files without a verdict.
    pub files_not_run: usize,
}

impl Results {
    /// Counts tests and files.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            files: self.total(),
            file_errors: self.suite_hooks.len(),
            ..Counts::default()
        };
        for file in self.by_file() {
            let tests = file.tests();
            counts.tests += tests.len();
            counts.file_errors += file.errors().len();
            let left_out = file.left_out();
            counts.left_out += left_out;
            counts.files_left_out += usize::from(left_out > 0);
            for test in tests {
                counts.flaky += usize::from(test.is_flaky());
                match test.outcome() {
                    Outcome::Passed => counts.passed += 1,
                    Outcome::Failed => counts.failed += 1,
                    Outcome::Errored => counts.errored += 1,
                    Outcome::Skipped => counts.skipped += 1,
                }
            }
            match file.verdict() {
                Some(Verdict::Passed | Verdict::Flaky) => counts.files_passed += 1,
                Some(Verdict::Failed) => counts.files_failed += 1,
                Some(Verdict::Crashed) => counts.files_crashed += 1,
                Some(Verdict::TimedOut) => counts.files_timed_out += 1,
                Some(Verdict::Lost) => counts.files_lost += 1,
                Some(Verdict::NotRun) | None => counts.files_not_run += 1,
            }
        }
        counts
    }
}
