//! The `--json` stream: one line an event, as it happens.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use gorgon_proto::outcome::{FileError, TestResult, Verdict};
use gorgon_proto::trace::Step;

use crate::ledger::{Cause, Ending, Happening, Place, Probed, Repeat, Way, Why};

use super::Results;
use super::reviews::OrderDependent;

/// What stands in `job_started`.
#[derive(Debug, Clone, Serialize)]
pub struct JobStarted {
    /// The job's id.
    pub job: String,
    /// Version of Gorgon.
    pub version: String,
    /// The seed.
    pub seed: u32,
    /// How many items.
    pub items: usize,
    /// The files, in the order of the plan.
    pub files: Vec<String>,
}

/// Makes a line of the text of an object: an object of values for each event costs more than all the rest of it.
fn line(at: Duration, event: &str, fields: &str) -> String {
    // Microseconds are enough, and read better.
    let at = (at.as_secs_f64() * 1e6).round() / 1e6;
    let mut text = joined(&json!({"event": event, "at": at}).to_string(), fields);
    text.push('\n');
    text
}

/// Makes one object of the texts of two that have no field in common.
fn joined(first: &str, second: &str) -> String {
    match (first, second) {
        ("{}", other) | (other, "{}") => other.to_owned(),
        _ => format!("{},{}", &first[..first.len() - 1], &second[1..]),
    }
}

fn text<T: Serialize>(message: &T) -> String {
    serde_json::to_string(message).unwrap_or_else(|_| "{}".to_owned())
}

fn fields<T: Serialize>(message: &T) -> Map<String, Value> {
    match serde_json::to_value(message) {
        Ok(Value::Object(object)) => object,
        Ok(_) | Err(_) => Map::new(),
    }
}

fn with<T: Serialize>(message: &T, more: &Value) -> String {
    joined(&text(message), &more.to_string())
}

/// Adds which retry it is, as the messages of workers have it.
fn retry_of(retry: u32, mut fields: Value) -> Value {
    if let (1.., Value::Object(object)) = (retry, &mut fields) {
        object.insert("retry".to_owned(), retry.into());
    }
    fields
}

/// Adds which run of a review it is.
fn review_of(review: Option<Way>, mut fields: Value) -> Value {
    if let (Some(way), Value::Object(object)) = (review, &mut fields) {
        object.insert("review".to_owned(), way_name(way).into());
    }
    fields
}

fn way_name(way: Way) -> &'static str {
    match way {
        Way::Alone => "alone",
        Way::Again => "again",
    }
}

/// Adds which item of the plan it repeats.
fn repeat_of(repeat: Option<Repeat>, mut fields: Value) -> Value {
    if let (Some(repeat), Value::Object(object)) = (repeat, &mut fields) {
        let what = match repeat.why {
            Why::There => "confirms",
            Why::Instead | Why::Probe => "replaces",
        };
        object.insert(what.to_owned(), json!(repeat.item));
        if repeat.is_trial() {
            object.insert("probe".to_owned(), true.into());
        }
    }
    fields
}

fn place_probed(probed: &Probed) -> Value {
    let mut fields = json!({
        "hostname": probed.hostname,
        "listener_id": probed.place.listener(),
        "sick": probed.sick,
        "ran": probed.ran,
        "failed": probed.failed,
        "elsewhere_ran": probed.elsewhere_ran,
        "elsewhere_failed": probed.elsewhere_failed,
        "probes": probed.probes,
        "failed_again": probed.failed_again,
        "again": probed.repeats,
    });
    if let Some(slot) = probed.place.slot() {
        fields["worker_id"] = slot.into();
        fields["error"] = json!(probed.error);
        fields["test_env_number"] = json!(probed.test_env_number);
    }
    fields
}

fn depends(found: &OrderDependent) -> Value {
    let test = |test: &TestResult| json!({"id": test.id, "name": test.name});
    json!({
        "filename": found.first.filename,
        "item": found.first.item,
        "hostname": found.first.hostname.as_ref(),
        "worker_id": found.first.worker_id,
        "tests": found.tests.iter().map(test).collect::<Vec<_>>(),
        "errors": found.errors,
        "followed": found.followed,
        "part": found.part,
    })
}

/// Returns the first line of the stream.
#[must_use]
pub fn job_started(started: &JobStarted) -> String {
    line(Duration::ZERO, "job_started", &text(started))
}

/// Returns the line for what happened, if the stream has one for it.
#[must_use]
pub fn happened(at: Duration, happening: &Happening) -> Option<String> {
    let (event, fields) = match happening {
        Happening::HostJoined(message) => ("host_joined", text(message)),
        Happening::ItemStarted(message) => ("item_started", text(message)),
        Happening::ItemFinished {
            finish,
            verdict,
            attempts,
            repeat,
            review,
        } => {
            let more = json!({"verdict": verdict, "attempts": attempts});
            let more = review_of(*review, repeat_of(*repeat, more));
            ("item_finished", with(finish, &more))
        }
        Happening::ItemLost {
            item,
            filename,
            retry,
            hosts,
            repeat,
        } => {
            let error = FileError::lost(hosts);
            let lost = json!({
                "filename": filename,
                "item": item,
                "type": "lost",
                "verdict": Verdict::Lost,
                "attempts": hosts.len(),
                "hosts": hosts,
                "tests": [],
                "errors": [{"what": error.what, "message": error.message}],
            });
            let lost = repeat_of(*repeat, retry_of(*retry, lost));
            ("item_finished", lost.to_string())
        }
        Happening::ItemRedelivered {
            item,
            filename,
            attempt,
            retry,
            hostname,
            cause,
        } => (
            "item_redelivered",
            retry_of(
                *retry,
                json!({
                    "filename": filename,
                    "item": item,
                    "attempt": attempt,
                    "hostname": hostname,
                    "reason": cause.name(),
                }),
            )
            .to_string(),
        ),
        Happening::RepeatQueued {
            item,
            repeat,
            hostname,
            slot,
        } => {
            let sick = match slot {
                None => Cause::HostSick,
                Some(_) => Cause::SlotSick,
            };
            let mut fields = json!({
                "filename": item.filename,
                "item": item.item,
                "attempt": item.attempt,
                "hostname": hostname,
                "reason": if repeat.is_trial() { "probe" } else { sick.name() },
            });
            if let Some(slot) = slot {
                fields["worker_id"] = (*slot).into();
            }
            let fields = repeat_of(Some(*repeat), fields);
            ("item_redelivered", fields.to_string())
        }
        Happening::WholeQueued { item, repeat, gone } => (
            "item_redelivered",
            repeat_of(
                Some(*repeat),
                json!({
                    "filename": item.filename,
                    "item": item.item,
                    "attempt": item.attempt,
                    "reason": "tests gone",
                    "gone": gone,
                }),
            )
            .to_string(),
        ),
        Happening::UnfilteredQueued { item, repeat, by } => (
            "item_redelivered",
            repeat_of(
                Some(*repeat),
                json!({
                    "filename": item.filename,
                    "item": item.item,
                    "attempt": item.attempt,
                    "reason": "everything filtered",
                    "by": by,
                }),
            )
            .to_string(),
        ),
        Happening::ReviewQueued { item, of, way } => (
            "item_redelivered",
            json!({
                "filename": item.filename,
                "item": item.item,
                "attempt": item.attempt,
                "reason": format!("judged {}", match way {
                    Way::Alone => "alone",
                    Way::Again => "again",
                }),
                "review": way_name(*way),
                "judges": of,
                "before": item.before.iter().map(|it| &it.filename).collect::<Vec<_>>(),
            })
            .to_string(),
        ),
        Happening::PlaceProbed(probed) => {
            let event = match probed.place {
                Place::Host(_) => "host_probed",
                Place::Slot(..) => "slot_probed",
            };
            (event, place_probed(probed).to_string())
        }
        Happening::StartFailed(message) => ("start_failed", text(message)),
        Happening::WorkerEnded(message) => ("worker_ended", text(message)),
        Happening::WorkerDied(message) => ("worker_ended", with(message, &json!({"died": true}))),
        Happening::HostLeft(message) => ("host_left", text(message)),
        Happening::HostAnswered(_)
        | Happening::RestQueued { .. }
        | Happening::TestsGone { .. }
        | Happening::RetryWanted { .. }
        | Happening::RetryQueued { .. }
        | Happening::Retried { .. }
        | Happening::RetriesStopped { .. }
        | Happening::Reviewed(_)
        | Happening::ReviewsSkipped { .. }
        | Happening::SuiteHookFailed(_)
        | Happening::Warning(_)
        | Happening::LocalListenerDied { .. }
        | Happening::NoHostLeft { .. }
        | Happening::BrokerLost
        | Happening::BrokerBack => return None,
    };
    Some(line(at, event, &fields))
}

/// Returns the last line of the stream.
#[must_use]
pub fn job_finished(
    at: Duration,
    ending: &Ending,
    results: &Results,
    status: u8,
    trace: &[Step],
) -> String {
    let counts = results.counts();
    let not_run: Vec<_> = results
        .not_run()
        .iter()
        .map(|f| f.filename.clone())
        .collect();
    let unfinished: Vec<_> = results
        .unfinished()
        .iter()
        .map(|f| f.filename.clone())
        .collect();
    let hooks: Vec<_> = results.suite_hooks.iter().map(fields).collect();
    let flaky: Vec<_> = results
        .flaky()
        .map(|tried| {
            json!({
                "filename": tried.file.filename,
                "id": tried.test.id(),
                "name": tried.test.name(),
                "attempts": tried.attempts(),
            })
        })
        .collect();
    let order_dependent: Vec<_> = results.order_dependent.iter().map(depends).collect();
    let left_early = results.host_failures.iter().map(|failure| {
        json!({"who": failure.hostname, "reason": failure.reason, "error": failure.error})
    });
    let left_early: Vec<_> = left_early.collect();
    let sick = results.sick.iter().map(|sick| &sick.probed);
    let (slots, hosts): (Vec<_>, Vec<_>) = sick.partition(|probed| probed.place.slot().is_some());
    let told = |places: Vec<&Probed>| places.into_iter().map(place_probed).collect::<Vec<_>>();
    let ending = match ending {
        Ending::Complete => "complete",
        Ending::FailFast => "fail_fast",
        Ending::Cancelled => "cancelled",
        Ending::NoListener { .. } => "no_listener",
        Ending::HostsFailed { .. } => "hosts_failed",
        Ending::LocalListenerDied { .. } => "listener_died",
        Ending::BrokerGone => "broker_gone",
        Ending::MessageTooLarge { .. } => "message_too_large",
        Ending::NotBegun => "not_begun",
    };
    line(
        at,
        "job_finished",
        &json!({
            "ending": ending,
            "exit_status": status,
            "tests": counts.tests,
            "passed": counts.passed,
            "flaky": counts.flaky,
            "failed": counts.failed,
            "errored": counts.errored,
            "skipped": counts.skipped,
            "files": counts.files,
            "files_passed": counts.files_passed,
            "files_failed": counts.files_failed,
            "files_crashed": counts.files_crashed,
            "files_timed_out": counts.files_timed_out,
            "files_lost": counts.files_lost,
            "files_not_run": counts.files_not_run,
            "flaky_tests": flaky,
            "order_dependent": order_dependent,
            "left_out": {"tests": counts.left_out, "files": counts.files_left_out},
            "unfinished": unfinished,
            "not_run": not_run,
            "sick_hosts": told(hosts),
            "sick_slots": told(slots),
            "suite_hooks": hooks,
            "left_early": left_early,
            "warnings": results.told_before.iter().chain(&results.warnings).collect::<Vec<_>>(),
            "trace": trace,
        })
        .to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_names_each_field_of_the_last_line() {
        let readme = include_str!("../../../../README.md");
        let last = job_finished(
            Duration::ZERO,
            &Ending::Complete,
            &Results::new(&[]),
            0,
            &[],
        );
        let last: Map<String, Value> = serde_json::from_str(&last).unwrap();
        assert_eq!(last["event"], "job_finished");
        let row = |line: &&str| line.starts_with("| `job_finished` |");
        let row = readme.lines().find(row).expect("a row of the table");
        for field in last
            .keys()
            .filter(|key| !["event", "at"].contains(&key.as_str()))
        {
            assert!(row.contains(&format!("`{field}`")), "{field}");
        }
    }
}
