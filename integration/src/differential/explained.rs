//! Differences that are not faults, each with its reason and, where there is one, the plain command that shows the same.
//!
//! `differential/explained.tsv` has a line for each: input, kind, a part of the difference's text, the reason. An
//! input that ends in `*` stands for all that begin so; a `-` for every kind, or every text. A reason that begins with
//! `fault:` says that the difference is ours and known: it counts as one, and does not fail a test run.

use std::{fs, io};

use super::{compare::Difference, plain};

/// A reason that begins so is none: the fault is known, and is ours.
pub const FAULT: &str = "fault:";

/// The table.
#[derive(Debug, Clone, Default)]
pub struct Explained {
    rows: Vec<Row>,
}

#[derive(Debug, Clone)]
struct Row {
    input: String,
    kind: String,
    text: String,
    reason: String,
}

impl Explained {
    /// Reads the table of the battery.
    ///
    /// # Errors
    /// A table that cannot be read, or a line without four columns.
    pub fn read() -> io::Result<Self> {
        let path = plain::data().join("explained.tsv");
        Self::of(&fs::read_to_string(path)?)
    }

    fn of(text: &str) -> io::Result<Self> {
        let mut rows = Vec::new();
        for line in text.lines() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let columns: Vec<&str> = line.split('\t').collect();
            let [input, kind, text, reason] = columns[..] else {
                let what = format!("explained.tsv: not four columns: {line}");
                return Err(io::Error::other(what));
            };
            rows.push(Row {
                input: input.to_owned(),
                kind: kind.to_owned(),
                text: text.to_owned(),
                reason: reason.to_owned(),
            });
        }
        Ok(Self { rows })
    }

    /// Returns why a difference of an input is none of ours.
    #[must_use]
    pub fn reason(&self, input: &str, difference: &Difference) -> Option<&str> {
        let kind = difference.kind.to_string();
        let is_it = |row: &&Row| {
            let input_is = match row.input.strip_suffix('*') {
                Some(start) => input.starts_with(start),
                None => input == row.input,
            };
            input_is
                && (row.kind == "-" || row.kind == kind)
                && (row.text == "-" || difference.text.contains(&row.text))
        };
        self.rows.iter().find(is_it).map(|row| row.reason.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::{super::compare::Kind, *};

    #[test]
    fn a_difference_is_explained_by_input_kind_and_text() {
        let table = "# input\nrspec-core/a.feature:*\tprinted\t-\tprogress\nx\texit\t1\tcoverage\n";
        let explained = Explained::of(table).unwrap();
        let difference = |kind, text: &str| Difference {
            kind,
            text: text.to_owned(),
        };
        let printed = difference(Kind::Printed, "..");
        assert_eq!(
            explained.reason("rspec-core/a.feature:3", &printed),
            Some("progress")
        );
        assert_eq!(explained.reason("rspec-core/b.feature:3", &printed), None);
        assert_eq!(explained.reason("x", &difference(Kind::Exit, "2")), None);
    }

    #[test]
    fn the_table_can_be_read() {
        Explained::read().unwrap();
    }
}
