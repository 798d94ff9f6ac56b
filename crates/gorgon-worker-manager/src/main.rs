//! gorgon-worker-manager: one job on one host.

use std::process::ExitCode;

use gorgon_process::{exit, signals};
use gorgon_worker_manager::cli::Args;

fn main() -> ExitCode {
    // Without it we work as well, but for what a strange parent has left us.
    let _ = signals::settle();
    match Args::read() {
        Ok(args) => exit::report(
            "gorgon-worker-manager",
            gorgon_worker_manager::run::run(&args),
        ),
        Err(code) => code,
    }
}
