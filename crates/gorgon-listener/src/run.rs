//! The shell: one loop that waits for signals, the broker, the preparations and the managers, and
//! performs what `host` decides.

mod effects;
mod error;
mod messages;
mod serving;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Select, TryRecvError, bounded, never};
use gorgon_broker::{Event as BrokerEvent, Patience, Session, Target};
use gorgon_process::logging::{self, LogFields};
use gorgon_process::signals::{self, Signal};
use gorgon_process::{exit, orphan};
use gorgon_proto::config::ListenerConfig;
use gorgon_proto::hex;
use gorgon_proto::job::{JobDefinition, JobId, ListenerId};
use gorgon_proto::names;
use gorgon_proto::sign::ReplayMemory;
use log::{debug, info, warn};

pub use error::RunError;

use crate::admit::Gate;
use crate::cli::Args;
use crate::config::{self, CACHE_LIMIT_BYTES};
use crate::host::{self, Host};
use crate::host_job;
use crate::prepare::Place;
use crate::replays::Replays;
use crate::sweep;
use crate::topology;
use crate::voice::Voice;
use serving::{JobWake, Serving, Source};

/// How long the last messages may take to reach the broker.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

/// Serves jobs until told to stop; returns the exit code. `broker_url` wins over the `connection`
/// of the configuration.
///
/// # Errors
/// When it cannot begin.
pub fn run(args: &Args, broker_url: Option<&str>) -> Result<u8, RunError> {
    let loaded = config::load(args.config.as_deref(), broker_url)?;
    let config = loaded.config;
    let host_name = config
        .host_name
        .clone()
        .unwrap_or_else(gorgon_process::host::hostname);
    logging::init(&LogFields {
        host: Some(host_name.clone()),
        file: config.log_file.clone(),
        ..LogFields::default()
    })?;
    for warning in loaded.warnings {
        warn!(target: "gorgon::listener", "{warning}");
    }
    let own_directory = loaded
        .path
        .as_deref()
        .and_then(Path::parent)
        .map(Path::to_owned);
    let place = place(args, &config, loaded.path)?;
    let signals = signals::listen(&[Signal::Term, Signal::Int, Signal::Hup])?;
    // What a dead manager leaves falls to us, and is ended by us.
    orphan::become_subreaper()?;
    let parent = if args.parent_pipe || args.in_place.is_some() {
        end_of_stdin()?
    } else {
        never()
    };
    if let Place::Workspace { workspaces, .. } = &place {
        sweep::begin(workspaces)?;
    }
    let (replays, memory) = replays(&config)?;
    let voice = voice(&config, host_name)?;
    let target = Target::from(&config.connection);
    let session = Session::open_patiently(&target, topology::setup(&voice), Patience::Forever)?;
    info!(
        target: "gorgon::listener",
        id:% = voice.id, slots = voice.slots, broker = target.address();
        "listener started"
    );
    let code = Shell {
        serving: BTreeMap::new(),
        definitions: BTreeMap::new(),
        answers: BTreeMap::new(),
        soon: VecDeque::new(),
        down: false,
        host: Host::new(args.once, voice.slots),
        gate: Gate::new(
            config.job_secret.as_ref().map(|secret| secret.0.clone()),
            args.in_place.is_some(),
            memory,
        ),
        replays,
        place,
        log_file: config.log_file,
        voice,
        session,
    }
    .serve(&signals, parent.clone());
    if parent.try_recv() == Err(TryRecvError::Disconnected) {
        remove_private_directory(own_directory.as_deref());
    }
    code
}

/// Opens the memory of used signatures, where signatures are asked for.
fn replays(config: &ListenerConfig) -> Result<(Option<Replays>, ReplayMemory), RunError> {
    if config.job_secret.is_none() {
        return Ok((None, ReplayMemory::default()));
    }
    let (_, cache) = config::directories(config);
    let opened = Replays::open(&cache, unix_s());
    let (replays, memory) = opened.map_err(|source| RunError::Replays {
        path: cache,
        source,
    })?;
    Ok((Some(replays), memory))
}

fn place(args: &Args, config: &ListenerConfig, path: Option<PathBuf>) -> Result<Place, RunError> {
    let Some(directory) = &args.in_place else {
        let (workspaces, cache) = config::directories(config);
        return Ok(Place::Workspace {
            workspaces,
            cache,
            cache_limit_bytes: config.cache_limit_bytes.unwrap_or(CACHE_LIMIT_BYTES),
            connection: Box::new(config.connection.clone()),
        });
    };
    let unusable = |source| RunError::Directory {
        path: directory.clone(),
        source,
    };
    Ok(Place::InPlace {
        directory: directory.canonicalize().map_err(unusable)?,
        config: path.ok_or(RunError::NoFile)?,
    })
}

fn voice(config: &ListenerConfig, host: String) -> Result<Voice, RunError> {
    let mut random = [0_u8; 4];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let id = ListenerId(hex::encode(&random));
    let cores = thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1));
    Ok(Voice {
        queue: names::listener_queue(&host, &id),
        host,
        id,
        cluster: config.cluster_id.clone(),
        slots: config.worker_slots.unwrap_or(cores),
        next_tag: 0,
        sent: BTreeMap::new(),
    })
}

/// Removes what our originator made for us, in case that it was killed and cannot.
fn remove_private_directory(directory: Option<&Path>) {
    let private = |path: &&Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(names::LOCAL_DIRECTORY_PREFIX)
    };
    if let Some(path) = directory.filter(private) {
        // It may be at the same work itself.
        let _ = std::fs::remove_dir_all(path);
    }
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

/// What the loop holds. What serves jobs comes first: it ends before the session.
struct Shell {
    serving: BTreeMap<JobId, Serving>,
    definitions: BTreeMap<JobId, JobDefinition>,
    /// Answers under way, by tag: one that no queue takes says that its originator has ended.
    answers: BTreeMap<u64, JobId>,
    /// What effects led to, before anything else is waited for.
    soon: VecDeque<(JobId, host_job::Event)>,
    down: bool,
    host: Host,
    gate: Gate,
    /// None where no signature is asked for.
    replays: Option<Replays>,
    place: Place,
    log_file: Option<PathBuf>,
    voice: Voice,
    session: Session,
}

/// What woke the loop.
enum Wake {
    Signal(Signal),
    ParentGone,
    Job(JobId, JobWake),
    Deadline,
    Broker(BrokerEvent),
    /// A thread that never ends has ended.
    Broken,
}

impl Shell {
    fn serve(
        mut self,
        signals: &Receiver<Signal>,
        mut parent: Receiver<()>,
    ) -> Result<u8, RunError> {
        let mut orphaned = false;
        loop {
            let event = match self.soon.pop_front() {
                Some((job, event)) => Some(host::Event::Job(job, event)),
                None => match self.wait(signals, &parent) {
                    Wake::Broken => return Err(RunError::Broken),
                    Wake::Broker(BrokerEvent::GaveUp { cause }) => {
                        return Err(RunError::GaveUp(cause));
                    }
                    Wake::Broker(BrokerEvent::ConsumerRefused { queue, said })
                        if queue == self.voice.queue =>
                    {
                        return Err(RunError::Deaf { queue, said });
                    }
                    Wake::ParentGone => {
                        // Disconnected, it would be ready for ever.
                        parent = never();
                        orphaned = true;
                        Some(host::Event::InputEnded)
                    }
                    wake => self.event(wake),
                },
            };
            let Some(event) = event else { continue };
            debug!(target: "gorgon::listener", event:?; "event");
            for effect in self.host.step(Instant::now(), event) {
                debug!(target: "gorgon::listener", effect:?; "effect");
                if effect == host::Effect::Exit {
                    if !orphaned {
                        // With its originator the broker is gone, and whoever would listen.
                        self.session.close(CLOSE_LIMIT);
                    }
                    info!(target: "gorgon::listener", "listener ended");
                    return Ok(exit::OK);
                }
                self.perform(effect);
            }
        }
    }

    /// Waits for whatever comes first; what is urgent stands first.
    fn wait(&self, signals: &Receiver<Signal>, parent: &Receiver<()>) -> Wake {
        let broker = self.session.events();
        let mut select = Select::new_biased();
        let signal_at = select.recv(signals);
        let parent_at = select.recv(parent);
        let sources: Vec<(&JobId, Source<'_>)> = self
            .serving
            .iter()
            .flat_map(|(job, serving)| serving.sources().map(move |source| (job, source)))
            .collect();
        let first = parent_at + 1;
        for (_, source) in &sources {
            source.add_to(&mut select);
        }
        let broker_at = select.recv(broker);
        let due = self.host.deadline();
        let ready = match due {
            Some(due) => select.select_deadline(due),
            None => Ok(select.select()),
        };
        let Ok(ready) = ready else {
            return Wake::Deadline;
        };
        let index = ready.index();
        if index == signal_at {
            return ready.recv(signals).map_or(Wake::Broken, Wake::Signal);
        }
        if index == parent_at {
            // Only its end is news.
            let _ = ready.recv(parent);
            return Wake::ParentGone;
        }
        if index == broker_at {
            return ready.recv(broker).map_or(Wake::Broken, Wake::Broker);
        }
        let (job, source) = &sources[index - first];
        Wake::Job((*job).clone(), source.take(ready))
    }

    /// Turns what woke the loop into an event of the core.
    fn event(&mut self, wake: Wake) -> Option<host::Event> {
        match wake {
            Wake::Signal(signal) => {
                info!(target: "gorgon::listener", signal = signal.short_name(); "told to stop");
                Some(host::Event::Stopped)
            }
            Wake::Broker(event) => self.broker(event),
            Wake::Job(job, wake) => self.job_event(job, wake),
            Wake::Deadline => Some(host::Event::DeadlinePassed),
            Wake::ParentGone | Wake::Broken => None,
        }
    }
}

/// Seconds since 1970, for signatures.
fn unix_s() -> u64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
