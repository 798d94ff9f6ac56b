//! What the kernel says of a path: whoever changes the path changes this.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::manifest::Nanos;
use crate::scan::nanos;

/// The bits of a mode that tell what it is.
const KIND: u32 = 0o170_000;

/// What lstat(2) says of one path. A file that is written to, replaced, renamed or touched gets
/// another one, whatever its owner does to size and modification time: nobody sets `changed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Kind and permissions.
    pub(crate) mode: u32,
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// Of a file or link; what a directory takes up means nothing.
    pub(crate) size: u64,
    pub(crate) modified: Nanos,
    pub(crate) changed: Nanos,
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Link,
    Directory,
    Pipe,
    /// A socket or device: neither synced nor copied.
    Other,
}

impl Stamp {
    pub(crate) fn of(meta: &Metadata) -> Self {
        Self {
            mode: meta.mode(),
            user: meta.uid(),
            group: meta.gid(),
            device: meta.dev(),
            inode: meta.ino(),
            size: if meta.is_dir() { 0 } else { meta.size() },
            modified: nanos(meta.mtime(), meta.mtime_nsec()),
            changed: nanos(meta.ctime(), meta.ctime_nsec()),
        }
    }

    pub(crate) fn kind(&self) -> Kind {
        match self.mode & KIND {
            0o100_000 => Kind::File,
            0o120_000 => Kind::Link,
            0o040_000 => Kind::Directory,
            0o010_000 => Kind::Pipe,
            _ => Kind::Other,
        }
    }

    /// Its permission bits.
    pub(crate) fn permissions(&self) -> u32 {
        self.mode & 0o7777
    }
}

/// A path from the top of a tree, and what lies there.
pub(crate) type Stamped = (Vec<u8>, Stamp);

/// Returns all that lies in a tree, in the order of the paths' bytes. Links are not followed.
///
/// # Errors
/// When a directory cannot be read, or something vanishes meanwhile; with the path.
pub(crate) fn stamps(root: &Path) -> Result<Vec<Stamped>, (std::path::PathBuf, io::Error)> {
    let mut found = Vec::new();
    let mut waiting: Vec<Vec<u8>> = vec![Vec::new()];
    while let Some(under) = waiting.pop() {
        let full = root.join(std::ffi::OsStr::from_bytes(&under));
        let failed = |error| (full.clone(), error);
        for entry in fs::read_dir(&full).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let mut path = under.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(entry.file_name().as_bytes());
            let meta = entry.metadata().map_err(|error| (entry.path(), error))?;
            if meta.is_dir() {
                waiting.push(path.clone());
            }
            found.push((path, Stamp::of(&meta)));
        }
    }
    found.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions, Permissions};
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn one(path: &Path) -> Stamp {
        Stamp::of(&fs::symlink_metadata(path).unwrap())
    }

    #[test]
    fn whatever_is_done_to_a_file_changes_its_stamp() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let old = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let set_old = || {
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_modified(old)
                .unwrap()
        };
        fs::write(&path, "one").unwrap();
        set_old();
        let changes: [&dyn Fn(); 5] = [
            &|| {
                fs::write(&path, "two").unwrap();
                set_old();
            },
            &|| {
                fs::remove_file(&path).unwrap();
                fs::write(&path, "one").unwrap();
                set_old();
            },
            &|| fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap(),
            &|| fs::hard_link(&path, dir.path().join("other")).unwrap(),
            &|| {
                drop(
                    OpenOptions::new()
                        .append(true)
                        .open(&path)
                        .unwrap()
                        .set_len(9),
                )
            },
        ];
        for (nth, change) in changes.iter().enumerate() {
            let before = one(&path);
            // Past the tick of the kernel's clock.
            let _ = crossbeam_channel::after(Duration::from_millis(20)).recv();
            assert_eq!(one(&path), before);
            change();
            assert_ne!(one(&path), before, "{nth}");
        }
    }

    #[test]
    fn a_tree_is_told_in_the_order_of_its_paths_and_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/deep")).unwrap();
        fs::write(dir.path().join("a.b"), "x").unwrap();
        fs::write(dir.path().join("a/deep/f"), "xy").unwrap();
        std::os::unix::fs::symlink("a", dir.path().join("l")).unwrap();
        let found = stamps(dir.path()).unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|(path, stamp)| (std::str::from_utf8(path).unwrap(), stamp.kind(), stamp.size))
            .collect();
        let expected = [
            ("a", Kind::Directory, 0),
            ("a.b", Kind::File, 1),
            ("a/deep", Kind::Directory, 0),
            ("a/deep/f", Kind::File, 2),
            ("l", Kind::Link, 1),
        ];
        assert_eq!(told, expected);
        assert!(stamps(&dir.path().join("nowhere")).is_err());
    }
}
