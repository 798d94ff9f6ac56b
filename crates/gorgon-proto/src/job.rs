//! The job definition, and the ids that name a job and its parties.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::project::CALLBACK_LIMIT;

/// The version of the message schema; parties of different versions refuse each other.
pub const SCHEMA: u32 = 3;

/// Names one job; part of its queue names, and the routing key of its control messages.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub String);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one listener process: two listeners on one host differ, and so does a restarted one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ListenerId(pub String);

impl fmt::Display for ListenerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The message that offers a job to listeners.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobDefinition {
    /// Always `job_definition`.
    #[serde(rename = "type")]
    pub kind: JobDefinitionTag,
    /// [`SCHEMA`] of the originator.
    pub schema: u32,
    /// Version of the originator's Gorgon.
    pub version: String,
    /// The job's id.
    pub job: JobId,
    /// Host of the originator; with `project` it names the cache on a listener.
    pub originator_host: String,
    /// Absolute path of the project on the originator.
    pub project: String,
    /// The queue that holds the work items.
    pub file_queue_name: String,
    /// The queue that all replies go to.
    pub reply_queue_name: String,
    /// The exchange by which replies reach that queue: [`crate::names::REPLIES_EXCHANGE`], or the
    /// broker's default one when absent.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reply_exchange: String,
    /// How many items the job has: a host never starts more workers than that.
    pub items: u32,
    /// Maximum number of slots of one host for this job.
    #[serde(default)]
    pub slots: Option<u32>,
    /// Where the source comes from.
    pub sync: Source,
    /// The user's callbacks, in either layout.
    #[serde(default)]
    pub callbacks: Callbacks,
    /// How Ruby is started (`ruby` of the configuration); decided on the host when absent.
    #[serde(default)]
    pub ruby: Option<Vec<String>>,
    /// Environment of everything Ruby; `null` unsets.
    #[serde(default)]
    pub env: BTreeMap<String, Option<String>>,
    /// A Ruby child for each worker, or for each file.
    #[serde(default)]
    pub isolation: Isolation,
    /// What becomes of SimpleCov's results.
    #[serde(default)]
    pub coverage: Coverage,
    /// A directory for the job, or a copy for each slot.
    #[serde(default)]
    pub workspace: WorkspaceMode,
    /// Limit of one item, load and tests, in seconds.
    #[serde(default)]
    pub file_timeout_s: Option<f64>,
    /// Limit of one callback, in seconds.
    pub callback_timeout_s: f64,
    /// The seed of the job.
    pub seed: u32,
    /// What stood after `--`, for the framework.
    #[serde(default)]
    pub framework_options: Vec<String>,
    /// The frameworks that the file names let expect, most files first: what a preloader loads
    /// while it waits. A hint, never a decision.
    #[serde(default)]
    pub frameworks: Vec<Framework>,
    /// The files of the job, a line each, for helpers that ask what is to run; empty where they
    /// would make the message too long.
    #[serde(default)]
    pub files: String,
    /// How Ruby starts for the files of each task of the Rakefile, where Rake itself was asked for that; else a
    /// host reads it from the Rakefile's text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ways: Vec<Way>,
}

/// How a task of a Rakefile starts Ruby for its files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Directories on the load path, as `-I` names them.
    #[serde(default)]
    pub directories: Vec<String>,
    /// How much Ruby warns while its files run; none: as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warnings: Option<Warnings>,
    /// Ruby code that is evaluated before that, and before its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prelude: Option<String>,
    /// What is loaded before its files, as `-r` names it.
    #[serde(default)]
    pub requires: Vec<String>,
    /// Globs of its files; none means those that no other way names.
    #[serde(default)]
    pub globs: Vec<String>,
    /// Globs of files that it leaves out.
    #[serde(default)]
    pub excludes: Vec<String>,
    /// What its files see as `$0`: the program that a task of Rake starts. None: each file is the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// What the Rakefile sets in the environment before a task starts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<Variable>,
}

/// How much Ruby warns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Warnings {
    /// `-w`
    Verbose,
    /// `-W1`, as without an option.
    Usual,
    /// `-W0`
    Silent,
    /// As the version of Rake chooses that is installed.
    AsRake,
}

/// A variable of the environment that a Rakefile sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value; none unsets it. A NUL in it stands for the project's directory.
    pub value: Option<String>,
    /// It keeps the value that it has (`||=`).
    #[serde(default)]
    pub unless_set: bool,
}

/// No limit of a job is longer: a hundred years can be added to any instant.
const MOST_LIMIT_S: f64 = 100.0 * 366.0 * 86_400.0;

impl JobDefinition {
    /// Returns how many slots of a host are of use to it at most: never more than it has items.
    #[must_use]
    pub fn most_slots(&self) -> u32 {
        self.items.min(self.slots.unwrap_or(u32::MAX)).max(1)
    }

    /// Returns the limit of one item; none when it has none, or one that is no span of time.
    #[must_use]
    pub fn file_limit(&self) -> Option<Duration> {
        self.file_timeout_s.and_then(limit)
    }

    /// Returns the limit of one callback; the default when it is no span of time.
    #[must_use]
    pub fn callback_limit(&self) -> Duration {
        limit(self.callback_timeout_s).unwrap_or(CALLBACK_LIMIT)
    }
}

fn limit(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.min(MOST_LIMIT_S)).ok()
}

/// The constant `job_definition`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum JobDefinitionTag {
    /// The only value.
    #[default]
    #[serde(rename = "job_definition")]
    JobDefinition,
}

/// Where listeners pull the source from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Source {
    /// How the source is reached.
    pub kind: SourceKind,
    /// `kind: daemon`: `host:port` of the originator's private rsync daemon, in the order in which
    /// they are tried.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// `kind: daemon`: the user of this job.
    #[serde(default)]
    pub user: Option<String>,
    /// `kind: daemon`: the password of this job.
    #[serde(default)]
    pub password: Option<String>,
    /// `kind: path`: an rsync source (`rsync://…`, `host:path` or a directory).
    #[serde(default)]
    pub source_tree_path: Option<String>,
    /// `ssh`, or anything else for the rsync protocol.
    #[serde(default)]
    pub rsync_transport: Option<String>,
    /// rsync exclude patterns.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Directories of a workspace that the next job of the project finds as this one leaves them, where the source
    /// has nothing there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept_paths: Vec<String>,
    /// Digest of the originator's manifest; equal to the one kept with a cache means that nothing
    /// changed since.
    #[serde(default)]
    pub manifest_digest: Option<String>,
}

/// How the source is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// Nothing to pull: the listener was started in the directory by `--local`. A listener that
    /// was not refuses it.
    #[default]
    InPlace,
    /// The private rsync daemon of the originator.
    Daemon,
    /// An rsync source that somebody else serves (`file_server`, `source_tree_path`).
    Path,
}

/// The user's callbacks: one class, or one Ruby file for each (the older layout).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Callbacks {
    /// A file that sets `Gorgon.callbacks`, relative to the project.
    #[serde(default)]
    pub callbacks_class_file: Option<String>,
    /// Older layout: file loaded for the callback of that name.
    #[serde(default)]
    pub before_start: Option<String>,
    /// Older layout.
    #[serde(default)]
    pub after_complete: Option<String>,
    /// Older layout.
    #[serde(default)]
    pub before_creating_workers: Option<String>,
    /// Older layout.
    #[serde(default)]
    pub after_sync: Option<String>,
    /// Older layout.
    #[serde(default)]
    pub after_creating_workers: Option<String>,
}

impl Callbacks {
    /// Returns whether the user configured any callback.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the files, with the keys that name them.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("callbacks_class_file", &self.callbacks_class_file),
            ("before_start", &self.before_start),
            ("after_complete", &self.after_complete),
            ("before_creating_workers", &self.before_creating_workers),
            ("after_sync", &self.after_sync),
            ("after_creating_workers", &self.after_creating_workers),
        ]
        .into_iter()
        .filter_map(|(key, file)| Some((key, file.as_deref()?)))
    }
}

/// A test framework of Ruby.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Framework {
    /// RSpec 3.
    Rspec,
    /// Minitest 5 and 6.
    Minitest,
    /// Test::Unit 3.
    TestUnit,
}

impl Framework {
    /// Returns the name used on the wire and on every command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Rspec => "rspec",
            Self::Minitest => "minitest",
            Self::TestUnit => "test_unit",
        }
    }
}

/// How many files a Ruby child serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// One child for all files of a worker and framework.
    #[default]
    Worker,
    /// A fresh fork for each file.
    File,
}

/// What becomes of the coverage that SimpleCov measures in the Ruby children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Coverage {
    /// SimpleCov is left alone. What it says of one process fails no run.
    #[default]
    Off,
    /// The results of all children are merged ([`crate::message::CoverageShare`]), as in any Rails application. The user
    /// did not ask for that: what cannot be merged or judged is a warning.
    ByDefault,
    /// The user asked for the same: what cannot be merged or judged fails the run.
    Asked,
}

/// How many copies of the source a host makes for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkspaceMode {
    /// One directory for the job.
    #[default]
    Job,
    /// A directory and a preloader for each slot.
    Slot,
}
