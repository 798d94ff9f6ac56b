//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use gorgon_process::exit;

const LONG_ABOUT: &str = "\
The daemon of a host. It takes jobs that originators offer on the broker, as many at once as it has
slots; the jobs share the slots. For each job it pulls the source by rsync, runs after_sync, and
starts a worker manager, which runs the workers.

Its configuration is gorgon_listener.json in the working directory, in ~/.gorgon/ or in /etc/gorgon/.
It stays in the foreground and logs to stderr, or to `log_file`.";

const AFTER_HELP: &str = "\
Signals: on TERM or INT it takes no new job, hands running files back to the queue (they run on
another host), cleans up and exits 0. A second signal skips the waiting.

If the broker is away, it tries for ever to reconnect.

Debugging with it:
  Does it hear me?       gorgon-originator ping
  One job, then the end: gorgon-listener --once
  What happens inside:   RUST_LOG=debug gorgon-listener";

/// The command line of gorgon-listener.
#[derive(Debug, Clone, Parser)]
#[command(name = "gorgon-listener", version, about = "The daemon of a host: takes jobs from the broker and runs their workers", long_about = LONG_ABOUT, after_help = AFTER_HELP)]
pub struct Args {
    /// The configuration [default: the first gorgon_listener.json of ., ~/.gorgon, /etc/gorgon].
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Serve one job, then exit.
    #[arg(long)]
    pub once: bool,
    /// Run jobs in this directory, without sync (`gorgon-originator --local`).
    #[arg(long, value_name = "DIR", hide = true)]
    pub in_place: Option<PathBuf>,
    /// stdin is a pipe from our originator. When the pipe ends, everything here ends at once.
    #[arg(long, hide = true)]
    pub parent_pipe: bool,
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
}
