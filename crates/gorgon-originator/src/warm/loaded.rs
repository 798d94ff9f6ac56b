//! A kept application: its process, and the proof that a new one would be the same.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gorgon_process::{memory_file, orphan};
use gorgon_recorder::{
    Did, LIBRARY, Note, Places, Proof, Recording, Started, check, look_at, programs_tried, seal,
};
use gorgon_ruby::RubyError;
use gorgon_ruby::warm::{KeptRuby, Recorder, Wanted};

/// What the C library reads by itself, for whoever asks for users, hosts, the time zone or a library.
const READ_BY_THE_LIBRARY: [&str; 9] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/localtime",
    "/usr/share/zoneinfo/posixrules",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
];

/// The name of the recording, which its process has in its memory.
const RECORDING: &str = "gorgon-recording";

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
    /// What the library does not see, as it was before.
    before: Vec<Note>,
    /// The program as execve(2) is told it.
    program: PathBuf,
    begun_at: SystemTime,
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
        let recording = memory_file::create(RECORDING)?;
        Recording::begin(&recording)?;
        let mut library = memory_file::create("gorgon-recorder.so")?;
        library.write_all(LIBRARY)?;
        let begun_at = SystemTime::now();
        let (program, before) = looked_at_by_the_start(&wanted);
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
            before,
            program,
            begun_at,
            day: None,
            proof_took: Duration::ZERO,
        })
    }

    /// It is loaded: from now on nothing of it is recorded. Returns why it cannot be kept.
    pub(super) fn seal(&mut self, unfit: &str, offset_s: i64) -> Option<String> {
        self.day = Some((day(self.begun_at, offset_s), offset_s));
        if is_over_midnight(self.begun_at, SystemTime::now(), offset_s) {
            return Some("the date changed while it was loaded".to_owned());
        }
        let sealed = self.sealed(unfit);
        sealed.map(|proof| self.proof = Some(proof)).err()
    }

    fn sealed(&self, unfit: &str) -> Result<Proof, String> {
        Recording::close(&self.recording).map_err(|error| error.to_string())?;
        if !unfit.is_empty() {
            return Err(unfit.to_owned());
        }
        if let Some(left) = orphan::adopted().first() {
            return Err(format!("a process that is left: {}", command_of(*left)));
        }
        let started = Started {
            pid: self.ruby.pid(),
            program: self.program.clone(),
        };
        let recording = Recording::of(&self.recording, &started);
        let mut recording = recording.map_err(|error| error.to_string())?;
        if let Some(library) = recording.threads.first() {
            return Err(format!("{library} has started a thread"));
        }
        recording.notes.splice(0..0, self.before.iter().cloned());
        let maps = fs::read_to_string(format!("/proc/{}/maps", self.ruby.pid()));
        let added = mapped(&maps.map_err(|error| error.to_string())?)?;
        let added: Vec<PathBuf> = added.into_iter().collect();
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
                let same = self
                    .day
                    .is_some_and(|(was, offset_s)| was == day(SystemTime::now(), offset_s));
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

/// Returns the program that a start becomes, and all that is looked at until then; what the C library reads is among it.
fn looked_at_by_the_start(wanted: &Wanted) -> (PathBuf, Vec<Note>) {
    let program = wanted.command.first().map_or("", String::as_str);
    let path = wanted.environment.get("PATH").map(String::as_str);
    let mut tried = programs_tried(program, path, &wanted.directory);
    let program = tried.pop().unwrap_or_default();
    let notes = tried
        .iter()
        .map(|it| (it, Did::Asked))
        .chain([(&program, Did::Read)])
        .flat_map(|(path, did)| look_at(&wanted.directory.join(path), did));
    let read = READ_BY_THE_LIBRARY
        .iter()
        .flat_map(|path| look_at(Path::new(path), Did::Read));
    let notes = notes.chain(read).collect();
    (program, notes)
}

/// The command line of a process.
fn command_of(pid: u32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words)
        .replace('\0', " ")
        .trim()
        .to_owned()
}

/// Returns the files that a process has in its memory; none of them may be one that it could write there.
fn mapped(maps: &str) -> Result<BTreeSet<PathBuf>, String> {
    let shared = maps.lines().find(|line| {
        let rights = line.split_whitespace().nth(1).unwrap_or_default();
        rights.starts_with("rw") && rights.ends_with('s') && !line.contains(RECORDING)
    });
    if let Some(line) = shared {
        let name = line.find('/').map_or("without a name", |at| &line[at..]);
        return Err(format!("memory that processes share ({name})"));
    }
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

fn is_over_midnight(from: SystemTime, to: SystemTime, offset_s: i64) -> bool {
    day(from, offset_s) != day(to, offset_s)
}

/// The number of the day at a moment, by a local time that is ahead of UTC by so much.
fn day(at: SystemTime, offset_s: i64) -> i64 {
    let since_1970 = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    (i64::try_from(since_1970.as_secs()).unwrap_or_default() + offset_s)
        .div_euclid(SECONDS_OF_A_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_over_midnight_of_the_local_time_has_two_dates() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (from, to, offset_s, over) in [
            (86_399, 86_400, 0, true),
            (86_399, 86_400, 3600, false),
            (82_799, 82_800, 3600, true),
            (3_599, 3_600, -3600, true),
            (86_400, 172_799, 0, false),
        ] {
            let found = is_over_midnight(at(from), at(to), offset_s);
            assert_eq!(found, over, "{from} to {to}, {offset_s}");
        }
    }

    #[test]
    fn files_in_memory_are_those_with_a_path() {
        let maps = "7f-80 r-xp 00 08:01 12   /usr/lib/a b.so\n7f-80 rw-p 00 00:00 0   [heap]\n\
                    7f-80 rw-s 00 00:01 7    /memfd:gorgon-recording (deleted)\n7f-80 rw-p 00 00:00 0\n";
        let found = mapped(maps).unwrap();
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [PathBuf::from("/usr/lib/a b.so")]
        );
        let shared = mapped("7f-80 rw-s 00 00:01 1024    /dev/zero (deleted)\n").unwrap_err();
        assert_eq!(shared, "memory that processes share (/dev/zero (deleted))");
        let replaced = mapped("7f-80 r-xp 00 08:01 12  /usr/lib/a.so (deleted)\n").unwrap_err();
        assert_eq!(replaced, "/usr/lib/a.so changed while it was loaded");
    }
}
