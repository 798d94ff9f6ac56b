//! An input run by its own framework, with a recorder beside the framework's reporters.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{observed::Observed, place::Place, scenario::without_formatters};

/// A test framework.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Framework {
    /// RSpec 3.
    Rspec,
    /// Minitest 5 or 6.
    Minitest,
    /// Test::Unit 3.
    TestUnit,
}

impl Framework {
    /// Reads a name, as tables and events have it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "rspec" => Some(Self::Rspec),
            "minitest" => Some(Self::Minitest),
            "test-unit" | "test_unit" => Some(Self::TestUnit),
            _ => None,
        }
    }
}

/// What a plain run prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reporters {
    /// What it prints for a user.
    Own,
    /// Only what does not come from the framework's standard reporters.
    Silent,
}

/// A plain run.
#[derive(Debug, Clone)]
pub struct Run<'a> {
    /// The framework.
    pub framework: Framework,
    /// Ruby's words, `ruby -Ilib`.
    pub ruby: &'a [String],
    /// Files and options, in the framework's own order.
    pub arguments: &'a [String],
    /// What it prints.
    pub reporters: Reporters,
    /// When it is killed.
    pub limit: Duration,
}

/// Runs it in a place; what it wrote is told against `before`.
///
/// # Errors
/// A program that cannot be started.
pub fn run(place: &Place, directory: &Path, run: &Run<'_>) -> io::Result<Observed> {
    let before = place.files();
    let record = place.own("run").join("record");
    let _ = fs::remove_file(&record);
    let mut command = Command::new(run.ruby.first().map_or("ruby", String::as_str));
    command.args(run.ruby.iter().skip(1));
    let silent = run.reporters == Reporters::Silent;
    match run.framework {
        Framework::Rspec => {
            command
                .arg("-r")
                .arg(place.own("recorders").join("rspec.rb"))
                .args(["-S", "rspec"]);
            if silent {
                command.args(without_formatters(run.arguments));
                command.args(["--format", "DifferentialSilence"]);
            } else {
                command.args(run.arguments);
            }
        }
        Framework::Minitest | Framework::TestUnit => {
            command
                .arg(place.own("recorders").join("loader.rb"))
                .args(run.arguments);
        }
    }
    command.current_dir(directory);
    // Set after `run` has cleared the environment.
    let mut variables = vec![("DIFFERENTIAL_OUT".to_owned(), record.display().to_string())];
    if silent {
        variables.push(("DIFFERENTIAL_QUIET".to_owned(), "1".to_owned()));
    }
    let ended = place.run_with(command, &variables, run.limit)?;
    let mut seen = Observed {
        status: ended.status,
        printed: ended.printed,
        ..Observed::default()
    };
    seen.read_recorder(&fs::read_to_string(&record).unwrap_or_default());
    seen.relative_to(directory);
    seen.written = place.written_since(&before);
    Ok(seen)
}

/// Returns the directory of the battery's own data.
#[must_use]
pub fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("differential")
}
