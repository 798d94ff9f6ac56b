//! By hand: a preloader of the worker's own, in a directory of its own.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, at, select_biased};
use gorgon_process::child::End;
use gorgon_process::exit::Hint;
use gorgon_process::signals::Signal;
use gorgon_ruby::{
    Callback, CallbackFailure, Preloader, PreloaderEvent, Refusal, RubyError, RubySettings,
};
use tempfile::TempDir;

/// How long a preloader may take to end.
const END_LIMIT: Duration = Duration::from_secs(5);

/// There is no preloader.
#[derive(Debug, thiserror::Error)]
pub enum OwnPreloaderError {
    /// No directory for its socket.
    #[error("make a directory for the preloader's socket")]
    Directory(#[source] std::io::Error),
    /// Ruby cannot be started.
    #[error(transparent)]
    Ruby(#[from] RubyError),
    /// A callback raised.
    #[error("{} raised {}: {}\n{}", .0.what(), .0.exception.as_deref().unwrap_or("an error"), .0.message, .0.output)]
    Callback(Box<CallbackFailure>),
    /// No file can run with it.
    #[error("{}: {}", .0.what, .0.message)]
    Refused(Box<Refusal>),
    /// It ended.
    #[error("the preloader ended: {end}\n{output}")]
    Ended {
        /// How.
        end: End,
        /// What it printed.
        output: String,
    },
    /// Ctrl-C.
    #[error("cancelled while the preloader started")]
    Cancelled,
}

impl Hint for OwnPreloaderError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Ruby(error) => error.hint(),
            Self::Callback(failure) => failure.backtrace.first().map(|line| format!("see {line}")),
            Self::Directory(_) | Self::Refused(_) | Self::Ended { .. } | Self::Cancelled => None,
        }
    }

    fn exit(&self) -> u8 {
        match self {
            Self::Cancelled => gorgon_process::exit::CANCELLED,
            Self::Ruby(_)
            | Self::Callback(_)
            | Self::Refused(_)
            | Self::Directory(_)
            | Self::Ended { .. } => gorgon_process::exit::ERROR,
        }
    }
}

/// A running preloader and its socket.
#[derive(Debug)]
pub struct OwnPreloader {
    preloader: Preloader,
    directory: TempDir,
}

impl OwnPreloader {
    /// Starts one and waits until it is ready.
    ///
    /// # Errors
    /// When it is not, or a signal came first.
    pub fn start(
        settings: &RubySettings,
        signals: &Receiver<Signal>,
    ) -> Result<Self, OwnPreloaderError> {
        let directory = tempfile::Builder::new()
            .prefix("gorgon-")
            .tempdir()
            .map_err(OwnPreloaderError::Directory)?;
        let preloader = Preloader::start(settings, &directory.path().join("preloader"))?;
        let own = Self {
            preloader,
            directory,
        };
        select_biased! {
            recv(signals) -> _ => Err(OwnPreloaderError::Cancelled),
            recv(own.events()) -> event => match event {
                Ok(PreloaderEvent::Ready { .. } | PreloaderEvent::CallbackDone(_)) => Ok(own),
                Ok(PreloaderEvent::CallbackFailed(failure)) => Err(OwnPreloaderError::Callback(Box::new(failure))),
                Ok(PreloaderEvent::Refused(refusal)) => Err(OwnPreloaderError::Refused(Box::new(refusal))),
                Ok(PreloaderEvent::Ended { end, output }) => Err(OwnPreloaderError::Ended { end, output }),
                Ok(PreloaderEvent::Declined { .. }) | Err(_) => Err(OwnPreloaderError::Ended { end: End::Signaled(Signal::Kill.number()), output: String::new() }),
            }
        }
    }

    /// Returns its socket.
    #[must_use]
    pub fn socket(&self) -> std::path::PathBuf {
        self.directory.path().join("preloader")
    }

    /// Returns where its events arrive.
    #[must_use]
    pub fn events(&self) -> &Receiver<PreloaderEvent> {
        self.preloader.events()
    }

    /// Runs after_creating_workers, then ends it.
    ///
    /// # Errors
    /// When the callback raises.
    pub fn end(self, limit: Duration) -> Result<(), OwnPreloaderError> {
        self.preloader.run_callback(Callback::AfterCreatingWorkers);
        let answered = self.wait(limit);
        self.preloader.stop();
        if !matches!(answered, Err(OwnPreloaderError::Ended { .. })) {
            // Its end is all that follows; dropping it ends it in any case.
            let _ = self.wait(END_LIMIT);
        }
        answered
    }

    fn wait(&self, limit: Duration) -> Result<(), OwnPreloaderError> {
        let timer = at(Instant::now() + limit);
        select_biased! {
            recv(self.events()) -> event => match event {
                Ok(PreloaderEvent::CallbackFailed(failure)) => Err(OwnPreloaderError::Callback(Box::new(failure))),
                Ok(PreloaderEvent::Refused(refusal)) => Err(OwnPreloaderError::Refused(Box::new(refusal))),
                Ok(PreloaderEvent::Ended { end, output }) => Err(OwnPreloaderError::Ended { end, output }),
                Ok(PreloaderEvent::Ready { .. } | PreloaderEvent::CallbackDone(_) | PreloaderEvent::Declined { .. })
                | Err(_) => Ok(()),
            },
            recv(timer) -> _ => Ok(()),
        }
    }
}
