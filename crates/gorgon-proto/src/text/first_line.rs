//! The line of a message that tells what went wrong.

/// Maximum number of characters of such a line.
const LINE_LIMIT: usize = 1000;

/// Returns the first line that says something: not RSpec's line of source, nor the exception's name. Of a test with
/// several faults, that line of each.
#[must_use]
pub fn first_line(kind: &str, message: &str) -> String {
    let says = |line: &&str| {
        let line = line.trim();
        !line.is_empty()
            && !is_heading(line)
            && !line.starts_with("Failure/Error:")
            && line
                .strip_suffix(':')
                .is_none_or(|name| name != kind && !is_class(name))
    };
    let mut faults: Vec<&str> = Vec::new();
    let mut lines = without_source(message).peekable();
    while let Some(line) = lines.next() {
        // What stands before the first heading says how many faults there are.
        if is_heading(line.trim()) {
            let own = std::iter::from_fn(|| lines.next_if(|next| !is_heading(next.trim())));
            let own: Vec<&str> = own.collect();
            faults.extend(own.into_iter().find(says).map(str::trim));
        }
    }
    if faults.is_empty() {
        faults.extend(without_source(message).find(says).map(str::trim));
    }
    faults.join("; ").chars().take(LINE_LIMIT).collect()
}

/// Returns the lines of a message without source of several lines, which RSpec writes between a bare `Failure/Error:`
/// and an empty line.
fn without_source(message: &str) -> impl Iterator<Item = &str> {
    let mut in_source = false;
    message.lines().filter(move |line| {
        let line = line.trim();
        let is_source = in_source && !line.is_empty();
        in_source = is_source || line.ends_with("Failure/Error:");
        !is_source
    })
}

/// Returns whether a text is the name of a class.
fn is_class(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase())
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == ':')
}

/// Returns whether a line begins one of several faults of a test: `Failure:`, `1.2) Failure/Error: …`.
fn is_heading(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    match rest.strip_prefix(") ") {
        Some(rest) if rest.len() + 2 < line.len() => {
            rest.starts_with("Failure/Error:") || matches!(rest, "Failure:" | "Error:")
        }
        Some(_) | None => matches!(line, "Failure:" | "Error:"),
    }
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
            ("KeyError", "\n  expected: 2\n       got: 1", "expected: 2"),
            ("KeyError", "", ""),
        ] {
            assert_eq!(first_line(kind, message), line);
        }
    }
}
