//! What the summary says of retries: the section of flaky tests, and the attempts after the first.

use std::fmt::Write as _;

use gorgon_proto::outcome::{Outcome, TestResult};
use gorgon_proto::text::failure::{Paint, indented, push_backtrace, push_output, push_test};

use super::super::Results;
use super::super::reproduce::{reproduce, reproduce_retry};
use super::super::retries::{Retried, Retry};
use super::super::visible::one_line;
use super::{Facts, push_rerun};
use crate::ledger::RetryResult;

/// Names the tests that failed and then passed, each with its attempts and why it failed first.
pub(super) fn push_flaky(out: &mut String, results: &Results, facts: &Facts<'_>) {
    let flaky: Vec<_> = results.flaky().collect();
    if flaky.is_empty() {
        return;
    }
    let paint = Paint::short(facts.colour);
    let head = format!("Flaky tests ({}):", flaky.len());
    let _ = writeln!(out, "{}", paint.magenta(&"*".repeat(80)));
    let _ = writeln!(out, "{}", paint.yellow(&head));
    for tried in flaky {
        out.push('\n');
        if let Some(test) = tried.test.told() {
            push_test(out, test, &paint);
            push_rerun(out, (facts.rerun)(tried.file, Some(test)));
        }
        push_first(out, &tried);
        let line = reproduce(results, tried.file, facts.job.seed, facts.keep_list);
        let _ = writeln!(out, "      reproduce: {line}");
        push_retries(out, results, &tried, facts);
    }
    out.push('\n');
}

/// Tells what became of a test that failed for good, if it was tried again.
pub(super) fn push_attempts(
    out: &mut String,
    results: &Results,
    tried: &Retried<'_>,
    facts: &Facts<'_>,
) {
    if !tried.retries.is_empty() {
        push_first(out, tried);
        push_retries(out, results, tried, facts);
    }
}

fn push_first(out: &mut String, tried: &Retried<'_>) {
    let _ = writeln!(
        out,
        "  Attempts: {}\n    1 failed so at '{}:{}'",
        tried.attempts(),
        one_line(&tried.file.hostname),
        tried.file.worker_id
    );
}

fn push_retries(out: &mut String, results: &Results, tried: &Retried<'_>, facts: &Facts<'_>) {
    // Only what has failed is tried again, and that is kept whole.
    let Some(mut last) = tried.test.told() else {
        return;
    };
    for retry in tried.retries {
        push_retry(out, last, retry, facts);
        if let RetryResult::Ended(result) = &retry.result {
            last = result;
        }
        if matches!(&retry.result, RetryResult::Broken(_)) || retry.result.failed() {
            let (seed, keep) = (facts.job.seed, facts.keep_list);
            if retry.ran.is_some() {
                let line = reproduce_retry(results, tried.file, retry, seed, keep);
                let _ = writeln!(out, "      reproduce: {line}");
            }
        }
    }
}

fn push_retry(out: &mut String, last: &TestResult, retry: &Retry, facts: &Facts<'_>) {
    let paint = Paint::short(facts.colour);
    let place = retry.ran.as_ref().map_or_else(String::new, |ran| {
        format!(" at '{}:{}'", one_line(&ran.hostname), ran.worker_id)
    });
    let head = format!("    {}", retry.number + 1);
    match &retry.result {
        RetryResult::Ended(result) if result.outcome == Outcome::Passed => {
            let _ = writeln!(out, "{head} {}{place}", paint.green("passed"));
        }
        RetryResult::Ended(result) if result.outcome == Outcome::Skipped => {
            let why = one_line(result.message.lines().next().unwrap_or_default());
            let _ = writeln!(out, "{head} was skipped{place}: {why}");
        }
        RetryResult::Ended(result) => {
            let same = result.message == last.message && result.exception == last.exception;
            if same {
                let _ = writeln!(out, "{head} failed{place} in the same way");
                return;
            }
            let kind = result.exception.as_deref().unwrap_or_default();
            let _ = writeln!(out, "{head} failed{place}: {}", one_line(kind));
            push_fault(
                out,
                &result.message,
                &result.backtrace,
                &result.output,
                &paint,
            );
        }
        RetryResult::Broken(error) => {
            let what = one_line(&error.what);
            let _ = writeln!(out, "{head}{place} came to no result: {what}");
            let output = retry.ran.as_ref().map_or("", |ran| &ran.output);
            push_fault(out, &error.message, &error.backtrace, output, &paint);
        }
        RetryResult::Gone(why) => {
            let _ = writeln!(
                out,
                "{head}{place} did not find the test: {}",
                one_line(why)
            );
        }
    }
}

/// Tells a fault of an attempt, two steps further in than that of a test.
fn push_fault(out: &mut String, message: &str, trace: &[String], output: &str, paint: &Paint) {
    let mut fault = indented(message, paint);
    push_backtrace(&mut fault, trace);
    push_output(&mut fault, output, paint);
    for line in fault.lines() {
        let _ = writeln!(out, "{}{line}", if line.is_empty() { "" } else { "  " });
    }
}
