//! The worker's manager: it sends the job definition on our stdin, and its end is the end of that.

use std::io::{self, BufReader, Read, Write};
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use gorgon_proto::job::JobDefinition;
use gorgon_proto::local::{WORKER_CALLBACK_FAILED, WorkerLine};
use gorgon_proto::message;

use crate::start::StartError;

/// Reads the job definition; the receiver is disconnected when the manager is gone.
///
/// # Errors
/// When it is none, or no thread can be had.
pub fn meet() -> Result<(JobDefinition, Receiver<()>), StartError> {
    let mut stdin = BufReader::new(io::stdin());
    let mut values = serde_json::Deserializer::from_reader(&mut stdin).into_iter::<JobDefinition>();
    let definition = match values.next() {
        Some(read) => read.map_err(StartError::Definition)?,
        None => return Err(StartError::Usage("no job definition on stdin".to_owned())),
    };
    let (alive, gone) = bounded(0);
    thread::Builder::new()
        .name("manager".to_owned())
        .spawn(move || {
            // It says nothing more; the end of the stream is its end.
            let _ = io::copy(&mut stdin.take(u64::MAX), &mut io::sink());
            drop(alive);
        })
        .map_err(StartError::Signals)?;
    Ok((definition, gone))
}

/// Who reads our stdout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The manager.
    Manager,
    /// By hand: a program, which gets lines of JSON.
    Program,
    /// By hand: a person.
    Person,
}

/// Tells why this worker ends early, to the manager if there is one, and to the log; returns the exit code. A person
/// has read it on stdout already.
pub fn tell_end(reader: Reader, line: WorkerLine) -> u8 {
    if let WorkerLine::Failed { error } | WorkerLine::Refused { error } = &line
        && reader != Reader::Person
    {
        log::error!(target: "gorgon::worker", what:% = error.what, output = error.output; "{}", error.message);
    }
    if reader == Reader::Manager {
        tell(&line);
    }
    WORKER_CALLBACK_FAILED
}

/// Tells the manager something.
pub fn tell(line: &WorkerLine) {
    let mut bytes = message::write(line);
    bytes.push(b'\n');
    let mut stdout = io::stdout().lock();
    // A manager that is gone is noticed elsewhere.
    let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
}
