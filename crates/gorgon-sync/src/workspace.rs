//! The directory in which one job runs on one host.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crossbeam_channel::{Receiver, never};
use gorgon_process::{exit, orphan};

use crate::cache::Cache;
use crate::failure::SyncError;
use crate::kept;
use crate::kept_paths;
use crate::manifest;
use crate::owned::{self, OwnedDir};
use crate::record::Record;
use crate::restore::restore;
use crate::scan::{self, TICK};
use crate::view::View;
use tree::Tree;

mod tree;

pub use crate::owned::Swept;
pub use crate::restore::Filled;

/// Workspaces are called `gorgon-…`; a sweep touches nothing else.
const PREFIX: &str = "gorgon-";

/// Git says that this is no repository.
const BARRIER: &str = "gitdir: this-workspace-of-gorgon-has-no-repository\n";

/// A directory of one job, private, and removed when dropped unless it is kept.
///
/// Its tree lies one level below, and is called as the project's own directory is: some suites look at
/// the name of where they run. One for slots has a tree for each of them, `slot-1` to `slot-N`. The jobs of one
/// project have the same paths, one after the other: the directory is called `gorgon-HASH-N`, with the lowest N
/// that no job holds.
#[derive(Debug)]
pub struct Workspace {
    outer: OwnedDir,
    path: PathBuf,
    trees: Vec<Tree>,
    /// Of its name; none where jobs never come back to its paths.
    number: Option<u32>,
    /// Directories that each tree has from the job before, and how many trees have got theirs.
    kept_paths: Vec<PathBuf>,
    brought: usize,
    /// The cache that it was filled from.
    cache: Option<PathBuf>,
    /// The paths on this machine where the original of the copy may lie.
    originals: Vec<PathBuf>,
    /// It is filled until something arrives here, or the other end is dropped.
    cancel: Receiver<()>,
}

impl Workspace {
    /// Makes an empty one below `parent`, of a name that nobody can guess, for the project of this path.
    ///
    /// # Errors
    /// When a directory cannot be made.
    pub fn create(parent: &Path, project: &str) -> Result<Self, SyncError> {
        Self::with_tree(outer(parent)?, None, project)
    }

    /// Makes an empty one below `parent`, at the path that an earlier job of this project had.
    ///
    /// # Errors
    /// When a directory cannot be made.
    pub fn of_project(parent: &Path, cache: &Cache, project: &str) -> Result<Self, SyncError> {
        let mut outer = outer(parent)?;
        let number = outer.take_number(&stem(cache));
        Self::with_tree(outer, number, project)
    }

    fn with_tree(outer: OwnedDir, number: Option<u32>, project: &str) -> Result<Self, SyncError> {
        // Only the last name of a path out of a message, so it stays inside.
        let name = Path::new(project)
            .file_name()
            .filter(|name| name.len() <= 100);
        let name = name
            .filter(|name| !name.as_encoded_bytes().starts_with(b".gorgon-lock"))
            .filter(|name| *name != ".git")
            .unwrap_or("project".as_ref());
        let tree = Tree::create(outer.path().join(name))?;
        Ok(Self::of(outer, number, tree.path.clone(), vec![tree]))
    }

    /// Makes one with an empty tree for each slot, at the path that an earlier job of this project had.
    ///
    /// # Errors
    /// When a directory cannot be made.
    pub fn for_slots(parent: &Path, cache: &Cache, slots: u32) -> Result<Self, SyncError> {
        let mut outer = outer(parent)?;
        let number = outer.take_number(&stem(cache));
        let tree = |slot| Tree::create(outer.path().join(format!("slot-{slot}")));
        let trees: Vec<Tree> = (1..=slots.max(1)).map(tree).collect::<Result<_, _>>()?;
        let path = outer.path().to_owned();
        Ok(Self::of(outer, number, path, trees))
    }

    fn of(outer: OwnedDir, number: Option<u32>, path: PathBuf, trees: Vec<Tree>) -> Self {
        Self {
            outer,
            path,
            trees,
            number,
            kept_paths: Vec::new(),
            brought: 0,
            cache: None,
            originals: Vec::new(),
            cancel: never(),
        }
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

    /// Sets the directories that the next job finds as this one leaves them, where the source has nothing there.
    #[must_use]
    pub fn keeping(mut self, paths: &[String]) -> Self {
        self.kept_paths = kept_paths::inside(paths);
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
                self.bring_kept_paths(1);
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
        // after_sync runs in the first tree.
        self.bring_kept_paths(1);
        Ok(filled)
    }

    /// Puts the directories that are handed on into the trees up to this one.
    fn bring_kept_paths(&mut self, trees: usize) {
        let (Some(cache), Some(number)) = (&self.cache, self.number) else {
            return;
        };
        for (nth, tree) in self
            .trees
            .iter_mut()
            .enumerate()
            .take(trees)
            .skip(self.brought)
        {
            for path in &self.kept_paths {
                match kept_paths::bring(cache, number, nth, &tree.path, path) {
                    Ok(true) => tree.kept_paths.push(path.clone()),
                    Ok(false) => {}
                    Err(error) => {
                        log::warn!(target: "gorgon::sync", path:% = path.display(), cause:% = error;
                        "what an earlier job has left here cannot be used")
                    }
                }
            }
        }
        self.brought = self.brought.max(trees);
    }

    /// Moves these directories to where the next job finds them.
    fn put_kept_paths_away(&mut self, limit_bytes: u64) {
        let (Some(cache), Some(number)) = (&self.cache, self.number) else {
            return;
        };
        for (nth, tree) in self.trees.iter_mut().enumerate() {
            for path in tree.kept_paths.drain(..) {
                match kept_paths::put_away(cache, number, nth, &tree.path, &path, limit_bytes) {
                    Ok(true) => {}
                    Ok(false) => log::info!(target: "gorgon::sync", path:% = path.display();
                        "not kept for the next job: it is too large, or no directory any more"),
                    Err(error) => {
                        log::info!(target: "gorgon::sync", path:% = path.display(), cause:% = error;
                        "not kept for the next job")
                    }
                }
            }
        }
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
        // Each tree has its own.
        for path in &first.kept_paths {
            let top = [path.as_os_str().as_bytes(), b"/"].concat();
            view.entries.retain(|viewed| !viewed.path.starts_with(&top));
        }
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
        self.bring_kept_paths(self.trees.len());
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
        let Some(cache) = self.cache.clone() else {
            return;
        };
        let still = orphan::working_in(self.outer.path());
        if !still.is_empty() {
            log::info!(target: "gorgon::sync", path:% = self.path.display(), processes:? = still;
                "a workspace is not kept: somebody still works there");
            self.cache = None;
            return;
        }
        self.put_kept_paths_away(limit_bytes);
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

/// The name that the workspaces of a project have in common. A person finds the project's own name in it, so it is short:
/// a socket's path may have 107 bytes.
fn stem(cache: &Cache) -> String {
    let name = cache.path().file_name().unwrap_or_default();
    let digest = manifest::digest(name.as_encoded_bytes());
    format!("{PREFIX}{}", &digest[..10])
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // A job that was never handed over leaves them as they are, too.
        if self.trees.iter().any(|tree| !tree.kept_paths.is_empty())
            && orphan::working_in(self.outer.path()).is_empty()
        {
            self.put_kept_paths_away(u64::MAX);
        }
        if let Err(error) = self.outer.remove() {
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
