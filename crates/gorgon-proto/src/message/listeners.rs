//! What listeners and managers are told, and what listeners say of themselves outside of jobs.

use serde::{Deserialize, Serialize};

use super::read;
use crate::job::{JobDefinition, JobId, ListenerId};
use crate::shown::{MOST_OF_LINE, shown};

/// A message of the control exchange, to the managers of one job, and to its listeners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Control {
    /// End the job now.
    CancelJob {
        /// The job.
        job: JobId,
    },
    /// Every item has its verdict: for managers without a worker that would see its queue deleted.
    JobOver {
        /// The job.
        job: JobId,
    },
    /// To one manager, by its own queue: an item waits for a worker of this host.
    ItemWaits {
        /// The job.
        job: JobId,
    },
    /// To one manager, by its own queue: leave the job, which goes on elsewhere.
    LeaveJob {
        /// The job.
        job: JobId,
    },
    /// To one manager, by its own queue: this slot leaves the job, which goes on in the others.
    LeaveSlot {
        /// The job.
        job: JobId,
        /// The slot.
        worker_id: u32,
    },
}

impl Control {
    /// Returns the job that it is about.
    #[must_use]
    pub fn job(&self) -> &JobId {
        match self {
            Self::CancelJob { job }
            | Self::JobOver { job }
            | Self::ItemWaits { job }
            | Self::LeaveJob { job }
            | Self::LeaveSlot { job, .. } => job,
        }
    }
}

/// A message of a listener's queue, told apart by its `type` (or `action` for a control message).
#[derive(Debug, Clone, PartialEq)]
pub enum ToListener {
    /// A job is offered.
    Job(Box<JobDefinition>),
    /// Somebody asks who is there.
    Ping(Ping),
    /// A control message of a job that the listener prepares.
    Control(Control),
}

/// Asks who is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// Always `ping`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Queue for the answer.
    pub reply_queue_name: String,
    /// The exchange by which the answer reaches it, as in a job definition.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reply_exchange: String,
}

/// Reads a message of a listener's queue.
///
/// # Errors
/// The text of the JSON fault, or that the type is not known.
pub fn read_to_listener(body: &[u8]) -> Result<ToListener, String> {
    #[derive(Deserialize)]
    struct Tag {
        #[serde(rename = "type")]
        kind: Option<String>,
        action: Option<String>,
    }
    let tag: Tag = read(body)?;
    match (tag.kind.as_deref(), tag.action.as_deref()) {
        (Some("job_definition"), _) => Ok(ToListener::Job(Box::new(read(body)?))),
        (Some("ping"), _) => Ok(ToListener::Ping(read(body)?)),
        (_, Some("cancel_job" | "job_over")) => Ok(ToListener::Control(read(body)?)),
        (kind, action) => Err(shown(
            &format!("type {kind:?} with action {action:?} is not known"),
            MOST_OF_LINE,
        )),
    }
}

/// Answer to a ping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PingResponse {
    /// Always `ping_response`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// Version of its Gorgon.
    pub version: String,
    /// Slots of the listener.
    #[serde(rename = "worker_slots")]
    pub slots: u32,
    /// Slots that no job uses.
    pub free: u32,
    /// Jobs that it serves.
    pub jobs: Vec<JobId>,
}

/// A listener that starts late says that it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announce {
    /// Its queue.
    pub listener_queue_name: String,
    /// Name of the host.
    pub hostname: String,
    /// The listener.
    pub listener_id: ListenerId,
}
