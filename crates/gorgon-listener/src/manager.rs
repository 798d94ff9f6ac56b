//! The worker manager of a job: started, fed, its words passed on, its end told.

use std::fs::OpenOptions;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use gorgon_process::child::{self, Child, End, Options};
use gorgon_process::output::HeadTail;
use gorgon_process::signals::Signal;
use gorgon_process::{exit, lines, sibling};
use gorgon_proto::job::JobDefinition;
use gorgon_proto::local::{ListenerLine, ManagerLine};
use gorgon_proto::message::{self, HostError};
use log::warn;

/// The program.
const NAME: &str = "gorgon-worker-manager";
/// How much of its log is kept for the originator.
const WORDS_BYTES: usize = 4096;
/// So many lines wait for a manager or for us; more than a few would mean that it hangs.
const LINES: usize = 1024;
/// No line of a manager is longer.
const LINE_MAX_BYTES: usize = 1 << 16;
/// Once a manager and all that it left have ended, its pipe is empty within this.
const WORDS_LIMIT: Duration = Duration::from_millis(500);

/// What a manager is started with, besides the job.
pub(crate) struct Place<'a> {
    pub(crate) config: &'a Path,
    pub(crate) run_dir: Option<&'a Path>,
    pub(crate) listener_queue: &'a str,
    pub(crate) listener_id: &'a str,
    pub(crate) host_name: &'a str,
    /// All slots of this listener.
    pub(crate) host_slots: u32,
    /// The slots that the job has for now.
    pub(crate) slots: Vec<u32>,
    pub(crate) workspace: &'a Path,
    pub(crate) in_place: bool,
    pub(crate) log_file: Option<&'a PathBuf>,
}

/// A running manager. Dropped, it is killed.
pub(crate) struct Manager {
    child: Child,
    /// Takes lines for its stdin. Dropped to close that, by which it knows that we live.
    input: Option<Sender<ListenerLine>>,
    lines: Receiver<ManagerLine>,
    words: Receiver<String>,
}

impl Manager {
    /// Starts the manager of a job.
    pub(crate) fn start(job: &JobDefinition, place: &Place<'_>) -> Result<Self, HostError> {
        let failed = |message: String| HostError {
            what: "starting the worker manager".to_owned(),
            message,
            command: NAME.to_owned(),
            output: String::new(),
        };
        let program = sibling::find(NAME).map_err(|error| failed(exit::chain(&error)))?;
        let slots: Vec<String> = place.slots.iter().map(u32::to_string).collect();
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(place.config)
            .args(["--job", &job.job.0])
            .args(["--file-queue", &job.file_queue_name])
            .args(["--reply-queue", &job.reply_queue_name])
            .args(["--listener-queue", place.listener_queue])
            .args(["--listener-id", place.listener_id])
            // A name of a host may begin with a dash.
            .arg(format!("--host-name={}", place.host_name))
            .args(["--host-slots", &place.host_slots.to_string()])
            .arg("--workspace")
            .arg(place.workspace);
        if !slots.is_empty() {
            command.args(["--slots", &slots.join(",")]);
        }
        if place.in_place {
            command.arg("--in-place");
        }
        if let Some(run_dir) = place.run_dir {
            command.arg("--run-dir").arg(run_dir);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // Our death is the end of its stdin: it then has a second to end its workers in order.
        let mut child = child::spawn(command, Options::default())
            .map_err(|error| failed(exit::chain(&error)))?;
        let thread = |error: io::Error| failed(format!("starting a thread: {error}"));
        let input = child
            .take_stdin()
            .map(|stdin| feed(stdin, message::write(job)))
            .transpose()
            .map_err(thread)?;
        let lines = child
            .take_stdout()
            .map(listen)
            .transpose()
            .map_err(thread)?;
        let words = child
            .take_stderr()
            .map(|stderr| pass_on(stderr, place.log_file.cloned()))
            .transpose()
            .map_err(thread)?;
        Ok(Self {
            child,
            input,
            lines: lines.unwrap_or_else(crossbeam_channel::never),
            words: words.unwrap_or_else(crossbeam_channel::never),
        })
    }

    /// Returns its process number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Returns where its end arrives.
    pub(crate) fn end(&self) -> &Receiver<End> {
        self.child.end()
    }

    /// Returns where what it says arrives.
    pub(crate) fn lines(&self) -> &Receiver<ManagerLine> {
        &self.lines
    }

    /// It says nothing more. A disconnected receiver would be ready for ever.
    pub(crate) fn is_silent(&mut self) {
        self.lines = crossbeam_channel::never();
    }

    /// Tells it something.
    pub(crate) fn tell(&self, line: ListenerLine) {
        if let Some(input) = &self.input {
            // A manager that died is heard of elsewhere; one that hangs is not waited for.
            let _ = input.try_send(line);
        }
    }

    /// Signals it alone, or with KILL its whole group.
    pub(crate) fn signal(&self, signal: Signal) {
        if signal == Signal::Kill {
            self.child.signal_group(signal);
        } else {
            self.child.signal(signal);
        }
    }

    /// Closes its stdin.
    pub(crate) fn let_go(&mut self) {
        self.input = None;
    }

    /// Returns what it logged, its head and tail; to be asked when nothing of it lives any more.
    pub(crate) fn words(self) -> String {
        // Whoever holds the pipe still has left our process tree, and is not waited for.
        self.words.recv_timeout(WORDS_LIMIT).unwrap_or_default()
    }
}

/// Writes the job definition, then each line, and keeps the pipe open until the sender is dropped.
fn feed(mut stdin: ChildStdin, mut definition: Vec<u8>) -> io::Result<Sender<ListenerLine>> {
    let (keep, lines) = bounded::<ListenerLine>(LINES);
    definition.push(b'\n');
    thread::Builder::new()
        .name("manager input".into())
        .spawn(move || {
            // A manager that died is heard of elsewhere.
            if stdin.write_all(&definition).is_err() {
                return;
            }
            for line in lines {
                let mut line = message::write(&line);
                line.push(b'\n');
                if stdin.write_all(&line).is_err() {
                    return;
                }
            }
        })?;
    Ok(keep)
}

/// Reads what a manager says.
fn listen(stdout: ChildStdout) -> io::Result<Receiver<ManagerLine>> {
    let (said, lines) = bounded(LINES);
    thread::Builder::new()
        .name("manager lines".into())
        .spawn(move || {
            let mut reader = BufReader::new(stdout);
            let mut line = Vec::new();
            while let Ok(Some(_)) = lines::next(&mut reader, &mut line, LINE_MAX_BYTES) {
                match message::read(&line) {
                    // The loop may have ended.
                    Ok(line) => {
                        if said.send(line).is_err() {
                            return;
                        }
                    }
                    Err(fault) => {
                        warn!(target: "gorgon::listener", fault; "a line of a worker manager is not understood");
                    }
                }
            }
        })?;
    Ok(lines)
}

/// Copies a manager's log to where ours is, and keeps its head and tail.
fn pass_on(mut stderr: ChildStderr, log_file: Option<PathBuf>) -> io::Result<Receiver<String>> {
    let (told, words) = bounded(1);
    thread::Builder::new()
        .name("manager log".into())
        .spawn(move || {
            let mut sink = sink(log_file.as_deref());
            let mut kept = HeadTail::new(WORDS_BYTES);
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = stderr.read(&mut buffer) {
                kept.push(&buffer[..count]);
                // A log that cannot be written stops no job.
                let _ = sink.write_all(&buffer[..count]);
            }
            // The loop may have ended.
            let _ = told.send(kept.finish());
        })?;
    Ok(words)
}

fn sink(log_file: Option<&Path>) -> Box<dyn Write> {
    match log_file {
        Some(path) if path.as_os_str() == "-" => Box::new(io::stdout()),
        Some(path) => match OpenOptions::new().append(true).create(true).open(path) {
            Ok(file) => Box::new(file),
            Err(_) => Box::new(io::stderr()),
        },
        None => Box::new(io::stderr()),
    }
}
