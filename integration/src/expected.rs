//! What a fixture's `expected.json` says of its project.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    home::files_below,
    junit::Junit,
    project::{Project, fixtures},
    run::Finished,
    suite::Counts,
};

/// The right outcome of a fixture, or of one of its further runs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Public reports of what went wrong for others.
    #[serde(default)]
    pub source: Vec<String>,
    /// Arguments besides those of the way it is run.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Exit status.
    pub exit: i32,
    /// For each file passed, failed, errors, skipped.
    pub files: BTreeMap<String, [u32; 4]>,
    /// Texts that the run must say on the terminal.
    #[serde(default)]
    pub says: Vec<String>,
    /// Texts that it must not say.
    #[serde(default)]
    pub never_says: Vec<String>,
    /// Exactly one line of the terminal has all texts of each of these; `@PLACE@` in one stands for
    /// the host and slot that ran the file named behind it.
    #[serde(default)]
    pub one_line_says: Vec<Vec<String>>,
    /// Texts that the JUnit report must hold.
    #[serde(default)]
    pub junit_says: Vec<String>,
    /// Outcomes of tests by the end of their names: `passed`, `failure`, `error`, `skipped`.
    #[serde(default)]
    pub outcomes: BTreeMap<String, String>,
    /// What each bad test case of a file must say.
    #[serde(default)]
    pub each_fault_says: BTreeMap<String, String>,
    /// The ids of a file's tests, with their lines, in their order.
    #[serde(default)]
    pub ids: BTreeMap<String, Vec<(String, u32)>>,
    /// Least and greatest seconds of a file, in every report.
    #[serde(default)]
    pub seconds: BTreeMap<String, (f64, f64)>,
    /// The file that is handed out first.
    #[serde(default)]
    pub first: Option<String>,
    /// The `runtime_file`: afterwards it has the files of this run and no other, longest first.
    #[serde(default)]
    pub runtime_file: Option<String>,
    /// Names that no file may have afterwards, wherever it lies.
    #[serde(default)]
    pub absent: Vec<String>,
    /// Files that are afterwards as they were.
    #[serde(default)]
    pub unchanged: Vec<String>,
    /// The JUnit report has at most so many bytes.
    #[serde(default)]
    pub junit_limit_bytes: Option<usize>,
    /// Each event, and each message of a worker, has at most so many bytes.
    #[serde(default)]
    pub message_limit_bytes: Option<usize>,
    /// The terminal gets at most so many lines.
    #[serde(default)]
    pub lines_limit: Option<usize>,
    /// Further runs in the same place.
    #[serde(default)]
    pub then: Vec<Expected>,
    /// Only with an originator: what fails is tried again, which a worker by hand does not do.
    #[serde(default)]
    pub tries_again: bool,
    /// Only `--local`: what it shows has nothing to do with hosts.
    #[serde(default)]
    pub local_only: bool,
}

/// Returns the names of all fixtures that have an expectation.
///
/// # Panics
/// When the directory of the fixtures cannot be read.
pub fn all() -> Vec<String> {
    let entries = fs::read_dir(fixtures()).expect("the fixtures");
    let mut names: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path().join("expected.json").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

impl Expected {
    /// Reads a fixture's expectation.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn of(name: &str) -> Self {
        let path = fixtures().join(name).join("expected.json");
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Returns what of a run of the fixture `name` is not as expected; nothing when all is.
    pub fn differences(&self, name: &str, project: &Project, run: &Finished) -> Vec<String> {
        let mut wrong = Vec::new();
        if run.end != gorgon_process::child::End::Exited(self.exit) {
            wrong.push(format!("ended with {}, right is {}", run.end, self.exit));
        }
        match &run.junit {
            Ok(junit) => self.look_at_junit(junit, &mut wrong),
            Err(error) => wrong.push(error.clone()),
        }
        self.look_at_terminal(run, &mut wrong);
        self.look_at_events(run, &mut wrong);
        self.look_at_files(name, project, &mut wrong);
        if !wrong.is_empty() {
            let cut = |text: &str| text.chars().take(20_000).collect::<String>();
            wrong.push(format!(
                "stdout: {}\nstderr: {}",
                cut(&run.stdout),
                cut(&run.stderr)
            ));
        }
        wrong
    }

    fn look_at_junit(&self, junit: &Junit, wrong: &mut Vec<String>) {
        let seen = junit.counts();
        for (file, [passed, failed, errors, skipped]) in &self.files {
            let right = Counts {
                passed: *passed,
                failed: *failed,
                errors: *errors,
                skipped: *skipped,
            };
            if seen.get(file) != Some(&right) {
                let seen = seen
                    .get(file)
                    .map_or("nothing".to_owned(), ToString::to_string);
                wrong.push(format!("{file}: {seen}, right is {right}"));
            }
        }
        wrong.extend(
            seen.keys()
                // Suite hooks belong to no file; the exit status and texts tell of them.
                .filter(|file| {
                    !self.files.contains_key(*file) && !file.starts_with("(suite hooks)")
                })
                .map(|file| format!("{file}: unexpected")),
        );
        wrong.extend(junit.faults.iter().cloned());
        let cases: Vec<_> = junit.suites.iter().flat_map(|(_, cases)| cases).collect();
        let has = |text: &String| {
            let in_case =
                |case: &&&crate::junit::Case| case.text.contains(text) || case.name.contains(text);
            cases.iter().find(in_case).is_some() || junit.source.contains(text)
        };
        wrong.extend(missing("JUnit does not say", &self.junit_says, has));
        for (name, right) in &self.outcomes {
            let of_name: Vec<_> = cases
                .iter()
                .filter(|case| case.name.ends_with(name))
                .map(|case| case.outcome.as_str())
                .collect();
            let fits = match right.as_str() {
                "never passed" => !of_name.contains(&"passed"),
                right => of_name == [right],
            };
            if !fits {
                wrong.push(format!("{name:?}: {of_name:?}, right is {right}"));
            }
        }
        for (file, text) in &self.each_fault_says {
            let bad = junit.file(file).iter().filter(|c| c.outcome != "passed");
            wrong.extend(
                bad.filter(|case| !case.text.contains(text))
                    .map(|case| format!("{file}: {:?} does not say {text:?}", case.name)),
            );
        }
        for (file, (least, most)) in &self.seconds {
            let seconds = junit.seconds(file);
            let sum: f64 = seconds.iter().sum();
            if seconds.iter().any(|one| !(0.0..=*most).contains(one)) || sum < *least {
                wrong.push(format!("{file}: JUnit has {seconds:?} s"));
            }
        }
        if self
            .junit_limit_bytes
            .is_some_and(|n| junit.source.len() > n)
        {
            wrong.push(format!("JUnit has {} bytes", junit.source.len()));
        }
    }

    fn look_at_terminal(&self, run: &Finished, wrong: &mut Vec<String>) {
        let said = format!("{}{}", run.stdout, run.stderr);
        wrong.extend(missing("does not say", &self.says, |t| said.contains(t)));
        let never = |text: &String| !said.contains(text);
        wrong.extend(missing("says", &self.never_says, never));
        for texts in &self.one_line_says {
            let texts: Vec<_> = texts.iter().map(|text| with_place(text, run)).collect();
            let fits = |line: &&str| texts.iter().all(|text| line.contains(text));
            let count = said.lines().filter(fits).count();
            if count != 1 {
                wrong.push(format!("{count} lines say {texts:?}, right is one"));
            }
        }
        let lines = said.lines().count();
        if self.lines_limit.is_some_and(|limit| lines > limit) {
            wrong.push(format!("the terminal got {lines} lines"));
        }
    }

    fn look_at_events(&self, run: &Finished, wrong: &mut Vec<String>) {
        let names = |event: &str| -> Vec<String> {
            let mut names: Vec<_> = verdicts(run, event)
                .iter()
                .filter(|event| event["retry"].is_null())
                .filter_map(|event| event["filename"].as_str().map(str::to_owned))
                .collect();
            names.sort();
            names
        };
        let right: Vec<String> = self.files.keys().cloned().collect();
        // Nothing but these is sent to a worker, and each is run and told of once, besides retries.
        for event in ["item_started", "item_finished"] {
            let seen = names(event);
            if seen != right {
                wrong.push(format!("{event}: {seen:?}, right is {right:?}"));
            }
        }
        for (file, right) in &self.ids {
            let seen = ids(run, file);
            if seen != *right {
                wrong.push(format!("{file}: {seen:?}, right is {right:?}"));
            }
        }
        if let Some(first) = &self.first {
            let seen = run.events("job_started").first().map(|e| &e["files"][0]);
            if seen != Some(&Value::from(first.as_str())) {
                wrong.push(format!("first is {seen:?}, right is {first}"));
            }
        }
        let longest = run.events.iter().map(|e| e.to_string().len()).max();
        if longest > self.message_limit_bytes.or(longest) {
            wrong.push(format!("an event has {longest:?} bytes"));
        }
    }

    fn look_at_files(&self, name: &str, project: &Project, wrong: &mut Vec<String>) {
        // Beside the project lie the hosts with their caches and workspaces.
        let all = project.path().parent().unwrap_or(project.path());
        let there = if self.absent.is_empty() {
            Vec::new()
        } else {
            files_below(all)
        };
        for absent in &self.absent {
            wrong.extend(
                there
                    .iter()
                    .filter(|path| path.ends_with(absent))
                    .map(|path| format!("{} is there", path.display())),
            );
        }
        for path in &self.unchanged {
            let before = fs::read(fixtures().join(name).join(path));
            let after = fs::read(project.path().join(path));
            if before.ok() != after.ok() {
                wrong.push(format!("{path} is changed"));
            }
        }
        if let Some(path) = &self.runtime_file {
            let text = project.read(path);
            let kept: BTreeMap<String, f64> = serde_json::from_str(&text).unwrap_or_default();
            let names: BTreeSet<_> = kept.keys().collect();
            if names != self.files.keys().collect() {
                wrong.push(format!("{path} has {names:?}"));
            }
            let mut by_place: Vec<_> = kept.iter().collect();
            by_place.sort_by_key(|(file, _)| text.find(&format!("{file:?}")));
            if !by_place.is_sorted_by(|a, b| a.1 >= b.1) {
                wrong.push(format!("{path} is not longest first: {text}"));
            }
            for (file, (least, most)) in &self.seconds {
                if !kept.get(file).is_some_and(|s| (*least..=*most).contains(s)) {
                    wrong.push(format!("{path}: the time of {file} is wrong: {text}"));
                }
            }
        }
    }
}

fn missing<'a>(
    what: &'a str,
    texts: &'a [String],
    fits: impl Fn(&String) -> bool + 'a,
) -> impl Iterator<Item = String> + 'a {
    let bad = texts.iter().filter(move |text| !fits(text));
    bad.map(move |text| format!("{what} {text:?}"))
}

/// Puts the place of a file's run in: `@PLACE@spec/a_spec.rb` is `web1:2`.
fn with_place(text: &str, run: &Finished) -> String {
    let Some(file) = text.strip_prefix("@PLACE@") else {
        return text.to_owned();
    };
    let started = run.events("item_started");
    let place = started.iter().find(|event| event["filename"] == file);
    place.map_or_else(String::new, |event| {
        let host = event["hostname"].as_str().unwrap_or_default();
        format!("{host}:{}", event["worker_id"])
    })
}

/// Returns the events of the first runs of files. What fails after other files in its Ruby process is
/// judged again; and where most files are meant to fail, chance may give one host nothing else: some
/// of them then run elsewhere as probes.
fn verdicts<'a>(run: &'a Finished, event: &str) -> Vec<&'a Value> {
    let handed_out = run.events("item_redelivered").into_iter();
    let again: Vec<_> = handed_out
        .filter(|event| event["probe"] == true || !event["review"].is_null())
        .map(|event| &event["item"])
        .collect();
    let mut events = run.events(event);
    events.retain(|event| !again.contains(&&event["item"]));
    events
}

/// Returns id and line of each test that a file's finish tells of.
fn ids(run: &Finished, file: &str) -> Vec<(String, u32)> {
    let of_file = verdicts(run, "item_finished");
    let of_file = of_file.iter().filter(|event| event["filename"] == file);
    let tests = of_file.flat_map(|event| event["tests"].as_array().into_iter().flatten());
    tests
        .map(|test| {
            let line = test["line"].as_u64().and_then(|line| line.try_into().ok());
            let id = test["id"].as_str().unwrap_or_default();
            (id.to_owned(), line.unwrap_or_default())
        })
        .collect()
}
