//! What is done before a job's workers can start: pull, copies, after_sync. It works in a thread of
//! its own, and each of its steps ends when the job does.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};
use gorgon_process::command::Bounds;
use gorgon_process::exit::{self, Hint as _};
use gorgon_proto::config::Connection;
use gorgon_proto::job::{JobDefinition, WorkspaceMode};
use gorgon_proto::message::{HostError, LeaveReason};
use gorgon_proto::trace::{Step, Trace};
use gorgon_ruby::{Callback, CallbackError, Host, RubySettings, Waiting, may_define, run_callback};
use gorgon_sync::{Cache, SyncError, Workspace, inside, originals, pull};
use log::info;

use crate::job_files::JobFiles;

/// How long the source may take, from the wait for the cache to the last copy.
const SYNC_LIMIT: Duration = Duration::from_secs(1800);

/// Why a job cannot run here.
pub(crate) type Failure = (LeaveReason, HostError);

/// What a preparation needs.
pub(crate) struct Order {
    pub(crate) job: JobDefinition,
    /// Its slots are from 1 to this.
    pub(crate) slots: u32,
    pub(crate) host: Host,
    pub(crate) place: Place,
}

/// Where a job runs.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In the user's own directory, with the configuration that its originator made.
    InPlace { directory: PathBuf, config: PathBuf },
    /// In a workspace.
    Workspace {
        workspaces: PathBuf,
        cache: PathBuf,
        cache_limit_bytes: u64,
        connection: Box<Connection>,
    },
}

/// A place that is ready. Dropped, what was made for it is removed.
#[derive(Debug)]
pub(crate) struct Ready {
    /// The manager's `--workspace`.
    pub(crate) directory: PathBuf,
    pub(crate) files: JobFiles,
    /// What it took.
    pub(crate) trace: Vec<Step>,
    /// None in place; with what all that is kept may take up.
    workspace: Option<(Workspace, u64)>,
}

impl Ready {
    /// Ends it after its job; the workspace is kept for the next one, if it can be.
    pub(crate) fn end(self) {
        if let Some((workspace, cache_limit_bytes)) = self.workspace {
            workspace.keep(cache_limit_bytes);
        }
    }
}

/// A preparation under way.
pub(crate) struct Preparation {
    result: Receiver<Result<Ready, Failure>>,
    /// Dropped to give up.
    cancel: Option<Sender<()>>,
}

impl Preparation {
    /// Begins.
    pub(crate) fn begin(order: Order) -> Self {
        let (done, result) = bounded(1);
        let (cancel, cancelled) = bounded(0);
        let failed = done.clone();
        let thread = thread::Builder::new()
            .name("prepare".to_owned())
            .spawn(move || {
                // The loop is gone when we are: then nobody wants to know.
                let _ = done.send(prepare(&order, &cancelled));
            });
        if let Err(source) = thread {
            // The channel holds one, and nothing was sent.
            let _ = failed.send(Err(broken(&source.to_string())));
        }
        Self {
            result,
            cancel: Some(cancel),
        }
    }

    /// Gives up; the result still arrives.
    pub(crate) fn give_up(&mut self) {
        self.cancel = None;
    }

    /// Returns where the result arrives.
    pub(crate) fn result(&self) -> &Receiver<Result<Ready, Failure>> {
        &self.result
    }
}

/// The preparation itself is broken, not what it prepares.
pub(crate) fn broken(why: &str) -> Failure {
    let error = HostError {
        what: "preparing the job".to_owned(),
        message: why.to_owned(),
        command: String::new(),
        output: String::new(),
    };
    (LeaveReason::SyncFailed, error)
}

fn prepare(order: &Order, cancelled: &Receiver<()>) -> Result<Ready, Failure> {
    let job = &order.job;
    let mut trace = Trace::begin("listener", Instant::now(), SystemTime::now());
    match &order.place {
        Place::InPlace { directory, config } => {
            after_sync(order, directory, true, cancelled, &mut trace)?;
            Ok(Ready {
                directory: directory.clone(),
                files: JobFiles::of_originator(config.clone()),
                trace: trace.steps().to_vec(),
                workspace: None,
            })
        }
        Place::Workspace {
            workspaces,
            cache,
            cache_limit_bytes,
            connection,
        } => {
            let files = JobFiles::make(workspaces, connection).map_err(sync_failed)?;
            let bounds = Bounds {
                cancel: cancelled.clone(),
                ..Bounds::within(SYNC_LIMIT)
            };
            let limit = *cache_limit_bytes;
            let mut workspace = fetch(order, workspaces, cache, limit, &bounds, &mut trace)?;
            callbacks_inside(job, workspace.first())?;
            if after_sync(order, workspace.first(), false, cancelled, &mut trace)? {
                workspace.follow_first().map_err(sync_failed)?;
            }
            workspace.hand_over();
            Ok(Ready {
                directory: workspace.path().to_owned(),
                files,
                trace: trace.steps().to_vec(),
                workspace: Some((workspace, limit)),
            })
        }
    }
}

/// Makes a workspace that equals the source: of what an earlier job has left if that can be proven,
/// else from the cache, which is brought up to date before.
fn fetch(
    order: &Order,
    workspaces: &Path,
    cache: &Path,
    cache_limit_bytes: u64,
    bounds: &Bounds,
    trace: &mut Trace,
) -> Result<Workspace, Failure> {
    let begun = Instant::now();
    let job = &order.job;
    let cache =
        Cache::open(cache, &job.originator_host, &job.project, bounds).map_err(sync_failed)?;
    let workspace = match job.workspace {
        WorkspaceMode::Job => Workspace::of_project(workspaces, &cache, &job.project),
        WorkspaceMode::Slot => Workspace::for_slots(workspaces, &cache, order.slots),
    };
    let mut workspace = workspace
        .map_err(sync_failed)?
        .instead_of(originals(&job.sync, &job.project))
        .keeping(&job.sync.kept_paths)
        .until(bounds.cancel.clone());
    let mut copying = begun;
    let digest = job.sync.manifest_digest.as_deref();
    let kept = digest.and_then(|digest| workspace.fill_from_kept(&cache, digest));
    let filled = match kept {
        Some(filled) => {
            info!(
                target: "gorgon::listener",
                job:% = job.job; "nothing has changed: a workspace of an earlier job is used"
            );
            filled
        }
        None => {
            let report = pull::pull(&job.sync, &cache, bounds).map_err(sync_failed)?;
            info!(
                target: "gorgon::listener",
                job:% = job.job, from = report.pulled_from.as_deref().unwrap_or("nowhere: nothing has changed"),
                took:? = report.took, forced = report.forced;
                "source is there"
            );
            copying = Instant::now();
            trace.note("source", begun, copying);
            workspace.fill_from(&cache).map_err(sync_failed)?
        }
    };
    trace.note("workspace", copying, Instant::now());
    info!(
        target: "gorgon::listener",
        job:% = job.job, copied = filled.copied, bytes = filled.bytes, removed = filled.removed,
        took:? = begun.elapsed();
        "workspace is there"
    );
    for path in cache.evict(cache_limit_bytes) {
        info!(target: "gorgon::listener", path:% = path.display(); "what was kept is removed");
    }
    Ok(workspace)
}

fn sync_failed(error: SyncError) -> Failure {
    let hint = error
        .hint()
        .map(|hint| format!("\nhint: {hint}"))
        .unwrap_or_default();
    let message = exit::chain(&error) + &hint;
    let error = HostError {
        what: "sync".to_owned(),
        message,
        command: String::new(),
        output: String::new(),
    };
    (LeaveReason::SyncFailed, error)
}

/// A callbacks file is named by a message: it lies in the workspace, also where a link leads.
fn callbacks_inside(job: &JobDefinition, workspace: &Path) -> Result<(), Failure> {
    for (key, file) in job.callbacks.files() {
        if inside::leads_out(workspace, file) {
            let error = HostError {
                what: key.to_owned(),
                message: format!("{file:?} leads out of the project: it is not run"),
                command: String::new(),
                output: String::new(),
            };
            return Err((LeaveReason::CallbackFailed, error));
        }
    }
    Ok(())
}

/// Returns whether there is one, and it ran.
fn after_sync(
    order: &Order,
    directory: &Path,
    in_place: bool,
    cancelled: &Receiver<()>,
    trace: &mut Trace,
) -> Result<bool, Failure> {
    let job = &order.job;
    let settings = RubySettings {
        ruby: job.ruby.clone(),
        callbacks: job.callbacks.clone(),
        env: job.env.clone(),
        inherit_env: in_place,
        follow_links: in_place,
        seed: job.seed,
        job: Some(job.job.0.clone()),
        host: Some(order.host.clone()),
        ..RubySettings::in_place(directory)
    };
    if !may_define(&settings, Callback::AfterSync) {
        return Ok(false);
    }
    let waiting = Waiting {
        limit: job.callback_limit(),
        cancel: cancelled.clone(),
    };
    let begun = Instant::now();
    let ran = run_callback(&settings, Callback::AfterSync, &waiting);
    trace.note("after_sync", begun, Instant::now());
    match ran {
        Ok(_) => {
            info!(target: "gorgon::listener", job:% = job.job; "after_sync is done");
            Ok(true)
        }
        Err(error) => {
            let reason = match &error {
                CallbackError::Cancelled { .. } => LeaveReason::Cancelled,
                CallbackError::Start { .. } => LeaveReason::PreloaderFailed,
                CallbackError::Raised { .. }
                | CallbackError::Ended { .. }
                | CallbackError::TimedOut { .. } => LeaveReason::CallbackFailed,
            };
            let hint = error
                .hint()
                .map(|hint| format!("\nhint: {hint}"))
                .unwrap_or_default();
            let told = HostError {
                what: Callback::AfterSync.name().to_owned(),
                message: exit::chain(&error) + &hint,
                command: String::new(),
                output: error.output().to_owned(),
            };
            Err((reason, told))
        }
    }
}
