//! Jobs drawn by chance on a host in virtual time: they come, run their items in the slots that they
//! have, get more items late, and end. What must be true is looked at whenever something happens.

use std::collections::BTreeMap;

use super::*;

/// A worker waits so long before it says so.
const IDLE_MS: u64 = 200;
/// A manager without a slot that is used looks for items so often.
const LOOK_MS: u64 = 1_000;
/// A worker starts, or ends, within this.
const HAND_OVER_MS: u64 = 30;
/// So long may a slot idle, or a job lack one, beside an item that runs: until an idle worker has said so, a look
/// has found items, and a worker has ended and another started.
const SLACK_MS: u64 = IDLE_MS + LOOK_MS + 3 * HAND_OVER_MS;

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides.max(1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Worker {
    Starting,
    Runs,
    Waits { since: u64, told: bool },
    Ends,
}

#[derive(Debug)]
struct Project {
    comes_at: u64,
    ready_at: u64,
    most: u32,
    queue: Vec<u64>,
    /// Items that come later: retries, what another host gave back.
    late: Vec<(u64, u64)>,
    /// Until when other hosts run its items: it does not end before.
    goes_on_until: u64,
    workers: BTreeMap<u32, Worker>,
    recalled: Vec<u32>,
    dry: bool,
    entered: bool,
    ready: bool,
    ended: bool,
    lacks_since: Option<u64>,
}

struct Market {
    dice: Dice,
    start: Instant,
    now: u64,
    slots: Slots,
    projects: Vec<Project>,
    /// Ends of items, and of starts and ends of workers: when, whose, in which slot.
    agenda: Vec<(u64, usize, u32)>,
    longest: u64,
    idles_since: Option<u64>,
    worked: u64,
    changed: bool,
}

fn name(at: usize) -> JobId {
    JobId(format!("j{at}"))
}

impl Market {
    fn draw(seed: u64) -> Self {
        let mut dice = Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let total = 1 + u32::try_from(dice.roll(6)).unwrap();
        let count = 1 + dice.roll(u64::from(total.max(2)));
        let longest = 50 + dice.roll(3_000);
        let projects = (0..count).map(|_| {
            let comes_at = dice.roll(2) * dice.roll(8_000);
            let items = 1 + dice.roll(40);
            let queue: Vec<u64> = (0..items).map(|_| 1 + dice.roll(longest)).collect();
            let late = (0..dice.roll(3)).map(|_| (dice.roll(20_000), 1 + dice.roll(longest)));
            let late: Vec<(u64, u64)> = late.collect();
            let goes_on = late.iter().map(|(at, _)| *at).max().unwrap_or(0);
            Project {
                comes_at,
                ready_at: comes_at + dice.roll(2_000),
                most: u32::try_from(items)
                    .unwrap()
                    .min(1 + u32::try_from(dice.roll(8)).unwrap()),
                queue,
                late,
                goes_on_until: goes_on,
                workers: BTreeMap::new(),
                recalled: Vec::new(),
                dry: false,
                entered: false,
                ready: false,
                ended: false,
                lacks_since: None,
            }
        });
        let projects = projects.collect();
        Self {
            dice,
            start: Instant::now(),
            now: 0,
            slots: Slots::new(total),
            projects,
            agenda: Vec::new(),
            longest,
            idles_since: None,
            worked: 0,
            changed: false,
        }
    }

    fn hear(&mut self, at: usize, line: &ManagerLine) {
        self.changed = true;
        let now = self.start + Duration::from_millis(self.now);
        self.slots.heard(now, &name(at), line);
    }

    fn run(mut self) -> Self {
        while self.projects.iter().any(|project| !project.ended) {
            assert!(
                self.now < 600_000,
                "a job does not end: {:?}",
                self.projects
            );
            self.come_and_go();
            self.finish_what_is_due();
            self.say_who_idles();
            self.balance();
            self.judge();
            self.now += 10;
        }
        self
    }

    fn come_and_go(&mut self) {
        for at in 0..self.projects.len() {
            let now = self.now;
            let project = &mut self.projects[at];
            if !project.entered && project.comes_at <= now {
                project.entered = true;
                self.changed = true;
                self.slots.enter(name(at), project.most);
            }
            let project = &mut self.projects[at];
            let (due, later) = project.late.iter().partition(|(at, _)| *at <= now);
            let due: Vec<(u64, u64)> = due;
            project.late = later;
            project.queue.extend(due.into_iter().map(|(_, ms)| ms));
            if !project.ready && project.ready_at <= now && project.entered {
                project.ready = true;
                let starts = |(_, worker): &(&u32, &Worker)| **worker == Worker::Starting;
                for (slot, _) in project.workers.iter().filter(starts) {
                    self.agenda.push((now + HAND_OVER_MS, at, *slot));
                }
                self.hear(at, &ManagerLine::Ready);
            }
            let project = &mut self.projects[at];
            let looks = now.is_multiple_of(LOOK_MS) && project.dry && !project.queue.is_empty();
            if looks {
                project.dry = false;
                self.hear(at, &ManagerLine::Waiting);
            }
            let project = &mut self.projects[at];
            let busy = |worker: &Worker| matches!(worker, Worker::Runs);
            let over = project.queue.is_empty() && project.late.is_empty() && project.ready;
            if over
                && !project.ended
                && now >= project.goes_on_until
                && !project.workers.values().any(busy)
            {
                project.ended = true;
                project.workers.clear();
                self.agenda.retain(|(_, whose, _)| *whose != at);
                self.slots.leave(&name(at));
                self.changed = true;
            }
        }
    }

    fn finish_what_is_due(&mut self) {
        let now = self.now;
        let (due, later): (Vec<_>, Vec<_>) = self.agenda.drain(..).partition(|(at, ..)| *at <= now);
        self.agenda = later;
        for (_, at, slot) in due {
            let project = &mut self.projects[at];
            match project.workers.get(&slot) {
                Some(Worker::Ends) => {
                    project.workers.remove(&slot);
                    project.recalled.retain(|one| *one != slot);
                    self.hear(at, &ManagerLine::Freed { slot, out: false });
                }
                Some(_) if project.recalled.contains(&slot) => self.ends(at, slot),
                Some(_) => self.next_item(at, slot),
                None => panic!("slot {slot} of job {at} has no worker"),
            }
        }
    }

    fn ends(&mut self, at: usize, slot: u32) {
        self.projects[at].workers.insert(slot, Worker::Ends);
        let ends_at = self.now + self.dice.roll(HAND_OVER_MS);
        self.agenda.push((ends_at, at, slot));
    }

    fn next_item(&mut self, at: usize, slot: u32) {
        let now = self.now;
        let project = &mut self.projects[at];
        let told = matches!(
            project.workers.get(&slot),
            Some(Worker::Waits { told: true, .. })
        );
        if let Some(ms) = project.queue.pop() {
            project.workers.insert(slot, Worker::Runs);
            self.agenda.push((now + ms, at, slot));
            self.worked += ms;
            if told {
                self.projects[at].dry = false;
                self.hear(at, &ManagerLine::Busy { slot });
            }
        } else {
            let waits = Worker::Waits {
                since: now,
                told: false,
            };
            project.workers.insert(slot, waits);
        }
    }

    fn say_who_idles(&mut self) {
        for at in 0..self.projects.len() {
            for slot in 1..=self.slots.total() {
                let Some(Worker::Waits { since, told }) =
                    self.projects[at].workers.get(&slot).copied()
                else {
                    continue;
                };
                if !self.projects[at].queue.is_empty() {
                    self.next_item(at, slot);
                } else if !told && self.now >= since + IDLE_MS {
                    let waits = Worker::Waits { since, told: true };
                    self.projects[at].workers.insert(slot, waits);
                    self.projects[at].dry = true;
                    self.hear(at, &ManagerLine::Idle { slot });
                }
            }
        }
    }

    fn balance(&mut self) {
        let now = self.start + Duration::from_millis(self.now);
        let due = self.slots.deadline().is_some_and(|at| at <= now);
        if !due && !std::mem::take(&mut self.changed) {
            return;
        }
        for change in self.slots.balance(now) {
            let (Move::Grant(job, slot) | Move::Recall(job, slot)) = &change;
            let at: usize = job.0[1..].parse().unwrap();
            if let Move::Grant(..) = change {
                let others = self.projects.iter();
                assert!(
                    !others
                        .map(|one| &one.workers)
                        .any(|it| it.contains_key(slot)),
                    "slot {slot} is granted while a worker has it"
                );
                let project = &mut self.projects[at];
                project.workers.insert(*slot, Worker::Starting);
                if project.ready {
                    self.agenda.push((self.now + HAND_OVER_MS, at, *slot));
                }
                continue;
            }
            let project = &mut self.projects[at];
            project.recalled.push(*slot);
            match project.workers.get(slot) {
                Some(Worker::Waits { .. }) => self.ends(at, *slot),
                Some(Worker::Starting) if !project.ready => self.ends(at, *slot),
                _ => {}
            }
        }
        assert_eq!(self.slots.balance(now), [], "balanced at once");
    }

    fn judge(&mut self) {
        let used = |worker: &Worker| !matches!(worker, Worker::Waits { .. });
        let workers = self.projects.iter().flat_map(|one| one.workers.values());
        let in_use = count(workers.filter(|worker| used(worker)));
        let lacking = |one: &Project| {
            let has = count(
                one.workers
                    .keys()
                    .filter(|slot| !one.recalled.contains(slot)),
            );
            one.ready && !one.ended && !one.queue.is_empty() && has < one.most
        };
        let waits = self.projects.iter().any(lacking);
        if waits && in_use < self.slots.total() {
            let since = *self.idles_since.get_or_insert(self.now);
            assert!(
                self.now - since <= SLACK_MS,
                "a slot idles since {since} at {}",
                self.now
            );
        } else {
            self.idles_since = None;
        }
        let jobs = count(self.projects.iter().filter(|one| one.entered && !one.ended));
        let crowd = jobs > self.slots.total();
        let limit = SLACK_MS + self.longest * if crowd { 2 } else { 1 };
        let limit = limit
            + if crowd {
                2 * u64::try_from(TURN.as_millis()).unwrap()
            } else {
                0
            };
        for one in &mut self.projects {
            let starves = one.ready && !one.ended && !one.queue.is_empty();
            if !starves || !one.workers.is_empty() {
                one.lacks_since = None;
                continue;
            }
            let since = *one.lacks_since.get_or_insert(self.now);
            assert!(
                self.now - since <= limit,
                "a job starves since {since} at {}",
                self.now
            );
        }
    }
}

#[test]
fn whatever_jobs_come_no_slot_is_two_jobs_none_idles_and_none_starves() {
    for seed in 1..=120 {
        let run = std::panic::catch_unwind(|| Market::draw(seed).run());
        assert!(run.is_ok(), "seed {seed}");
    }
}

#[test]
fn two_jobs_take_as_long_as_their_work_divided_by_the_slots() {
    // All there from the start, items of 100 ms: equal, unequal, and very much so.
    for (first, second) in [(200, 200), (300, 100), (380, 20)] {
        let mut market = Market::draw(1);
        market.slots = Slots::new(4);
        let project = |items: usize, comes_at| Project {
            comes_at,
            ready_at: comes_at + 100,
            most: 4,
            queue: vec![100; items],
            late: Vec::new(),
            goes_on_until: 0,
            workers: BTreeMap::new(),
            recalled: Vec::new(),
            dry: false,
            entered: false,
            ready: false,
            ended: false,
            lacks_since: None,
        };
        market.projects = vec![project(first, 0), project(second, 500)];
        market.longest = 100;
        let market = market.run();
        let ideal = market.worked / 4;
        let took = market.now - 100;
        assert!(
            took * 20 <= ideal * 21,
            "{first} and {second}: {took} of {ideal} ms"
        );
    }
}
