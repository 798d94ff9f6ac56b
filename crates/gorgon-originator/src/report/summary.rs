//! The end of a job, for a person: each failure, flaky tests, what is unfinished, the figures.

mod figures;
mod order;
mod retried;
mod sick;

use std::collections::HashMap;
use std::fmt::Write as _;

use gorgon_proto::outcome::{FileError, TestResult, Verdict};

pub use figures::span;
use figures::{figures, lacks_any_test};

use super::file::FileResult;
use super::files::Share;
use super::reproduce::reproduce;
use super::results::HostFailure;
use super::shorten::shorten;
use super::status::{self, Strict};
use super::visible::{Colours, one_line, visible};
use super::{Results, junit};
use crate::ledger::Ending;

/// Maximum number of slow files that are named.
const SLOWEST: usize = 5;
/// Minimum number of seconds of a file that is named as slow.
const SLOW_FROM: f64 = 0.5;
/// Maximum number of names in a list; further ones are counted.
const NAMES_LIMIT: usize = 50;
/// Maximum number of lines of a backtrace that are shown.
const BACKTRACE_LIMIT: usize = 20;

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
    /// Keeps a list of files and returns its path, for reproduce lines of many files.
    pub keep_list: &'a dyn Fn(&[&str]) -> Option<String>,
}

struct Paint(bool);

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn magenta(&self, text: &str) -> String {
        self.with("35", text)
    }

    fn red(&self, text: &str) -> String {
        self.with("31", text)
    }

    fn green(&self, text: &str) -> String {
        self.with("32", text)
    }

    fn yellow(&self, text: &str) -> String {
        self.with("33", text)
    }

    fn colours(&self) -> Colours {
        if self.0 { Colours::Keep } else { Colours::Drop }
    }
}

fn indented(text: &str, colours: Colours) -> String {
    let mut out = String::new();
    for line in visible(&shorten(text.trim_matches('\n')), colours).lines() {
        if line.is_empty() {
            out.push('\n');
        } else {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

/// Returns the lines of the project; where there are none, the innermost ones.
fn trimmed(backtrace: &[String]) -> Vec<&str> {
    let ours = |line: &&String| !line.starts_with('/') && !line.starts_with('<');
    let mut lines: Vec<&str> = backtrace.iter().filter(ours).map(String::as_str).collect();
    if lines.is_empty() {
        lines = backtrace.iter().map(String::as_str).take(5).collect();
    }
    lines.truncate(BACKTRACE_LIMIT);
    lines
}

fn push_backtrace(out: &mut String, backtrace: &[String]) {
    for line in trimmed(backtrace) {
        let _ = writeln!(out, "    # {}", one_line(line));
    }
}

fn push_output(out: &mut String, output: &str, paint: &Paint) {
    if !output.trim().is_empty() {
        out.push_str("  Output:\n");
        out.push_str(&indented(output, paint.colours()));
    }
}

fn push_test(out: &mut String, test: &TestResult, paint: &Paint) {
    let _ = writeln!(out, "Test name: {}", paint.red(&one_line(&test.name)));
    if !test.file.is_empty() && test.line > 0 {
        let _ = writeln!(out, "  {}:{}", one_line(&test.file), test.line);
    }
    if let Some(exception) = &test.exception {
        let _ = writeln!(out, "  {}", one_line(exception));
    }
    out.push_str("  Message:\n");
    out.push_str(&indented(&test.message, paint.colours()));
    push_backtrace(out, &test.backtrace);
    push_output(out, &test.output, paint);
}

fn push_error(out: &mut String, error: &FileError, paint: &Paint) {
    let kind = error.exception.as_deref().unwrap_or_default();
    let head = format!(
        "{}{}{}",
        error.what,
        if kind.is_empty() { "" } else { ": " },
        kind
    );
    let _ = writeln!(out, "Error outside tests: {}", paint.red(&one_line(&head)));
    if let Some(test) = &error.test {
        let _ = writeln!(out, "  While this test was running: {}", one_line(test));
    }
    out.push_str("  Message:\n");
    out.push_str(&indented(&error.message, paint.colours()));
    push_backtrace(out, &error.backtrace);
}

/// Says of a failed test what was found when it was judged again, if that was anything.
fn push_judged(out: &mut String, file: &FileResult, id: &str) {
    if file.flaky_alone.iter().any(|flaky| flaky == id) {
        out.push_str("  Judged again: it passed alone and as it ran first, so it is flaky\n");
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
    let paint = Paint(facts.colour);
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
        let line = reproduce(results, file, facts.job.seed, facts.keep_list);
        let _ = writeln!(out, "\n  reproduce: {line}");
    }
    out.push('\n');
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

fn push_host_failure(out: &mut String, failure: &HostFailure, paint: &Paint) {
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
    let _ = writeln!(out, "{}", paint.red(&head));
    out.push_str(&indented(&error.message, paint.colours()));
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

/// Returns the name of the suite's own reporter of tests that failed, where it is no hook that did.
pub fn reporter(error: &FileError) -> Option<String> {
    error.what.strip_prefix("reporter ").map(one_line)
}

/// Returns the summary.
#[must_use]
pub fn write(results: &Results, facts: &Facts<'_>) -> String {
    let paint = Paint(facts.colour);
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
            paint.red(&match reporter(&hook.error) {
                Some(name) => format!("Reporter {name} failed at '{place}'"),
                None => format!("A suite hook raised at '{place}'"),
            })
        );
        push_error(&mut out, &hook.error, &paint);
        push_output(&mut out, &hook.output, &paint);
        out.push('\n');
    }
    retried::push_flaky(&mut out, results, facts);
    order::push(&mut out, results, facts);
    sick::push(&mut out, results, &paint);
    for failure in &results.host_failures {
        push_host_failure(&mut out, failure, &paint);
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
    let lacks_tests = *facts.ending == Ending::Complete && status::lacks_tests(results);
    let good = !status::failed(results, facts.strict) && !lacks_tests;
    let doubts = counts.files_not_run + counts.flaky + results.order_dependent.len();
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
