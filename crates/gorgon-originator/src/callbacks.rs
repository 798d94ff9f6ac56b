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
    let (cancel, cancelled) = bounded::<()>(0);
    let (done, result) = bounded(1);
    let settings = settings.clone();
    let spawned = thread::Builder::new()
        .name("callback".to_owned())
        .spawn(move || {
            let waiting = Waiting {
                limit,
                cancel: cancelled,
            };
            // Nobody waits for it any more after a signal.
            let _ = done.send(run_callback(&settings, callback, &waiting));
        });
    let Ok(thread) = spawned else {
        log::error!(target: "gorgon::originator", callback:% = callback; "no thread to run it");
        return Ran::Interrupted;
    };
    let ran = select_biased! {
        recv(signals) -> _ => {
            drop(cancel);
            Ran::Interrupted
        }
        recv(result) -> result => match result {
            Ok(Ok(reply)) => Ran::Returned(reply),
            Ok(Err(error)) => Ran::Failed(error),
            Err(_) => Ran::Interrupted,
        }
    };
    // The thread kills the callback's process before it ends; a panic of it is logged by std.
    let _ = thread.join();
    ran
}
