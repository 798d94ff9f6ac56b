//! How items ended on each host and in each slot, and what makes one of these suspicious.

use std::collections::{BTreeMap, BTreeSet};

use gorgon_proto::item::ItemId;
use gorgon_proto::job::ListenerId;
use gorgon_proto::message::Finish;
use gorgon_proto::outcome::{FinishType, TestResult};
use gorgon_proto::text::first_line::first_line;

use super::{Place, Suspect};

/// Minimum number of items that must have failed on a host before it is suspected.
const FAILED_FROM: usize = 5;
/// At least one item in this number that the host ran must have failed.
const SICK_SHARE: usize = 2;
/// Minimum number of files that must have failed alike in a slot, in a row, before it is suspected.
const ALIKE_FROM: usize = 3;
/// Minimum number of items that must have ended elsewhere.
const ELSEWHERE_FROM: usize = 1;
/// At most one item in this number may have failed elsewhere.
const WELL_SHARE: usize = 10;

/// The one error of an item of which nothing passed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Alike {
    exception: String,
    line: String,
}

impl Alike {
    /// Returns the error, if the file could not be loaded, or all tests of it failed, with one and the same.
    pub(super) fn of(finish: &Finish) -> Option<Self> {
        if finish.kind != FinishType::Fail {
            return None;
        }
        let of = |exception: &Option<String>, message: &str| {
            let exception = exception.clone().unwrap_or_default();
            let line = first_line(&exception, message);
            Self { exception, line }
        };
        let errors = finish.errors.iter();
        let mut all = errors.map(|error| of(&error.exception, &error.message));
        let first = match finish.tests.split_first() {
            None => all.next()?,
            Some((test, others)) => {
                let ended = |test: &TestResult| {
                    let is_bad = test.outcome.is_bad();
                    is_bad.then(|| of(&test.exception, &test.message))
                };
                let first = ended(test)?;
                let alike = others
                    .iter()
                    .all(|test| ended(test).as_ref() == Some(&first));
                alike.then_some(first)?
            }
        };
        let says_something = !(first.exception.is_empty() && first.line.is_empty());
        (says_something && all.all(|error| error == first)).then_some(first)
    }

    pub(super) fn text(&self) -> String {
        match self.exception.as_str() {
            "" => self.line.clone(),
            exception if self.line.starts_with(exception) => self.line.clone(),
            exception => format!("{exception}: {}", self.line),
        }
    }
}

/// A failed item, with what it added to the ledger's counts.
#[derive(Debug, Clone)]
pub(super) struct Failed {
    pub(super) item: ItemId,
    worker_id: u32,
    runtime: f64,
    pub(super) tests: usize,
    pub(super) failed_tests: usize,
    pub(super) failures: u32,
}

/// How many items ran, and how many of them failed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Share {
    pub(super) ran: usize,
    pub(super) failed: usize,
}

impl Share {
    fn count(&mut self, bad: bool) {
        self.ran += 1;
        self.failed += usize::from(bad);
    }

    fn without(self, part: Self) -> Self {
        Self {
            ran: self.ran - part.ran,
            failed: self.failed - part.failed,
        }
    }
}

/// The items of a slot, and the last ones if they failed alike.
#[derive(Debug, Default)]
struct Row {
    share: Share,
    /// TEST_ENV_NUMBER of the last file that failed; 0: not known.
    test_env_number: u32,
    error: Option<Alike>,
    items: Vec<ItemId>,
    files: BTreeSet<String>,
}

impl Row {
    fn ended(&mut self, of: ItemId, finish: &Finish, bad: bool) {
        self.share.count(bad);
        if bad {
            self.test_env_number = finish.test_env_number;
        }
        let error = if bad { Alike::of(finish) } else { None };
        if error != self.error {
            self.items.clear();
            self.files.clear();
            self.error = error;
        }
        if self.error.is_some() {
            self.items.push(of);
            self.files.insert(finish.filename.clone());
        }
    }

    fn is_suspicious(&self) -> bool {
        self.files.len() >= ALIKE_FROM
    }
}

#[derive(Debug, Default)]
struct Tally {
    hostname: String,
    share: Share,
    failed: Vec<Failed>,
    slots: BTreeMap<u32, Row>,
}

/// The executions of items that count, by host and slot.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    hosts: BTreeMap<ListenerId, Tally>,
    all: Share,
    /// Slots in which enough files in a row have failed alike, by how many items failed there: in a suite that fails
    /// as a whole these are many, and not one is looked at.
    alike: BTreeSet<(usize, Place)>,
}

impl Tallies {
    /// Counts an execution of an item of the plan, which added so much to the failures of the job.
    pub(super) fn ended(&mut self, of: ItemId, finish: &Finish, failures: u32) {
        let bad = finish.kind != FinishType::Pass;
        let tally = self.hosts.entry(finish.listener_id.clone()).or_default();
        tally.hostname.clone_from(&finish.hostname);
        tally.share.count(bad);
        self.all.count(bad);
        let row = tally.slots.entry(finish.worker_id).or_default();
        let slot = || Place::Slot(finish.listener_id.clone(), finish.worker_id);
        if row.is_suspicious() {
            self.alike.remove(&(row.share.failed, slot()));
        }
        row.ended(of, finish, bad);
        if row.is_suspicious() {
            self.alike.insert((row.share.failed, slot()));
        }
        if bad {
            let failed = finish.tests.iter().filter(|test| test.outcome.is_bad());
            tally.failed.push(Failed {
                item: of,
                worker_id: finish.worker_id,
                runtime: finish.runtime,
                tests: finish.tests.len(),
                failed_tests: failed.count(),
                failures,
            });
        }
    }

    pub(super) fn hostname(&self, place: &Place) -> String {
        let tally = self.hosts.get(place.listener());
        tally.map_or_else(String::new, |tally| tally.hostname.clone())
    }

    /// Returns the failed items of a place.
    pub(super) fn failed(&self, place: &Place) -> Vec<&Failed> {
        let tally = self.hosts.get(place.listener());
        let failed = tally.into_iter().flat_map(|tally| &tally.failed);
        failed
            .filter(|failed| place.has(place.listener(), failed.worker_id))
            .collect()
    }

    fn row(&self, place: &Place) -> Option<&Row> {
        let tally = self.hosts.get(place.listener())?;
        tally.slots.get(&place.slot()?)
    }

    /// Returns how items ended at a place.
    pub(super) fn share(&self, place: &Place) -> Share {
        let tally = self.hosts.get(place.listener());
        let share = match place {
            Place::Host(_) => tally.map(|tally| tally.share),
            Place::Slot(..) => self.row(place).map(|row| row.share),
        };
        share.unwrap_or_default()
    }

    /// Returns how items ended elsewhere.
    pub(super) fn elsewhere(&self, place: &Place) -> Share {
        self.all.without(self.share(place))
    }

    /// Returns the errors with which the last files of a place failed.
    pub(super) fn errors(&self, place: &Place) -> impl Iterator<Item = &Alike> {
        let tally = self.hosts.get(place.listener());
        let rows = tally.into_iter().flat_map(|tally| &tally.slots);
        let there = rows.filter(|(slot, _)| place.has(place.listener(), **slot));
        there.filter_map(|(_, row)| row.error.as_ref())
    }

    /// Returns the error with which the last files of a slot failed.
    pub(super) fn error(&self, place: &Place) -> Option<&Alike> {
        self.row(place)?.error.as_ref()
    }

    /// Returns TEST_ENV_NUMBER of a slot, if it is known.
    pub(super) fn test_env_number(&self, place: &Place) -> Option<u32> {
        let number = self.row(place)?.test_env_number;
        Some(number).filter(|number| *number > 0)
    }

    fn is_well_elsewhere(&self, place: &Place) -> bool {
        let Share { ran, failed } = self.elsewhere(place);
        ran >= ELSEWHERE_FROM && failed * WELL_SHARE <= ran
    }

    /// Returns the hosts that deserve to be probed.
    pub(super) fn suspicious_hosts(&self) -> impl Iterator<Item = Place> {
        let fails = |tally: &Tally| {
            let Share { ran, failed } = tally.share;
            failed >= FAILED_FROM && failed * SICK_SHARE >= ran
        };
        let hosts = self.hosts.iter().filter(move |(_, tally)| fails(tally));
        let hosts = hosts.map(|(host, _)| Place::Host(host.clone()));
        hosts.filter(|place| self.is_well_elsewhere(place))
    }

    /// Returns the slots that deserve to be probed.
    pub(super) fn suspicious_slots(&self) -> impl Iterator<Item = &Place> {
        // If fewer failed there, too many failed elsewhere.
        let from = self.all.failed.saturating_sub(self.all.ran / WELL_SHARE);
        let first = Place::Host(ListenerId(String::new()));
        let slots = self.alike.range((from, first)..).map(|(_, place)| place);
        slots.filter(|place| !self.is_as_plain(place) && self.is_well_elsewhere(place))
    }

    /// Returns whether a slot has the TEST_ENV_NUMBER that a plain run has, which is none: what fails there fails plainly.
    fn is_as_plain(&self, place: &Place) -> bool {
        self.test_env_number(place) == Some(1)
    }

    /// Returns the items to probe a suspect with, as many as it wants: the quickest of those that speak against it.
    pub(super) fn to_probe(&self, suspect: &Suspect) -> Vec<ItemId> {
        let wanted = suspect.wants();
        if wanted == 0 {
            return Vec::new();
        }
        let mut failed = self.failed(&suspect.place);
        if let Some(row) = self.row(&suspect.place) {
            failed.retain(|failed| row.items.contains(&failed.item));
        }
        failed.retain(|failed| !suspect.has_probed(failed.item));
        failed.sort_by(|a, b| a.runtime.total_cmp(&b.runtime));
        let quickest = failed.iter().take(wanted).map(|failed| failed.item);
        quickest.collect()
    }

    /// What ran at a place has never been. Returns what failed there.
    pub(super) fn forget(&mut self, place: &Place) -> Vec<Failed> {
        let here = self.share(place);
        let listener = place.listener();
        self.all = self.all.without(here);
        let goes = |slot: &Place| slot == place || *place == Place::Host(slot.listener().clone());
        self.alike.retain(|(_, slot)| !goes(slot));
        let Some(slot) = place.slot() else {
            let tally = self.hosts.remove(listener);
            return tally.map_or_else(Vec::new, |tally| tally.failed);
        };
        let Some(tally) = self.hosts.get_mut(listener) else {
            return Vec::new();
        };
        tally.slots.remove(&slot);
        tally.share = tally.share.without(here);
        let (gone, kept) = std::mem::take(&mut tally.failed)
            .into_iter()
            .partition(|failed| failed.worker_id == slot);
        tally.failed = kept;
        gone
    }
}
