//! What a preloader is told, and what is told of its failures.

use std::path::PathBuf;
use std::time::Duration;

use gorgon_process::exit::{self, Hint};
use gorgon_proto::job::JobDefinition;
use gorgon_proto::message::HostError;
use gorgon_ruby::{CallbackFailure, Host, Refusal, RubyError, RubySettings};

/// Maximum number of lines that are shown of a callback's backtrace.
const BACKTRACE_LINES: usize = 3;

/// Returns the settings of a preloader of this job.
#[must_use]
pub fn settings(
    definition: &JobDefinition,
    directory: PathBuf,
    in_place: bool,
    host: Host,
    callback_limit: Duration,
) -> RubySettings {
    RubySettings {
        ruby: definition.ruby.clone(),
        callbacks: definition.callbacks.clone(),
        env: definition.env.clone(),
        inherit_env: in_place,
        follow_links: in_place,
        adopts: true,
        seed: definition.seed,
        options: definition.framework_options.clone(),
        frameworks: definition.frameworks.clone(),
        files: definition.files.clone(),
        ways: definition.ways.clone(),
        job: Some(definition.job.to_string()),
        host: Some(host),
        coverage: definition.coverage,
        callback_timeout: callback_limit,
        ..RubySettings::in_place(directory)
    }
}

/// Returns why Ruby could not be started, for the user.
#[must_use]
pub fn not_started(error: &RubyError) -> HostError {
    let hint = error
        .hint()
        .map_or(String::new(), |hint| format!(" (hint: {hint})"));
    HostError {
        what: "starting Ruby".to_owned(),
        message: format!("{}{hint}", exit::chain(error)),
        command: String::new(),
        output: String::new(),
    }
}

/// Why no file can run, for the user.
#[must_use]
pub fn refused(refusal: Refusal) -> HostError {
    HostError {
        what: refusal.what,
        message: refusal.message,
        command: String::new(),
        output: refusal.output,
    }
}

/// What went wrong in a callback, for the user.
#[must_use]
pub fn host_error(failure: CallbackFailure) -> HostError {
    let what = failure.what().to_owned();
    let mut message = match &failure.exception {
        Some(class) => format!("{class}: {}", failure.message),
        None => failure.message.clone(),
    };
    for line in failure.backtrace.iter().take(BACKTRACE_LINES) {
        message.push_str("\n  ");
        message.push_str(line);
    }
    HostError {
        what,
        message,
        command: String::new(),
        output: failure.output,
    }
}
