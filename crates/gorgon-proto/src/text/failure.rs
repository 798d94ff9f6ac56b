//! What went wrong, for a person: the result of a test, a fault outside of tests.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::shorten::shorten;
use super::visible::{Colours, one_line, visible};
use crate::outcome::{FileError, TestResult};

/// Maximum number of lines of a backtrace that are shown.
const BACKTRACE_LIMIT: usize = 20;

/// The callback whose failure comes as that of a hook of the suite.
const AFTER_COMPLETE: &str = "after_complete";

/// What else is found at the end of a Ruby process, without a hook that raised: `FileError::what` of workers and of the
/// adapters of frameworks.
const FOUND_AT_END: [&str; 5] = [
    "end of the Ruby child",
    "end of RSpec",
    "late examples",
    "at_exit",
    "files",
];

/// Says what failed at the end of a Ruby process: a reporter of the suite, the callback, or a hook. It begins a sentence.
#[must_use]
pub fn hook_head(error: &FileError) -> String {
    match error.what.strip_prefix("reporter ") {
        Some(name) => format!("Reporter {} failed", one_line(name)),
        None if error.what == AFTER_COMPLETE => "The callback after_complete failed".to_owned(),
        None if FOUND_AT_END.contains(&error.what.as_str()) => {
            "The end of a Ruby process failed".to_owned()
        }
        None => "A suite hook raised".to_owned(),
    }
}

/// Returns the name of the test case that stands for such a failure.
#[must_use]
pub fn hook_name(error: &FileError) -> &'static str {
    match error.what == AFTER_COMPLETE {
        true => AFTER_COMPLETE,
        false => "suite hook",
    }
}

/// How texts are shown.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    colour: bool,
    short: bool,
}

impl Paint {
    /// Shows long texts without their middle.
    #[must_use]
    pub fn short(colour: bool) -> Self {
        Self {
            colour,
            short: true,
        }
    }

    /// Shows the whole of each text.
    #[must_use]
    pub fn whole(colour: bool) -> Self {
        Self {
            colour,
            short: false,
        }
    }

    fn with(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    /// Returns the text in magenta.
    #[must_use]
    pub fn magenta(&self, text: &str) -> String {
        self.with("35", text)
    }

    /// Returns the text in red.
    #[must_use]
    pub fn red(&self, text: &str) -> String {
        self.with("31", text)
    }

    /// Returns the text in green.
    #[must_use]
    pub fn green(&self, text: &str) -> String {
        self.with("32", text)
    }

    /// Returns the text in yellow.
    #[must_use]
    pub fn yellow(&self, text: &str) -> String {
        self.with("33", text)
    }

    fn colours(&self) -> Colours {
        if self.colour {
            Colours::Keep
        } else {
            Colours::Drop
        }
    }
}

/// Returns a text of a test, each line four steps in.
#[must_use]
pub fn indented(text: &str, paint: &Paint) -> String {
    let mut out = String::new();
    let text = text.trim_matches('\n');
    let text = if paint.short {
        Cow::Owned(shorten(text))
    } else {
        Cow::Borrowed(text)
    };
    for line in visible(&text, paint.colours()).lines() {
        if line.is_empty() {
            out.push('\n');
        } else {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

/// Returns the lines of the project; where there are none, the innermost ones.
fn trimmed(backtrace: &[String]) -> Vec<&str> {
    let ours = |line: &&String| !line.starts_with('/') && !line.starts_with('<');
    let mut lines: Vec<&str> = backtrace.iter().filter(ours).map(String::as_str).collect();
    if lines.is_empty() {
        lines = backtrace.iter().map(String::as_str).take(5).collect();
    }
    lines.truncate(BACKTRACE_LIMIT);
    lines
}

/// Adds a backtrace.
pub fn push_backtrace(out: &mut String, backtrace: &[String]) {
    for line in trimmed(backtrace) {
        let _ = writeln!(out, "    # {}", one_line(line));
    }
}

/// Adds what was printed, if anything was.
pub fn push_output(out: &mut String, output: &str, paint: &Paint) {
    if !output.trim().is_empty() {
        out.push_str("  Output:\n");
        out.push_str(&indented(output, paint));
    }
}

/// Adds the result of a test that did not pass.
pub fn push_test(out: &mut String, test: &TestResult, paint: &Paint) {
    let _ = writeln!(out, "Test name: {}", paint.red(&one_line(&test.name)));
    if !test.file.is_empty() && test.line > 0 {
        let _ = writeln!(out, "  {}:{}", one_line(&test.file), test.line);
    }
    if let Some(exception) = &test.exception {
        let _ = writeln!(out, "  {}", one_line(exception));
    }
    out.push_str("  Message:\n");
    out.push_str(&indented(&test.message, paint));
    push_backtrace(out, &test.backtrace);
    push_output(out, &test.output, paint);
}

/// Adds a fault outside of tests.
pub fn push_error(out: &mut String, error: &FileError, paint: &Paint) {
    let kind = error.exception.as_deref().unwrap_or_default();
    let head = format!(
        "{}{}{}",
        error.what,
        if kind.is_empty() { "" } else { ": " },
        kind
    );
    let _ = writeln!(out, "Error outside tests: {}", paint.red(&one_line(&head)));
    if let Some(test) = &error.test {
        let _ = writeln!(out, "  While this test was running: {}", one_line(test));
    }
    out.push_str("  Message:\n");
    out.push_str(&indented(&error.message, paint));
    push_backtrace(out, &error.backtrace);
}
