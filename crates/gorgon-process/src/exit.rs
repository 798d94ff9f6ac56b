//! Exit codes, and errors as the user sees them.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

/// All passed.
pub const OK: u8 = 0;
/// A test failed, a file crashed, timed out or was lost, or a suite-level hook raised.
pub const FAILED: u8 = 1;
/// Every host that answered failed in sync.
pub const SYNC_FAILED: u8 = 2;
/// Any other error: usage, configuration, broker, no files, no listener.
pub const ERROR: u8 = 3;
/// Cancelled by INT, TERM or HUP.
pub const CANCELLED: u8 = 130;

/// What an error can tell besides what happened.
pub trait Hint {
    /// Returns what the user may do about it.
    fn hint(&self) -> Option<String> {
        None
    }

    /// Returns the exit code of the process that ends with this error.
    fn exit(&self) -> u8 {
        ERROR
    }
}

/// Ends a program: prints the chain of an error to stderr, and gives the exit code.
pub fn report<E: Error + Hint>(program: &str, result: Result<u8, E>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let text = describe(program, &error, error.hint().as_deref());
            // stderr may be closed: then nobody wants to know.
            let _ = std::io::stderr().write_all(text.as_bytes());
            ExitCode::from(error.exit())
        }
    }
}

/// Returns an error with all its causes in one line, for logs and messages: `what: cause: cause`.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    causes(error).join(": ")
}

/// Returns the lines that [`report`] prints.
#[must_use]
pub fn describe(program: &str, error: &dyn Error, hint: Option<&str>) -> String {
    let mut text = String::new();
    for (nth, cause) in causes(error).iter().enumerate() {
        if nth == 0 {
            text.push_str(&format!("{program}: {}\n", indented(cause)));
        } else {
            text.push_str(&format!("  because: {}\n", indented(cause)));
        }
    }
    if let Some(hint) = hint {
        text.push_str(&format!("  hint: {}\n", indented(hint)));
    }
    text
}

/// The error and its causes; one that only repeats what was said before is left out.
fn causes(error: &dyn Error) -> Vec<String> {
    let mut said: Vec<String> = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !text.is_empty() && !said.iter().any(|earlier| earlier.ends_with(&text)) {
            said.push(text);
        }
        next = cause.source();
    }
    said
}

fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{what}")]
    struct Layer {
        what: &'static str,
        source: Option<Box<Layer>>,
    }

    fn layers(whats: &[&'static str]) -> Layer {
        let (what, rest) = whats.split_first().unwrap();
        let source = if rest.is_empty() {
            None
        } else {
            Some(Box::new(layers(rest)))
        };
        Layer { what, source }
    }

    #[test]
    fn the_codes_are_the_documented_ones() {
        assert_eq!(
            [OK, FAILED, SYNC_FAILED, ERROR, CANCELLED],
            [0, 1, 2, 3, 130]
        );
    }

    #[test]
    fn each_cause_is_a_line_and_the_hint_is_last() {
        let error = layers(&["cannot reach the broker at mq:5672", "connection refused"]);
        assert_eq!(
            describe("gorgon-originator", &error, Some("start RabbitMQ there")),
            "gorgon-originator: cannot reach the broker at mq:5672\n  \
             because: connection refused\n  hint: start RabbitMQ there\n"
        );
    }

    #[test]
    fn a_cause_that_repeats_is_left_out() {
        let error = layers(&["read a.json: no such file", "no such file", "os error 2"]);
        assert_eq!(chain(&error), "read a.json: no such file: os error 2");
    }

    #[test]
    fn the_lines_of_another_program_stay_below_their_cause() {
        let error = layers(&["sync", "rsync said:\nline one\nline two\n"]);
        assert_eq!(
            describe("g", &error, None),
            "g: sync\n  because: rsync said:\n    line one\n    line two\n"
        );
    }
}
