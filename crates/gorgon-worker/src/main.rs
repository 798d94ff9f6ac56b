//! gorgon-worker: runs the work items of one job, one at a time, each in a Ruby child.

use std::process::ExitCode;

use gorgon_process::{exit, signals};
use gorgon_worker::cli::Args;

fn main() -> ExitCode {
    // Without it we work as well, but for what a strange parent has left us.
    let _ = signals::settle();
    match Args::read() {
        Ok(args) => exit::report("gorgon-worker", gorgon_worker::run::run(&args)),
        Err(code) => code,
    }
}
