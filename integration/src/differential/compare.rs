//! Where what we showed differs from what the framework showed.

use std::{collections::BTreeMap, fmt};

use super::{
    observed::{Observed, Test},
    plain::Framework,
};

/// What differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A test that ran plainly and not with us, or only with us.
    Tests,
    /// A test with another outcome.
    Outcome,
    /// The framework's own words of a failure are not ours.
    Text,
    /// Errors outside of tests.
    Outside,
    /// Red plainly and green with us, or the reverse.
    Exit,
    /// Files that one wrote and the other did not.
    Files,
    /// What the suite printed and we have nowhere.
    Printed,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub kind: Kind,
    /// How.
    pub text: String,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tests => "tests",
            Self::Outcome => "outcome",
            Self::Text => "text",
            Self::Outside => "outside",
            Self::Exit => "exit",
            Self::Files => "files",
            Self::Printed => "printed",
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.text)
    }
}

/// Returns what differs between a plain run and ours.
#[must_use]
pub fn compare(framework: Framework, plain: &Observed, ours: &Observed) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut say = |kind, text| found.push(Difference { kind, text });
    tests(framework, plain, ours, &mut say);
    if plain.outside.is_empty() != ours.outside.is_empty() {
        let first = |it: &Observed| it.outside.first().map_or("none".to_owned(), |t| cut(t));
        say(
            Kind::Outside,
            format!("plain {}, ours {}", first(plain), first(ours)),
        );
    }
    if (plain.status == Some(0)) != (ours.status == Some(0)) {
        say(
            Kind::Exit,
            format!("plain {:?}, ours {:?}", plain.status, ours.status),
        );
    }
    for (one, other, whose) in [(plain, ours, "plain"), (ours, plain, "ours")] {
        for path in one.written.keys() {
            if !other.written.contains_key(path) {
                say(Kind::Files, format!("only {whose} wrote {path}"));
            }
        }
    }
    for (path, text) in &plain.written {
        if let Some(other) = ours.written.get(path)
            && sorted_lines(text) != sorted_lines(other)
        {
            say(Kind::Files, format!("{path} has another text"));
        }
    }
    found
}

fn sorted_lines(text: &str) -> Vec<String> {
    // Tables are drawn as wide as their widest number.
    let squeeze = |line: &str| {
        let mut words = normal(line);
        while words.contains("--") {
            words = words.replace("--", "-");
        }
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let mut lines: Vec<_> = text.lines().map(squeeze).collect();
    lines.sort();
    lines
}

/// Returns the lines that a suite printed and that we show nowhere.
#[must_use]
pub fn printed(silent: &Observed, ours: &Observed) -> Vec<Difference> {
    let all: Vec<String> = ours.printed.lines().map(normal).collect();
    silent
        .printed
        .lines()
        .map(normal)
        .filter(|line| !line.is_empty())
        .filter(|line| !all.iter().any(|it| it.contains(line.as_str())))
        .map(|line| Difference {
            kind: Kind::Printed,
            text: line,
        })
        .collect()
}

fn outcome(framework: Framework, outcome: &str) -> &str {
    match (framework, outcome) {
        // RSpec has one word for both.
        (Framework::Rspec, "error") => "failed",
        _ => outcome,
    }
}

fn tests(
    framework: Framework,
    plain: &Observed,
    ours: &Observed,
    say: &mut impl FnMut(Kind, String),
) {
    let by_name = |seen: &Observed| {
        let mut map: BTreeMap<String, Vec<Test>> = BTreeMap::new();
        for test in &seen.tests {
            map.entry(normal(&test.name))
                .or_default()
                .push(test.clone());
        }
        map
    };
    let (plain, mut ours) = (by_name(plain), by_name(ours));
    for (name, right) in plain {
        let mut seen = ours.remove(&name).unwrap_or_default();
        if right.len() != seen.len() {
            say(
                Kind::Tests,
                format!("{name}: plain {}, ours {}", right.len(), seen.len()),
            );
        }
        let as_many = right.len() == seen.len();
        for test in &right {
            let same =
                |it: &&Test| outcome(framework, &it.outcome) == outcome(framework, &test.outcome);
            let Some(at) = seen.iter().position(|it| same(&it)) else {
                if let Some(other) = seen.first().filter(|_| as_many) {
                    let other = &other.outcome;
                    say(
                        Kind::Outcome,
                        format!("{name}: plain {}, ours {other}", test.outcome),
                    );
                }
                continue;
            };
            let other = seen.remove(at);
            if test.outcome != "passed"
                && let Some(line) = missing(&test.text, &other.text)
            {
                say(Kind::Text, format!("{name}: ours lacks: {line}"));
            }
        }
    }
    for (name, left) in ours {
        say(Kind::Tests, format!("{name}: plain 0, ours {}", left.len()));
    }
}

/// Returns the first line of the framework's text that ours lacks; dashes around a line are ornament.
fn missing(plain: &str, ours: &str) -> Option<String> {
    let ours: Vec<String> = ours.lines().map(normal).collect();
    plain
        .lines()
        .map(|line| normal(line).trim_matches(['-', ' ']).to_owned())
        .find(|line| !line.is_empty() && !ours.iter().any(|it| it.contains(line.as_str())))
}

fn cut(text: &str) -> String {
    let line: String = text.lines().next().unwrap_or_default().into();
    line.chars().take(120).collect()
}

/// A line without what differs from run to run: addresses, seconds, colours.
#[must_use]
pub fn normal(line: &str) -> String {
    let mut found = String::new();
    let mut letters = line.trim().chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' && letters.peek() == Some(&'[') {
            letters.by_ref().find(|l| l.is_ascii_alphabetic());
        } else if letter == '0' && letters.peek() == Some(&'x') {
            letters.next();
            while letters.next_if(char::is_ascii_hexdigit).is_some() {}
            found.push_str("0xX");
        } else if letter.is_ascii_digit() {
            let mut number = String::from(letter);
            while let Some(digit) = letters.next_if(|l| l.is_ascii_digit() || *l == '.') {
                number.push(digit);
            }
            let is_measured = number.contains('.') || number.len() > 7;
            found.push_str(if is_measured { "N" } else { &number });
        } else {
            found.push(letter);
        }
    }
    let found = found.strip_prefix("# ").unwrap_or(&found).trim();
    found.strip_prefix("./").unwrap_or(found).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(outcomes: &[&str]) -> Observed {
        let test = |outcome: &&str| Test {
            name: "a".to_owned(),
            outcome: (*outcome).to_owned(),
            ..Test::default()
        };
        Observed {
            tests: outcomes.iter().map(test).collect(),
            ..Observed::default()
        }
    }

    #[test]
    fn of_tests_with_one_name_each_outcome_counts() {
        for (plain, ours, said) in [
            (
                &["passed", "failed"][..],
                &["failed", "passed"][..],
                &[][..],
            ),
            (
                &["passed", "failed"],
                &["passed", "passed"],
                &["outcome: a: plain failed, ours passed"],
            ),
            (
                &["failed"],
                &["skipped"],
                &["outcome: a: plain failed, ours skipped"],
            ),
            (
                &["passed", "passed"],
                &["passed"],
                &["tests: a: plain 2, ours 1"],
            ),
            (&["passed"], &[], &["tests: a: plain 1, ours 0"]),
        ] {
            let found = compare(Framework::Minitest, &seen(plain), &seen(ours));
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, said, "{plain:?} {ours:?}");
        }
    }

    #[test]
    fn a_table_may_be_wider_by_its_numbers() {
        let table =
            |seconds: &str, line: &str| format!("id | run_time |\n{line} |\na | {seconds} |\n");
        let wide = table("0.00012 seconds", "-- | ---------");
        let narrow = table("1.5 seconds  ", "-- | --------");
        assert_eq!(sorted_lines(&wide), sorted_lines(&narrow));
    }
}
