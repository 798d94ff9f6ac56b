//! The ledger: knows the state of each item from events and decides what follows. A pure core.
//!
//! Its rules, in short (the long form is in ARCHITECTURE.md):
//! - the first finish of an item is its verdict, later ones are dropped;
//! - the job is over when every item has a verdict, not when a queue is empty;
//! - what a dead worker ran is queued again at once; what the broker gave back is queued again
//!   after [`DOUBT_LIMIT`], unless its worker says meanwhile that it still runs it;
//! - what the broker dropped from the file queue is missed there twice, then queued again;
//! - three losses that count make an item lost; an outage of the broker and an item that is
//!   handed back do not count;
//! - failed tests are tried again once every item of the plan has its verdict, as items of their
//!   own; what they say changes the verdicts of tests, never that an item has one;
//! - where much fails on one host, or alike in one slot, and little elsewhere, some of it runs elsewhere
//!   as probes; when they pass, and one of them fails there again, the host or slot is sent away, and what
//!   failed there runs again elsewhere;
//! - where a test that failed in an earlier job is gone from its file, the whole file runs in its
//!   place;
//! - a file may be split into parts, items of the plan each; what no part was given runs as one more;
//! - where filters left out every test of the job, and the suite wants all to run then, they do;
//! - what fails after other files in a Ruby child, or in a part, and was not known to fail, is judged
//!   again at the end: it may depend on what ran before;
//! - after a cancel or `--fail-fast` nothing is published any more.

mod bundles;
mod dropped;
mod event;
mod filters;
mod gone;
mod hosts;
mod items;
mod leaving;
mod managers;
mod parts;
mod recovery;
mod replies;
mod retries;
mod reviews;
mod sick;
mod stages;
#[cfg(test)]
pub(crate) mod tests;

use std::time::{Duration, Instant};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::message::WorkerKey;

pub use bundles::SMALL_S;
pub use dropped::QUIET_LIMIT;
pub use event::{Cause, Effect, Ending, Event, Happening, Kept, Ran, Rules};
pub use hosts::{LOOK_INTERVAL, SILENCE_LIMIT};
pub use items::{DECLINE_LIMIT, DOUBT_LIMIT, LOST_LIMIT};
pub use retries::{RetryResult, STOP_FROM, STOP_SHARE};
pub use reviews::{FAILED_FROM, FAILED_SHARE, LastFailed, Reviewed, Way};
pub use sick::{Place, Probed, Repeat, Why, hook_of_sick};

use dropped::Dropped;
use filters::Filters;
use hosts::Hosts;
use items::{Items, Phase};
use parts::Splits;
use recovery::Recovery;
use retries::Retries;
use reviews::Reviews;
use sick::Sick;
use stages::Stage;

/// After the file queue was lost: how long to wait until the workers say what they hold.
pub const HOLDS_LIMIT: Duration = Duration::from_secs(5);
/// Silence of a worker after a reconnect until the item that it had started is queued again.
pub const MUTE_LIMIT: Duration = Duration::from_secs(15);
/// How often the file queue is looked for, long before it would expire.
pub const QUEUE_LOOK_INTERVAL: Duration = Duration::from_secs(60);
/// How long to wait for the answers of all listeners before a job without hosts is given up.
pub const ANSWERS_LIMIT: Duration = Duration::from_secs(1);
/// Time within which the last messages of a listener that has ended arrive.
pub const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);
/// Time within which a worker reports an item that it got just before the file queue was emptied.
pub const STRAYS_LIMIT: Duration = Duration::from_millis(500);
/// Time within which a callback that has overrun its limit is stopped and reported.
pub const TOLD_LIMIT: Duration = Duration::from_secs(15);
/// How often a listener of `--local` is started again.
pub const LOCAL_RESTARTS: u32 = 2;

/// The state of one job.
#[derive(Debug)]
pub struct Ledger {
    rules: Rules,
    items: Items,
    splits: Splits,
    retries: Retries,
    reviews: Reviews,
    filters: Filters,
    sick: Sick,
    hosts: Hosts,
    stage: Stage,
    broker_up: bool,
    recovery: Option<Recovery>,
    failures: u32,
    offered_at: Option<Instant>,
    /// Since when no host lives.
    alone_since: Option<Instant>,
    /// A host left that may take the job again, and has not been asked.
    offer_again: bool,
    look_at: Option<Instant>,
    queue_look_at: Option<Instant>,
    dropped: Dropped,
    /// The local listener ended then; its last words are waited for.
    local_ended: Option<(Instant, String)>,
    local_restarts: u32,
}

impl Ledger {
    /// Makes the ledger of these items, which are numbered from 0 on. All of them lie on the file queue, unless `bundling`
    /// follows.
    #[must_use]
    pub fn new(rules: Rules, work: Vec<WorkItem>) -> Self {
        Self {
            rules,
            splits: Splits::new(&work),
            items: Items::new(work),
            retries: Retries::default(),
            reviews: Reviews::default(),
            filters: Filters::default(),
            sick: Sick::default(),
            hosts: Hosts::default(),
            stage: Stage::Preparing,
            broker_up: true,
            recovery: None,
            failures: 0,
            offered_at: None,
            alone_since: None,
            offer_again: false,
            look_at: None,
            queue_look_at: None,
            dropped: Dropped::default(),
            local_ended: None,
            local_restarts: 0,
        }
    }

    /// The plan goes to the file queue bit by bit, small files together; nothing of it is there yet. `seconds`: how long
    /// each item of it took in an earlier job. `slots`: how many there will be, if that is known.
    #[must_use]
    pub fn bundling(mut self, seconds: Vec<Option<f64>>, slots: usize) -> Self {
        self.items.hold_back(seconds, slots);
        self
    }

    /// The same, but each item has a message of its own.
    #[must_use]
    pub fn singly(mut self) -> Self {
        self.items.bundles = std::mem::take(&mut self.items.bundles).singly();
        self
    }

    /// Returns the messages for the file queue before the job is offered.
    pub fn publish_first(&mut self) -> Vec<Vec<WorkItem>> {
        if !self.items.bundles.any_waiting() {
            let queued = self.items.queued().into_iter();
            let work = queued.filter_map(|(id, _)| self.items.get(id));
            return work.map(|item| vec![item.work.clone()]).collect();
        }
        let next = || Some(self.items.next_message(0, None)).filter(|items| !items.is_empty());
        std::iter::from_fn(next).collect()
    }

    /// Returns the items without a verdict, in the order of the plan.
    #[must_use]
    pub fn open_items(&self) -> Vec<ItemId> {
        self.items.open()
    }

    /// Returns the file of an item.
    #[must_use]
    pub fn file_of(&self, id: ItemId) -> Option<&str> {
        self.items.get(id).map(|item| item.work.filename.as_str())
    }

    /// Takes one event at `now` and tells what to do about it.
    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.stage == Stage::Done {
            return out;
        }
        match event {
            Event::Offered => self.offered(now),
            Event::Reply(reply) => {
                self.dropped.heard(now);
                self.reply(now, *reply, &mut out);
            }
            Event::Announced(announce) => self.announced(&announce, &mut out),
            Event::BrokerBlocked => self.dropped.blocked(now, true),
            Event::BrokerUnblocked => self.dropped.blocked(now, false),
            Event::BrokerLost => {
                self.broker_up = false;
                self.dropped.blocked(now, false);
                out.push(Effect::Tell(Happening::BrokerLost));
            }
            Event::BrokerBack { files } => self.broker_back(now, files, &mut out),
            Event::BrokerGaveUp => self.done(Ending::BrokerGone, &mut out),
            Event::MessageTooLarge { item, what } => {
                if !self.review_too_large(item, &what, &mut out) {
                    out.push(Effect::SendCancel);
                    self.done(Ending::MessageTooLarge { what }, &mut out);
                }
            }
            Event::ReplyQueueLost | Event::AnnouncementsLost => self.offer_to_all(&mut out),
            Event::FileQueueMissing => self.file_queue_missing(now, &mut out),
            Event::FileQueueLooked { messages } => self.file_queue_looked(now, messages, &mut out),
            Event::HostLooked {
                listener_id,
                consumers,
            } => {
                if self.broker_up && self.hosts.looked(now, &listener_id, consumers) {
                    self.write_off(now, &listener_id, &mut out);
                }
            }
            Event::LocalListenerEnded { end } => self.local_ended = Some((now, end)),
            Event::Cancelled => self.cancelled(now, &mut out),
            Event::DeadlinePassed => {}
        }
        self.pass_deadlines(now, &mut out);
        self.watch_places(&mut out);
        self.release(now, &mut out);
        self.publish_ahead(&mut out);
        self.queue_again(&mut out);
        self.conclude(now, &mut out);
        self.remember_published(&out);
        out
    }

    /// Returns when `DeadlinePassed` is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let stage = match &self.stage {
            Stage::Done => return None,
            Stage::Closing { until, .. } => Some(*until),
            // Beyond this instant the word of a worker is waited for, not a deadline.
            Stage::Draining { strays_until } => (!self.items.any_held()).then_some(*strays_until),
            Stage::Running => self.alone_since.and_then(|since| {
                let answers = self.offered_at.map(|at| at + self.answers_limit());
                // Nobody is given up while nobody can be heard.
                let wait = Some(since + self.rules.wait_limit).filter(|_| self.broker_up);
                answers
                    .filter(|_| self.hosts.all_failed())
                    .into_iter()
                    .chain(wait)
                    .min()
            }),
            Stage::Preparing => None,
        };
        let up = |at: Option<Instant>| at.filter(|_| self.broker_up);
        [
            stage,
            up(self.items.deadline()),
            up(self
                .recovery
                .as_ref()
                .map(|r| r.refill_at.unwrap_or(r.mute_at))),
            up(self.look_at),
            up(self.queue_look_at),
            up(self.dropped.look_at()),
            up(self.sick.deadline()),
            self.local_ended
                .as_ref()
                .map(|(at, _)| *at + LAST_WORDS_LIMIT),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn offered(&mut self, now: Instant) {
        if self.stage == Stage::Preparing {
            self.stage = Stage::Running;
        }
        self.offered_at = Some(now);
        self.look_at = Some(now + LOOK_INTERVAL);
        self.queue_look_at = Some(now + QUEUE_LOOK_INTERVAL);
        self.dropped.heard(now);
        if !self.hosts.any_lives() {
            self.alone_since = Some(now);
        }
    }

    /// Items may be queued: not after a cancel or fail-fast.
    fn publishes(&self) -> bool {
        matches!(self.stage, Stage::Preparing | Stage::Running)
    }

    /// Publishes more of the plan, so that no worker waits for us.
    fn publish_ahead(&mut self, out: &mut Vec<Effect>) {
        if self.stage != Stage::Running || !self.items.bundles.any_waiting() {
            return;
        }
        let most = self.most_ahead();
        let slots = self.hosts.slots();
        loop {
            let next = self.items.next_message(slots, most);
            if next.is_empty() {
                return;
            }
            out.push(bundles::message_of(next));
        }
    }

    fn requeue(
        &mut self,
        id: ItemId,
        cause: Cause,
        hostname: Option<String>,
        costs: bool,
        out: &mut Vec<Effect>,
    ) {
        if self.publishes() {
            if let Some(hosts) = self.items.requeue(id, cause, hostname, costs, out) {
                self.retry_lost(id, &hosts, out);
                self.review_lost(id, out);
                self.part_lost(id);
                self.probe_ended(id, None);
            }
        } else {
            self.items.shelve(id);
        }
    }

    /// These workers are gone for good: what they ran is queued again at once.
    fn lose_workers(
        &mut self,
        workers: impl IntoIterator<Item = WorkerKey>,
        costs: bool,
        out: &mut Vec<Effect>,
    ) {
        for worker in workers {
            if let Some(recovery) = &mut self.recovery {
                recovery.awaited.remove(&worker);
            }
            // Of a bundle only what it had told to run may be at fault.
            let held = self.items.held_by(&worker).into_iter();
            let held = held.map(|id| (id, self.items.is_untold_mate(id, &worker)));
            for (id, is_mate) in held.collect::<Vec<_>>() {
                let (cause, costs) = match is_mate {
                    true => (Cause::BundleLost, false),
                    false => (Cause::WorkerLost, costs),
                };
                if let Some(holder) = self.items.drop_holder(id, &worker) {
                    self.requeue(id, cause, Some(holder.hostname), costs, out);
                }
            }
        }
    }

    fn pass_deadlines(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self
            .local_ended
            .as_ref()
            .is_some_and(|(at, _)| *at + LAST_WORDS_LIMIT <= now)
        {
            self.local_listener_is_gone(now, out);
        }
        if !self.broker_up {
            return;
        }
        self.pass_recovery(now, out);
        for id in self.items.expired(now) {
            let Some(Phase::Doubtful { holders, costs, .. }) = self.items.get(id).map(|i| &i.phase)
            else {
                continue;
            };
            let (hostname, costs) = (holders.first().map(|h| h.hostname.clone()), *costs);
            let cause = if costs {
                Cause::Returned
            } else {
                Cause::BrokerOutage
            };
            self.requeue(id, cause, hostname, costs, out);
        }
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = Some(now + LOOK_INTERVAL);
            self.send_all_away(out);
            let silent = self.hosts.silent(now);
            if !silent.is_empty() {
                out.push(Effect::LookAtHosts(silent));
            }
        }
        self.look_when_quiet(now, out);
        if self.queue_look_at.is_some_and(|at| at <= now) {
            self.queue_look_at = Some(now + QUEUE_LOOK_INTERVAL);
            if self.publishes() {
                out.push(Effect::LookAtFileQueue);
            }
            // Hosts that still prepare may have left, and their message may be lost.
            if self.hosts.any_lives() && !self.hosts.any_joined() {
                self.offer_to_all(out);
            }
        }
    }
}
