//! The last lines of the summary: how many tests and files ended how, and how long it took.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::super::Results;
use super::super::visible::one_line;
use super::{Facts, counted};
use crate::ledger::Ending;

/// Returns a span as `1.23 s`, `2 min 3 s`, `1 h 2 min`.
#[must_use]
pub fn span(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match seconds {
        0..60 => format!("{:.2} s", elapsed.as_secs_f64()),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Says how many tests the filters of the job left out, and which filters.
fn left_out(results: &Results) -> String {
    let counts = results.counts();
    if counts.left_out == 0 {
        return String::new();
    }
    let of_files = results
        .files
        .iter()
        .filter_map(|file| file.left_out.as_ref());
    let filters: BTreeSet<&str> = of_files.map(|it| it.by.as_str()).collect();
    // Without a filter it is the suite that takes tests away.
    let filters = filters.into_iter().filter(|it| !it.is_empty());
    let filters: Vec<String> = filters.map(one_line).collect();
    let by = match &filters[..] {
        [] => String::new(),
        filters => format!(" ({})", filters.join(", ")),
    };
    format!(
        "left out: {} in {}{by}\n",
        counted(counts.left_out, "test"),
        counted(counts.files_left_out, "file"),
    )
}

/// Returns whether all files ended well without a single test.
pub(super) fn lacks_any_test(results: &Results, facts: &Facts<'_>) -> bool {
    let counts = results.counts();
    *facts.ending == Ending::Complete
        && counts.tests + counts.file_errors == 0
        && counts.files_passed == counts.files
}

pub(super) fn figures(results: &Results, facts: &Facts<'_>) -> String {
    let counts = results.counts();
    let mut out = String::new();
    let passed = match counts.flaky {
        0 => "passed".to_owned(),
        flaky => format!("passed ({flaky} flaky)"),
    };
    let list = |parts: &[(usize, &str)]| {
        let parts: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        parts.join(", ")
    };
    let tests = list(&[
        (counts.passed, passed.as_str()),
        (counts.failed, "failed"),
        (counts.errored, "errored"),
        (counts.skipped, "skipped"),
    ]);
    if lacks_any_test(results, facts) {
        let files = counted(counts.files, "file");
        let time = span(facts.job.elapsed);
        let left_out = left_out(results);
        return format!(
            "0 tests in {files}\n{left_out}Time: {time}, seed {}\n",
            facts.job.seed
        );
    }
    // Where nothing ran there is nothing to count.
    if counts.files_not_run < counts.files || counts.tests + counts.file_errors > 0 {
        let _ = write!(out, "{}", counted(counts.tests, "test"));
        let _ = write!(out, "{}{tests}", if tests.is_empty() { "" } else { ": " });
        if counts.file_errors > 0 {
            let _ = write!(out, "; {}", counted(counts.file_errors, "error"));
            out.push_str(" outside tests");
        }
        out.push('\n');
    }
    out.push_str(&left_out(results));
    let files = list(&[
        (counts.files_passed, "passed"),
        (counts.files_failed, "failed"),
        (counts.files_crashed, "crashed"),
        (counts.files_timed_out, "timed out"),
        (counts.files_lost, "lost"),
        (counts.files_not_run, "not run"),
    ]);
    let _ = writeln!(out, "{}: {files}", counted(counts.files, "file"));
    let _ = writeln!(
        out,
        "Time: {}, seed {}",
        span(facts.job.elapsed),
        facts.job.seed
    );
    out
}
