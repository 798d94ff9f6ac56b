//! gorgon-worker-manager: one job on one host.

use std::process::ExitCode;

use gorgon_process::exit;
use gorgon_worker_manager::cli::Args;

fn main() -> ExitCode {
    match Args::read() {
        Ok(args) => exit::report(
            "gorgon-worker-manager",
            gorgon_worker_manager::run::run(&args),
        ),
        Err(code) => code,
    }
}
