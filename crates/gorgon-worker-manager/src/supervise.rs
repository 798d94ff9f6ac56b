//! One job on one host, pure: preloaders, the worker of each slot, and when it is over.
//!
//! ```text
//!   Running ── all slots have ended, or a reason to leave ──▶ Stopping (workers end)
//!      Stopping ── no worker left ──▶ Closing (after_creating_workers, preloaders end) ──▶ Done
//!
//!   preloader: Starting ─▶ Ready ─▶ Closing ─▶ Gone     (died: once more Starting, then Gone)
//!   slot:      Waiting ─▶ Running ─▶ Over | Out          (died: Waiting again, thrice at most; sent away: Out)
//!              granted ─▶ Waiting … recalled ─▶ (its worker ends) ─▶ given back
//! ```

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use gorgon_process::signals::Signal;
use gorgon_proto::message::{HostError, LeaveReason};

use crate::deaths::{BegunLast, Deaths};
use crate::event::{Effect, Event};
use crate::lookout::Lookout;
use crate::sharing::Sharing;

/// How long workers may take to end after a cancel: the rungs of their children, five seconds for
/// after_complete, and the last messages.
pub const CANCEL_LIMIT: Duration = Duration::from_secs(12);
/// How long they may take to hand back what runs.
pub const HAND_BACK_LIMIT: Duration = Duration::from_secs(20);
/// How long they may take when nobody is left above us: the rungs of their children, and a last word.
pub const PARENT_GONE_LIMIT: Duration = Duration::from_secs(1);
/// How long after_creating_workers may take once the job is cancelled.
pub const CANCELLED_CALLBACK_LIMIT: Duration = Duration::from_secs(5);
/// How long a preloader that still loads may take to end once the job is cancelled: as long as a test.
pub const CANCELLED_LOAD_LIMIT: Duration = Duration::from_millis(800);
/// How long a preloader may take to end.
pub const PRELOADER_END_LIMIT: Duration = Duration::from_secs(5);
/// How long a file queue that is missing after a lost connection is taken for one that its
/// originator makes anew.
pub const WORKER_QUEUE_PATIENCE: Duration = Duration::from_secs(15);
/// If a worker reports that its preloader died: how long we wait until we see the death ourselves.
pub const PRELOADER_NEWS_LIMIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PreloaderState {
    Starting,
    Ready,
    Closing,
    Ending,
    Gone,
}

#[derive(Debug)]
pub(crate) struct Preloader {
    pub(crate) state: PreloaderState,
    pub(crate) restarted: bool,
    /// Whether it was killed, as it did not answer.
    pub(crate) killed: bool,
    pub(crate) limit_at: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SlotState {
    /// Its preloader is not ready.
    Waiting,
    /// Its worker is being started, or runs.
    Running { pid: Option<u32> },
    /// Its worker says that the preloader died: we wait to hear it too.
    Doubting { until: Instant },
    /// Its worker ended in order.
    Over,
    /// It left the job before its time.
    Out,
}

#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) preloader: u32,
    pub(crate) state: SlotState,
    /// The delivery that its worker began last.
    pub(crate) began: Option<BegunLast>,
    pub(crate) deaths: Deaths,
    /// The listener wants it back.
    pub(crate) recalled: bool,
    /// The originator has sent it away: no worker starts in it any more.
    pub(crate) sick: bool,
    /// Its worker says that it waits for an item; and the listener knows.
    pub(crate) idle: bool,
    pub(crate) told_idle: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Stopping,
    Closing,
    Done,
}

/// The core of a manager.
#[derive(Debug)]
pub struct Supervisor {
    pub(crate) phase: Phase,
    pub(crate) preloaders: BTreeMap<u32, Preloader>,
    pub(crate) slots: BTreeMap<u32, Slot>,
    pub(crate) own_preloaders: bool,
    pub(crate) sharing: Sharing,
    pub(crate) callback_limit: Duration,
    pub(crate) joined: bool,
    pub(crate) lookout: Lookout,
    pub(crate) leaving: Option<LeaveReason>,
    /// Why the whole host has failed: the first reason stands.
    pub(crate) fault: Option<(LeaveReason, HostError)>,
    /// Why a slot left before its time: the first reason stands. The host goes on without it.
    pub(crate) slot_fault: Option<(LeaveReason, HostError)>,
    pub(crate) kill_at: Option<Instant>,
}

impl Supervisor {
    /// Begins a job with these slots, to which more may be granted, each with a preloader of its
    /// own or all with one; returns what to do first.
    #[must_use]
    pub fn begin(
        now: Instant,
        slots: &[u32],
        own_preloaders: bool,
        callback_limit: Duration,
    ) -> (Self, Vec<Effect>) {
        let preloader_of = |slot: u32| if own_preloaders { slot } else { 0 };
        let on = |slot: &u32| (*slot, Slot::on(preloader_of(*slot)));
        let slots: BTreeMap<u32, Slot> = slots.iter().map(on).collect();
        // Without a slot the one preloader is made ready all the same.
        let shared = (!own_preloaders).then_some(0);
        let preloaders: BTreeMap<u32, Preloader> = slots
            .values()
            .map(|slot| slot.preloader)
            .chain(shared)
            .map(|no| (no, Preloader::starting()))
            .collect();
        let mut effects: Vec<Effect> = preloaders
            .keys()
            .map(|no| Effect::StartPreloader(*no))
            .collect();
        let mut supervisor = Self {
            phase: Phase::Running,
            preloaders,
            slots,
            own_preloaders,
            sharing: Sharing::default(),
            callback_limit,
            joined: false,
            lookout: Lookout::begin(now),
            leaving: None,
            fault: None,
            slot_fault: None,
            kill_at: None,
        };
        supervisor.begin_sharing(&mut effects);
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
            Event::WorkerStarted(slot, pid) => self.worker_started(slot, pid, &mut out),
            Event::WorkerNotStarted(slot, error) => {
                self.slot_out(slot, LeaveReason::WorkersFailed, Some(error))
            }
            Event::WorkerSaid(slot, line) => self.worker_said(now, slot, line, &mut out),
            Event::WorkerEnded(slot, end) => self.worker_ended(now, slot, end, &mut out),
            Event::Cancelled => self.leave(
                now,
                LeaveReason::Cancelled,
                Signal::Int,
                CANCEL_LIMIT,
                &mut out,
            ),
            Event::SentAway => self.leave(
                now,
                LeaveReason::Sick,
                Signal::Term,
                HAND_BACK_LIMIT,
                &mut out,
            ),
            Event::SlotSentAway(slot) => self.slot_sent_away(slot, &mut out),
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
                Signal::Quit,
                PARENT_GONE_LIMIT,
                &mut out,
            ),
            Event::BrokerDown => {
                self.lookout.broken();
                self.sharing.was_down = true;
            }
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
            Event::Granted(_)
            | Event::Recalled(_)
            | Event::JobOver
            | Event::ItemWaits
            | Event::FilesLooked(_) => self.sharing_step(now, event, &mut out),
            Event::DeadlinePassed => self.deadline_passed(now, &mut out),
        }
        self.let_go();
        self.advance(now, &mut out);
        out
    }

    /// Returns whether the manager has its workers stop, or has none any more.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.phase != Phase::Running
    }

    /// Returns when `DeadlinePassed` is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        if self.phase == Phase::Done {
            return None;
        }
        let doubts = self.slots.values().filter_map(|slot| match slot.state {
            SlotState::Doubting { until } => Some(until),
            SlotState::Waiting | SlotState::Running { .. } | SlotState::Over | SlotState::Out => {
                None
            }
        });
        let limits = self.preloaders.values().filter_map(|p| p.limit_at);
        doubts
            .chain(limits)
            .chain(self.lookout.deadline())
            .chain(self.sharing_deadline())
            .chain(self.kill_at)
            .min()
    }

    fn deadline_passed(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.lookout.take_due(now) {
            out.push(Effect::Look);
        }
        self.pass_sharing(now, out);
        if self.kill_at.is_some_and(|at| at <= now) {
            self.kill_at = None;
            out.extend(
                self.running()
                    .map(|slot| Effect::SignalWorker(slot, Signal::Kill)),
            );
        }
        let doubted: Vec<u32> = self
            .slots
            .iter()
            .filter(|(_, slot)| matches!(slot.state, SlotState::Doubting { until } if until <= now))
            .map(|(no, _)| *no)
            .collect();
        for slot in doubted {
            self.doubt_overdue(now, slot, &mut *out);
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
        // A cancel comes twice, over the control exchange and by the listener's signal. It is one:
        // to a worker a second INT would mean that the user waits no longer.
        if self.leaving == Some(LeaveReason::Lost)
            || (repeated && matches!(why, LeaveReason::Cancelled | LeaveReason::Sick))
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
            // A ready one stays until its workers have ended: they stop their children through it.
            if self.preloaders[&no].state == PreloaderState::Starting
                || (self.phase == Phase::Closing && why == LeaveReason::Lost)
            {
                self.end_preloader(now, no, out);
            }
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
        if matches!(self.phase, Phase::Running | Phase::Stopping) && !busy && !self.rests() {
            self.phase = Phase::Closing;
            self.kill_at = None;
            self.close(now, out);
        }
        self.give_back(out);
        self.watch_files(now);
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
            let idles = matches!(slot.state, SlotState::Waiting | SlotState::Doubting { .. });
            if slot.sick && idles {
                slot.state = SlotState::Out;
            }
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

    fn verdict(&mut self) -> (LeaveReason, Option<HostError>) {
        let all_out = self.slots.values().all(|slot| slot.state == SlotState::Out);
        // The other slots may have worked, and be another job's by now.
        let any_sick = !self.sharing.over && self.slots.values().any(|slot| slot.sick);
        let (fault, of_slot) = (self.fault.take(), self.slot_fault.take());
        match (self.leaving, fault) {
            (Some(why), fault) => (why, fault.or(of_slot).map(|(_, error)| error)),
            (None, Some((why @ (LeaveReason::CallbackFailed | LeaveReason::Refused), error))) => {
                (why, Some(error))
            }
            (None, None) if of_slot.is_none() && all_out && any_sick => (LeaveReason::Sick, None),
            (None, fault) => Self::without_slots(all_out, fault.or(of_slot)),
        }
    }

    /// Returns how the host leaves if some of its slots, or all, have left before it.
    fn without_slots(
        all_out: bool,
        fault: Option<(LeaveReason, HostError)>,
    ) -> (LeaveReason, Option<HostError>) {
        match fault {
            Some((reason, error)) if all_out => (reason, Some(error)),
            Some((_, error)) => (LeaveReason::Done, Some(error)),
            None => (LeaveReason::Done, None),
        }
    }
}

pub(crate) fn fault(what: &str, message: String, output: String) -> HostError {
    HostError {
        what: what.to_owned(),
        message,
        command: String::new(),
        output,
    }
}

#[cfg(test)]
mod tests;
