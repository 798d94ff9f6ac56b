//! What one run of an input showed.

use std::{collections::BTreeMap, path::Path};

use gorgon_proto::hex;

/// A test's result.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Test {
    /// The file that was run.
    pub file: String,
    /// What the framework tells it apart by inside its file, if it says so.
    pub id: String,
    /// Its name, as the framework prints it.
    pub name: String,
    /// `passed`, `failed`, `error` or `skipped`.
    pub outcome: String,
    /// The framework's own text of it.
    pub text: String,
}

/// What one run showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Results in the order in which they came.
    pub tests: Vec<Test>,
    /// Errors outside of tests.
    pub outside: Vec<String>,
    /// Whether the framework came to the end of its run; told of plain runs.
    pub ended: bool,
    /// Exit status; `None` when a signal ended it, or the limit.
    pub status: Option<i32>,
    /// All that reached the terminal, and what was captured.
    pub printed: String,
    /// Files that it wrote, with their text.
    pub written: BTreeMap<String, String>,
}

impl Observed {
    /// Adds the lines of a recorder.
    pub fn read_recorder(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split(' ');
            let kind = words.next().unwrap_or_default();
            let fields: Vec<String> = words.map(from_hexadecimal).collect();
            match (kind, &fields[..]) {
                ("test", [file, id, name, outcome, text]) => self.tests.push(Test {
                    file: file.clone(),
                    id: id.clone(),
                    name: name.clone(),
                    outcome: outcome.clone(),
                    text: text.clone(),
                }),
                ("end", _) => self.ended = true,
                ("outside", [text]) => self.outside.push(text.clone()),
                // A process that was killed leaves half a line.
                _ => {}
            }
        }
    }

    /// Takes the project's own directory out of all texts: we show paths from there.
    pub fn relative_to(&mut self, directory: &Path) {
        let prefix = format!("{}/", directory.display());
        let cut = |text: &mut String| *text = text.replace(&prefix, "");
        self.tests.iter_mut().for_each(|test| cut(&mut test.text));
        self.outside.iter_mut().for_each(cut);
        cut(&mut self.printed);
    }

    /// Counts tests by outcome, as `12 passed, 1 failed`.
    #[must_use]
    pub fn counts(&self) -> String {
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for test in &self.tests {
            *counts.entry(&test.outcome).or_default() += 1;
        }
        let counts: Vec<String> = counts.iter().map(|(o, n)| format!("{n} {o}")).collect();
        counts.join(", ")
    }
}

/// Decodes a field: `x` and hexadecimal digits.
fn from_hexadecimal(field: &str) -> String {
    let digits = field.strip_prefix('x').unwrap_or(field);
    let bytes = hex::decode(digits).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorders_line_is_a_test_and_half_a_line_is_nothing() {
        let mut seen = Observed::default();
        seen.read_recorder("test x615f x313a31 x4120c3a4 xpassed\noutside x6e6f\ntest x61");
        assert_eq!(seen.outside, ["no"]);
        assert!(seen.tests.is_empty());
        assert!(!seen.ended);
        seen.read_recorder("test x615f x313a31 x4120c3a4 x706173736564 x\nend ");
        assert!(seen.ended);
        assert_eq!(seen.tests[0].name, "A ä");
        assert_eq!(seen.counts(), "1 passed");
    }
}
