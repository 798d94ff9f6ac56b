//! The shell of `start`: from the command line to the exit status.

mod error;
mod start;

use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::Receiver;
use gorgon_broker::Session;
use gorgon_process::Signal;
use gorgon_process::exit::{self, CANCELLED};
use gorgon_proto::job::{Coverage, JobDefinition, JobId, Source, SourceKind, WorkspaceMode};
use gorgon_proto::names;
use gorgon_proto::trace::Trace;
use gorgon_ruby::{Callback, RubySettings};
use gorgon_sync::serve;

use crate::awaited::Awaited;
use crate::callbacks::{self, Ran};
use crate::choose::{Files, local_slots, work_of};
use crate::cli::StartArgs;
use crate::coverage::{Judged, Shares};
use crate::drive::Drive;
use crate::job::{Job, define};
use crate::ledger::{Ending, Ledger, Rules};
use crate::local::{Local, LocalError, LocalPlan};
use crate::report::junit::JobFacts;
use crate::report::{Results, json, status};
use crate::screen::{Screen, Stream};
use crate::settings::Settings;
use crate::source::{self, Hosts};
use crate::warm::{self, Told, Unwanted, Warm};

pub use error::RunError;
pub use start::start;

/// Time without a broker after which the originator gives the job up.
pub(crate) const BROKER_LIMIT: Duration = Duration::from_secs(120);
/// After a cancel over RabbitMQ: how long to wait for the hosts.
const CANCEL_LIMIT: Duration = Duration::from_secs(1);
/// After a cancel: time limit of the callback after_job_finishes.
const CANCELLED_CALLBACK_LIMIT: Duration = Duration::from_secs(5);
/// Time limit for closing the connection to the broker.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// If stdout is a full pipe, the loop cannot handle a Ctrl-C. After this time we exit as if killed; hosts cope with
/// that.
const STUCK_LIMIT: Duration = Duration::from_secs(5);
/// How long the local listener may take to end after its job.
const LOCAL_END_LIMIT: Duration = Duration::from_secs(5);

/// One run, from the files on.
#[derive(Debug)]
pub(crate) struct Run<'a> {
    pub(crate) args: &'a StartArgs,
    pub(crate) settings: &'a Settings,
    pub(crate) signals: Receiver<Signal>,
    pub(crate) screen: Screen,
    pub(crate) stream: Stream,
    pub(crate) id: JobId,
    pub(crate) seed: u32,
    pub(crate) trace: Trace,
    /// The broker, vhost and cluster id where the job is offered, for messages.
    pub(crate) place: String,
    /// What the keeper of a warm application says.
    pub(crate) told: Option<Receiver<Told>>,
}

/// How a job ended.
enum Ended {
    /// With its reports, and this exit status.
    Reported(u8),
    /// Before it began.
    Early(u8),
}

impl Run<'_> {
    fn ruby(&self) -> RubySettings {
        let config = &self.settings.config;
        RubySettings {
            callbacks: config.callbacks.clone(),
            seed: self.seed,
            job: Some(self.id.0.clone()),
            callback_timeout: config.callback_timeout,
            ..self.settings.ruby()
        }
    }

    /// Notes a step that ends now; returns when that is, which is when the next one begins.
    fn did(&mut self, step: &str, began: Instant) -> Instant {
        let now = Instant::now();
        self.trace.note(step, began, now);
        now
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

    /// The coverage of a job that ran to its end.
    fn coverage(
        &self,
        shares: Shares,
        wanted: Coverage,
        ending: &Ending,
        results: &Results,
    ) -> Option<Judged> {
        if !matches!(ending, Ending::Complete | Ending::FailFast) {
            return None;
        }
        let failed = status::of(ending, results, self.strict()) != exit::OK;
        let limit = self.settings.config.callback_timeout;
        let settings = RubySettings {
            coverage: wanted,
            ..self.ruby()
        };
        shares.judge(&settings, failed, limit, &self.signals)
    }

    fn after_job_finishes(&mut self, ending: &Ending) {
        let limit = match ending {
            Ending::Cancelled => CANCELLED_CALLBACK_LIMIT,
            Ending::Complete | Ending::FailFast => self.settings.config.callback_timeout,
            Ending::NoListener { .. }
            | Ending::HostsFailed { .. }
            | Ending::LocalListenerDied { .. }
            | Ending::BrokerGone
            | Ending::MessageTooLarge { .. }
            | Ending::NotBegun => return,
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

    /// Starts broker and listener of `--local`, where it is wanted.
    fn local(&mut self) -> Result<Option<(Local, bool)>, RunError> {
        let Some(slots) = self.args.local else {
            return Ok(None);
        };
        let slots = local_slots(slots);
        let in_place = !self.args.sync && self.settings.config.workspace == WorkspaceMode::Job;
        if in_place {
            gorgon_ruby::check_environment(&self.ruby()).map_err(LocalError::from)?;
        }
        let warm = self.warm(in_place);
        let local = Local::start(LocalPlan {
            root: self.settings.root.clone(),
            slots,
            in_place,
            host_name: self.settings.host_name(),
            keeper: warm.as_ref().map(|warm| warm.socket.clone()),
        })?;
        self.told = warm.map(|warm| warm.told);
        Ok(Some((local, in_place)))
    }

    /// Finds or starts who keeps the application warm, where that is wanted. Without it the run is as any other.
    fn warm(&mut self, in_place: bool) -> Option<Warm> {
        let config = &self.settings.config;
        if !self.args.warm && !config.warm {
            return None;
        }
        let possible = match in_place {
            true => warm::is_possible(),
            false => Err(Unwanted::Workspace),
        };
        if let Err(why) = possible {
            match why.is_detail() {
                true => self.screen.explain(&why.to_string()),
                false => self.screen.tell(&why.to_string()),
            }
            return None;
        }
        warm::begin(&self.settings.root, config.warm_limit)
            .inspect_err(|error| {
                self.screen
                    .tell(&format!("nothing is kept warm: {}", exit::chain(error)))
            })
            .ok()
    }

    fn job(&mut self, files: &mut Files) -> Result<Ended, RunError> {
        let (started, clock) = (SystemTime::now(), Instant::now());
        let local = self.local()?;
        let now = match local {
            Some(_) => self.did("local", clock),
            None => clock,
        };
        let cluster = match self.before_originate()? {
            Ok(cluster) => cluster.filter(|_| local.is_none()),
            Err(status) => return Ok(Ended::Early(status)),
        };
        let now = self.did("before_originate", now);
        self.place = self.settings.place(cluster.as_deref());
        let config = &self.settings.config;
        let target = local
            .as_ref()
            .map_or_else(|| self.settings.target(), |(local, ..)| local.target());
        let in_place = local.as_ref().is_some_and(|(_, in_place)| *in_place);
        let names = files.names();
        let mut job = Job {
            definition: JobDefinition {
                ways: files.ways.clone(),
                framework_options: std::mem::take(&mut files.framework_options),
                ..define(self.args, self.settings, &self.id, self.seed, &names)
            },
            cluster,
            secret: config.job_secret.clone().filter(|_| local.is_none()),
        };
        job.definition.items = u32::try_from(files.queued()).unwrap_or(u32::MAX);
        let setup = job.setup(&self.settings.host_name());
        let own = source::own_files(self.args, self.settings);
        let origin = match in_place {
            true => None,
            false => Some(source::begin(self.settings, &own, local.is_some())?),
        };
        let Some(session) = self.connect(&target, setup)? else {
            self.screen.say("cancelled before the job began");
            return Ok(Ended::Early(CANCELLED));
        };
        let now = self.did("connect", now);
        let served = if let Some(origin) = origin {
            let hosts = match local {
                Some(_) => Hosts::Local,
                None => Hosts::Network(session.local_address()),
            };
            let served = match source::offer(self.settings, &own, origin, hosts, &self.signals) {
                Ok(served) => served,
                Err(error) => {
                    discard(session, &job);
                    return Err(error.into());
                }
            };
            job.definition.sync = served.source.clone();
            for warning in &served.warnings {
                self.screen.say(&format!("warning: {warning}"));
            }
            for hint in &served.hints {
                self.screen.tell(hint);
            }
            Some(served)
        } else {
            job.definition.sync = Source {
                kind: SourceKind::InPlace,
                ..Source::default()
            };
            None
        };
        let now = self.did("source", now);
        let queued = files.queued();
        let planned = std::mem::take(&mut files.planned);
        let seconds = planned.iter().map(|it| it.sure_seconds()).collect();
        let work = work_of(planned);
        if self.stream.is_open() {
            self.stream.write(&json::job_started(&json::JobStarted {
                job: self.id.0.clone(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                seed: self.seed,
                items: queued,
                files: names,
            }));
        } else {
            drop(names);
        }
        // Before the items: what a broker that restarts now has confirmed of them is lost with it.
        session.publish(job.mark());
        session.declare_once(job.file_queue());
        let rules = Rules {
            retries: self.args.retries.unwrap_or(config.retries),
            fail_fast: self.args.fail_fast,
            gone_run_whole: self.args.selection.only_failures
                && self.args.framework_options.is_empty(),
            local: local.is_some(),
            wait_limit: self.args.wait,
            callback_limit: config.callback_timeout,
            cancel_limit: if local.is_some() {
                config.callback_timeout
            } else {
                CANCEL_LIMIT
            },
        };
        let results = Results::new(&work).told(std::mem::take(&mut files.beside));
        let mut ledger = Ledger::new(rules, work)
            .knowing(files.failing.clone())
            .bundling(seconds, files.slots);
        if !job.makes_bundles(self.args.fail_fast) {
            ledger = ledger.singly();
        }
        for message in ledger.publish_first() {
            session.publish(job.queued(&message));
        }
        session.publish(job.offer());
        let now = self.did("publish", now);
        if local.is_some() {
            Local::sweep();
        }
        if served.is_some() {
            serve::sweep();
        }
        let local = local.map(|(local, _)| local);
        let mut drive = Drive {
            job: &job,
            results,
            ledger,
            session: &session,
            target,
            local,
            signals: &self.signals,
            screen: &mut self.screen,
            stream: &mut self.stream,
            started: clock,
            taken: Vec::new(),
            back: false,
            coverage: Shares::default(),
            awaited: Awaited::begin(&self.place, self.args.wait),
            told: self.told.take().unwrap_or_else(crossbeam_channel::never),
        };
        let ending = drive.run();
        let limit = if ending == Ending::Cancelled {
            CANCEL_LIMIT
        } else {
            LOCAL_END_LIMIT
        };
        let (results, mut local, shares) = (drive.results, drive.local, drive.coverage);
        let now = self.did("hosts", now);
        if let Some(local) = &mut local {
            local.hang_up();
        }
        // Every host has said its last word: we take our leave while the listener takes its own.
        let mut session = Some(session);
        if ending == Ending::Complete
            && let Some(session) = session.take()
        {
            discard(session, &job);
        }
        if let Some(local) = &mut local {
            local.end_listener(limit);
        }
        drop(served);
        if let Some(session) = session {
            discard(session, &job);
        }
        // The local broker ends after who speaks with it.
        drop(local);
        let now = self.did("clean_up", now);
        let coverage = self.coverage(shares, job.definition.coverage, &ending, &results);
        let now = match coverage {
            Some(_) => self.did("coverage", now),
            None => now,
        };
        self.after_job_finishes(&ending);
        self.did("after_job_finishes", now);
        let job = JobFacts {
            started,
            elapsed: clock.elapsed(),
            seed: self.seed,
        };
        let status = self.report(&results, &ending, &job, files, coverage);
        Ok(Ended::Reported(status))
    }
}

/// Removes the queues of a job, and closes.
fn discard(session: Session, job: &Job) {
    session.delete_queue(&job.definition.file_queue_name);
    session.delete_queue(&job.definition.reply_queue_name);
    session.delete_queue(&names::originator_queue(job.id()));
    session.delete_queue(&names::mark_queue(job.id()));
    session.close(CLOSE_LIMIT);
}
