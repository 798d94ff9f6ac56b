//! gorgon-listener: the daemon of a host; serves one job after another.

use std::process::ExitCode;

use gorgon_listener::cli::Args;
use gorgon_process::exit;

fn main() -> ExitCode {
    match Args::read() {
        Ok(args) => exit::report("gorgon-listener", gorgon_listener::run(&args)),
        Err(code) => code,
    }
}
