//! What the core is told, and what it has done: settings, events, effects, ends.

use std::time::Duration;

use gorgon_process::signals::Signal;
use gorgon_proto::item::WorkItem;
use gorgon_proto::job::{Framework, Isolation};
use gorgon_proto::local::Began;
use gorgon_proto::message::{HostError, Reply};
use gorgon_ruby::{ChildEvent, Purpose};

use crate::children::ChildNo;
use crate::identity::Identity;

/// What the worker is told at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who it is.
    pub me: Identity,
    /// A child for all files, or one for each.
    pub isolation: Isolation,
    /// Limit of an item: load and tests.
    pub file_limit: Option<Duration>,
    /// Limit of a callback.
    pub callback_limit: Duration,
    /// Whether a child that died left an after_complete to run.
    pub callbacks: bool,
    /// The frameworks that the job expects.
    pub frameworks: Vec<Framework>,
    /// The broker was away before we came: a missing file queue is not yet the job's end.
    pub queue_may_be_late: bool,
    /// By hand on a live queue: how long to wait for an item.
    pub idle_limit: Option<Duration>,
    /// Whether replies wait a moment for others. A person who runs a worker by hand sees each at once.
    pub holds_back: bool,
}

/// A delivery of the file queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The shell's number of it, for the ack.
    pub delivery: u64,
    /// The item, or the items of a bundle, which run one after another.
    pub items: Vec<WorkItem>,
    /// Whether the broker says that somebody had it before.
    pub redelivered: bool,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// An item came.
    Delivered(Delivered),
    /// The broker has the reply of this tag.
    Confirmed(u64),
    /// The same, and the delivery that was to be acknowledged then is acknowledged.
    Acked(u64),
    /// The reply of this tag found no queue.
    Unroutable(u64),
    /// The broker does not take a reply, however lean.
    Refused,
    /// The connection is lost; the session reconnects.
    BrokerDown {
        /// The broker was there all the time, and has lost no queue.
        answered: bool,
    },
    /// The connection is there again.
    BrokerUp,
    /// No connection for too long.
    BrokerGaveUp(String),
    /// The file queue is gone (`missing`: it was, when we asked).
    ConsumerEnded {
        /// Whether it did not exist when we began to consume.
        missing: bool,
    },
    /// The broker does not let us consume the file queue, and says why.
    ConsumerRefused(String),
    /// No delivery will follow the last one.
    Drained,
    /// A Ruby child said something, or ended.
    Child(ChildNo, ChildEvent),
    /// The preloader is gone, and every child with it.
    PreloaderLost(String),
    /// INT: the job is cancelled.
    Cancelled,
    /// TERM: the listener stops; what runs goes back.
    HandBack,
    /// QUIT: the listener has died; what runs goes back, and has lost an attempt.
    ListenerLost,
    /// USR2: the slot is wanted for another job; what runs comes to its end.
    SlotWanted,
    /// The instant of [`crate::work::Work::deadline`] has come.
    DeadlinePassed,
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Publish these replies as one message; its confirm comes back with the tag.
    Publish(u64, Vec<Reply>),
    /// The same, and acknowledge this delivery as soon as the confirm is there; then `Acked` comes. Where that is not
    /// to be any more, as it stops consuming or the connection is lost, `Confirmed` comes.
    PublishThenAck(u64, Vec<Reply>, u64),
    /// Write down the delivery in hand, or that there is none, where the manager finds it if this process dies.
    Note(Option<Box<Began>>),
    /// Write down there whether a Ruby child that has run files is being ended.
    NoteEnd(bool),
    /// Publish the message of this tag again.
    Resend(u64),
    /// Acknowledge a delivery.
    Ack(u64),
    /// Begin to consume the file queue.
    Consume,
    /// Stop consuming it; `Drained` will follow.
    StopConsuming,
    /// Fork a child.
    Fork(ChildNo, Framework, Purpose),
    /// Give a child the item, tell which frameworks have said that it is not theirs, and which files of a bundle follow.
    Run(ChildNo, Box<WorkItem>, Vec<Framework>, Vec<WorkItem>),
    /// Have what a child holds back come now.
    Look(ChildNo),
    /// Tell a child that no item will follow, and whether a signal to stop its last one may still reach it.
    Finish(ChildNo, bool),
    /// Have the preloader signal a child's group.
    Signal(ChildNo, Signal),
    /// End the process.
    Exit(Exit),
}

/// Why the worker ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exit {
    /// The job is over, or the source is dry.
    Over,
    /// Cancelled.
    Cancelled,
    /// What ran was handed back.
    HandedBack,
    /// What ran was given up, as the listener has died.
    ListenerLost,
    /// The slot was wanted for another job; nothing was cut off.
    SlotGiven,
    /// A callback raised, or Ruby could not be started.
    CallbackFailed(HostError),
    /// No file can run here.
    Refused(HostError),
    /// The preloader died.
    PreloaderLost(String),
    /// No broker for too long, or one that takes nothing.
    BrokerGone(String),
}
