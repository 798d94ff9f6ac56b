//! gorgon-listener: the daemon of a host; serves one job after another.

use std::process::ExitCode;

use gorgon_listener::cli::Args;
use gorgon_process::{environment, exit};
use gorgon_proto::config::BROKER_URL_VARIABLE;

fn main() -> ExitCode {
    // It holds a password: nothing that we start is to have it.
    let broker_url = environment::take(BROKER_URL_VARIABLE).filter(|url| !url.is_empty());
    match Args::read() {
        Ok(args) => exit::report(
            "gorgon-listener",
            gorgon_listener::run(&args, broker_url.as_deref()),
        ),
        Err(code) => code,
    }
}
