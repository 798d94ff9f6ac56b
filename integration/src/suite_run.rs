//! Runs a copy of a real suite by the real originator, and says what it saw.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::suite::{Difference, Suite};

/// What one run of a suite gave.
#[derive(Debug)]
pub struct SuiteRun {
    /// Files that are not as the truth has them.
    pub differences: Vec<Difference>,
    /// Exit status of the originator; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Wall time of the whole command.
    pub took: Duration,
    /// What it wrote to stderr.
    pub stderr: String,
}

impl SuiteRun {
    /// Returns whether files and exit status are what the truth wants.
    #[must_use]
    pub fn is_right(&self, suite: &Suite) -> bool {
        let red = suite
            .truth
            .values()
            .any(|right| right[0].failed + right[0].errors > 0);
        self.differences.is_empty() && self.status == Some(i32::from(red))
    }
}

/// Runs a copy of `suite` in `directory` with these arguments besides `--json`.
///
/// # Errors
/// A command that cannot be started, a file that cannot be written.
#[expect(
    clippy::disallowed_methods,
    reason = "the originator ends its own; the caller's bound ends the originator"
)]
pub fn run_suite(suite: &Suite, directory: &Path, arguments: &[&str]) -> Result<SuiteRun, String> {
    let project = directory.join(&suite.name);
    if !project.exists() {
        suite.copy_to(&project)?;
    }
    let stream = directory.join(format!("{}.jsonl", suite.name));
    let started = Instant::now();
    let output = Command::new(binary("gorgon-originator"))
        .args(arguments)
        .arg("--json")
        .arg(&stream)
        .current_dir(&project)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        .env("HOME", directory)
        .env("XDG_CACHE_HOME", directory.join("cache"))
        .stdin(Stdio::null())
        .output()
        .map_err(|e| format!("gorgon-originator: {e}"))?;
    let took = started.elapsed();
    let events = std::fs::read_to_string(&stream).unwrap_or_default();
    Ok(SuiteRun {
        differences: suite.differences(&events),
        status: output.status.code(),
        took,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Returns the path of one of our binaries, built beside the running program.
///
/// # Panics
/// When the running program has no path.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a running program has a path");
    let directory = program.parent().expect("a program lies in a directory");
    let directory = if directory.ends_with("deps") {
        directory.parent().unwrap_or(directory)
    } else {
        directory
    };
    directory.join(name)
}
