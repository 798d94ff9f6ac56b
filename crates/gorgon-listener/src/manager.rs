//! Starting a worker manager, and hearing its last words.

use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use gorgon_process::child::{self, Child, Options};
use gorgon_process::{exit, sibling};
use gorgon_proto::job::JobDefinition;
use gorgon_proto::message::{self, HostError};

/// The last lines of the log of a manager that we show when it could not begin.
const LAST_LINES: usize = 10;

/// A manager that runs.
pub(crate) struct Manager {
    /// The process.
    pub(crate) child: Child,
    /// As long as it is open, the manager knows that we live.
    stdin: Option<ChildStdin>,
    said: Arc<Mutex<Vec<String>>>,
}

/// What a manager is started with, besides the job.
pub(crate) struct Place<'a> {
    pub(crate) config: &'a Path,
    pub(crate) listener_queue: &'a str,
    pub(crate) listener_id: &'a str,
    pub(crate) host_name: &'a str,
    pub(crate) slots: u32,
    pub(crate) workspace: &'a Path,
    pub(crate) in_place: bool,
    pub(crate) test_env_offset: u32,
    pub(crate) log_file: Option<&'a PathBuf>,
}

impl Manager {
    /// Starts the manager of a job.
    pub(crate) fn start(job: &JobDefinition, place: &Place<'_>) -> Result<Self, HostError> {
        let failed = |message: String| HostError {
            what: "starting the worker manager".to_owned(),
            message,
            command: "gorgon-worker-manager".to_owned(),
            output: String::new(),
        };
        let program =
            sibling::find("gorgon-worker-manager").map_err(|e| failed(exit::chain(&e)))?;
        let count = place
            .slots
            .min(job.slots.unwrap_or(u32::MAX))
            .min(job.items)
            .max(1);
        let slots: Vec<String> = (1..=count).map(|slot| slot.to_string()).collect();
        let mut command = Command::new(program);
        command
            .arg("--config")
            .arg(place.config)
            .arg(format!("--job={}", job.job))
            .arg(format!("--file-queue={}", job.file_queue_name))
            .arg(format!("--reply-queue={}", job.reply_queue_name))
            .arg(format!("--listener-queue={}", place.listener_queue))
            .arg(format!("--listener-id={}", place.listener_id))
            .arg(format!("--host-name={}", place.host_name))
            .arg(format!("--slots={}", slots.join(",")))
            .arg("--workspace")
            .arg(place.workspace);
        if place.in_place {
            command.arg("--in-place");
        }
        if place.test_env_offset > 0 {
            command.arg(format!("--test-env-offset={}", place.test_env_offset));
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child =
            child::spawn(command, Options::default()).map_err(|e| failed(exit::chain(&e)))?;
        let said = Arc::new(Mutex::new(Vec::new()));
        if let Some(stderr) = child.take_stderr() {
            let (said, log_file) = (Arc::clone(&said), place.log_file.cloned());
            thread::Builder::new()
                .name("manager's log".to_owned())
                .spawn(move || hand_on(BufReader::new(stderr), log_file.as_deref(), &said))
                .map_err(|e| failed(e.to_string()))?;
        }
        let mut stdin = child.take_stdin();
        if let Some(pipe) = &mut stdin {
            let mut line = message::write(job);
            line.push(b'\n');
            pipe.write_all(&line)
                .map_err(|e| failed(format!("handing over the job definition: {e}")))?;
        }
        Ok(Self { child, stdin, said })
    }

    /// Lets the manager see that nobody is above it any more.
    pub(crate) fn let_go(&mut self) {
        self.stdin = None;
    }

    /// Returns its last lines.
    pub(crate) fn last_words(&self) -> String {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .join("\n")
    }
}

/// Copies a manager's log to ours, line by line, and keeps the last lines.
fn hand_on(lines: impl BufRead, log_file: Option<&Path>, said: &Mutex<Vec<String>>) {
    let mut sink: Box<dyn Write> = match log_file {
        Some(path) if path.as_os_str() == "-" => Box::new(io::stdout()),
        Some(path) => match OpenOptions::new().append(true).create(true).open(path) {
            Ok(file) => Box::new(file),
            Err(_) => Box::new(io::stderr()),
        },
        None => Box::new(io::stderr()),
    };
    for line in lines.split(b'\n') {
        let Ok(mut line) = line else { return };
        {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push(String::from_utf8_lossy(&line).into_owned());
            let surplus = said.len().saturating_sub(LAST_LINES);
            said.drain(..surplus);
        }
        line.push(b'\n');
        // A log that cannot be written must not stop a job.
        let _ = sink.write_all(&line);
    }
}
