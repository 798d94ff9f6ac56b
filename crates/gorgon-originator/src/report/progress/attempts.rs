//! What is said on the way of executions besides the first: retries, probes, repeats.

use std::fmt::Write as _;

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::outcome::Outcome;

use super::NAMES_LIMIT;
use crate::ledger::{Happening, Probed, Ran, Repeat, RetryResult, Way, Why};
use crate::report::Results;
use crate::report::reviews;
use crate::report::summary::counted;
use crate::report::visible::one_line;

pub(super) fn retry(number: u32) -> String {
    match number {
        0 => String::new(),
        number => format!("retry {number} of "),
    }
}

/// Returns a line for each test of a retry that is over.
pub(super) fn retried(
    results: &Results,
    of: ItemId,
    number: u32,
    ran: Option<&Ran>,
    tests: &[(String, RetryResult)],
) -> String {
    let place = ran.map_or_else(String::new, |ran| {
        format!(" at {}:{}", one_line(&ran.hostname), ran.worker_id)
    });
    let file = results.files.get(of.0 as usize);
    let line = |(id, result): &(String, RetryResult)| {
        let test = file.and_then(|file| file.tests.iter().find(|test| test.id() == id));
        let name = test.map_or(id.as_str(), |test| test.name());
        let what = match result {
            result if result.passed() => "flaky: passed",
            RetryResult::Ended(result) if result.outcome == Outcome::Skipped => "skipped",
            RetryResult::Ended(_) => "failed again",
            RetryResult::Broken(_) => "not proven",
            RetryResult::Gone(_) => "not found",
        };
        format!("{what} in retry {number}{place}: {}", one_line(name))
    };
    let lines: Vec<String> = tests.iter().take(NAMES_LIMIT).map(line).collect();
    let mut out = lines.join("\n");
    if tests.len() > NAMES_LIMIT {
        let _ = write!(out, "\n    … and {} more", tests.len() - NAMES_LIMIT);
    }
    out
}

/// Returns what execution of a file it is, if it is not the first.
pub(super) fn attempt_of(number: u32, repeat: Option<Repeat>, review: Option<Way>) -> String {
    match review {
        Some(Way::Alone) => return "alone ".to_owned(),
        Some(Way::Again) => return "once more ".to_owned(),
        None => {}
    }
    match repeat {
        None => retry(number),
        Some(repeat) if repeat.is_trial() => "probe of ".to_owned(),
        Some(_) => "repeat of ".to_owned(),
    }
}

/// Says what runs once more to be judged, or does not.
pub(super) fn judged(happening: &Happening, verbose: bool, lines: bool) -> Option<String> {
    match happening {
        Happening::UnfilteredQueued { item, .. } => verbose.then(|| {
            let file = one_line(&item.filename);
            format!("{file} runs once more, without the filters that left out every test")
        }),
        Happening::ReviewQueued { item, way, .. } => {
            (verbose || lines).then(|| reviews::runs_again(item, *way))
        }
        Happening::ReviewsSkipped { failed, files } => {
            let skipped = reviews::skipped(*failed, *files);
            Some(format!("warning: {skipped}"))
        }
        _ => None,
    }
}

/// Names a host, or a slot of it: `slot 2 of b`.
fn place(hostname: &str, slot: Option<u32>) -> String {
    let host = one_line(hostname);
    slot.map_or_else(|| host.to_string(), |slot| format!("slot {slot} of {host}"))
}

pub(super) fn repeat_queued(
    item: &WorkItem,
    repeat: Repeat,
    hostname: &str,
    slot: Option<u32>,
) -> String {
    let where_to = match repeat.why {
        Why::There => "there once more, in a fresh Ruby process",
        Why::Probe => "elsewhere, as a probe",
        Why::Instead => "elsewhere",
    };
    format!(
        "{} failed at {} and is queued to run {where_to}",
        one_line(&item.filename),
        place(hostname, slot),
    )
}

/// Returns the grounds on which a host or a slot is called sick: `5 of 6 files failed there, 0 of 4 elsewhere`.
pub(in crate::report) fn grounds(probed: &Probed) -> String {
    format!(
        "{} of {} failed there, {} of {} elsewhere",
        probed.failed,
        counted(probed.ran, "file"),
        probed.elsewhere_failed,
        probed.elsewhere_ran
    )
}

pub(super) fn probed(probed: &Probed) -> String {
    let place = place(&probed.hostname, probed.place.slot());
    let grounds = grounds(probed);
    let probes = probed.probes.len();
    if probed.sick {
        format!(
            "{place} is sick and leaves: {grounds}; {probes} of the {} passed elsewhere, and all run again",
            probed.failed
        )
    } else if probed.failed_again == Some(false) {
        format!(
            "{place} is not at fault: {grounds}, but a file did not fail there again in a fresh Ruby process"
        )
    } else {
        format!("{place} is not at fault: {grounds}, but not all of {probes} passed elsewhere")
    }
}
