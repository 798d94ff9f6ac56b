//! The listener, as its manager sees it: it sends the job definition on our stdin, then which slots
//! are ours, and its end is the end of that pipe. What it is to know goes to our stdout.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use gorgon_process::lines;
use gorgon_proto::job::JobDefinition;
use gorgon_proto::local::{ListenerLine, ManagerLine};
use gorgon_proto::message;
use log::warn;

/// Maximum number of the listener's lines that wait for the loop.
const LINES: usize = 64;
/// Maximum length of such a line, in bytes.
const LINE_MAX_BYTES: usize = 1 << 16;

/// There is no job definition.
#[derive(Debug, thiserror::Error)]
pub enum MeetError {
    /// stdin holds something else.
    #[error("read the job definition from stdin")]
    Definition(#[source] serde_json::Error),
    /// stdin is empty.
    #[error("there is no job definition on stdin")]
    Nothing,
    /// No thread can be had.
    #[error("watch stdin")]
    Watch(#[source] io::Error),
}

/// Reads the job definition; the receiver brings what the listener says, and is disconnected when
/// that is gone. There is none for a stdin that is a file or a terminal: it belongs to a person,
/// and its end means nothing.
///
/// # Errors
/// When it is none.
pub fn meet() -> Result<(JobDefinition, Option<Receiver<ListenerLine>>), MeetError> {
    let piped = is_piped();
    let mut stdin = BufReader::new(io::stdin());
    let read = serde_json::Deserializer::from_reader(&mut stdin)
        .into_iter::<JobDefinition>()
        .next();
    let definition = read
        .ok_or(MeetError::Nothing)?
        .map_err(MeetError::Definition)?;
    if !piped {
        return Ok((definition, None));
    }
    let (sender, lines) = bounded(LINES);
    thread::Builder::new()
        .name("listener".to_owned())
        .spawn(move || {
            let mut line = Vec::new();
            while let Ok(Some(length)) = lines::next(&mut stdin, &mut line, LINE_MAX_BYTES) {
                if length == 0 {
                    // The rest of the definition's own line.
                    continue;
                }
                match message::read(&line) {
                    // The loop may have ended.
                    Ok(line) => {
                        if sender.send(line).is_err() {
                            return;
                        }
                    }
                    Err(fault) => warn!(target: "gorgon::manager", fault; "a line of the listener is not understood"),
                }
            }
        })
        .map_err(MeetError::Watch)?;
    Ok((definition, Some(lines)))
}

/// Tells the listener something.
pub fn tell(line: &ManagerLine) {
    let mut bytes = message::write(line);
    bytes.push(b'\n');
    let mut stdout = io::stdout().lock();
    // A listener that is gone is noticed elsewhere.
    let _ = stdout.write_all(&bytes).and_then(|()| stdout.flush());
}

fn is_piped() -> bool {
    let copy = io::stdin().as_fd().try_clone_to_owned().map(File::from);
    let kind = copy
        .and_then(|file| file.metadata())
        .map(|meta| meta.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}
