//! The line of a message that tells what went wrong.

/// Maximum number of characters of such a line.
const LINE_LIMIT: usize = 1000;

/// Columns by which RSpec indents the lines of source and of a message, from where `Failure/Error:` begins.
const INDENT: usize = 2;

/// Returns the first line that says something: not RSpec's lines of source, nor the exception's name. Of a test with
/// several faults, that line of each.
#[must_use]
pub fn first_line(kind: &str, message: &str) -> String {
    let mut faults: Vec<&str> = Vec::new();
    let mut before: Option<&str> = None;
    // The fault whose line is looked for.
    let mut fault = Fault::None;
    for line in message.lines() {
        if let Some(next) = fault.next(line) {
            fault = next;
        } else if fault.says(kind, line) {
            let found = line.trim();
            match fault {
                // What stands before the first heading says how many faults there are.
                Fault::None => _ = before.get_or_insert(found),
                Fault::Told { .. } => {}
                Fault::Rspec { column, .. } => {
                    faults.push(found);
                    fault = Fault::Told {
                        column: Some(column),
                    };
                }
                Fault::Minitest => {
                    faults.push(found);
                    fault = Fault::Told { column: None };
                }
            }
        }
    }
    faults.extend(before.filter(|_| faults.is_empty()));
    faults.join("; ").chars().take(LINE_LIMIT).collect()
}

/// Where in a message a line stands.
#[derive(Clone, Copy)]
enum Fault {
    /// Before any heading.
    None,
    /// Below RSpec's `Failure/Error:`. The class of the exception and the frames of its backtrace begin at the same
    /// column, its message further right.
    Rspec { column: usize, in_source: bool },
    /// Below `Failure:` or `Error:`.
    Minitest,
    /// Below a line that is told already; RSpec's heading begins at the column.
    Told { column: Option<usize> },
}

impl Fault {
    /// Returns where the lines below this one stand, if it is a heading or a line of source.
    fn next(self, line: &str) -> Option<Self> {
        let indent = line.len() - line.trim_start().len();
        let column = match self {
            Self::None | Self::Minitest => None,
            Self::Rspec {
                column,
                in_source: true,
            } => {
                // An empty line of the source is not empty: RSpec indents it.
                let in_source = !line.is_empty();
                return Some(Self::Rspec { column, in_source });
            }
            Self::Rspec { column, .. } => Some(column),
            Self::Told { column } => column,
        };
        // A message may look like RSpec's text.
        if column.is_some_and(|column| indent >= column + INDENT) {
            return None;
        }
        let line = line.trim();
        if column.is_none() && matches!(line, "Failure:" | "Error:") {
            return Some(Self::Minitest);
        }
        let rest = without_number(line);
        if rest.is_none() && column.is_some() {
            return None;
        }
        let rest = rest.unwrap_or(line);
        let own = indent + line.len() - rest.len();
        match rest.strip_prefix("Failure/Error:") {
            Some(source) => Some(Self::Rspec {
                column: own,
                in_source: source.is_empty(),
            }),
            None if rest.len() == line.len() => None,
            None if matches!(rest, "Failure:" | "Error:") => Some(Self::Minitest),
            // Several faults in one of several.
            None => column.map(|_| Self::Told { column: Some(own) }),
        }
    }

    /// Returns whether a line below that heading is of the exception's own message.
    fn says(self, kind: &str, line: &str) -> bool {
        let indent = line.len() - line.trim_start().len();
        let line = line.trim();
        let is_name = line
            .strip_suffix(':')
            .is_some_and(|name| name == kind || is_class(name));
        match self {
            _ if line.is_empty() => false,
            Self::Rspec { column, .. } => indent >= column + INDENT,
            Self::None | Self::Minitest | Self::Told { .. } => !is_name,
        }
    }
}

/// Returns whether a text is the name of a class.
fn is_class(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == ':')
}

/// Returns what follows the number of one of several faults of a test: `1.2) Failure/Error: …`.
fn without_number(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    rest.strip_prefix(") ")
        .filter(|rest| rest.len() + 2 < line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_the_first_line_that_says_something() {
        for (kind, message, line) in [
            (
                "RuntimeError",
                "Failure/Error: raise 'boom'\n\nRuntimeError:\n  boom",
                "boom",
            ),
            ("RuntimeError", "RuntimeError: zz", "RuntimeError: zz"),
            (
                "Minitest::MultipleFailures",
                "Failure:\nfirst\n1) one\n\nError:\nRuntimeError: second",
                "first; RuntimeError: second",
            ),
            (
                "Minitest::MultipleFailures",
                "Failure:\nfirst\na_test.rb:3\n\nError:\nRuntimeError: second\n  a_test.rb:4",
                "first; RuntimeError: second",
            ),
            (
                "RSpec::Core::MultipleExceptionError",
                "Got 2 failures:\n\n1.1) Failure/Error: raise 'one'\n\n     RuntimeError:\n       one\n\n\
                 1.2) Failure/Error: expect(1).to eq 2\n\n       expected: 2\n            got: 1",
                "one; expected: 2",
            ),
            (
                "RSpec::Core::MultipleExceptionError",
                "Got 2 failures:\n\n1) Failure/Error:\n     it('x') { expect(1)\n       .to eq 2 }\n\n     expected: 2\n\n\
                 2) Failure/Error: raise 'two'\n\n   RuntimeError:\n     two",
                "expected: 2; two",
            ),
            (
                "RSpec::Expectations::ExpectationNotMetError",
                "Failure/Error:\n  expect(1)\n    .to eq 2\n\n  expected: 2\n       got: 1",
                "expected: 2",
            ),
            // An empty line in the source.
            (
                "RSpec::Expectations::ExpectationNotMetError",
                "Failure/Error:\n      expect([1,\n  \n              2]).to eq [3]\n\n  expected: [3]\n       got: [1, 2]",
                "expected: [3]",
            ),
            (
                "RSpec::Expectations::MultipleExpectationsNotMetError",
                "Got 2 failures from failure aggregation block.\n# a_spec.rb:3\n\n1) Failure/Error:\n     expect([1,\n     \n       2]).to eq [3]\n\n     \
                 expected: [3]\n   # a_spec.rb:4\n\n2) Failure/Error: raise ''\n   RuntimeError:\n   # a_spec.rb:5\n\n\
                 3) Got 2 failures from failure aggregation block \"inner\".\n   # a_spec.rb:6\n\n   3.1) Failure/Error: raise 'x'\n\n        \
                 RuntimeError:\n          x\n\n   3.2) Failure/Error: raise 'y'\n\n        RuntimeError:\n          y",
                "expected: [3]; x; y",
            ),
            // A message that looks like RSpec's own text.
            (
                "RuntimeError",
                "Failure/Error: raise text\n\nRuntimeError:\n  Failure/Error: raise 'x'\n\n  RuntimeError:\n    inner\n  1) Failure/Error: z\n\n    more",
                "Failure/Error: raise 'x'",
            ),
            (
                "RuntimeError",
                "Failure/Error: raise text\n\nRuntimeError:\n  Failure/Error:\n    foo\n  bar",
                "Failure/Error:",
            ),
            (
                "RSpec::Core::MultipleExceptionError",
                "Got 2 failures:\n\n1) Failure/Error: raise text\n\n   RuntimeError:\n     1) Failure/Error:\n       foo\n\n\
                 2) Failure/Error: raise 'two'\n\n   RuntimeError:\n     two:",
                "1) Failure/Error:; two:",
            ),
            ("RuntimeError", "Failure/Error: raise ''\nRuntimeError:", ""),
            ("KeyError", "\n  expected: 2\n       got: 1", "expected: 2"),
            ("KeyError", "", ""),
        ] {
            assert_eq!(first_line(kind, message), line);
        }
    }
}
