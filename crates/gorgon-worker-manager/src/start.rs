//! What the manager needs to begin, and what can be wrong with it.

use std::io;
use std::path::{Path, PathBuf};

use gorgon_broker::{OpenError, Target};
use gorgon_process::exit::Hint;
use gorgon_process::logging;
use gorgon_proto::config::{self, ConfigError, Text};
use gorgon_proto::job::SCHEMA;

use crate::parent::MeetError;

/// The manager cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No job definition.
    #[error(transparent)]
    Meet(#[from] MeetError),
    /// The job is of another version.
    #[error("the job definition has schema {theirs}, this gorgon-worker-manager {SCHEMA}")]
    Schema {
        /// Its schema.
        theirs: u32,
    },
    /// The configuration cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No broker.
    #[error(transparent)]
    Broker(#[from] OpenError),
    /// The system refuses something.
    #[error("{what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// The log cannot be written.
    #[error(transparent)]
    Log(#[from] logging::LogError),
}

impl Hint for RunError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Broker(error) => error.hint(),
            Self::Meet(_) => {
                Some("a listener starts it; gorgon-worker-manager --help tells more".to_owned())
            }
            Self::Schema { .. }
            | Self::Read { .. }
            | Self::Config(_)
            | Self::System { .. }
            | Self::Log(_) => None,
        }
    }
}

/// Reads the connection of a configuration file.
///
/// # Errors
/// When the file cannot be read or used.
pub fn target(path: &Path) -> Result<Target, RunError> {
    let text = gorgon_process::patient::read_to_string(path).map_err(|source| RunError::Read {
        path: path.to_owned(),
        source,
    })?;
    let read = config::listener::read(Text {
        file: &path.to_string_lossy(),
        text: &text,
    })?;
    Ok(Target::from(&read.config.connection))
}
