//! gorgon-originator: offers a job and reports its results.

use std::path::Path;
use std::process::ExitCode;

use gorgon_originator::cli::{Cli, Command, Kind, WarmAction};
use gorgon_originator::settings::Settings;
use gorgon_originator::{choose, guard, init, ping, run, warm};
use gorgon_process::{environment, exit, signals};
use gorgon_proto::config::BROKER_URL_VARIABLE;

const NAME: &str = "gorgon-originator";

fn main() -> ExitCode {
    // Without it we work as well, but for what a strange parent has left us.
    let _ = signals::settle();
    // It holds a password: nothing that we start is to have it.
    let broker_url = environment::take(BROKER_URL_VARIABLE).filter(|url| !url.is_empty());
    let broker_url = broker_url.as_deref();
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    match &cli.command {
        None => exit::report(NAME, run::start(&cli.start, broker_url)),
        Some(Command::Start(args)) => exit::report(NAME, run::start(args, broker_url)),
        Some(Command::List(args)) => exit::report(NAME, choose::list(args, broker_url)),
        Some(Command::Guard { directory }) => ExitCode::from(guard::run(directory)),
        Some(Command::Warm { action }) => match action {
            None => exit::report(NAME, warm::command::status(false)),
            Some(WarmAction::Status { json }) => exit::report(NAME, warm::command::status(*json)),
            Some(WarmAction::Stop) => exit::report(NAME, warm::command::stop()),
            Some(WarmAction::Keep {
                socket,
                limit,
                project,
            }) => exit::report(NAME, warm::keep::run(project, socket, *limit)),
        },
        Some(Command::Init { kind }) => {
            exit::report(NAME, init::run(Path::new("."), *kind == Some(Kind::Rails)))
        }
        Some(Command::Ping { json, config }) => {
            match Settings::load(config.as_deref(), broker_url) {
                Ok(settings) => {
                    let cluster = settings.config.cluster_id.as_deref();
                    exit::report(NAME, ping::run(&settings.target(), cluster, *json))
                }
                Err(error) => exit::report(NAME, Err(error)),
            }
        }
    }
}
