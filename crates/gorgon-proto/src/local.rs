//! What the processes of one host say to each other: exit codes, and lines on their pipes.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::item::ItemId;
use crate::message::{HostError, Start};
use crate::trace::Step;

/// Exit code of a worker: a callback raised, Ruby could not be started, or no file can run; its item
/// was handed back. Its manager does not replace it.
pub const WORKER_CALLBACK_FAILED: u8 = 4;
/// Exit code of a worker: its preloader died, and its Ruby child with it. Its manager starts
/// another one as soon as the preloader is there again.
pub const WORKER_PRELOADER_LOST: u8 = 5;
/// Exit code of a manager that left without a word to the originator: the job was orphaned, the
/// broker away for too long, or its listener gone. Its listener cleans up and does not start it
/// again. (0: it left in order and has said so by `host_left`. 3: it could not begin, and has said
/// nothing. 5: see below. Anything else: it died.)
pub const MANAGER_GONE: u8 = 4;
/// Exit code of a manager that left in order, and whose last word the broker has not confirmed in
/// time: its listener says that the host leaves.
pub const MANAGER_UNHEARD: u8 = 5;

/// What a worker notes in its file, for its manager to read at its death.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    /// The delivery that it runs; none if it runs none.
    pub began: Option<Began>,
    /// Whether it ends a Ruby child that has run files: what the suite hooks of that child say is not known yet.
    #[serde(default)]
    pub ends_child: bool,
}

/// A delivery that a worker has begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Began {
    /// The start of its first item, in the same words as to the originator.
    pub start: Start,
    /// Whether it holds more items than that one. Then nobody but the Ruby child knows which of them runs.
    #[serde(default)]
    pub in_bundle: bool,
}

impl Noted {
    /// Returns it as a line.
    #[must_use]
    pub fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Reads the first line of a file; nothing is noted in one that cannot be read. What follows the line is left from
    /// longer ones, and may begin inside a character.
    #[must_use]
    pub fn read(file: &[u8]) -> Self {
        let line = file.split(|byte| *byte == b'\n').next();
        line.and_then(|line| serde_json::from_slice(line).ok())
            .unwrap_or_default()
    }
}

/// Returns where a worker notes what it does ([`Noted`]): beside the socket of the preloader that it shares with its
/// manager.
#[must_use]
pub fn item_note(socket: &Path, pid: u32) -> PathBuf {
    socket.with_file_name(format!("item-{pid}"))
}

/// A line on the stdout of a worker that has a manager.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum WorkerLine {
    /// It begins an item. Said after [`WorkerLine::Idle`], and where [`item_note`] cannot be written.
    Item {
        /// The item, or the first one of a bundle.
        item: ItemId,
        /// Whether it is one of a bundle.
        #[serde(default)]
        in_bundle: bool,
    },
    /// It waits for an item.
    Idle,
    /// It ends because of this.
    Failed {
        /// What happened.
        error: HostError,
    },
    /// It ends because no file can run here.
    Refused {
        /// Why not.
        error: HostError,
    },
}

/// A line on the stdin of a manager that has a listener, after the job definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum ListenerLine {
    /// The job may use this slot.
    Grant {
        /// The slot.
        slot: u32,
    },
    /// What the listener did for the job before, for the manager to pass on.
    Trace {
        /// Its steps.
        steps: Vec<Step>,
    },
    /// The slot is to come back at the end of the item that runs in it.
    Recall {
        /// The slot.
        slot: u32,
    },
}

/// A line on the stdout of a manager that has a listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum ManagerLine {
    /// Its preloader is ready: workers start at once in what it is granted.
    Ready,
    /// The worker of this slot has waited for an item for a while.
    Idle {
        /// The slot.
        slot: u32,
    },
    /// The worker of this slot, which was idle, runs an item.
    Busy {
        /// The slot.
        slot: u32,
    },
    /// Items wait on the file queue, where none did.
    Waiting,
    /// Nothing of ours runs in this slot any more.
    Freed {
        /// The slot.
        slot: u32,
        /// Its workers died again and again: the job wants it no more.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        out: bool,
    },
    /// The job ends here: it wants no further slot.
    Closing,
}
