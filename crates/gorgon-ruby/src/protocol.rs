//! The lines that go between us and Ruby: one JSON object each.
//!
//! Ruby's side of the same lines is `ruby/protocol.rb`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gorgon_proto::job::{Callbacks, Coverage, Framework};
use gorgon_proto::message::CoveragePiece;
use gorgon_proto::outcome::{FileError, LeftOut, PlainRun, TestResult};
use serde::{Deserialize, Serialize};

use crate::settings::Callback;
use gorgon_proto::job::Way;

/// The first line to a started Ruby, on its stdin (a socket).
#[derive(Debug, Serialize)]
pub(crate) struct Boot<'a> {
    pub(crate) mode: Mode,
    pub(crate) callbacks: &'a Callbacks,
    pub(crate) frameworks: &'a [Framework],
    pub(crate) files: &'a str,
    /// How Ruby is started for tests of Minitest and Test::Unit.
    pub(crate) ways: &'a [Way],
    /// A Rails application that no callback loads.
    pub(crate) rails: bool,
    /// What becomes of SimpleCov's result of each child.
    pub(crate) coverage: Coverage,
    pub(crate) options: &'a [String],
    pub(crate) seed: u32,
    pub(crate) env: &'a BTreeMap<String, Option<String>>,
    /// The directory is the user's own: a link in it may lead anywhere.
    pub(crate) follow_links: bool,
    pub(crate) socket: Option<&'a str>,
    pub(crate) callback: Option<Callback>,
    pub(crate) adopter: Option<u32>,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    Preload,
    Callback,
    /// Load, and fork a preloader for each job.
    Keep,
}

/// A line to the preloader, on its stdin, after the first.
#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum ToPreloader {
    Callback { callback: Callback },
}

/// A line from a preloader or a callback process.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum FromBoot {
    Ready,
    CallbackDone {
        callback: Callback,
        returned: Option<String>,
    },
    CallbackFailed(CallbackFailure),
    Refused(Refusal),
}

/// A line to one of the preloader's sockets: a link and its signals to the first, what asks for a child to that of its
/// framework.
#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum ToSocket<'a> {
    Link {
        link: &'a str,
    },
    Signal {
        pid: u32,
        signal: &'a str,
    },
    Fork {
        link: &'a str,
        slot: u32,
        test_env_number: u32,
        after_complete: bool,
    },
}

/// A line to a Ruby child. What is empty or false is left out: Ruby reads a line for each file.
#[derive(Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub(crate) enum ToChild<'a> {
    Run {
        file: &'a str,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        tests: &'a [String],
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        lines: &'a [u32],
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        part: bool,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        except: &'a [String],
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        unfiltered: bool,
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        asked: &'a [Framework],
        /// The other files of a bundle.
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        then: &'a [&'a str],
    },
    Finish {
        stopped: bool,
    },
}

/// A line from a Ruby child, or about it from the preloader.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum FromChild {
    Forked {
        pid: u32,
        /// Where the lines lie that it holds back.
        #[serde(default)]
        drafts: Option<PathBuf>,
    },
    ForkFailed {
        message: String,
    },
    Ready,
    CallbackFailed(CallbackFailure),
    Refused(Refusal),
    CallbackDone,
    OtherFramework {
        framework: Framework,
        #[serde(default)]
        loaded: bool,
    },
    Loading,
    TestStarted {
        id: String,
        name: String,
    },
    TestFinished(Box<TestResult>),
    FileError(FileError),
    Warning {
        message: String,
    },
    Defined {
        ids: Vec<String>,
    },
    Divisible,
    PlainRun(PlainRun),
    HasNoTests,
    NeedsTests,
    LeftOut(LeftOut),
    FileFinished {
        time: f64,
        #[serde(default)]
        told: Option<(usize, usize)>,
        #[serde(default)]
        output: String,
        #[serde(default)]
        spent: bool,
        #[serde(default)]
        more: bool,
    },
    Interrupted,
    SuiteHookFailed {
        error: FileError,
        #[serde(default)]
        output: String,
    },
    LeftBehind {
        file: String,
        pid: u32,
        command: String,
    },
    AfterComplete,
    Finished,
    Coverage(CoveragePiece),
    CoverageFailed {
        status: i32,
    },
    Ended {
        status: Option<i32>,
        signal: Option<i32>,
        #[serde(default)]
        output: String,
        #[serde(default)]
        left: Vec<Left>,
    },
}

/// A process that outlived what started it.
#[derive(Debug, Deserialize)]
pub(crate) struct Left {
    pub(crate) pid: u32,
    pub(crate) command: String,
}

/// No file can run with this Ruby.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What stands in the way: `the options of RSpec`.
    pub what: String,
    /// Why.
    pub message: String,
    /// What was printed meanwhile, cut in the middle.
    #[serde(default)]
    pub output: String,
}

/// A callback of the user raised, or ended Ruby.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackFailure {
    /// Which one; absent when the callbacks file could not be loaded.
    #[serde(default)]
    pub callback: Option<Callback>,
    /// Class of the exception.
    #[serde(default)]
    pub exception: Option<String>,
    /// Its message.
    pub message: String,
    /// Lines of its backtrace, innermost first.
    #[serde(default)]
    pub backtrace: Vec<String>,
    /// What was printed meanwhile, cut in the middle.
    #[serde(default)]
    pub output: String,
}

impl CallbackFailure {
    /// Returns what was tried: `before_start`, or `loading the callbacks`.
    #[must_use]
    pub fn what(&self) -> &'static str {
        self.callback
            .map_or("loading the callbacks", Callback::name)
    }
}
