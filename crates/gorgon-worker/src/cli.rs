//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use gorgon_process::exit;
use gorgon_process::logging::{LogFields, Verbosity};

const LONG_ABOUT: &str = "\
Runs the work items of one job, one at a time, each in a Ruby child.

A manager starts one worker for each slot. It gives the names of the queues and the socket of the
preloader as options, and the job definition on stdin. All other options are for use by hand.

By hand, without a broker, a listener or an originator:

  gorgon-worker --workspace . --file spec/a_spec.rb --file spec/b_spec.rb

runs these files in one Ruby child, in the order given, with the settings and callbacks of the
workspace's gorgon.json. On a terminal it prints results for a person, else each message as a line
of JSON; --format says which. Exit 0: all passed; 1: not.";

const AFTER_HELP: &str = "\
Debugging with it:
  One file:             gorgon-worker --workspace . --file spec/a_spec.rb
  One test:             gorgon-worker --workspace . --file spec/a_spec.rb:12
                        gorgon-worker --workspace . --file 'spec/a_spec.rb[1:2,1:3]'
  A failure that depends on files before it: the originator's `reproduce:` line names every file
  that the Ruby child had run, in that order. Remove files until the failure is gone.
  A long list:          gorgon-worker --workspace . --files-from list.txt   (a path a line)
  For a program:        --format json | jq -r 'select(.action == \"finish\") | .output'
  What happens inside:  RUST_LOG=debug gorgon-worker …    every event and every effect
  Items of a live job:  gorgon-worker --config gorgon_listener.json --workspace . --file-queue gorgon.files.JOB
                        takes items as a worker of that job would, and ends after 2 s without one.

Signals:
  INT, HUP  cancel the job here; a second one kills at once
  TERM      hands the running item back; with --file as INT
  USR1      from the manager: the preloader is gone
  QUIT      from the manager: the listener has died; the running item goes back, and that counts
            as one of its attempts
  USR2      from the manager: another job gets the slot; the running item comes to its end, and
            no further item is taken

Exit status:
  0    the job is done; by hand: all passed
  1    by hand: not all passed
  3    an error, or the broker was away for 120 s
  4    a callback raised, Ruby could not be started, or no file can run here; the item was handed
       back
  5    the preloader died
  130  cancelled";

/// The command line of gorgon-worker.
#[derive(Debug, Clone, Parser)]
#[command(name = "gorgon-worker", version, about = "Runs the work items of one job, one at a time, each in a Ruby child", long_about = LONG_ABOUT, after_help = AFTER_HELP)]
pub struct Args {
    /// File with the `connection` to the broker (of a listener's configuration).
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// The job.
    #[arg(long, value_name = "JOB")]
    pub job: Option<String>,
    /// The queue of the job's work items.
    #[arg(long, value_name = "QUEUE")]
    pub file_queue: Option<String>,
    /// The queue for its replies [default by hand: the reply queue of the same job].
    #[arg(long, value_name = "QUEUE")]
    pub reply_queue: Option<String>,
    /// The slot: GORGON_WORKER_ID.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub worker_id: u32,
    /// The project's directory.
    #[arg(long, value_name = "DIR")]
    pub workspace: PathBuf,
    /// The socket of a running preloader; without it the worker starts one of its own.
    #[arg(long, value_name = "SOCKET", requires_all = ["config", "job", "file_queue", "reply_queue"])]
    pub preloader: Option<PathBuf>,
    /// The listener it belongs to.
    #[arg(long, value_name = "ID", default_value = "by-hand")]
    pub listener_id: String,
    /// Name of this host in messages [default: the kernel's].
    #[arg(long, value_name = "NAME")]
    pub host_name: Option<String>,
    /// TEST_ENV_NUMBER [default: the slot's number].
    #[arg(long, value_name = "N")]
    pub test_env_number: Option<u32>,
    /// The broker was away: if the file queue is missing, wait for the originator to declare it again.
    #[arg(long)]
    pub queue_may_be_late: bool,
    /// A file to run by hand: `FILE`, `FILE:LINE` or `FILE[ID,ID]`.
    #[arg(long = "file", value_name = "FILE", conflicts_with = "file_queue")]
    pub files: Vec<String>,
    /// A file that lists files to run by hand, one a line; they run after those of --file (- is stdin).
    #[arg(long, value_name = "PATH", conflicts_with = "file_queue")]
    pub files_from: Option<PathBuf>,
    /// By hand: how results are printed.
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "auto")]
    pub format: Format,
    /// The seed.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u32,
    /// Options for the framework.
    #[arg(last = true, value_name = "FRAMEWORK-OPTIONS")]
    pub options: Vec<String>,
}

/// How a worker by hand prints results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// As text on a terminal, else as JSON.
    Auto,
    /// Each message as a line of JSON.
    Json,
    /// For a person: each file with its failures, and totals at the end.
    Text,
}

impl Args {
    /// Reads the command line. Help and version are printed and end with 0, a usage error with 3.
    ///
    /// # Errors
    /// The exit code to end with.
    pub fn read() -> Result<Self, ExitCode> {
        Self::try_parse().map_err(|error| {
            // Nobody may be there to read it.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() {
                exit::ERROR
            } else {
                exit::OK
            })
        })
    }

    /// Returns this host's name, as in messages.
    #[must_use]
    pub fn host_name(&self) -> String {
        self.host_name
            .clone()
            .unwrap_or_else(gorgon_process::host::hostname)
    }

    /// Returns what stands on each line of the log.
    #[must_use]
    pub fn log_fields(&self) -> LogFields {
        LogFields {
            host: Some(self.host_name()),
            job: self.job.clone(),
            slot: Some(self.worker_id),
            verbosity: if self.preloader.is_some() {
                Verbosity::Steps
            } else {
                Verbosity::Warnings
            },
            ..LogFields::default()
        }
    }
}
