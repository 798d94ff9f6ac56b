//! The pipe that takes what a process and its children print: emptied always, kept in part.

use std::io::{self, PipeReader, PipeWriter, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use gorgon_process::output::HeadTail;

/// A process that outlives its parent may hold the pipe open: after the end we read no longer.
const DRAIN_LIMIT: Duration = Duration::from_millis(200);

/// How long the thread needs at most to empty a pipe that nobody fills any more.
const SETTLE_LIMIT: Duration = Duration::from_millis(50);

/// A pipe that a thread empties until everybody has closed it.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    output: Arc<Mutex<HeadTail>>,
    closed: Receiver<()>,
}

impl Kept {
    /// Makes a pipe, whose writing end is for stdout and stderr of a process to be started.
    pub(crate) fn pipe() -> io::Result<(Self, PipeWriter)> {
        let (reader, writer) = io::pipe()?;
        let output = Arc::new(Mutex::new(HeadTail::default()));
        let (sender, closed) = bounded(0);
        let shared = Arc::clone(&output);
        thread::Builder::new()
            .name("ruby output".to_owned())
            .spawn(move || drain(reader, &shared, sender))?;
        Ok((Self { output, closed }, writer))
    }

    /// Returns what was printed since the last taking, after the end of the process.
    pub(crate) fn finish(&self) -> String {
        // Nothing is ever sent: it disconnects, or the time is over.
        let _ = self.closed.recv_deadline(Instant::now() + DRAIN_LIMIT);
        self.take()
    }

    /// Returns what was printed since the last taking, with what is on its way through the pipe.
    pub(crate) fn settle(&self) -> String {
        // Nothing is ever sent.
        let _ = self.closed.recv_timeout(SETTLE_LIMIT);
        self.take()
    }

    /// Returns what was printed since the last taking.
    pub(crate) fn take(&self) -> String {
        let mut output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *output).finish()
    }
}

fn drain(mut pipe: PipeReader, output: &Mutex<HeadTail>, closed: Sender<()>) {
    let mut buffer = [0; 8192];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => {
                output
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(&buffer[..read]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    drop(closed);
}
