//! What a history consists of, drawn from its seed: the job, its hosts, and what goes wrong when.

use std::time::Duration;

use gorgon_proto::item::WorkItem;

use crate::soak::dice::Dice;

/// What a file does to whoever runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// Its tests pass.
    Passes,
    /// One of its tests fails, always.
    Fails,
    /// One of its tests fails, every other time.
    Flaky,
    /// One of its tests fails where the first one has not run before it; only of files that are split.
    Relies,
    /// One of its tests fails where another file has run before in its Ruby child.
    Follows,
    /// It cannot be loaded where tests of another file have run before in its Ruby child.
    Clashes,
    /// It cannot be loaded.
    Unloadable,
    /// It kills its Ruby child.
    Crashes,
    /// It never ends; only where there is a limit.
    Hangs,
}

/// What keeps a host, or a slot of it, from taking part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Another version.
    Refuses,
    /// The source cannot be had.
    Sync,
    /// before_creating_workers raises.
    Callback,
    /// A Ruby child cannot be forked in this slot.
    Slot(u32),
    /// No file can be loaded in this slot.
    Sick(u32),
}

/// A host.
#[derive(Debug, Clone)]
pub(super) struct HostPlan {
    pub(super) slots: u32,
    /// When its listener starts.
    pub(super) comes_at: Duration,
    /// When another job comes, which shares its slots, and how long that runs.
    pub(super) other: Option<(Duration, Duration)>,
    pub(super) trouble: Option<Trouble>,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A worker is killed.
    Worker,
    /// A Ruby child is killed.
    Child,
    /// A preloader is killed.
    Preloader,
    /// A manager is killed.
    Manager,
    /// A listener is killed; another one starts later, or does not.
    Listener,
    /// A listener is told to stop; another one starts later, or does not.
    Stop,
    /// A machine loses its power.
    Machine,
    /// One connection is cut, of a worker, a manager, a listener.
    Connection,
    /// A machine has no network for a while.
    Network,
    /// The originator has no network for a while.
    OriginatorNetwork,
    /// The broker stops, forgets, and starts again.
    Broker,
}

const FAULTS: [Fault; 11] = [
    Fault::Worker,
    Fault::Child,
    Fault::Preloader,
    Fault::Manager,
    Fault::Listener,
    Fault::Stop,
    Fault::Machine,
    Fault::Connection,
    Fault::Network,
    Fault::OriginatorNetwork,
    Fault::Broker,
];

/// With `--local` there is one machine, and its broker lives and dies with the originator.
const LOCAL_FAULTS: [Fault; 5] = [
    Fault::Worker,
    Fault::Child,
    Fault::Preloader,
    Fault::Manager,
    Fault::Listener,
];

/// Of so many histories one has a sick slot; none that was known before there were any.
const SICK_ONE_OF: u64 = 9;
const SICK_WHICH: u64 = 1;
/// Of so many histories one has a file that spoils its Ruby child; none that was known before.
const SPOILED_ONE_OF: u64 = 13;
const SPOILED_WHICH: u64 = 10;

/// A history.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) natures: Vec<Nature>,
    /// How long each item took in an earlier job, by which small files share a message; none: each has one of its own.
    pub(super) seconds: Option<Vec<Option<f64>>>,
    /// Almost all files take less than 10 ms, so the job makes bundles by its own times. Its faults and cancels count
    /// from the start of its first file.
    pub(super) times_small: bool,
    /// A Ruby child holds back the lines of a bundle, as the real one does.
    pub(super) holds_back: bool,
    /// After this file all tests fail in its Ruby child, with one error.
    pub(super) spoils: Option<String>,
    pub(super) hosts: Vec<HostPlan>,
    pub(super) local: bool,
    pub(super) retries: u32,
    pub(super) fail_fast: Option<u32>,
    pub(super) file_limit: Option<Duration>,
    pub(super) own_preloaders: bool,
    /// The job has callbacks: no Ruby child is forked before there is an item.
    pub(super) callbacks: bool,
    /// A file takes so many milliseconds at most.
    pub(super) item_ms: u64,
    /// A message that is late is late by so many milliseconds at most.
    pub(super) lag_ms: u64,
    pub(super) faults: Vec<(Duration, Fault)>,
    pub(super) cancels: Vec<Duration>,
}

impl Plan {
    /// Draws the plan of a seed. Half of the histories have one kind of fault only, so that what a
    /// fault does is seen without others in its way.
    pub(super) fn draw(dice: &mut Dice) -> Self {
        let local = dice.roll(6) == 0;
        let items = match dice.roll(6) {
            0 => 1 + dice.roll(3),
            _ => 4 + dice.roll(22),
        };
        let file_limit = (dice.roll(3) == 0).then(|| Duration::from_millis(3_000));
        let rough = dice.roll(3) == 0;
        let natures = (0..items)
            .map(|_| nature(dice, rough, file_limit.is_some()))
            .collect();
        let hosts = if local {
            1
        } else {
            1 + usize::from(dice.roll(4) > 0) + usize::from(dice.roll(3) == 0)
        };
        let troubled = dice.roll(5) == 0;
        let hosts: Vec<HostPlan> = (0..hosts).map(|_| host(dice, local, troubled)).collect();
        let slots: u64 = hosts.iter().map(|host| u64::from(host.slots)).sum();
        let item_ms = 200 + dice.roll(4) * 1_200;
        // As long as a calm job of this size takes, and some more.
        let span = items * item_ms / (2 * slots) + 2_000;
        let span = if dice.roll(4) == 0 { span * 3 } else { span };
        let kinds: &[Fault] = if local { &LOCAL_FAULTS } else { &FAULTS };
        let one = *dice.pick(kinds).unwrap_or(&Fault::Worker);
        let only = dice.roll(2) == 0;
        // Files that outlive the link of their worker.
        let item_ms = match one {
            Fault::Connection | Fault::Network | Fault::Broker if only => 4 * item_ms,
            _ => item_ms,
        };
        let count = dice.roll(if only { 4 } else { 10 });
        let faults = (0..count)
            .map(|_| {
                let at = Duration::from_millis(dice.roll(span));
                let drawn = *dice.pick(kinds).unwrap_or(&one);
                (at, if only { one } else { drawn })
            })
            .collect();
        let cancels = match dice.roll(8) {
            0 => vec![Duration::from_millis(dice.roll(span))],
            1 if dice.roll(2) == 0 => {
                let at = dice.roll(span);
                vec![
                    Duration::from_millis(at),
                    Duration::from_millis(at + dice.roll(1_500)),
                ]
            }
            _ => Vec::new(),
        };
        Self {
            natures,
            seconds: None,
            times_small: false,
            holds_back: false,
            spoils: None,
            hosts,
            local,
            retries: if dice.roll(3) == 0 {
                1 + u32_of(dice.roll(3))
            } else {
                0
            },
            fail_fast: (dice.roll(6) == 0).then(|| 1 + u32_of(dice.roll(3))),
            file_limit,
            own_preloaders: dice.roll(4) == 0,
            item_ms,
            lag_ms: lag(dice, local),
            faults,
            cancels,
            callbacks: dice.roll(2) == 0,
        }
    }

    /// Returns what a file does to whoever runs it.
    pub(super) fn nature_of(&self, filename: &str) -> Nature {
        let place = filename.trim_matches(|c: char| !c.is_ascii_digit()).parse();
        let nature = place.ok().and_then(|n: usize| self.natures.get(n));
        nature.copied().unwrap_or(Nature::Passes)
    }

    /// Makes a slot sick.
    pub(super) fn sicken(&mut self, seed: u64) {
        if seed % SICK_ONE_OF != SICK_WHICH {
            return;
        }
        // Of its own, so that the rest of the history is the same.
        let mut dice = Dice::new(seed.wrapping_mul(47));
        let count = self.hosts.len() as u64;
        let host = &mut self.hosts[u32_of(dice.roll(count)) as usize];
        let slot = 1 + u32_of(dice.roll(u64::from(host.slots)));
        host.trouble.get_or_insert(Trouble::Sick(slot));
    }

    /// Makes a file spoil the Ruby child that runs it.
    pub(super) fn spoil(&mut self, work: &[WorkItem], seed: u64) {
        if seed % SPOILED_ONE_OF != SPOILED_WHICH {
            return;
        }
        // One of the first, so that many follow it.
        let mut dice = Dice::new(seed.wrapping_mul(53));
        let place = dice.roll(3) as usize;
        self.spoils = work.get(place).map(|item| item.filename.clone());
    }

    /// Returns whether files fail in a slot that would pass elsewhere, or elsewhen.
    pub(super) fn has_sick_slot(&self) -> bool {
        let sick = |host: &HostPlan| matches!(host.trouble, Some(Trouble::Sick(_)));
        self.spoils.is_some() || self.hosts.iter().any(sick)
    }

    /// Returns whether nothing goes wrong but tests.
    pub(super) fn is_calm(&self) -> bool {
        let troubled = self.hosts.iter().any(|host| host.trouble.is_some());
        self.faults.is_empty() && self.cancels.is_empty() && !troubled
    }
}

fn nature(dice: &mut Dice, rough: bool, limited: bool) -> Nature {
    if !rough && dice.roll(6) > 0 {
        return Nature::Passes;
    }
    match dice.roll(8) {
        0 | 1 => Nature::Fails,
        2 | 3 => Nature::Flaky,
        4 => Nature::Unloadable,
        5 => Nature::Crashes,
        6 if limited => Nature::Hangs,
        _ => Nature::Passes,
    }
}

/// A broker in the originator itself keeps nobody waiting for seconds.
fn lag(dice: &mut Dice, local: bool) -> u64 {
    let worst = if local { 300 } else { 1_500 };
    [0, 20, worst][usize::from(dice.roll(4) > 1) + usize::from(dice.roll(4) == 0)]
}

fn host(dice: &mut Dice, local: bool, troubled: bool) -> HostPlan {
    let late = !local && dice.roll(5) == 0;
    let other = !local && dice.roll(3) == 0;
    let first = dice.roll(2) == 0;
    let trouble = (troubled && dice.roll(2) == 0).then(|| match dice.roll(4) {
        0 if !local => Trouble::Refuses,
        1 => Trouble::Sync,
        2 => Trouble::Callback,
        _ => Trouble::Slot(1),
    });
    HostPlan {
        slots: 1 + u32_of(dice.roll(4)),
        comes_at: Duration::from_millis(if late { dice.roll(20_000) } else { 0 }),
        other: other.then(|| {
            let comes_at = if first { 0 } else { dice.roll(6_000) };
            let runs_for = 500 + dice.roll(10_000);
            (
                Duration::from_millis(comes_at),
                Duration::from_millis(runs_for),
            )
        }),
        trouble,
    }
}

/// Rolls of small dice fit.
pub(super) fn u32_of(rolled: u64) -> u32 {
    u32::try_from(rolled).unwrap_or(u32::MAX)
}
