//! A directory in which all that a test starts lives, and where nothing may be left of it.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    binaries,
    processes::{self, Process},
    wait::until,
};

/// How long the last processes of a test may take to end.
const LEAVE_LIMIT: Duration = Duration::from_secs(30);

/// A test's home. Kept, and told, when the test fails.
#[derive(Debug)]
pub struct Home {
    directory: Option<TempDir>,
    path: PathBuf,
    numbers: AtomicU32,
}

impl Home {
    /// Makes a home.
    ///
    /// # Panics
    /// When the directory cannot be made.
    #[expect(clippy::new_without_default, reason = "it makes a directory")]
    pub fn new() -> Self {
        // Short, as Unix sockets lie in it, and their paths may have 107 bytes.
        let directory = tempfile::Builder::new()
            .prefix("gorgon-it-")
            .tempdir()
            .expect("a directory in TMPDIR");
        let path = directory.path().canonicalize().expect("it was just made");
        for inside in ["home", "tmp", "cache", "run"] {
            fs::create_dir(path.join(inside)).expect("a directory in our own");
        }
        Self {
            directory: Some(directory),
            path,
            numbers: AtomicU32::new(0),
        }
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a path in it that no one has used yet.
    pub fn fresh(&self, name: &str) -> PathBuf {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.path.join("run").join(format!("{number}-{name}"))
    }

    /// Returns one of our binaries as a command with this home's environment and no other.
    pub fn command(&self, binary: &str) -> Command {
        let mut command = Command::new(binaries::path(binary));
        command.env_clear().envs(self.environment());
        command
    }

    /// Returns the environment of everything that runs here.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        let mut environment = vec![
            ("PATH", std::env::var_os("PATH").unwrap_or_default()),
            ("LANG", "C.UTF-8".into()),
            ("HOME", self.path.join("home").into()),
            ("TMPDIR", self.path.join("tmp").into()),
            ("XDG_CACHE_HOME", self.path.join("cache").into()),
            // Other tests run at the same time.
            ("GORGON_NUMBERS", self.path.clone().into()),
        ];
        environment.extend(std::env::var_os("RUST_LOG").map(|level| ("RUST_LOG", level)));
        environment
    }

    /// Returns the processes that belong here.
    pub fn processes(&self) -> Vec<Process> {
        processes::of(&self.path)
    }

    /// Waits for a process of this program, and returns it.
    ///
    /// # Panics
    /// When none comes.
    pub fn process(&self, program: &str) -> Process {
        until(
            &format!("process {program}"),
            Duration::from_secs(20),
            || {
                let all = self.processes();
                all.iter()
                    .find(|process| process.program == program)
                    .cloned()
                    .ok_or(all)
            },
        )
    }

    /// Asserts that no process is left, and no temporary file.
    ///
    /// # Panics
    /// When something is.
    pub fn assert_nothing_left(&self) {
        self.assert_nothing_left_within(LEAVE_LIMIT);
    }

    /// Asserts the same within a limit.
    ///
    /// # Panics
    /// When something is left then.
    pub fn assert_nothing_left_within(&self, limit: Duration) {
        until("end of all processes", limit, || {
            let left = self.processes();
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
        let left: Vec<_> = files_below(&self.path.join("tmp"));
        assert!(left.is_empty(), "left in TMPDIR: {left:#?}");
    }
}

/// Returns all paths below a directory.
pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        found.push(entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files_below(&entry.path()));
        }
    }
    found.sort();
    found
}

impl Drop for Home {
    fn drop(&mut self) {
        // What a failed test leaves running would outlive it; its own marks in /proc say that it is ours.
        for process in self.processes() {
            if processes::runs(process.pid) {
                let _ = std::panic::catch_unwind(|| process.kill_9());
            }
        }
        if std::thread::panicking()
            && let Some(directory) = self.directory.take()
        {
            let kept = directory.keep();
            #[expect(clippy::print_stderr, reason = "the reader of a failed test needs it")]
            {
                eprintln!("kept for a look: {}", kept.display());
            }
        }
    }
}
