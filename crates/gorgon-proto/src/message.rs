//! Every message between the parts of Gorgon but the job definition and the work item.
//!
//! Unknown fields are ignored, missing ones have the default stated here. Field names are those of
//! the original where it had them.

mod coverage;
mod hosts;
mod listeners;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::item::{ItemId, WorkItem, is_zero};
use crate::job::{Framework, JobDefinition, ListenerId};
use crate::outcome::{FileError, FinishType, LeftOut, PlainRun, TestResult};
use crate::shown::{MOST_OF_LINE, shown};
use crate::trace::Step;

pub use coverage::{CoveragePiece, CoverageShare};
pub use hosts::{
    Answer, HostAnswered, HostError, HostJoined, HostLeft, HostSlots, LeaveReason, WorkerOfHost,
};
pub use listeners::{Announce, Control, Ping, PingResponse, ToListener, read_to_listener};

/// What a message of the reply queue of a job holds, once or several times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Reply {
    /// A listener answers the offer of a job.
    HostAnswered(HostAnswered),
    /// A manager has its workspace and preloader and starts workers.
    HostJoined(HostJoined),
    /// A host has other slots for the job than before.
    HostSlots(HostSlots),
    /// A worker begins an item.
    Start(Start),
    /// A worker ended an item.
    Finish(Box<Finish>),
    /// A worker got a delivery flagged as redelivered, and did not run it.
    Returned(ItemNote),
    /// A worker that reconnected still runs this item.
    Holds(Holding),
    /// A worker that reconnected runs nothing.
    Idle(WorkerNote),
    /// A worker gives an item back unfinished, on its way out.
    HandedBack(ItemNote),
    /// The same as its listener has died: it may be the item that kills listeners.
    GivenUp(ItemNote),
    /// A worker that the item wants to avoid did not run it.
    Declined(ItemNote),
    /// A suite-level hook of a Ruby child raised.
    SuiteHookFailed(SuiteHookFailed),
    /// A piece of SimpleCov's result of one Ruby child.
    Coverage(CoverageShare),
    /// Something the user should know that fails nothing.
    Warning(Warning),
    /// A Ruby child could not be started: before_start raised, for instance.
    StartFailed(StartFailed),
    /// A worker ended normally.
    WorkerEnded(WorkerEnded),
    /// A manager saw a worker die.
    WorkerDied(WorkerDied),
    /// A host is done with the job.
    HostLeft(HostLeft),
}

/// A worker, as the ledger knows it. A replaced worker has the same slot and another pid.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerKey {
    /// The listener it belongs to.
    pub listener_id: ListenerId,
    /// Its slot.
    pub worker_id: u32,
    /// Its process id on its host.
    pub pid: u32,
}

/// A worker begins an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// The slot.
    pub worker_id: u32,
    /// The worker's process id.
    pub pid: u32,
    /// The item's file, exactly as queued.
    pub filename: String,
    /// The item.
    pub item: ItemId,
    /// The attempt.
    pub attempt: u32,
    /// Which retry of failed tests this is; 0: none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry: u32,
    /// The tests that are asked for; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<String>,
    /// The process id of the worker's manager; 0: none, or not told.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub manager_pid: u32,
}

/// A worker ended an item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finish {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// The slot.
    pub worker_id: u32,
    /// The worker's process id.
    pub pid: u32,
    /// The item's file, exactly as queued.
    pub filename: String,
    /// The item.
    pub item: ItemId,
    /// The attempt.
    pub attempt: u32,
    /// Which retry of failed tests this is; 0: none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retry: u32,
    /// How the item ended.
    #[serde(rename = "type")]
    pub kind: FinishType,
    /// Seconds from the item's arrival to its end, as the worker saw it. Of an item of a bundle: as `time`.
    pub runtime: f64,
    /// Seconds of load and tests, as the Ruby child saw it. If the child ended before it told them: seconds from when it
    /// got the item until it ended, as the worker saw it.
    #[serde(default)]
    pub time: f64,
    /// The framework that ran it; absent when the child died first.
    #[serde(default)]
    pub runner: Option<Framework>,
    /// Texts of the failures, as the original sent them.
    #[serde(default)]
    pub failures: Vec<String>,
    /// Results of all tests that came to an end.
    #[serde(default)]
    pub tests: Vec<TestResult>,
    /// Faults outside tests.
    #[serde(default)]
    pub errors: Vec<FileError>,
    /// What the file printed, cut in the middle; kept unless the item passed.
    #[serde(default)]
    pub output: String,
    /// Things the user should know that fail nothing.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Which Ruby child of this worker ran it, from 1 on: files of one number ran in one process.
    #[serde(default)]
    pub child: u32,
    /// The items that this Ruby child had run before, in order; empty where the item passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ran_before: Vec<ItemId>,
    /// TEST_ENV_NUMBER of the worker, which its children see as empty if it is 1; 0: it passed, or is not known.
    #[serde(default, skip_serializing_if = "crate::item::is_zero")]
    pub test_env_number: u32,
    /// How the items of `before` ended, as far as they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<Earlier>,
    /// The file ran no test, and its configuration has it that a run without any fails.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_tests: bool,
    /// Tests that the filters of the job left out; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOut>,
    /// Of a part of a file: the ids of all tests that a run of the whole file would have had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defined: Option<Vec<String>>,
    /// Each test of the file can be told from every other, so that the file may be split.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub divisible: bool,
    /// What the framework's own command has to be told to run the file as it ran here.
    #[serde(default, skip_serializing_if = "PlainRun::is_empty")]
    pub plain: PlainRun,
}

/// A worker says something of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemNote {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// The slot.
    pub worker_id: u32,
    /// The worker's process id.
    pub pid: u32,
    /// The item.
    pub item: ItemId,
    /// The attempt.
    pub attempt: u32,
}

/// A worker says what it holds after an outage: an item, and what is left of its bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// The slot.
    pub worker_id: u32,
    /// The worker's process id.
    pub pid: u32,
    /// The item.
    pub item: ItemId,
    /// The attempt.
    pub attempt: u32,
    /// Further items, each with its attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rest: Vec<(ItemId, u32)>,
}

impl Holding {
    /// Makes one of these notes; none of no note.
    #[must_use]
    pub fn of(notes: impl IntoIterator<Item = ItemNote>) -> Option<Self> {
        let mut notes = notes.into_iter();
        let first = notes.next()?;
        Some(Self {
            hostname: first.hostname,
            listener_id: first.listener_id,
            worker_id: first.worker_id,
            pid: first.pid,
            item: first.item,
            attempt: first.attempt,
            rest: notes.map(|note| (note.item, note.attempt)).collect(),
        })
    }

    /// Returns all items, each with its attempt.
    #[must_use]
    pub fn items(&self) -> Vec<(ItemId, u32)> {
        let mut items = vec![(self.item, self.attempt)];
        items.extend_from_slice(&self.rest);
        items
    }
}

/// A worker says something of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerNote {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// The slot.
    pub worker_id: u32,
    /// The worker's process id.
    pub pid: u32,
}

/// How an item ended that ran once more before another item, as it had the first time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Earlier {
    /// The item.
    pub item: ItemId,
    /// Ids of its tests that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
    /// How many faults there were outside tests.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub errors: u32,
}

/// A suite-level hook raised when a Ruby child ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteHookFailed {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// The slot.
    pub worker_id: u32,
    /// What raised.
    pub error: FileError,
    /// What the child printed meanwhile.
    #[serde(default)]
    pub output: String,
}

/// A warning for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// The slot; absent for a host's own.
    #[serde(default)]
    pub worker_id: Option<u32>,
    /// The text, one line.
    pub message: String,
}

/// A Ruby child of a worker could not be started. It is tried once more; if that fails, too, the
/// worker ends, and its [`WorkerEnded`] has the first error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartFailed {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// The slot.
    pub worker_id: u32,
    /// The worker's process id.
    pub pid: u32,
    /// What failed.
    pub error: HostError,
    /// Whether it is tried once more. If not, the worker ends. When a child for after_complete fails a second time, that
    /// comes as `SuiteHookFailed` instead.
    pub again: bool,
}

/// A worker ended normally.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerEnded {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// The slot.
    pub worker_id: u32,
    /// The worker's process id.
    pub pid: u32,
    /// How many items it ran.
    #[serde(default)]
    pub items: u32,
    /// Why it ended before its time (a callback that raised), if so.
    #[serde(default)]
    pub error: Option<HostError>,
    /// Where its time went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<Step>,
}

/// A worker died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerDied {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// The slot.
    pub worker_id: u32,
    /// The worker's process id.
    pub pid: u32,
    /// How: `SIGKILL`, `exit status 1`.
    pub end: String,
}

/// Reads what a message of the file queue holds: one work item, or a bundle of small ones as an array.
///
/// # Errors
/// The text of the JSON fault.
pub fn read_items(body: &[u8]) -> Result<Vec<WorkItem>, String> {
    read_some(body, "no work item")
}

/// Writes a message of the file queue.
#[must_use]
pub fn write_items(items: &[WorkItem]) -> Vec<u8> {
    write_some(items)
}

/// Reads a reply that stands by itself.
///
/// # Errors
/// The text of the JSON fault.
pub fn read_reply(body: &[u8]) -> Result<Reply, String> {
    read(body)
}

/// Reads what a message of the reply queue holds: one reply, or several as an array, in order.
///
/// # Errors
/// The text of the JSON fault.
pub fn read_replies(body: &[u8]) -> Result<Vec<Reply>, String> {
    read_some(body, "no reply")
}

/// Writes a message of the reply queue.
#[must_use]
pub fn write_replies(replies: &[Reply]) -> Vec<u8> {
    write_some(replies)
}

/// A message with one thing in it holds just that, without an array around it.
fn write_some<T: Serialize>(things: &[T]) -> Vec<u8> {
    match things {
        [one] => write(one),
        several => write(&several),
    }
}

fn read_some<T: DeserializeOwned>(body: &[u8], none: &str) -> Result<Vec<T>, String> {
    let is_array = body.trim_ascii_start().first() == Some(&b'[');
    let read: Vec<T> = if is_array {
        read(body)?
    } else {
        vec![read(body)?]
    };
    match read.is_empty() {
        true => Err(none.to_owned()),
        false => Ok(read),
    }
}

/// Reads a job definition from the body of a message.
///
/// # Errors
/// The text of the JSON fault.
pub fn read_job_definition(body: &[u8]) -> Result<JobDefinition, String> {
    read(body)
}

/// Writes any message of ours.
#[must_use]
pub fn write<T: Serialize>(message: &T) -> Vec<u8> {
    serde_json::to_vec(message).expect("our messages hold only strings as keys")
}

/// Reads a message of any kind.
///
/// # Errors
/// The fault in one line: the parser quotes what it could not read.
pub fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| shown(&error.to_string(), MOST_OF_LINE))
}
