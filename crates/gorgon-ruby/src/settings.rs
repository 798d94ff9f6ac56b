//! What every Ruby process of a job is told.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use gorgon_proto::job::{Callbacks, Coverage, Framework, Way};
use serde::{Deserialize, Serialize};

/// The settings that every Ruby process of a job gets.
#[derive(Debug, Clone)]
pub struct RubySettings {
    /// How Ruby is started; [`crate::default_ruby`] decides when absent.
    pub ruby: Option<Vec<String>>,
    /// The project: the working directory of everything.
    pub directory: PathBuf,
    /// The user's callbacks.
    pub callbacks: Callbacks,
    /// `env` of the configuration; `None` unsets. It wins over everything else.
    pub env: BTreeMap<String, Option<String>>,
    /// In place: our own environment is the user's shell's, and is passed on whole. Else what
    /// belongs to somebody else's Ruby (`BUNDLE_*`, `RUBYOPT`, `RUBYLIB`) is left out.
    pub inherit_env: bool,
    /// Files run that a link in the project brings from outside of it: the user has named them, here. A message may not.
    pub follow_links: bool,
    /// We are a subreaper: what Ruby's children leave behind becomes a child of ours.
    pub adopts: bool,
    /// The seed of the job.
    pub seed: u32,
    /// What stood after `--`, for the framework.
    pub options: Vec<String>,
    /// The frameworks to be expected, the most probable first; they are loaded while the workers
    /// start. A hint, never a decision.
    pub frameworks: Vec<Framework>,
    /// The files of the job, a line each.
    pub files: String,
    /// How Ruby starts for test files; none where the Rakefile's text says it.
    pub ways: Vec<Way>,
    /// The job: GORGON_JOB_ID of all that is started.
    pub job: Option<String>,
    /// Where it runs; none on the originator.
    pub host: Option<Host>,
    /// What becomes of SimpleCov's result of each Ruby child.
    pub coverage: Coverage,
    /// How long before_creating_workers and after_creating_workers may take, each.
    pub callback_timeout: Duration,
}

/// The host that Ruby runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// GORGON_HOST: its name in messages.
    pub name: String,
    /// GORGON_SLOTS: the highest GORGON_WORKER_ID that any job gets there.
    pub slots: u32,
}

impl RubySettings {
    /// Makes settings for a project without any configuration, in place.
    #[must_use]
    pub fn in_place(directory: impl Into<PathBuf>) -> Self {
        Self {
            ruby: None,
            directory: directory.into(),
            callbacks: Callbacks::default(),
            env: BTreeMap::new(),
            inherit_env: true,
            follow_links: true,
            adopts: false,
            seed: 0,
            options: Vec::new(),
            frameworks: Vec::new(),
            files: String::new(),
            ways: Vec::new(),
            job: None,
            host: None,
            coverage: Coverage::Off,
            callback_timeout: Duration::from_secs(600),
        }
    }
}

/// A callback of the user, by its name in Ruby.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Callback {
    /// In the originator's place, before the source is offered. A String returned is the cluster.
    BeforeOriginate,
    /// In the listener's place, in the workspace.
    AfterSync,
    /// In the preloader, before any child is forked.
    BeforeCreatingWorkers,
    /// In each Ruby child, before its first file.
    BeforeStart,
    /// In each Ruby child, after its last file and its suite hooks.
    AfterComplete,
    /// In the preloader, after all workers have ended.
    AfterCreatingWorkers,
    /// In the originator's place, at the very end.
    AfterJobFinishes,
}

impl Callback {
    /// All of them, in the order in which they run.
    pub const ALL: [Self; 7] = [
        Self::BeforeOriginate,
        Self::AfterSync,
        Self::BeforeCreatingWorkers,
        Self::BeforeStart,
        Self::AfterComplete,
        Self::AfterCreatingWorkers,
        Self::AfterJobFinishes,
    ];

    /// Returns its name in Ruby.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeOriginate => "before_originate",
            Self::AfterSync => "after_sync",
            Self::BeforeCreatingWorkers => "before_creating_workers",
            Self::BeforeStart => "before_start",
            Self::AfterComplete => "after_complete",
            Self::AfterCreatingWorkers => "after_creating_workers",
            Self::AfterJobFinishes => "after_job_finishes",
        }
    }
}

impl fmt::Display for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
