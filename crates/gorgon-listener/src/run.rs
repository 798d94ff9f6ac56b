//! The shell: one loop that waits for signals, the broker, the preparation and the manager, and
//! performs what `host_jobs` decides.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{io, thread};

use crossbeam_channel::{Receiver, at, bounded, never, select_biased};
use gorgon_broker::{
    Connections, Consume, Declare, Delivery, ExchangeKind, OpenError, Patience, Session, Setup,
    Target,
};
use gorgon_process::child::End;
use gorgon_process::exit::Hint;
use gorgon_process::logging::{self, LogError, LogFields};
use gorgon_process::orphan;
use gorgon_process::signals::{self, Signal};
use gorgon_proto::config::ListenerConfig;
use gorgon_proto::job::{JobDefinition, JobId, ListenerId};
use gorgon_proto::message::{self, Answer, Control, ToListener};
use gorgon_proto::{names, sign};
use log::{debug, error, info, warn};

use crate::admit::{Admission, Gate};
use crate::cli::Args;
use crate::config::{self, LoadError};
use crate::host_jobs::{Effect, Event, HostJobs, Unprepared};
use crate::manager::{Manager, Place};
use crate::prepare::{Order, Preparation, Ready};
use crate::voice::Voice;

/// A listener that is away for longer loses its queue, and with it the offers of meanwhile.
const QUEUE_EXPIRES: Duration = Duration::from_secs(60);
/// Offers and pings that wait in our memory.
const PREFETCH: u16 = 100;
/// How long the last replies may take.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// The listener cannot work.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] LoadError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The system gives no signals, threads or random numbers.
    #[error("set up the listener")]
    System(#[from] io::Error),
    /// The session with the broker.
    #[error(transparent)]
    Broker(#[from] OpenError),
}

impl Hint for RunError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Config(error) => error.hint(),
            Self::Log(error) => error.hint(),
            Self::System(_) => None,
            Self::Broker(error) => error.hint(),
        }
    }
}

/// Serves jobs until told to stop; returns the exit code.
///
/// # Errors
/// When it cannot begin.
pub fn run(args: &Args) -> Result<u8, RunError> {
    let loaded = config::load(args.config.as_deref())?;
    let host = loaded
        .config
        .host_name
        .clone()
        .unwrap_or_else(gorgon_process::host::hostname);
    logging::init(&LogFields {
        host: Some(host.clone()),
        file: loaded.config.log_file.clone(),
        ..LogFields::default()
    })?;
    for warning in &loaded.warnings {
        warn!("{warning}");
    }
    let signals = signals::listen(&[Signal::Term, Signal::Int, Signal::Hup])?;
    orphan::become_subreaper()?;
    let parent = if args.parent_pipe {
        end_of_stdin()?
    } else {
        never()
    };
    let mut shell = Shell::open(args.clone(), loaded.config, loaded.path, host)?;
    let code = shell.serve(&signals, parent);
    shell.session.close(CLOSE_LIMIT);
    info!("listener ended");
    Ok(code)
}

/// Returns a receiver that disconnects when stdin ends.
fn end_of_stdin() -> io::Result<Receiver<()>> {
    let (open, ended) = bounded(0);
    thread::Builder::new()
        .name("parent".to_owned())
        .spawn(move || {
            let mut byte = [0];
            while matches!(io::stdin().read(&mut byte), Ok(1..)) {}
            drop(open);
        })?;
    Ok(ended)
}

/// What a job needs while it is known here.
struct Offer {
    definition: JobDefinition,
    cancel_queue: String,
}

struct Shell {
    args: Args,
    config: ListenerConfig,
    config_path: PathBuf,
    target: Target,
    voice: Voice,
    session: Session,
    gate: Gate,
    jobs: HostJobs,
    offers: BTreeMap<JobId, Offer>,
    preparation: Option<(JobId, Preparation)>,
    ready: Option<Ready>,
    manager: Option<Manager>,
    /// What the effects led to, before anything else is waited for.
    soon: Vec<Event>,
}

impl Shell {
    fn open(
        args: Args,
        config: ListenerConfig,
        config_path: PathBuf,
        host: String,
    ) -> Result<Self, RunError> {
        let mut random = [0_u8; 4];
        getrandom::fill(&mut random).map_err(|e| io::Error::other(e.to_string()))?;
        let id = ListenerId(random.iter().map(|b| format!("{b:02x}")).collect());
        let queue = names::listener_queue(&host, &id);
        let cluster = config.cluster_id.as_deref();
        let jobs = names::jobs_exchange(cluster);
        let exchange = |name: String, kind| Declare::Exchange { name, kind };
        let setup = Setup {
            role: format!("gorgon-listener {host} {}", std::process::id()),
            declare: vec![
                exchange(jobs.clone(), ExchangeKind::Fanout),
                exchange(names::originators_exchange(cluster), ExchangeKind::Fanout),
                exchange(names::CONTROL_EXCHANGE.to_owned(), ExchangeKind::Direct),
                Declare::Queue {
                    name: queue.clone(),
                    exclusive: false,
                    auto_delete: false,
                    expires: Some(QUEUE_EXPIRES),
                },
                Declare::Bind {
                    queue: queue.clone(),
                    exchange: jobs,
                    key: String::new(),
                },
            ],
            consume: vec![Consume {
                queue: queue.clone(),
                prefetch: PREFETCH,
            }],
            connections: Connections::Two,
        };
        let target = Target::from(&config.connection);
        let session = Session::open_patiently(&target, setup, Patience::Forever)?;
        let cores =
            thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
        let slots = config.worker_slots.unwrap_or(cores);
        let secret = config.job_secret.as_ref().map(|s| s.0.clone());
        info!(queue = queue.as_str(), slots; "listener started");
        Ok(Self {
            gate: Gate::new(secret, args.in_place.is_some()),
            jobs: HostJobs::new(args.once),
            args,
            voice: Voice {
                host,
                id,
                queue,
                cluster: config.cluster_id.clone(),
                slots,
                next_tag: 0,
            },
            config_path,
            target,
            session,
            offers: BTreeMap::new(),
            preparation: None,
            ready: None,
            manager: None,
            config,
            soon: Vec::new(),
        })
    }

    fn serve(&mut self, signals: &Receiver<Signal>, mut parent: Receiver<()>) -> u8 {
        loop {
            let event = match self.soon.pop() {
                Some(event) => Some(event),
                None => self.wait(signals, &mut parent),
            };
            let Some(event) = event else { continue };
            debug!(event:? = event; "event");
            for effect in self.jobs.step(Instant::now(), event) {
                debug!(effect:? = effect; "effect");
                if let Some(code) = self.perform(effect) {
                    return code;
                }
            }
        }
    }

    fn wait(&mut self, signals: &Receiver<Signal>, parent: &mut Receiver<()>) -> Option<Event> {
        let timer = self.jobs.deadline().map_or_else(never, at);
        let prepared = self
            .preparation
            .as_ref()
            .map_or_else(never, |(_, p)| p.result.clone());
        let manager = self
            .manager
            .as_ref()
            .map_or_else(never, |m| m.child.end().clone());
        select_biased! {
            recv(signals) -> signal => {
                info!(signal = signal.map_or("none", Signal::short_name); "stopping");
                Some(Event::Stopped)
            },
            recv(parent) -> _ => {
                *parent = never();
                Some(Event::ParentGone)
            },
            recv(manager) -> end => Some(self.manager_ended(end.unwrap_or(End::Signaled(0)))),
            recv(prepared) -> result => Some(self.prepared(result.unwrap_or(Err(Unprepared::Aborted)))),
            recv(timer) -> _ => Some(Event::DeadlinePassed),
            recv(self.session.events()) -> event => match event {
                Ok(event) => self.heard(event),
                // It tries for ever; without its thread there is nothing left to serve.
                Err(_) => Some(Event::Stopped),
            },
        }
    }

    fn manager_ended(&mut self, end: End) -> Event {
        let said = self
            .manager
            .take()
            .map_or_else(String::new, |m| m.last_words());
        info!(end:% = end; "worker manager ended");
        Event::ManagerEnded(end, said)
    }

    fn prepared(&mut self, result: Result<Ready, Unprepared>) -> Event {
        let job = self
            .preparation
            .take()
            .map_or_else(|| JobId(String::new()), |(job, _)| job);
        let result = match result {
            Ok(ready) => {
                self.ready = Some(ready);
                Ok(())
            }
            Err(why) => {
                if let Unprepared::Failed(_, error) = &why {
                    error!(job:% = job, what = error.what.as_str(); "{}", error.message);
                }
                Err(why)
            }
        };
        Event::Prepared(job, result)
    }

    fn heard(&mut self, event: gorgon_broker::Event) -> Option<Event> {
        use gorgon_broker::Event as Heard;
        match event {
            Heard::Up => {
                info!(broker = self.target.address().as_str(); "connected to the broker");
                self.voice.announce(&self.session);
                None
            }
            Heard::Down { cause, retry_in } => {
                warn!(retry_in:? = retry_in; "no connection to the broker: {cause}");
                None
            }
            Heard::Delivery(delivery) => {
                self.session.ack(delivery.token);
                self.told(&delivery)
            }
            Heard::ConsumerEnded { queue, .. } if queue == self.voice.queue => {
                // Deleted by somebody, or expired while we were away: make it anew.
                warn!(queue = queue.as_str(); "our queue was deleted; declaring it again");
                self.session.consume(Consume {
                    queue,
                    prefetch: PREFETCH,
                });
                self.voice.announce(&self.session);
                None
            }
            Heard::Blocked { reason } => {
                warn!("the broker takes no messages: {reason}");
                None
            }
            Heard::ConsumerEnded { .. }
            | Heard::Confirmed { .. }
            | Heard::Unroutable { .. }
            | Heard::Drained { .. }
            | Heard::Unblocked => None,
            Heard::GaveUp { cause } => {
                error!("gave up the broker: {cause}");
                Some(Event::Stopped)
            }
        }
    }

    fn told(&mut self, delivery: &Delivery) -> Option<Event> {
        match message::read_to_listener(&delivery.body) {
            Ok(ToListener::Ping(ping)) => {
                self.voice
                    .pong(&self.session, ping.reply_queue_name, self.jobs.jobs());
                None
            }
            Ok(ToListener::Control(Control::CancelJob { job })) => Some(Event::Cancelled(job)),
            Ok(ToListener::Job(_)) => self.offered(delivery),
            // A definition of another version may not be readable; the gate names both.
            Err(_) if delivery.body.windows(14).any(|w| w == b"job_definition") => {
                self.offered(delivery)
            }
            Err(why) => {
                warn!(queue = delivery.queue.as_str(); "dropped a message that is none of ours: {why}");
                None
            }
        }
    }

    fn offered(&mut self, delivery: &Delivery) -> Option<Event> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs());
        let signature = delivery.headers.get(sign::HEADER).map(String::as_str);
        match self.gate.admit(&delivery.body, signature, now) {
            Admission::Admitted(definition) => {
                let job = definition.job.clone();
                info!(job:% = job, project = definition.project.as_str(), from = definition.originator_host.as_str(), items = definition.items; "job offered");
                if !self.offers.contains_key(&job) {
                    let cancel_queue =
                        names::manager_queue(&job, &format!("listener-{}", self.voice.id));
                    self.hear_cancels(&job, &cancel_queue);
                    self.offers.insert(
                        job.clone(),
                        Offer {
                            definition: *definition,
                            cancel_queue,
                        },
                    );
                }
                Some(Event::Offered(job))
            }
            Admission::Refused {
                job,
                reply_queue,
                reason,
            } => {
                warn!(job:% = job; "job refused: {reason}");
                self.voice
                    .answer(&self.session, &reply_queue, Answer::Refused, reason);
                None
            }
            Admission::Malformed(why) => {
                warn!("dropped a job definition: {why}");
                None
            }
        }
    }

    /// A cancel must reach us while the job waits or is prepared; later its manager hears it too.
    fn hear_cancels(&self, job: &JobId, queue: &str) {
        self.session.declare(vec![
            Declare::Queue {
                name: queue.to_owned(),
                exclusive: false,
                auto_delete: false,
                expires: Some(QUEUE_EXPIRES),
            },
            Declare::Bind {
                queue: queue.to_owned(),
                exchange: names::CONTROL_EXCHANGE.to_owned(),
                key: job.0.clone(),
            },
        ]);
        self.session.consume(Consume {
            queue: queue.to_owned(),
            prefetch: 1,
        });
    }

    fn perform(&mut self, effect: Effect) -> Option<u8> {
        match effect {
            Effect::Answer(job, answer, reason) => {
                if let Some(queue) = self.reply_queue(&job) {
                    self.voice.answer(&self.session, &queue, answer, reason);
                }
            }
            Effect::Prepare(job) => self.prepare(&job),
            Effect::AbortPreparation => {
                if let Some((_, preparation)) = &self.preparation {
                    preparation.abort();
                }
            }
            Effect::StartManager(job) => self.start_manager(&job),
            Effect::SignalManager(signal) => {
                if let Some(manager) = &self.manager {
                    manager.child.signal(signal);
                }
            }
            Effect::LetManagerGo => {
                if let Some(manager) = &mut self.manager {
                    manager.let_go();
                }
            }
            Effect::KillManager => {
                if let Some(manager) = &self.manager {
                    manager.child.signal_group(Signal::Kill);
                }
            }
            Effect::EndLeftovers => {
                let killed = orphan::kill_adopted();
                if !killed.is_empty() {
                    warn!(count = killed.len(); "killed processes that a worker manager left behind");
                }
            }
            Effect::ReportLeft(job, reason, error) => {
                if let Some(queue) = self.reply_queue(&job) {
                    self.voice.report_left(&self.session, &queue, reason, error);
                }
            }
            Effect::Clean(job) => {
                self.clean(&job);
                self.soon.push(Event::Cleaned(job));
            }
            Effect::Forget(job) => {
                if let Some(offer) = self.offers.remove(&job) {
                    self.session.delete_queue(&offer.cancel_queue);
                }
            }
            Effect::Exit(code) => return Some(code),
        }
        None
    }

    fn prepare(&mut self, job: &JobId) {
        let Some(offer) = self.offers.get(job) else {
            return;
        };
        let order = Order {
            job: offer.definition.clone(),
            target: self.target.clone(),
            in_place: self.args.in_place.clone(),
        };
        self.preparation = Some((job.clone(), Preparation::begin(order)));
    }

    fn start_manager(&mut self, job: &JobId) {
        let (Some(offer), Some(ready)) = (self.offers.get(job), &self.ready) else {
            return;
        };
        let place = Place {
            config: &self.config_path,
            listener_queue: &self.voice.queue,
            listener_id: &self.voice.id.0,
            host_name: &self.voice.host,
            slots: self.voice.slots,
            workspace: &ready.directory,
            in_place: self.args.in_place.is_some(),
            test_env_offset: self.args.test_env_offset,
            log_file: self.config.log_file.as_ref(),
        };
        match Manager::start(&offer.definition, &place) {
            Ok(manager) => {
                info!(job:% = job, pid = manager.child.pid(); "worker manager started");
                self.manager = Some(manager);
            }
            Err(error) => self.soon.push(Event::ManagerNotStarted(error)),
        }
    }

    fn clean(&mut self, job: &JobId) {
        drop(self.ready.take());
        info!(job:% = job; "done with the job");
    }

    fn reply_queue(&self, job: &JobId) -> Option<String> {
        self.offers
            .get(job)
            .map(|offer| offer.definition.reply_queue_name.clone())
    }
}
