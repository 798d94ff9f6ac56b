//! Files of ours that belong to one job: the configuration for its processes, the sockets of its
//! preloaders.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gorgon_proto::config::{Connection, ListenerConfig};
use gorgon_sync::{SyncError, Workspace};

/// Name of the configuration.
const CONFIG: &str = "connection.json";

/// A socket's path may have 107 bytes; a directory longer than this leaves too few for its name.
const MOST_PATH_BYTES: usize = 80;

/// The files of one job.
#[derive(Debug)]
pub(crate) struct JobFiles {
    /// The private directory; none where the originator made one.
    directory: Option<Workspace>,
    config: PathBuf,
}

impl JobFiles {
    /// Makes a private directory below `parent`, and in it the configuration with the connection.
    pub(crate) fn make(parent: &Path, connection: &Connection) -> Result<Self, SyncError> {
        let directory = Workspace::create(parent, "run")?;
        let config = directory.path().join(CONFIG);
        let own = ListenerConfig {
            connection: connection.clone(),
            ..ListenerConfig::default()
        };
        write(&config, &own.to_text()).map_err(|source| SyncError::File {
            what: "write",
            path: config.clone(),
            source,
        })?;
        Ok(Self {
            directory: Some(directory),
            config,
        })
    }

    /// Takes the configuration that the originator of `--local` made for us, with the directory
    /// that it keeps for this job.
    pub(crate) fn of_originator(config: PathBuf) -> Self {
        Self {
            directory: None,
            config,
        }
    }

    /// Returns the configuration.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// Returns where sockets may lie, if there is a place whose path is short enough.
    pub(crate) fn run_dir(&self) -> Option<&Path> {
        let own = self.directory.as_ref().map(Workspace::path);
        own.or_else(|| self.config.parent())
            .filter(|path| path.as_os_str().len() <= MOST_PATH_BYTES)
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes()).inspect_err(|_| {
        // The error that matters is the first.
        let _ = fs::remove_file(path);
    })
}
