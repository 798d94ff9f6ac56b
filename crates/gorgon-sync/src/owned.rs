//! Directories that belong to one process: private, of a name nobody can guess, and known to be
//! left over once their owner is dead, however it died.
//!
//! A lock file inside is held with flock(2) for as long as the owner lives; the kernel gives it
//! up with the process. A number would not do: it may be another process in another container.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::failure::SyncError;

/// Its presence tells a directory of ours from one of the user that is called alike.
const LOCK: &str = ".gorgon-lock";

/// The lock before it is held.
const NEWBORN_LOCK: &str = ".gorgon-lock.new";

/// A directory without a held lock is being made, unless it is older than this.
const NEWBORN: Duration = Duration::from_secs(60);

/// Something in the tree may still be written to: so many times is removing tried.
const ROUNDS: usize = 5;

/// A directory of ours, held until it is removed.
#[derive(Debug)]
pub(crate) struct OwnedDir {
    path: PathBuf,
    _lock: File,
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
        match hold(&path) {
            Ok(lock) => Ok(Self { path, _lock: lock }),
            Err(source) => {
                let _ = fs::remove_dir_all(&path);
                Err(failed(source))
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes a directory with mode 0700, and those above it, where they are missing.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Locks before the file has its name: whoever sees the lock file sees it locked.
fn hold(directory: &Path) -> io::Result<File> {
    let newborn = directory.join(NEWBORN_LOCK);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&newborn)?;
    file.lock()?;
    fs::rename(&newborn, directory.join(LOCK))?;
    Ok(file)
}

/// Removes what dead owners have left in `parent`; returns the paths.
pub(crate) fn sweep(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .filter(|path| is_left_over(path))
        .filter(|path| match remove(path) {
            Ok(()) => true,
            Err(error) => {
                log::warn!(target: "gorgon::sync", path:% = path.display(), cause:% = error;
                    "a left-over directory cannot be removed");
                false
            }
        })
        .collect()
}

fn is_left_over(path: &Path) -> bool {
    let Ok(meta) = fs::symlink_metadata(path) else {
        return false;
    };
    if !meta.is_dir() || meta.uid() != gorgon_process::disk::user_id() {
        return false;
    }
    match File::open(path.join(LOCK)) {
        // The lock is given up again when the file is dropped.
        Ok(file) => file.try_lock().is_ok(),
        Err(_) => {
            let age = meta
                .modified()
                .ok()
                .and_then(|at| SystemTime::now().duration_since(at).ok());
            path.join(NEWBORN_LOCK).exists() && age.is_some_and(|age| age > NEWBORN)
        }
    }
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
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => unlock(path),
            Err(_) => {}
        }
    }
    last
}

/// Gives ourselves all rights on the directories of a tree.
fn unlock(directory: &Path) {
    // What cannot be changed makes the next removal fail, which tells the cause.
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            unlock(&entry.path());
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
        fs::write(parent.join("w-newborn").join(NEWBORN_LOCK), "").unwrap();
        assert!(sweep(&parent, "w-").is_empty());
        drop(owned);
        assert_eq!(sweep(&parent, "w-"), [path]);
        assert!(parent.join("other").exists() && parent.join("w-newborn").exists());
        assert!(parent.join("w-users-own").exists());
        assert!(sweep(Path::new("/nowhere"), "w-").is_empty());
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
        unlock(&tree);
        remove(&tree).unwrap();
        assert!(!tree.exists() && outside.join("kept").exists());
        remove(&tree).unwrap();
    }
}
