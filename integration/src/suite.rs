//! A real suite, its truth, and what a job's event stream says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// Tests of a file by outcome; a fault outside tests counts as an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Passed tests.
    pub passed: u32,
    /// Failed tests.
    pub failed: u32,
    /// Tests with another exception, and faults of the file.
    pub errors: u32,
    /// Skipped, pending or omitted tests.
    pub skipped: u32,
}

impl Counts {
    /// Returns the number of tests and faults.
    #[must_use]
    pub fn total(self) -> u32 {
        self.passed + self.failed + self.errors + self.skipped
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.passed, self.failed, self.errors, self.skipped
        )
    }
}

/// A suite that lies ready to be copied, and the outcomes that its files may have.
#[derive(Debug)]
pub struct Suite {
    /// Its name.
    pub name: String,
    /// Where `get` put it; never run in.
    pub directory: PathBuf,
    /// For each file the counts that are right: alone and, where they differ, all in one process.
    pub truth: BTreeMap<String, Vec<Counts>>,
    /// Tests that the suite adds by itself once a process; their names begin so.
    ignored: Vec<String>,
}

/// What a job said of one file, where that is not the truth.
#[derive(Debug)]
pub struct Difference {
    /// The file.
    pub file: String,
    /// What is right.
    pub right: Vec<Counts>,
    /// What the job reported; `None` when the file was never reported.
    pub seen: Option<Counts>,
    /// How often the file was reported, where that is not once.
    pub times: u32,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let right: Vec<String> = self.right.iter().map(Counts::to_string).collect();
        let seen = self.seen.map_or("nothing".to_owned(), |c| c.to_string());
        write!(
            f,
            "{}: right {}, seen {seen}",
            self.file,
            right.join(" or ")
        )?;
        if self.times > 1 {
            write!(f, ", reported {} times", self.times)?;
        }
        Ok(())
    }
}

/// Names of all suites, in order of size.
pub const ALL: [&str; 12] = [
    "hashie",
    "rss",
    "tzinfo",
    "facter",
    "pry",
    "aruba",
    "nokogiri",
    "rubygems",
    "activesupport",
    "activerecord",
    "collectd",
    "redmine",
];

/// The four quickest, part of every test run.
pub const QUICKEST: [&str; 4] = ["hashie", "rss", "tzinfo", "facter"];

fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("suites")
}

impl Suite {
    /// Fetches a suite from Debian's packages, unless it is there, and reads its truth.
    ///
    /// # Errors
    /// What `get` said, or a file that is not as it should be.
    pub fn fetch(name: &str) -> Result<Self, String> {
        let directory = run(Command::new(home().join("get")).arg(name))?;
        let truth = read_truth(&home().join(name))?;
        let ignored =
            std::fs::read_to_string(home().join(name).join("ignored.txt")).unwrap_or_default();
        Ok(Self {
            name: name.to_owned(),
            directory: PathBuf::from(directory.trim()),
            truth,
            ignored: ignored
                .lines()
                .filter(|l| !l.is_empty())
                .map(str::to_owned)
                .collect(),
        })
    }

    /// Returns the command, for a shell, that runs it with its own framework.
    ///
    /// # Errors
    /// What `get` said.
    pub fn plain(&self) -> Result<String, String> {
        run(Command::new(home().join("get")).args(["--plain", &self.name]))
    }

    /// Returns the command of its Ruby, as its `gorgon.json` has it.
    ///
    /// # Errors
    /// A file that is not as it should be.
    pub fn ruby(&self) -> Result<String, String> {
        let path = home().join(&self.name).join("gorgon.json");
        let text =
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let config: serde_json::Value =
            serde_json::from_str(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(config["ruby"].as_str().unwrap_or("ruby").to_owned())
    }

    /// Copies the suite to `destination`, where it may be run and written to.
    ///
    /// # Errors
    /// What `cp` said.
    pub fn copy_to(&self, destination: &Path) -> Result<(), String> {
        run(Command::new("cp")
            .arg("-a")
            .arg("-T")
            .arg(&self.directory)
            .arg(destination))
        .map(drop)
    }

    /// Holds the `--json` stream of a job against the truth.
    #[must_use]
    pub fn differences(&self, stream: &str) -> Vec<Difference> {
        let mut seen: BTreeMap<String, (Counts, u32)> = BTreeMap::new();
        for event in finished(stream) {
            let entry = seen.entry(event.filename.clone()).or_default();
            if event.defined.is_some() {
                // A part of a file: all of them are one.
                entry.0 += self.count(&event);
                entry.1 = 1;
            } else {
                entry.0 = self.count(&event);
                entry.1 += 1;
            }
        }
        let mut differences = Vec::new();
        for (file, right) in &self.truth {
            let (counts, times) = seen.remove(file).map_or((None, 0), |(c, n)| (Some(c), n));
            if times != 1 || !counts.is_some_and(|c| right.contains(&c)) {
                differences.push(Difference {
                    file: file.clone(),
                    right: right.clone(),
                    seen: counts,
                    times,
                });
            }
        }
        for (file, (counts, times)) in seen {
            differences.push(Difference {
                file,
                right: Vec::new(),
                seen: Some(counts),
                times,
            });
        }
        differences
    }

    /// Returns whether the stream has a failed test or a fault of a file; an order-dependent file passes.
    #[must_use]
    pub fn is_red(&self, stream: &str) -> bool {
        let excused: BTreeSet<u32> = read::<JobEnd>(stream)
            .flat_map(|end| end.order_dependent)
            .filter_map(|it| it.item)
            .collect();
        finished(stream)
            .filter(|event| !event.item.is_some_and(|it| excused.contains(&it)))
            .any(|event| {
                let counts = self.count(&event);
                counts.failed + counts.errors > 0
            })
    }

    fn count(&self, event: &Event) -> Counts {
        let mut counts = Counts {
            errors: u32::try_from(event.errors.len()).unwrap_or(u32::MAX),
            ..Counts::default()
        };
        for test in &event.tests {
            if self
                .ignored
                .iter()
                .any(|start| test.name.starts_with(start))
            {
                continue;
            }
            match test.outcome.as_str() {
                "passed" => counts.passed += 1,
                "failed" => counts.failed += 1,
                "skipped" => counts.skipped += 1,
                _ => counts.errors += 1,
            }
        }
        counts
    }
}

/// Reads the lines of a stream that have this shape.
fn read<T: serde::de::DeserializeOwned>(stream: &str) -> impl Iterator<Item = T> {
    let lines = stream.lines();
    lines.filter_map(|line| serde_json::from_str(line).ok())
}

/// Returns the events that tell the end of an item, unless its whole file took the place of its parts.
fn finished(stream: &str) -> impl Iterator<Item = Event> {
    let events: Vec<Event> = read(stream).collect();
    let mut replaced: BTreeSet<u32> = events.iter().flat_map(|it| it.parts.clone()).collect();
    // What failed after other files and is judged again counts as it did first.
    let reviews = events.iter().filter(|it| it.review.is_some());
    replaced.extend(reviews.filter_map(|it| it.item));
    let is_replaced = move |event: &Event| event.item.is_some_and(|it| replaced.contains(&it));
    let finished = events.into_iter().filter(|it| it.event == "item_finished");
    finished.filter(move |event| !is_replaced(event))
}

#[derive(Deserialize)]
struct Event {
    event: String,
    #[serde(default)]
    filename: String,
    item: Option<u32>,
    /// Items whose place another one takes.
    #[serde(default)]
    parts: Vec<u32>,
    /// How a file is judged again.
    review: Option<String>,
    #[serde(default)]
    tests: Vec<Test>,
    #[serde(default)]
    errors: Vec<serde_json::Value>,
    #[serde(default)]
    defined: Option<Vec<String>>,
}

/// The end of a job: its `tests` is a number.
#[derive(Deserialize)]
struct JobEnd {
    /// What failed after other files, and passes alone.
    order_dependent: Vec<OrderDependent>,
}

#[derive(Deserialize)]
struct OrderDependent {
    item: Option<u32>,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.errors += other.errors;
        self.skipped += other.skipped;
    }
}

#[derive(Deserialize)]
struct Test {
    name: String,
    outcome: String,
}

fn read_truth(directory: &Path) -> Result<BTreeMap<String, Vec<Counts>>, String> {
    let mut truth = BTreeMap::new();
    for line in rows(&directory.join("truth.tsv"))? {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, _tests, passed, failed, errors, skipped, _seconds] = columns[..] else {
            return Err(format!("truth.tsv: not seven columns: {line}"));
        };
        let number = |text: &str| {
            text.parse()
                .map_err(|_| format!("truth.tsv: not a number in: {line}"))
        };
        let counts = Counts {
            passed: number(passed)?,
            failed: number(failed)?,
            errors: number(errors)?,
            skipped: number(skipped)?,
        };
        truth.insert(file.to_owned(), vec![counts]);
    }
    let differs = directory.join("differs.tsv");
    if differs.exists() {
        for line in rows(&differs)? {
            let columns: Vec<&str> = line.split('\t').collect();
            let [file, _alone, together] = columns[..] else {
                return Err(format!("differs.tsv: not three columns: {line}"));
            };
            let numbers: Vec<u32> = together.split('/').filter_map(|n| n.parse().ok()).collect();
            let [passed, failed, errors, skipped] = numbers[..] else {
                return Err(format!("differs.tsv: not four numbers in: {line}"));
            };
            let counts = Counts {
                passed,
                failed,
                errors,
                skipped,
            };
            truth
                .entry(file.to_owned())
                .or_insert_with(Vec::new)
                .push(counts);
        }
    }
    Ok(truth)
}

fn rows(path: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(text
        .lines()
        .filter(|l| !l.starts_with('#') && !l.is_empty())
        .map(str::to_owned)
        .collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "apt and cp: nothing to guard, and they end by themselves"
)]
fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!(
            "{}: {}",
            command.get_program().display(),
            output.status
        ))
    }
}

#[cfg(test)]
mod tests;
