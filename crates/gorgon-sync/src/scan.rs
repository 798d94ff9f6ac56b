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
use crate::outside::Outside;

/// The kernel stamps changes with a clock that ticks coarsely: a file that changed so short before
/// the scan may change again without another stamp. Its entry is made unique, so that the next job
/// looks at it again.
pub(crate) const TICK: Nanos = 50_000_000;

/// What a tree has and its copies do not have, in the order of the paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// What points out of the tree: its path, and what it names.
    pub outside: Vec<(Vec<u8>, String)>,
    /// Sockets and devices, which rsync does not copy: path and kind.
    pub special: Vec<(Vec<u8>, &'static str)>,
}

impl LeftOut {
    /// Returns the excludes that leave out, besides, what points out of the tree.
    pub(crate) fn excludes(&self, excludes: &Excludes) -> Excludes {
        excludes.and_paths(self.outside.iter().map(|(path, _)| path.as_slice()))
    }
}

/// Reads all that is synced of the project at `root`, and what is left out of it.
///
/// What vanishes meanwhile is left out; so is what cannot be read: rsync will name it.
/// A directory whose path is longer than the system lets one be ends the scan: each host would
/// walk it down for a long time, to the same end.
pub(crate) fn scan(root: &Path, excludes: &Excludes) -> Result<(Manifest, LeftOut), SyncError> {
    let mut scan = Scan {
        root,
        outside: Outside::of(root),
        excludes,
        now: now(),
        entries: Vec::new(),
        left_out: LeftOut::default(),
        waiting: Vec::new(),
    };
    // The root itself must be readable.
    scan.read_directory(b"")
        .map_err(SyncError::file("read", root))?;
    while let Some(directory) = scan.waiting.pop() {
        match scan.read_directory(&directory) {
            Err(error) if error.kind() == io::ErrorKind::InvalidFilename => {
                return Err(SyncError::too_deep(root, &directory, error));
            }
            // Vanished or unreadable: rsync says so, if it matters.
            Ok(()) | Err(_) => {}
        }
    }
    let Scan {
        entries,
        mut left_out,
        ..
    } = scan;
    left_out.outside.sort();
    left_out.special.sort();
    Ok((Manifest::new(excludes.rules(), entries), left_out))
}

struct Scan<'a> {
    root: &'a Path,
    outside: Outside,
    excludes: &'a Excludes,
    now: Nanos,
    entries: Vec<Entry>,
    left_out: LeftOut,
    /// Directories that have not been read yet.
    waiting: Vec<Vec<u8>>,
}

impl Scan<'_> {
    fn read_directory(&mut self, under: &[u8]) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join(OsStr::from_bytes(under)))? {
            let entry = entry?;
            let mut path = under.to_vec();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(entry.file_name().as_bytes());
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if self.excludes.leaves_out(&path, is_directory) {
                continue;
            }
            if let Some(reason) = self.outside.reason(&path) {
                self.left_out.outside.push((path, reason));
                continue;
            }
            // Does not follow links.
            let Ok(meta) = entry.metadata() else { continue };
            let Some(kind) = kind(&meta, || entry.path()) else {
                if let Some(special) = special(&meta) {
                    self.left_out.special.push((path, special));
                }
                continue;
            };
            if meta.is_dir() {
                self.waiting.push(path.clone());
            }
            let changed = nanos(meta.ctime(), meta.ctime_nsec());
            let changed = if changed > self.now - TICK {
                self.now
            } else {
                changed
            };
            let modified = nanos(meta.mtime(), meta.mtime_nsec());
            // A directory is what it holds: an excluded report written into it is no change.
            let (modified, changed) = if meta.is_dir() {
                (0, 0)
            } else {
                (modified, changed)
            };
            self.entries.push(Entry {
                path,
                kind,
                mode: meta.mode() & 0o7777,
                modified,
                changed,
            });
        }
        Ok(())
    }
}

fn special(meta: &Metadata) -> Option<&'static str> {
    let file_type = meta.file_type();
    if file_type.is_socket() {
        Some("a socket")
    } else if file_type.is_block_device() || file_type.is_char_device() {
        Some("a device")
    } else {
        None
    }
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
        let (manifest, _) = scan(root, &Excludes::new(&["log".to_owned()], &[])).unwrap();
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
        let (before, _) = scan(dir.path(), &excludes).unwrap();
        write("new");
        let (after, _) = scan(dir.path(), &excludes).unwrap();
        assert_ne!(before.digest(), after.digest());
        assert_eq!(after.suspects(Some(&before)).len(), 1);
    }

    #[test]
    fn a_root_that_is_missing_is_an_error() {
        assert!(scan(Path::new("/nowhere/at/all"), &Excludes::new(&[], &[])).is_err());
    }
}
