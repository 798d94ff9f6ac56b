//! The one model of a job's results, folded from what the ledger tells.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::{Framework, ListenerId};
use gorgon_proto::message::{
    Answer, Finish, HostError, LeaveReason, SuiteHookFailed, Warning, WorkerKey,
};
use gorgon_proto::outcome::{FileError, TestResult, Verdict};

use super::files::{Progress, Share};
use super::repeats::{Repeats, SickHost};
use super::retries::{Open, Retry};
use crate::ledger::Happening;

/// One Ruby child: files that ran in the same one ran in one process.
type Child = (WorkerKey, u32);

/// What is known of one item.
#[derive(Debug, Clone)]
pub struct FileResult {
    /// The item.
    pub item: ItemId,
    /// How much of the file it is.
    pub share: Share,
    /// Of a part: all tests of the file, by id.
    pub defined: Option<Vec<String>>,
    /// Each test can be told from every other.
    pub divisible: bool,
    /// The file, as queued.
    pub filename: String,
    /// The verdict; absent while there is none.
    pub verdict: Option<Verdict>,
    /// Whether it began to run.
    pub started: bool,
    /// The attempt that counts.
    pub attempts: u32,
    /// Where it ran, or runs.
    pub hostname: String,
    /// The slot there.
    pub worker_id: u32,
    /// Seconds from the item's arrival at the worker to its end.
    pub runtime: f64,
    /// Seconds of load and tests.
    pub time: f64,
    /// When it ended, since the start of the job.
    pub ended_at: Duration,
    /// The framework that ran it.
    pub runner: Option<Framework>,
    /// Only these tests, or lines, were asked for, as a command line has it: `[1:2,1:3]`, `:12`.
    pub asked: String,
    /// Results of all tests that came to an end, the first of each.
    pub tests: Vec<TestResult>,
    /// Retries, by the place of their test among these.
    pub retries: BTreeMap<usize, Vec<Retry>>,
    /// Faults outside tests.
    pub errors: Vec<FileError>,
    /// What it printed; kept unless it passed.
    pub output: String,
    /// The items of the Ruby child up to this one, itself included, in order.
    pub ran_in_child: Vec<ItemId>,
}

impl FileResult {
    pub(super) fn new(item: &WorkItem) -> Self {
        Self {
            item: item.item,
            share: Share::of(item),
            defined: None,
            divisible: false,
            filename: item.filename.clone(),
            asked: asked(item),
            verdict: None,
            started: false,
            attempts: 0,
            hostname: String::new(),
            worker_id: 0,
            runtime: 0.0,
            time: 0.0,
            ended_at: Duration::ZERO,
            runner: None,
            tests: Vec::new(),
            retries: BTreeMap::new(),
            errors: Vec::new(),
            output: String::new(),
            ran_in_child: Vec::new(),
        }
    }

    fn end(
        &mut self,
        at: Duration,
        finish: &Finish,
        verdict: Verdict,
        attempts: u32,
        ran_in_child: Vec<ItemId>,
    ) {
        self.verdict = Some(verdict);
        self.started = true;
        self.attempts = attempts;
        self.hostname.clone_from(&finish.hostname);
        self.worker_id = finish.worker_id;
        self.runtime = finish.runtime;
        self.time = finish.time;
        self.ended_at = at;
        self.runner = finish.runner;
        self.tests.clone_from(&finish.tests);
        self.errors.clone_from(&finish.errors);
        self.output.clone_from(&finish.output);
        self.ran_in_child = ran_in_child;
        self.defined.clone_from(&finish.defined);
        self.divisible = finish.divisible;
    }

    fn lose(&mut self, at: Duration, hosts: &[String]) {
        self.verdict = Some(Verdict::Lost);
        self.ended_at = at;
        self.attempts = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
        self.errors = vec![FileError::lost(hosts)];
    }

    /// Returns whether there is no verdict, or that it was not run.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.verdict
            .is_none_or(|verdict| verdict == Verdict::NotRun)
    }

    /// Returns whether the verdict makes the job fail.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.verdict.is_some_and(is_bad)
    }
}

/// Returns what of a file an item asks for, as the command line of a worker has it.
pub(super) fn asked(item: &WorkItem) -> String {
    if item.tests.is_empty() {
        item.lines.iter().map(|line| format!(":{line}")).collect()
    } else {
        gorgon_proto::ids::join("", item.tests.iter().map(String::as_str))
    }
}

/// Returns whether a verdict makes the job fail.
#[must_use]
pub fn is_bad(verdict: Verdict) -> bool {
    match verdict {
        Verdict::Passed | Verdict::Flaky | Verdict::NotRun => false,
        Verdict::Failed | Verdict::Crashed | Verdict::TimedOut | Verdict::Lost => true,
    }
}

/// A host that left by an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFailure {
    /// Name of the host.
    pub hostname: String,
    /// Why it left; absent when only one of its workers did.
    pub reason: Option<LeaveReason>,
    /// What went wrong.
    pub error: HostError,
}

/// The results of a job, so far.
#[derive(Debug, Default)]
pub struct Results {
    /// By item, in the order of the plan.
    pub files: Vec<FileResult>,
    /// Files that failed, in the order in which they did.
    pub bad: Vec<ItemId>,
    /// Suite-level hooks that raised.
    pub suite_hooks: Vec<SuiteHookFailed>,
    /// A file without tests has it in its configuration that a run without any fails.
    pub needs_tests: bool,
    /// Warnings, each once, with where they came from.
    pub warnings: Vec<String>,
    /// Hosts and workers that left by an error.
    pub host_failures: Vec<HostFailure>,
    /// Hosts that refused or are busy, with their reasons.
    pub answers: BTreeMap<ListenerId, (String, Answer, String)>,
    /// Hosts that were found sick, in order.
    pub sick: Vec<SickHost>,
    /// How many tests ran at once, at most.
    pub most_slots: usize,
    /// How many failed tests were to be tried again when the job ended.
    pub not_retried: usize,
    pub(super) progress: Progress,
    hosts: BTreeMap<ListenerId, usize>,
    pub(super) running: BTreeMap<ItemId, Duration>,
    pub(super) open: Open,
    pub(super) repeats: Repeats,
    /// The children of retries that have just ended.
    pub(super) last_in_child: BTreeMap<ItemId, Vec<ItemId>>,
    ran_on: BTreeSet<String>,
    children: HashMap<Child, Vec<ItemId>>,
    warned: BTreeSet<String>,
}

impl Results {
    /// Makes the results of these items before anything ran.
    #[must_use]
    pub fn new(work: &[WorkItem]) -> Self {
        Self {
            files: work.iter().map(FileResult::new).collect(),
            progress: Progress::new(work),
            ..Self::default()
        }
    }

    /// Takes what the ledger told, `at` so long after the start of the job.
    pub fn take(&mut self, at: Duration, happening: &Happening) {
        match happening {
            Happening::HostAnswered(message) => {
                self.answers.insert(
                    message.listener_id.clone(),
                    (
                        message.hostname.clone(),
                        message.answer,
                        message.reason.clone(),
                    ),
                );
            }
            Happening::HostJoined(message) => {
                self.answers.remove(&message.listener_id);
                self.hosts
                    .insert(message.listener_id.clone(), message.slots.len());
                self.most_slots = self.most_slots.max(self.hosts.values().sum());
            }
            Happening::ItemStarted(start) => {
                self.ran_on.insert(start.hostname.clone());
                self.running.insert(start.item, at);
                if let Some(file) = self.files.get_mut(start.item.0 as usize) {
                    file.started = true;
                    file.hostname.clone_from(&start.hostname);
                    file.worker_id = start.worker_id;
                }
            }
            Happening::ItemFinished {
                finish,
                verdict,
                attempts,
                ..
            } => {
                self.finished(at, finish, *verdict, *attempts);
            }
            Happening::ItemLost { item, hosts, .. } => {
                self.running.remove(item);
                if let Some(mut file) = self.repeats.file(*item) {
                    file.lose(at, hosts);
                    self.repeat_ended(*item, file);
                    return;
                }
                if self.open.item(*item).is_some() {
                    return;
                }
                self.bad.push(*item);
                self.progress.close(*item);
                if let Some(file) = self.files.get_mut(item.0 as usize) {
                    file.lose(at, hosts);
                }
            }
            Happening::ItemRedelivered { item, .. } => {
                self.running.remove(item);
                if let Some(file) = self.files.get_mut(item.0 as usize) {
                    file.started = false;
                }
            }
            Happening::RetryWanted { of, tests } => self.open.wanted(*of, *tests),
            Happening::RetryQueued { item, .. } => self.open.queued(item),
            Happening::Retried {
                item,
                of,
                number,
                ran,
                tests,
            } => self.retried(*item, *of, *number, ran.as_ref(), tests),
            Happening::RepeatQueued { item, repeat, .. } => self.repeats.queued(item, *repeat),
            Happening::WholeQueued { item, repeat, gone } => self.whole_queued(item, *repeat, gone),
            Happening::UncutQueued {
                item,
                repeat,
                parts,
            } => self.uncut_queued(item, *repeat, parts),
            Happening::RestQueued { item, tests } => self.rest_queued(item, *tests),
            Happening::TestsGone { filename, gone } => {
                self.warn(super::repeats::gone_from_parts(filename, gone));
            }
            Happening::HostProbed(probed) => self.host_probed(probed),
            Happening::RetriesStopped { failed, finished } => {
                self.open.stopped();
                self.warn(format!(
                    "nothing was retried: {failed} of {finished} tests failed, more than a tenth"
                ));
            }
            Happening::SuiteHookFailed(message) => self.suite_hooks.push(message.clone()),
            Happening::Warning(warning) => self.warn_of(warning),
            Happening::WorkerEnded(message) => {
                if let Some(error) = &message.error {
                    self.worker_failed(
                        format!("{}:{}", message.hostname, message.worker_id),
                        error,
                    );
                }
            }
            Happening::WorkerDied(message) => self.warn(format!(
                "{}: the worker of slot {} died ({})",
                message.hostname, message.worker_id, message.end
            )),
            Happening::HostLeft(message) => {
                self.answers.remove(&message.listener_id);
                self.hosts.remove(&message.listener_id);
                if let Some(error) = &message.error {
                    // What ended its workers ended the host: that is said once.
                    self.host_failures.retain(|known| known.error != *error);
                    self.host_failures.push(HostFailure {
                        hostname: message.hostname.clone(),
                        reason: Some(message.reason),
                        error: error.clone(),
                    });
                }
            }
            Happening::LocalListenerDied { .. }
            | Happening::NoHostLeft { .. }
            | Happening::BrokerLost
            | Happening::BrokerBack => {}
        }
    }

    /// Workers that ended by the same error are told once.
    fn worker_failed(&mut self, place: String, error: &HostError) {
        let same = |known: &&mut HostFailure| known.reason.is_none() && known.error == *error;
        match self.host_failures.iter_mut().find(same) {
            Some(known) => known.hostname = format!("{}, {place}", known.hostname),
            None => self.host_failures.push(HostFailure {
                hostname: place,
                reason: None,
                error: error.clone(),
            }),
        }
    }

    fn finished(&mut self, at: Duration, finish: &Finish, verdict: Verdict, attempts: u32) {
        self.running.remove(&finish.item);
        self.ran_on.insert(finish.hostname.clone());
        self.needs_tests |= finish.needs_tests;
        for warning in &finish.warnings {
            self.warn(format!(
                "{} at {}:{}: {warning}",
                finish.filename, finish.hostname, finish.worker_id
            ));
        }
        let worker = WorkerKey {
            listener_id: finish.listener_id.clone(),
            worker_id: finish.worker_id,
            pid: finish.pid,
        };
        let in_child = self.children.entry((worker, finish.child)).or_default();
        in_child.push(finish.item);
        let ran_in_child = if is_bad(verdict) {
            in_child.clone()
        } else {
            Vec::new()
        };
        if self.open.item(finish.item).is_some() {
            self.last_in_child.insert(finish.item, ran_in_child);
            return;
        }
        if let Some(mut file) = self.repeats.file(finish.item) {
            file.end(at, finish, verdict, attempts, ran_in_child);
            return self.repeat_ended(finish.item, file);
        }
        self.progress.close(finish.item);
        if is_bad(verdict) {
            self.bad.push(finish.item);
        }
        if let Some(file) = self.files.get_mut(finish.item.0 as usize) {
            file.end(at, finish, verdict, attempts, ran_in_child);
        }
    }

    pub(super) fn warn_of(&mut self, warning: &Warning) {
        let place = match warning.worker_id {
            Some(slot) => format!("{}:{slot}", warning.hostname),
            None => warning.hostname.clone(),
        };
        self.warn(format!("{place}: {}", warning.message));
    }

    pub(super) fn warn(&mut self, text: String) {
        if self.warned.insert(text.clone()) {
            self.warnings.push(text);
        }
    }

    /// Ends the fold: what has no verdict now was not run.
    pub fn close(&mut self) {
        for file in &mut self.files {
            file.verdict.get_or_insert(Verdict::NotRun);
        }
        self.running.clear();
        self.not_retried = self.to_retry();
        self.open.stopped();
    }

    /// Returns how many hosts have run a file so far.
    #[must_use]
    pub fn hosts_that_ran(&self) -> usize {
        self.ran_on.len()
    }

    /// Returns how many files run now.
    #[must_use]
    pub fn running(&self) -> usize {
        self.running.len()
    }

    /// Returns the files that run now and began before `at`.
    #[must_use]
    pub fn running_since(&self, at: Duration) -> Vec<String> {
        let old = self.running.iter().filter(|(_, began)| **began < at);
        let name = |id: &ItemId| match self.unplanned(*id) {
            Some(item) => Some(&item.filename),
            None => self.files.get(id.0 as usize).map(|file| &file.filename),
        };
        old.filter_map(|(id, _)| name(id).cloned()).collect()
    }

    /// Returns an item that is none of the plan.
    fn unplanned(&self, id: ItemId) -> Option<&WorkItem> {
        self.open.item(id).or_else(|| self.repeats.item(id))
    }

    /// Returns what an item asked for, as the command line of a worker has it.
    #[must_use]
    pub fn name_of(&self, id: ItemId) -> Option<String> {
        if let Some(item) = self.unplanned(id) {
            return Some(format!("{}{}", item.filename, asked(item)));
        }
        let file = self.files.get(id.0 as usize)?;
        Some(format!("{}{}", file.filename, file.asked))
    }
}
