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
    let ended = place.run_with(command, &[], run.limit)?;
    let mut seen = read(&fs::read_to_string(&events).unwrap_or_default());
    seen.observed.status = ended.status;
    seen.observed.printed.push_str(&ended.printed);
    seen.observed.relative_to(directory);
    seen.observed.written = place.files();
    seen.observed
        .written
        .retain(|path, text| before.get(path) != Some(text));
    Ok(seen)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// Reads a `--json` stream. Of an item only its last end counts; parts that a whole file replaces do not count.
#[must_use]
pub fn read(stream: &str) -> Ours {
    let mut seen = Ours::default();
    let mut ends: Vec<Value> = Vec::new();
    for event in stream
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
    {
        match event["event"].as_str() {
            Some("item_finished") => {
                let item = event["item"].clone();
                let file = event["filename"].clone();
                ends.retain(|end| end["item"] != item || end["filename"] != file);
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
    let replaced: Vec<(Value, Value)> = ends
        .iter()
        .flat_map(|end| {
            list(&end["parts"])
                .into_iter()
                .map(|item| (end["filename"].clone(), item))
        })
        .collect();
    ends.retain(|end| !replaced.contains(&(end["filename"].clone(), end["item"].clone())));
    for end in &ends {
        take(&mut seen, end);
    }
    seen
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
