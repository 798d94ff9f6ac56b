//! A worker that was thought lost tells its result after all, when another one's counts already.
//!
//! Elsewhere both were counted, and the build stopped early for too many failures:
//! <https://github.com/Shopify/ci-queue/pull/247>.

use crate::report::status::Strict;
use std::collections::BTreeMap;
use std::time::{Duration, Instant, UNIX_EPOCH};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::outcome::Verdict;
use serde_json::Value;

use super::script::{event, rules};
use crate::ledger::{Effect, Ending, Ledger, Rules};
use crate::report::junit::JobFacts;
use crate::report::{Results, junit, status};

const EVENTS: &str = include_str!("../../../testdata/late-result.ndjson");
const FILES: [&str; 3] = ["a_spec.rb", "b_spec.rb", "c_spec.rb"];

/// Puts a line of the recording into the words of [`super::script`]: hosts are letters there.
fn words(line: &Value) -> Vec<String> {
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    if !line["action"].is_string() {
        // The broker gives a_spec.rb back, and its worker does not say that it holds it.
        return vec!["b1 returns 0".to_owned(), "+2".to_owned()];
    }
    let host = match text("hostname") {
        "host1" => "a",
        "host2" => "b",
        "host3" => "c",
        _ => "z",
    };
    let place = FILES.iter().position(|file| *file == text("filename"));
    let verb = match (text("action"), text("type")) {
        ("start", _) => "starts",
        (_, "pass") => "passes",
        _ => "fails",
    };
    let attempt = line["attempt"].as_u64().unwrap_or(1);
    let item = format!("{}.{attempt}", place.unwrap_or(9));
    let mut words = vec![format!("{host}{} {verb} {item}", line["worker_id"])];
    if text("then") == "host lost" {
        words.push(format!("{host} leaves lost"));
    }
    words
}

/// Runs the recording; returns what the reports know, how often each item got a verdict, and the end.
fn replay(rules: Rules) -> (Results, BTreeMap<String, u32>, Option<Ending>) {
    let work: Vec<_> = (0..)
        .zip(FILES)
        .map(|(id, file)| WorkItem::whole(ItemId(id), file))
        .collect();
    let (mut results, mut ledger) = (Results::new(&work), Ledger::new(rules, work));
    let (mut verdicts, mut over) = (BTreeMap::new(), None);
    let mut now = Instant::now();
    let begun = now;
    let recorded = EVENTS
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .flat_map(|line: Value| words(&line));
    let joined = ["offer", "a joins", "b joins", "c joins"].map(str::to_owned);
    for text in joined.into_iter().chain(recorded) {
        let event = if text == "+2" {
            now += Duration::from_secs(2);
            crate::ledger::Event::DeadlinePassed
        } else {
            event(&text)
        };
        for effect in ledger.step(now, event) {
            match effect {
                Effect::Tell(happening) => {
                    let before = results.done();
                    results.take(now - begun, &happening);
                    if results.done() > before {
                        *verdicts.entry(text.clone()).or_default() += 1;
                    }
                }
                Effect::DeleteFileQueue => over = Some(Ending::Complete),
                Effect::PurgeFileQueue => over = Some(Ending::FailFast),
                _ => {}
            }
        }
    }
    (results, verdicts, over)
}

#[test]
fn a_late_result_is_dropped_and_counts_in_no_report() {
    let (results, verdicts, over) = replay(rules());
    assert_eq!(over, Some(Ending::Complete));
    // Each verdict comes from one event, and none from the late or the foreign one.
    let by: Vec<_> = verdicts
        .iter()
        .map(|(text, n)| (text.as_str(), *n))
        .collect();
    let right = [
        ("b1 fails 1.1", 1),
        ("b1 passes 0.2", 1),
        ("c leaves lost", 1),
    ];
    assert_eq!(by, right);
    let seen: Vec<_> = results.files.iter().map(|file| file.verdict).collect();
    let right = [Verdict::Passed, Verdict::Failed, Verdict::Lost].map(Some);
    assert_eq!(seen, right);
    let counts = results.counts();
    assert_eq!(
        (counts.files, counts.files_failed, counts.files_lost),
        (3, 1, 1)
    );
    assert_eq!(results.bad, [ItemId(1), ItemId(2)]);
    assert_eq!(
        status::of(&Ending::Complete, &results, Strict::default()),
        1
    );
    let facts = JobFacts {
        started: UNIX_EPOCH,
        elapsed: Duration::from_secs(9),
        seed: 1,
    };
    let report = junit::write(&results, &facts);
    for file in FILES {
        let suite = format!("<testsuite name=\"{file}\"");
        assert_eq!(report.matches(&suite).count(), 1, "{report}");
    }
    assert_eq!(report.matches("<testsuite ").count(), 3, "{report}");
}

#[test]
fn a_late_failure_does_not_end_the_job_early() {
    let two = Rules {
        fail_fast: Some(2),
        ..rules()
    };
    let (results, _, over) = replay(two);
    assert_eq!(over, Some(Ending::Complete));
    assert_eq!(results.done(), 3);
}
