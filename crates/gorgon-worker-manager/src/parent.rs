//! The listener, as its manager sees it: it sends the job definition on our stdin, and its end is
//! the end of that pipe.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::thread;

use crossbeam_channel::{Receiver, bounded, never};
use gorgon_proto::job::JobDefinition;

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

/// Reads the job definition; the receiver is disconnected when the listener is gone. A stdin that
/// is a file or a terminal belongs to a person, and its end means nothing.
///
/// # Errors
/// When it is none.
pub fn meet() -> Result<(JobDefinition, Receiver<()>), MeetError> {
    let piped = is_piped();
    let mut stdin = BufReader::new(io::stdin());
    let read = serde_json::Deserializer::from_reader(&mut stdin)
        .into_iter::<JobDefinition>()
        .next();
    let definition = read
        .ok_or(MeetError::Nothing)?
        .map_err(MeetError::Definition)?;
    if !piped {
        return Ok((definition, never()));
    }
    let (alive, gone) = bounded(0);
    thread::Builder::new()
        .name("listener".to_owned())
        .spawn(move || {
            // It says nothing more; the end of the stream is its end.
            let _ = io::copy(&mut stdin.take(u64::MAX), &mut io::sink());
            drop(alive);
        })
        .map_err(MeetError::Watch)?;
    Ok((definition, gone))
}

fn is_piped() -> bool {
    let copy = io::stdin().as_fd().try_clone_to_owned().map(File::from);
    let kind = copy
        .and_then(|file| file.metadata())
        .map(|meta| meta.file_type());
    kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
}
