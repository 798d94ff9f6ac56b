//! What the core is told, and what it has done.

use gorgon_process::child::End;
use gorgon_process::signals::Signal;
use gorgon_proto::local::{ManagerLine, WorkerLine};
use gorgon_proto::message::{Control, HostError, LeaveReason};

use crate::lookout::Look;

/// What happened. A preloader is named by a number: 0, or its slot where each slot has its own.
#[derive(Debug, Clone)]
pub enum Event {
    /// A preloader has run before_creating_workers and listens.
    PreloaderReady(u32),
    /// A preloader cannot be had: Ruby is missing, a callback raised or took too long.
    PreloaderFailed(u32, LeaveReason, HostError),
    /// A preloader ended.
    PreloaderEnded(u32, End, String),
    /// after_creating_workers is done in it.
    CallbackDone(u32),
    /// after_creating_workers raised in it, or took too long.
    CallbackFailed(u32, HostError),
    /// The worker of a slot was started.
    WorkerStarted(u32, u32),
    /// The worker of a slot could not be started.
    WorkerNotStarted(u32, HostError),
    /// The worker of a slot says something.
    WorkerSaid(u32, WorkerLine),
    /// The worker of a slot ended.
    WorkerEnded(u32, End),
    /// The job is cancelled.
    Cancelled,
    /// The originator wants no more of this host.
    SentAway,
    /// The originator wants no more of this slot.
    SlotSentAway(u32),
    /// The listener stops (TERM).
    Stopped,
    /// The listener is gone.
    ParentGone,
    /// The connection is lost.
    BrokerDown,
    /// No broker for too long.
    BrokerGaveUp,
    /// A look at the reply queue is done.
    Looked(Look),
    /// A look at the file queue is done.
    FilesLooked(Files),
    /// The listener grants a slot.
    Granted(u32),
    /// The listener wants a slot back, at the end of the item that runs in it.
    Recalled(u32),
    /// The originator says that every item has its verdict.
    JobOver,
    /// The originator says that an item waits for a worker of this host.
    ItemWaits,
    /// The instant of [`crate::supervise::Supervisor::deadline`] has come.
    DeadlinePassed,
}

impl From<Control> for Event {
    fn from(control: Control) -> Self {
        match control {
            Control::CancelJob { .. } => Self::Cancelled,
            Control::LeaveJob { .. } => Self::SentAway,
            Control::LeaveSlot { worker_id, .. } => Self::SlotSentAway(worker_id),
            Control::JobOver { .. } => Self::JobOver,
            Control::ItemWaits { .. } => Self::ItemWaits,
        }
    }
}

/// What a look at the file queue found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Files {
    /// So many messages wait in it.
    Waiting(u32),
    /// There is no such queue.
    Missing,
    /// The broker did not answer.
    Unknown,
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start a preloader.
    StartPreloader(u32),
    /// Have it run after_creating_workers.
    RunAfterCreatingWorkers(u32),
    /// End it.
    StopPreloader(u32),
    /// Interrupt what it loads, as Ctrl-C would.
    InterruptPreloader(u32),
    /// Kill it: it hangs.
    KillPreloader(u32),
    /// Start the worker of a slot on a preloader.
    StartWorker {
        /// The slot.
        slot: u32,
        /// The preloader's number.
        preloader: u32,
    },
    /// Signal the worker of a slot, or with KILL its whole group.
    SignalWorker(u32, Signal),
    /// Tell the originator that the host joins, with these slots.
    Join(Vec<u32>),
    /// Tell the originator that a slot's worker of this pid died.
    TellDeath {
        /// The slot.
        slot: u32,
        /// The worker's pid.
        pid: u32,
        /// How it ended.
        end: String,
    },
    /// Tell the originator that the host has these slots now, and which workers (slot, pid) have
    /// ended by that.
    TellSlots(Vec<u32>, Vec<(u32, u32)>),
    /// Tell the listener something.
    Tell(ManagerLine),
    /// Warn the user.
    Warn(String),
    /// Look at the reply queue.
    Look,
    /// Look at the file queue.
    LookAtFiles,
    /// End what is left of the job's processes, say `host_left`, and exit.
    Leave(LeaveReason, Option<HostError>),
}
