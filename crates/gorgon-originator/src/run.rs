//! The shell of `start` and `list`: from the command line to the exit status.

use std::num::NonZero;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::Receiver;
use gorgon_broker::{OpenError, Patience, Publish, Session, Target};
use gorgon_process::exit::{self, CANCELLED, ERROR, Hint};
use gorgon_process::logging::{self, LogError, LogFields, Verbosity};
use gorgon_process::{Signal, signals};
use gorgon_proto::config::Connection;
use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::{
    JobDefinition, JobDefinitionTag, JobId, SCHEMA, Source, SourceKind, WorkspaceMode,
};
use gorgon_proto::{message, names};
use gorgon_ruby::{Callback, CallbackError, RubySettings};

use crate::callbacks::{self, Ran};
use crate::cli::{SelectionArgs, StartArgs};
use crate::drive::Drive;
use crate::history::original::read_runtime_file;
use crate::history::{Stamp, Store};
use crate::job::{Job, draw_id, draw_seed, guess_frameworks};
use crate::ledger::{Ending, Ledger, Rules};
use crate::local::{Local, LocalError, LocalPlan, Numbers, take_numbers};
use crate::plan::{Candidate, Planned, Seconds, plan};
use crate::report::junit::JobFacts;
use crate::report::summary::Facts;
use crate::report::{Results, json, junit, status, summary};
use crate::screen::{self, ReportError, Screen, Stream};
use crate::select::{SelectError, Selected, select};
use crate::settings::{Settings, SettingsError};

/// The originator gives a job up when the broker was away for so long.
const BROKER_LIMIT: Duration = Duration::from_secs(120);
/// After a cancel over RabbitMQ the hosts are waited for so long.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);
/// After a cancel after_job_finishes may take so long.
const CANCELLED_CALLBACK_LIMIT: Duration = Duration::from_secs(5);
/// To say farewell to the broker.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// The local listener may take so long to end after its job.
const LOCAL_END_LIMIT: Duration = Duration::from_secs(5);

/// Why there is no run, or how it ended without being one of tests.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The words of the command line.
    #[error("choose the files")]
    Select(#[from] SelectError),
    /// Nothing to run.
    #[error("no files: nothing is found by {0}")]
    NoFiles(String),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Signals.
    #[error("listen to signals")]
    Signals(#[source] std::io::Error),
    /// A callback of the originator.
    #[error("the callback before_originate")]
    BeforeOriginate(#[source] CallbackError),
    /// The local broker or listener.
    #[error(transparent)]
    Local(#[from] LocalError),
    /// The broker.
    #[error(transparent)]
    Broker(#[from] OpenError),
    /// The source cannot be offered.
    #[error(transparent)]
    Source(#[from] crate::source::SourceError),
}

impl Hint for RunError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Settings(error) => error.hint(),
            Self::Select(_) | Self::Signals(_) => None,
            Self::NoFiles(_) => Some("name files, or correct `files` in gorgon.json".to_owned()),
            Self::Log(error) => error.hint(),
            Self::Report(error) => error.hint(),
            Self::BeforeOriginate(error) => error.hint(),
            Self::Local(error) => error.hint(),
            Self::Broker(error) => error.hint(),
            Self::Source(error) => error.hint(),
        }
    }

    fn exit(&self) -> u8 {
        match self {
            Self::Source(error) => error.exit(),
            _ => ERROR,
        }
    }
}

/// The files of a run, in order, each with what it looked like.
struct Files {
    planned: Vec<Planned>,
    selected: Vec<(Selected, Option<Stamp>)>,
    warnings: Vec<String>,
    /// The whole suite, not a part of it.
    whole: bool,
}

fn choose(settings: &Settings, args: &SelectionArgs) -> Result<Files, RunError> {
    let root = &settings.root;
    let globs = settings.globs();
    let mut selection = select(root, &args.what, &globs)?;
    let history = Store::of(root)
        .map(|store| store.load())
        .unwrap_or_default();
    if args.only_failures {
        let mut failures = Vec::new();
        for failure in history.failures() {
            let known = selection
                .files
                .iter()
                .any(|selected| selected.file == failure.file);
            if !known {
                continue;
            }
            // Ids of a file that was changed since may name other tests by now.
            let unchanged = history.unchanged(root, &failure.file).is_some();
            let tests = if unchanged { failure.tests } else { Vec::new() };
            failures.push(Selected {
                file: failure.file,
                lines: Vec::new(),
                tests,
            });
        }
        selection.files = failures;
    }
    let mut warnings = selection.warnings.clone();
    let runtimes = match settings.config.runtime_file.as_ref() {
        Some(path) => read_runtime_file(&root.join(path)).unwrap_or_else(|error| {
            warnings.push(exit::chain(&error));
            Vec::new()
        }),
        None => Vec::new(),
    };
    let runtimes: std::collections::HashMap<_, _> = runtimes.into_iter().collect();
    let mut stamps = std::collections::HashMap::new();
    let candidates = selection
        .files
        .iter()
        .map(|selected| {
            let file = &selected.file;
            let stamp = Stamp::of(&root.join(file));
            stamps.insert(file.clone(), (selected.clone(), stamp));
            Candidate {
                filename: file.clone(),
                size_bytes: stamp.map_or(0, |stamp| stamp.bytes),
                seconds: history
                    .seconds(file)
                    .or_else(|| runtimes.get(file).copied().flatten()),
                tests: selected.tests.clone(),
                lines: selected.lines.clone(),
            }
        })
        .collect();
    let planned = plan(candidates, selection.order());
    let selected = planned
        .iter()
        .filter_map(|p| stamps.remove(&p.candidate.filename))
        .collect();
    let whole = args.what.is_empty() && !args.only_failures;
    Ok(Files {
        planned,
        selected,
        warnings,
        whole,
    })
}

fn no_files(settings: &Settings, args: &SelectionArgs) -> RunError {
    let words = if args.what.is_empty() {
        settings.globs()
    } else {
        args.what.clone()
    };
    RunError::NoFiles(words.join(", "))
}

/// `list`: the items in the order in which they would be queued.
///
/// # Errors
/// Why they cannot be told.
pub fn list(args: &SelectionArgs, broker_url: Option<&str>) -> Result<u8, RunError> {
    let settings = Settings::load(args.config.as_deref(), broker_url)?;
    let files = choose(&settings, args)?;
    for warning in settings.warnings.iter().chain(&files.warnings) {
        log::warn!("{warning}");
    }
    if files.planned.is_empty() && !args.only_failures {
        return Err(no_files(&settings, args));
    }
    let mut text = String::new();
    for planned in &files.planned {
        let seconds = match planned.seconds {
            Seconds::Known(seconds) => format!("{seconds:.2}"),
            Seconds::Estimated(seconds) => format!("~{seconds:.2}"),
            Seconds::Unknown => "?".to_owned(),
        };
        let name = crate::report::visible::one_line(&planned.candidate.filename);
        text.push_str(&format!("{seconds:>9}  {name}\n"));
    }
    screen::to_stdout(&text);
    Ok(exit::OK)
}

fn work_of(planned: &[Planned]) -> Vec<WorkItem> {
    (0u32..)
        .zip(planned)
        .map(|(n, planned)| WorkItem {
            tests: planned.candidate.tests.clone(),
            lines: planned.candidate.lines.clone(),
            ..WorkItem::whole(ItemId(n), planned.candidate.filename.clone())
        })
        .collect()
}

/// How many workers run here unless the user says it: one a core.
fn cores() -> u32 {
    std::thread::available_parallelism()
        .map_or(1, NonZero::get)
        .try_into()
        .unwrap_or(1)
}

/// One run, from the files on.
struct Run<'a> {
    args: &'a StartArgs,
    settings: &'a Settings,
    signals: Receiver<Signal>,
    screen: Screen,
    stream: Stream,
    id: JobId,
    seed: u32,
}

/// `start`: runs the suite.
///
/// # Errors
/// Why there is no run.
pub fn start(args: &StartArgs, broker_url: Option<&str>) -> Result<u8, RunError> {
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
    screen::check_report(args.junit.as_deref())?;
    let files = choose(&settings, &args.selection)?;
    for warning in settings.warnings.iter().chain(&files.warnings) {
        screen.say(&format!("warning: {warning}"));
    }
    if files.planned.is_empty() {
        if args.selection.only_failures {
            screen.say("no failure is recorded: nothing to run");
            return Ok(exit::OK);
        }
        return Err(no_files(&settings, &args.selection));
    }
    let stream = Stream::open(args.json.as_deref())?;
    let signals =
        signals::listen(&[Signal::Int, Signal::Term, Signal::Hup]).map_err(RunError::Signals)?;
    let seed = args.seed.unwrap_or_else(draw_seed);
    let mut run = Run {
        args,
        settings: &settings,
        signals,
        screen,
        stream,
        id,
        seed,
    };
    run.job(&files)
}

impl Run<'_> {
    fn ruby(&self) -> RubySettings {
        let config = &self.settings.config;
        RubySettings {
            ruby: config.ruby.clone(),
            callbacks: config.callbacks.clone(),
            env: config.env.clone(),
            seed: self.seed,
            job: Some(self.id.0.clone()),
            callback_timeout: config.callback_timeout,
            ..RubySettings::in_place(&self.settings.root)
        }
    }

    /// Runs before_originate; `Err` holds the exit status of a run that ends here.
    fn before_originate(&mut self) -> Result<Result<Option<String>, u8>, RunError> {
        let limit = self.settings.config.callback_timeout;
        match callbacks::run(
            &self.ruby(),
            Callback::BeforeOriginate,
            limit,
            &self.signals,
        ) {
            Ran::Returned(reply) => {
                let cluster = reply.returned.filter(|cluster| !cluster.is_empty());
                Ok(Ok(
                    cluster.or_else(|| self.settings.config.cluster_id.clone())
                ))
            }
            Ran::Failed(error) => {
                let output = error.output().trim().to_owned();
                if !output.is_empty() {
                    self.screen.say(&crate::report::visible::visible(
                        &output,
                        crate::report::visible::Colours::Drop,
                    ));
                }
                Err(RunError::BeforeOriginate(error))
            }
            Ran::Interrupted => {
                self.screen.say("cancelled before the job began");
                Ok(Err(CANCELLED))
            }
        }
    }

    fn after_job_finishes(&mut self, ending: &Ending) {
        let limit = match ending {
            Ending::Cancelled => CANCELLED_CALLBACK_LIMIT,
            Ending::Complete | Ending::FailFast => self.settings.config.callback_timeout,
            Ending::NoListener { .. }
            | Ending::HostsFailed { .. }
            | Ending::LocalListenerDied { .. }
            | Ending::BrokerGone => return,
        };
        match callbacks::run(
            &self.ruby(),
            Callback::AfterJobFinishes,
            limit,
            &self.signals,
        ) {
            Ran::Returned(_) => {}
            Ran::Failed(error) => self
                .screen
                .say(&format!("warning: {}", exit::chain(&error))),
            Ran::Interrupted => self.screen.say("after_job_finishes was ended by a signal"),
        }
    }

    fn definition(&self, files: &Files, offset: u32, source: Source) -> JobDefinition {
        let config = &self.settings.config;
        let names: Vec<String> = files
            .planned
            .iter()
            .map(|p| p.candidate.filename.clone())
            .collect();
        let timeout = self.args.file_timeout.or(config.file_timeout);
        JobDefinition {
            kind: JobDefinitionTag::JobDefinition,
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            job: self.id.clone(),
            originator_host: self.settings.host_name(),
            project: self.settings.root.to_string_lossy().into_owned(),
            file_queue_name: names::file_queue(&self.id),
            reply_queue_name: names::reply_queue(&self.id),
            items: u32::try_from(names.len()).unwrap_or(u32::MAX),
            slots: self.args.slots,
            sync: source,
            callbacks: config.callbacks.clone(),
            ruby: config.ruby.clone(),
            env: config.env.clone(),
            isolation: config.isolation,
            workspace: config.workspace,
            file_timeout_s: timeout
                .map(|limit| limit.as_secs_f64())
                .filter(|limit| *limit > 0.0),
            callback_timeout_s: config.callback_timeout.as_secs_f64(),
            seed: self.seed,
            test_env_offset: offset,
            framework_options: self.args.framework_options.clone(),
            frameworks: guess_frameworks(&self.settings.root, &names),
        }
    }

    /// Starts broker and listener of `--local`, where it is wanted.
    fn local(&mut self, items: usize) -> Result<Option<(Local, bool, Option<Numbers>)>, RunError> {
        let Some(slots) = self.args.local else {
            return Ok(None);
        };
        let slots = if slots == 0 { cores() } else { slots };
        let in_place = !self.args.sync && self.settings.config.workspace == WorkspaceMode::Job;
        let used = slots.min(u32::try_from(items).unwrap_or(u32::MAX));
        let numbers = in_place.then(|| take_numbers(&self.settings.root, used));
        let offset = numbers.as_ref().map_or(0, |numbers| numbers.offset);
        if offset > 0 {
            self.screen.say(&format!(
                "warning: another run is going on in this directory; TEST_ENV_NUMBER begins at {} here",
                offset + 1
            ));
        }
        let local = Local::start(LocalPlan {
            root: self.settings.root.clone(),
            slots,
            in_place,
            host_name: self.settings.host_name(),
        })?;
        Ok(Some((local, in_place, numbers)))
    }

    fn job(&mut self, files: &Files) -> Result<u8, RunError> {
        let (started, clock) = (SystemTime::now(), Instant::now());
        let local = self.local(files.planned.len())?;
        let cluster = match self.before_originate()? {
            Ok(cluster) => cluster.filter(|_| local.is_none()),
            Err(status) => return Ok(status),
        };
        let config = &self.settings.config;
        let target = local.as_ref().map_or_else(
            || Target::from(&config.connection),
            |(local, ..)| local.target(),
        );
        let offset = local
            .as_ref()
            .and_then(|(_, _, n)| n.as_ref())
            .map_or(0, |numbers| numbers.offset);
        let in_place = local.as_ref().is_some_and(|(_, in_place, _)| *in_place);
        let mut job = Job {
            definition: self.definition(files, offset, Source::default()),
            cluster,
            secret: config.job_secret.clone().filter(|_| local.is_none()),
        };
        let setup = job.setup(&self.settings.host_name());
        let session = Session::open(&target, setup, Patience::Limit(BROKER_LIMIT))?;
        let served = if in_place {
            job.definition.sync = Source {
                kind: SourceKind::InPlace,
                ..Source::default()
            };
            None
        } else {
            let own = own_files(self.args, self.settings);
            let served = crate::source::offer(self.settings, &own, session.local_address())?;
            job.definition.sync = served.source.clone();
            for hint in &served.hints {
                self.screen.tell(hint);
            }
            Some(served)
        };
        let work = work_of(&files.planned);
        if self.stream.is_open() {
            self.stream.write(&json::job_started(&json::JobStarted {
                job: self.id.0.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                seed: self.seed,
                items: work.len(),
                files: work.iter().map(|item| item.filename.clone()).collect(),
            }));
        }
        session.declare_once(job.file_queue());
        for item in &work {
            let tag = u64::from(item.item.0);
            let queue = &job.definition.file_queue_name;
            session.publish(Publish::to_queue(queue, message::write(item), tag));
        }
        session.publish(job.offer());
        let rules = Rules {
            fail_fast: self.args.fail_fast,
            wait_limit: self.args.wait,
            callback_limit: config.callback_timeout,
            cancel_limit: if local.is_some() {
                config.callback_timeout
            } else {
                CANCEL_LIMIT
            },
        };
        let (local, numbers) = match local {
            Some((local, _, numbers)) => (Some(local), numbers),
            None => (None, None),
        };
        let mut drive = Drive {
            job: &job,
            results: Results::new(&work),
            ledger: Ledger::new(rules, work),
            session: &session,
            target,
            local,
            signals: &self.signals,
            screen: &mut self.screen,
            stream: &mut self.stream,
            started: clock,
        };
        let ending = drive.run();
        let limit = if ending == Ending::Cancelled {
            CANCEL_LIMIT
        } else {
            LOCAL_END_LIMIT
        };
        let (results, mut local) = (drive.results, drive.local);
        if let Some(local) = &mut local {
            local.end_listener(limit);
        }
        drop((served, numbers));
        session.delete_queue(&job.definition.file_queue_name);
        session.delete_queue(&job.definition.reply_queue_name);
        session.close(CLOSE_LIMIT);
        // The local broker ends after who speaks with it.
        drop(local);
        self.after_job_finishes(&ending);
        let job = JobFacts {
            started,
            elapsed: clock.elapsed(),
            seed: self.seed,
        };
        Ok(self.report(&results, &ending, &job, files))
    }

    /// Writes all reports, and returns the exit status.
    fn report(&mut self, results: &Results, ending: &Ending, job: &JobFacts, files: &Files) -> u8 {
        let mut status = status::of(ending, results);
        let root = &self.settings.root;
        let config = &self.settings.config;
        let kept = crate::record::keep(root, config, results, &files.selected, files.whole, ending);
        let facts = Facts {
            ending,
            job,
            colour: self.screen.summary_colour(),
            quiet: self.args.quiet,
            keep_list: &|names| keep_list(self.settings, &self.id, names),
        };
        let text = summary::write(results, &facts);
        self.screen.draw_last(results, job.elapsed);
        self.screen.summary(&text);
        for warning in &kept {
            self.screen.say(&format!("warning: {warning}"));
        }
        if let Some(path) = &self.args.junit
            && let Err(error) = screen::write_report(path, &junit::write(results, job))
        {
            self.screen
                .say(exit::describe("gorgon-originator", &error, None).trim_end());
            status = status.max(ERROR);
        }
        if let Some((what, hint)) = explain(ending, results, self.settings) {
            self.screen
                .say(&format!("gorgon-originator: {what}\n  hint: {hint}"));
        }
        let line = json::job_finished(job.elapsed, ending, results, status);
        self.stream.write(&line);
        status
    }
}

/// Files that we write ourselves, relative to the project: they are never synced.
fn own_files(args: &StartArgs, settings: &Settings) -> Vec<String> {
    let config = &settings.config;
    let paths: [Option<&PathBuf>; 5] = [
        args.junit.as_ref(),
        args.json.as_ref(),
        config.failed_files.as_ref(),
        config.runtime_file.as_ref(),
        config.originator_log_file.as_ref(),
    ];
    paths
        .into_iter()
        .flatten()
        .filter(|path| path.as_os_str() != "-")
        .filter_map(|path| {
            let path = settings.root.join(path);
            Some(path.strip_prefix(&settings.root).ok()?.to_str()?.to_owned())
        })
        .collect()
}

/// Keeps the files of a Ruby child beside the history, for a reproduce line.
fn keep_list(settings: &Settings, job: &JobId, names: &[&str]) -> Option<String> {
    let store = Store::of(&settings.root)?;
    store.make_directory().ok()?;
    let directory = store.directory().join("reproduce");
    std::fs::create_dir_all(&directory).ok()?;
    let path = directory.join(format!("{job}-{}.files", names.len()));
    let mut text = names.join("\n");
    text.push('\n');
    std::fs::write(&path, text).ok()?;
    path.to_str().map(str::to_owned)
}

/// Says why a job ended without all verdicts, and what may be done.
fn explain(ending: &Ending, results: &Results, settings: &Settings) -> Option<(String, String)> {
    let broker = settings.config.connection.host.as_str();
    match ending {
        Ending::Complete | Ending::FailFast | Ending::Cancelled => None,
        Ending::NoListener { refused, .. } if !refused.is_empty() => {
            let reasons: Vec<String> = refused
                .iter()
                .map(|(host, reason)| format!("{host}: {reason}"))
                .collect();
            Some((
                format!("every listener refused the job: {}", reasons.join("; ")),
                "the reasons are the listeners' own; their logs say more".to_owned(),
            ))
        }
        Ending::NoListener {
            had_hosts: false, ..
        } => Some((
            format!("no listener answered at {broker}"),
            "start one there with gorgon-listener, or run without: gorgon-originator --local"
                .to_owned(),
        )),
        Ending::NoListener {
            had_hosts: true, ..
        } => Some((
            "no host is left".to_owned(),
            "start a listener: gorgon-listener; --wait sets how long one is waited for".to_owned(),
        )),
        Ending::HostsFailed { all_in_sync } => {
            let what = if *all_in_sync {
                "get the source"
            } else {
                "run the job"
            };
            let hosts = results.host_failures.len();
            Some((
                format!("no host could {what}"),
                if hosts > 0 {
                    "what each host says stands above"
                } else {
                    "see the hosts' logs"
                }
                .to_owned(),
            ))
        }
        Ending::LocalListenerDied { end } => Some((
            format!("the local listener died again and again, the last time with {end}"),
            "RUST_LOG=info gorgon-originator --local shows what it does".to_owned(),
        )),
        Ending::BrokerGone => Some((
            format!(
                "the broker at {broker} was away for {} s",
                BROKER_LIMIT.as_secs()
            ),
            "gorgon-originator --only-failures and a new run are the ways on".to_owned(),
        )),
    }
}
