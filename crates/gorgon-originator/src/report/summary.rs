//! The end of a job, for a person: each failure, flaky tests, what is unfinished, the figures.

mod figures;
mod order;
mod retried;
mod sick;

use std::collections::HashMap;
use std::fmt::Write as _;

use gorgon_proto::outcome::{FileError, TestResult, Verdict};
use gorgon_proto::text::failure::{Paint, hook_head, indented, push_error, push_output, push_test};

pub use figures::span;
use figures::{figures, lacks_any_test};

use super::file::FileResult;
use super::files::Share;
use super::reproduce::reproduce;
use super::results::HostFailure;
use super::status::{self, Strict};
use super::visible::one_line;
use super::{Results, junit};
use crate::ledger::Ending;

/// Maximum number of slow files that are named.
const SLOWEST: usize = 5;
/// Minimum number of seconds of a file that is named as slow.
const SLOW_FROM: f64 = 0.5;
/// Maximum number of names in a list; further ones are counted.
const NAMES_LIMIT: usize = 50;

/// What the summary says besides the results.
pub struct Facts<'a> {
    /// How the job ended.
    pub ending: &'a Ending,
    /// When and how long it ran, and its seed.
    pub job: &'a junit::JobFacts,
    /// Whether colours are used.
    pub colour: bool,
    /// `-q`: failures and one line of figures.
    pub quiet: bool,
    /// What makes the job fail besides failures.
    pub strict: Strict,
    /// Returns the framework's own command that runs a test of a file, or all of it.
    pub rerun: &'a dyn Fn(&FileResult, Option<&TestResult>) -> Option<String>,
    /// Keeps a list of files and returns its path, for reproduce lines of many files.
    pub keep_list: &'a dyn Fn(&[&str]) -> Option<String>,
}

/// Says of a failed test what was found when it was judged again, if that was anything.
fn push_judged(out: &mut String, file: &FileResult, id: &str) {
    if file.flaky_alone.iter().any(|flaky| flaky == id) {
        out.push_str("  Judged again: it passed alone and as it ran first, so it is flaky");
        if file.share != Share::All {
            out.push_str(", or another part of its file, which ran at the same time, disturbed it");
        }
        out.push('\n');
    }
}

/// Returns the word for a bad verdict: `File 'F' failed at …`.
fn verb(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Crashed) => "crashed",
        Some(Verdict::TimedOut) => "timed out",
        Some(Verdict::Lost) => "was lost",
        Some(Verdict::Failed | Verdict::Passed | Verdict::Flaky | Verdict::NotRun) | None => {
            "failed"
        }
    }
}

/// Returns `count` with its noun, in the plural where it needs one.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

fn push_file(
    out: &mut String,
    results: &Results,
    file: &FileResult,
    errors: &[&FileError],
    facts: &Facts<'_>,
) {
    let paint = Paint::short(facts.colour);
    let name = one_line(&file.filename);
    let place = if file.hostname.is_empty() {
        String::new()
    } else {
        format!(" at '{}:{}'", one_line(&file.hostname), file.worker_id)
    };
    let _ = writeln!(out, "{}", paint.magenta(&"*".repeat(80)));
    let _ = writeln!(
        out,
        "{}",
        paint.red(&format!("File '{name}' {}{place}", verb(file.verdict)))
    );
    for tried in file.failed() {
        out.push('\n');
        if let Some(test) = tried.test.told() {
            push_test(out, test, &paint);
            push_rerun(out, (facts.rerun)(file, Some(test)));
        }
        retried::push_attempts(out, results, &tried, facts);
        push_judged(out, file, tried.test.id());
    }
    for error in errors {
        out.push('\n');
        push_error(out, error, &paint);
    }
    let mut told = file.failed().filter_map(|tried| tried.test.told());
    let shown = told.any(|test| !test.output.is_empty());
    if !shown {
        push_output(out, &file.output, &paint);
    }
    if file.verdict != Some(Verdict::Lost) {
        if !errors.is_empty() {
            push_rerun(out, (facts.rerun)(file, None));
        }
        push_reproduce(out, results, file, facts);
    }
    out.push('\n');
}

fn push_rerun(out: &mut String, line: Option<String>) {
    if let Some(line) = line {
        let _ = writeln!(out, "  rerun: {line}");
    }
}

/// Adds our own command, and says what else it runs.
fn push_reproduce(out: &mut String, results: &Results, file: &FileResult, facts: &Facts<'_>) {
    out.push('\n');
    if file.ran_in_child.len() > 1 {
        out.push_str("  with what ran before it in its Ruby process:\n");
    }
    let line = reproduce(results, file, facts.job.seed, facts.keep_list);
    let _ = writeln!(out, "  reproduce: {line}");
}

fn push_names(out: &mut String, title: &str, files: &[&FileResult]) {
    if files.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title} ({}):", files.len());
    for file in files.iter().take(NAMES_LIMIT) {
        let _ = write!(out, "  {}", one_line(&file.filename));
        if file.started && !file.hostname.is_empty() {
            let _ = write!(out, " at '{}:{}'", one_line(&file.hostname), file.worker_id);
        }
        out.push('\n');
    }
    if files.len() > NAMES_LIMIT {
        let _ = writeln!(out, "  … and {} more", files.len() - NAMES_LIMIT);
    }
    out.push('\n');
}

/// If the job is good all the same, it is a warning.
fn push_host_failure(out: &mut String, failure: &HostFailure, good: bool, paint: &Paint) {
    let error = &failure.error;
    let what = one_line(&error.what);
    let head = format!(
        "Host '{}' left the job: {what}",
        one_line(&failure.hostname)
    );
    let head = match failure.reason {
        Some(_) => head,
        None => format!(
            "{} '{}' ended early: {what}",
            if failure.hostname.contains(", ") {
                "Workers"
            } else {
                "Worker"
            },
            one_line(&failure.hostname)
        ),
    };
    let head = if good {
        paint.yellow(&head)
    } else {
        paint.red(&head)
    };
    let _ = writeln!(out, "{head}");
    out.push_str(&indented(&error.message, paint));
    if !error.command.is_empty() {
        let _ = writeln!(out, "  Command: {}", one_line(&error.command));
    }
    push_output(out, &error.output, paint);
    out.push('\n');
}

fn push_slowest(out: &mut String, results: &Results) {
    let files = results.by_file().into_iter();
    let mut slow: Vec<(f64, &str)> = files
        .map(|file| (file.time(), file.first().filename.as_str()))
        .filter(|(time, _)| *time >= SLOW_FROM)
        .collect();
    slow.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    if slow.is_empty() {
        return;
    }
    out.push_str("Slowest files:\n");
    for (time, name) in slow.iter().take(SLOWEST) {
        let _ = writeln!(out, "{time:>9.2} s  {}", one_line(name));
    }
    out.push('\n');
}

/// Returns the summary.
#[must_use]
pub fn write(results: &Results, facts: &Facts<'_>) -> String {
    let paint = Paint::short(facts.colour);
    let mut out = String::new();
    // What every part of a file says is said once.
    let mut told: HashMap<&str, Vec<&FileError>> = HashMap::new();
    for id in &results.bad {
        if let Some(file) = results.files.get(id.0 as usize) {
            let known = told.entry(&file.filename).or_default();
            let news = |error: &&FileError| file.share == Share::All || !known.contains(error);
            let errors: Vec<&FileError> = file.errors.iter().filter(news).collect();
            if file.share == Share::All || !errors.is_empty() || file.failed().next().is_some() {
                known.extend(&errors);
                push_file(&mut out, results, file, &errors, facts);
            }
        }
    }
    for hook in &results.suite_hooks {
        let place = format!("{}:{}", one_line(&hook.hostname), hook.worker_id);
        let _ = writeln!(out, "{}", paint.magenta(&"*".repeat(80)));
        let _ = writeln!(
            out,
            "{}\n",
            paint.red(&format!("{} at '{place}'", hook_head(&hook.error)))
        );
        push_error(&mut out, &hook.error, &paint);
        push_output(&mut out, &hook.output, &paint);
        out.push('\n');
    }
    retried::push_flaky(&mut out, results, facts);
    order::push(&mut out, results, facts);
    sick::push(&mut out, results, &paint);
    let lacks_tests = *facts.ending == Ending::Complete && status::lacks_tests(results);
    let good = !status::failed(results, facts.strict) && !lacks_tests;
    let ended_well = good && *facts.ending == Ending::Complete;
    for failure in &results.host_failures {
        push_host_failure(&mut out, failure, ended_well, &paint);
    }
    if !facts.quiet && !results.warnings.is_empty() {
        let _ = writeln!(
            out,
            "{}",
            paint.yellow(&format!("Warnings ({}):", results.warnings.len()))
        );
        for warning in results.warnings.iter().take(NAMES_LIMIT) {
            let _ = writeln!(out, "  {}", one_line(warning));
        }
        if results.warnings.len() > NAMES_LIMIT {
            let _ = writeln!(out, "  … and {} more", results.warnings.len() - NAMES_LIMIT);
        }
        out.push('\n');
    }
    push_names(&mut out, "Unfinished files", &results.unfinished());
    // Where none ran, the figures say it all.
    if results.files.iter().any(|file| file.started) {
        push_names(&mut out, "Files not run", &results.not_run());
    }
    if !facts.quiet {
        push_slowest(&mut out, results);
    }
    let counts = results.counts();
    let figures = figures(results, facts);
    let doubts = counts.files_not_run + counts.flaky + results.order_dependent.len();
    let doubts = doubts + results.host_failures.len();
    let doubts = doubts + usize::from(lacks_any_test(results, facts));
    out.push_str(&match (good, doubts) {
        (true, 0) => paint.green(figures.trim_end()),
        (true, _) => paint.yellow(figures.trim_end()),
        (false, _) => paint.red(figures.trim_end()),
    });
    out.push('\n');
    if results.not_retried > 0 {
        let tests = counted(results.not_retried, "failed test");
        let verb = if results.not_retried == 1 {
            "was"
        } else {
            "were"
        };
        let text = format!("{tests} {verb} not retried: the job ended first");
        let _ = writeln!(out, "{}", paint.yellow(&text));
    }
    if facts.strict.flaky && counts.flaky > 0 {
        let verb = if counts.flaky == 1 { "fails" } else { "fail" };
        let tests = counted(counts.flaky, "flaky test");
        let text = format!("{tests} {verb} the job: --flaky-result fail");
        let _ = writeln!(out, "{}", paint.red(&text));
    }
    let dependent = results.order_dependent.len();
    if facts.strict.order_dependent && dependent > 0 {
        let verb = if dependent == 1 { "fails" } else { "fail" };
        let files = counted(dependent, "order-dependent file");
        let text = format!("{files} {verb} the job: --order-dependent fail");
        let _ = writeln!(out, "{}", paint.red(&text));
    }
    if lacks_tests {
        out.push_str(&paint.red(
            "no test was found in any file: that fails the job, as `fail_if_no_examples` of RSpec is set, or Minitest 6 was given a name that no test has",
        ));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
