//! The command line.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use gorgon_process::exit;
use gorgon_proto::config::MOST_SLOTS;

const AFTER_HELP: &str = "\
Exit status:
  0    all passed
  1    a test failed; a file crashed, timed out or was lost; a suite hook raised; a Ruby process
       of tests ended with another status than 0; with --flaky-result fail, a test was flaky;
       with --order-dependent fail, a file was order-dependent
  2    every host failed to sync the source
  3    any other error
  130  cancelled

Examples:
  gorgon-originator --local                     the whole suite on this machine
  gorgon-originator --local spec/models         a directory; also FILE, GLOB, FILE:LINE
  gorgon-originator --local -- --tag smoke      what follows -- goes to the framework
  gorgon-originator --retries 2                 a failed test is tried up to twice more
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
    ///
    /// Takes the options of a run, so that the word can be put into any command line.
    List(Box<StartArgs>),
    /// Asks which listeners are there.
    Ping {
        /// Answers as JSON.
        #[arg(long)]
        json: bool,
        /// The project's configuration.
        #[arg(long, value_name = "PATH")]
        config: Option<PathBuf>,
    },
    /// Writes a gorgon.json to start from, for a Rails application a callbacks file too; overwrites nothing.
    Init {
        /// What the project is, if `config/application.rb` does not say so.
        #[arg(value_enum)]
        kind: Option<Kind>,
    },
    /// Shows, or ends, the applications that runs with --warm have left loaded.
    Warm {
        /// What to do [default: status].
        #[command(subcommand)]
        action: Option<WarmAction>,
    },
    /// Waits for the end of stdin, then removes a directory of ours.
    #[command(hide = true)]
    Guard {
        /// The directory.
        directory: PathBuf,
    },
}

/// What to do with applications that are kept.
#[derive(Debug, Subcommand)]
pub enum WarmAction {
    /// Shows them (the default).
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Ends them, also those in use.
    Stop,
    /// Keeps one; started by a run.
    #[command(hide = true)]
    Keep {
        /// The listening socket, which is also our stdin.
        #[arg(long)]
        socket: PathBuf,
        /// Seconds without use.
        #[arg(long, value_parser = seconds)]
        limit: Duration,
        /// The project.
        project: PathBuf,
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
    /// Run only what failed in the last run.
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
    #[arg(long, value_name = "SLOTS", num_args = 0..=1, require_equals = true, default_missing_value = CORES, value_parser = slots)]
    pub local: Option<Slots>,
    /// With --local: copy the source to a workspace and run there, as a listener would.
    #[arg(long, requires = "local")]
    pub sync: bool,
    /// With --local: keep the application loaded for the next run, which uses it only if a new start would
    /// read the same [default: `warm` of the configuration, false].
    #[arg(long, requires = "local")]
    pub warm: bool,
    /// Stop after N failed tests or file errors [default: 1].
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub fail_fast: Option<u32>,
    /// Try a failed test again up to N times, after all other files, in a fresh Ruby process, on another
    /// worker if there is one [default: `retries` of the configuration, 0].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=100))]
    pub retries: Option<u32>,
    /// Whether a flaky test, one that failed and then passed on a retry, fails the job.
    #[arg(long, value_enum, default_value_t = FlakyResult::Pass)]
    pub flaky_result: FlakyResult,
    /// Whether an order-dependent file fails the job: one that passes alone, and fails after other files
    /// in one Ruby process, or in a part.
    #[arg(long, value_enum, default_value_t = FlakyResult::Pass)]
    pub order_dependent: FlakyResult,
    /// Time limit of one file, for loading it and for its tests.
    #[arg(long, value_name = "SECS", value_parser = some_seconds)]
    pub file_timeout: Option<Duration>,
    /// The seed of Minitest's order, of `srand`, and of suites that set a random order [default: drawn].
    #[arg(long, value_name = "N")]
    pub seed: Option<u32>,
    /// Maximum number of slots of a host for this job.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub slots: Option<u32>,
    /// How long to wait for the first listener.
    #[arg(long, value_name = "SECS", default_value = "60", value_parser = seconds)]
    pub wait: Duration,
    /// Write a JUnit report (`-` is stdout).
    #[arg(long, value_name = "PATH")]
    pub junit: Option<PathBuf>,
    /// Write events as JSON lines, as they happen (`-` is stdout).
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
    /// Whether to print in colour.
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

/// What flaky tests, or order-dependent files, mean for the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FlakyResult {
    /// It passed; the summary names it.
    Pass,
    /// The exit status is 1.
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

/// How many workers `--local` starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slots {
    /// One a core.
    Cores,
    /// This number.
    Number(NonZero<u32>),
}

/// The value of `--local` without one.
const CORES: &str = "cores";

fn slots(text: &str) -> Result<Slots, String> {
    if text == CORES {
        return Ok(Slots::Cores);
    }
    text.parse()
        .ok()
        .filter(|number: &NonZero<u32>| u64::from(number.get()) <= MOST_SLOTS)
        .map(Slots::Number)
        .ok_or_else(|| format!("expected a number of workers from 1 to {MOST_SLOTS}"))
}

/// Later than any run ends, and early enough for every clock.
const MOST_SECONDS: f64 = 100.0 * 366.0 * 86_400.0;

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|number| (0.0..=MOST_SECONDS).contains(number))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("{text} is no number of seconds, or one beyond a hundred years"))
}

fn some_seconds(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("0 seconds is no limit that a test can keep: give a larger one, or leave the option out".to_owned()),
        limit => Ok(limit),
    }
}

/// A kind of project that `init` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A Rails application.
    Rails,
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

    fn read_from<T: Into<OsString>>(
        words: impl IntoIterator<Item = T>,
    ) -> Result<Self, clap::Error> {
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        let cli = Self::try_parse_from(command_first(words.clone()))
            .map_err(|error| with_tip(error, &words))?;
        let start = match &cli.command {
            Some(Command::Start(start)) => start,
            None => &cli.start,
            Some(
                Command::List(_)
                | Command::Ping { .. }
                | Command::Init { .. }
                | Command::Warm { .. }
                | Command::Guard { .. },
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

/// Says what may have been meant by an option that is none: a file, or an option of the framework.
/// clap would say to put a letter of it behind `--`.
fn with_tip(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    if error.kind() != ErrorKind::UnknownArgument {
        return error;
    }
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else {
        return error;
    };
    let options = words.iter().skip(1).take_while(|word| *word != "--");
    let options: Vec<&str> = options.filter_map(|word| word.to_str()).collect();
    let letter = unknown.trim_start_matches('-').to_owned();
    let word = options.iter().position(|word| {
        let short = word.starts_with('-') && !word.starts_with("--") && !unknown.starts_with("--");
        word.starts_with(unknown.as_str()) || short && word[1..].contains(&letter)
    });
    let Some(at) = word else {
        return error;
    };
    let word = options[at];
    let before = at.checked_sub(1).map(|before| options[before]);
    let before = before.filter(|it| it.starts_with('-') && word.parse::<f64>().is_ok());
    let file = word.contains('/') || word.ends_with(".rb") || Path::new(word).exists();
    let tip = if let Some(option) = before {
        format!("'{option}' takes no negative number")
    } else if file {
        format!("a file whose name begins with a dash is named './{word}'")
    } else if error.get(ContextKind::SuggestedArg).is_some() {
        return error;
    } else {
        format!(
            "options of the framework (RSpec, Minitest, Test::Unit) follow two dashes: '-- {word}'"
        )
    };
    error.insert(
        ContextKind::Suggested,
        ContextValue::StyledStrs(vec![StyledStr::from(tip)]),
    );
    error
}

/// Moves the word that says what to do to the place where clap looks for it: options may stand
/// before it. After a file it is a file, and after an option that needs a value it is that value.
fn command_first(mut words: Vec<OsString>) -> Vec<OsString> {
    let command = Cli::command();
    let options = words.iter().take_while(|word| *word != "--").count();
    let place = (2..options).find(|&place| {
        words[place]
            .to_str()
            .is_some_and(|word| command.find_subcommand(word).is_some())
            && Cli::try_parse_from(&words[..place]).is_ok_and(|before| {
                before.command.is_none() && before.start.selection.what.is_empty()
            })
    });
    if let Some(place) = place {
        words[1..=place].rotate_right(1);
    }
    words
}

#[cfg(test)]
mod tests;
