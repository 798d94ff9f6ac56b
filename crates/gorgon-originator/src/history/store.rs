//! Where histories lie, and how two jobs share one.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gorgon_process::exit::Hint;
use gorgon_process::{lock, patient};
use log::warn;
use serde::{Deserialize, Serialize};

use super::{History, Ran};
use crate::replace;

/// The history could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the history {}", path.display())]
pub struct HistoryError {
    path: PathBuf,
    source: io::Error,
}

impl Hint for HistoryError {
    fn hint(&self) -> Option<String> {
        Some("XDG_CACHE_HOME names another place for it".into())
    }
}

/// How long to wait for another process that holds the history.
const LOCK_LIMIT: Duration = Duration::from_secs(5);

/// The version of the file's format: another one is not read.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Stored {
    format: u32,
    project: PathBuf,
    history: History,
}

/// The place of one project's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    directory: PathBuf,
    project: PathBuf,
}

impl Store {
    /// Returns the store of a project, by its absolute path; none when there is no home directory.
    #[must_use]
    pub fn of(project: &Path) -> Option<Self> {
        let absolute = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let cache = absolute("XDG_CACHE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
        Some(Self::below(&cache, project))
    }

    /// Returns the store of a project below another directory than the user's cache.
    #[must_use]
    pub fn below(cache: &Path, project: &Path) -> Self {
        let name: String = project
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .take(40)
            .collect();
        let directory = format!("{name}-{:016x}", fnv1a(project.as_os_str().as_bytes()));
        Self {
            directory: cache.join("gorgon").join(directory),
            project: project.to_owned(),
        }
    }

    /// Returns the directory that holds the history, and whatever else is to lie beside it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Makes the directory, for this user alone.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make_directory(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)
    }

    fn path(&self) -> PathBuf {
        self.directory.join("history.json")
    }

    /// Reads the history; an empty one when there is none, or none that can be read.
    #[must_use]
    pub fn load(&self) -> History {
        let path = self.path();
        let text = match patient::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return History::default(),
            Err(error) => {
                warn!(target: "gorgon::history", path:% = path.display(), error:%; "cannot read the history");
                return History::default();
            }
        };
        match serde_json::from_slice::<Stored>(&text) {
            Ok(mut stored) if stored.format == FORMAT && stored.project == self.project => {
                for file in stored.history.mend() {
                    warn!(target: "gorgon::history", path:% = path.display(), file:%; "the history has seconds of it that are none, which are ignored");
                }
                stored.history
            }
            Ok(_) => History::default(),
            Err(error) => {
                warn!(target: "gorgon::history", path:% = path.display(), error:%; "the history is no longer readable and begins anew");
                History::default()
            }
        }
    }

    /// Lays what a job says over what the file holds by now, and returns the whole.
    ///
    /// Files that are gone from the project are forgotten. `hooks_failed`: whether suite hooks
    /// raised; none when the job does not tell. `slots`: how many tests ran at once on listeners.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn merge(
        &self,
        ran: &BTreeMap<String, Ran>,
        hooks_failed: Option<bool>,
        slots: Option<usize>,
    ) -> Result<History, HistoryError> {
        self.try_merge(ran, hooks_failed, slots)
            .map_err(|source| HistoryError {
                path: self.path(),
                source,
            })
    }

    fn try_merge(
        &self,
        ran: &BTreeMap<String, Ran>,
        hooks_failed: Option<bool>,
        slots: Option<usize>,
    ) -> io::Result<History> {
        self.make_directory()?;
        // Held for a read and a write of one file; but whoever holds it may be stopped.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        let lock = patient::open(&options, &self.directory.join("history.lock"))?;
        let _lock = lock::within(lock, LOCK_LIMIT)?;
        let mut history = self.load();
        history.merge(ran);
        history.hooks_failed = hooks_failed.unwrap_or(history.hooks_failed);
        history.slots = slots.unwrap_or(history.slots);
        history
            .files
            .retain(|file, _| ran.contains_key(file) || self.project.join(file).exists());
        let stored = Stored {
            format: FORMAT,
            project: self.project.clone(),
            history,
        };
        let text = serde_json::to_vec(&stored).map_err(io::Error::other)?;
        replace::whole(&self.path(), &text)?;
        Ok(stored.history)
    }
}

/// A hash that is the same in every version of ours (the standard library's need not be). Two
/// projects that collide would take the history from each other, and are told apart by the path
/// that the file holds.
pub(crate) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
