//! What hosts say of themselves on the reply queue of a job.

use serde::{Deserialize, Serialize};

use crate::item::is_zero;
use crate::job::ListenerId;
use crate::trace::Step;

/// A listener's answer to the offer of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostAnswered {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// Slots of the listener.
    pub slots: u32,
    /// What it does about the offer.
    pub answer: Answer,
    /// Why it is busy or refuses, for the user.
    #[serde(default)]
    pub reason: String,
}

/// What a listener does about the offer of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Prepares a workspace.
    Accepted,
    /// Will, when another job has ended: it serves as many as it can.
    Busy,
    /// Will not: another version, a bad signature.
    Refused,
}

/// A host begins to run workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostJoined {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// The slots that get a worker; none as long as other jobs use them all.
    pub slots: Vec<u32>,
    /// The manager's queue: without a consumer for 15 s, the host counts as lost.
    pub manager_queue_name: String,
    /// The manager's process id; 0: not told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pid: u32,
    /// When the manager began, in milliseconds since its machine did, as its clock may be set back: of two of one
    /// listener the later one lives.
    #[serde(default)]
    pub began_ms: u64,
}

/// A host has other slots for the job than before: it shares them with other jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSlots {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// The slots that have a worker now, or get one.
    pub slots: Vec<u32>,
    /// Workers that have ended since, as their slots went to other jobs: their own last word may
    /// have been lost.
    #[serde(default)]
    pub ended: Vec<WorkerOfHost>,
    /// The manager's queue, as in [`HostJoined`].
    pub manager_queue_name: String,
}

/// A worker of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerOfHost {
    /// The slot.
    pub worker_id: u32,
    /// The worker's process id.
    pub pid: u32,
}

/// Why a host is done with a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// The job is over.
    Done,
    /// The job was cancelled.
    Cancelled,
    /// The source could not be had.
    SyncFailed,
    /// A callback raised, ended Ruby or took too long.
    CallbackFailed,
    /// No file can run there: an option that the framework does not know, a Rails environment that is not the tests'.
    Refused,
    /// Ruby, bundler or the preloader could not be started, or died twice.
    PreloaderFailed,
    /// Workers died again and again.
    WorkersFailed,
    /// The listener is being stopped.
    Stopped,
    /// The originator, or the broker, was away for too long.
    Orphaned,
    /// Written off by the originator: nothing was heard.
    Lost,
    /// Sent away by the originator: what failed there passes elsewhere.
    Sick,
}

/// What went wrong on a host, for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostError {
    /// What was tried: `rsync`, `before_start`, `starting Ruby`.
    pub what: String,
    /// What happened.
    pub message: String,
    /// The command, where there was one.
    #[serde(default)]
    pub command: String,
    /// What it printed, its end.
    #[serde(default)]
    pub output: String,
}

/// A host is done with the job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostLeft {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// Why.
    pub reason: LeaveReason,
    /// What went wrong, if something did.
    #[serde(default)]
    pub error: Option<HostError>,
    /// The process of the manager that says so: its word may come after that of the manager which
    /// followed it. 0: its listener says so.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub manager_pid: u32,
    /// Where the time of its listener and its manager went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<Step>,
}
