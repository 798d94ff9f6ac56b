//! The report of SimpleCov over all Ruby children of a job, in a Ruby process of its own.

use std::io;
use std::path::Path;

use gorgon_process::child::End;
use gorgon_process::command::{Bounds, CommandError, run_bounded};
use gorgon_proto::job::Coverage;

use crate::callback::Waiting;
use crate::command;
use crate::scripts;
use crate::settings::RubySettings;

/// The exit status by which our script says that the run is to fail. Neither Ruby nor Bundler ends with it.
const REFUSED: i32 = 86;

/// What came of the judgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The coverage fails no run.
    Passed,
    /// The coverage fails the run; stderr says why.
    Refused,
    /// The process ended with this exit status before it had a report.
    NotJudged(i32),
}

/// What SimpleCov said, and how its process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collated {
    /// What it found.
    pub verdict: Verdict,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
}

/// There is no report.
#[derive(Debug, thiserror::Error)]
pub enum CollateError {
    /// Our scripts cannot be written.
    #[error("unpack the scripts for Ruby")]
    Scripts(#[source] io::Error),
    /// Ruby could not be started, was killed, or took too long.
    #[error("collate the coverage of all Ruby processes")]
    Ruby(#[source] CommandError),
}

/// Has SimpleCov write the report of all shares in this file, and judge it, unless tests have failed.
///
/// # Errors
/// When Ruby cannot be started, or does not end by itself in time.
pub fn collate(
    settings: &RubySettings,
    shares: &Path,
    tests_failed: bool,
    waiting: &Waiting,
) -> Result<Collated, CollateError> {
    let scripts = scripts::unpack().map_err(CollateError::Scripts)?;
    let mut command = command::ruby(settings, &scripts.join("coverage/collate.rb"));
    command
        .arg(shares)
        .arg(if tests_failed { "failed" } else { "passed" })
        .arg(match settings.coverage {
            Coverage::Asked => "asked",
            Coverage::ByDefault | Coverage::Off => "by_default",
        })
        .arg(REFUSED.to_string());
    let bounds = Bounds {
        cancel: waiting.cancel.clone(),
        ..Bounds::within(waiting.limit)
    };
    match run_bounded(command, &bounds, b"") {
        Ok(said) => Ok(Collated {
            verdict: Verdict::Passed,
            stdout: said.stdout,
            stderr: said.stderr,
        }),
        Err(CommandError::Ended {
            end: End::Exited(status),
            source,
            ..
        }) => Ok(Collated {
            verdict: match status {
                REFUSED => Verdict::Refused,
                other => Verdict::NotJudged(other),
            },
            stdout: source.stdout,
            stderr: source.stderr,
        }),
        Err(error) => Err(CollateError::Ruby(error)),
    }
}
