//! What a manager and the keeper of a warm application say to each other, and the Ruby process that is kept.
//!
//! The keeper is a process of its own, which outlives jobs. A manager connects to its socket, says what it would start
//! ([`Wanted`]), and gets a fork of what is kept, or is told to start anew by itself.

mod join;
mod kept;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::protocol::{CallbackFailure, Refusal};
use crate::settings::RubySettings;

pub(crate) use join::{Joined, join};
pub use join::{connect, listen};
pub use kept::{KeptRuby, Recorder, Said};

/// The variable of each process of a job that a warm application must not see, as it outlives the job.
const JOB: &str = "GORGON_JOB_ID";

/// What a shell sets anew for each command. What is loaded does not get them, and each job gets its own.
const OF_THE_SHELL: [&str; 3] = ["OLDPWD", "SHLVL", "_"];

/// The variable in which a listener hands the keeper's socket to its manager.
pub const KEEPER_VARIABLE: &str = "GORGON_KEEPER";

/// What a manager would start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The command, word by word.
    pub command: Vec<String>,
    /// Where.
    pub directory: PathBuf,
    /// All of its environment, but for `apart`.
    pub environment: BTreeMap<String, String>,
    /// Variables that only its tests see.
    #[serde(default)]
    pub apart: BTreeMap<String, String>,
    /// What it would hand on besides, by [`gorgon_process::surroundings`].
    #[serde(default)]
    pub process: String,
    /// What it is told of the project, as JSON.
    pub boot: String,
}

impl Wanted {
    /// Returns what these settings start; none where it cannot be told as text.
    pub(crate) fn of(
        settings: &RubySettings,
        script: &std::path::Path,
        boot: String,
    ) -> Option<Self> {
        let mut settings = settings.clone();
        settings.job = None;
        let command = crate::command::ruby(&settings, script);
        let mut environment: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => environment.insert(name.to_owned(), value.to_owned()),
                None => environment.remove(name),
            };
        }
        environment.remove(&OsString::from(JOB));
        let mut environment: BTreeMap<String, String> = environment
            .into_iter()
            .map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect::<Option<_>>()?;
        let apart = OF_THE_SHELL
            .iter()
            .filter_map(|name| environment.remove_entry(*name))
            .collect();
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let command = words
            .map(|word| word.to_str().map(str::to_owned))
            .collect::<Option<_>>()?;
        Some(Self {
            command,
            directory: settings.directory,
            environment,
            apart,
            process: gorgon_process::surroundings::own(),
            boot,
        })
    }

    /// Returns what is different from what was wanted before, in words; no value of the environment is named.
    #[must_use]
    pub fn difference(&self, before: &Self) -> Option<String> {
        if self.command != before.command {
            return Some("the command that starts Ruby changed".to_owned());
        }
        if self.directory != before.directory {
            return Some("the directory of the project changed".to_owned());
        }
        let names = self.environment.keys().chain(before.environment.keys());
        let changed = names
            .filter(|name| self.environment.get(*name) != before.environment.get(*name))
            .min();
        if let Some(name) = changed {
            return Some(format!("the variable {name} of the environment changed"));
        }
        (self.boot != before.boot).then(|| "the configuration of the job changed".to_owned())
    }
}

/// A line to the keeper.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum ToKeeper {
    /// A manager wants a preloader. It dies with this connection.
    Want {
        /// What it would start.
        wanted: Box<Wanted>,
        /// Where the manager listens for it.
        owner: PathBuf,
        /// What its stdout and stderr lead to.
        output: PathBuf,
        /// The job.
        job: String,
    },
    /// Signals the preloader and its group: INT, KILL.
    Signal {
        /// Its name.
        signal: String,
    },
    /// An originator wants to hear of this; `process` has what its own process hands on.
    Watch {
        /// Limits, umask, version.
        process: String,
    },
    /// Asks what it keeps.
    Status,
    /// Ends it.
    Stop,
}

/// A line from the keeper.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum FromKeeper {
    /// To a manager: it is to start anew by itself.
    Declined {
        /// Why.
        why: String,
    },
    /// To a manager: there is a preloader, which has connected.
    Forked {
        /// Its number.
        pid: u32,
    },
    /// To a manager: a callback of the start failed. `Ended` follows.
    CallbackFailed(CallbackFailure),
    /// To a manager: no file can run. `Ended` follows.
    Refused(Refusal),
    /// To a manager: the preloader has ended.
    Ended {
        /// Exit status.
        status: Option<i32>,
        /// Signal.
        signal: Option<i32>,
    },
    /// To an originator: for the user.
    Told {
        /// A line.
        text: String,
        /// Only for who wants to know more.
        detail: bool,
    },
    /// To an originator: the keeper serves it.
    Welcome,
    /// To an originator: the keeper ends, since the process differs.
    Differs {
        /// In what.
        what: String,
    },
    /// The answer to `Status`.
    Status(Status),
}

/// What a keeper keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The project.
    pub project: PathBuf,
    /// The keeper's process.
    pub keeper: u32,
    /// The Ruby process that is kept.
    pub pid: Option<u32>,
    /// `empty`, `booting`, `idle`, `in use`.
    pub state: String,
    /// Seconds since the last use.
    pub idle_s: f64,
    /// Seconds without use after which it ends.
    pub limit_s: f64,
    /// How many paths prove it.
    pub paths: usize,
    /// Milliseconds that the last proof took.
    pub proof_ms: f64,
    /// Jobs that it has served.
    pub jobs: u32,
    /// Resident memory of the Ruby process, in KiB.
    pub resident_kb: u64,
}
