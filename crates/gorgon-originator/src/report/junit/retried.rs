//! Tests that were tried again, in the elements of Surefire: what a CI knows them by.

use std::fmt::Write as _;

use gorgon_proto::outcome::{Outcome, TestResult};
use gorgon_proto::text::first_line::first_line;

use super::super::retries::{Retried, Retry};
use super::super::visible::{xml, xml_attribute};
use super::{Tally, classname, open_case, whole};
use crate::ledger::RetryResult;

/// An attempt that failed, as Surefire writes it beside the outcome that counts.
fn failed(out: &mut String, prefix: &str, failed: &TestResult) {
    let suffix = match failed.outcome {
        Outcome::Errored => "Error",
        Outcome::Passed | Outcome::Failed | Outcome::Skipped => "Failure",
    };
    let kind = failed.exception.as_deref().unwrap_or_default();
    let name = format!("{prefix}{suffix}");
    let (message, trace) = (&failed.message, &failed.backtrace);
    element(out, &name, kind, message, trace, &failed.output);
}

fn element(
    out: &mut String,
    name: &str,
    kind: &str,
    message: &str,
    backtrace: &[String],
    output: &str,
) {
    let _ = write!(
        out,
        "      <{name} type=\"{}\" message=\"{}\"><stackTrace>{}</stackTrace>",
        xml_attribute(kind),
        xml_attribute(&first_line(kind, message)),
        xml(&whole(message, backtrace))
    );
    if !output.is_empty() {
        let _ = write!(out, "<system-out>{}</system-out>", xml(output));
    }
    let _ = writeln!(out, "</{name}>");
}

/// A retry of a test, unless it passed.
pub(super) fn further_failure(out: &mut String, prefix: &str, retry: &Retry) {
    match &retry.result {
        RetryResult::Ended(result) if result.outcome.is_bad() => failed(out, prefix, result),
        RetryResult::Ended(result) if result.outcome == Outcome::Skipped => {
            let message = format!("skipped when it was tried again: {}", result.message);
            element(
                out,
                &format!("{prefix}Failure"),
                "skipped",
                &message,
                &[],
                "",
            );
        }
        RetryResult::Ended(_) => {}
        RetryResult::Broken(error) => {
            let kind = error.exception.as_deref().unwrap_or(&error.what);
            let output = retry.ran.as_ref().map_or("", |ran| &ran.output);
            let (message, trace) = (&error.message, &error.backtrace);
            let name = format!("{prefix}Error");
            element(out, &name, kind, message, trace, output);
        }
        RetryResult::Gone(why) => {
            let message = format!("not found when it was tried again: {why}");
            element(
                out,
                &format!("{prefix}Error"),
                "not found",
                &message,
                &[],
                "",
            );
        }
    }
}

/// A test that failed first and passed then: one that passed, with what had failed.
pub(super) fn flaky_case(out: &mut String, file: &str, tried: &Retried<'_>) -> Tally {
    let passed = tried.retries.iter().find_map(|retry| match &retry.result {
        RetryResult::Ended(result) if result.outcome == Outcome::Passed => Some(result.seconds),
        RetryResult::Ended(_) | RetryResult::Broken(_) | RetryResult::Gone(_) => None,
    });
    let seconds = passed.unwrap_or(tried.test.seconds());
    open_case(
        out,
        file,
        classname(file, tried.test),
        tried.test.name(),
        seconds,
    );
    out.push_str(">\n");
    if let Some(test) = tried.test.told() {
        failed(out, "flaky", test);
    }
    for retry in tried.retries {
        further_failure(out, "flaky", retry);
    }
    out.push_str("    </testcase>\n");
    Tally {
        tests: 1,
        seconds,
        ..Tally::default()
    }
}
