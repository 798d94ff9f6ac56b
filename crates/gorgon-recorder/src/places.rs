//! Which paths count, and how much of a directory does.

use std::path::{Path, PathBuf};

use crate::stamp::Stamp;

/// Where a boot takes place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The project: the working directory.
    pub project: PathBuf,
    /// Directories in which names come and go all day: the user's own, that of temporary files.
    pub busy: Vec<PathBuf>,
    /// Directories of ours, whose content we vouch for.
    pub ours: Vec<PathBuf>,
}

/// Directories of a project that its boots and its tests write to; what is *in* files there counts as anywhere.
const WRITTEN: [&str; 2] = ["tmp", "log"];

/// Bootsnap's store. Bootsnap itself compares what it keeps with the sources, which were looked at as well.
const BOOTSNAP: &str = "tmp/cache/bootsnap";

impl Places {
    /// Returns whether a change there could matter at all.
    pub(crate) fn counts(&self, path: &Path) -> bool {
        !self.ours.iter().any(|ours| path.starts_with(ours))
            && !path.starts_with(self.project.join(BOOTSNAP))
    }

    /// Returns whether boots and tests write there all day.
    pub(crate) fn is_written(&self, path: &Path) -> bool {
        WRITTEN
            .iter()
            .any(|name| path.starts_with(self.project.join(name)))
    }

    /// Returns whether the names in a directory count even if it was only asked for, since its time tells of them
    /// (Bootsnap finds new files that way). Not where names come and go all day.
    pub(crate) fn names_count(&self, path: &Path, found: &Stamp) -> bool {
        let is_above = self.project.starts_with(path) && self.project != path;
        let is_busy = self.busy.iter().any(|busy| busy == path);
        let is_written = self.is_written(path);
        !is_above && !is_busy && !is_written && !found.is_shared()
    }
}
