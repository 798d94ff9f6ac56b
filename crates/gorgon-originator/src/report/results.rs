//! The one model of a job's results, folded from what the ledger tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{Answer, Finish, HostError, LeaveReason, SuiteHookFailed, Warning};
use gorgon_proto::outcome::Verdict;

use super::file::{FileResult, asked};
use super::files::Progress;
use super::repeats::{Repeats, SickPlace};
use super::retries::Open;
use super::reviews::{OrderDependent, Reviews};
use super::starts::FailedStarts;
use crate::ledger::{Ending, Happening};

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
    /// Warnings that were shown before the job began.
    pub told_before: Vec<String>,
    /// Warnings, each once, with where they came from.
    pub warnings: Vec<String>,
    /// Hosts and workers that left by an error.
    pub host_failures: Vec<HostFailure>,
    /// Starts of Ruby children that failed.
    pub(super) failed_starts: FailedStarts,
    /// Hosts that refused or are busy, with their reasons.
    pub answers: BTreeMap<ListenerId, (String, Answer, String)>,
    /// Hosts and slots that were found sick, in order.
    pub sick: Vec<SickPlace>,
    /// Order-dependent failures, in the order in which they were found.
    pub order_dependent: Vec<OrderDependent>,
    /// How many tests ran at once, at most.
    pub most_slots: usize,
    /// How many failed tests were to be tried again when the job ended.
    pub not_retried: usize,
    pub(super) progress: Progress,
    hosts: BTreeMap<ListenerId, usize>,
    pub(super) running: BTreeMap<ItemId, Duration>,
    pub(super) open: Open,
    pub(super) repeats: Repeats,
    pub(super) reviews: Reviews,
    /// The children of retries that have just ended.
    pub(super) last_in_child: BTreeMap<ItemId, Vec<ItemId>>,
    ran_on: BTreeSet<Arc<str>>,
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

    /// Notes warnings that were shown before the job began.
    #[must_use]
    pub fn told(self, told_before: Vec<String>) -> Self {
        Self {
            told_before,
            ..self
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
                let hostname = self.host(&start.hostname);
                self.running.insert(start.item, at);
                if let Some(file) = self.files.get_mut(start.item.0 as usize) {
                    file.started = true;
                    file.hostname = hostname;
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
                if self.unplanned(*item).is_some() {
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
            Happening::UnfilteredQueued { item, repeat, by } => {
                self.unfiltered_queued(item, *repeat, by);
            }
            Happening::ReviewQueued { item, .. } => self.review_queued(item),
            Happening::Reviewed(found) => self.reviewed(found),
            Happening::ReviewsSkipped { failed, files } => {
                self.warn(super::reviews::skipped(*failed, *files));
            }
            Happening::RestQueued { item, tests } => self.rest_queued(item, *tests),
            Happening::TestsGone { filename, gone } => {
                self.warn(super::repeats::gone_from_parts(filename, gone));
            }
            Happening::PlaceProbed(probed) => self.place_probed(probed),
            Happening::RetriesStopped { failed, finished } => {
                self.open.stopped();
                self.warn(format!(
                    "nothing was retried: {failed} of {finished} tests failed, more than a tenth"
                ));
            }
            Happening::SuiteHookFailed(message) => self.suite_hooks.push(message.clone()),
            Happening::Warning(warning) => self.warn_of(warning),
            Happening::StartFailed(message) => self.start_failed(message),
            Happening::WorkerEnded(message) => self.worker_ended(message),
            Happening::WorkerDied(message) => self.warn(format!(
                "{}: the worker of slot {} died ({})",
                message.hostname, message.worker_id, message.end
            )),
            Happening::HostLeft(message) => {
                self.answers.remove(&message.listener_id);
                self.hosts.remove(&message.listener_id);
                if let Some(error) = &message.error {
                    self.host_failed(message, error);
                }
            }
            Happening::LocalListenerDied { .. }
            | Happening::NoHostLeft { .. }
            | Happening::BrokerLost
            | Happening::BrokerBack => {}
        }
    }

    /// A file runs on a host. Returns its name, which all its files share.
    fn host(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.ran_on.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.ran_on.insert(Arc::clone(&name));
        name
    }

    fn finished(&mut self, at: Duration, finish: &Finish, verdict: Verdict, attempts: u32) {
        self.running.remove(&finish.item);
        let hostname = self.host(&finish.hostname);
        self.needs_tests |= finish.needs_tests;
        for warning in &finish.warnings {
            self.warn(format!(
                "{} at {}:{}: {warning}",
                finish.filename, finish.hostname, finish.worker_id
            ));
        }
        let ran_in_child = if is_bad(verdict) {
            let before = finish.ran_before.iter().copied();
            before.chain([finish.item]).collect()
        } else {
            Vec::new()
        };
        if self.open.item(finish.item).is_some() {
            self.last_in_child.insert(finish.item, ran_in_child);
            return;
        }
        if let Some(mut file) = self.reviews.item(finish.item).map(FileResult::new) {
            file.end(at, finish, hostname, verdict, attempts, ran_in_child);
            return self.reviews.ended(finish.item, file);
        }
        if let Some(mut file) = self.repeats.file(finish.item) {
            file.end(at, finish, hostname, verdict, attempts, ran_in_child);
            return self.repeat_ended(finish.item, file);
        }
        self.progress.close(finish.item);
        if is_bad(verdict) {
            self.bad.push(finish.item);
        }
        if let Some(file) = self.files.get_mut(finish.item.0 as usize) {
            file.end(at, finish, hostname, verdict, attempts, ran_in_child);
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
    pub fn close(&mut self, ending: &Ending) {
        let counts = self.counts();
        let well = counts.files_passed == counts.files && counts.tests + counts.file_errors == 0;
        if *ending == Ending::Complete && well && counts.files > 0 && !self.needs_tests {
            self.warn("no test was found in any file".to_owned());
        }
        self.warn_of_failed_starts();
        for file in &mut self.files {
            file.verdict.get_or_insert(Verdict::NotRun);
        }
        self.running.clear();
        self.not_retried = self.to_retry();
        self.open.stopped();
    }

    /// Returns whether any host has answered so far, whatever it said.
    #[must_use]
    pub fn has_heard_of_a_host(&self) -> bool {
        !(self.hosts.is_empty() && self.answers.is_empty() && self.host_failures.is_empty())
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
        let item = self.open.item(id).or_else(|| self.repeats.item(id));
        item.or_else(|| self.reviews.item(id))
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
