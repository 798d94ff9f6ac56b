//! Copies files on one machine: shared blocks where the filesystem can, else bytes; never hard
//! links, through which a test could write into the cache.

use std::ffi::OsStr;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gorgon_process::disk;

use crate::failure::SyncError;
use crate::manifest::{Nanos, SECOND};
use crate::outside;
use crate::stamp::{Kind, Stamp};
use crate::view::{View, Viewed};

/// More threads than that only wait for the disk.
const THREADS: usize = 4;

/// Below that a second thread costs more than it brings.
const FILES_A_THREAD: usize = 200;

/// Files up to this size are copied through memory.
const SMALL_BYTES: u64 = 256 << 10;

/// Copies these files, links and pipes of a view to where nothing is yet: modes and times are kept.
/// Returns what each of the copies is.
pub(crate) fn copy_all(view: &View, which: &[usize], to: &Path) -> Result<Vec<Stamp>, SyncError> {
    let can_share = AtomicBool::new(true);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = (which.len() / FILES_A_THREAD).clamp(1, cores.min(THREADS));
    let copy_part = |part: &[usize]| -> Result<Vec<Stamp>, SyncError> {
        let copies = part
            .iter()
            .map(|nth| copy_one(view, &view.entries[*nth], to, &can_share));
        copies.collect()
    };
    if threads == 1 {
        return copy_part(which);
    }
    thread::scope(|scope| {
        let parts = which.chunks(which.len().div_ceil(threads));
        let running: Vec<_> = parts.map(|part| scope.spawn(|| copy_part(part))).collect();
        let mut copies = Vec::with_capacity(which.len());
        for one in running {
            copies.extend(one.join().expect("copying a file does not panic")?);
        }
        Ok(copies)
    })
}

fn copy_one(
    view: &View,
    viewed: &Viewed,
    to: &Path,
    can_share: &AtomicBool,
) -> Result<Stamp, SyncError> {
    if view.is_cancelled() {
        return Err(SyncError::Cancelled);
    }
    let path = OsStr::from_bytes(&viewed.path);
    let (from, to) = (view.root.join(path), to.join(path));
    let stamp = &viewed.stamp;
    if view.unseen {
        fs::symlink_metadata(&from)
            .and_then(|meta| expected(&Stamp::of(&meta), stamp))
            .map_err(SyncError::file("copy", &from))?;
    }
    match stamp.kind() {
        Kind::File => {
            copy_file(&from, &to, stamp, can_share).map_err(SyncError::file("copy the file", from))
        }
        Kind::Link => fs::read_link(&from)
            .and_then(|target| {
                let own = outside::relink(&view.originals, &viewed.path, &target);
                symlink(own.unwrap_or(target.into_os_string()), &to)
            })
            .and_then(|()| made(&to, stamp))
            .map_err(SyncError::file("copy the link", from)),
        Kind::Pipe => disk::make_fifo(&to, stamp.permissions())
            .and_then(|()| made(&to, stamp))
            .map_err(SyncError::file("copy the pipe", from)),
        Kind::Directory | Kind::Other => {
            let wrong = io::Error::other("it is neither file nor link nor pipe");
            Err(SyncError::file("copy", from)(wrong))
        }
    }
}

fn expected(seen: &Stamp, wanted: &Stamp) -> io::Result<()> {
    if seen == wanted {
        Ok(())
    } else {
        Err(io::Error::other("it has changed meanwhile"))
    }
}

fn copy_file(from: &Path, to: &Path, stamp: &Stamp, can_share: &AtomicBool) -> io::Result<Stamp> {
    let mut source = File::open(from)?;
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let shared = stamp.size > 0
        && can_share.load(Ordering::Relaxed)
        && match disk::reflink(&source, &target) {
            Ok(()) => true,
            Err(_) => {
                // The same for all files of a tree, and tried again for the next one.
                can_share.store(false, Ordering::Relaxed);
                false
            }
        };
    if !shared && stamp.size <= SMALL_BYTES {
        // One read and one write: half of what copy_file_range(2) costs for a source file.
        let mut content = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or(0) + 1);
        source.read_to_end(&mut content)?;
        target.write_all(&content)?;
    } else if !shared {
        disk::copy_data(&source, &target)?;
    }
    target.set_permissions(Permissions::from_mode(stamp.permissions()))?;
    target.set_times(FileTimes::new().set_modified(moment(stamp.modified)))?;
    Ok(Stamp::of(&target.metadata()?))
}

fn made(path: &Path, as_of: &Stamp) -> io::Result<Stamp> {
    set_modified(path, as_of)?;
    Ok(Stamp::of(&fs::symlink_metadata(path)?))
}

/// Gives a path itself the time of another one, also when it is a link.
pub(crate) fn set_modified(path: &Path, as_of: &Stamp) -> io::Result<()> {
    let (secs, nanos) = split(as_of.modified);
    disk::set_modified(path, secs, nanos)
}

fn split(at: Nanos) -> (i64, u32) {
    let secs = i64::try_from(at.div_euclid(SECOND)).unwrap_or(i64::MAX);
    (secs, u32::try_from(at.rem_euclid(SECOND)).unwrap_or(0))
}

fn moment(at: Nanos) -> SystemTime {
    let (secs, nanos) = split(at);
    let whole = Duration::from_secs(secs.unsigned_abs());
    let begin = if secs < 0 {
        UNIX_EPOCH.checked_sub(whole)
    } else {
        UNIX_EPOCH.checked_add(whole)
    };
    begin.unwrap_or(UNIX_EPOCH) + Duration::from_nanos(u64::from(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_and_after_1970_are_what_they_were() {
        for (nanos, told) in [(1_500_000_000, (1, 500_000_000)), (-1, (-1, 999_999_999))] {
            assert_eq!(split(nanos), told);
            let since = moment(nanos).duration_since(UNIX_EPOCH);
            let back = match since {
                Ok(after) => Nanos::try_from(after.as_nanos()).unwrap(),
                Err(before) => -Nanos::try_from(before.duration().as_nanos()).unwrap(),
            };
            assert_eq!(back, nanos);
        }
    }
}
