//! Who works in a directory of ours: each of them holds a shared lock on one file in it, so that
//! nobody removes it under them, and all know it for left over once the last has gone, however.
//!
//! flock(2) is given up by the kernel with the process. A number would not do: it may be another
//! process in another container.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Its presence tells a directory of ours from one of the user that is called alike.
pub const LOCK: &str = ".gorgon-lock";

/// The lock before it is held.
const NEWBORN_LOCK: &str = ".gorgon-lock.new";

/// A share of a directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lease {
    _lock: File,
}

/// Whether somebody holds a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tenancy {
    /// It has no lock: it is not ours.
    NotOurs,
    /// It is being made, or its maker died while it made it.
    Newborn,
    /// Somebody is there.
    Held,
    /// Everybody has gone.
    Free,
}

impl Lease {
    /// Makes the lock of a new directory and holds it.
    ///
    /// # Errors
    /// When it cannot be written, or is there already.
    pub fn make(directory: &Path) -> io::Result<Self> {
        // Locked before it has its name: whoever sees the lock file sees it locked.
        let newborn = directory.join(NEWBORN_LOCK);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&newborn)?;
        file.lock_shared()?;
        fs::rename(&newborn, directory.join(LOCK))?;
        Ok(Self { _lock: file })
    }

    /// Holds the directory of ours in which `path` lies, if it does: that is `path` itself or the
    /// one above it.
    ///
    /// # Errors
    /// When somebody is just removing it.
    pub fn join(path: &Path) -> io::Result<Option<Self>> {
        let places = [Some(path), path.parent()];
        for place in places.into_iter().flatten() {
            match File::open(place.join(LOCK)) {
                Ok(file) => {
                    file.try_lock_shared()?;
                    return Ok(Some(Self { _lock: file }));
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// Tells whether somebody holds this directory.
#[must_use]
pub fn of(directory: &Path) -> Tenancy {
    match File::open(directory.join(LOCK)) {
        // The lock is given up again when the file is dropped.
        Ok(file) => match file.try_lock() {
            Ok(()) => Tenancy::Free,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => Tenancy::Held,
        },
        Err(_) if is_unfinished(directory) => Tenancy::Newborn,
        Err(_) => Tenancy::NotOurs,
    }
}

/// Tells whether the lock of this directory was begun, and not finished: nobody has held the directory yet.
#[must_use]
pub fn is_unfinished(directory: &Path) -> bool {
    directory.join(NEWBORN_LOCK).exists()
}

/// A directory that nobody holds, and that nobody else can hold or claim until this is dropped.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

/// Claims a directory of ours that nobody holds; none when somebody does, or when it is not ours.
#[must_use]
pub fn claim(directory: &Path) -> Option<Claim> {
    let file = File::open(directory.join(LOCK)).ok()?;
    file.try_lock().ok()?;
    still_there(&file, directory).then_some(Claim { _lock: file })
}

/// Waits until nobody holds this directory, and claims it; none when it is no longer there.
///
/// # Errors
/// When the lock cannot be waited for.
pub fn claim_when_free(directory: &Path) -> io::Result<Option<Claim>> {
    match File::open(directory.join(LOCK)) {
        Ok(file) => {
            file.lock()?;
            Ok(still_there(&file, directory).then_some(Claim { _lock: file }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether this lock is the directory's: another directory may have got its name before we had the lock.
fn still_there(lock: &File, directory: &Path) -> bool {
    let identity = |meta: fs::Metadata| (meta.dev(), meta.ino());
    let ours = lock.metadata().map(identity).ok();
    let found = fs::metadata(directory.join(LOCK)).map(identity).ok();
    ours.is_some() && ours == found
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_directory_is_free_when_its_last_guest_has_left() {
        let directory = tempfile::tempdir().unwrap();
        let inside = directory.path().join("project");
        fs::create_dir(&inside).unwrap();
        assert_eq!(of(directory.path()), Tenancy::NotOurs);
        assert!(Lease::join(&inside).unwrap().is_none());
        let owner = Lease::make(directory.path()).unwrap();
        let guest = Lease::join(&inside).unwrap().unwrap();
        drop(owner);
        assert_eq!(of(directory.path()), Tenancy::Held);
        let (begun, begin) = crossbeam_channel::bounded(0);
        let path = directory.path().to_owned();
        let waiting = thread::Builder::new()
            .spawn(move || {
                begun.send(()).unwrap();
                claim_when_free(&path).map(|claim| claim.is_some())
            })
            .unwrap();
        begin.recv().unwrap();
        assert!(!waiting.is_finished(), "free although a guest is there");
        drop(guest);
        assert!(waiting.join().unwrap().unwrap());
        assert_eq!(of(directory.path()), Tenancy::Free);
        let claim = claim(directory.path()).unwrap();
        assert!(super::claim(directory.path()).is_none());
        assert!(Lease::join(&inside).is_err(), "it is being removed");
        drop(claim);
    }

    #[test]
    fn a_directory_that_has_got_the_name_of_a_removed_one_is_not_claimed() {
        let parent = tempfile::tempdir().unwrap();
        let (path, away) = (parent.path().join("a"), parent.path().join("b"));
        fs::create_dir(&path).unwrap();
        let old = Lease::make(&path).unwrap();
        let lock = File::open(path.join(LOCK)).unwrap();
        fs::rename(&path, &away).unwrap();
        drop(old);
        assert!(!still_there(&lock, &path));
        assert!(claim_when_free(&path).unwrap().is_none());
        fs::create_dir(&path).unwrap();
        let _new = Lease::make(&path).unwrap();
        lock.try_lock().unwrap();
        assert!(!still_there(&lock, &path) && still_there(&lock, &away));
    }

    #[test]
    fn a_directory_without_a_finished_lock_is_newborn() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(NEWBORN_LOCK), "").unwrap();
        assert_eq!(of(directory.path()), Tenancy::Newborn);
    }
}
