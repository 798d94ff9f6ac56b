//! Whole commands, timed in turn: what the machine does besides falls on all of them alike.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::Bench;

/// A command to be timed.
#[derive(Debug, Clone)]
pub struct Timed {
    words: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Timed {
    /// Makes a command of words.
    pub fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            words: words.into_iter().map(str::to_owned).collect(),
            environment: Vec::new(),
        }
    }

    /// Makes one of the originator with these arguments.
    pub fn originator<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Self {
        let program = crate::binaries::path("gorgon-originator");
        let mut command = Self::new(arguments);
        command.words.insert(0, program.display().to_string());
        command
    }

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: String) -> Self {
        self.environment.push((name.to_owned(), value));
        self
    }

    /// Runs it in a directory to its end, and returns how long it took.
    ///
    /// # Errors
    /// When it cannot be run, or fails.
    #[expect(
        clippy::disallowed_methods,
        reason = "a whole command is what is timed"
    )]
    fn run(&self, bench: &Bench, directory: &Path) -> Result<Duration, String> {
        let (program, arguments) = self.words.split_first().ok_or("an empty command")?;
        let home = bench.home.path();
        let started = Instant::now();
        let status = Command::new(program)
            .args(arguments)
            .current_dir(directory)
            .env("HOME", home.join("home"))
            .env("XDG_CACHE_HOME", home.join("cache"))
            .env("PARALLEL_TESTS_EXECUTABLE", "rspec")
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|error| format!("{program}: {error}"))?;
        if status.success() {
            Ok(started.elapsed())
        } else {
            Err(format!("{program}: {status}"))
        }
    }
}

/// Runs each command once unmeasured, then `runs` times in turn; returns the median seconds of each.
///
/// # Errors
/// When one cannot be run, or fails.
pub fn in_turn<const N: usize>(
    bench: &Bench,
    runs: usize,
    commands: [(&Timed, &Path); N],
) -> Result<[f64; N], String> {
    let mut times = [const { Vec::new() }; N];
    for round in 0..=runs {
        for ((command, directory), times) in commands.iter().zip(&mut times) {
            let took = command.run(bench, directory)?;
            if round > 0 {
                times.push(took.as_secs_f64());
            }
        }
    }
    Ok(times.map(median))
}

/// Returns the number in the middle.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}
