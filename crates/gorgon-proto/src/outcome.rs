//! The outcome of a test, its result, and the verdict of an item.

use serde::{Deserialize, Serialize};

use crate::job::Framework;

/// How one test ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All went well.
    Passed,
    /// An expectation or assertion was not met.
    Failed,
    /// Another exception.
    Errored,
    /// Skipped, pending or omitted.
    Skipped,
}

impl Outcome {
    /// Returns whether the outcome makes its file fail.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Failed | Self::Errored)
    }
}

/// The result of one test. Text is UTF-8; control characters are as the test printed them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    /// Key within the file: an RSpec example id (`1:2:1`), or `Class#method`.
    pub id: String,
    /// Full description, or `Class#method`.
    pub name: String,
    /// RSpec: the name without what may differ from run to run, which alone in the file has it at
    /// that line; none where the name is that already, or others share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The group that it cannot be told apart from, where there is one: an RSpec group with context
    /// hooks or an order of its own, a class with startup or shutdown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// RSpec: the outermost group's description; else the class.
    #[serde(default)]
    pub classname: String,
    /// Where the test is defined, relative to the project where it lies inside.
    #[serde(default)]
    pub file: String,
    /// Line in `file`; 0 when unknown.
    #[serde(default)]
    pub line: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// Seconds, by a clock that tests cannot stub.
    pub seconds: f64,
    /// Class of the exception, for failed and errored tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// Message of a failure or error, with the diff, as the framework would print it; or the
    /// reason of a skip.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Lines of the backtrace, innermost first, project paths relative.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
    /// What the test printed, cut in the middle; kept only for failed and errored tests.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    /// How the framework's own command runs it alone; told only for failed and errored tests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerun: Option<Rerun>,
}

/// How the framework's own command runs one test alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rerun {
    /// The framework that ran the test.
    pub framework: Framework,
    /// RSpec: `FILE:LINE` or `FILE[ID]`, in place of the file. Else options behind the file: `-n NAME`.
    pub words: Vec<String>,
    /// Rails: no other test of the file is at the test's line, so `FILE:LINE` names it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub alone_at_line: bool,
}

/// What the framework's own command has to be told to run a file as it ran here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlainRun {
    /// RSpec: the seed of a random order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// What is to be loaded first, as the file itself does not ask its framework to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require: Option<String>,
}

impl PlainRun {
    /// Returns whether it needs nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A fault of a file outside its tests: it cannot be loaded, a hook raised, its Ruby child died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileError {
    /// What failed: `load`, `before(:suite)`, `after(:all)`, `crash`, `timeout`, `lost` …
    pub what: String,
    /// Class of the exception, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<String>,
    /// What happened.
    pub message: String,
    /// Lines of the backtrace, innermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backtrace: Vec<String>,
    /// The test that was running, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
}

impl FileError {
    /// `what` of the fault that says: what ran before an item could not be run once more, so the item did
    /// not run either.
    pub const ROW_BROKEN: &str = "again";
    /// `what` of faults that end a plain run, whatever ran before: an exception that no test or hook raised, and what has
    /// the framework stop.
    pub const ENDS_RUN: [&str; 2] = ["run", "quit"];

    /// Makes the error of a file that was lost on each of these hosts.
    #[must_use]
    pub fn lost(hosts: &[String]) -> Self {
        Self {
            what: "lost".to_owned(),
            exception: None,
            message: format!("each attempt was lost: on {}", hosts.join(", on ")),
            backtrace: Vec::new(),
            test: None,
        }
    }
}

/// Tests of an item that the filters of the job left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// How many.
    pub tests: u32,
    /// The filters, in the framework's words: `include {:smoke=>true}`.
    pub by: String,
    /// No test of the item ran, and the suite wants all tests to run if that is so in the whole job
    /// (RSpec's `run_all_when_everything_filtered`).
    #[serde(default)]
    pub everything: bool,
}

impl LeftOut {
    /// Adds what another framework left out of the same item.
    #[must_use]
    pub fn and(self, more: Self) -> Self {
        Self {
            tests: self.tests.saturating_add(more.tests),
            by: if self.by == more.by {
                self.by
            } else {
                format!("{}, {}", self.by, more.by)
            },
            everything: self.everything && more.everything,
        }
    }
}

/// The `type` of a finish message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishType {
    /// Every test passed or was skipped, and nothing failed outside a test.
    Pass,
    /// A test failed, or something failed outside a test (a load error, a hook).
    Fail,
    /// The Ruby child ended before the file's last event.
    Crash,
    /// The item took longer than its limit.
    Timeout,
}

/// What the ledger says of an item in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Passed in its first execution that came to an end.
    Passed,
    /// Failed, then passed when its failed tests were retried.
    Flaky,
    /// A test or a hook failed, or the file could not be loaded.
    Failed,
    /// Its Ruby child died.
    Crashed,
    /// It took longer than its limit.
    TimedOut,
    /// Each of its attempts was lost with its worker or host.
    Lost,
    /// The job ended before it ran.
    NotRun,
}
