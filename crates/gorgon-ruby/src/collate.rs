//! The report of SimpleCov over all Ruby children of a job, in a Ruby process of its own.

use std::io;
use std::path::Path;

use gorgon_process::child::End;
use gorgon_process::command::{Bounds, CommandError, run_bounded};

use crate::callback::Waiting;
use crate::command;
use crate::scripts;
use crate::settings::RubySettings;

/// What SimpleCov said, and how its process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collated {
    /// Its exit status: what SimpleCov gives the tests' own process in a plain run.
    pub status: i32,
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
        .arg(if tests_failed { "failed" } else { "passed" });
    let bounds = Bounds {
        cancel: waiting.cancel.clone(),
        ..Bounds::within(waiting.limit)
    };
    match run_bounded(command, &bounds, b"") {
        Ok(said) => Ok(Collated {
            status: 0,
            stdout: said.stdout,
            stderr: said.stderr,
        }),
        Err(CommandError::Ended {
            end: End::Exited(status),
            source,
            ..
        }) => Ok(Collated {
            status,
            stdout: source.stdout,
            stderr: source.stderr,
        }),
        Err(error) => Err(CollateError::Ruby(error)),
    }
}
