//! The kept Ruby process as its owner, the keeper, sees it.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use crossbeam_channel::{Receiver, bounded};
use gorgon_process::child::{self, Child, End, Options};
use gorgon_process::signals::Signal;
use serde::{Deserialize, Serialize};

use super::Wanted;
use crate::kept::Kept;
use crate::lines::{self, Read, line_of};
use crate::preloader::RubyError;
use crate::protocol::{CallbackFailure, Refusal};

/// What records the boot.
#[derive(Debug, Clone, Copy)]
pub struct Recorder<'a> {
    /// The library.
    pub library: &'a Path,
    /// Where it writes.
    pub recording: &'a Path,
}

/// What the kept process says.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Said {
    /// Everything is loaded.
    Kept {
        /// Why it cannot be shared by jobs; empty: it can.
        unfit: String,
        /// Seconds by which the local time is ahead of UTC.
        offset_s: i64,
    },
    /// The application cannot be loaded.
    NotLoaded,
    /// A callback raised.
    CallbackFailed(CallbackFailure),
    /// No file can run.
    Refused(Refusal),
    /// There is a preloader.
    Forked {
        /// Its number.
        pid: u32,
    },
    /// There is none.
    ForkFailed {
        /// Why.
        message: String,
    },
    /// The preloader of the job has ended.
    JobEnded {
        /// Exit status.
        status: Option<i32>,
        /// Signal.
        signal: Option<i32>,
    },
}

#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
enum Order<'a> {
    Fork {
        owner: &'a Path,
        output: &'a Path,
        job: &'a str,
        environment: &'a BTreeMap<String, String>,
    },
    Signal {
        signal: &'a str,
    },
}

/// A Ruby process that is kept. Dropped, it is killed, and the preloader that it has forked dies with it.
#[derive(Debug)]
pub struct KeptRuby {
    child: Child,
    lines: Receiver<Said>,
    output: Kept,
    stream: UnixStream,
}

impl KeptRuby {
    /// Starts it. It dies with the thread that calls this.
    ///
    /// # Errors
    /// When Ruby cannot be started.
    pub fn start(wanted: &Wanted, recorder: Recorder<'_>) -> Result<Self, RubyError> {
        let (program, arguments) = wanted
            .command
            .split_first()
            .expect("a command has a program");
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&wanted.directory)
            .env_clear()
            .envs(&wanted.environment);
        let library = recorder.library.display();
        let preload = match wanted
            .environment
            .get("LD_PRELOAD")
            .filter(|it| !it.is_empty())
        {
            Some(user) => {
                command.env("GORGON_RECORDER", user);
                format!("{library}:{user}")
            }
            None => library.to_string(),
        };
        command
            .env("LD_PRELOAD", preload)
            .env("GORGON_RECORDING", recorder.recording)
            // The library takes all of this out of the environment of the process with this word in its command.
            .env("GORGON_RECORDED", script_of(wanted));
        let (ours, theirs) = UnixStream::pair().map_err(RubyError::Connect)?;
        let (output, writer) = Kept::pipe().map_err(RubyError::Connect)?;
        command
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(writer.try_clone().map_err(RubyError::Connect)?)
            .stderr(writer);
        let options = Options {
            parent_death: Some(Signal::Kill),
            session: true,
        };
        let child = child::spawn(command, options)?;
        let reading = ours.try_clone().map_err(RubyError::Connect)?;
        let (sender, lines) = bounded(16);
        lines::read(reading, "kept ruby", move |read, _| match read {
            Read::Line(line, _) => sender.send(line).is_ok(),
            Read::Unread(_) => true,
            Read::End => false,
        })
        .map_err(RubyError::Connect)?;
        let mut kept = Self {
            child,
            lines,
            output,
            stream: ours,
        };
        let mut boot = wanted.boot.clone();
        boot.push('\n');
        // One that has ended says so by its end.
        let _ = kept.stream.write_all(boot.as_bytes());
        Ok(kept)
    }

    /// Returns its number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Returns where what it says arrives; disconnected at its end.
    #[must_use]
    pub fn lines(&self) -> &Receiver<Said> {
        &self.lines
    }

    /// Returns where its end arrives, once.
    #[must_use]
    pub fn end(&self) -> &Receiver<End> {
        self.child.end()
    }

    /// Returns what it printed since the last taking.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.settle()
    }

    /// Has it fork a preloader.
    ///
    /// `environment`: variables that only its tests see.
    pub fn fork(
        &mut self,
        owner: &Path,
        output: &Path,
        job: &str,
        environment: &BTreeMap<String, String>,
    ) {
        self.tell(&Order::Fork {
            owner,
            output,
            job,
            environment,
        });
    }

    /// Has it signal the preloader that it has forked.
    pub fn signal_job(&mut self, signal: &str) {
        self.tell(&Order::Signal { signal });
    }

    /// Interrupts what it loads.
    pub fn interrupt(&self) {
        self.child.signal_group(Signal::Int);
    }

    fn tell(&mut self, order: &Order<'_>) {
        // One that has ended says so by its end.
        let _ = self.stream.write_all(&line_of(order));
    }
}

/// The word of the command that names our script: the last but one, which makes room for a title.
fn script_of(wanted: &Wanted) -> &str {
    wanted
        .command
        .iter()
        .rev()
        .nth(1)
        .map_or("", String::as_str)
}
