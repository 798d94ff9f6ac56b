//! A JUnit file, as a CI reads it.

use std::{collections::BTreeMap, fs, path::Path};

use crate::suite::Counts;

/// The test suites of a report, by file.
#[derive(Clone, Debug, Default)]
pub struct Junit {
    /// The file of each suite and its test cases, in the report's order.
    pub suites: Vec<(String, Vec<Case>)>,
    /// What a CI would stumble over: attributes that are missing or wrong, forbidden characters.
    pub faults: Vec<String>,
    /// The report as it was written.
    pub source: String,
}

/// A test case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Its class.
    pub classname: String,
    /// Its file.
    pub file: String,
    /// `passed`, `failure`, `error` or `skipped`.
    pub outcome: String,
    /// Message and text of what is not passed.
    pub text: String,
    /// Its `time`, in seconds.
    pub time: String,
    /// Its other attempts: `flakyFailure: message`, and so on, in order.
    pub attempts: Vec<String>,
}

impl Junit {
    /// Reads a report.
    ///
    /// # Errors
    /// That the file is missing, or what is wrong with the XML.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text)
    }

    /// Reads a report's text.
    ///
    /// # Errors
    /// What is wrong with the XML.
    pub fn parse(text: &str) -> Result<Self, String> {
        let document = roxmltree::Document::parse(text).map_err(|error| error.to_string())?;
        let suites = document
            .descendants()
            .filter(|node| node.has_tag_name("testsuite"));
        let read = |suite: roxmltree::Node<'_, '_>| {
            let cases = suite
                .children()
                .filter(|node| node.has_tag_name("testcase"))
                .map(case)
                .collect();
            (
                suite.attribute("file").unwrap_or_default().to_owned(),
                cases,
            )
        };
        let mut faults: Vec<String> = suites.clone().flat_map(faults_of).collect();
        faults.extend(
            text.chars()
                .find(|c| *c < ' ' && !"\t\n\r".contains(*c))
                .map(|c| format!("JUnit: the character {c:?} is no XML")),
        );
        faults.extend(
            text.split("&#")
                .skip(1)
                .filter_map(|rest| rest.split(';').next())
                .filter(|number| {
                    let code = match number.strip_prefix('x') {
                        Some(hex) => u32::from_str_radix(hex, 16),
                        None => number.parse(),
                    };
                    code.is_ok_and(|code| code < 0x20 && ![9, 10, 13].contains(&code))
                })
                .map(|number| format!("JUnit: the entity {number} is no XML")),
        );
        Ok(Self {
            suites: suites.map(read).collect(),
            faults,
            source: text.to_owned(),
        })
    }

    /// Returns the seconds of a file's test cases.
    pub fn seconds(&self, file: &str) -> Vec<f64> {
        self.file(file)
            .iter()
            .filter_map(|case| case.time.parse().ok())
            .collect()
    }

    /// Returns the counts of each file.
    ///
    /// # Panics
    /// When a file has two suites: each is to be reported once.
    pub fn counts(&self) -> BTreeMap<String, Counts> {
        let mut all = BTreeMap::new();
        for (file, cases) in &self.suites {
            let count =
                |outcome: &str| cases.iter().filter(|case| case.outcome == outcome).count() as u32;
            let counts = Counts {
                passed: count("passed"),
                failed: count("failure"),
                errors: count("error"),
                skipped: count("skipped"),
            };
            assert!(
                all.insert(file.clone(), counts).is_none(),
                "{file} is reported twice: {self:#?}"
            );
        }
        all
    }

    /// Returns the test cases of a file.
    pub fn file(&self, file: &str) -> &[Case] {
        self.suites
            .iter()
            .find(|(name, _)| name == file)
            .map_or(&[], |(_, cases)| cases)
    }
}

/// Returns what is wrong with a suite for a CI that splits by its `file`, and looks at its figures.
fn faults_of(suite: roxmltree::Node<'_, '_>) -> Vec<String> {
    let file = suite.attribute("file").unwrap_or_default();
    let cases: Vec<_> = suite
        .children()
        .filter(|node| node.has_tag_name("testcase"))
        .collect();
    let mut faults = Vec::new();
    for name in [
        "name",
        "tests",
        "failures",
        "errors",
        "skipped",
        "time",
        "timestamp",
        "hostname",
    ] {
        if suite.attribute(name).is_none_or(str::is_empty) {
            faults.push(format!("JUnit: {file}: testsuite has no {name}"));
        }
    }
    for (name, child) in [
        ("failures", "failure"),
        ("errors", "error"),
        ("skipped", "skipped"),
    ] {
        let has = |case: &&roxmltree::Node<'_, '_>| case.children().any(|c| c.has_tag_name(child));
        let count = cases.iter().filter(has).count().to_string();
        if suite.attribute(name) != Some(&count) {
            faults.push(format!(
                "JUnit: {file}: {count} {name} are not what it says"
            ));
        }
    }
    if suite.attribute("tests") != Some(&cases.len().to_string()) {
        faults.push(format!("JUnit: {file}: the number of its tests is wrong"));
    }
    for case in cases {
        for name in ["classname", "name"] {
            if case.attribute(name).is_none_or(str::is_empty) {
                faults.push(format!("JUnit: {file}: a testcase has no {name}"));
            }
        }
        let seconds = case.attribute("time").map(str::parse::<f64>);
        if !matches!(seconds, Some(Ok(0.0..))) {
            faults.push(format!("JUnit: {file}: a testcase has no time"));
        }
        // The words of suite hooks belong to no file.
        let hooks = file.starts_with("(suite hooks)");
        if !hooks && (case.attribute("file") != Some(file) || file.starts_with(['.', '/'])) {
            faults.push(format!("JUnit: {file}: a testcase names another file"));
        }
    }
    faults
}

fn case(node: roxmltree::Node<'_, '_>) -> Case {
    let attribute = |name| node.attribute(name).unwrap_or_default().to_owned();
    let told = node.children().find(|child| {
        ["failure", "error", "skipped"]
            .iter()
            .any(|name| child.has_tag_name(*name))
    });
    let text = told.map_or_else(String::new, |told| {
        format!(
            "{}\n{}",
            told.attribute("message").unwrap_or_default(),
            told.text().unwrap_or_default()
        )
    });
    let attempts = node
        .children()
        .filter(|child| {
            let name = child.tag_name().name();
            name.starts_with("flaky") || name.starts_with("rerun")
        })
        .map(|child| {
            let message = child.attribute("message").unwrap_or_default();
            format!("{}: {message}", child.tag_name().name())
        });
    Case {
        name: attribute("name"),
        classname: attribute("classname"),
        file: attribute("file"),
        outcome: told
            .map_or("passed", |told| told.tag_name().name())
            .to_owned(),
        text,
        time: attribute("time"),
        attempts: attempts.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suites_are_counted_by_file() {
        let text = r#"<testsuites><testsuite name="a" file="a_spec.rb"><testcase name="x"/><testcase name="y">
            <failure message="no">why</failure></testcase></testsuite><testsuite name="b" file="b_spec.rb"/></testsuites>"#;
        let junit = Junit::parse(text).unwrap();
        let counts = junit.counts();
        assert_eq!(
            (counts["a_spec.rb"].passed, counts["a_spec.rb"].failed),
            (1, 1)
        );
        assert_eq!(counts["b_spec.rb"].total(), 0);
        assert_eq!(junit.file("a_spec.rb")[1].text, "no\nwhy");
    }
}
