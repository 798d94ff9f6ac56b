//! Why a listener does not begin.

use std::io;
use std::path::PathBuf;

use gorgon_broker::OpenError;
use gorgon_process::exit::Hint;
use gorgon_process::logging::LogError;

use crate::config::LoadError;

/// The listener cannot work.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The directory of `--in-place`.
    #[error("use the directory {}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Without a memory a signed message could be used again.
    #[error("keep the signatures that were used in {}", path.display())]
    Replays {
        /// The cache directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `--in-place` without a file.
    #[error("run in place without a configuration file")]
    NoFile,
    /// The system gives no signals, threads or random numbers.
    #[error("set up the listener")]
    System(#[from] io::Error),
    /// The session with the broker.
    #[error(transparent)]
    Broker(#[from] OpenError),
    /// The session has given up.
    #[error("speak with the broker: {0}")]
    GaveUp(String),
    /// The broker lets nobody consume the listener's own queue any more, so no job would be heard of.
    #[error("consume the queue {queue} again: {said}")]
    Deaf {
        /// The queue.
        queue: String,
        /// The broker's words.
        said: String,
    },
    /// A thread that lives as long as the listener has ended.
    #[error("go on without a thread that has ended: this is a bug")]
    Broken,
}

impl Hint for RunError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Log(error) => error.hint(),
            Self::Broker(error) => error.hint(),
            Self::NoFile => Some("name it: --config PATH".to_owned()),
            Self::Replays { .. } => {
                Some("make it writable for the listener, or set cache_dir".to_owned())
            }
            Self::Deaf { .. } => Some(
                "give the broker account the rights of configs/rabbitmq-permissions.sample"
                    .to_owned(),
            ),
            Self::Directory { .. } | Self::System(_) | Self::GaveUp(_) | Self::Broken => None,
        }
    }
}
