//! `start`: from the command line to the exit status.

use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use gorgon_process::exit::{self, CANCELLED, Hint};
use gorgon_process::logging::{self, LogFields, Verbosity};
use gorgon_process::{Signal, signals};
use gorgon_proto::config::Connection;
use gorgon_proto::trace::Trace;

use super::{Ended, Run, RunError, STUCK_LIMIT};
use crate::choose::{choose, no_files, work_of};
use crate::cli::StartArgs;
use crate::destinations;
use crate::job::{draw_id, draw_seed};
use crate::ledger::Ending;
use crate::screen::{Screen, Stream};
use crate::settings::Settings;
use crate::unbegun::Unbegun;

/// `start`: runs the suite. Whatever happens, the reports that are asked for are written.
///
/// # Errors
/// Why there is no run.
pub fn start(args: &StartArgs, broker_url: Option<&str>) -> Result<u8, RunError> {
    let (begun, started) = (Instant::now(), SystemTime::now());
    let mut reported = false;
    let ended = go(args, broker_url, (begun, started), &mut reported);
    let (ending, why) = match &ended {
        Ok(exit::OK) => (Ending::Complete, None),
        Ok(_) => (Ending::Cancelled, None),
        Err(error) => (Ending::NotBegun, Some(exit::chain(error))),
    };
    if !reported {
        Unbegun {
            args,
            ending,
            why,
            status: ended.as_ref().map_or_else(Hint::exit, |status| *status),
            started,
            took: begun.elapsed(),
        }
        .report(None, &[]);
    }
    ended
}

/// Runs the suite; `reported`: the reports are written.
fn go(
    args: &StartArgs,
    broker_url: Option<&str>,
    (begun, started): (Instant, SystemTime),
    reported: &mut bool,
) -> Result<u8, RunError> {
    let mut trace = Trace::begin("originator", begun, started);
    let broker_url = broker_url.filter(|_| args.local.is_none());
    let mut settings = Settings::load(args.selection.config.as_deref(), broker_url)?;
    if args.local.is_some() {
        settings.config.connection = Connection::default();
    }
    let id = draw_id();
    let mut screen = Screen::new(args);
    let log_file = settings.config.originator_log_file.as_ref();
    logging::init(&LogFields {
        job: Some(id.0.clone()),
        file: log_file.map(|path| settings.root.join(path)),
        verbosity: if log_file.is_some() {
            Verbosity::Steps
        } else {
            Verbosity::Warnings
        },
        ..LogFields::default()
    })?;
    let mut files = choose(&settings, args)?;
    let warnings = settings.warnings.iter().chain(&files.warnings);
    for warning in warnings.chain(&files.beside) {
        screen.say(&format!("warning: {warning}"));
    }
    for hint in &files.hints {
        screen.tell(hint);
    }
    if files.planned.is_empty() {
        if args.selection.only_failures {
            screen.say("no failure is recorded: nothing to run");
            return Ok(exit::OK);
        }
        return Err(no_files(&files, args));
    }
    let root = &settings.root;
    let paths: Vec<_> = files
        .selected
        .iter()
        .map(|(it, _)| root.join(&it.file))
        .collect();
    destinations::check(args, &settings, paths.iter().map(PathBuf::as_path))?;
    let stream = Stream::open(args.json.as_deref())?;
    let wanted = [Signal::Int, Signal::Term, Signal::Hup];
    let signals =
        signals::listen_or_end(&wanted, STUCK_LIMIT, CANCELLED).map_err(RunError::Signals)?;
    let seed = args.seed.unwrap_or_else(draw_seed);
    trace.note("plan", begun, Instant::now());
    let mut run = Run {
        args,
        settings: &settings,
        signals,
        screen,
        stream,
        id,
        seed,
        trace,
        place: settings.place(settings.config.cluster_id.as_deref()),
        told: None,
    };
    let ended = run.job(&mut files);
    *reported = true;
    let (ending, why, status) = match &ended {
        Ok(Ended::Reported(status)) => return Ok(*status),
        Ok(Ended::Early(status)) => (Ending::Cancelled, None, *status),
        Err(error) => (Ending::NotBegun, Some(exit::chain(error)), error.exit()),
    };
    let unbegun = Unbegun {
        args,
        ending,
        why,
        status,
        started,
        took: begun.elapsed(),
    };
    let work = work_of(std::mem::take(&mut files.planned));
    unbegun.report(Some(&mut run.stream), &work);
    ended.map(|_| status)
}
