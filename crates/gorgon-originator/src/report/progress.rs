//! How far the job is: a bar on a terminal, lines elsewhere.

pub(super) mod attempts;

use std::fmt::Write as _;
use std::time::Duration;

use gorgon_proto::message::{Answer, LeaveReason};
use gorgon_proto::outcome::Verdict;
use gorgon_proto::text::failure::hook_head;
use gorgon_proto::text::first_line::first_line;

use super::Results;
use super::starts::start_failed;
use super::summary::counted;
use super::visible::one_line;
use crate::ledger::{Cause, Happening};

use attempts::{attempt_of, probed, repeat_queued, retried, retry};

/// Interval between two drawings of the bar.
pub const REDRAW_INTERVAL: Duration = Duration::from_millis(500);
/// Interval between two lines if there is no terminal.
pub const LINE_INTERVAL: Duration = Duration::from_secs(5);
/// Maximum width of the bar in columns, as in the Ruby gem.
const WIDTH_LIMIT: usize = 200;
/// Maximum number of failed tests that are named at once; the summary names all.
const NAMES_LIMIT: usize = 5;
/// An item that runs longer is named on the way.
pub const LONG_ITEM: Duration = Duration::from_secs(60);

/// How much is told on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// `-q`: problems only.
    Quiet,
    /// Progress and failures.
    Normal,
    /// `-v`: every file and host.
    Verbose,
}

/// Returns the time as `00:01:02`.
fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!(
        "{:02}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// Returns the bar, `width` columns wide: green until the first failure, then red.
#[must_use]
pub fn bar(results: &Results, elapsed: Duration, width: usize, colour: bool) -> String {
    let (done, total) = (results.done(), results.total());
    let failed = results.failed_so_far();
    let head = format!(
        " F: {failed}{} H: {} W: {} | [",
        to_retry(results),
        results.hosts_that_ran(),
        results.running()
    );
    let tail = format!("] {done}/{total} Time: {}", clock(elapsed));
    // The last column stays free: some terminals wrap as soon as it is written.
    let room = width
        .min(WIDTH_LIMIT)
        .saturating_sub(1 + head.len() + tail.len());
    let inner = if room < 3 {
        String::new()
    } else {
        gauge(done, total, room)
    };
    let text = format!("{head}{inner}{tail}");
    let text: String = text.chars().take(width.saturating_sub(1)).collect();
    if !colour {
        return text;
    }
    let code = if failed == 0 && results.suite_hooks.is_empty() {
        32
    } else {
        31
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// Returns ` R: 3` while 3 tests wait for a retry, or run in one.
fn to_retry(results: &Results) -> String {
    match results.to_retry() {
        0 => String::new(),
        tests => format!(" R: {tests}"),
    }
}

/// Returns `=== 42 ===>    `: the percentage inside the done part.
fn gauge(done: usize, total: usize, room: usize) -> String {
    let room = room - 1;
    let part_of = |whole: usize| (whole * done).checked_div(total).unwrap_or(whole);
    let (length, percent) = (part_of(room), part_of(100));
    let number = format!(" {percent} ");
    let part = if length < number.len() + 2 {
        "=".repeat(length)
    } else {
        format!("{number:=^length$}")
    };
    format!("{part}>{}", " ".repeat(room - length))
}

/// Returns the line that stands for the bar where there is no terminal.
#[must_use]
pub fn line(results: &Results, elapsed: Duration) -> String {
    format!(
        "F: {}{} H: {} W: {} | {}/{} Time: {}",
        results.failed_so_far(),
        to_retry(results),
        results.hosts_that_ran(),
        results.running(),
        results.done(),
        results.total(),
        clock(elapsed)
    )
}

fn failed_tests(results: &Results, place: usize) -> String {
    let Some(file) = results.files.get(place) else {
        return String::new();
    };
    let mut out = String::new();
    let bad: Vec<_> = file
        .tests
        .iter()
        .filter(|test| test.outcome().is_bad())
        .collect();
    for test in bad.iter().take(NAMES_LIMIT) {
        let _ = write!(out, "\n    {}", one_line(test.name()));
    }
    if bad.len() > NAMES_LIMIT {
        let _ = write!(out, "\n    … and {} more", bad.len() - NAMES_LIMIT);
    }
    for error in file.errors.iter().take(NAMES_LIMIT) {
        let first = error.message.lines().next().unwrap_or_default();
        let _ = write!(out, "\n    {}: {}", one_line(&error.what), one_line(first));
    }
    out
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Flaky => "flaky",
        Verdict::Failed => "failed",
        Verdict::Crashed => "crashed",
        Verdict::TimedOut => "timed out",
        Verdict::Lost => "lost",
        Verdict::NotRun => "not run",
    }
}

fn left(reason: LeaveReason) -> &'static str {
    match reason {
        LeaveReason::Done => "done",
        LeaveReason::Cancelled => "cancelled",
        LeaveReason::SyncFailed => "the source could not be synced",
        LeaveReason::CallbackFailed => "a callback failed",
        LeaveReason::Refused => "no file can run there",
        LeaveReason::PreloaderFailed => "Ruby could not be started",
        LeaveReason::WorkersFailed => "its workers died again and again",
        LeaveReason::Stopped => "its listener stopped",
        LeaveReason::Orphaned => "it lost the originator or the broker",
        LeaveReason::Lost => "nothing is heard of it",
        LeaveReason::Sick => "what failed there passed elsewhere",
    }
}

/// Returns what is said about a happening when it happens, if anything. `results` holds it already.
///
/// `terminal`: a bar shows the failures there, and the summary names them.
#[must_use]
pub fn said(
    happening: &Happening,
    results: &Results,
    detail: Detail,
    terminal: bool,
) -> Option<String> {
    let verbose = detail == Detail::Verbose;
    let lines = detail >= Detail::Normal && !terminal;
    match happening {
        Happening::HostAnswered(message) => {
            let host = one_line(&message.hostname);
            let reason = one_line(&message.reason);
            match message.answer {
                Answer::Accepted if verbose => Some(format!(
                    "{host} prepares {}",
                    counted(message.slots as usize, "slot")
                )),
                Answer::Accepted => None,
                Answer::Busy => Some(format!("waiting for {host}, which is busy: {reason}")),
                Answer::Refused => Some(format!("{host} refused the job: {reason}")),
            }
        }
        Happening::HostJoined(message) if message.slots.is_empty() => Some(format!(
            "waiting for a slot of {}, which runs other jobs",
            one_line(&message.hostname)
        )),
        Happening::HostJoined(message) => verbose.then(|| {
            format!(
                "{} joined with {}",
                one_line(&message.hostname),
                counted(message.slots.len(), "slot")
            )
        }),
        Happening::ItemStarted(start) => verbose.then(|| {
            format!(
                "started {}{} at {}:{}",
                retry(start.retry),
                one_line(&start.filename),
                one_line(&start.hostname),
                start.worker_id
            )
        }),
        Happening::ItemFinished {
            finish,
            verdict,
            repeat,
            review,
            ..
        } => {
            let plan = review.is_none() && !repeat.is_some_and(|it| it.is_trial());
            let first = finish.retry == 0 && plan;
            let bad = super::results::is_bad(*verdict) && first;
            (verbose || (bad && lines)).then(|| {
                let names = if bad {
                    failed_tests(results, repeat.map_or(finish.item, |it| it.item).0 as usize)
                } else {
                    String::new()
                };
                let again = match results.to_retry_of(finish.item) {
                    tests @ 1.. if first => format!(", {tests} to be retried"),
                    _ => String::new(),
                };
                format!(
                    "{} {}{} at {}:{} ({:.2} s){again}{names}",
                    word(*verdict),
                    attempt_of(finish.retry, *repeat, *review),
                    one_line(&finish.filename),
                    one_line(&finish.hostname),
                    finish.worker_id,
                    finish.time
                )
            })
        }
        Happening::ItemLost {
            filename,
            hosts,
            retry: number,
            ..
        } => Some(format!(
            "lost {}{}: each attempt was lost, on {}",
            retry(*number),
            one_line(filename),
            one_line(&hosts.join(", on "))
        )),
        Happening::ItemRedelivered {
            filename,
            attempt,
            cause,
            ..
        } => (verbose
            || (detail >= Detail::Normal
                && !matches!(cause, Cause::HandedBack | Cause::BundleLost)))
        .then(|| {
            format!(
                "{} is queued again, as attempt {attempt}: {}",
                one_line(filename),
                cause.name()
            )
        }),
        Happening::RetryWanted { .. } | Happening::RetryQueued { .. } => None,
        Happening::Retried {
            of,
            number,
            ran,
            tests,
            ..
        } => (verbose || lines).then(|| retried(results, *of, *number, ran.as_ref(), tests)),
        Happening::RepeatQueued {
            item,
            repeat,
            hostname,
            slot,
        } => verbose.then(|| repeat_queued(item, *repeat, hostname, *slot)),
        Happening::WholeQueued { item, gone, .. } => {
            verbose.then(|| one_line(&super::repeats::whole(item, gone)))
        }
        Happening::UnfilteredQueued { .. }
        | Happening::ReviewQueued { .. }
        | Happening::Reviewed(_)
        | Happening::ReviewsSkipped { .. } => attempts::judged(happening, verbose, lines),
        Happening::RestQueued { item, tests } => verbose.then(|| {
            format!(
                "{} of {} that no part has are queued",
                counted(*tests, "test"),
                one_line(&item.filename)
            )
        }),
        Happening::TestsGone { filename, gone } => {
            verbose.then(|| one_line(&super::repeats::gone_from_parts(filename, gone)))
        }
        Happening::PlaceProbed(it) => (verbose || it.sick).then(|| probed(it)),
        Happening::RetriesStopped { failed, finished } => Some(format!(
            "warning: nothing is retried: {failed} of {finished} tests failed, more than a tenth"
        )),
        Happening::SuiteHookFailed(message) => Some(format!(
            "{} at {}:{}: {}",
            uncapitalized(hook_head(&message.error)),
            one_line(&message.hostname),
            message.worker_id,
            one_line(&first_line(
                message.error.exception.as_deref().unwrap_or_default(),
                &message.error.message
            ))
        )),
        Happening::WorkerDied(message) => Some(format!(
            "the worker of slot {} at {} died: {}",
            message.worker_id,
            one_line(&message.hostname),
            one_line(&message.end)
        )),
        Happening::HostLeft(message) => match message.reason {
            LeaveReason::Done | LeaveReason::Cancelled | LeaveReason::Sick => {
                verbose.then(|| format!("{} left", one_line(&message.hostname)))
            }
            reason => Some(format!(
                "{} left the job: {}",
                one_line(&message.hostname),
                left(reason)
            )),
        },
        Happening::StartFailed(message) => {
            (verbose || results.is_news(message)).then(|| start_failed(message))
        }
        // The summary tells it, for all workers at once.
        Happening::WorkerEnded(message) => {
            message.error.as_ref().filter(|_| verbose).map(|error| {
                format!(
                    "the worker of slot {} at {} ended early: {}: {}",
                    message.worker_id,
                    one_line(&message.hostname),
                    one_line(&error.what),
                    one_line(error.message.lines().next().unwrap_or_default())
                )
            })
        }
        Happening::LocalListenerDied { end } => Some(format!(
            "the local listener died ({end}) and is started again"
        )),
        Happening::NoHostLeft { wait_limit } => Some(format!(
            "no host is left; waiting {} s for another",
            wait_limit.as_secs()
        )),
        Happening::BrokerLost => Some("the broker is away; trying to reconnect".to_owned()),
        Happening::BrokerBack => Some("the broker is back".to_owned()),
        Happening::Warning(_) => None,
    }
}

/// A sentence as it begins a line of the progress: with a small letter.
fn uncapitalized(mut sentence: String) -> String {
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_lowercase();
    }
    sentence
}

#[cfg(test)]
mod tests;
