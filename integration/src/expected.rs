//! What a fixture's `expected.json` says of its project.

use std::{collections::BTreeMap, fs};

use serde::Deserialize;

use crate::{project::fixtures, run::Finished, suite::Counts};

/// The right outcome of a fixture.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Arguments besides those of the way it is run.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// Exit status.
    pub exit: i32,
    /// For each file passed, failed, errors, skipped.
    pub files: BTreeMap<String, [u32; 4]>,
    /// Texts that the run must say.
    #[serde(default)]
    pub says: Vec<String>,
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

    /// Returns what of a run is not as expected; nothing when all is.
    pub fn differences(&self, run: &Finished) -> Vec<String> {
        let mut differences = Vec::new();
        if run.end != gorgon_process::child::End::Exited(self.exit) {
            differences.push(format!("ended with {}, right is {}", run.end, self.exit));
        }
        let seen = match &run.junit {
            Ok(junit) => junit.counts(),
            Err(error) => {
                differences.push(error.clone());
                BTreeMap::new()
            }
        };
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
                differences.push(format!("{file}: {seen}, right is {right}"));
            }
        }
        differences.extend(
            seen.keys()
                .filter(|file| !self.files.contains_key(*file))
                .map(|file| format!("{file}: unexpected")),
        );
        let said = format!("{}{}", run.stdout, run.stderr);
        differences.extend(
            self.says
                .iter()
                .filter(|text| !said.contains(*text))
                .map(|text| format!("does not say {text:?}")),
        );
        if !differences.is_empty() {
            differences.push(format!("stdout: {}\nstderr: {}", run.stdout, run.stderr));
        }
        differences
    }
}
