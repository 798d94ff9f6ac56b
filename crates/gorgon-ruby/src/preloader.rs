//! The preloader as its owner, a manager, sees it.

use std::path::Path;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, after, bounded, never, select_biased};
use gorgon_process::child::{End, SpawnError};
use gorgon_process::exit::Hint;
use gorgon_process::signals::Signal;

use crate::booted::Booted;
use crate::protocol::{CallbackFailure, FromBoot, Mode, Refusal, ToPreloader};
use crate::rails::{self, WrongEnvironment};
use crate::settings::{Callback, RubySettings};

/// How long the last lines of a process that has ended are waited for: they are in the socket.
const LAST_LINES_LIMIT: Duration = Duration::from_millis(200);

/// What a process is taken for whose end nobody saw.
pub(crate) const KILLED: End = End::Signaled(9);

/// Ruby could not be started.
#[derive(Debug, thiserror::Error)]
pub enum RubyError {
    /// The scripts cannot be unpacked.
    #[error("unpack the Ruby scripts")]
    Unpack(#[source] std::io::Error),
    /// The project's directory cannot be entered.
    #[error("enter {directory}")]
    Directory {
        /// The directory.
        directory: String,
        /// Why not.
        source: std::io::Error,
    },
    /// No socket, pipe or thread can be had.
    #[error("connect with Ruby")]
    Connect(#[source] std::io::Error),
    /// The shell's environment is not for tests.
    #[error(transparent)]
    Environment(#[from] WrongEnvironment),
    /// The program is not there.
    #[error("start Ruby")]
    Spawn(#[from] SpawnError),
}

impl RubyError {
    pub(crate) fn output(&self) -> &str {
        ""
    }
}

impl Hint for RubyError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Spawn(error) => {
                let how = "\"ruby\" in gorgon.json says how Ruby is started, a path with blanks as [\"PATH\"]";
                let installed = error.hint().map(|it| format!("{it} "));
                Some(installed.unwrap_or_default() + how)
            }
            Self::Environment(error) => error.hint(),
            Self::Unpack(_) => Some("they go to ~/.cache/gorgon, else to TMPDIR".to_owned()),
            Self::Directory { .. } | Self::Connect(_) => None,
        }
    }
}

/// What a preloader tells.
#[derive(Debug, Clone, PartialEq)]
pub enum PreloaderEvent {
    /// before_creating_workers has run, the socket listens.
    Ready {
        /// What was printed until now, cut in the middle.
        output: String,
    },
    /// A callback asked for by [`Preloader::run_callback`] has returned.
    CallbackDone(Callback),
    /// A callback raised, ended Ruby, or took too long. After one of the start an `Ended` follows.
    CallbackFailed(CallbackFailure),
    /// No file can run with it: what callbacks loaded is not for tests. `Ended` follows.
    Refused(Refusal),
    /// The last event of one that was to be forked from a kept application: it is not to be had.
    Declined {
        /// Why.
        why: String,
    },
    /// The last event: it has ended.
    Ended {
        /// How.
        end: End,
        /// What was printed and not yet told, cut in the middle.
        output: String,
    },
}

/// A running preloader. Dropped, it is killed, and its children with it.
#[derive(Debug)]
pub struct Preloader {
    pid: u32,
    asks: Sender<Ask>,
    events: Receiver<PreloaderEvent>,
}

#[derive(Debug)]
enum Ask {
    Callback(Callback),
    Stop,
    Interrupt,
    Kill,
}

impl Preloader {
    /// Starts a preloader that will listen on `socket`, whose directory must be ours alone.
    ///
    /// It dies with the thread that called this: call it from one that lives as long as the process.
    ///
    /// # Errors
    /// When Ruby cannot be started. What goes wrong later is an event.
    pub fn start(settings: &RubySettings, socket: &Path) -> Result<Self, RubyError> {
        rails::check(settings)?;
        let booted = Booted::start(settings, Mode::Preload, Some(socket), None)?;
        Self::watched(booted, settings.callback_timeout)
    }

    /// The same, forked from an application that a keeper keeps for the next jobs. If it is not to be had, the only event
    /// is `Declined`.
    ///
    /// # Errors
    /// When the keeper cannot be reached.
    pub fn fork(settings: &RubySettings, socket: &Path, keeper: &Path) -> Result<Self, RubyError> {
        rails::check(settings)?;
        let booted = Booted::join(settings, socket, keeper)?;
        Self::watched(booted, settings.callback_timeout)
    }

    fn watched(booted: Booted, limit: Duration) -> Result<Self, RubyError> {
        let pid = booted.child.pid();
        // Few: one answer an ask, and the end.
        let (sender, events) = bounded(16);
        let (asks, asked) = bounded(16);
        thread::Builder::new()
            .name(format!("preloader {pid}"))
            .spawn(move || watch(booted, &asked, &sender, limit))
            .map_err(RubyError::Connect)?;
        Ok(Self { pid, asks, events })
    }

    /// Returns its process id, for logs.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns where its events arrive.
    #[must_use]
    pub fn events(&self) -> &Receiver<PreloaderEvent> {
        &self.events
    }

    /// Runs a callback in it; `CallbackDone` or `CallbackFailed` follows.
    pub fn run_callback(&self, callback: Callback) {
        // A preloader that has ended has said so by its last event.
        let _ = self.asks.try_send(Ask::Callback(callback));
    }

    /// Lets it end; children that are left are killed. `Ended` follows.
    pub fn stop(&self) {
        let _ = self.asks.try_send(Ask::Stop);
    }

    /// Interrupts before_creating_workers and what it has started, as Ctrl-C would. One that is ready
    /// takes no notice.
    pub fn interrupt(&self) {
        let _ = self.asks.try_send(Ask::Interrupt);
    }

    /// Kills it and all of its group, one that hangs too. `Ended` follows.
    pub fn kill(&self) {
        let _ = self.asks.try_send(Ask::Kill);
    }
}

/// Turns lines, the end and the limit into events, until the end.
fn watch(
    mut booted: Booted,
    asks: &Receiver<Ask>,
    events: &Sender<PreloaderEvent>,
    limit: Duration,
) {
    let mut running = Some(Callback::BeforeCreatingWorkers);
    let mut timer = after(limit);
    let mut lines = booted.lines.clone();
    let mut asks = asks.clone();
    let mut failed = None;
    let (mut streams, mut declined) = (booted.child.streams(), booted.child.declined());
    loop {
        let event = select_biased! {
            recv(streams) -> stream => {
                streams = never();
                if let Ok(stream) = stream {
                    booted.meet(stream);
                }
                continue;
            }
            recv(declined) -> why => match why {
                Ok(why) => {
                    // Who asked may be gone.
                    let _ = events.send(PreloaderEvent::Declined { why });
                    return;
                }
                Err(_) => { declined = never(); continue; }
            },
            recv(lines) -> line => match line {
                Ok(FromBoot::Ready) => PreloaderEvent::Ready { output: booted.kept.take() },
                Ok(FromBoot::CallbackDone { callback, .. }) => PreloaderEvent::CallbackDone(callback),
                Ok(FromBoot::CallbackFailed(failure)) => {
                    if running == Some(Callback::BeforeCreatingWorkers) {
                        // It ends now; then all that it printed is there.
                        failed = Some(failure);
                        continue;
                    }
                    let output = booted.kept.settle();
                    PreloaderEvent::CallbackFailed(CallbackFailure { output, ..failure })
                }
                Ok(FromBoot::Refused(refusal)) => {
                    let output = booted.kept.settle();
                    PreloaderEvent::Refused(Refusal { output, ..refusal })
                }
                // The end follows.
                Err(_) => { lines = never(); continue; }
            },
            recv(booted.child.end()) -> end => {
                let end = end.unwrap_or(KILLED);
                return tell_end(&booted, failed, end, events);
            }
            recv(asks) -> ask => {
                match ask {
                    Ok(Ask::Callback(callback)) => {
                        running = Some(callback);
                        timer = after(limit);
                        booted.tell(&ToPreloader::Callback { callback });
                    }
                    Ok(Ask::Stop) => booted.hang_up(),
                    Ok(Ask::Interrupt) => booted.child.signal_group(Signal::Int),
                    Ok(Ask::Kill) => booted.child.signal_group(Signal::Kill),
                    // Nobody is interested any more.
                    Err(_) => { asks = never(); booted.child.signal_group(Signal::Kill); }
                }
                continue;
            }
            recv(timer) -> _ => {
                booted.child.signal_group(Signal::Kill);
                timer = never();
                failed = Some(CallbackFailure {
                    callback: running,
                    exception: None,
                    message: format!("took longer than {} s", limit.as_secs_f64()),
                    backtrace: Vec::new(),
                    output: String::new(),
                });
                continue;
            }
        };
        running = None;
        timer = never();
        if events.send(event).is_err() {
            booted.child.signal_group(Signal::Kill);
        }
    }
}

/// Tells the last events. What the reader of lines still holds is read first.
fn tell_end(
    booted: &Booted,
    mut failed: Option<CallbackFailure>,
    end: End,
    events: &Sender<PreloaderEvent>,
) {
    let mut refused = None;
    while let Ok(line) = booted.lines.recv_timeout(LAST_LINES_LIMIT) {
        match line {
            FromBoot::CallbackFailed(failure) => failed = Some(failure),
            FromBoot::Refused(refusal) => refused = Some(refusal),
            FromBoot::Ready | FromBoot::CallbackDone { .. } => {}
        }
    }
    let mut output = booted.kept.finish();
    if let Some(refusal) = refused {
        let output = std::mem::take(&mut output);
        // An owner that is gone has no use for it.
        let _ = events.send(PreloaderEvent::Refused(Refusal { output, ..refusal }));
    }
    if let Some(failure) = failed {
        let output = std::mem::take(&mut output);
        let failure = CallbackFailure { output, ..failure };
        let _ = events.send(PreloaderEvent::CallbackFailed(failure));
    }
    let _ = events.send(PreloaderEvent::Ended { end, output });
}
