//! Runs a command beside a private RabbitMQ with listeners, named to it by `GORGON_BROKER_URL`:
//! `with-cluster [--listener NAME=SLOTS]… -- COMMAND [ARGUMENT]…`. All of it ends with the command.
#![expect(
    clippy::print_stderr,
    reason = "it has a terminal, and its stdout belongs to the command"
)]

use std::process::{Command, ExitCode};

use integration::cluster::Cluster;

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(code) => code,
        Err(what) => {
            eprintln!("with-cluster: {what}");
            ExitCode::from(3)
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command owns the terminal, as in a shell"
)]
fn run(arguments: Vec<String>) -> Result<ExitCode, String> {
    let usage = "usage: with-cluster [--listener NAME=SLOTS]… -- COMMAND [ARGUMENT]…";
    let mut words = arguments.into_iter();
    let mut hosts: Vec<(String, u32)> = Vec::new();
    loop {
        match words.next().as_deref() {
            Some("--listener") => {
                let word = words.next().unwrap_or_default();
                let host = word
                    .split_once('=')
                    .and_then(|(name, n)| Some((name.to_owned(), n.parse().ok()?)));
                hosts.push(host.ok_or(usage)?);
            }
            Some("--") => break,
            _ => return Err(usage.to_owned()),
        }
    }
    let program = words.next().ok_or(usage)?;
    let named: Vec<(&str, u32)> = hosts
        .iter()
        .map(|(name, slots)| (name.as_str(), *slots))
        .collect();
    let cluster = Cluster::start(&named);
    let status = Command::new(&program)
        .args(words)
        .env("GORGON_BROKER_URL", cluster.url())
        .status()
        .map_err(|e| format!("{program}: {e}"))?;
    Ok(ExitCode::from(
        u8::try_from(status.code().unwrap_or(255)).unwrap_or(255),
    ))
}
