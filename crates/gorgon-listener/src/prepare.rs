//! Making a job's workspace, in a thread of its own: is the job still wanted, pull, copy, after_sync.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use gorgon_broker::{Target, look_at_queue};
use gorgon_process::exit;
use gorgon_proto::job::JobDefinition;
use gorgon_proto::message::{HostError, LeaveReason};
use gorgon_ruby::{Callback, CallbackError, RubySettings, Waiting, run_callback};

use crate::host_jobs::Unprepared;

/// How long the broker is asked whether a job still exists.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// What a preparation needs.
pub(crate) struct Order {
    pub(crate) job: JobDefinition,
    pub(crate) target: Target,
    /// Run here, and leave everything as it is.
    pub(crate) in_place: Option<PathBuf>,
}

/// A workspace that is ready.
pub(crate) struct Ready {
    /// The manager's `--workspace`.
    pub(crate) directory: PathBuf,
}

/// A preparation under way.
pub(crate) struct Preparation {
    /// Where its end arrives.
    pub(crate) result: Receiver<Result<Ready, Unprepared>>,
    cancel: Sender<()>,
}

impl Preparation {
    /// Begins.
    pub(crate) fn begin(order: Order) -> Self {
        let (done, result) = bounded(1);
        let (cancel, cancelled) = bounded(1);
        let failed = done.clone();
        let thread = thread::Builder::new()
            .name("prepare".to_owned())
            .spawn(move || {
                // The loop is gone when we are: then nobody wants to know.
                let _ = done.send(prepare(&order, &cancelled));
            });
        if let Err(source) = thread {
            // The channel holds one and nothing was sent.
            let _ = failed.send(Err(Unprepared::Failed(
                LeaveReason::SyncFailed,
                error("starting a thread", source.to_string()),
            )));
        }
        Self { result, cancel }
    }

    /// Gives up; the result follows.
    pub(crate) fn abort(&self) {
        // Told before: once is enough.
        let _ = self.cancel.try_send(());
    }
}

fn prepare(order: &Order, cancelled: &Receiver<()>) -> Result<Ready, Unprepared> {
    let directory = match &order.in_place {
        Some(directory) => directory.clone(),
        None => {
            is_wanted(order)?;
            return Err(Unprepared::Failed(
                LeaveReason::SyncFailed,
                error("sync", "not there yet".to_owned()),
            ));
        }
    };
    after_sync(order, &directory, cancelled)?;
    Ok(Ready { directory })
}

/// A job that waited for its turn may be over: its queues are gone then.
fn is_wanted(order: &Order) -> Result<(), Unprepared> {
    match look_at_queue(&order.target, &order.job.reply_queue_name, LOOK_LIMIT) {
        Ok(None) => Err(Unprepared::JobIsOver),
        // A broker that cannot be asked now is no sign of anything.
        Ok(Some(_)) | Err(_) => Ok(()),
    }
}

fn after_sync(
    order: &Order,
    directory: &std::path::Path,
    cancelled: &Receiver<()>,
) -> Result<(), Unprepared> {
    let job = &order.job;
    let settings = RubySettings {
        ruby: job.ruby.clone(),
        callbacks: job.callbacks.clone(),
        env: job.env.clone(),
        inherit_env: order.in_place.is_some(),
        seed: job.seed,
        job: Some(job.job.0.clone()),
        ..RubySettings::in_place(directory)
    };
    let waiting = Waiting {
        limit: Duration::try_from_secs_f64(job.callback_timeout_s)
            .unwrap_or(settings.callback_timeout),
        cancel: cancelled.clone(),
    };
    match run_callback(&settings, Callback::AfterSync, &waiting) {
        Ok(_) => Ok(()),
        Err(CallbackError::Cancelled { .. }) => Err(Unprepared::Aborted),
        Err(failure) => Err(Unprepared::Failed(
            LeaveReason::CallbackFailed,
            HostError {
                what: "after_sync".to_owned(),
                message: exit::chain(&failure),
                command: String::new(),
                output: failure.output().to_owned(),
            },
        )),
    }
}

fn error(what: &str, message: String) -> HostError {
    HostError {
        what: what.to_owned(),
        message,
        command: String::new(),
        output: String::new(),
    }
}
