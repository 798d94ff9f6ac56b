//! A program run to its end: bounded, its output kept, its group killed at the limit.

use std::fmt;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded, never, select_biased};

use crate::child::{self, End, Options, SpawnError};
use crate::exit::Hint;
use crate::output::HeadTail;
use crate::signals::Signal;

/// A grandchild that left the group may hold the pipes open: after the end we read no longer.
const DRAIN_LIMIT: Duration = Duration::from_millis(500);

/// What an error quotes of a program's words.
const QUOTED_BYTES: usize = 4096;

/// How a run is bounded.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The group is killed when it takes longer.
    pub limit: Duration,
    /// The group is killed when something arrives here, or the other end is dropped.
    pub cancel: Receiver<()>,
    /// What is kept of stdout, and of stderr.
    pub keep_bytes: usize,
    /// It dies when the calling thread does.
    pub die_with_parent: bool,
}

impl Bounds {
    /// Bounds by time alone.
    #[must_use]
    pub fn within(limit: Duration) -> Self {
        Self {
            limit,
            cancel: never(),
            keep_bytes: crate::output::LIMIT_BYTES,
            die_with_parent: true,
        }
    }
}

/// A program that exited with 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// What it wrote to stdout, cut in the middle.
    pub stdout: String,
    /// What it wrote to stderr, cut in the middle.
    pub stderr: String,
}

/// A program that did not exit with 0. Its own words are the `source`.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// It could not be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// It exited with another status, or was killed.
    #[error("{command} ended with {end}")]
    Ended {
        /// Program and arguments.
        command: String,
        /// How it ended.
        end: End,
        /// What it wrote.
        source: Said,
    },
    /// It was killed at the limit.
    #[error("{command} was killed after {} s", limit.as_secs_f64())]
    TimedOut {
        /// Program and arguments.
        command: String,
        /// The limit.
        limit: Duration,
        /// What it wrote.
        source: Said,
    },
    /// It was killed because nobody wants its result any more.
    #[error("{command} was cancelled")]
    Cancelled {
        /// Program and arguments.
        command: String,
        /// What it wrote.
        source: Said,
    },
}

impl CommandError {
    /// Returns what the program wrote, if it was started.
    #[must_use]
    pub fn said(&self) -> Option<&Said> {
        match self {
            Self::Spawn(_) => None,
            Self::Ended { source, .. }
            | Self::TimedOut { source, .. }
            | Self::Cancelled { source, .. } => Some(source),
        }
    }

    /// Returns how it ended by itself.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        match self {
            Self::Ended { end, .. } => Some(*end),
            Self::Spawn(_) | Self::TimedOut { .. } | Self::Cancelled { .. } => None,
        }
    }
}

impl Hint for CommandError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Spawn(error) => error.hint(),
            Self::Ended { .. } | Self::TimedOut { .. } | Self::Cancelled { .. } => None,
        }
    }
}

/// The words of a program that failed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said {
    /// On stdout.
    pub stdout: String,
    /// On stderr.
    pub stderr: String,
}

impl std::error::Error for Said {}

impl fmt::Display for Said {
    /// Its stderr; stdout when that is empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [self.stderr.trim(), self.stdout.trim()];
        let words = words
            .into_iter()
            .find(|words| !words.is_empty())
            .unwrap_or("it said nothing");
        f.write_str(&crate::output::cut(words, QUOTED_BYTES))
    }
}

/// Runs a program to its end, writes `stdin` to it, and keeps its output.
///
/// # Errors
/// When it cannot be started, does not exit with 0, or is not done within `limit`.
pub fn run(command: Command, limit: Duration, stdin: &[u8]) -> Result<Finished, CommandError> {
    run_bounded(command, &Bounds::within(limit), stdin)
}

/// As [`run`], with other bounds.
///
/// # Errors
/// When it cannot be started, does not exit with 0, is not done in time, or is cancelled.
pub fn run_bounded(
    mut command: Command,
    bounds: &Bounds,
    stdin: &[u8],
) -> Result<Finished, CommandError> {
    command.stdin(if stdin.is_empty() {
        Stdio::null()
    } else {
        Stdio::piped()
    });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let shown = child::shown(&command);
    let parent_death = bounds.die_with_parent.then_some(Signal::Kill);
    let started = Instant::now();
    let mut child = child::spawn(
        command,
        Options {
            parent_death,
            session: false,
        },
    )?;
    write_all(child.take_stdin(), stdin);
    let stdout = Kept::read(child.take_stdout(), bounds.keep_bytes);
    let stderr = Kept::read(child.take_stderr(), bounds.keep_bytes);
    let ended = select_biased! {
        recv(child.end()) -> end => How::Ended(end.expect("the watcher tells the end once")),
        recv(bounds.cancel) -> _ => How::Cancelled,
        recv(crossbeam_channel::at(started + bounds.limit)) -> _ => How::TimedOut,
    };
    drop(child); // Kills the group, if it has not ended.
    let drained_at = Instant::now() + DRAIN_LIMIT;
    let source = Said {
        stdout: stdout.finish(drained_at),
        stderr: stderr.finish(drained_at),
    };
    match ended {
        How::Ended(End::Exited(0)) => Ok(Finished {
            stdout: source.stdout,
            stderr: source.stderr,
        }),
        How::Ended(end) => Err(CommandError::Ended {
            command: shown,
            end,
            source,
        }),
        How::TimedOut => Err(CommandError::TimedOut {
            command: shown,
            limit: bounds.limit,
            source,
        }),
        How::Cancelled => Err(CommandError::Cancelled {
            command: shown,
            source,
        }),
    }
}

enum How {
    Ended(End),
    TimedOut,
    Cancelled,
}

/// A pipe that a thread empties until everybody has closed it.
struct Kept {
    output: Arc<Mutex<HeadTail>>,
    closed: Receiver<()>,
}

impl Kept {
    fn read(pipe: Option<impl Read + Send + 'static>, keep_bytes: usize) -> Self {
        let output = Arc::new(Mutex::new(HeadTail::new(keep_bytes)));
        let (sender, closed) = bounded(0);
        if let Some(pipe) = pipe {
            let output = Arc::clone(&output);
            in_thread("output", move || {
                drain(pipe, &output);
                drop(sender);
            });
        }
        Self { output, closed }
    }

    /// Waits for the pipe's end until `until`, and returns what was read.
    fn finish(self, until: Instant) -> String {
        // Nothing is ever sent: it disconnects, or the time is over.
        let _ = self.closed.recv_deadline(until);
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *output, HeadTail::new(1)).finish()
    }
}

fn drain(mut pipe: impl Read, output: &Mutex<HeadTail>) {
    let mut buffer = [0; 8192];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => {
                output
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(&buffer[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

/// Writes from a thread: the child may write before it reads.
fn write_all(pipe: Option<impl Write + Send + 'static>, bytes: &[u8]) {
    if let Some(mut pipe) = pipe {
        let bytes = bytes.to_vec();
        in_thread("stdin", move || {
            // A child that does not read to the end is no failure.
            let _ = pipe.write_all(&bytes);
        });
    }
}

/// Without a thread the closure, and with it the pipe, is dropped: the child sees its end.
fn in_thread(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = thread::Builder::new().name(name.to_owned()).spawn(work) {
        log::error!(target: "gorgon::process", cause:% = error; "no thread for a child's {name}");
    }
}

#[cfg(test)]
mod tests;
