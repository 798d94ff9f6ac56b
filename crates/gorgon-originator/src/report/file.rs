//! What is known of one item: its verdict, and what its last execution that counts said.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::Framework;
use gorgon_proto::message::Finish;
use gorgon_proto::outcome::{FileError, LeftOut, PlainRun, Verdict};

use super::files::Share;
use super::kept::Kept;
use super::results::is_bad;
use super::retries::Retry;

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
    pub hostname: Arc<str>,
    /// The slot there.
    pub worker_id: u32,
    /// Seconds from the item's arrival at the worker to its end.
    pub runtime: f64,
    /// Seconds of load and tests, until its end or until its Ruby child ended.
    pub time: f64,
    /// When it ended, since the start of the job.
    pub ended_at: Duration,
    /// The framework that ran it.
    pub runner: Option<Framework>,
    /// What the framework's own command has to be told to run it as it ran.
    pub plain: PlainRun,
    /// Only these tests, or lines, were asked for, as a command line has it: `[1:2,1:3]`, `:12`.
    pub asked: String,
    /// Results of all tests that came to an end, the first of each.
    pub tests: Vec<Kept>,
    /// Retries, by the place of their test among these.
    pub retries: BTreeMap<usize, Vec<Retry>>,
    /// Ids of tests that failed, and passed when they were judged again, alone and as the first time.
    pub flaky_alone: Vec<String>,
    /// Tests that the filters of the job left out.
    pub left_out: Option<LeftOut>,
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
            hostname: Arc::default(),
            worker_id: 0,
            runtime: 0.0,
            time: 0.0,
            ended_at: Duration::ZERO,
            runner: None,
            plain: PlainRun::default(),
            tests: Vec::new(),
            retries: BTreeMap::new(),
            flaky_alone: Vec::new(),
            left_out: None,
            errors: Vec::new(),
            output: String::new(),
            ran_in_child: Vec::new(),
        }
    }

    pub(super) fn end(
        &mut self,
        at: Duration,
        finish: &Finish,
        hostname: Arc<str>,
        verdict: Verdict,
        attempts: u32,
        ran_in_child: Vec<ItemId>,
    ) {
        self.verdict = Some(verdict);
        self.started = true;
        self.attempts = attempts;
        self.hostname = hostname;
        self.worker_id = finish.worker_id;
        self.runtime = finish.runtime;
        self.time = finish.time;
        self.ended_at = at;
        self.runner = finish.runner;
        self.plain = finish.plain.clone();
        self.tests = finish.tests.iter().map(Kept::from).collect();
        self.errors.clone_from(&finish.errors);
        self.output.clone_from(&finish.output);
        self.ran_in_child = ran_in_child;
        self.defined.clone_from(&finish.defined);
        self.divisible = finish.divisible;
        self.left_out.clone_from(&finish.left_out);
    }

    pub(super) fn lose(&mut self, at: Duration, hosts: &[String]) {
        self.verdict = Some(Verdict::Lost);
        self.ended_at = at;
        self.attempts = u32::try_from(hosts.len()).unwrap_or(u32::MAX);
        self.errors = vec![FileError::lost(hosts)];
    }

    /// Returns how long the item ran without a result until this fault ended it. Only the last fault of a crashed or
    /// timed-out item ended it.
    #[must_use]
    pub fn seconds_of_fault(&self, fault: &FileError) -> f64 {
        let broken = matches!(self.verdict, Some(Verdict::Crashed | Verdict::TimedOut));
        if !broken || self.errors.last() != Some(fault) {
            return 0.0;
        }
        let told: f64 = self.tests.iter().map(Kept::seconds).sum();
        (self.time - told).max(0.0)
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
