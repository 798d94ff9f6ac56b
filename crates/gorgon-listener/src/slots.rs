//! Whose slot is whose, pure: the slots of a host, shared by its jobs.
//!
//! ```text
//!   Free ── grant ──▶ Held ── recall ──▶ Recalled ── its worker has ended ──▶ Free
//!                      └──────────── its worker has ended ────────────────────┘
//! ```
//!
//! A slot is nobody's until the last worker in it has ended: so no two processes of the host have
//! one number at a time. Who wants how much:
//! - a job that is ready wants as many slots as it can use; one of whose slots waited for an item
//!   (it is **dry**) wants those that run one, until it is seen to have items again;
//! - what these leave goes to jobs that are not ready yet (their preloader starts), so that a job
//!   that is alone need not wait for a word;
//! - each gets as much as it wants, or as any other that wants more; what cannot be divided stays
//!   with who has it. Where there are more jobs than slots, they take turns.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gorgon_proto::job::JobId;
use gorgon_proto::local::ManagerLine;

/// Where jobs take turns: how long a slot stays before it is recalled for a job that had its turn.
pub const TURN: Duration = Duration::from_secs(2);

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// The job may use this slot.
    Grant(JobId, u32),
    /// The job is to give this slot back at the end of the item that runs in it.
    Recall(JobId, u32),
}

#[derive(Debug)]
struct Held {
    since: Instant,
    idle: bool,
    recalled: bool,
}

#[derive(Debug)]
struct Share {
    arrived: u64,
    /// More slots than this it cannot use.
    most: u32,
    ready: bool,
    dry: bool,
    closing: bool,
    held: BTreeMap<u32, Held>,
    /// Slots in which its workers died again and again.
    out: BTreeSet<u32>,
    /// When it lost its last slot.
    had_at: Option<Instant>,
}

impl Share {
    /// Slots that it keeps.
    fn kept(&self) -> u32 {
        count(self.held.values().filter(|held| !held.recalled))
    }

    fn busy(&self) -> u32 {
        count(
            self.held
                .values()
                .filter(|held| !held.recalled && !held.idle),
        )
    }

    fn wants(&self, total: u32) -> u32 {
        let usable = self.most.min(total.saturating_sub(count(self.out.iter())));
        if self.closing {
            0
        } else if self.dry {
            self.busy().min(usable)
        } else {
            usable
        }
    }
}

/// The slots of a host.
#[derive(Debug)]
pub struct Slots {
    total: u32,
    jobs: BTreeMap<JobId, Share>,
    arrivals: u64,
}

impl Slots {
    /// Makes `total` slots, numbered from 1 on.
    #[must_use]
    pub fn new(total: u32) -> Self {
        Self {
            total,
            jobs: BTreeMap::new(),
            arrivals: 0,
        }
    }

    /// Returns how many slots there are.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.total
    }

    /// Returns the slots that no job has.
    pub fn free(&self) -> impl Iterator<Item = u32> {
        (1..=self.total).filter(|slot| !self.jobs.values().any(|job| job.held.contains_key(slot)))
    }

    /// Returns the slots of a job that it need not give back.
    #[must_use]
    pub fn of(&self, job: &JobId) -> Vec<u32> {
        let held = self.jobs.get(job).into_iter().flat_map(|job| &job.held);
        held.filter(|(_, held)| !held.recalled)
            .map(|(slot, _)| *slot)
            .collect()
    }

    /// A job's manager starts; it can use at most `most` slots.
    pub fn enter(&mut self, job: JobId, most: u32) {
        self.arrivals += 1;
        let share = Share {
            arrived: self.arrivals,
            most,
            ready: false,
            dry: false,
            closing: false,
            held: BTreeMap::new(),
            out: BTreeSet::new(),
            had_at: None,
        };
        self.jobs.insert(job, share);
    }

    /// A job's manager is gone, and all below it.
    pub fn leave(&mut self, job: &JobId) {
        self.jobs.remove(job);
    }

    /// Returns whether the manager of a job has said that it starts no more workers.
    #[must_use]
    pub fn is_closing(&self, job: &JobId) -> bool {
        self.jobs.get(job).is_some_and(|share| share.closing)
    }

    /// A manager says something.
    pub fn heard(&mut self, now: Instant, job: &JobId, line: &ManagerLine) {
        let Some(share) = self.jobs.get_mut(job) else {
            return;
        };
        match line {
            ManagerLine::Ready => share.ready = true,
            ManagerLine::Waiting => share.dry = false,
            ManagerLine::Closing => share.closing = true,
            ManagerLine::Idle { slot } => {
                if let Some(held) = share.held.get_mut(slot) {
                    held.idle = true;
                    share.dry = true;
                }
            }
            ManagerLine::Busy { slot } => {
                if let Some(held) = share.held.get_mut(slot) {
                    held.idle = false;
                    share.dry = false;
                }
            }
            ManagerLine::Freed { slot, out } => {
                let freed = share.held.remove(slot);
                if *out {
                    share.out.insert(*slot);
                }
                if freed.is_some() && share.held.is_empty() {
                    share.had_at = Some(now);
                }
            }
        }
    }

    /// Returns when [`Slots::balance`] may have something to do though nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.turn().map(|(at, _, _)| at)
    }

    /// Shares the slots, and tells what changes by that.
    pub fn balance(&mut self, now: Instant) -> Vec<Move> {
        let mut moves = Vec::new();
        let targets = self.targets();
        while let Some((job, slot)) = self.next_grant(&targets) {
            if let Some(share) = self.jobs.get_mut(&job) {
                let held = Held {
                    since: now,
                    idle: false,
                    recalled: false,
                };
                share.held.insert(slot, held);
            }
            moves.push(Move::Grant(job, slot));
        }
        for _ in 0..self.wanting(&targets) {
            let Some((job, slot)) = self.next_recall(&targets) else {
                break;
            };
            self.recall(&job, slot);
            moves.push(Move::Recall(job, slot));
        }
        if let Some((at, job, slot)) = self.turn()
            && at <= now
        {
            self.recall(&job, slot);
            if let Some(share) = self.jobs.get_mut(&job) {
                share.had_at = Some(now);
            }
            moves.push(Move::Recall(job, slot));
        }
        moves
    }

    fn recall(&mut self, job: &JobId, slot: u32) {
        let share = self.jobs.get_mut(job);
        if let Some(held) = share.and_then(|share| share.held.get_mut(&slot)) {
            held.recalled = true;
        }
    }

    /// How many slots each job is to have.
    fn targets(&self) -> BTreeMap<JobId, u32> {
        let mut targets: BTreeMap<JobId, u32> = BTreeMap::new();
        let mut left = self.total;
        for ready in [true, false] {
            let mut order: Vec<_> = self
                .jobs
                .iter()
                .filter(|(_, share)| share.ready == ready)
                .collect();
            // What cannot be divided stays with who has it; of who has none, the first that waited.
            order.sort_by_key(|(_, share)| {
                let kept = u32::MAX - share.kept();
                (kept, share.had_at, share.arrived)
            });
            let mut given = true;
            while left > 0 && given {
                given = false;
                for (job, share) in &order {
                    let target = targets.entry((*job).clone()).or_default();
                    if *target < share.wants(self.total) && left > 0 {
                        *target += 1;
                        left -= 1;
                        given = true;
                    }
                }
            }
        }
        targets
    }

    /// The job that lacks a slot and has the fewest, and a free slot for it.
    fn next_grant(&self, targets: &BTreeMap<JobId, u32>) -> Option<(JobId, u32)> {
        let free: Vec<u32> = self.free().collect();
        let lacking = self.jobs.iter().filter(|(job, share)| {
            targets
                .get(*job)
                .is_some_and(|target| share.kept() < *target)
        });
        lacking
            .filter_map(|(job, share)| {
                let slot = free.iter().find(|slot| !share.out.contains(slot))?;
                let order = (!share.ready, share.kept(), share.had_at, share.arrived);
                Some((order, job.clone(), *slot))
            })
            .min()
            .map(|(_, job, slot)| (job, slot))
    }

    /// How many slots are lacking that are not on their way.
    fn wanting(&self, targets: &BTreeMap<JobId, u32>) -> u32 {
        let lacks = |(job, share): (&JobId, &Share)| {
            let target = targets.get(job).copied().unwrap_or_default();
            target.saturating_sub(share.kept())
        };
        let lacking: u32 = self.jobs.iter().map(lacks).sum();
        lacking.saturating_sub(self.on_their_way())
    }

    fn on_their_way(&self) -> u32 {
        let held = self.jobs.values().flat_map(|share| share.held.values());
        count(held.filter(|held| held.recalled))
    }

    /// A slot of a job that has more than it is to have: first one that idles.
    fn next_recall(&self, targets: &BTreeMap<JobId, u32>) -> Option<(JobId, u32)> {
        let surplus = |(job, share): (&JobId, &Share)| {
            let target = targets.get(job).copied().unwrap_or_default();
            let more = share
                .kept()
                .checked_sub(target)
                .filter(|more| *more > 0 && !share.closing)?;
            let kept = share.held.iter().filter(|(_, held)| !held.recalled);
            let (slot, held) = kept.max_by_key(|(slot, held)| (held.idle, **slot))?;
            Some((held.idle || !share.ready, more, *slot, job.clone()))
        };
        let (_, _, slot, job) = self.jobs.iter().filter_map(surplus).max()?;
        Some((job, slot))
    }

    /// There are more jobs than slots: which slot changes hands next, and when.
    fn turn(&self) -> Option<(Instant, JobId, u32)> {
        let waits =
            |share: &&Share| share.ready && share.held.is_empty() && share.wants(self.total) > 0;
        if self.free().next().is_some() || self.on_their_way() > 0 {
            return None;
        }
        let waiting = self.jobs.values().filter(waits);
        let first = waiting.min_by_key(|share| (share.had_at, share.arrived))?;
        let holders = self.jobs.iter().filter(|(_, share)| !share.closing);
        let held = holders.flat_map(|(job, share)| share.held.iter().map(move |held| (job, held)));
        let (job, (slot, held)) = held.min_by_key(|(_, (_, held))| held.since)?;
        // Who never had one need not wait for the end of a turn.
        let turn = first.had_at.map_or(Duration::ZERO, |_| TURN);
        Some((held.since + turn, job.clone(), *slot))
    }
}

fn count<T>(things: impl Iterator<Item = T>) -> u32 {
    u32::try_from(things.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
