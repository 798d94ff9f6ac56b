//! What the ledger is told, what it tells to do, and what it tells the reports.

use std::time::Duration;

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{
    Announce, Finish, HostAnswered, HostJoined, HostLeft, Reply, Start, StartFailed,
    SuiteHookFailed, Warning, WorkerDied, WorkerEnded,
};
use gorgon_proto::outcome::Verdict;

use super::retries::RetryResult;
use super::reviews::{Reviewed, Way};
use super::sick::{Place, Probed, Repeat};

/// The settings of a job that the ledger decides by.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How often a failed test is tried again.
    pub retries: u32,
    /// Ends the job after this number of failed tests and file errors.
    pub fail_fast: Option<u32>,
    /// A file runs as a whole where it has a test no more that was asked for by id.
    pub gone_run_whole: bool,
    /// The only listener is the one of `--local`: nobody else is asked or waited for.
    pub local: bool,
    /// How long the job waits for a listener when there is none.
    pub wait_limit: Duration,
    /// How long the end of the hosts is waited for once every item has a verdict.
    pub callback_limit: Duration,
    /// How long the end of the hosts is waited for after a cancel.
    pub cancel_limit: Duration,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The first items are queued and the job definition is published.
    Offered,
    /// A message of the reply queue.
    Reply(Box<Reply>),
    /// A listener that started late says that it is there.
    Announced(Announce),
    /// The connection to the broker is gone.
    BrokerLost,
    /// The broker takes no messages for now; what is published waits on our side.
    BrokerBlocked,
    /// It takes messages again.
    BrokerUnblocked,
    /// The connection is back, and the file queue was looked for.
    BrokerBack {
        /// What the broker has kept of it.
        files: Kept,
    },
    /// No connection for so long that the session gave up.
    BrokerGaveUp,
    /// The broker does not take a message of ours for its size.
    MessageTooLarge {
        /// The item, if it is one.
        item: Option<ItemId>,
        /// What it holds.
        what: String,
    },
    /// The reply queue was deleted under us, with what it held, and is made anew.
    ReplyQueueLost,
    /// So was the queue of announcements: who announced itself meanwhile did so in vain.
    AnnouncementsLost,
    /// A regular look found the file queue missing.
    FileQueueMissing,
    /// A look found the file queue.
    FileQueueLooked {
        /// How many messages are ready in it.
        messages: u32,
    },
    /// A look at the queue of a host: `None` when it does not exist.
    HostLooked {
        /// Whose queue.
        listener_id: ListenerId,
        /// How many consumers it has.
        consumers: Option<u32>,
    },
    /// The listener that `--local` started has ended.
    LocalListenerEnded {
        /// How: `SIGKILL`, `exit status 1`.
        end: String,
    },
    /// The user asked for the end, by a signal.
    Cancelled,
    /// The instant of [`super::Ledger::deadline`] has come.
    DeadlinePassed,
}

/// What the broker has kept of the file queue while we were away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All; or it could not be asked.
    All,
    /// The queue, but no message: it has restarted.
    Queue,
    /// Nothing: it has lost its data, or somebody has deleted the queue.
    Nothing,
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Put the item on the file queue.
    Publish(WorkItem),
    /// Put these items there as one message, which one worker takes: at least two.
    PublishBundle(Vec<WorkItem>),
    /// Make the file queue anew.
    DeclareFileQueue,
    /// Publish the job definition to all listeners.
    Offer,
    /// Send the job definition to one listener's queue.
    OfferTo(String),
    /// Tell the manager of this queue to leave the job.
    SendAway(String),
    /// Tell the manager of this queue that this slot leaves the job.
    SendSlotAway(String, u32),
    /// Tell the manager of this queue, whose host has no slot now, that an item waits for it.
    WakeHost(String),
    /// Send the cancel of this job on the control exchange.
    SendCancel,
    /// Empty the file queue.
    PurgeFileQueue,
    /// Remove what is on the file queue after an outage: all that waits is published once more.
    EmptyFileQueue,
    /// Delete the file queue: the word that the job is over.
    DeleteFileQueue,
    /// Delete the queue of a manager that is gone.
    DeleteQueue(String),
    /// Look how many consumers these queues have, and report each as [`Event::HostLooked`].
    LookAtHosts(Vec<(ListenerId, String)>),
    /// Look whether the file queue is there, and report it when it is not.
    LookAtFileQueue,
    /// Start the listener of `--local` again.
    StartLocalListener,
    /// Tell the reports.
    Tell(Happening),
    /// The job is over.
    Done(Ending),
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Every item has a verdict.
    Complete,
    /// `--fail-fast` ended it.
    FailFast,
    /// A signal ended it.
    Cancelled,
    /// No listener was there, or none any more.
    NoListener {
        /// Whether one had been there.
        had_hosts: bool,
        /// Hosts that refused, with their reasons.
        refused: Vec<(String, String)>,
    },
    /// Every host left by its own error.
    HostsFailed {
        /// Whether each of them failed in sync.
        all_in_sync: bool,
    },
    /// The local listener died again and again.
    LocalListenerDied {
        /// How it ended the last time.
        end: String,
    },
    /// The broker was away for too long.
    BrokerGone,
    /// The broker takes no message as large as one that the job needs.
    MessageTooLarge {
        /// What it holds.
        what: String,
    },
    /// There was no job: the run ended before.
    NotBegun,
}

/// Why an item is queued once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its worker died, or its host left.
    WorkerLost,
    /// So did that of its bundle, in which another item ran.
    BundleLost,
    /// The broker gave it back and nobody holds it.
    Returned,
    /// Its worker gave it back on its way out.
    HandedBack,
    /// Its worker gave it up, as its listener had died.
    ListenerLost,
    /// The broker lost it.
    BrokerOutage,
    /// The broker threw it away: a policy of its queue, a purge.
    Dropped,
    /// Its host is sick: what it says does not count any more.
    HostSick,
    /// Its slot is sick.
    SlotSick,
}

impl Cause {
    /// Returns the cause of an item that a sick host or slot has.
    #[must_use]
    pub fn sick(place: &Place) -> Self {
        match place {
            Place::Host(_) => Self::HostSick,
            Place::Slot(..) => Self::SlotSick,
        }
    }

    /// Returns the name used in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WorkerLost => "worker lost",
            Self::BundleLost => "bundle lost",
            Self::Returned => "returned by the broker",
            Self::HandedBack => "handed back",
            Self::ListenerLost => "listener lost",
            Self::BrokerOutage => "broker outage",
            Self::Dropped => "dropped by the broker",
            Self::HostSick => "host sick",
            Self::SlotSick => "slot sick",
        }
    }
}

/// Where a retry ran, and what it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Name of the host.
    pub hostname: String,
    /// The slot.
    pub worker_id: u32,
    /// What the file printed; kept unless it passed.
    pub output: String,
}

/// An event for the reports.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// A listener answered the offer.
    HostAnswered(HostAnswered),
    /// A host runs workers now.
    HostJoined(HostJoined),
    /// An item began to run.
    ItemStarted(Start),
    /// An item has its verdict from a finish.
    ItemFinished {
        /// The finish that counts.
        finish: Box<Finish>,
        /// The verdict.
        verdict: Verdict,
        /// How many attempts counted: those that were lost, and this one.
        attempts: u32,
        /// The item of the plan that it repeats, if it is a repeat.
        repeat: Option<Repeat>,
        /// Which run of a review it is, if it is one: it counts for nothing else.
        review: Option<Way>,
    },
    /// An item was lost three times.
    ItemLost {
        /// The item.
        item: ItemId,
        /// Its file.
        filename: String,
        /// Which retry of failed tests it was; 0: none.
        retry: u32,
        /// Where it was lost.
        hosts: Vec<String>,
        /// The item of the plan that it repeats, if it is a repeat.
        repeat: Option<Repeat>,
    },
    /// An item was queued once more.
    ItemRedelivered {
        /// The item.
        item: ItemId,
        /// Its file.
        filename: String,
        /// The attempt that will run.
        attempt: u32,
        /// Which retry of failed tests it is; 0: none.
        retry: u32,
        /// Where the attempt before was, if known.
        hostname: Option<String>,
        /// Why.
        cause: Cause,
    },
    /// Failed tests of an item will be tried again.
    RetryWanted {
        /// The item of the plan.
        of: ItemId,
        /// How many tests.
        tests: usize,
    },
    /// A retry was queued, as an item of its own.
    RetryQueued {
        /// The item.
        item: WorkItem,
        /// The item of the plan whose tests are in it.
        of: ItemId,
    },
    /// A retry is over.
    Retried {
        /// The item.
        item: ItemId,
        /// The item of the plan whose tests were in it.
        of: ItemId,
        /// Which retry it was, from 1 on.
        number: u32,
        /// Where it ran; absent when it was lost.
        ran: Option<Ran>,
        /// What it says of each of its tests, by id.
        tests: Vec<(String, RetryResult)>,
    },
    /// What failed on a host or in a slot was queued to run elsewhere, as an item of its own.
    RepeatQueued {
        /// The item.
        item: WorkItem,
        /// The item of the plan that it repeats.
        repeat: Repeat,
        /// Where that failed.
        hostname: String,
        /// The slot, if the others of the host may run it.
        slot: Option<u32>,
    },
    /// Tests that were asked for by id are gone: the whole file was queued, as an item of its own.
    WholeQueued {
        /// The item.
        item: WorkItem,
        /// The item of the plan whose place it takes.
        repeat: Repeat,
        /// The ids that the file does not have any more.
        gone: Vec<String>,
    },
    /// A file that is split has tests that none of its parts was given: they run as one more item.
    RestQueued {
        /// The item, one of the plan.
        item: WorkItem,
        /// How many tests, as far as is known.
        tests: usize,
    },
    /// The filters left out every test of the job: an item runs without them, as one of its own.
    UnfilteredQueued {
        /// The item.
        item: WorkItem,
        /// The item of the plan whose place it takes.
        repeat: Repeat,
        /// The filters, in the framework's words.
        by: String,
    },
    /// A file that failed is judged again: a run of it was queued, as an item of its own.
    ReviewQueued {
        /// The item.
        item: WorkItem,
        /// The items of the plan that it is about.
        of: Vec<ItemId>,
        /// How it runs.
        way: Way,
    },
    /// What was found of an item of the plan that failed.
    Reviewed(Reviewed),
    /// Too many files failed for it to be of use to judge any of them again.
    ReviewsSkipped {
        /// How many files failed.
        failed: usize,
        /// How many files the job has.
        files: usize,
    },
    /// Tests of a file that is split are there no more.
    TestsGone {
        /// The file.
        filename: String,
        /// Their ids.
        gone: Vec<String>,
    },
    /// What failed on a host or in a slot is found to be the fault of that place, or the suite's own.
    PlaceProbed(Probed),
    /// Too much failed for retries to be of use: none runs.
    RetriesStopped {
        /// How many tests failed.
        failed: usize,
        /// How many tests finished.
        finished: usize,
    },
    /// A suite-level hook raised.
    SuiteHookFailed(SuiteHookFailed),
    /// Something the user should know.
    Warning(Warning),
    /// A Ruby child could not be started, and is tried once more.
    StartFailed(StartFailed),
    /// A worker ended.
    WorkerEnded(WorkerEnded),
    /// A worker died.
    WorkerDied(WorkerDied),
    /// A host is done with the job, or written off.
    HostLeft(HostLeft),
    /// The local listener died and is started again.
    LocalListenerDied {
        /// How it ended.
        end: String,
    },
    /// The last host left and the job waits for another.
    NoHostLeft {
        /// How long it waits.
        wait_limit: Duration,
    },
    /// The broker is away.
    BrokerLost,
    /// The broker is back.
    BrokerBack,
}
