//! Errors that prevent a run.

use gorgon_broker::OpenError;
use gorgon_process::exit::{ERROR, Hint};
use gorgon_process::logging::LogError;
use gorgon_ruby::CallbackError;

use crate::local::LocalError;
use crate::screen::ReportError;
use crate::select::SelectError;
use crate::settings::SettingsError;
use crate::source::SourceError;

/// Why there is no run, or how it ended without being one of tests.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The words of the command line.
    #[error("choose the files")]
    Select(#[from] SelectError),
    /// Nothing to run.
    #[error("no files: {0}")]
    NoFiles(String),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Signals.
    #[error("listen to signals")]
    Signals(#[source] std::io::Error),
    /// A callback of the originator.
    #[error("the callback before_originate")]
    BeforeOriginate(#[source] CallbackError),
    /// The local broker or listener.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The broker.
    #[error(transparent)]
    Broker(#[from] OpenError),
    /// The source cannot be offered.
    #[error(transparent)]
    Source(#[from] SourceError),
}

impl Hint for RunError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Settings(error) => error.hint(),
            Self::Select(error) => error.hint(),
            Self::Signals(_) => None,
            Self::NoFiles(_) => Some("name files, or correct `files` in gorgon.json".to_owned()),
            Self::Log(error) => error.hint(),
            Self::Report(error) => error.hint(),
            Self::BeforeOriginate(error) => error.hint(),
            Self::Local(error) => error.hint(),
            Self::Broker(error) => error.hint(),
            Self::Source(error) => error.hint(),
        }
    }

    fn exit(&self) -> u8 {
        match self {
            Self::Source(error) => error.exit(),
            _ => ERROR,
        }
    }
}
