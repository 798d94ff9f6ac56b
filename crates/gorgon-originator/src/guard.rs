//! A process that outlives us, to remove what we leave when we are killed.
//!
//! Nothing of ours runs after a kill -9, and the listeners are on other machines: so a second
//! originator waits for the end of a pipe from the first, removes its directory, and ends.

use std::io::{self, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use gorgon_process::child::{self, Child, Options, SpawnError};
use gorgon_process::exit;
use gorgon_sync::serve::PREFIX;

/// The hidden command that is the guard.
pub const COMMAND: &str = "guard";

/// The guard of one directory; dropped, it ends without doing anything.
#[derive(Debug)]
pub struct Guard {
    _process: Child,
    _pipe: Option<std::process::ChildStdin>,
}

/// Starts the guard of a directory.
///
/// # Errors
/// We cannot be started a second time.
pub fn start(directory: &Path) -> Result<Guard, SpawnError> {
    let program = std::env::current_exe().unwrap_or_else(|_| "gorgon-originator".into());
    let mut command = Command::new(program);
    command.arg(COMMAND).arg(directory).stdin(Stdio::piped());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut process = child::spawn(
        command,
        Options {
            session: true,
            ..Options::default()
        },
    )?;
    let pipe = process.take_stdin();
    Ok(Guard {
        _process: process,
        _pipe: pipe,
    })
}

/// Is the guard: waits for the end of stdin, then removes the directory, if it is one of ours.
#[must_use]
pub fn run(directory: &Path) -> u8 {
    let mut byte = [0];
    while matches!(io::stdin().read(&mut byte), Ok(1..)) {}
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with(PREFIX) {
        // Its owner may have done it, and nobody hears us.
        let _ = std::fs::remove_dir_all(directory);
    }
    exit::OK
}
