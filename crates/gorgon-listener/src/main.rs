//! gorgon-listener: the daemon of a host; serves one job after another.

use std::process::ExitCode;

use gorgon_listener::cli::Args;
use gorgon_process::{environment, exit, signals};
use gorgon_proto::config::BROKER_URL_VARIABLE;

fn main() -> ExitCode {
    // Without it we work as well, but for what a strange parent has left us.
    let _ = signals::settle();
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
