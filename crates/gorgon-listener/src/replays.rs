//! The signatures that were used, on disk: a message is no less a replay after a restart.
//!
//! Each listener has a file of its own in the cache directory, held by a lock beside it; at its start
//! it reads those of the others too, since it may have had another number before.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use gorgon_proto::sign::ReplayMemory;

/// The file's name, followed by a number where listeners share a directory.
const NAME: &str = "used-signatures";
/// So many listeners may share a cache directory.
const MOST_LISTENERS: u32 = 100;
/// Number of added lines after which the file is written anew.
const REWRITE_AFTER: usize = 1_000;

/// The file. It is written before a job that it tells of begins.
#[derive(Debug)]
pub(crate) struct Replays {
    path: PathBuf,
    added: usize,
    _lock: File,
}

impl Replays {
    /// Opens the memory in `directory`, which is made where it is missing, and returns with it what
    /// is remembered.
    pub(crate) fn open(directory: &Path, unix_s: u64) -> io::Result<(Self, ReplayMemory)> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        let mut memory = ReplayMemory::default();
        let mut own = None;
        for number in 1..=MOST_LISTENERS {
            let path = directory.join(format!("{NAME}-{number}"));
            match fs::read_to_string(&path) {
                Ok(text) => memory.recall(&text, unix_s),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            if own.is_none() {
                let lock = private(&path.with_extension("lock"))?;
                own = lock.try_lock().is_ok().then_some((path, lock));
            } else if !path.exists() {
                break;
            }
        }
        let (path, lock) = own.ok_or_else(|| {
            io::Error::other(format!("{MOST_LISTENERS} listeners use it already"))
        })?;
        let mut replays = Self {
            path,
            added: 0,
            _lock: lock,
        };
        replays.rewrite(&memory)?;
        Ok((replays, memory))
    }

    /// Returns the file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps what was remembered since the last call.
    pub(crate) fn keep(&mut self, memory: &mut ReplayMemory) -> io::Result<()> {
        let news = memory.take_news();
        if news.is_empty() {
            return Ok(());
        }
        if self.added >= REWRITE_AFTER {
            return self.rewrite(memory);
        }
        let written = self.append(&news);
        self.added += match written {
            Ok(()) => news.lines().count(),
            // Half a line may stand there, to which the next one must not be added.
            Err(_) => REWRITE_AFTER,
        };
        written
    }

    fn append(&self, news: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        file.write_all(news.as_bytes())?;
        file.sync_data()
    }

    /// Writes beside and renames; what is past the window is gone then.
    fn rewrite(&mut self, memory: &ReplayMemory) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut file = private(&beside)?;
        file.set_len(0)?;
        file.write_all(memory.to_text().as_bytes())?;
        file.sync_data()?;
        fs::rename(&beside, &self.path)?;
        self.added = 0;
        Ok(())
    }
}

fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gorgon_proto::sign::{self, Refusal};
    use std::os::unix::fs::PermissionsExt as _;

    const NOW: u64 = 1_800_000_000;

    fn use_one(memory: &mut ReplayMemory, number: u8) -> Result<(), Refusal> {
        let signature = sign::sign("s", [number; 16], NOW, b"");
        sign::verify("s", Some(&signature), NOW, b"", memory)
    }

    #[test]
    fn a_used_signature_is_known_to_the_next_process_and_to_no_living_one() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("cache");
        let (mut first, mut memory) = Replays::open(&directory, NOW).unwrap();
        let (mut second, mut other) = Replays::open(&directory, NOW).unwrap();
        assert_ne!(first.path(), second.path());
        for number in [1, 2] {
            use_one(&mut memory, number).unwrap();
            first.keep(&mut memory).unwrap();
        }
        // All listeners get one and the same offer.
        use_one(&mut other, 1).unwrap();
        use_one(&mut other, 3).unwrap();
        second.keep(&mut other).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&directory), mode(first.path())), (0o700, 0o600));
        drop((first, second));

        let (third, mut memory) = Replays::open(&directory, NOW + 60).unwrap();
        for number in [1, 2, 3] {
            assert_eq!(use_one(&mut memory, number), Err(Refusal::Replayed));
        }
        assert_eq!(use_one(&mut memory, 4), Ok(()));
        drop(third);
        let (_, memory) = Replays::open(&directory, NOW + 3_600).unwrap();
        assert!(memory.is_empty(), "past the window nothing is kept");
    }

    #[test]
    fn the_file_is_written_anew_before_it_grows_without_bound() {
        let root = tempfile::tempdir().unwrap();
        let (mut replays, mut memory) = Replays::open(root.path(), NOW).unwrap();
        replays.added = REWRITE_AFTER;
        fs::write(replays.path(), "x".repeat(10_000)).unwrap();
        use_one(&mut memory, 1).unwrap();
        replays.keep(&mut memory).unwrap();
        assert_eq!(
            fs::read_to_string(replays.path()).unwrap(),
            memory.to_text()
        );
    }

    #[test]
    fn half_a_line_of_a_full_disk_spoils_none_that_follows() {
        let root = tempfile::tempdir().unwrap();
        let (mut replays, mut memory) = Replays::open(root.path(), NOW).unwrap();
        fs::remove_file(replays.path()).unwrap();
        std::os::unix::fs::symlink("/dev/full", replays.path()).unwrap();
        use_one(&mut memory, 1).unwrap();
        assert!(replays.keep(&mut memory).is_err());
        fs::remove_file(replays.path()).unwrap();
        fs::write(replays.path(), format!("{NOW} 0101")).unwrap();
        use_one(&mut memory, 2).unwrap();
        replays.keep(&mut memory).unwrap();
        drop(replays);
        let (_replays, mut memory) = Replays::open(root.path(), NOW).unwrap();
        assert_eq!(use_one(&mut memory, 2), Err(Refusal::Replayed));
    }

    #[test]
    fn what_cannot_be_kept_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let (mut replays, mut memory) = Replays::open(root.path(), NOW).unwrap();
        fs::remove_file(replays.path()).unwrap();
        use_one(&mut memory, 1).unwrap();
        assert!(replays.keep(&mut memory).is_err());
        assert!(Replays::open(Path::new("/dev/null/x"), NOW).is_err());
    }
}
