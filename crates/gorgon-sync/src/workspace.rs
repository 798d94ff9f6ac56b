//! The directory in which one job runs on one host.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::copy::copy_tree;
use crate::failure::SyncError;
use crate::owned::{self, OwnedDir};

pub use crate::copy::Copied;
pub use crate::owned::Swept;

/// Workspaces are called `gorgon-…`; a sweep touches nothing else.
const PREFIX: &str = "gorgon-";

/// A directory of one job, private, and removed when dropped.
///
/// It lies one level below a directory of a name that nobody can guess, and is called as the
/// project's own directory is: some suites look at the name of where they run.
#[derive(Debug)]
pub struct Workspace {
    outer: OwnedDir,
    path: PathBuf,
}

impl Workspace {
    /// Makes an empty one below `parent`, for the project of this path on the originator.
    ///
    /// # Errors
    /// When a directory cannot be made.
    pub fn create(parent: &Path, project: &str) -> Result<Self, SyncError> {
        let outer = OwnedDir::create(parent, PREFIX)?;
        // Only the last name of a path out of a message, so it stays inside.
        let name = Path::new(project)
            .file_name()
            .filter(|name| name.len() <= 100);
        let name = name
            .filter(|name| !name.as_encoded_bytes().starts_with(b".gorgon-lock"))
            .unwrap_or("project".as_ref());
        let path = outer.path().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(SyncError::file("make the directory", &path))?;
        Ok(Self { outer, path })
    }

    /// Returns where the job runs.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fills it from the cache, by local copy.
    ///
    /// # Errors
    /// When a file cannot be copied: the disk is full.
    pub fn fill_from(&self, cache: &Cache) -> Result<Copied, SyncError> {
        copy_tree(&cache.tree(), &self.path)
    }

    /// Makes another workspace with the same content, after `after_sync` ran in this one
    /// (`workspace: slot`).
    ///
    /// # Errors
    /// When a file cannot be copied: the disk is full.
    pub fn copy(&self, parent: &Path) -> Result<Self, SyncError> {
        let other = Self::create(parent, &self.path.to_string_lossy())?;
        copy_tree(&self.path, &other.path)?;
        Ok(other)
    }

    /// Makes one workspace that holds a copy of this one for each slot, `slot-1` to `slot-N`.
    ///
    /// # Errors
    /// When a file cannot be copied: the disk is full.
    pub fn copy_for_slots(&self, parent: &Path, slots: u32) -> Result<Self, SyncError> {
        let outer = OwnedDir::create(parent, PREFIX)?;
        let path = outer.path().to_owned();
        let copies = Self { outer, path };
        for slot in 1..=slots {
            let copy = copies.path.join(format!("slot-{slot}"));
            DirBuilder::new()
                .mode(0o700)
                .create(&copy)
                .map_err(SyncError::file("make the directory", &copy))?;
            copy_tree(&self.path, &copy)?;
        }
        Ok(copies)
    }

    /// Removes it, also when read-only directories lie in it.
    ///
    /// # Errors
    /// When something in it cannot be removed; the next sweep tries again.
    pub fn remove(self) -> Result<(), SyncError> {
        owned::remove(self.outer.path()).map_err(SyncError::file("remove", self.outer.path()))
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Err(error) = owned::remove(self.outer.path()) {
            log::warn!(target: "gorgon::sync", path:% = self.outer.path().display(),
                cause:% = error; "a workspace cannot be removed");
        }
    }
}

/// Removes the workspaces that dead listeners have left below `parent`. To be called once, at a
/// listener's start; those in which somebody works are left alone, and named.
pub fn sweep(parent: &Path) -> Swept {
    owned::sweep(parent, PREFIX)
}

/// Waits until nobody works in a workspace that [`sweep`] left alone, and removes it; false when
/// its owner has done so meanwhile.
///
/// # Errors
/// When something in it cannot be removed; the next sweep tries again.
pub fn remove_when_free(path: &Path) -> Result<bool, SyncError> {
    owned::remove_when_free(path).map_err(SyncError::file("remove", path))
}

/// Returns how many bytes the files of a tree have.
pub(crate) fn tree_bytes(path: &Path) -> u64 {
    // Not by recursion: a tree may be deeper than our stack.
    let mut waiting = vec![path.to_owned()];
    let mut bytes = 0;
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = fs::read_dir(directory) else {
            continue;
        };
        for entry in entries.flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => waiting.push(entry.path()),
                Ok(meta) => bytes += meta.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests;
