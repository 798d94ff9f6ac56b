//! A host's kept copy of a project, one for each originator host and path.
//!
//! Its parts: `tree/`, the copy; `manifest`, what the originator's tree was at the last pull that
//! ended well; `complete`, the digest of that manifest, absent while the tree may differ from it;
//! `used`, touched by each job; `kept/`, workspaces of ended jobs. Beside the cache lies its lock file, which is never removed, so
//! that two jobs can't hold two files of one name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread;

use crossbeam_channel::{bounded, select_biased};
use gorgon_process::command::Bounds;

use crate::exclude::Excludes;
use crate::failure::SyncError;
use crate::manifest;
use crate::owned;
use crate::scan;
use crate::workspace::tree_bytes;

const COMPLETE: &str = "complete";
const MANIFEST: &str = "manifest";
pub(crate) const SIZE: &str = "size_bytes";
pub(crate) const USED: &str = "used";

/// A cache, locked for as long as this lives: hold it over the pull and the copy, not longer.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    root: PathBuf,
    lock: File,
}

impl Drop for Cache {
    /// To close it may not be enough: a process that another thread starts just now has a copy of it until
    /// it runs its own program.
    fn drop(&mut self) {
        // It is closed next; who waits then waits for that copy.
        let _ = self.lock.unlock();
    }
}

impl Cache {
    /// Opens the cache of a project below `root`, and waits while another job holds it.
    ///
    /// # Errors
    /// When it cannot be made, is held for longer than the limit, or the wait is cancelled.
    pub fn open(
        root: &Path,
        originator_host: &str,
        project: &str,
        bounds: &Bounds,
    ) -> Result<Self, SyncError> {
        owned::private_directory(root).map_err(SyncError::file("make the directory", root))?;
        let path = root.join(name(originator_host, project));
        let lock = lock(&lock_path(&path), &path, bounds)?;
        owned::private_directory(&path.join("tree"))
            .map_err(SyncError::file("make the directory", &path))?;
        let cache = Self {
            path,
            root: root.to_owned(),
            lock,
        };
        cache.touch()?;
        Ok(cache)
    }

    /// Holds the cache at this path, unless another job does, or it was removed.
    pub(crate) fn try_at(path: &Path) -> Option<Self> {
        let lock = open_lock(&lock_path(path)).ok()?;
        lock.try_lock().ok()?;
        let cache = Self {
            path: path.to_owned(),
            root: path.parent()?.to_owned(),
            lock,
        };
        cache.tree().is_dir().then_some(cache)
    }

    /// Returns where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where the caches of all projects are.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the directory that is a copy of the project.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.path.join("tree")
    }

    /// Returns the digest of the manifest that the tree is known to equal.
    #[must_use]
    pub fn digest(&self) -> Option<String> {
        fs::read_to_string(self.path.join(COMPLETE))
            .ok()
            .filter(|text| !text.is_empty())
    }

    /// Returns whether the tree still is what the last pull left. Somebody else may have taken
    /// files away: who cleans old files out of `/tmp`, a crash before all was on the disk.
    #[must_use]
    pub(crate) fn is_whole(&self) -> bool {
        let Some(manifest) = self.manifest() else {
            // None came from a file server, of which the digest is all that is known.
            return !self.path.join(MANIFEST).exists();
        };
        let Ok((copy, _)) = scan::scan(&self.tree(), &Excludes::none()) else {
            return false;
        };
        let pairs = manifest.entries.iter().zip(&copy.entries);
        let whole = manifest.entries.len() == copy.entries.len()
            && pairs
                .into_iter()
                .all(|(entry, copy)| entry.is_copied_as(copy));
        if !whole {
            log::warn!(target: "gorgon::sync", path:% = self.path.display();
                "a cache is not what the last pull left: it is pulled again");
        }
        whole
    }

    /// Returns where the originator's manifest of this pull is put.
    pub(crate) fn new_manifest(&self) -> PathBuf {
        self.path.join("manifest.new")
    }

    /// Returns the manifest of the last pull that ended well.
    pub(crate) fn manifest(&self) -> Option<manifest::Manifest> {
        manifest::Manifest::decode(&fs::read(self.path.join(MANIFEST)).ok()?)
    }

    /// From now on the tree may differ from what is known of it.
    pub(crate) fn begin(&self) -> Result<(), SyncError> {
        let path = self.path.join(COMPLETE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(SyncError::file("remove", path)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// The tree equals the originator's, as the fetched manifest says, if there is one.
    pub(crate) fn finish(&self, manifest: Option<&[u8]>, equal: bool) -> Result<(), SyncError> {
        let bytes = match manifest {
            Some(encoded) => {
                self.write(MANIFEST, encoded)?;
                manifest::Manifest::decode(encoded).map_or(0, |decoded| decoded.total_bytes())
            }
            None => tree_bytes(&self.tree()),
        };
        self.write(SIZE, bytes.to_string().as_bytes())?;
        match manifest {
            Some(encoded) if equal => self.write(COMPLETE, manifest::digest(encoded).as_bytes()),
            Some(_) | None => Ok(()),
        }
    }

    /// The tree equals one of this digest, of which no manifest came (a file server's).
    pub(crate) fn finish_as(&self, digest: &str) -> Result<(), SyncError> {
        self.write(COMPLETE, digest.as_bytes())
    }

    fn touch(&self) -> Result<(), SyncError> {
        self.write(USED, b"")
    }

    /// Writes beside and renames: a reader finds the old or the new content.
    fn write(&self, name: &str, content: &[u8]) -> Result<(), SyncError> {
        let (path, beside) = (self.path.join(name), self.path.join(format!("{name}.part")));
        File::create(&beside)
            .and_then(|mut file| file.write_all(content))
            .and_then(|()| fs::rename(&beside, &path))
            .map_err(SyncError::file("write", path))
    }
}

/// flock(2) waits without a limit, so a thread waits for us; if it comes too late it lets go.
fn lock(file: &Path, path: &Path, bounds: &Bounds) -> Result<File, SyncError> {
    let opened = open_lock(file).map_err(SyncError::file("open", file))?;
    if opened.try_lock().is_ok() {
        return Ok(opened);
    }
    log::info!(target: "gorgon::sync", path:% = path.display(); "waiting for another job's sync");
    let (sender, locked) = bounded(1);
    thread::Builder::new()
        .name("cache lock".to_owned())
        .spawn(move || {
            let result = opened.lock().map(|()| opened);
            // Dropped, and so unlocked, when nobody waits any more.
            let _ = sender.send(result);
        })
        .map_err(SyncError::file("wait for the lock of", path))?;
    select_biased! {
        recv(bounds.cancel) -> _ => Err(SyncError::Cancelled),
        recv(locked) -> result => match result {
            Ok(result) => result.map_err(SyncError::file("lock", path)),
            Err(_) => Err(SyncError::Cancelled),
        },
        recv(crossbeam_channel::after(bounds.limit)) -> _ => {
            Err(SyncError::Locked { path: path.to_owned(), limit: bounds.limit })
        }
    }
}

pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

pub(crate) fn lock_path(cache: &Path) -> PathBuf {
    let mut name = cache.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    cache.with_file_name(name)
}

/// A name that a person recognizes, and that no other project has.
fn name(originator_host: &str, project: &str) -> String {
    let base = project
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let plain: String = base
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c))
        .take(40)
        .collect();
    let digest = manifest::digest(format!("{originator_host}\0{project}").as_bytes());
    format!("{plain}-{}", &digest[..16])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn within(limit: Duration) -> Bounds {
        Bounds::within(limit)
    }

    const SOON: Duration = Duration::from_secs(5);

    #[test]
    fn each_host_and_path_has_its_own() {
        let names = [
            name("a", "/p/app"),
            name("b", "/p/app"),
            name("a", "/q/app"),
        ];
        assert!(
            names
                .iter()
                .all(|name| name.starts_with("app-") && name.len() == 20)
        );
        assert!(names[0] != names[1] && names[0] != names[2] && names[1] != names[2]);
        assert!(!name("h", "/../..").contains('/'));
        assert!(name("h", "").starts_with('-'));
    }

    #[test]
    fn a_cache_is_free_when_it_is_dropped_though_a_process_just_begun_has_its_lock() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open(root.path(), "h", "/p", &within(SOON)).unwrap();
        let path = cache.path().to_owned();
        let inherited = cache.lock.try_clone().unwrap();
        assert!(Cache::try_at(&path).is_none());
        drop(cache);
        assert!(Cache::try_at(&path).is_some());
        drop(inherited);
    }

    #[test]
    fn a_cache_that_is_held_is_waited_for_and_never_for_ever() {
        let root = tempfile::tempdir().unwrap();
        let held = Cache::open(root.path(), "h", "/p", &within(SOON)).unwrap();
        let short = within(Duration::from_millis(100));
        let error = Cache::open(root.path(), "h", "/p", &short).unwrap_err();
        assert!(matches!(error, SyncError::Locked { .. }), "{error}");
        let cancelled = Bounds {
            cancel: crossbeam_channel::bounded(0).1,
            ..within(SOON)
        };
        let error = Cache::open(root.path(), "h", "/p", &cancelled).unwrap_err();
        assert!(matches!(error, SyncError::Cancelled), "{error}");
        Cache::open(root.path(), "h", "/other", &within(SOON)).unwrap();
        drop(held);
        Cache::open(root.path(), "h", "/p", &within(SOON)).unwrap();
    }

    #[test]
    fn it_is_complete_only_after_a_pull_that_ended_well() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache::open(root.path(), "h", "/p", &within(SOON)).unwrap();
        assert_eq!(cache.digest(), None);
        let manifest = manifest::Manifest::default();
        cache.begin().unwrap();
        cache.finish(Some(&manifest.encode()), true).unwrap();
        assert_eq!(cache.digest(), Some(manifest.digest()));
        assert_eq!(cache.manifest(), Some(manifest.clone()));
        cache.begin().unwrap();
        assert_eq!(cache.digest(), None);
        assert_eq!(cache.manifest(), Some(manifest));
    }
}
