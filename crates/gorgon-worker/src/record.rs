//! What is known of the item that runs, from its arrival to its finish message.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::Framework;
use gorgon_proto::message::{Earlier, Finish};
use gorgon_proto::outcome::{FileError, FinishType, LeftOut, PlainRun, TestResult};

use crate::identity::Identity;
use crate::notices::unread_line;

/// How an item ended.
#[derive(Debug, Clone, PartialEq)]
pub enum How {
    /// The Ruby child said so.
    Finished,
    /// The Ruby child ended before it said so: how, and what it printed.
    Crashed {
        /// `SIGSEGV`, `exit status 1`.
        end: String,
        /// Its last output.
        output: String,
    },
    /// The item took longer than its limit.
    TimedOut {
        /// The limit, in seconds.
        limit_s: f64,
        /// Its last output.
        output: String,
    },
    /// It could not be given to any Ruby child.
    Refused(FileError),
}

/// The record of one execution of an item.
#[derive(Debug, Clone)]
pub struct Record {
    /// The item.
    pub item: WorkItem,
    arrived_at: Instant,
    /// When its child got it.
    given_at: Option<Instant>,
    tests: Vec<TestResult>,
    errors: Vec<FileError>,
    warnings: Vec<String>,
    running: Option<String>,
    /// Seconds of load and tests, once the child has told them.
    time: Option<f64>,
    output: String,
    runner: Option<Framework>,
    child: u32,
    needs_tests: bool,
    left_out: Option<LeftOut>,
    defined: Option<Vec<String>>,
    divisible: bool,
    plain: PlainRun,
    has_no_tests: bool,
    unread: Option<String>,
    ran_before: Vec<ItemId>,
    earlier: Vec<Earlier>,
    bundled: bool,
    told: Option<(usize, usize)>,
}

impl Record {
    /// Opens the record of an item that arrived at `now`.
    #[must_use]
    pub fn open(item: WorkItem, now: Instant) -> Self {
        Self {
            item,
            arrived_at: now,
            given_at: None,
            tests: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            running: None,
            time: None,
            output: String::new(),
            runner: None,
            child: 0,
            needs_tests: false,
            left_out: None,
            defined: None,
            divisible: false,
            plain: PlainRun::default(),
            has_no_tests: false,
            unread: None,
            ran_before: Vec::new(),
            earlier: Vec::new(),
            bundled: false,
            told: None,
        }
    }

    /// Notes that the item runs as one of a bundle: what the child says of it comes together with what it says of
    /// others, so only the child knows how long it took.
    pub fn mark_bundled(&mut self) {
        self.bundled = true;
    }

    /// Returns whether something that the child said of it cannot be read.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.unread.is_some()
    }

    /// Returns what is wrong if the child has told of other tests than are here: of how many, and how many bad ones.
    fn lost_results(&self) -> Option<FileError> {
        let bad = self.tests.iter().filter(|test| test.outcome.is_bad());
        let here = (self.tests.len(), bad.count());
        let told = self.told.filter(|told| *told != here)?;
        Some(FileError {
            what: "results".to_owned(),
            exception: None,
            message: format!(
                "the Ruby process told of {} tests, {} of them failed, but {} arrived, {} of them failed",
                told.0, told.1, here.0, here.1
            ),
            backtrace: Vec::new(),
            test: None,
        })
    }

    /// Notes which Ruby child got the item, when, and what had run in it; what an earlier one said of it is
    /// forgotten.
    pub fn given_to(
        &mut self,
        child: u32,
        at: Instant,
        framework: Framework,
        ran_before: Vec<ItemId>,
    ) {
        self.given_at = Some(at);
        self.time = None;
        self.ran_before = ran_before;
        self.child = child;
        self.runner = Some(framework);
        self.tests.clear();
        self.errors.clear();
        self.needs_tests = false;
        self.left_out = None;
        self.defined = None;
        self.divisible = false;
        self.plain = PlainRun::default();
        self.has_no_tests = false;
        self.unread = None;
        self.told = None;
        self.running = None;
    }

    /// Notes the test that runs now.
    pub fn test_started(&mut self, name: String) {
        self.running = Some(name);
    }

    /// Returns the name of the test that runs.
    #[must_use]
    pub fn running(&self) -> Option<&str> {
        self.running.as_deref()
    }

    /// Notes the result of a test.
    pub fn test_finished(&mut self, result: TestResult) {
        self.running = None;
        self.tests.push(result);
    }

    /// Notes a fault outside the tests.
    pub fn error(&mut self, error: FileError) {
        self.errors.push(error);
    }

    /// Notes that something it said cannot be read, and why.
    pub fn unread(&mut self, fault: String) {
        self.unread.get_or_insert(fault);
    }

    /// Notes a warning.
    pub fn warning(&mut self, text: String) {
        self.warnings.push(text);
    }

    /// Notes that the file ran no test, where its configuration wants one in the run.
    pub fn needs_tests(&mut self) {
        self.needs_tests = true;
    }

    /// Notes which tests the filters of the job left out.
    pub fn left_out(&mut self, more: LeftOut) {
        let left = self.left_out.take();
        self.left_out = Some(left.map_or(more.clone(), |left| left.and(more)));
    }

    /// Notes which tests a run of the whole file would have.
    pub fn defined(&mut self, ids: Vec<String>) {
        self.defined = Some(ids);
    }

    /// Notes that each test of the file can be told from every other.
    pub fn divisible(&mut self) {
        self.divisible = true;
    }

    /// Notes what the framework's own command has to be told.
    pub fn plain(&mut self, plain: PlainRun) {
        self.plain = plain;
    }

    /// The classes of the file have no test, and files that ran before are not the cause.
    pub fn has_no_tests(&mut self) {
        self.has_no_tests = true;
    }

    /// Returns how many tests the file has that this part was to run, and that have no result.
    fn unsaid(&self) -> usize {
        let Some(defined) = self.defined.as_ref().filter(|_| self.item.part) else {
            return 0;
        };
        let said: HashSet<&String> = self.tests.iter().map(|test| &test.id).collect();
        let asked: HashSet<&String> = self.item.tests.iter().collect();
        let except: HashSet<&String> = self.item.except.iter().collect();
        let mine = |id: &&String| {
            if asked.is_empty() {
                !except.contains(id)
            } else {
                asked.contains(id)
            }
        };
        let all = defined.iter().filter(mine);
        all.filter(|id| !said.contains(id)).count()
    }

    /// Returns why the file could not be loaded, if it could not.
    #[must_use]
    pub fn load_error(&self) -> Option<&FileError> {
        self.errors.iter().find(|error| error.what == "load")
    }

    /// Returns whether a test came to an end.
    #[must_use]
    pub fn any_test(&self) -> bool {
        !self.tests.is_empty()
    }

    /// Returns whether a whole file ended without an error and without a test, though it may have some.
    #[must_use]
    pub fn lacks_tests(&self) -> bool {
        let item = &self.item;
        let chosen = item.part || !item.tests.is_empty() || !item.except.is_empty();
        let whole = !chosen && item.before.is_empty();
        let none = self.tests.is_empty() && self.errors.is_empty() && self.left_out.is_none();
        whole && none && !self.has_no_tests
    }

    /// One of the items that are to run before this one came to its end.
    pub fn earlier_ended(&mut self, item: ItemId) {
        let failed = self.tests.drain(..).filter(|test| test.outcome.is_bad());
        let failed = failed.map(|test| test.id).collect();
        let errors = self.errors.len() + usize::from(self.unread.is_some());
        self.earlier.push(Earlier {
            item,
            failed,
            errors: u32::try_from(errors).unwrap_or(u32::MAX),
        });
        self.given_at = None;
        self.time = None;
        self.told = None;
        self.warnings.clear();
    }

    /// Notes what the Ruby child said at the end of the item.
    pub fn ended(&mut self, time: f64, told: Option<(usize, usize)>, output: String) {
        self.time = Some(time);
        self.told = told;
        self.output = output;
    }

    /// Returns when the child began the next item of its bundle. The worker may hear of that much later.
    #[must_use]
    pub fn next_began_at(&self, now: Instant) -> Instant {
        let time = Duration::try_from_secs_f64(self.time.unwrap_or_default()).ok();
        let ended_at = self
            .given_at
            .zip(time)
            .and_then(|(at, time)| at.checked_add(time));
        ended_at.map_or(now, |at| at.min(now))
    }

    /// Returns the seconds of load and tests. If the child told none, they last from when it got the item until `now`.
    fn seconds(&self, now: Instant) -> f64 {
        let since = |at| now.saturating_duration_since(at).as_secs_f64();
        let told = self.time.or(self.given_at.map(since));
        told.unwrap_or_default()
    }

    /// Closes the record: the finish message.
    #[must_use]
    pub fn close(mut self, me: &Identity, now: Instant, how: How) -> Finish {
        let time = self.seconds(now);
        let kind = match how {
            How::Finished => {
                if let Some(fault) = self.unread.take() {
                    // Of a child that was killed it was the line that it was killed in.
                    self.errors.push(unread_line(&fault));
                } else {
                    self.errors.extend(self.lost_results());
                }
                let unsaid = self.unsaid();
                if unsaid > 0 && self.errors.is_empty() {
                    self.errors.push(FileError {
                        what: "quit".to_owned(),
                        exception: None,
                        message: format!("{unsaid} tests of this part of the file did not run"),
                        backtrace: Vec::new(),
                        test: None,
                    });
                }
                if self.errors.is_empty() && !self.tests.iter().any(|t| t.outcome.is_bad()) {
                    FinishType::Pass
                } else {
                    FinishType::Fail
                }
            }
            How::Crashed { end, output } => {
                self.fault("crash", format!("the Ruby child ended: {end}"), output);
                FinishType::Crash
            }
            How::TimedOut { limit_s, output } => {
                self.fault(
                    "timeout",
                    format!("the file took longer than its limit of {limit_s} s"),
                    output,
                );
                FinishType::Timeout
            }
            How::Refused(error) => {
                self.errors.push(error);
                FinishType::Fail
            }
        };
        Finish {
            hostname: me.hostname.clone(),
            listener_id: me.listener_id.clone(),
            worker_id: me.worker_id,
            pid: me.pid,
            filename: self.item.filename.clone(),
            item: self.item.item,
            attempt: self.item.attempt,
            retry: self.item.retry,
            kind,
            runtime: match self.bundled {
                true => time,
                false => now.saturating_duration_since(self.arrived_at).as_secs_f64(),
            },
            time,
            runner: self.runner,
            failures: failures(&self.tests, &self.errors),
            tests: self.tests,
            errors: self.errors,
            output: if kind == FinishType::Pass {
                String::new()
            } else {
                self.output
            },
            warnings: self.warnings,
            child: self.child,
            ran_before: if kind == FinishType::Pass {
                Vec::new()
            } else {
                self.ran_before
            },
            test_env_number: match kind {
                FinishType::Pass => 0,
                _ => me.test_env_number,
            },
            earlier: self.earlier,
            needs_tests: self.needs_tests,
            left_out: self.left_out,
            defined: self.defined,
            divisible: self.divisible,
            plain: self.plain,
        }
    }

    fn fault(&mut self, what: &str, message: String, output: String) {
        self.errors.push(FileError {
            what: what.to_owned(),
            exception: None,
            message,
            backtrace: Vec::new(),
            test: self.running.take(),
        });
        self.output = output;
    }
}

/// Texts of the failures, as the original sent them.
fn failures(tests: &[TestResult], errors: &[FileError]) -> Vec<String> {
    let of_tests = tests
        .iter()
        .filter(|t| t.outcome.is_bad())
        .map(|t| format!("{}: line {}\n{}", t.name, t.line, t.message));
    let of_errors = errors.iter().map(|e| match &e.exception {
        Some(class) => format!("{}: {class}: {}", e.what, e.message),
        None => format!("{}: {}", e.what, e.message),
    });
    of_tests.chain(of_errors).collect()
}

#[cfg(test)]
mod tests;
