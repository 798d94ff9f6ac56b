//! What the core tells the user besides results.

use gorgon_process::child::End;
use gorgon_proto::message::{
    CoveragePiece, CoverageShare, HostError, Reply, SuiteHookFailed, Warning,
};
use gorgon_proto::outcome::FileError;
use gorgon_ruby::{Callback, CallbackFailure};

use crate::event::Effect;
use crate::work::Work;

/// Maximum number of lines that are shown of a callback's backtrace.
const BACKTRACE_LINES: usize = 3;
/// Maximum number of files that a warning names as having run before.
const NAMED_FILES: usize = 3;

/// Returns the error of a file some of whose results may be missing, as a line of its Ruby child could not be read.
pub(crate) fn unread_line(fault: &str) -> FileError {
    FileError {
        what: "results".to_owned(),
        exception: None,
        message: format!(
            "a line of the Ruby child cannot be read, a result may be missing: {fault}"
        ),
        backtrace: Vec::new(),
        test: None,
    }
}

impl Work {
    pub(crate) fn suite_hook_failed(
        &mut self,
        error: FileError,
        output: String,
        out: &mut Vec<Effect>,
    ) {
        let me = &self.settings.me;
        let reply = Reply::SuiteHookFailed(SuiteHookFailed {
            hostname: me.hostname.clone(),
            listener_id: me.listener_id.clone(),
            worker_id: me.worker_id,
            error,
            output,
        });
        self.publish(reply, out);
    }

    pub(crate) fn share_coverage(&mut self, piece: CoveragePiece, out: &mut Vec<Effect>) {
        let me = &self.settings.me;
        let reply = Reply::Coverage(CoverageShare {
            hostname: me.hostname.clone(),
            listener_id: me.listener_id.clone(),
            worker_id: me.worker_id,
            piece,
        });
        self.publish(reply, out);
    }

    pub(crate) fn warn(&mut self, message: String, out: &mut Vec<Effect>) {
        let me = &self.settings.me;
        let reply = Reply::Warning(Warning {
            hostname: me.hostname.clone(),
            listener_id: me.listener_id.clone(),
            worker_id: Some(me.worker_id),
            message,
        });
        self.publish(reply, out);
    }
}

pub(crate) fn host_error(what: &str, message: String, output: String) -> HostError {
    HostError {
        what: what.to_owned(),
        message,
        command: String::new(),
        output,
    }
}

pub(crate) fn callback_error(failure: CallbackFailure) -> HostError {
    let mut message = match &failure.exception {
        Some(class) => format!("{class}: {}", failure.message),
        None => failure.message.clone(),
    };
    for line in failure.backtrace.iter().take(BACKTRACE_LINES) {
        message.push_str("\n  ");
        message.push_str(line);
    }
    let what = failure.what().to_owned();
    host_error(&what, message, failure.output)
}

/// Says that a file could be loaded, or brought tests, only in a fresh Ruby child.
pub(crate) fn loaded_again(error: Option<&FileError>, followed: &[String]) -> String {
    let why = error.map_or_else(String::new, |error| {
        let kind = error.exception.as_deref().unwrap_or("error");
        // RSpec names the line of source first, and the exception's class by itself.
        let says = |line: &&str| {
            let line = line.trim();
            !line.is_empty()
                && !line.starts_with("Failure/Error:")
                && line.strip_suffix(':') != Some(kind)
        };
        let line = error.message.lines().find(says);
        format!(" ({kind}: {})", line.unwrap_or_default().trim())
    });
    let more = followed.len().saturating_sub(NAMED_FILES);
    let mut names = followed[more..].join(", ");
    if more > 0 {
        names.push_str(&format!(" and {more} before"));
    }
    let what = if error.is_some() {
        "it cannot be loaded"
    } else {
        "it brings no test"
    };
    format!(
        "{what} after tests of other files have run in its Ruby process{why}, and was loaded once more in a fresh one; it followed {names}"
    )
}

/// What SimpleCov says of one process is no verdict: other processes have run the rest of the suite.
pub(crate) fn coverage_of_one(end: End, file: &str) -> String {
    format!(
        "SimpleCov found the coverage of one process too small ({end} after {file}); that fails no run"
    )
}

/// Whoever gives a process of tests a status at its end fails the run.
pub(crate) fn status_after_tests(end: End, file: &str) -> FileError {
    end_of_child(format!(
        "{end} after the tests, at the end of the process whose last file was {file}"
    ))
}

pub(crate) fn end_of_child(message: String) -> FileError {
    at_end("end of the Ruby child", message)
}

/// The callback ended its process, or was ended in it.
pub(crate) fn after_complete(message: String) -> FileError {
    at_end(Callback::AfterComplete.name(), message)
}

fn at_end(what: &str, message: String) -> FileError {
    FileError {
        what: what.to_owned(),
        exception: None,
        message,
        backtrace: Vec::new(),
        test: None,
    }
}
