//! Reads a tree into a manifest.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::exclude::Excludes;
use crate::failure::SyncError;
use crate::manifest::{Entry, Kind, Manifest, Nanos};

/// The kernel stamps changes with a clock that ticks coarsely: a file that changed so short before
/// the scan may change again without another stamp. Its entry is made unique, so that the next job
/// looks at it again.
pub(crate) const TICK: Nanos = 50_000_000;

/// Reads all that is synced of the project at `root`.
///
/// What vanishes meanwhile is left out; so is what cannot be read: rsync will name it.
/// A directory whose path is longer than the system lets one be ends the scan: each host would
/// walk it down for a long time, to the same end.
pub(crate) fn scan(root: &Path, excludes: &Excludes) -> Result<Manifest, SyncError> {
    let now = now();
    let mut entries = Vec::new();
    // The root itself must be readable.
    let mut waiting: Vec<Vec<u8>> = Vec::new();
    read_directory(root, b"", excludes, now, &mut entries, &mut waiting)
        .map_err(SyncError::file("read", root))?;
    while let Some(directory) = waiting.pop() {
        let read = read_directory(root, &directory, excludes, now, &mut entries, &mut waiting);
        match read {
            Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {
                return Err(SyncError::too_deep(root, &directory, error));
            }
            // Vanished or unreadable: rsync says so, if it matters.
            Ok(()) | Err(_) => {}
        }
    }
    Ok(Manifest::new(excludes.rules(), entries))
}

fn read_directory(
    root: &Path,
    under: &[u8],
    excludes: &Excludes,
    now: Nanos,
    entries: &mut Vec<Entry>,
    waiting: &mut Vec<Vec<u8>>,
) -> io::Result<()> {
    for entry in fs::read_dir(root.join(OsStr::from_bytes(under)))? {
        let entry = entry?;
        let mut path = under.to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(entry.file_name().as_bytes());
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if excludes.leaves_out(&path, is_directory) {
            continue;
        }
        // Does not follow links.
        let Ok(meta) = entry.metadata() else { continue };
        let Some(kind) = kind(&meta, || entry.path()) else {
            continue;
        };
        if meta.is_dir() {
            waiting.push(path.clone());
        }
        let changed = nanos(meta.ctime(), meta.ctime_nsec());
        let changed = if changed > now - TICK { now } else { changed };
        let modified = nanos(meta.mtime(), meta.mtime_nsec());
        // A directory is what it holds: an excluded report written into it is no change.
        let (modified, changed) = if meta.is_dir() {
            (0, 0)
        } else {
            (modified, changed)
        };
        entries.push(Entry {
            path,
            kind,
            mode: meta.mode() & 0o7777,
            modified,
            changed,
        });
    }
    Ok(())
}

fn kind(meta: &Metadata, path: impl FnOnce() -> PathBuf) -> Option<Kind> {
    let file_type = meta.file_type();
    if file_type.is_dir() {
        Some(Kind::Directory)
    } else if file_type.is_file() {
        Some(Kind::File { size: meta.size() })
    } else if file_type.is_symlink() {
        fs::read_link(path()).ok().map(|to| Kind::Link {
            target: to.into_os_string().into_vec(),
        })
    } else if file_type.is_fifo() {
        Some(Kind::Pipe)
    } else {
        None
    }
}

/// The moment now.
pub(crate) fn now() -> Nanos {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = since.map_or(0, |since| since.as_nanos());
    Nanos::try_from(now).unwrap_or(Nanos::MAX)
}

pub(crate) fn nanos(secs: i64, nanos: i64) -> Nanos {
    Nanos::from(secs) * 1_000_000_000 + Nanos::from(nanos)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_tree_is_read_without_what_is_excluded() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("a/empty")).unwrap();
        fs::create_dir_all(root.join("log/deep")).unwrap();
        fs::write(root.join("a/f"), "1234").unwrap();
        fs::write(root.join("log/deep/x"), "1234").unwrap();
        fs::write(root.join("gorgon_secret.json"), "{}").unwrap();
        symlink("f", root.join("a/l")).unwrap();
        let manifest = scan(root, &Excludes::new(&["log".to_owned()], &[])).unwrap();
        let seen: Vec<(&str, &Kind)> = manifest
            .entries
            .iter()
            .map(|entry| (std::str::from_utf8(&entry.path).unwrap(), &entry.kind))
            .collect();
        let target = b"f".to_vec();
        assert_eq!(
            seen,
            [
                ("a", &Kind::Directory),
                ("a/empty", &Kind::Directory),
                ("a/f", &Kind::File { size: 4 }),
                ("a/l", &Kind::Link { target }),
            ]
        );
    }

    #[test]
    fn a_rewrite_that_keeps_size_and_time_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            let times = FileTimes::new().set_modified(UNIX_EPOCH);
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_times(times)
                .unwrap();
        };
        let excludes = Excludes::new(&[], &[]);
        write("old");
        let before = scan(dir.path(), &excludes).unwrap();
        write("new");
        let after = scan(dir.path(), &excludes).unwrap();
        assert_ne!(before.digest(), after.digest());
        assert_eq!(after.suspects(Some(&before)).len(), 1);
    }

    #[test]
    fn a_root_that_is_missing_is_an_error() {
        assert!(scan(Path::new("/nowhere/at/all"), &Excludes::new(&[], &[])).is_err());
    }
}
