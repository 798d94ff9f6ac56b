//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use gorgon_process::exit;

const AFTER_HELP: &str = "\
Exit status: 0 all passed · 1 a test failed, a file crashed, timed out or was lost, or a suite hook
raised · 2 every host failed to sync the source · 3 any other error · 130 cancelled

Examples:
  gorgon-originator --local                     the whole suite on this machine
  gorgon-originator --local spec/models         a directory; also FILE, GLOB, FILE:LINE
  gorgon-originator --local -- --tag smoke      what follows -- goes to the framework
  gorgon-originator --retries 2                 failed tests twice more; what then passes is flaky
  gorgon-originator --junit report.xml          on the listeners of the RabbitMQ in gorgon.json";

/// The command line of gorgon-originator.
#[derive(Debug, Parser)]
#[command(
    name = "gorgon-originator",
    version,
    about = "Runs a Ruby test suite on many workers",
    after_help = AFTER_HELP,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do; to run the suite when absent.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to run, and how.
    #[command(flatten)]
    pub start: StartArgs,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs the suite (the default).
    Start(Box<StartArgs>),
    /// Lists the files in the order in which they would be queued, with their seconds.
    List(SelectionArgs),
    /// Asks which listeners are there.
    Ping {
        /// Answers as JSON.
        #[arg(long)]
        json: bool,
        /// The project's configuration.
        #[arg(long, value_name = "PATH")]
        config: Option<PathBuf>,
    },
    /// Writes a gorgon.json to start from; overwrites nothing.
    Init,
    /// Waits for the end of stdin, then removes a directory of ours.
    #[command(hide = true)]
    Guard {
        /// The directory.
        directory: PathBuf,
    },
}

/// Which files.
#[derive(Debug, Clone, Default, Args)]
pub struct SelectionArgs {
    /// What to run: files, directories, globs, FILE:LINE [default: `files` of the configuration].
    #[arg(value_name = "FILE|DIR|GLOB|FILE:LINE")]
    pub what: Vec<String>,
    /// The project's configuration [default: gorgon.json].
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Only what failed in the last run.
    #[arg(long)]
    pub only_failures: bool,
}

/// What to run, and how.
#[derive(Debug, Clone, Args)]
pub struct StartArgs {
    /// Which files.
    #[command(flatten)]
    pub selection: SelectionArgs,
    /// Run on this machine alone, with SLOTS workers [default: cores]; nothing needs to be set up.
    #[arg(long, value_name = "SLOTS", num_args = 0..=1, require_equals = true, default_missing_value = "0")]
    pub local: Option<u32>,
    /// With --local: copy the source to a workspace and run there, as a listener would.
    #[arg(long, requires = "local")]
    pub sync: bool,
    /// End after N failed tests or file errors [default: 1].
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub fail_fast: Option<u32>,
    /// Try a failed test again up to N times, after the rest, in a fresh Ruby process, on another
    /// worker where there is one [default: `retries` of the configuration, 0].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100))]
    pub retries: Option<u32>,
    /// What tests mean that failed and passed on a retry: exit status 0, or 1.
    #[arg(long, value_enum, default_value_t = FlakyResult::Pass)]
    pub flaky_result: FlakyResult,
    /// Limit of one file, load and tests.
    #[arg(long, value_name = "SECS", value_parser = seconds)]
    pub file_timeout: Option<Duration>,
    /// The seed, for Minitest's order, `srand`, and suites that are random already [default: drawn].
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
    /// At most so many slots of a host for this job.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub slots: Option<u32>,
    /// How long to wait for a listener.
    #[arg(long, value_name = "SECS", default_value = "60", value_parser = seconds)]
    pub wait: Duration,
    /// Write a JUnit report (`-` is stdout).
    #[arg(long, value_name = "PATH")]
    pub junit: Option<PathBuf>,
    /// Write events as JSON lines, as they happen (`-` is stdout).
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
    /// Colours.
    #[arg(long, value_enum, default_value_t = Colour::Auto)]
    pub color: Colour,
    /// Say less.
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more.
    #[arg(short, long)]
    pub verbose: bool,
    /// Options for the framework.
    #[arg(last = true, value_name = "FRAMEWORK-OPTIONS")]
    pub framework_options: Vec<String>,
}

/// What flaky tests mean for the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FlakyResult {
    /// They passed.
    Pass,
    /// They make the job fail.
    Fail,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| format!("{text} is no number of seconds"))?;
    Duration::try_from_secs_f64(number).map_err(|_| format!("{text} is no number of seconds"))
}

impl Cli {
    /// Reads the command line. Help and version are printed and end with 0, a usage error with 3.
    ///
    /// # Errors
    /// The exit code to end with.
    pub fn read() -> Result<Self, ExitCode> {
        Self::read_from(std::env::args_os()).map_err(|error| {
            // Nobody may be there to read it.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() {
                exit::ERROR
            } else {
                exit::OK
            })
        })
    }

    fn read_from<T: Into<std::ffi::OsString> + Clone>(
        words: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        let cli = Self::try_parse_from(words)?;
        let start = match &cli.command {
            Some(Command::Start(start)) => start,
            None => &cli.start,
            Some(
                Command::List(_) | Command::Ping { .. } | Command::Init | Command::Guard { .. },
            ) => return Ok(cli),
        };
        let stdout = Some(PathBuf::from("-"));
        if start.junit == stdout && start.json == stdout {
            return Err(Self::command().error(
                clap::error::ErrorKind::ArgumentConflict,
                "--junit - and --json - cannot both have stdout",
            ));
        }
        Ok(cli)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(line: &str) -> StartArgs {
        let words = std::iter::once("gorgon-originator").chain(line.split_whitespace());
        let cli = Cli::read_from(words).unwrap();
        match cli.command {
            None => cli.start,
            Some(Command::Start(start)) => *start,
            Some(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn start_is_the_default() {
        for line in ["--local=3 spec/a_spec.rb", "start --local=3 spec/a_spec.rb"] {
            let args = start(line);
            assert_eq!(args.local, Some(3));
            assert_eq!(args.selection.what, ["spec/a_spec.rb"]);
        }
    }

    #[test]
    fn optional_values_need_an_equals_sign() {
        let args = start("--local --fail-fast spec -- --tag smoke");
        assert_eq!((args.local, args.fail_fast), (Some(0), Some(1)));
        assert_eq!(args.selection.what, ["spec"]);
        assert_eq!(args.framework_options, ["--tag", "smoke"]);
        assert_eq!(start("--fail-fast=3").fail_fast, Some(3));
        assert_eq!(start("--retries 0").retries, Some(0));
        assert_eq!(start("--wait 0.5").wait, Duration::from_millis(500));
    }

    #[test]
    fn what_cannot_be_is_a_usage_error() {
        for line in [
            "--sync",
            "--junit - --json -",
            "--seed x",
            "--wait -1",
            "--fail-fast=0",
            "--retries -1",
            "--flaky-result maybe",
            "-q -v",
            "--nonsense",
            "--color blue",
        ] {
            let words = std::iter::once("gorgon-originator").chain(line.split_whitespace());
            assert!(Cli::read_from(words).is_err(), "{line}");
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }
}
