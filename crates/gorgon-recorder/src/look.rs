//! The shell of the proof: looks at paths.

use std::fs;
use std::num::NonZero;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::layout::Content;
use crate::places::Places;
use crate::proof::{Difference, Eyes, Look, Names, Proof, subjects};
use crate::recording::{Did, Note, Recording};
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
    Proof::seal(subjects(recording, places, added), now(), places, &Kernel)
}

fn now() -> Time {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time {
        seconds: i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: since_1970.subsec_nanos(),
    }
}

/// Looks at a path that a boot is about to ask for or read in a way that the library does not see.
#[must_use]
pub fn look_at(path: &Path, did: Did) -> Vec<Note> {
    let clock = now();
    let look = Kernel.look(path);
    let note = |did, seen| Note {
        path: path.to_owned(),
        did,
        seen,
        clock,
        content: None,
    };
    let mut notes = vec![note(did, look.itself)];
    if look.itself.is_some_and(|itself| itself.is_link()) {
        notes.push(note(Did::Followed, look.target));
    }
    notes
}

/// Returns the paths at which execvp(3) looks for a program, to the one that it starts: the last one.
#[must_use]
pub fn programs_tried(program: &str, path: Option<&str>, directory: &Path) -> Vec<PathBuf> {
    if program.contains('/') {
        return vec![PathBuf::from(program)];
    }
    let runs = |tried: &PathBuf| {
        let found = fs::metadata(directory.join(tried));
        found.is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0)
    };
    let mut tried = Vec::new();
    for below in path.unwrap_or("/bin:/usr/bin").split(':') {
        // As the C library puts them together, which shows in the path of the program.
        let slash = if below.is_empty() { "" } else { "/" };
        tried.push(PathBuf::from(format!("{below}{slash}{program}")));
        if tried.last().is_some_and(runs) {
            break;
        }
    }
    tried
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

    fn content(&self, path: &Path) -> Option<u64> {
        let mut content = Content::NOTHING;
        content.add(&fs::read(path).ok()?);
        Some(content.number())
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
