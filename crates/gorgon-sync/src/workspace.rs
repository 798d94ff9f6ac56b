//! The directory in which one job runs on one host.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crossbeam_channel::{Receiver, never};
use gorgon_process::{exit, orphan};

use crate::cache::Cache;
use crate::failure::SyncError;
use crate::kept;
use crate::owned::{self, OwnedDir};
use crate::record::Record;
use crate::restore::restore;
use crate::scan::{self, TICK};
use crate::stamp::{Stamp, stamps};
use crate::view::View;

pub use crate::owned::Swept;
pub use crate::restore::Filled;

/// Workspaces are called `gorgon-…`; a sweep touches nothing else.
const PREFIX: &str = "gorgon-";

/// Git says that this is no repository.
const BARRIER: &str = "gitdir: this-workspace-of-gorgon-has-no-repository\n";

/// A directory of one job, private, and removed when dropped unless it is kept.
///
/// Its tree lies one level below a directory of a name that nobody can guess, and is called as the
/// project's own directory is: some suites look at the name of where they run. One for slots has a
/// tree for each of them, `slot-1` to `slot-N`.
#[derive(Debug)]
pub struct Workspace {
    outer: OwnedDir,
    path: PathBuf,
    trees: Vec<Tree>,
    /// The cache that it was filled from.
    cache: Option<PathBuf>,
    /// The paths on this machine where the original of the copy may lie.
    originals: Vec<PathBuf>,
    /// It is filled until something arrives here, or the other end is dropped.
    cancel: Receiver<()>,
}

/// A directory that is filled from a cache.
#[derive(Debug)]
struct Tree {
    path: PathBuf,
    /// What it was when it was made equal to its source.
    record: Option<Record>,
}

impl Workspace {
    /// Makes an empty one below `parent`, for the project of this path on the originator.
    ///
    /// # Errors
    /// When a directory cannot be made.
    pub fn create(parent: &Path, project: &str) -> Result<Self, SyncError> {
        let outer = outer(parent)?;
        // Only the last name of a path out of a message, so it stays inside.
        let name = Path::new(project)
            .file_name()
            .filter(|name| name.len() <= 100);
        let name = name
            .filter(|name| !name.as_encoded_bytes().starts_with(b".gorgon-lock"))
            .filter(|name| *name != ".git")
            .unwrap_or("project".as_ref());
        let tree = Tree::create(outer.path().join(name))?;
        Ok(Self {
            path: tree.path.clone(),
            outer,
            trees: vec![tree],
            cache: None,
            originals: Vec::new(),
            cancel: never(),
        })
    }

    /// Makes one with an empty tree for each slot.
    ///
    /// # Errors
    /// When a directory cannot be made.
    pub fn for_slots(parent: &Path, slots: u32) -> Result<Self, SyncError> {
        let outer = outer(parent)?;
        let tree = |slot| Tree::create(outer.path().join(format!("slot-{slot}")));
        let trees: Vec<Tree> = (1..=slots.max(1)).map(tree).collect::<Result<_, _>>()?;
        Ok(Self {
            path: outer.path().to_owned(),
            outer,
            trees,
            cache: None,
            originals: Vec::new(),
            cancel: never(),
        })
    }

    /// Returns where the job runs.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends each copy into it when something arrives here, or the other end is dropped.
    #[must_use]
    pub fn until(mut self, cancel: Receiver<()>) -> Self {
        self.cancel = cancel;
        self
    }

    /// Sets where the original of the copy may lie. An absolute link to there leads into the workspace instead,
    /// so that a test cannot write to the original through it.
    #[must_use]
    pub fn instead_of(mut self, originals: Vec<PathBuf>) -> Self {
        self.originals = originals;
        self
    }

    /// Returns the tree, or the first of those for slots: in it after_sync runs.
    #[must_use]
    pub fn first(&self) -> &Path {
        self.trees.first().map_or(&self.path, |tree| &tree.path)
    }

    /// Fills it with workspaces of ended jobs, each path of which is proven to equal the source of
    /// this digest: without a look at the cache, but for what has to be put back. None when there
    /// is no such workspace, or it cannot be proven: then it is empty.
    pub fn fill_from_kept(&mut self, cache: &Cache, digest: &str) -> Option<Filled> {
        let first = self.trees.first()?;
        let record = kept::take(cache, digest, true, &first.path)?;
        let mut view = View::of_record(&cache.tree(), &record);
        view.originals.clone_from(&self.originals);
        view.cancel = self.cancel.clone();
        let filled = self.fill_all(Some(record), cache, &view, digest);
        match filled {
            Ok(filled) => {
                self.cache = Some(cache.path().to_owned());
                Some(filled)
            }
            Err(error) => {
                log::info!(target: "gorgon::sync", path:% = self.path.display(), cause:% = exit::chain(&error);
                    "a kept workspace could not be used");
                // What cannot be emptied is no tree that can be filled, which is told then.
                self.trees.iter().for_each(|tree| drop(tree.empty()));
                None
            }
        }
    }

    /// Fills it from the cache: with what was kept, if it can be made equal, else by a local copy.
    ///
    /// # Errors
    /// When a file cannot be copied: the disk is full.
    pub fn fill_from(&mut self, cache: &Cache) -> Result<Filled, SyncError> {
        let mut view = View::of_cache(&cache.tree())?;
        view.originals.clone_from(&self.originals);
        view.cancel = self.cancel.clone();
        let digest = cache.digest().unwrap_or_default();
        let filled = self.fill_all(None, cache, &view, &digest)?;
        self.cache = Some(cache.path().to_owned());
        Ok(filled)
    }

    /// Fills each tree; the first one holds what `record` tells, if there is one.
    fn fill_all(
        &mut self,
        mut record: Option<Record>,
        cache: &Cache,
        view: &View,
        digest: &str,
    ) -> Result<Filled, SyncError> {
        let mut all = Filled::default();
        for tree in &mut self.trees {
            let before = record
                .take()
                .or_else(|| kept::take(cache, digest, false, &tree.path));
            let filled = tree.fill(before, view, digest)?;
            all.copied += filled.copied;
            all.bytes += filled.bytes;
            all.removed += filled.removed;
        }
        Ok(all)
    }

    /// Makes the trees of the other slots equal to the first one, after `after_sync` has run in it.
    ///
    /// # Errors
    /// When a file cannot be copied: the disk is full.
    pub fn follow_first(&mut self) -> Result<(), SyncError> {
        let Some((first, others)) = self.trees.split_first_mut() else {
            return Ok(());
        };
        if others.is_empty() {
            return Ok(());
        }
        let known = first.record.clone().unwrap_or_default();
        let mut view = View::of_workspace(&first.path, &known)?;
        view.cancel = self.cancel.clone();
        for tree in others {
            let before = tree.record.take().unwrap_or_default();
            // Nobody has been in it since.
            let found: Vec<_> = before
                .entries
                .iter()
                .filter_map(|entry| Some((entry.path.clone(), entry.own?)))
                .collect();
            let (record, _) = restore(&tree.path, &before, &found, &view)?;
            tree.record = Some(record);
        }
        Ok(())
    }

    /// To be called when a job begins to work in it.
    pub fn hand_over(&mut self) {
        let now = scan::now();
        for record in self
            .trees
            .iter_mut()
            .filter_map(|tree| tree.record.as_mut())
        {
            record.settle(now, TICK);
        }
    }

    /// Ends it after its job: what the job changed is put back, and it is kept in the cache for the
    /// next one, if all that is kept stays within `limit_bytes`; else it is removed.
    pub fn keep(mut self, limit_bytes: u64) {
        let Some(cache) = self.cache.take() else {
            return;
        };
        let still = orphan::working_in(self.outer.path());
        if !still.is_empty() {
            log::info!(target: "gorgon::sync", path:% = self.path.display(), processes:? = still;
                "a workspace is not kept: somebody still works there");
            return;
        }
        // Copies of the first one have in their records what after_sync has made in it.
        let Some(source) = self.trees.first().and_then(|tree| tree.record.clone()) else {
            return;
        };
        for tree in &mut self.trees {
            if let Err(error) = tree.keep(&cache, &source, &self.originals, limit_bytes) {
                log::info!(target: "gorgon::sync", path:% = tree.path.display(),
                    cause:% = exit::chain(&error); "a workspace is not kept");
            }
        }
    }
}

/// Makes the directory around the trees. Git looks for a repository in every directory above, and ours may
/// lie in somebody's repository. The `.git` file here ends the search.
fn outer(parent: &Path) -> Result<OwnedDir, SyncError> {
    let outer = OwnedDir::create(parent, PREFIX)?;
    let barrier = outer.path().join(".git");
    match fs::write(&barrier, BARRIER) {
        Ok(()) => Ok(outer),
        Err(error) => {
            // The error that matters is the first.
            let _ = owned::remove(outer.path());
            Err(SyncError::file("write", barrier)(error))
        }
    }
}

impl Tree {
    fn create(path: PathBuf) -> Result<Self, SyncError> {
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(SyncError::file("make the directory", &path))?;
        Ok(Self { path, record: None })
    }

    fn empty(&self) -> Result<(), SyncError> {
        owned::remove(&self.path).map_err(SyncError::file("remove", &self.path))?;
        Self::create(self.path.clone()).map(drop)
    }

    fn fill(
        &mut self,
        before: Option<Record>,
        view: &View,
        digest: &str,
    ) -> Result<Filled, SyncError> {
        if let Some(before) = before {
            match self.put_back(&before, view, digest) {
                Ok(filled) => return Ok(filled),
                Err(error) => {
                    log::info!(target: "gorgon::sync", path:% = self.path.display(),
                        cause:% = exit::chain(&error); "a kept workspace could not be used");
                    self.empty()?;
                }
            }
        }
        let (record, filled) = restore(&self.path, &Record::default(), &[], view)?;
        self.record = Some(Record {
            digest: digest.to_owned(),
            ..record
        });
        Ok(filled)
    }

    /// Looks at each path of it, and puts back what is not as it was or shall be.
    fn put_back(
        &mut self,
        before: &Record,
        view: &View,
        digest: &str,
    ) -> Result<Filled, SyncError> {
        fs::set_permissions(&self.path, Permissions::from_mode(0o700))
            .map_err(SyncError::file("set the permissions of", &self.path))?;
        let found =
            stamps(&self.path).map_err(|(path, error)| SyncError::file("look at", path)(error))?;
        let (record, filled) = restore(&self.path, before, &found, view)?;
        self.record = Some(Record {
            digest: digest.to_owned(),
            ..record
        });
        Ok(filled)
    }

    fn keep(
        &mut self,
        cache: &Path,
        source: &Record,
        originals: &[PathBuf],
        limit_bytes: u64,
    ) -> Result<(), SyncError> {
        let refused = |why: &str| SyncError::file("keep", cache)(io::Error::other(why.to_owned()));
        let Some(before) = self.record.take() else {
            return Err(refused("it was never whole"));
        };
        let Some(cache) = Cache::try_at(cache) else {
            return Err(refused("another job holds the cache"));
        };
        if kept::list(cache.path()).len() >= kept::MOST {
            return Err(refused("there are enough"));
        }
        if !cache.has_room(source.total_bytes(), limit_bytes) {
            return Err(refused("`cache_limit` would be passed"));
        }
        let digest = cache.digest().unwrap_or_default();
        // Where another job has pulled since, there is more to be done.
        let mut view = if source.digest == digest {
            View::of_record(&cache.tree(), source)
        } else {
            View::of_cache(&cache.tree())?
        };
        view.originals = originals.to_vec();
        self.put_back(&before, &view, &digest)?;
        let Some(record) = self.record.take() else {
            return Err(refused("it was never whole"));
        };
        wait_for_tick(&self.path, &record)?;
        kept::put(&cache, &self.path, &record).map_err(SyncError::file("keep", &self.path))
    }
}

/// What was put in place so shortly before that a change might leave no trace is looked at again
/// when it would.
fn wait_for_tick(tree: &Path, record: &Record) -> Result<(), SyncError> {
    let mut settled = record.clone();
    settled.settle(scan::now(), TICK);
    let young: Vec<_> = record
        .entries
        .iter()
        .zip(&settled.entries)
        .filter(|(before, after)| before.own != after.own)
        .collect();
    if young.is_empty() {
        return Ok(());
    }
    let tick = Duration::from_nanos(u64::try_from(TICK).unwrap_or(0));
    let _ = crossbeam_channel::after(tick).recv();
    for (entry, _) in young {
        let path = tree.join(OsStr::from_bytes(&entry.path));
        let now = fs::symlink_metadata(&path).map_err(SyncError::file("look at", &path))?;
        if entry.own != Some(Stamp::of(&now)) {
            let why = io::Error::other("somebody has changed it meanwhile");
            return Err(SyncError::file("keep", path)(why));
        }
    }
    Ok(())
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
