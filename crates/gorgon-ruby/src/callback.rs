//! Callbacks that run in a Ruby process of their own.

use std::fmt;
use std::time::Duration;

use crossbeam_channel::{Receiver, at, never, select_biased};
use gorgon_process::child::{End, SpawnError};
use gorgon_process::exit::Hint;

use crate::booted::Booted;
use crate::defined::may_define;
use crate::preloader::RubyError;
use crate::protocol::{CallbackFailure, FromBoot, Mode};
use crate::settings::{Callback, RubySettings};

/// How long the end of a process is waited for, once it has told how its callback went.
const END_LIMIT: Duration = Duration::from_secs(5);

/// What a callback that returned has to say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallbackReply {
    /// The String that it returned, if it was one.
    pub returned: Option<String>,
    /// What was printed, cut in the middle.
    pub output: String,
}

/// How long a callback is waited for.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// It is killed when it takes longer.
    pub limit: Duration,
    /// It is killed when something arrives here, or the other end is dropped.
    pub cancel: Receiver<()>,
}

impl Waiting {
    /// Waits for a time, and for nothing else.
    #[must_use]
    pub fn within(limit: Duration) -> Self {
        Self {
            limit,
            cancel: never(),
        }
    }
}

/// A callback did not return.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// Ruby could not be started.
    #[error("run {callback}")]
    Start {
        /// The callback.
        callback: Callback,
        /// What Ruby's start met.
        source: Box<RubyError>,
    },
    /// It raised, or ended Ruby in a way that Ruby could tell.
    #[error("{} raised {}", failure.what(), Told(failure))]
    Raised {
        /// Everything about it.
        failure: Box<CallbackFailure>,
    },
    /// Ruby ended before the callback had returned.
    #[error("{callback} ended Ruby with {end}")]
    Ended {
        /// The callback.
        callback: Callback,
        /// How Ruby ended.
        end: End,
        /// What was printed, cut in the middle.
        output: String,
    },
    /// It took too long and was killed.
    #[error("{callback} was killed after {} s", limit.as_secs_f64())]
    TimedOut {
        /// The callback.
        callback: Callback,
        /// The limit.
        limit: Duration,
        /// What was printed, cut in the middle.
        output: String,
    },
    /// It was killed because the job was cancelled.
    #[error("{callback} was cancelled")]
    Cancelled {
        /// The callback.
        callback: Callback,
    },
}

struct Told<'a>(&'a CallbackFailure);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(exception) = &self.0.exception else {
            return f.write_str(&self.0.message);
        };
        write!(f, "{exception}: {}", self.0.message)
    }
}

impl CallbackError {
    /// Returns what was printed, if Ruby was started.
    #[must_use]
    pub fn output(&self) -> &str {
        match self {
            Self::Raised { failure } => &failure.output,
            Self::Ended { output, .. } | Self::TimedOut { output, .. } => output,
            Self::Start { source, .. } => source.output(),
            Self::Cancelled { .. } => "",
        }
    }
}

impl Hint for CallbackError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Start { source, .. } => source.hint(),
            Self::TimedOut { .. } => Some("callback_timeout in gorgon.json sets the limit".into()),
            Self::Raised { failure } => failure.backtrace.first().map(|at| format!("see {at}")),
            Self::Ended { .. } | Self::Cancelled { .. } => None,
        }
    }
}

impl From<(Callback, SpawnError)> for CallbackError {
    fn from((callback, error): (Callback, SpawnError)) -> Self {
        Self::Start {
            callback,
            source: Box::new(RubyError::from(error)),
        }
    }
}

/// Runs one callback in a fresh Ruby process; one that the user cannot have defined returns at once, without Ruby.
///
/// # Errors
/// When Ruby cannot be started, or the callback raises, ends Ruby, takes too long, is cancelled.
pub fn run_callback(
    settings: &RubySettings,
    callback: Callback,
    waiting: &Waiting,
) -> Result<CallbackReply, CallbackError> {
    if !may_define(settings, callback) {
        return Ok(CallbackReply::default());
    }
    let start = |source| CallbackError::Start {
        callback,
        source: Box::new(source),
    };
    let booted = Booted::start(settings, Mode::Callback, None, Some(callback)).map_err(start)?;
    let limit_at = at(std::time::Instant::now() + waiting.limit);
    let line = select_biased! {
        recv(booted.lines) -> line => line.ok(),
        recv(waiting.cancel) -> _ => return Err(CallbackError::Cancelled { callback }),
        recv(limit_at) -> _ => {
            let output = booted.kill();
            return Err(CallbackError::TimedOut { callback, limit: waiting.limit, output });
        }
    };
    let (end, output) = booted.finish(END_LIMIT);
    match line {
        Some(FromBoot::CallbackDone { returned, .. }) => Ok(CallbackReply { returned, output }),
        Some(FromBoot::CallbackFailed(failure)) => Err(CallbackError::Raised {
            failure: Box::new(CallbackFailure { output, ..failure }),
        }),
        Some(FromBoot::Ready | FromBoot::Refused(_)) | None => Err(CallbackError::Ended {
            callback,
            end,
            output,
        }),
    }
}
