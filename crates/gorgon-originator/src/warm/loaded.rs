//! A kept application: its process, and the proof that a new one would be the same.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gorgon_process::memory_file;
use gorgon_recorder::{LIBRARY, Places, Proof, Recording, check, seal};
use gorgon_ruby::RubyError;
use gorgon_ruby::warm::{KeptRuby, Recorder, Wanted};

/// What the C library reads by itself, for whoever asks for users, hosts, the time zone or a library.
const READ_BY_THE_LIBRARY: [&str; 8] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/localtime",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
];

const SECONDS_OF_A_DAY: i64 = 86_400;

/// An application that is being loaded, or is.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) ruby: KeptRuby,
    wanted: Wanted,
    recording: File,
    /// Held, as it is opened by its number.
    _library: File,
    pub(super) proof: Option<Proof>,
    /// The day on which it was loaded, and the offset of the local time.
    day: Option<(i64, i64)>,
    pub(super) proof_took: Duration,
}

/// Why an application cannot be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("make the memory of a recording")]
    Memory(#[from] io::Error),
    #[error(transparent)]
    Ruby(#[from] RubyError),
}

impl Loaded {
    /// Begins to load what is wanted.
    pub(super) fn begin(wanted: Wanted) -> Result<Self, LoadError> {
        let recording = memory_file::create("gorgon-recording")?;
        Recording::begin(&recording)?;
        let mut library = memory_file::create("gorgon-recorder.so")?;
        library.write_all(LIBRARY)?;
        let ruby = KeptRuby::start(
            &wanted,
            Recorder {
                library: &memory_file::path_for_others(&library),
                recording: &memory_file::path_for_others(&recording),
            },
        )?;
        Ok(Self {
            ruby,
            wanted,
            recording,
            _library: library,
            proof: None,
            day: None,
            proof_took: Duration::ZERO,
        })
    }

    /// It is loaded: from now on nothing of it is recorded. Returns why it cannot be kept.
    pub(super) fn seal(&mut self, unfit: &str, offset_s: i64) -> Option<String> {
        self.day = Some((day(offset_s), offset_s));
        let sealed = self.sealed(unfit);
        sealed.map(|proof| self.proof = Some(proof)).err()
    }

    fn sealed(&self, unfit: &str) -> Result<Proof, String> {
        Recording::close(&self.recording).map_err(|error| error.to_string())?;
        if !unfit.is_empty() {
            return Err(format!("{unfit} is open"));
        }
        let recording = Recording::of(&self.recording).map_err(|error| error.to_string())?;
        if let Some(library) = recording.threads.first() {
            return Err(format!("{library} has started a thread"));
        }
        let mut added: Vec<PathBuf> = READ_BY_THE_LIBRARY.iter().map(PathBuf::from).collect();
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.ruby.pid()));
        added.extend(mapped(&maps.map_err(|error| error.to_string())?)?);
        let proof = seal(&recording, &self.places(), &added);
        // It costs memory only.
        let _ = Recording::forget(&self.recording);
        proof.map_err(|difference| difference.to_string())
    }

    fn places(&self) -> Places {
        let script = self.wanted.command.iter().rev().nth(1).map(Path::new);
        Places {
            project: self.wanted.directory.clone(),
            busy: ["HOME", "TMPDIR"]
                .iter()
                .filter_map(|name| self.wanted.environment.get(*name).map(PathBuf::from))
                .collect(),
            ours: script
                .and_then(Path::parent)
                .map(Path::to_owned)
                .into_iter()
                .collect(),
        }
    }

    /// Returns the first reason why a new start would not be the same; takes the time of the proof.
    pub(super) fn difference(&mut self, wanted: &Wanted) -> Option<String> {
        let begun = Instant::now();
        let found = wanted
            .difference(&self.wanted)
            .or_else(|| {
                let same = self.day.is_some_and(|(was, offset_s)| was == day(offset_s));
                (!same).then(|| "the date changed".to_owned())
            })
            .or_else(|| match &self.proof {
                Some(proof) => check(proof).map(|difference| difference.to_string()),
                None => Some("it could not be kept".to_owned()),
            });
        self.proof_took = begun.elapsed();
        found
    }
}

/// Returns the files that a process has in its memory.
fn mapped(maps: &str) -> Result<BTreeSet<PathBuf>, String> {
    let names = maps
        .lines()
        .filter_map(|line| line.find('/').map(|at| &line[at..]));
    let mut found = BTreeSet::new();
    for name in names.filter(|name| !name.starts_with("/memfd:") && !name.starts_with("/dev/")) {
        match name.strip_suffix(" (deleted)") {
            Some(gone) if !gone.starts_with("/SYSV") => {
                return Err(format!("{gone} changed while it was loaded"));
            }
            Some(_) => {}
            None => {
                found.insert(PathBuf::from(name));
            }
        }
    }
    Ok(found)
}

/// The number of the day, by a local time that is ahead of UTC by so much.
fn day(offset_s: i64) -> i64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    (i64::try_from(now.as_secs()).unwrap_or_default() + offset_s).div_euclid(SECONDS_OF_A_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_memory_are_those_with_a_path() {
        let maps = "7f-80 r-xp 00 08:01 12   /usr/lib/a b.so\n7f-80 rw-p 00 00:00 0   [heap]\n\
                    7f-80 rw-s 00 00:01 7    /memfd:gorgon-recording (deleted)\n7f-80 rw-p 00 00:00 0\n";
        let found = mapped(maps).unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [PathBuf::from("/usr/lib/a b.so")]
        );
        let replaced = mapped("7f-80 r-xp 00 08:01 12  /usr/lib/a.so (deleted)\n").unwrap_err();
        assert_eq!(replaced, "/usr/lib/a.so changed while it was loaded");
    }
}
