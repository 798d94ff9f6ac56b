//! The shell of the proof: looks at paths.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::places::Places;
use crate::proof::{Difference, Eyes, Look, Names, Proof, subjects};
use crate::recording::Recording;
use crate::stamp::{Stamp, Time};

/// Threads that look at the paths of one proof, at most.
const MOST_THREADS: usize = 4;
/// Paths for which another thread pays.
const LEAST_SHARE: usize = 500;

/// Looks at everything that a boot has looked at, and makes the proof. `added`: files that were read in other ways.
///
/// # Errors
/// What somebody else changed meanwhile.
pub fn seal(
    recording: &Recording,
    places: &Places,
    added: &[PathBuf],
) -> Result<Proof, Difference> {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let now = Time {
        seconds: i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: since_1970.subsec_nanos(),
    };
    Proof::seal(subjects(recording, places, added), now, places, &Kernel)
}

/// Returns the first thing that is not as the boot met it.
#[must_use]
pub fn check(proof: &Proof) -> Option<Difference> {
    let threads = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(MOST_THREADS);
    let share = proof.paths().div_ceil(threads).max(LEAST_SHARE);
    let parts: Vec<_> = (0..proof.paths())
        .step_by(share)
        .map(|from| from..(from + share).min(proof.paths()))
        .collect();
    thread::scope(|scope| {
        let looks: Vec<_> = parts
            .into_iter()
            .map(|part| scope.spawn(|| proof.first_difference(part, &Kernel)))
            .collect();
        // In the order of the paths.
        looks
            .into_iter()
            .find_map(|look| look.join().expect("a look does not panic"))
    })
}

struct Kernel;

impl Eyes for Kernel {
    fn look(&self, path: &Path) -> Look {
        let itself = fs::symlink_metadata(path).ok().map(|found| stamp(&found));
        let target = itself
            .filter(Stamp::is_link)
            .and_then(|_| fs::metadata(path).ok())
            .map(|found| stamp(&found));
        Look { itself, target }
    }

    fn names(&self, path: &Path) -> Names {
        names(path)
    }

    fn content(&self, path: &Path) -> u64 {
        let mut hasher = DefaultHasher::new();
        fs::read(path).ok().hash(&mut hasher);
        hasher.finish()
    }
}

fn stamp(found: &fs::Metadata) -> Stamp {
    let time = |seconds, nanoseconds: i64| Time {
        seconds,
        nanoseconds: u32::try_from(nanoseconds).unwrap_or_default(),
    };
    Stamp {
        mode: found.mode(),
        owner: found.uid(),
        size: found.size(),
        modified: time(found.mtime(), found.mtime_nsec()),
        changed: time(found.ctime(), found.ctime_nsec()),
        inode: found.ino(),
        device: device(found.dev()),
    }
}

/// The library has the two halves of a device's number as statx(2) gives them; stat(2) packs them.
fn device(packed: u64) -> u64 {
    let major = ((packed >> 32) & 0xffff_f000) | ((packed >> 8) & 0xfff);
    let minor = ((packed >> 12) & 0xffff_ff00) | (packed & 0xff);
    major << 32 | minor
}

/// The names in a directory; one that cannot be listed has none.
fn names(path: &Path) -> Names {
    let mut found: Names = fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| {
            let mut name = entry.file_name().as_bytes().to_vec();
            let kind = entry.file_type().ok();
            name.push(match kind {
                Some(kind) if kind.is_dir() => b'd',
                Some(kind) if kind.is_symlink() => b'l',
                Some(kind) if kind.is_file() => b'f',
                _ => b'?',
            });
            name
        })
        .collect();
    found.sort_unstable();
    found
}

#[cfg(test)]
mod tests;
