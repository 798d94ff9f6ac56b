//! The state of each item: queued, started, in doubt, settled.

mod ahead;
mod doubts;
mod requeue;
mod rest;
mod shunning;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::message::WorkerKey;
use gorgon_proto::outcome::Verdict;

use super::bundles::Bundles;
use super::sick::{Place, Repeat};

/// How long after a `returned` the worker that had the item is waited for.
pub const DOUBT_LIMIT: Duration = Duration::from_secs(2);
/// A worker that reconnects says what it holds before the broker delivers those items again. For this time its `holds`
/// answers the `returned` that follows.
const WORD_LIMIT: Duration = Duration::from_secs(10);
/// Number of lost attempts after which an item is lost.
pub const LOST_LIMIT: usize = 3;
/// How often an item that was declined is published with its `avoid`.
pub const DECLINE_LIMIT: u32 = 3;

/// Who runs an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) worker: WorkerKey,
    pub(super) hostname: String,
}

/// Which workers an item is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bound {
    /// All but those of this place.
    Not(Place),
    /// Those of this place.
    Only(Place),
}

impl Bound {
    pub(super) fn place(&self) -> &Place {
        match self {
            Self::Not(place) | Self::Only(place) => place,
        }
    }
}

/// Where an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Not on the file queue yet: it goes there in its turn.
    Waiting,
    /// Waits until a worker is free that it does not shun.
    Parked,
    /// On the file queue, or delivered without a word of it yet.
    Queued,
    /// Workers run it: one, or more where a publish arrived twice.
    Started(Vec<Holder>),
    /// Given back by the broker, and perhaps still run by these.
    Doubtful {
        holders: Vec<Holder>,
        until: Instant,
        /// Whether the loss counts against the item.
        costs: bool,
    },
    /// Has its verdict.
    Settled(Verdict),
}

#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) work: WorkItem,
    pub(super) lost_on: Vec<String>,
    /// How many of these attempts were given up, as a listener died.
    given_up: usize,
    declined: u32,
    /// The host or slot whose workers are not to run it, or are to run it alone.
    bound: Option<Bound>,
    /// The item of the plan that it repeats.
    pub(super) repeat: Option<Repeat>,
    /// The attempt of which its worker said that it still holds it, and when; one `returned` uses that up.
    word: Option<(u32, Instant)>,
    /// Workers whose start of this attempt was reported.
    told: Vec<WorkerKey>,
    pub(super) phase: Phase,
}

impl Item {
    fn queued(work: WorkItem) -> Self {
        Self {
            work,
            lost_on: Vec::new(),
            given_up: 0,
            declined: 0,
            bound: None,
            repeat: None,
            word: None,
            told: Vec::new(),
            phase: Phase::Queued,
        }
    }
}

/// All items of a job, by id from 0 on.
#[derive(Debug)]
pub(super) struct Items {
    items: Vec<Item>,
    /// So many of them are the plan's; those after them are retries and repeats.
    planned: usize,
    unsettled_planned: usize,
    unsettled: usize,
    doubtful: BTreeSet<ItemId>,
    /// Those without a verdict that shun a place, or are for one alone.
    bound: BTreeSet<ItemId>,
    held: HashMap<WorkerKey, BTreeSet<ItemId>>,
    pub(super) bundles: Bundles,
}

impl Items {
    pub(super) fn new(work: Vec<WorkItem>) -> Self {
        for (place, item) in (0u32..).zip(&work) {
            assert_eq!(
                item.item,
                ItemId(place),
                "items are numbered by their place in the plan"
            );
        }
        Self {
            planned: work.len(),
            unsettled_planned: work.len(),
            unsettled: work.len(),
            items: work.into_iter().map(Item::planned).collect(),
            doubtful: BTreeSet::new(),
            bound: BTreeSet::new(),
            held: HashMap::new(),
            bundles: Bundles::default(),
        }
    }

    /// Adds an item to those of the plan, and returns it with its id.
    pub(super) fn add(&mut self, work: WorkItem) -> WorkItem {
        let place = u32::try_from(self.items.len()).expect("fewer items than tests");
        let work = WorkItem {
            item: ItemId(place),
            ..work
        };
        self.items.push(Item::queued(work.clone()));
        self.unsettled += 1;
        work
    }

    /// Returns whether an item is one of the plan.
    pub(super) fn is_planned(&self, id: ItemId) -> bool {
        (id.0 as usize) < self.planned
    }

    /// Returns whether an item of the plan has no verdict yet.
    pub(super) fn plan_is_open(&self) -> bool {
        self.unsettled_planned > 0
    }

    pub(super) fn get(&self, id: ItemId) -> Option<&Item> {
        self.items.get(id.0 as usize)
    }

    fn item(&mut self, id: ItemId) -> &mut Item {
        &mut self.items[id.0 as usize]
    }

    pub(super) fn unsettled(&self) -> usize {
        self.unsettled
    }

    pub(super) fn any_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Returns whether an item lies on the file queue, or is on its way from it.
    pub(super) fn any_queued(&self) -> bool {
        self.items.iter().any(|item| item.phase == Phase::Queued)
    }

    pub(super) fn is_held_by(&self, worker: &WorkerKey) -> bool {
        self.held.contains_key(worker)
    }

    /// Returns whether an item waits on the queue for another worker than the one that it avoids.
    pub(super) fn is_avoiding(&self, id: ItemId) -> bool {
        self.get(id)
            .is_some_and(|item| item.phase == Phase::Queued && item.work.avoid.is_some())
    }

    /// Returns the earliest end of a doubt.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.doubtful
            .iter()
            .filter_map(|id| self.doubt_until(*id))
            .min()
    }

    fn doubt_until(&self, id: ItemId) -> Option<Instant> {
        match self.items[id.0 as usize].phase {
            Phase::Doubtful { until, .. } => Some(until),
            Phase::Waiting
            | Phase::Parked
            | Phase::Queued
            | Phase::Started(_)
            | Phase::Settled(_) => None,
        }
    }

    /// Returns the doubtful items whose time is up.
    pub(super) fn expired(&self, now: Instant) -> Vec<ItemId> {
        let over = |id: &ItemId| self.doubt_until(*id).is_some_and(|until| until <= now);
        self.doubtful.iter().copied().filter(over).collect()
    }

    pub(super) fn held_by(&self, worker: &WorkerKey) -> Vec<ItemId> {
        self.held
            .get(worker)
            .map(|ids| ids.iter().copied().collect())
            .unwrap_or_default()
    }

    /// Returns the items that nobody has begun, each with its attempt.
    pub(super) fn queued(&self) -> Vec<(ItemId, u32)> {
        let queued = self.items.iter().filter(|item| item.phase == Phase::Queued);
        queued
            .map(|item| (item.work.item, item.work.attempt))
            .collect()
    }

    /// Returns the ids of items that have no verdict, in order.
    pub(super) fn open(&self) -> Vec<ItemId> {
        self.items
            .iter()
            .filter(|item| !matches!(item.phase, Phase::Settled(_)))
            .map(|item| item.work.item)
            .collect()
    }

    fn set_phase(&mut self, id: ItemId, phase: Phase) {
        let old = std::mem::replace(&mut self.item(id).phase, phase.clone());
        if let Phase::Started(holders) | Phase::Doubtful { holders, .. } = old {
            for holder in holders {
                if let Some(ids) = self.held.get_mut(&holder.worker) {
                    ids.remove(&id);
                    if ids.is_empty() {
                        self.held.remove(&holder.worker);
                    }
                }
            }
        }
        self.doubtful.remove(&id);
        if phase != Phase::Queued {
            self.bundles.left_queue(id);
        }
        match phase {
            Phase::Started(holders) => self.hold(id, holders),
            Phase::Doubtful { holders, .. } => {
                self.doubtful.insert(id);
                self.hold(id, holders);
            }
            Phase::Settled(_) => {
                self.bound.remove(&id);
            }
            Phase::Waiting | Phase::Parked | Phase::Queued => {}
        }
    }

    fn hold(&mut self, id: ItemId, holders: Vec<Holder>) {
        for holder in holders {
            self.held.entry(holder.worker).or_default().insert(id);
        }
    }

    /// A worker says that it runs the item: it began, or it has come back and still holds it.
    /// Returns whether that was not known, or was in doubt.
    pub(super) fn started(&mut self, id: ItemId, attempt: u32, holder: Holder) -> bool {
        let Some(item) = self.get(id) else {
            return false;
        };
        if attempt != item.work.attempt {
            return false;
        }
        let holders = match &item.phase {
            Phase::Settled(_) => return false,
            Phase::Waiting | Phase::Parked | Phase::Queued | Phase::Doubtful { .. } => {
                vec![holder]
            }
            Phase::Started(holders) if holders.contains(&holder) => return false,
            Phase::Started(holders) => {
                let mut holders = holders.clone();
                holders.push(holder);
                holders
            }
        };
        self.set_phase(id, Phase::Started(holders));
        true
    }

    /// Returns whether this start is to be told: a manager tells once more what its dead worker had told, and what a
    /// worker holds may be known before its start.
    pub(super) fn take_untold(&mut self, id: ItemId, attempt: u32, worker: WorkerKey) -> bool {
        let Some(item) = self.items.get_mut(id.0 as usize) else {
            return false;
        };
        let open = attempt == item.work.attempt && !matches!(item.phase, Phase::Settled(_));
        let untold = open && !item.told.contains(&worker);
        if untold {
            item.told.push(worker);
        }
        untold
    }

    /// A worker has come back and still holds the item.
    pub(super) fn holds(&mut self, now: Instant, id: ItemId, attempt: u32, holder: Holder) {
        let doubted = self.doubtful.contains(&id);
        self.started(id, attempt, holder);
        if !doubted && self.get(id).is_some() {
            self.item(id).word = Some((attempt, now));
        }
    }

    /// Returns whether a `returned` of this attempt is answered already, by a word that came before it.
    pub(super) fn is_answered(&mut self, now: Instant, id: ItemId, attempt: u32) -> bool {
        if self.get(id).is_none() {
            return false;
        }
        let word = self.item(id).word.take();
        word.is_some_and(|(of, at)| of == attempt && now.duration_since(at) < WORD_LIMIT)
    }

    /// The first finish of an item settles it; later ones return `false`.
    pub(super) fn settle(&mut self, id: ItemId, verdict: Verdict) -> bool {
        match self.get(id).map(|item| &item.phase) {
            None | Some(Phase::Settled(_)) => false,
            Some(
                Phase::Waiting
                | Phase::Parked
                | Phase::Queued
                | Phase::Started(_)
                | Phase::Doubtful { .. },
            ) => {
                self.set_phase(id, Phase::Settled(verdict));
                self.unsettled -= 1;
                if self.is_planned(id) {
                    self.unsettled_planned -= 1;
                }
                true
            }
        }
    }

    /// Drops a holder that is gone for good. Returns the item when nobody is left who runs it.
    pub(super) fn drop_holder(&mut self, id: ItemId, worker: &WorkerKey) -> Option<Holder> {
        let phase = self.item(id).phase.clone();
        let (Phase::Started(mut holders) | Phase::Doubtful { mut holders, .. }) = phase else {
            return None;
        };
        let place = holders.iter().position(|holder| holder.worker == *worker)?;
        let gone = holders.remove(place);
        if holders.is_empty() {
            return Some(gone);
        }
        let phase = match &self.item(id).phase {
            Phase::Doubtful { until, costs, .. } => Phase::Doubtful {
                holders,
                until: *until,
                costs: *costs,
            },
            Phase::Waiting
            | Phase::Parked
            | Phase::Queued
            | Phase::Started(_)
            | Phase::Settled(_) => Phase::Started(holders),
        };
        self.set_phase(id, phase);
        None
    }
}
