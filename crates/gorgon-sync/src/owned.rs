//! Directories that belong to one process: private, and known to be left over once their owner is
//! dead, however it died, and all who worked there for it.
//!
//! Each is made under a name that nobody can guess. It may then take a name that stays the same from owner
//! to owner. So that nobody removes the directory of the next owner instead, a directory gives up its name before
//! it is removed, and only its owner or the holder of its [`lease::Claim`] may do that.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gorgon_process::lease::{self, Lease, Tenancy};

use crate::failure::SyncError;

/// A directory whose lock is not finished is being made, unless it is older than this.
const NEWBORN: Duration = Duration::from_secs(60);

/// Maximum number of attempts to remove a tree, as something may still write into it.
const ROUNDS: usize = 5;

/// Removing holds a file open for each directory in another: deeper ones are moved up first.
const DEEP: usize = 64;

/// Directories of longer paths are moved up too: the kernel takes 4096 bytes, a name has up to 255.
const LONG_BYTES: usize = 3000;

/// Maximum number of directories of one stem that exist at the same time.
const MOST_NUMBERS: u32 = 1000;

/// A directory of ours, held until it is removed.
#[derive(Debug)]
pub(crate) struct OwnedDir {
    path: PathBuf,
    _lease: Lease,
}

impl OwnedDir {
    /// Makes `parent/PREFIX…` (mode 0700), and `parent` too where it is missing.
    pub(crate) fn create(parent: &Path, prefix: &str) -> Result<Self, SyncError> {
        let failed = |source| SyncError::File {
            what: "make a directory in",
            path: parent.into(),
            source,
        };
        private_directory(parent).map_err(failed)?;
        // The permissions are those of mkdir(2): it is never open to others.
        let path = tempfile::Builder::new()
            .prefix(prefix)
            .rand_bytes(8)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(failed)?
            .keep();
        match Lease::make(&path) {
            Ok(lease) => Ok(Self {
                path,
                _lease: lease,
            }),
            Err(source) => {
                let _ = fs::remove_dir_all(&path);
                Err(failed(source))
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the name `STEM-N` with the lowest N that nobody holds, and returns N. What a dead owner has left
    /// under that name is removed. None when no name could be taken: the directory keeps the name that it has.
    pub(crate) fn take_number(&mut self, stem: &str) -> Option<u32> {
        let parent = self.path.parent()?.to_owned();
        for number in 1..=MOST_NUMBERS {
            let path = parent.join(format!("{stem}-{number}"));
            // A directory replaces an empty one. One of ours has its lock in it, so it is never empty.
            let taken = fs::rename(&self.path, &path).is_ok()
                || (remove_left(&path) && fs::rename(&self.path, &path).is_ok());
            if taken {
                self.path = path;
                return Some(number);
            }
        }
        None
    }

    /// Removes it; to be called by its owner alone.
    pub(crate) fn remove(&self) -> io::Result<()> {
        retire(&self.path)
    }
}

/// Removes a directory that a dead owner has left; returns whether its name is free now.
fn remove_left(path: &Path) -> bool {
    let Some(_claim) = (is_ours(path)).then(|| lease::claim(path)).flatten() else {
        return false;
    };
    match retire(path) {
        Ok(()) => {
            log::info!(target: "gorgon::sync", path:% = path.display(); "removed what a dead owner has left");
            true
        }
        Err(error) => {
            log::warn!(target: "gorgon::sync", path:% = path.display(), cause:% = error;
                "a left-over directory cannot be removed");
            !path.exists()
        }
    }
}

/// Removes a directory under another name: as soon as its own name is free, the next owner may take it.
fn retire(path: &Path) -> io::Result<()> {
    let parent = path.parent().unwrap_or(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // It still begins with the prefix by which a sweep finds it.
    let renamed = tempfile::Builder::new()
        .prefix(&format!("{name}-"))
        .rand_bytes(8)
        .make_in(parent, |to| fs::rename(path, to))
        .and_then(|moved| Ok(moved.into_temp_path().keep()?));
    match renamed {
        Ok(moved) => remove(&moved),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes a directory with mode 0700, and those above it, where they are missing.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// What a sweep found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Left over, and removed.
    pub removed: Vec<PathBuf>,
    /// Somebody still works there.
    pub held: Vec<PathBuf>,
}

/// Removes what dead owners have left in `parent`.
pub(crate) fn sweep(parent: &Path, prefix: &str) -> Swept {
    let mut swept = Swept::default();
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        if !entry.file_name().to_string_lossy().starts_with(prefix) {
            continue;
        }
        let path = entry.path();
        match tenancy(&path) {
            Tenancy::NotOurs | Tenancy::Newborn => {}
            Tenancy::Held => swept.held.push(path),
            Tenancy::Free => sweep_free(path, &mut swept),
        }
    }
    swept
}

/// Removes a directory that was free a moment ago. If it cannot be claimed, it is removed only if its lock was never
/// finished: nobody takes the name of such a directory again. Any other has an owner by now, or is gone, and the next
/// owner may take its name at any moment.
fn sweep_free(path: PathBuf, swept: &mut Swept) {
    let claim = lease::claim(&path);
    if claim.is_none() && !lease::is_unfinished(&path) {
        if path.exists() {
            swept.held.push(path);
        }
        return;
    }
    match retire(&path) {
        Ok(()) => swept.removed.push(path),
        Err(error) => {
            log::warn!(target: "gorgon::sync", path:% = path.display(), cause:% = error;
                "a left-over directory cannot be removed");
        }
    }
}

/// Waits until nobody works in a directory that [`sweep`] found held, and removes it; false when
/// its owner has done so meanwhile.
pub(crate) fn remove_when_free(path: &Path) -> io::Result<bool> {
    match lease::claim_when_free(path)? {
        Some(_claim) => retire(path).map(|()| true),
        None => Ok(false),
    }
}

fn tenancy(path: &Path) -> Tenancy {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return Tenancy::NotOurs;
    };
    if !is_ours(path) {
        return Tenancy::NotOurs;
    }
    match lease::of(path) {
        Tenancy::Newborn => {
            let age = meta
                .modified()
                .ok()
                .and_then(|at| SystemTime::now().duration_since(at).ok());
            match age.is_some_and(|age| age > NEWBORN) {
                true => Tenancy::Free,
                false => Tenancy::Newborn,
            }
        }
        other => other,
    }
}

/// Whether it is a directory of our user.
fn is_ours(path: &Path) -> bool {
    let meta = fs::symlink_metadata(path);
    meta.is_ok_and(|meta| meta.is_dir() && meta.uid() == gorgon_process::disk::user_id())
}

/// Removes a tree, also when directories in it are read-only, or somebody still writes there.
/// Links are not followed.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let mut last = Ok(());
    for _ in 0..ROUNDS {
        last = match fs::remove_dir_all(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other,
        };
        match &last {
            Ok(()) => return Ok(()),
            // Read-only directories, or more of them in each other than we may have files open.
            Err(_) => loosen(path),
        }
    }
    last
}

/// Makes a tree one that can be removed: gives ourselves all rights on its directories, and moves
/// what lies deep in it up to its top. What cannot be changed makes the next removal fail, which
/// tells the cause.
fn loosen(tree: &Path) {
    let mut waiting = vec![(tree.to_owned(), 0)];
    let mut moved = 0_u64;
    while let Some((directory, depth)) = waiting.pop() {
        let _ = fs::set_permissions(&directory, fs::Permissions::from_mode(0o700));
        let Ok(entries) = fs::read_dir(&directory) else {
            continue;
        };
        for entry in entries.flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let path = entry.path();
            if depth < DEEP && path.as_os_str().len() < LONG_BYTES {
                waiting.push((path, depth + 1));
                continue;
            }
            // Its own rights are needed too, for its way to what is above.
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o700));
            let top = tree.join(format!(".gorgon-deep-{moved}"));
            moved += 1;
            if fs::rename(&path, &top).is_ok() {
                waiting.push((top, 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_directory_is_private_and_swept_only_when_its_owner_is_gone() {
        let parent = tempfile::tempdir().unwrap();
        let owned = OwnedDir::create(&parent.path().join("new"), "w-").unwrap();
        let (path, parent) = (owned.path().to_owned(), parent.path().join("new"));
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o700
        );
        fs::create_dir(parent.join("other")).unwrap();
        fs::create_dir(parent.join("w-users-own")).unwrap();
        fs::create_dir(parent.join("w-newborn")).unwrap();
        fs::write(parent.join("w-newborn/.gorgon-lock.new"), "").unwrap();
        let held = Swept {
            held: vec![path.clone()],
            ..Swept::default()
        };
        assert_eq!(sweep(&parent, "w-"), held);
        let guest = Lease::join(&path).unwrap();
        drop(owned);
        assert_eq!(sweep(&parent, "w-"), held, "its guest is still there");
        drop(guest);
        assert_eq!(sweep(&parent, "w-").removed, [path]);
        assert!(parent.join("other").exists() && parent.join("w-newborn").exists());
        assert!(parent.join("w-users-own").exists());
        assert_eq!(sweep(Path::new("/nowhere"), "w-"), Swept::default());
    }

    /// Each directory is what stands under the name of one that was free a moment ago.
    #[test]
    fn without_a_claim_only_a_directory_without_a_finished_lock_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let path = |name: &str| parent.path().join(name);
        let owned = OwnedDir::create(parent.path(), "w-held").unwrap();
        for name in ["w-unknown", "w-unfinished"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("w-unfinished/.gorgon-lock.new"), "").unwrap();
        let mut swept = Swept::default();
        for path in [
            owned.path().to_owned(),
            path("w-unknown"),
            path("w-unfinished"),
            path("w-gone"),
        ] {
            sweep_free(path, &mut swept);
        }
        assert_eq!(swept.held, [owned.path().to_owned(), path("w-unknown")]);
        assert_eq!(swept.removed, [path("w-unfinished")]);
        assert!(owned.path().exists() && path("w-unknown").exists());
    }

    #[test]
    fn what_its_owner_removes_was_not_left() {
        let parent = tempfile::tempdir().unwrap();
        for by_owner in [true, false] {
            let owned = OwnedDir::create(parent.path(), "w-").unwrap();
            let path = owned.path().to_owned();
            if by_owner {
                remove(&path).unwrap();
            }
            drop(owned);
            assert_eq!(remove_when_free(&path).unwrap(), !by_owner);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_number_is_taken_again_when_its_owner_has_gone_and_never_before() {
        let parent = tempfile::tempdir().unwrap();
        let owned = |expected: Option<u32>| {
            let mut owned = OwnedDir::create(parent.path(), "w-").unwrap();
            assert_eq!(owned.take_number("w-app"), expected);
            fs::write(owned.path().join("f"), "").unwrap();
            owned
        };
        let name = |number: u32| parent.path().join(format!("w-app-{number}"));
        // Neither is ours.
        fs::create_dir(name(2)).unwrap();
        fs::write(name(2).join("users"), "").unwrap();
        symlink(parent.path(), name(3)).unwrap();
        let first = owned(Some(1));
        let other = owned(Some(4));
        assert_eq!(other.path(), name(4));
        first.remove().unwrap();
        assert!(!name(1).exists() && !name(4).join("gone").exists());
        drop(first);
        drop(owned(Some(1)));
        // As kill -9 leaves it; a guest still works there.
        let guest = Lease::join(&name(1)).unwrap();
        owned(Some(5)).remove().unwrap();
        drop(guest);
        let again = owned(Some(1));
        assert!(again.path().join("f").exists());
        again.remove().unwrap();
        assert_eq!(sweep(parent.path(), "w-").held, [name(4)]);
        other.remove().unwrap();
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_tree_with_read_only_directories_and_links_out_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (tree, outside) = (dir.path().join("tree"), dir.path().join("outside"));
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::create_dir_all(outside.join("kept")).unwrap();
        fs::write(tree.join("a/b/f"), "").unwrap();
        symlink(&outside, tree.join("a/out")).unwrap();
        for path in ["a/b", "a"] {
            fs::set_permissions(tree.join(path), fs::Permissions::from_mode(0o500)).unwrap();
        }
        loosen(&tree);
        remove(&tree).unwrap();
        assert!(!tree.exists() && outside.join("kept").exists());
        remove(&tree).unwrap();
    }

    #[test]
    fn a_tree_deeper_than_files_may_be_open_or_paths_be_long_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let tree = dir.path().join("tree");
        let name = "d".repeat(20);
        // Built from its end: no path to it is short enough.
        let mut inner = dir.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("f"), "").unwrap();
        for nth in 0..1500 {
            let outer = dir.path().join(format!("outer-{nth}"));
            fs::create_dir(&outer).unwrap();
            fs::rename(&inner, outer.join(&name)).unwrap();
            inner = outer;
        }
        fs::rename(&inner, &tree).unwrap();
        remove(&tree).unwrap();
        assert!(!tree.exists());
    }
}
