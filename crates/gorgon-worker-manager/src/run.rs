//! The shell: the only place of the manager that waits, and the one that performs.

mod starts;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Select, never};
use gorgon_broker::Event as BrokerEvent;
use gorgon_process::child::End;
use gorgon_process::exit;
use gorgon_process::lease::Lease;
use gorgon_process::signals::{self, Signal};
use gorgon_process::{logging, orphan};
use gorgon_proto::job::{JobDefinition, SCHEMA, WorkspaceMode};
use gorgon_proto::local::{Began, ListenerLine, MANAGER_GONE, MANAGER_UNHEARD, WorkerLine};
use gorgon_proto::message::{HostError, LeaveReason};
use gorgon_ruby::{Callback, Preloader, PreloaderEvent};
use log::{debug, error, info, warn};

use crate::cli::Args;
use crate::event::{Effect, Event};
use crate::number::{Numbers, SCOPE_VARIABLE};
use crate::parent;
use crate::replies::Replies;
use crate::ruby;
use crate::sockets::Sockets;
use crate::start::{RunError, target};
use crate::supervise::Supervisor;
use crate::trace::JobTrace;
use crate::worker::Worker;

/// Runs a job on this host to its end; returns the exit code. `keeper`: the socket of who keeps the application warm.
///
/// # Errors
/// When it cannot begin.
pub fn run(args: &Args, keeper: Option<PathBuf>) -> Result<u8, RunError> {
    let begun = Instant::now();
    logging::init(&args.log_fields())?;
    let system = |what| move |source| RunError::System { what, source };
    let signals = signals::listen(&[Signal::Int, Signal::Term, Signal::Hup, Signal::Child])
        .map_err(system("listen to signals"))?;
    orphan::become_subreaper().map_err(system("become a subreaper"))?;
    // A listener that starts anew must not remove the workspace while a dying job still ends there.
    let _lease = Lease::join(&args.workspace).map_err(system("hold the workspace"))?;
    let (definition, parent) = parent::meet()?;
    if definition.schema != SCHEMA {
        return Err(RunError::Schema {
            theirs: definition.schema,
        });
    }
    let target = target(&args.config)?;
    let sockets = Sockets::make(args.run_dir.as_deref())
        .map_err(system("make a directory for the preloaders' sockets"))?;
    let replies = Replies::open(args, target, &definition.reply_exchange)?;
    let mut slots = args.slots.clone();
    slots.truncate(definition.most_slots() as usize);
    let callback_limit = definition.callback_limit();
    let own_preloaders = definition.workspace == WorkspaceMode::Slot;
    info!(target: "gorgon::manager", slots:?, workspace:% = args.workspace.display(); "job begins");
    let (supervisor, first) =
        Supervisor::begin(Instant::now(), &slots, own_preloaders, callback_limit);
    let shell = Shell {
        args,
        supervisor,
        keeper: keeper.filter(|_| args.in_place && !own_preloaders),
        definition,
        callback_limit,
        replies,
        sockets,
        preloaders: BTreeMap::new(),
        workers: BTreeMap::new(),
        numbers: Numbers::of(&std::env::var(SCOPE_VARIABLE).unwrap_or_default()),
        caused: Vec::new(),
        signals,
        has_parent: parent.is_some(),
        parent: parent.unwrap_or_else(never),
        parent_gone: false,
        trace: JobTrace::begin(begun),
    };
    Ok(shell.run(first))
}

struct Running {
    preloader: Preloader,
    socket: PathBuf,
}

struct Shell<'a> {
    args: &'a Args,
    supervisor: Supervisor,
    /// Asked for the first preloader, and for no other.
    keeper: Option<PathBuf>,
    definition: JobDefinition,
    callback_limit: Duration,
    replies: Replies,
    sockets: Sockets,
    preloaders: BTreeMap<u32, Running>,
    workers: BTreeMap<u32, Worker>,
    numbers: Numbers,
    /// Events that effects have caused at once, latest last.
    caused: Vec<Event>,
    signals: Receiver<Signal>,
    parent: Receiver<ListenerLine>,
    has_parent: bool,
    parent_gone: bool,
    trace: JobTrace,
}

impl Shell<'_> {
    fn run(mut self, first: Vec<Effect>) -> u8 {
        let mut effects = first;
        loop {
            for effect in effects {
                debug!(target: "gorgon::manager", effect:?; "effect");
                self.trace.performs(Instant::now(), &effect);
                if let Effect::Leave(reason, error) = effect {
                    return self.leave(reason, error);
                }
                self.perform(effect);
            }
            let events = if self.caused.is_empty() {
                self.wait()
            } else {
                std::mem::take(&mut self.caused)
            };
            effects = Vec::new();
            for event in events {
                debug!(target: "gorgon::manager", event:?; "event");
                self.trace.hears(Instant::now(), &event);
                effects.extend(self.supervisor.step(Instant::now(), event));
            }
        }
    }

    /// Waits for whatever comes first; what is urgent stands first.
    fn wait(&mut self) -> Vec<Event> {
        let ends: Vec<(u32, Receiver<End>)> = self
            .workers
            .iter()
            .map(|(slot, w)| (*slot, w.end().clone()))
            .collect();
        let preloaders: Vec<(u32, Receiver<PreloaderEvent>)> = self
            .preloaders
            .iter()
            .map(|(no, p)| (*no, p.preloader.events().clone()))
            .collect();
        let lines: Vec<_> = self
            .workers
            .iter()
            .map(|(slot, w)| (*slot, w.lines().clone()))
            .collect();
        let (broker, looks) = (self.replies.events().clone(), self.replies.looks().clone());
        let mut select = Select::new_biased();
        let signals = select.recv(&self.signals);
        let parent = select.recv(&self.parent);
        let first_preloader = parent + 1;
        for (_, events) in &preloaders {
            select.recv(events);
        }
        let first_end = first_preloader + preloaders.len();
        for (_, end) in &ends {
            select.recv(end);
        }
        let broker_at = select.recv(&broker);
        let look_at = select.recv(&looks);
        let first_line = look_at + 1;
        for (_, line) in &lines {
            select.recv(line);
        }
        let far = Instant::now() + Duration::from_secs(3600);
        let due = self
            .supervisor
            .deadline()
            .into_iter()
            .chain(self.replies.deadline())
            .min()
            .unwrap_or(far);
        let Ok(ready) = select.select_deadline(due) else {
            let now = Instant::now();
            self.replies.resend(now);
            let passed = self.supervisor.deadline().is_some_and(|at| at <= now);
            return if passed {
                vec![Event::DeadlinePassed]
            } else {
                Vec::new()
            };
        };
        let index = ready.index();
        if index == signals {
            return self.signalled(ready.recv(&self.signals).ok());
        }
        if index == parent {
            match ready.recv(&self.parent) {
                Ok(ListenerLine::Grant { slot }) => return vec![Event::Granted(slot)],
                Ok(ListenerLine::Recall { slot }) => return vec![Event::Recalled(slot)],
                Ok(ListenerLine::Trace { steps }) => {
                    self.trace.follows(steps);
                    return Vec::new();
                }
                Err(_) => {}
            }
            self.parent = never();
            self.parent_gone = true;
            warn!(target: "gorgon::manager", "the listener is gone");
            return vec![Event::ParentGone];
        }
        if index == broker_at {
            return match ready.recv(&broker) {
                Ok(BrokerEvent::Up) => {
                    self.trace.connected(Instant::now());
                    Vec::new()
                }
                Ok(event) => self.replies.event(event).into_iter().collect(),
                Err(_) => vec![self.replies.ended()],
            };
        }
        if index == look_at {
            return ready.recv(&looks).into_iter().collect();
        }
        if index >= first_line {
            let (slot, line) = &lines[index - first_line];
            return ready
                .recv(line)
                .map(|line| Event::WorkerSaid(*slot, line))
                .into_iter()
                .collect();
        }
        if index >= first_end {
            let (slot, end) = &ends[index - first_end];
            let end = ready
                .recv(end)
                .unwrap_or(End::Signaled(Signal::Kill.number()));
            return self.worker_ended(*slot, end);
        }
        let (no, events) = &preloaders[index - first_preloader];
        let ended = || PreloaderEvent::Ended {
            end: End::Signaled(Signal::Kill.number()),
            output: String::new(),
        };
        let said = ready.recv(events).unwrap_or_else(|_| ended());
        self.preloader_said(*no, said)
    }

    fn signalled(&mut self, signal: Option<Signal>) -> Vec<Event> {
        match signal {
            Some(Signal::Child) => {
                for (pid, end) in orphan::reap_adopted() {
                    debug!(target: "gorgon::manager", pid, end:%; "an adopted process ended");
                }
                Vec::new()
            }
            Some(Signal::Term) => vec![Event::Stopped],
            Some(_) => vec![Event::Cancelled],
            None => {
                self.signals = never();
                Vec::new()
            }
        }
    }

    fn worker_ended(&mut self, slot: u32, end: End) -> Vec<Event> {
        let Some(worker) = self.workers.remove(&slot) else {
            return Vec::new();
        };
        self.numbers.give_free(slot);
        info!(target: "gorgon::manager", slot, pid = worker.pid(), end:%; "worker ended");
        let mut last = worker.last_words();
        let noted = worker.take_note();
        if let Some(Began { start, in_bundle }) = noted.began {
            last.push(WorkerLine::Item {
                item: start.item,
                in_bundle,
            });
            // Who was killed may not have told it: the originator hears it before the death, as if from the worker.
            if matches!(end, End::Signaled(_)) {
                self.replies.start(start);
            }
        }
        if noted.ends_child && !self.supervisor.is_leaving() {
            self.replies.end_unseen(slot, end);
        }
        let last = last.into_iter().map(|line| Event::WorkerSaid(slot, line));
        last.chain([Event::WorkerEnded(slot, end)]).collect()
    }

    fn preloader_said(&mut self, no: u32, said: PreloaderEvent) -> Vec<Event> {
        match said {
            PreloaderEvent::Ready { .. } => {
                info!(target: "gorgon::manager", preloader = no; "preloader ready");
                vec![Event::PreloaderReady(no)]
            }
            PreloaderEvent::CallbackDone(_) => vec![Event::CallbackDone(no)],
            PreloaderEvent::CallbackFailed(failure) => {
                let callback = failure.callback;
                let error = ruby::host_error(failure);
                error!(target: "gorgon::manager", what:% = error.what; "{}", error.message);
                match callback {
                    Some(Callback::AfterCreatingWorkers) => vec![Event::CallbackFailed(no, error)],
                    Some(_) | None => vec![Event::PreloaderFailed(
                        no,
                        LeaveReason::CallbackFailed,
                        error,
                    )],
                }
            }
            PreloaderEvent::Refused(refusal) => {
                let error = ruby::refused(refusal);
                error!(target: "gorgon::manager", what:% = error.what; "{}", error.message);
                vec![Event::PreloaderFailed(no, LeaveReason::Refused, error)]
            }
            PreloaderEvent::Declined { why } => {
                info!(target: "gorgon::manager", preloader = no, why; "nothing is kept warm for us");
                self.preloaders.remove(&no);
                self.start_preloader(no);
                Vec::new()
            }
            PreloaderEvent::Ended { end, output } => {
                self.preloaders.remove(&no);
                info!(target: "gorgon::manager", preloader = no, end:%; "preloader ended");
                vec![Event::PreloaderEnded(no, end, output)]
            }
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::StartPreloader(no) => self.start_preloader(no),
            Effect::RunAfterCreatingWorkers(no) => {
                if let Some(running) = self.preloaders.get(&no) {
                    running
                        .preloader
                        .run_callback(Callback::AfterCreatingWorkers);
                }
            }
            Effect::StopPreloader(no) => {
                if let Some(running) = self.preloaders.get(&no) {
                    running.preloader.stop();
                }
            }
            Effect::InterruptPreloader(no) => {
                if let Some(running) = self.preloaders.get(&no) {
                    running.preloader.interrupt();
                }
            }
            Effect::KillPreloader(no) => {
                if let Some(running) = self.preloaders.get(&no) {
                    warn!(target: "gorgon::manager", preloader = no; "the preloader does not answer, and is killed");
                    running.preloader.kill();
                }
            }
            Effect::StartWorker { slot, preloader } => self.start_worker(slot, preloader),
            Effect::SignalWorker(slot, signal) => {
                if let Some(worker) = self.workers.get(&slot) {
                    worker.signal(signal);
                }
            }
            Effect::Join(slots) => self.replies.join(slots),
            Effect::TellDeath { slot, pid, end } => {
                warn!(target: "gorgon::manager", slot, pid, end; "worker died");
                self.replies.death(slot, pid, end);
            }
            Effect::Warn(text) => {
                warn!(target: "gorgon::manager", "{text}");
                self.replies.warn(text);
            }
            Effect::TellSlots(slots, ended) => self.replies.slots(slots, &ended),
            Effect::Tell(line) => {
                if self.has_parent {
                    parent::tell(&line);
                }
            }
            Effect::Look => self.replies.look(),
            Effect::LookAtFiles => self.replies.look_at_files(),
            Effect::Leave(..) => {}
        }
    }

    /// Ends what is left, says good-bye, and gives the exit code.
    fn leave(mut self, reason: LeaveReason, error: Option<HostError>) -> u8 {
        self.workers.clear();
        self.preloaders.clear();
        let left = orphan::kill_adopted();
        if !left.is_empty() {
            info!(target: "gorgon::manager", left:?; "processes that were left behind are killed");
        }
        info!(target: "gorgon::manager", reason:?; "job ends here");
        let trace = self.trace.end(Instant::now());
        let heard = self.replies.leave(reason, error, trace);
        if self.parent_gone {
            MANAGER_GONE
        } else if !heard {
            MANAGER_UNHEARD
        } else if reason == LeaveReason::Orphaned {
            MANAGER_GONE
        } else {
            exit::OK
        }
    }
}
