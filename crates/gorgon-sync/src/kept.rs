//! Workspaces of jobs that have ended, kept in the project's cache for its next jobs.
//!
//! Each is a directory `kept/DIGEST-…` of the cache with the tree and its record. Only who holds the
//! cache takes or adds one, and a tree is there whole or not at all: it is moved, never copied.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cache::Cache;
use crate::owned;
use crate::record::Record;

/// More of one project than that are not kept.
pub(crate) const MOST: usize = 16;

const RECORD: &str = "record";
const TREE: &str = "tree";
/// Not whole yet: its maker was killed, if nobody holds the cache.
const NEW: &str = ".new-";

const BOOT: &str = "/proc/sys/kernel/random/boot_id";

/// Returns which start of the machine this is.
pub(crate) fn boot() -> io::Result<String> {
    fs::read_to_string(BOOT)
}

/// Moves a kept workspace to `place`, an empty directory, and returns what it was when it was kept:
/// one of this digest if there is any, else, unless it must be of that, another.
pub(crate) fn take(cache: &Cache, digest: &str, only: bool, place: &Path) -> Option<Record> {
    let boot = boot().ok()?;
    let mut kept = list(cache.path());
    let of_digest = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&prefix(digest))
    };
    kept.sort_by_key(|path| !of_digest(path));
    for path in kept.into_iter().filter(|path| !only || of_digest(path)) {
        let record = fs::read(path.join(RECORD)).ok();
        let record = record.and_then(|bytes| Record::decode(&bytes, &boot));
        let record = record.filter(|record| !only || record.digest == digest);
        // The directory that is moved takes the place of an empty one.
        let moved = record.filter(|_| fs::rename(path.join(TREE), place).is_ok());
        if let Err(error) = owned::remove(&path) {
            log::warn!(target: "gorgon::sync", path:% = path.display(), cause:% = error;
                "a kept workspace cannot be removed");
        }
        if moved.is_some() {
            return moved;
        }
    }
    None
}

/// Moves a tree that equals its record to those that are kept.
///
/// # Errors
/// When it cannot be moved: it lies on another filesystem.
pub(crate) fn put(cache: &Cache, tree: &Path, record: &Record) -> io::Result<()> {
    let boot = boot()?;
    let directory = directory(cache.path());
    owned::private_directory(&directory)?;
    let new = tempfile::Builder::new()
        .prefix(NEW)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(&directory)?;
    fs::write(new.path().join(RECORD), record.encode(&boot))?;
    fs::rename(tree, new.path().join(TREE))?;
    let new = new.keep();
    let name = new.file_name().unwrap_or_default().to_string_lossy();
    let name = name.replacen(NEW, &prefix(&record.digest), 1);
    fs::rename(&new, directory.join(name))
}

/// Returns the directories of those that are kept in the cache at this path, the oldest first.
pub(crate) fn list(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory(cache))
        .into_iter()
        .flatten()
        .flatten();
    let mut kept: Vec<_> = entries
        .map(|entry| {
            let made = entry.metadata().and_then(|meta| meta.modified()).ok();
            (made, entry.path())
        })
        .collect();
    kept.sort();
    kept.into_iter().map(|(_, path)| path).collect()
}

fn directory(cache: &Path) -> PathBuf {
    cache.join("kept")
}

fn prefix(digest: &str) -> String {
    format!("{}-", digest.get(..16).unwrap_or("none"))
}
