//! gorgon-worker-manager: one job on one host.

use std::path::PathBuf;
use std::process::ExitCode;

use gorgon_process::{environment, exit, signals};
use gorgon_ruby::warm::KEEPER_VARIABLE;
use gorgon_worker_manager::cli::Args;

fn main() -> ExitCode {
    // Without it we work as well, but for what a strange parent has left us.
    let _ = signals::settle();
    // Nothing that we start is to have it.
    let keeper = environment::take(KEEPER_VARIABLE).filter(|path| !path.is_empty());
    match Args::read() {
        Ok(args) => exit::report(
            "gorgon-worker-manager",
            gorgon_worker_manager::run::run(&args, keeper.map(PathBuf::from)),
        ),
        Err(code) => code,
    }
}
