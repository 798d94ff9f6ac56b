//! What a worker does, where its manager finds it at its death: the delivery that it runs, and whether it ends a Ruby
//! child. So the manager can tell that for a worker that had no time to. Writing it wakes nobody.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use gorgon_proto::local::{self, Noted};

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

    /// Writes it down. What follows the line is left from longer ones before.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, noted: &Noted) -> io::Result<()> {
        self.file.write_all_at(&noted.line(), 0)
    }
}
