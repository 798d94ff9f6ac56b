//! Failed tests that are tried again: which, when, and what their retries say of them.
//!
//! ```text
//!  failed ─▶ wanted ─────────────────▶ running ─▶ passed: flaky
//!              │    every item of the plan  │ ├──▶ failed: wanted again, within the limit
//!              │    has its verdict         │ └──▶ crashed, timed out, lost, gone: failed for good
//!              └─▶ too many failed, cancel, fail-fast: failed for good
//! ```

use std::collections::BTreeMap;

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::ListenerId;
use gorgon_proto::message::Finish;
use gorgon_proto::outcome::{FileError, FinishType, Outcome, TestResult, Verdict};

use super::Ledger;
use super::event::{Effect, Happening, Ran};
use super::stages::Stage;

/// Nothing is tried again where more than one finished test in this number failed, of at least `STOP_FROM`.
pub const STOP_SHARE: usize = 10;
/// Minimum number of finished tests before `STOP_SHARE` applies.
pub const STOP_FROM: usize = 100;

/// What a retry says of one test.
#[derive(Debug, Clone, PartialEq)]
pub enum RetryResult {
    /// It came to its end.
    Ended(Box<TestResult>),
    /// The retry proves nothing of it: its Ruby child died, it took too long, was lost, or
    /// something outside of the tests failed.
    Broken(FileError),
    /// The file has no such test any more; why that is known.
    Gone(String),
}

impl RetryResult {
    /// Returns whether the test passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        matches!(self, Self::Ended(result) if result.outcome == Outcome::Passed)
    }

    /// Returns whether the test failed or errored.
    #[must_use]
    pub fn failed(&self) -> bool {
        matches!(self, Self::Ended(result) if result.outcome.is_bad())
    }
}

/// A test that failed, as its retries know it.
#[derive(Debug, Clone, PartialEq)]
struct Failing {
    id: String,
    name: String,
    key: Option<String>,
    place: (String, u32),
}

impl Failing {
    fn of(test: &TestResult) -> Self {
        Self {
            id: test.id.clone(),
            name: test.name.clone(),
            key: test.key.clone(),
            place: (test.file.clone(), test.line),
        }
    }

    /// Returns why a result of the same id is another test's, if it is: RSpec's ids are places in
    /// the file, and groups that are made by chance may have changed theirs. A name with a time or a
    /// directory in it, or from the matcher that ran last, is the same by its key, at the same line.
    fn differs_from(&self, test: &TestResult) -> Option<String> {
        let same = !is_place(&self.id)
            || unaddressed(&self.name) == unaddressed(&test.name)
            || (self.key.is_some()
                && self.key == test.key
                && self.place == (test.file.clone(), test.line));
        (!same).then(|| format!("under its id there was another test: {}", test.name))
    }
}

/// Returns whether an id is a place in a file: `1:2`, `./spec/shared.rb[1:2]`.
fn is_place(id: &str) -> bool {
    let inner = id
        .strip_suffix(']')
        .and_then(|id| id.rsplit_once('['))
        .map_or(id, |(_, inner)| inner);
    inner.bytes().all(|b| b.is_ascii_digit() || b == b':')
}

/// Returns a name without addresses of objects, which differ from process to process.
fn unaddressed(name: &str) -> String {
    let mut parts = name.split("0x");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str("0x");
        let digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        out.push_str(if digits >= 8 { &part[digits..] } else { part });
    }
    out
}

/// A slot of a listener.
type Place = (ListenerId, u32);

/// Tests of one item that are to be tried again.
#[derive(Debug, Clone)]
struct Wanted {
    /// The item of the plan in which they failed.
    of: ItemId,
    /// Which retry this is, from 1 on.
    number: u32,
    filename: String,
    tests: Vec<Failing>,
    /// Where they failed the last time.
    avoid: Place,
}

/// All retries of a job.
#[derive(Debug, Default)]
pub(super) struct Retries {
    wanted: Vec<Wanted>,
    running: BTreeMap<ItemId, Wanted>,
    finished: usize,
    failed: usize,
}

impl Retries {
    pub(super) fn any_wanted(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Tests of an item turn out not to have failed. Returns how many of them waited for a retry.
    pub(super) fn excuse(&mut self, of: ItemId, tests: &[String]) -> usize {
        self.failed = self.failed.saturating_sub(tests.len());
        let mut waited = 0;
        for wanted in self.wanted.iter_mut().filter(|wanted| wanted.of == of) {
            let before = wanted.tests.len();
            wanted.tests.retain(|test| !tests.contains(&test.id));
            waited += before - wanted.tests.len();
        }
        self.wanted.retain(|wanted| !wanted.tests.is_empty());
        waited
    }

    /// Counts the tests of the first execution of an item.
    pub(super) fn count(&mut self, tests: &[TestResult]) {
        self.finished += tests.len();
        self.failed += tests.iter().filter(|test| test.outcome.is_bad()).count();
    }

    /// An item failed on a host that is sick: nothing of it is tried again, or counts.
    pub(super) fn forget(&mut self, of: ItemId, tests: usize, failed: usize) {
        self.wanted.retain(|wanted| wanted.of != of);
        self.finished = self.finished.saturating_sub(tests);
        self.failed = self.failed.saturating_sub(failed);
    }

    fn too_many_failed(&self) -> bool {
        self.finished >= STOP_FROM && self.failed * STOP_SHARE > self.finished
    }
}

/// Says what the end of a retry says of one of its tests.
fn judge(test: &Failing, finish: &Finish) -> RetryResult {
    let results = || finish.tests.iter().filter(|result| result.id == test.id);
    // What failed has failed, whatever came after it.
    let worst = results()
        .find(|result| result.outcome.is_bad())
        .or_else(|| results().next());
    if let Some(result) = worst {
        if let Some(why) = test.differs_from(result) {
            return RetryResult::Gone(why);
        }
        if result.outcome.is_bad() || finish.errors.is_empty() {
            return RetryResult::Ended(Box::new(result.clone()));
        }
    }
    match finish.errors.first() {
        Some(error) => RetryResult::Broken(error.clone()),
        None => RetryResult::Gone("the file had no such test".to_owned()),
    }
}

impl Ledger {
    /// An item of the plan came to its end: its failed tests are wanted again, where retries are.
    /// Returns whether they are: then they have not failed for good, and are not counted now.
    pub(super) fn want_retries(
        &mut self,
        of: ItemId,
        finish: &Finish,
        out: &mut Vec<Effect>,
    ) -> bool {
        self.retries.count(&finish.tests);
        let mut tests: Vec<Failing> = Vec::new();
        for test in finish.tests.iter().filter(|test| test.outcome.is_bad()) {
            if !tests.iter().any(|known| known.id == test.id) {
                tests.push(Failing::of(test));
            }
        }
        if finish.kind != FinishType::Fail {
            return false;
        }
        self.want(of, 1, tests, finish, out)
    }

    /// Notes that tests are wanted again; `false` when they had their last chance.
    fn want(
        &mut self,
        of: ItemId,
        number: u32,
        tests: Vec<Failing>,
        finish: &Finish,
        out: &mut Vec<Effect>,
    ) -> bool {
        if tests.is_empty() || number > self.rules.retries || !self.publishes() {
            return false;
        }
        out.push(Effect::Tell(Happening::RetryWanted {
            of,
            tests: tests.len(),
        }));
        self.retries.wanted.push(Wanted {
            of,
            number,
            filename: finish.filename.clone(),
            tests,
            avoid: (finish.listener_id.clone(), finish.worker_id),
        });
        true
    }

    /// Queues what is wanted again, once every item of the plan has its verdict and a worker is free
    /// for it; before that, files that are judged again.
    pub(super) fn queue_again(&mut self, out: &mut Vec<Effect>) {
        if self.stage != Stage::Running
            || self.items.plan_is_open()
            || self.sick.suspects()
            || self.items.any_repeat_open()
            || self.failed_fast()
            || self.run_unfiltered(out)
            || self.review(out)
            || !self.retries.any_wanted()
        {
            return;
        }
        self.sick.close();
        if self.retries.too_many_failed() {
            self.retries.wanted.clear();
            out.push(Effect::Tell(Happening::RetriesStopped {
                failed: self.retries.failed,
                finished: self.retries.finished,
            }));
            return;
        }
        while let Some(place) = self.next_wanted() {
            let wanted = self.retries.wanted.remove(place);
            let work = WorkItem {
                tests: wanted.tests.iter().map(|test| test.id.clone()).collect(),
                fresh: true,
                unfiltered: self.filters.is_unfiltered(wanted.of),
                retry: wanted.number,
                avoid: (self.hosts.slots() > 1)
                    .then(|| format!("{}:{}", wanted.avoid.0, wanted.avoid.1)),
                ..WorkItem::whole(ItemId(0), wanted.filename.clone())
            };
            let work = self.items.add(work);
            out.push(Effect::Tell(Happening::RetryQueued {
                item: work.clone(),
                of: wanted.of,
            }));
            self.retries.running.insert(work.item, wanted);
            out.push(Effect::Publish(work));
        }
    }

    /// Returns what is to be queued next: something that a worker is free for which it does not
    /// avoid. One at a time waits on the queue: of two that avoid each other's worker, each could
    /// come to the wrong one again and again.
    fn next_wanted(&self) -> Option<usize> {
        if self.hosts.slots() <= 1 {
            return (!self.retries.wanted.is_empty()).then_some(0);
        }
        let waits = |id: &ItemId| self.items.is_avoiding(*id);
        if self.retries.running.keys().any(waits) {
            return None;
        }
        let mut known = 0;
        let mut free: Vec<Place> = Vec::new();
        for worker in self.hosts.each_worker() {
            known += 1;
            // Two of them suit whatever is wanted.
            let slot = (worker.listener_id.clone(), worker.worker_id);
            if free.len() < 2 && !free.contains(&slot) && !self.items.is_held_by(worker) {
                free.push(slot);
            }
        }
        // A worker that has not said a word yet is as free as any. And where nobody runs anything,
        // there is nobody to wait for.
        if self.hosts.slots() > known || !self.items.any_held() {
            return (!self.retries.wanted.is_empty()).then_some(0);
        }
        let suits = |wanted: &Wanted| free.iter().any(|worker| *worker != wanted.avoid);
        self.retries.wanted.iter().position(suits)
    }

    /// A retry came to its end. Returns the verdict of it; `None` when the item is no retry.
    pub(super) fn retried(
        &mut self,
        finish: &Finish,
        verdict: Verdict,
        out: &mut Vec<Effect>,
    ) -> Option<(Verdict, Happening)> {
        let wanted = self.retries.running.remove(&finish.item)?;
        let mut tests = Vec::new();
        let mut again = Vec::new();
        for test in &wanted.tests {
            let said = judge(test, finish);
            if said.failed() {
                again.push(test.clone());
            }
            tests.push((test.id.clone(), said));
        }
        let passed = tests.iter().filter(|(_, said)| said.passed()).count();
        let failed = again.len();
        let more = self.want(wanted.of, wanted.number + 1, again, finish, out);
        let waiting = if more { failed } else { 0 };
        self.fail(tests.len() - passed - waiting);
        let verdict = match verdict {
            _ if passed == tests.len() => Verdict::Flaky,
            Verdict::Passed => Verdict::Failed,
            other => other,
        };
        let ran = Some(Ran {
            hostname: finish.hostname.clone(),
            worker_id: finish.worker_id,
            output: finish.output.clone(),
        });
        let told = Happening::Retried {
            item: finish.item,
            of: wanted.of,
            number: wanted.number,
            ran,
            tests,
        };
        Some((verdict, told))
    }

    /// A retry was lost with its hosts: its tests stay failed.
    pub(super) fn retry_lost(&mut self, item: ItemId, hosts: &[String], out: &mut Vec<Effect>) {
        let Some(wanted) = self.retries.running.remove(&item) else {
            return;
        };
        self.fail(wanted.tests.len());
        let error = FileError::lost(hosts);
        let tests = wanted.tests.into_iter();
        out.push(Effect::Tell(Happening::Retried {
            item,
            of: wanted.of,
            number: wanted.number,
            ran: None,
            tests: tests
                .map(|test| (test.id, RetryResult::Broken(error.clone())))
                .collect(),
        }));
    }

    fn fail(&mut self, tests: usize) {
        let tests = u32::try_from(tests).unwrap_or(u32::MAX);
        self.failures = self.failures.saturating_add(tests);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_do_not_make_a_test_another() {
        for (name, rest) in [
            ("#<Object:0x00007f12ab34cd56> adds", "#<Object:0x> adds"),
            ("takes 0x1f", "takes 0x1f"),
            ("plain", "plain"),
            ("ends in 0x", "ends in 0x"),
        ] {
            assert_eq!(unaddressed(name), rest);
        }
    }
}
