//! What a worker runs, where its manager finds it at its death: the start of the first item of the delivery, in the same
//! words as to the originator. So the manager can tell it for a worker that had no time to. Writing it wakes nobody.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use gorgon_proto::local;
use gorgon_proto::message::{self, Reply, Start};

/// The note of this process.
#[derive(Debug)]
pub struct Note {
    file: File,
}

impl Note {
    /// Makes it, beside the socket of the preloader.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn make(socket: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(local::item_note(socket, std::process::id()))?;
        Ok(Self { file })
    }

    /// Writes down the start of an item, or that none runs. What follows the line is left from longer ones before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, runs: Option<&Start>) -> io::Result<()> {
        let mut line = match runs {
            Some(start) => message::write(&Reply::Start(start.clone())),
            None => Vec::new(),
        };
        line.push(b'\n');
        self.file.write_all_at(&line, 0)
    }
}
