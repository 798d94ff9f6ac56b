//! An input run by the originator, as the `--json` stream tells it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use super::{
    observed::{Observed, Test},
    place::Place,
};

/// What a run of ours showed besides what a plain run shows.
#[derive(Debug, Clone, Default)]
pub struct Ours {
    /// The same as of a plain run.
    pub observed: Observed,
    /// Verdicts of files.
    pub verdicts: BTreeMap<String, Vec<String>>,
    /// The framework that ran each file.
    pub runners: BTreeMap<String, String>,
    /// Files that had an error outside of tests.
    pub faults: BTreeMap<String, Vec<String>>,
    /// Warnings of the job and of its files.
    pub warnings: Vec<String>,
    /// Files that were run in parts.
    pub parts: usize,
    /// Whether the job came to its end by itself.
    pub complete: bool,
}

/// A run of ours.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    /// The directory of our binaries.
    pub binaries: &'a Path,
    /// `--local=2` and so on; files; after `--` what goes to the framework.
    pub arguments: &'a [String],
    /// When it is killed.
    pub limit: Duration,
}

/// Runs it in a place.
///
/// # Errors
/// A program that cannot be started.
pub fn run(place: &Place, directory: &Path, run: &Run<'_>) -> io::Result<Ours> {
    let before = place.files();
    let events: PathBuf = place.own("run").join("events.jsonl");
    let _ = fs::remove_file(&events);
    let mut command = Command::new(run.binaries.join("gorgon-originator"));
    let own = run.arguments.iter().position(|it| it == "--");
    let (first, rest) = run.arguments.split_at(own.unwrap_or(run.arguments.len()));
    command
        .args(["--color", "never", "--json"])
        .arg(&events)
        .args(first)
        .args(rest)
        .current_dir(directory);
    // Other runs may be on this machine.
    let scope = place.own("run").display().to_string();
    let variables = [("GORGON_NUMBERS".to_owned(), scope)];
    let ended = place.run_with(command, &variables, run.limit)?;
    let mut seen = read(&fs::read_to_string(&events).unwrap_or_default());
    seen.observed.status = ended.status;
    seen.observed.printed.push_str(&ended.printed);
    seen.observed.relative_to(directory);
    seen.observed.written = place.written_since(&before);
    Ok(seen)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Reads a `--json` stream. Of an item only its last end counts; what a later one replaces does not, and of a retry
/// the tests take the place of those that they repeat.
#[must_use]
pub fn read(stream: &str) -> Ours {
    let mut seen = Ours::default();
    let mut ends: Vec<Value> = Vec::new();
    let mut replaced: Vec<(Value, Value)> = Vec::new();
    let mut reviews: BTreeMap<String, Review> = BTreeMap::new();
    let events = stream.lines();
    let events: Vec<Value> = events
        .filter_map(|it| serde_json::from_str(it).ok())
        .collect();
    let sick = events.iter().filter(|event| event["sick"] == true);
    let counts: Vec<Value> = sick.flat_map(|event| list(&event["probes"])).collect();
    // A probe counts only if the place that it is about is sick.
    let counts = |event: &Value| event["probe"] != true || counts.contains(&event["replaces"]);
    for event in events.iter().filter(|event| counts(event)).cloned() {
        let file = event["filename"].clone();
        let parts = list(&event["parts"]).into_iter();
        replaced.extend(parts.map(|item| (file.clone(), item)));
        if let Some(way) = event["review"].as_str() {
            let review = reviews.entry(text(&file)).or_default();
            let failed = event["event"] == "item_finished" && event["verdict"] != "passed";
            if way == "alone" {
                review.judged.extend(list(&event["judges"]));
                review.alone = event["item"].clone();
                review.failed_alone |= failed;
            } else {
                review.again = event["item"].clone();
                review.failed_again |= failed;
            }
        }
        match event["event"].as_str() {
            Some("item_finished") => {
                if !event["retry"].is_null() {
                    retried(&mut ends, &event);
                    continue;
                }
                if !event["replaces"].is_null() {
                    replaced.push((file.clone(), event["replaces"].clone()));
                }
                ends.retain(|end| end["item"] != event["item"] || end["filename"] != file);
                ends.push(event);
            }
            Some("job_finished") => {
                seen.complete = event["ending"] == "complete";
                seen.warnings
                    .extend(list(&event["warnings"]).iter().map(text));
                for hook in list(&event["suite_hooks"]) {
                    seen.observed.outside.push(hook.to_string());
                }
            }
            _ => {}
        }
    }
    for (file, review) in reviews {
        replaced.extend(review.replaced().map(|item| (file.as_str().into(), item)));
    }
    ends.retain(|end| !replaced.contains(&(end["filename"].clone(), end["item"].clone())));
    for end in &ends {
        take(&mut seen, end);
    }
    seen
}

/// A file judged once more because of what ran before it.
#[derive(Debug, Default)]
struct Review {
    judged: Vec<Value>,
    alone: Value,
    failed_alone: bool,
    again: Value,
    failed_again: bool,
}

impl Review {
    /// Returns the items that do not count: the first ones, unless they were flaky.
    fn replaced(self) -> impl Iterator<Item = Value> {
        let is_flaky = !self.failed_alone && !self.again.is_null() && !self.failed_again;
        let first = if is_flaky {
            vec![self.alone]
        } else {
            self.judged
        };
        first.into_iter().chain([self.again])
    }
}

/// Puts the tests of a retry in the place of those with the same id.
fn retried(ends: &mut [Value], retry: &Value) {
    let again = list(&retry["tests"]);
    for end in ends
        .iter_mut()
        .filter(|end| end["filename"] == retry["filename"])
    {
        end["verdict"] = retry["verdict"].clone();
        for test in end["tests"].as_array_mut().into_iter().flatten() {
            if let Some(other) = again.iter().find(|it| it["id"] == test["id"]) {
                *test = other.clone();
            }
        }
    }
}

fn take(seen: &mut Ours, end: &Value) {
    let file = text(&end["filename"]);
    seen.parts += usize::from(!end["defined"].is_null());
    seen.runners.insert(file.clone(), text(&end["runner"]));
    seen.verdicts
        .entry(file.clone())
        .or_default()
        .push(text(&end["verdict"]));
    seen.warnings
        .extend(list(&end["warnings"]).iter().map(text));
    seen.observed.printed.push_str(&text(&end["output"]));
    seen.observed.printed.push('\n');
    for error in list(&end["errors"]) {
        let words = error
            .as_str()
            .map_or_else(|| error.to_string(), str::to_owned);
        seen.faults
            .entry(file.clone())
            .or_default()
            .push(words.clone());
        seen.observed.outside.push(words);
    }
    for test in list(&end["tests"]) {
        let backtrace: Vec<String> = list(&test["backtrace"]).iter().map(text).collect();
        let outcome = match test["outcome"].as_str() {
            Some("errored") => "error",
            Some(outcome) => outcome,
            None => "",
        };
        let words = [
            text(&test["exception"]),
            text(&test["message"]),
            backtrace.join("\n"),
        ];
        seen.observed.tests.push(Test {
            file: file.clone(),
            id: text(&test["id"]),
            name: text(&test["name"]),
            outcome: outcome.to_owned(),
            text: words.join("\n"),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(item: u32, outcome: &str, more: &str) -> String {
        format!(
            r#"{{"event":"item_finished","filename":"a","item":{item},"verdict":"{outcome}","tests":[{{"id":"1","name":"x","outcome":"{outcome}"}}]{more}}}"#
        )
    }

    #[test]
    fn a_whole_file_takes_the_place_of_its_parts_and_a_retry_of_its_test() {
        let redelivered = r#"{"event":"item_redelivered","filename":"a","item":9,"parts":[1,2]}"#;
        let stream = [
            end(1, "failed", r#","defined":[]"#),
            end(2, "passed", r#","defined":[]"#),
            redelivered.to_owned(),
            end(9, "failed", r#","replaces":0"#),
            end(10, "passed", r#","retry":1"#),
        ];
        let seen = read(&stream.join("\n"));
        assert_eq!(seen.observed.counts(), "1 passed");
        assert_eq!(seen.parts, 0);
        assert_eq!(seen.verdicts["a"], ["passed"]);
    }

    #[test]
    fn what_a_file_gives_alone_counts_unless_it_was_flaky() {
        let judged =
            r#"{"event":"item_redelivered","filename":"a","item":4,"review":"alone","judges":[3]}"#;
        let review = |alone, again| {
            let stream = [
                end(3, "failed", ""),
                judged.to_owned(),
                end(4, alone, r#","review":"alone""#),
                end(5, again, r#","review":"again""#),
            ];
            read(&stream.join("\n")).observed.counts()
        };
        assert_eq!(review("failed", "passed"), "1 failed");
        assert_eq!(review("passed", "failed"), "1 passed");
        assert_eq!(review("passed", "passed"), "1 failed");
    }
}
