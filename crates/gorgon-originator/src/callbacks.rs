//! before_originate and after_job_finishes: the callbacks that run in the originator's place.

use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, select_biased};
use gorgon_process::Signal;
use gorgon_ruby::{Callback, CallbackError, CallbackReply, RubySettings, Waiting, run_callback};

/// How a callback went.
#[derive(Debug)]
pub enum Ran {
    /// It returned, or is not there.
    Returned(CallbackReply),
    /// It did not return.
    Failed(CallbackError),
    /// A signal came; it was killed.
    Interrupted,
}

/// Runs a callback; a signal ends it.
#[must_use]
pub fn run(
    settings: &RubySettings,
    callback: Callback,
    limit: Duration,
    signals: &Receiver<Signal>,
) -> Ran {
    let settings = settings.clone();
    let run = move |cancel| run_callback(&settings, callback, &Waiting { limit, cancel });
    match beside(signals, "callback", run) {
        Some(Ok(reply)) => Ran::Returned(reply),
        Some(Err(error)) => Ran::Failed(error),
        None => Ran::Interrupted,
    }
}

/// Runs what starts a process in a thread, and waits for it. At a signal the channel that it is given disconnects, which
/// has it kill the process; then there is no result.
#[must_use]
pub fn beside<T: Send + 'static>(
    signals: &Receiver<Signal>,
    name: &str,
    run: impl FnOnce(Receiver<()>) -> T + Send + 'static,
) -> Option<T> {
    let (cancel, cancelled) = bounded::<()>(0);
    let (done, result) = bounded(1);
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
        // Nobody waits for it any more after a signal.
        let _ = done.send(run(cancelled));
    });
    let Ok(thread) = spawned else {
        log::error!(target: "gorgon::originator", name:%; "no thread to run it");
        return None;
    };
    let ran = select_biased! {
        recv(signals) -> _ => {
            drop(cancel);
            None
        }
        recv(result) -> result => result.ok(),
    };
    // The thread kills its process before it ends; a panic of it is logged by std.
    let _ = thread.join();
    ran
}
