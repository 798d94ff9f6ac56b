//! One job on one host, pure: preloaders, the worker of each slot, and when it is over.
//!
//! ```text
//!   Running ── all slots have ended, or a reason to leave ──▶ Stopping (workers end)
//!      Stopping ── no worker left ──▶ Closing (after_creating_workers, preloaders end) ──▶ Done
//!
//!   preloader: Starting ─▶ Ready ─▶ Closing ─▶ Gone     (died: once more Starting, then Gone)
//!   slot:      Waiting ─▶ Running ─▶ Over | Out          (died: Waiting again, thrice at most)
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gorgon_process::child::End;
use gorgon_process::exit;
use gorgon_process::signals::Signal;
use gorgon_proto::item::ItemId;
use gorgon_proto::local::{WORKER_CALLBACK_FAILED, WORKER_PRELOADER_LOST, WorkerLine};
use gorgon_proto::message::{HostError, LeaveReason};

use crate::deaths::Deaths;
use crate::lookout::{Look, Lookout};

/// How long workers may take to end after a cancel: the rungs of their children, five seconds for
/// after_complete, and the last messages.
pub const CANCEL_LIMIT: Duration = Duration::from_secs(12);
/// How long they may take to hand back what runs.
pub const HAND_BACK_LIMIT: Duration = Duration::from_secs(20);
/// How long they may take when nobody is left above us.
pub const PARENT_GONE_LIMIT: Duration = Duration::from_secs(1);
/// How long after_creating_workers may take once the job is cancelled.
pub const CANCELLED_CALLBACK_LIMIT: Duration = Duration::from_secs(5);
/// How long a preloader may take to end.
pub const PRELOADER_END_LIMIT: Duration = Duration::from_secs(5);
/// A worker says that its preloader died: for so long we wait to hear it too.
pub const PRELOADER_NEWS_LIMIT: Duration = Duration::from_secs(2);

/// What happened. A preloader is named by a number: 0, or its slot where each slot has its own.
#[derive(Debug, Clone)]
pub enum Event {
    /// A preloader has run before_creating_workers and listens.
    PreloaderReady(u32),
    /// A preloader cannot be had: Ruby is missing, a callback raised or took too long.
    PreloaderFailed(u32, LeaveReason, HostError),
    /// A preloader ended.
    PreloaderEnded(u32, End, String),
    /// after_creating_workers is done in it.
    CallbackDone(u32),
    /// after_creating_workers raised in it, or took too long.
    CallbackFailed(u32, HostError),
    /// The worker of a slot was started.
    WorkerStarted(u32, u32),
    /// The worker of a slot could not be started.
    WorkerNotStarted(u32, HostError),
    /// The worker of a slot says something.
    WorkerSaid(u32, WorkerLine),
    /// The worker of a slot ended.
    WorkerEnded(u32, End),
    /// The job is cancelled.
    Cancelled,
    /// The listener stops (TERM).
    Stopped,
    /// The listener is gone.
    ParentGone,
    /// The connection is lost.
    BrokerDown,
    /// No broker for too long.
    BrokerGaveUp,
    /// A look at the reply queue is done.
    Looked(Look),
    /// The instant of [`Supervisor::deadline`] has come.
    DeadlinePassed,
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start a preloader.
    StartPreloader(u32),
    /// Have it run after_creating_workers.
    RunAfterCreatingWorkers(u32),
    /// End it.
    StopPreloader(u32),
    /// Start the worker of a slot on a preloader.
    StartWorker {
        /// The slot.
        slot: u32,
        /// The preloader's number.
        preloader: u32,
    },
    /// Signal the worker of a slot, or with KILL its whole group.
    SignalWorker(u32, Signal),
    /// Tell the originator that the host joins, with these slots.
    Join(Vec<u32>),
    /// Tell the originator that a slot's worker of this pid died.
    TellDeath {
        /// The slot.
        slot: u32,
        /// The worker's pid.
        pid: u32,
        /// How it ended.
        end: String,
    },
    /// Warn the user.
    Warn(String),
    /// Look at the reply queue.
    Look,
    /// End what is left of the job's processes, say `host_left`, and exit.
    Leave(LeaveReason, Option<HostError>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PreloaderState {
    Starting,
    Ready,
    Closing,
    Ending,
    Gone,
}

#[derive(Debug)]
struct Preloader {
    state: PreloaderState,
    restarted: bool,
    limit_at: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum SlotState {
    /// Its preloader is not ready.
    Waiting,
    /// Its worker is being started, or runs.
    Running { pid: Option<u32> },
    /// Its worker says that the preloader died: we wait to hear it too.
    Doubting { pid: Option<u32>, until: Instant },
    /// Its worker ended in order.
    Over,
    /// It left the job before its time.
    Out,
}

#[derive(Debug)]
struct Slot {
    preloader: u32,
    state: SlotState,
    item: Option<ItemId>,
    deaths: Deaths,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping,
    Closing,
    Done,
}

/// The core of a manager.
#[derive(Debug)]
pub struct Supervisor {
    phase: Phase,
    preloaders: BTreeMap<u32, Preloader>,
    slots: BTreeMap<u32, Slot>,
    callback_limit: Duration,
    joined: bool,
    lookout: Lookout,
    leaving: Option<LeaveReason>,
    /// Why slots left before their time: the first reason stands.
    fault: Option<(LeaveReason, HostError)>,
    kill_at: Option<Instant>,
}

impl Supervisor {
    /// Begins a job with these slots, each with a preloader of its own or all with one; returns
    /// what to do first.
    #[must_use]
    pub fn begin(
        now: Instant,
        slots: &[u32],
        own_preloaders: bool,
        callback_limit: Duration,
    ) -> (Self, Vec<Effect>) {
        let preloader_of = |slot: u32| if own_preloaders { slot } else { 0 };
        let slots: BTreeMap<u32, Slot> = slots
            .iter()
            .map(|slot| {
                let preloader = preloader_of(*slot);
                (
                    *slot,
                    Slot {
                        preloader,
                        state: SlotState::Waiting,
                        item: None,
                        deaths: Deaths::default(),
                    },
                )
            })
            .collect();
        let preloaders: BTreeMap<u32, Preloader> = slots
            .values()
            .map(|slot| {
                (
                    slot.preloader,
                    Preloader {
                        state: PreloaderState::Starting,
                        restarted: false,
                        limit_at: None,
                    },
                )
            })
            .collect();
        let mut effects: Vec<Effect> = preloaders
            .keys()
            .map(|no| Effect::StartPreloader(*no))
            .collect();
        let mut supervisor = Self {
            phase: Phase::Running,
            preloaders,
            slots,
            callback_limit,
            joined: false,
            lookout: Lookout::begin(now),
            leaving: None,
            fault: None,
            kill_at: None,
        };
        supervisor.advance(now, &mut effects);
        (supervisor, effects)
    }

    /// Takes one event at `now` and tells what to do about it.
    pub fn step(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        let mut out = Vec::new();
        if self.phase == Phase::Done {
            return out;
        }
        match event {
            Event::PreloaderReady(no) => self.preloader_ready(no, &mut out),
            Event::PreloaderFailed(no, reason, error) => {
                self.preloader_failed(no, reason, error, &mut out)
            }
            Event::PreloaderEnded(no, end, output) => {
                self.preloader_ended(no, end, output, &mut out)
            }
            Event::CallbackDone(no) => self.end_preloader(now, no, &mut out),
            Event::CallbackFailed(no, error) => {
                self.fault
                    .get_or_insert((LeaveReason::CallbackFailed, error));
                self.end_preloader(now, no, &mut out);
            }
            Event::WorkerStarted(slot, pid) => self.worker_started(slot, pid),
            Event::WorkerNotStarted(slot, error) => {
                self.slot_out(slot, LeaveReason::WorkersFailed, Some(error))
            }
            Event::WorkerSaid(slot, line) => self.worker_said(slot, line),
            Event::WorkerEnded(slot, end) => self.worker_ended(now, slot, end, &mut out),
            Event::Cancelled => self.leave(
                now,
                LeaveReason::Cancelled,
                Signal::Int,
                CANCEL_LIMIT,
                &mut out,
            ),
            Event::Stopped => self.leave(
                now,
                LeaveReason::Stopped,
                Signal::Term,
                HAND_BACK_LIMIT,
                &mut out,
            ),
            Event::ParentGone => self.leave(
                now,
                LeaveReason::Lost,
                Signal::Term,
                PARENT_GONE_LIMIT,
                &mut out,
            ),
            Event::BrokerDown => self.lookout.broken(),
            Event::BrokerGaveUp => self.leave(
                now,
                LeaveReason::Orphaned,
                Signal::Int,
                CANCEL_LIMIT,
                &mut out,
            ),
            Event::Looked(look) => {
                if self.lookout.found(now, look) {
                    self.leave(
                        now,
                        LeaveReason::Orphaned,
                        Signal::Int,
                        CANCEL_LIMIT,
                        &mut out,
                    );
                }
            }
            Event::DeadlinePassed => self.deadline_passed(now, &mut out),
        }
        self.advance(now, &mut out);
        out
    }

    /// Returns when `DeadlinePassed` is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.phase == Phase::Done {
            return None;
        }
        let doubts = self.slots.values().filter_map(|slot| match slot.state {
            SlotState::Doubting { until, .. } => Some(until),
            SlotState::Waiting | SlotState::Running { .. } | SlotState::Over | SlotState::Out => {
                None
            }
        });
        let limits = self.preloaders.values().filter_map(|p| p.limit_at);
        doubts
            .chain(limits)
            .chain(self.lookout.deadline())
            .chain(self.kill_at)
            .min()
    }

    fn deadline_passed(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.lookout.take_due(now) {
            out.push(Effect::Look);
        }
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            out.extend(
                self.running()
                    .map(|slot| Effect::SignalWorker(slot, Signal::Kill)),
            );
        }
        let doubted: Vec<(u32, Option<u32>)> = self
            .slots
            .iter()
            .filter_map(|(no, slot)| match slot.state {
                SlotState::Doubting { pid, until } if until <= now => Some((*no, pid)),
                SlotState::Doubting { .. }
                | SlotState::Waiting
                | SlotState::Running { .. }
                | SlotState::Over
                | SlotState::Out => None,
            })
            .collect();
        for (slot, pid) in doubted {
            self.worker_died(slot, pid, "its preloader did not answer".to_owned(), out);
        }
        let overdue: Vec<u32> = self
            .preloaders
            .iter()
            .filter(|(_, p)| p.limit_at.is_some_and(|at| at <= now))
            .map(|(no, _)| *no)
            .collect();
        for no in overdue {
            self.preloader_overdue(now, no, out);
        }
    }

    fn preloader_overdue(&mut self, now: Instant, no: u32, out: &mut Vec<Effect>) {
        let Some(preloader) = self.preloaders.get_mut(&no) else {
            return;
        };
        preloader.limit_at = None;
        match preloader.state {
            PreloaderState::Closing => {
                if self.leaving != Some(LeaveReason::Cancelled) {
                    let error = HostError {
                        what: "after_creating_workers".to_owned(),
                        message: format!(
                            "took longer than its limit of {} s",
                            self.callback_limit.as_secs_f64()
                        ),
                        command: String::new(),
                        output: String::new(),
                    };
                    self.fault
                        .get_or_insert((LeaveReason::CallbackFailed, error));
                }
                self.end_preloader(now, no, out);
            }
            // It is killed when its handle is dropped.
            PreloaderState::Ending => preloader.state = PreloaderState::Gone,
            PreloaderState::Starting | PreloaderState::Ready | PreloaderState::Gone => {}
        }
    }

    fn preloader_ready(&mut self, no: u32, out: &mut Vec<Effect>) {
        if let Some(preloader) = self.preloaders.get_mut(&no)
            && preloader.state == PreloaderState::Starting
        {
            preloader.state = PreloaderState::Ready;
        }
        if !self.joined {
            self.joined = true;
            out.push(Effect::Join(self.slots.keys().copied().collect()));
        }
    }

    fn preloader_failed(
        &mut self,
        no: u32,
        reason: LeaveReason,
        error: HostError,
        out: &mut Vec<Effect>,
    ) {
        let Some(preloader) = self.preloaders.get_mut(&no) else {
            return;
        };
        if preloader.state == PreloaderState::Gone {
            return;
        }
        preloader.state = PreloaderState::Gone;
        preloader.limit_at = None;
        out.push(Effect::StopPreloader(no));
        self.slots_out(no, reason, &error);
    }

    /// A preloader that died is started once more.
    fn preloader_ended(&mut self, no: u32, end: End, output: String, out: &mut Vec<Effect>) {
        let Some(preloader) = self.preloaders.get_mut(&no) else {
            return;
        };
        let was = preloader.state;
        preloader.limit_at = None;
        match was {
            PreloaderState::Gone => return,
            PreloaderState::Closing | PreloaderState::Ending => {
                preloader.state = PreloaderState::Gone;
                if was == PreloaderState::Closing {
                    let error = fault(
                        "after_creating_workers",
                        format!("the preloader ended: {end}"),
                        output,
                    );
                    self.fault
                        .get_or_insert((LeaveReason::CallbackFailed, error));
                }
                return;
            }
            PreloaderState::Starting | PreloaderState::Ready => {}
        }
        let by_itself = was == PreloaderState::Starting && matches!(end, End::Exited(_));
        if preloader.restarted || by_itself || self.phase != Phase::Running {
            preloader.state = PreloaderState::Gone;
            let what = if was == PreloaderState::Starting {
                "starting Ruby"
            } else {
                "preloader"
            };
            let error = fault(what, format!("the preloader ended: {end}"), output);
            self.slots_out(no, LeaveReason::PreloaderFailed, &error);
        } else {
            preloader.restarted = true;
            preloader.state = PreloaderState::Starting;
            out.push(Effect::Warn(format!(
                "the preloader ended ({end}) and is started again"
            )));
            out.push(Effect::StartPreloader(no));
        }
    }

    fn worker_started(&mut self, slot: u32, pid: u32) {
        if let Some(slot) = self.slots.get_mut(&slot)
            && let SlotState::Running { pid: known } = &mut slot.state
        {
            *known = Some(pid);
        }
    }

    fn worker_said(&mut self, slot: u32, line: WorkerLine) {
        match line {
            WorkerLine::Item { item } => {
                if let Some(slot) = self.slots.get_mut(&slot) {
                    slot.item = Some(item);
                }
            }
            WorkerLine::Failed { error } => {
                self.fault
                    .get_or_insert((LeaveReason::CallbackFailed, error));
            }
        }
    }

    fn worker_ended(&mut self, now: Instant, number: u32, end: End, out: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&number) else {
            return;
        };
        let SlotState::Running { pid } = slot.state else {
            return;
        };
        let leaving = self.phase != Phase::Running;
        match end {
            End::Exited(code)
                if code == i32::from(exit::OK) || code == i32::from(exit::CANCELLED) =>
            {
                slot.state = SlotState::Over;
            }
            End::Exited(code) if code == i32::from(WORKER_CALLBACK_FAILED) => {
                self.slot_out(number, LeaveReason::CallbackFailed, None);
            }
            End::Exited(code) if code == i32::from(WORKER_PRELOADER_LOST) && !leaving => {
                let ready = self
                    .preloaders
                    .get(&slot.preloader)
                    .is_some_and(|p| p.state == PreloaderState::Ready);
                slot.state = if ready {
                    SlotState::Doubting {
                        pid,
                        until: now + PRELOADER_NEWS_LIMIT,
                    }
                } else {
                    SlotState::Waiting
                };
            }
            End::Exited(_) | End::Signaled(_) => {
                self.worker_died(number, pid, end.to_string(), out)
            }
        }
    }

    /// Tells the originator, and replaces the worker in its slot unless that dies too often.
    fn worker_died(&mut self, number: u32, pid: Option<u32>, end: String, out: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&number) else {
            return;
        };
        let often = slot.deaths.note(slot.item.take());
        slot.state = SlotState::Waiting;
        if let Some(pid) = pid {
            out.push(Effect::TellDeath {
                slot: number,
                pid,
                end: end.clone(),
            });
        }
        if often {
            let error = fault(
                "gorgon-worker",
                format!("workers of slot {number} died again and again, last: {end}"),
                String::new(),
            );
            self.slot_out(number, LeaveReason::WorkersFailed, Some(error));
        }
    }

    fn slot_out(&mut self, number: u32, reason: LeaveReason, error: Option<HostError>) {
        if let Some(slot) = self.slots.get_mut(&number) {
            slot.state = SlotState::Out;
        }
        let error = error.unwrap_or_else(|| {
            fault(
                "gorgon-worker",
                format!("the worker of slot {number} gave up"),
                String::new(),
            )
        });
        self.fault.get_or_insert((reason, error));
    }

    /// The slots of a preloader that is gone: those with a worker hear it from that.
    fn slots_out(&mut self, preloader: u32, reason: LeaveReason, error: &HostError) {
        self.fault.get_or_insert((reason, error.clone()));
        for slot in self
            .slots
            .values_mut()
            .filter(|slot| slot.preloader == preloader)
        {
            match slot.state {
                SlotState::Waiting | SlotState::Doubting { .. } => slot.state = SlotState::Out,
                SlotState::Running { .. } | SlotState::Over | SlotState::Out => {}
            }
        }
    }

    /// Slots that have, or are about to have, a worker.
    fn running(&self) -> impl Iterator<Item = u32> {
        self.slots
            .iter()
            .filter(|(_, slot)| matches!(slot.state, SlotState::Running { .. }))
            .map(|(no, _)| *no)
    }

    fn leave(
        &mut self,
        now: Instant,
        why: LeaveReason,
        signal: Signal,
        limit: Duration,
        out: &mut Vec<Effect>,
    ) {
        let repeated = self.leaving == Some(why);
        if self.leaving == Some(LeaveReason::Lost)
            || (self.phase == Phase::Closing && why != LeaveReason::Lost)
        {
            return;
        }
        let kill_at = now + limit;
        self.kill_at = Some(self.kill_at.map_or(kill_at, |at| at.min(kill_at)));
        if why == LeaveReason::Lost || !repeated && self.leaving != Some(LeaveReason::Cancelled) {
            self.leaving = Some(why);
        }
        if self.phase == Phase::Running {
            self.phase = Phase::Stopping;
        }
        out.extend(
            self.running()
                .map(|slot| Effect::SignalWorker(slot, signal)),
        );
        for slot in self.slots.values_mut() {
            if matches!(slot.state, SlotState::Waiting | SlotState::Doubting { .. }) {
                slot.state = SlotState::Over;
            }
        }
        for no in self.preloaders.keys().copied().collect::<Vec<_>>() {
            if why == LeaveReason::Lost || self.preloaders[&no].state == PreloaderState::Starting {
                self.end_preloader(now, no, out);
            }
        }
    }

    fn end_preloader(&mut self, now: Instant, no: u32, out: &mut Vec<Effect>) {
        let Some(preloader) = self.preloaders.get_mut(&no) else {
            return;
        };
        match preloader.state {
            PreloaderState::Starting | PreloaderState::Ready | PreloaderState::Closing => {
                preloader.state = PreloaderState::Ending;
                preloader.limit_at = Some(now + PRELOADER_END_LIMIT);
                out.push(Effect::StopPreloader(no));
            }
            PreloaderState::Ending | PreloaderState::Gone => {}
        }
    }

    fn advance(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.phase == Phase::Running {
            self.start_workers(out);
        }
        let busy = self
            .slots
            .values()
            .any(|s| !matches!(s.state, SlotState::Over | SlotState::Out));
        if matches!(self.phase, Phase::Running | Phase::Stopping) && !busy {
            self.phase = Phase::Closing;
            self.kill_at = None;
            self.close(now, out);
        }
        if self.phase == Phase::Closing
            && self
                .preloaders
                .values()
                .all(|p| p.state == PreloaderState::Gone)
        {
            self.phase = Phase::Done;
            let (reason, error) = self.verdict();
            out.push(Effect::Leave(reason, error));
        }
    }

    fn start_workers(&mut self, out: &mut Vec<Effect>) {
        for (number, slot) in &mut self.slots {
            let ready = self
                .preloaders
                .get(&slot.preloader)
                .is_some_and(|p| p.state == PreloaderState::Ready);
            if ready && slot.state == SlotState::Waiting {
                slot.state = SlotState::Running { pid: None };
                out.push(Effect::StartWorker {
                    slot: *number,
                    preloader: slot.preloader,
                });
            }
        }
    }

    /// after_creating_workers in every preloader that is still there.
    fn close(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let limit = match self.leaving {
            Some(LeaveReason::Cancelled) => CANCELLED_CALLBACK_LIMIT.min(self.callback_limit),
            Some(_) | None => self.callback_limit,
        };
        for no in self.preloaders.keys().copied().collect::<Vec<_>>() {
            let Some(preloader) = self.preloaders.get_mut(&no) else {
                continue;
            };
            match preloader.state {
                PreloaderState::Ready => {
                    preloader.state = PreloaderState::Closing;
                    preloader.limit_at = Some(now + limit);
                    out.push(Effect::RunAfterCreatingWorkers(no));
                }
                PreloaderState::Starting => self.end_preloader(now, no, out),
                PreloaderState::Closing | PreloaderState::Ending | PreloaderState::Gone => {}
            }
        }
    }

    fn verdict(&mut self) -> (LeaveReason, Option<HostError>) {
        let all_out = self.slots.values().all(|slot| slot.state == SlotState::Out);
        let fault = self.fault.take();
        match (self.leaving, fault) {
            (Some(why), fault) => (why, fault.map(|(_, error)| error)),
            (None, Some((LeaveReason::CallbackFailed, error))) => {
                (LeaveReason::CallbackFailed, Some(error))
            }
            (None, Some((reason, error))) if all_out => (reason, Some(error)),
            (None, Some((_, error))) => (LeaveReason::Done, Some(error)),
            (None, None) => (LeaveReason::Done, None),
        }
    }
}

fn fault(what: &str, message: String, output: String) -> HostError {
    HostError {
        what: what.to_owned(),
        message,
        command: String::new(),
        output,
    }
}
