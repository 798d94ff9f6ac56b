//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gorgon_process::exit;
use gorgon_process::logging::LogFields;
use gorgon_ruby::Host;

const LONG_ABOUT: &str = "\
Runs one job on one host: a preloader and a gorgon-worker for each slot. The preloader is a Ruby
process that runs before_creating_workers; all Ruby children are forked from it.

A listener starts the manager. It gives the names of the queues as options and the job definition
(JSON) on stdin. It keeps that pipe open: when the pipe ends, the listener has ended, and the job
ends here. After the definition the listener grants slots and recalls them, one line of JSON each:
{\"line\":\"grant\",\"slot\":3} or {\"line\":\"recall\",\"slot\":3}. On stdout the manager says
which slots are idle, and which it has given back.";

const AFTER_HELP: &str = "\
Debugging with it:
  What happens inside:   RUST_LOG=debug    every event and every effect
  By hand:               gorgon-worker-manager … < definition.json
                         (from a file, the end of stdin is not taken for the listener's end)
  One file, no broker:   gorgon-worker --workspace DIR --file spec/a_spec.rb

Signals: INT or HUP cancels the job here, TERM hands running items back. Both still run
after_complete and after_creating_workers.

Exit status:
  0  it left in order, and has published host_left
  3  it could not begin, and has published nothing
  4  the job was orphaned, the broker was away for 120 s, or the listener is gone
  anything else: it died";

/// The command line of gorgon-worker-manager.
#[derive(Debug, Clone, Parser)]
#[command(name = "gorgon-worker-manager", version, about = "Runs one job on one host: a preloader, and a worker for each slot", long_about = LONG_ABOUT, after_help = AFTER_HELP)]
pub struct Args {
    /// File with the `connection` to the broker (of a listener's configuration).
    #[arg(long, value_name = "PATH")]
    pub config: PathBuf,
    /// The job.
    #[arg(long, value_name = "JOB")]
    pub job: String,
    /// The queue of the job's work items.
    #[arg(long, value_name = "QUEUE")]
    pub file_queue: String,
    /// The queue of the job's replies.
    #[arg(long, value_name = "QUEUE")]
    pub reply_queue: String,
    /// The queue of the listener.
    #[arg(long, value_name = "QUEUE")]
    pub listener_queue: String,
    /// The slots that get a worker; the listener may grant more on stdin [default: none yet].
    #[arg(long, value_name = "N,N", value_delimiter = ',')]
    pub slots: Vec<u32>,
    /// The project's directory; with `workspace: slot` its copies are DIR/slot-N.
    #[arg(long, value_name = "DIR")]
    pub workspace: PathBuf,
    /// The directory is the user's own: Ruby inherits our environment.
    #[arg(long)]
    pub in_place: bool,
    /// The listener it belongs to [default: the last part of the listener queue].
    #[arg(long, value_name = "ID")]
    pub listener_id: Option<String>,
    /// Name of this host in messages [default: the kernel's].
    #[arg(long, value_name = "NAME")]
    pub host_name: Option<String>,
    /// How many slots the listener has: GORGON_SLOTS [default: the highest of --slots].
    #[arg(long, value_name = "N")]
    pub host_slots: Option<u32>,
    /// The directory for the sockets of preloaders [default: a new directory in TMPDIR].
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
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

    /// Returns the host that Ruby is told.
    #[must_use]
    pub fn host(&self) -> Host {
        let highest = self.slots.iter().copied().max();
        Host {
            name: self.host_name(),
            slots: self.host_slots.or(highest).unwrap_or(1),
        }
    }

    /// Returns the listener's id.
    #[must_use]
    pub fn listener_id(&self) -> String {
        let of_queue = || {
            self.listener_queue
                .rsplit('.')
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        self.listener_id.clone().unwrap_or_else(of_queue)
    }

    /// Returns what stands on each line of the log.
    #[must_use]
    pub fn log_fields(&self) -> LogFields {
        LogFields {
            host: Some(self.host_name()),
            job: Some(self.job.clone()),
            ..LogFields::default()
        }
    }
}
