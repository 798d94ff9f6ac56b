//! One command line of the originator, while it runs and after.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use gorgon_process::{
    child::{self, Child, End, Options},
    signals::Signal,
};
use serde_json::Value;

use crate::{home::Home, junit::Junit, processes, project::Project, wait::until};

/// How long a run may take that does not say otherwise.
pub const RUN_LIMIT: Duration = Duration::from_secs(60);

/// How often a running originator is looked at.
const LOOK: Duration = Duration::from_millis(10);

/// A running originator. Dropped, it is killed.
#[derive(Debug)]
pub struct Run {
    child: Child,
    started: Instant,
    stdout: PathBuf,
    stderr: PathBuf,
    json: PathBuf,
    junit: PathBuf,
}

/// What a run left.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub end: End,
    /// What it wrote to stdout.
    pub stdout: String,
    /// What it wrote to stderr.
    pub stderr: String,
    /// Its `--json` stream.
    pub events: Vec<Value>,
    /// Its `--junit` file, or why it cannot be read.
    pub junit: Result<Junit, String>,
    /// How long it took.
    pub took: Duration,
}

/// Starts the originator in a project, with `--json` and `--junit` besides these arguments.
///
/// # Panics
/// When it cannot be started.
pub fn start(home: &Home, project: &Project, arguments: &[&str]) -> Run {
    start_with(home, project, arguments, |_| ())
}

/// Starts the originator as a changed command.
///
/// # Panics
/// When it cannot be started.
pub fn start_with(
    home: &Home,
    project: &Project,
    arguments: &[&str],
    change: impl FnOnce(&mut Command),
) -> Run {
    let mut command = home.command("gorgon-originator");
    let (stdout, stderr) = (home.fresh("stdout"), home.fresh("stderr"));
    let (json, junit) = (home.fresh("events.jsonl"), home.fresh("junit.xml"));
    let own = arguments
        .iter()
        .position(|argument| *argument == "--")
        .unwrap_or(arguments.len());
    command
        .args(&arguments[..own])
        .arg("--json")
        .arg(&json)
        .arg("--junit")
        .arg(&junit)
        .args(&arguments[own..]);
    command
        .current_dir(project.path())
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).expect("a fresh file"))
        .stderr(File::create(&stderr).expect("a fresh file"));
    change(&mut command);
    let child = child::spawn(command, Options::default()).expect("start the originator");
    Run {
        child,
        started: Instant::now(),
        stdout,
        stderr,
        json,
        junit,
    }
}

/// Runs the originator in a project to its end.
///
/// # Panics
/// When it takes longer than [`RUN_LIMIT`].
pub fn run(home: &Home, project: &Project, arguments: &[&str]) -> Finished {
    start(home, project, arguments).finished(RUN_LIMIT)
}

impl Run {
    /// Returns the originator's process number.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Sends a signal to the originator's group, as a terminal does.
    pub fn signal(&self, signal: Signal) {
        self.child.signal_group(signal);
    }

    /// Waits for an event of the `--json` stream of which `wanted` is true.
    ///
    /// # Panics
    /// When none comes.
    pub fn event(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        until(what, RUN_LIMIT, || {
            let events = read_events(&self.json);
            let found = events.iter().find(|event| wanted(event)).cloned();
            found.ok_or_else(|| (events, self.stderr_so_far()))
        })
    }

    /// Waits until a file has begun, and returns the event.
    ///
    /// # Panics
    /// When it does not.
    pub fn item_started(&self, file: &str) -> Value {
        self.event(&format!("start of {file}"), |event| {
            event["event"] == "item_started" && event["filename"] == file
        })
    }

    /// Returns what it has written to stderr by now.
    pub fn stderr_so_far(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// Tells whether it still runs after this time; returns at once when it has ended.
    pub fn runs_for(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        while processes::runs(self.pid()) && Instant::now() < until {
            let _ = crossbeam_channel::after(LOOK).recv();
        }
        processes::runs(self.pid())
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// When it does not come within the limit.
    pub fn finished(self, limit: Duration) -> Finished {
        let end = match self.child.end().recv_timeout(limit) {
            Ok(end) => end,
            Err(_) => panic!(
                "the originator still runs after {limit:?}; events {:#?}\nstderr: {}",
                read_events(&self.json),
                self.stderr_so_far()
            ),
        };
        Finished {
            end,
            stdout: String::from_utf8_lossy(&fs::read(&self.stdout).unwrap_or_default())
                .into_owned(),
            stderr: String::from_utf8_lossy(&fs::read(&self.stderr).unwrap_or_default())
                .into_owned(),
            events: read_events(&self.json),
            junit: Junit::read(&self.junit),
            took: self.started.elapsed(),
        }
    }
}

fn read_events(path: &PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    // The last line may be half written while the run goes on.
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

impl Finished {
    /// Asserts the exit status.
    ///
    /// # Panics
    /// When it is another.
    pub fn exited(&self, status: i32) -> &Self {
        assert_eq!(
            self.end,
            End::Exited(status),
            "stdout: {}\nstderr: {}",
            self.stdout,
            self.stderr
        );
        self
    }

    /// Asserts that stdout or stderr has each of these texts.
    ///
    /// # Panics
    /// When one is missing.
    pub fn says(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(
                self.stdout.contains(text) || self.stderr.contains(text),
                "{text:?} is not said\nstdout: {}\nstderr: {}",
                self.stdout,
                self.stderr
            );
        }
        self
    }

    /// Returns the events of one name.
    pub fn events(&self, name: &str) -> Vec<&Value> {
        self.events
            .iter()
            .filter(|event| event["event"] == name)
            .collect()
    }

    /// Returns the finish of a file.
    ///
    /// # Panics
    /// When there is not exactly one.
    pub fn file(&self, file: &str) -> &Value {
        let finishes: Vec<_> = self
            .events("item_finished")
            .into_iter()
            .filter(|event| event["filename"] == file)
            .collect();
        assert_eq!(
            finishes.len(),
            1,
            "finishes of {file}: {finishes:#?}\nstderr: {}",
            self.stderr
        );
        finishes[0]
    }

    /// Asserts the verdict of a file.
    ///
    /// # Panics
    /// When it is another.
    pub fn verdict(&self, file: &str, verdict: &str) -> &Self {
        assert_eq!(
            self.file(file)["verdict"],
            verdict,
            "{:#?}\nstderr: {}",
            self.file(file),
            self.stderr
        );
        self
    }

    /// Returns the JUnit file.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn junit(&self) -> &Junit {
        match &self.junit {
            Ok(junit) => junit,
            Err(error) => panic!("{error}\nstdout: {}\nstderr: {}", self.stdout, self.stderr),
        }
    }

    /// Asserts that JUnit names exactly these files, each once.
    ///
    /// # Panics
    /// When it does not.
    pub fn reported(&self, files: &[&str]) -> &Self {
        let counts = self.junit().counts();
        let seen: Vec<_> = counts.keys().map(String::as_str).collect();
        let mut right = files.to_vec();
        right.sort_unstable();
        assert_eq!(seen, right, "stderr: {}", self.stderr);
        self
    }
}
