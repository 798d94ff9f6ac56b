//! Runs a copy of a real suite by the real originator, and says what it saw.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::binaries;
use crate::suite::{Difference, Suite};

/// What one run of a suite gave.
#[derive(Debug)]
pub struct SuiteRun {
    /// Files that are not as the truth has them.
    pub differences: Vec<Difference>,
    /// Whether a test failed or a file had a fault, as the event stream has it.
    pub red: bool,
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
    pub fn is_right(&self) -> bool {
        self.differences.is_empty() && self.status == Some(i32::from(self.red))
    }
}

/// Where a suite runs.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// `--local` with so many slots.
    Local(u32),
    /// On the listeners of the broker at this URL.
    Broker(&'a str),
}

/// Has the next run of the copy of `suite` in `directory` cut each file that can be cut into all its pieces.
///
/// # Errors
/// The configuration cannot be changed.
pub fn cut_all(suite: &Suite, directory: &Path) -> Result<(), String> {
    let path = directory.join(&suite.name).join("gorgon.json");
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let text = text.replacen('{', "{ \"split_over\": 0.02,", 1);
    std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// Runs a copy of `suite` in `directory`.
///
/// # Errors
/// A command that cannot be started, a file that cannot be written.
#[expect(
    clippy::disallowed_methods,
    reason = "the originator ends its own; the caller's bound ends the originator"
)]
pub fn run_suite(suite: &Suite, directory: &Path, place: Place<'_>) -> Result<SuiteRun, String> {
    let project = directory.join(&suite.name);
    if !project.exists() {
        suite.copy_to(&project)?;
    }
    let stream = directory.join(format!("{}.jsonl", suite.name));
    let mut command = Command::new(binaries::path("gorgon-originator"));
    command
        .arg("--json")
        .arg(&stream)
        .current_dir(&project)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LANG", "C.UTF-8")
        // pry asks the terminal what it can.
        .env("TERM", "xterm")
        .env("HOME", directory)
        .env("XDG_CACHE_HOME", directory.join("cache"))
        // Other suites run at the same time.
        .env("GORGON_NUMBERS", directory)
        .stdin(Stdio::null());
    match place {
        Place::Local(slots) => command.arg(format!("--local={slots}")),
        Place::Broker(url) => command.env("GORGON_BROKER_URL", url),
    };
    let started = Instant::now();
    let output = command
        .output()
        .map_err(|e| format!("gorgon-originator: {e}"))?;
    let took = started.elapsed();
    let events = std::fs::read_to_string(&stream).unwrap_or_default();
    Ok(SuiteRun {
        differences: suite.differences(&events),
        red: suite.is_red(&events),
        status: output.status.code(),
        took,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
