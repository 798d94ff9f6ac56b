//! A worker process, as its manager sees it.

use std::fs;
use std::io::{BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use gorgon_process::child::{self, Child, End, Options, SpawnError};
use gorgon_process::exit::Hint;
use gorgon_process::lines;
use gorgon_process::sibling::{self, SiblingError};
use gorgon_process::signals::Signal;
use gorgon_proto::local::{self, Noted, WorkerLine};
use gorgon_proto::message;
use log::warn;

use crate::cli::Args;

/// No line of a worker is longer: what a callback says is cut at 64 KiB.
const LINE_MAX_BYTES: usize = 1 << 20;

/// How long the output of a worker is still read after its end.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

/// A worker cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its program is missing.
    #[error(transparent)]
    Sibling(#[from] SiblingError),
    /// It cannot be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// It cannot be talked to.
    #[error("talk to a worker")]
    Talk(#[source] std::io::Error),
}

impl Hint for WorkerError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Sibling(error) => error.hint(),
            Self::Spawn(error) => error.hint(),
            Self::Talk(_) => None,
        }
    }
}

/// A running worker. Dropped, it is killed; the end of its stdin and the parent-death signal see to
/// it when we die.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    lines: Receiver<WorkerLine>,
    item: Item,
    note: PathBuf,
}

/// The latest delivery that it told of, by its first item. Of interest only when it dies, or had waited for one, so
/// nobody is woken for each: a lock in place of a message.
type Item = Arc<Mutex<Option<WorkerLine>>>;

impl Worker {
    /// Starts the worker of a slot.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(
        args: &Args,
        slot: u32,
        number: u32,
        workspace: PathBuf,
        socket: PathBuf,
        definition: Vec<u8>,
        queue_may_be_late: bool,
    ) -> Result<Self, WorkerError> {
        let mut command = Command::new(sibling::find("gorgon-worker")?);
        command
            .arg("--config")
            .arg(&args.config)
            .args([
                "--job",
                &args.job,
                "--file-queue",
                &args.file_queue,
                "--reply-queue",
                &args.reply_queue,
            ])
            .args(["--worker-id", &slot.to_string()])
            .args(["--test-env-number", &number.to_string()])
            .arg("--workspace")
            .arg(workspace)
            .arg("--preloader")
            .arg(&socket)
            .args(["--listener-id", &args.listener_id()])
            // A name of a host may begin with a dash.
            .arg(format!("--host-name={}", args.host_name()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if queue_may_be_late {
            command.arg("--queue-may-be-late");
        }
        let options = Options {
            parent_death: Some(Signal::Kill),
            ..Options::default()
        };
        let mut child = child::spawn(command, options)?;
        let note = local::item_note(&socket, child.pid());
        let broken = || WorkerError::Talk(std::io::ErrorKind::BrokenPipe.into());
        let mut stdin = child.take_stdin().ok_or_else(broken)?;
        let stdout = child.take_stdout().ok_or_else(broken)?;
        // A slow manager makes its workers wait, which harms nobody.
        let (sender, lines) = bounded(16);
        let item = Item::default();
        let latest = Arc::clone(&item);
        thread::Builder::new()
            .name(format!("worker {slot}"))
            .spawn(move || {
                // A worker that is gone is noticed by its end. Its stdin stays open until then: the
                // end of it would be our end.
                let _ = stdin.write_all(&definition).and_then(|()| stdin.write_all(b"\n"));
                let mut reader = BufReader::new(stdout);
                let mut line = Vec::new();
                let mut idle = false;
                while let Ok(Some(_)) = lines::next(&mut reader, &mut line, LINE_MAX_BYTES) {
                    match message::read(&line) {
                        Ok(line) => {
                            let item = matches!(line, WorkerLine::Item { .. });
                            if item {
                                *latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(line.clone());
                            }
                            // The first item after a while without any is news: the slot is in use.
                            if item && !idle {
                                continue;
                            }
                            idle = line == WorkerLine::Idle;
                            if sender.send(line).is_err() {
                                return;
                            }
                        }
                        Err(fault) => warn!(target: "gorgon::manager", slot, fault; "a line of a worker is not understood"),
                    }
                }
                drop(stdin);
            })
            .map_err(WorkerError::Talk)?;
        Ok(Self {
            child,
            lines,
            item,
            note,
        })
    }

    /// Returns its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Returns where its end arrives.
    #[must_use]
    pub fn end(&self) -> &Receiver<End> {
        self.child.end()
    }

    /// Returns where its lines arrive, but for those of its items.
    #[must_use]
    pub fn lines(&self) -> &Receiver<WorkerLine> {
        &self.lines
    }

    /// Returns what it said last, after its end, and the first item of the latest delivery that it told of.
    #[must_use]
    pub fn last_words(&self) -> Vec<WorkerLine> {
        let until = Instant::now() + LAST_WORDS_LIMIT;
        let mut said: Vec<WorkerLine> =
            std::iter::from_fn(|| self.lines.recv_deadline(until).ok()).collect();
        // The reader has ended: what it read last is there.
        let mut item = self.item.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend(item.take());
        said
    }

    /// Takes what it wrote down of what it did, after its end. It may have told that itself, or not.
    #[must_use]
    pub fn take_note(&self) -> Noted {
        let noted = fs::read(&self.note).unwrap_or_default();
        let _ = fs::remove_file(&self.note);
        Noted::read(&noted)
    }

    /// Signals it; a KILL goes to its whole group.
    pub fn signal(&self, signal: Signal) {
        match signal {
            Signal::Kill => self.child.signal_group(signal),
            _ => self.child.signal(signal),
        }
    }
}
