//! The life of preloaders, in the core.

use std::time::Instant;

use gorgon_process::child::End;
use gorgon_process::signals::Signal;
use gorgon_proto::message::{HostError, LeaveReason};

use crate::event::Effect;
use crate::supervise::{
    CANCELLED_CALLBACK_LIMIT, CANCELLED_LOAD_LIMIT, PARENT_GONE_LIMIT, PRELOADER_END_LIMIT, Phase,
    PreloaderState, SlotState, Supervisor, fault,
};

impl Supervisor {
    pub(crate) fn preloader_ready(&mut self, no: u32, out: &mut Vec<Effect>) {
        if let Some(preloader) = self.preloaders.get_mut(&no)
            && preloader.state == PreloaderState::Starting
        {
            preloader.state = PreloaderState::Ready;
        }
        if !self.joined {
            self.joined = true;
            self.tell_ready(out);
            out.push(Effect::Join(self.slots.keys().copied().collect()));
        }
    }

    pub(crate) fn preloader_failed(
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
    pub(crate) fn preloader_ended(
        &mut self,
        no: u32,
        end: End,
        output: String,
        out: &mut Vec<Effect>,
    ) {
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
        // One that waits for an item would notice only when it has taken one.
        for (slot, state) in &self.slots {
            if state.preloader == no && matches!(state.state, SlotState::Running { .. }) {
                out.push(Effect::SignalWorker(*slot, Signal::Usr1));
            }
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
            preloader.killed = false;
            preloader.state = PreloaderState::Starting;
            for slot in self.slots.values_mut().filter(|slot| slot.preloader == no) {
                if matches!(slot.state, SlotState::Doubting { .. }) {
                    slot.state = SlotState::Waiting;
                }
            }
            out.push(Effect::Warn(format!(
                "the preloader ended ({end}) and is started again"
            )));
            out.push(Effect::StartPreloader(no));
        }
    }

    pub(crate) fn preloader_overdue(&mut self, now: Instant, no: u32, out: &mut Vec<Effect>) {
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

    pub(crate) fn end_preloader(&mut self, now: Instant, no: u32, out: &mut Vec<Effect>) {
        let Some(preloader) = self.preloaders.get_mut(&no) else {
            return;
        };
        match preloader.state {
            PreloaderState::Starting | PreloaderState::Ready | PreloaderState::Closing => {
                let loads = preloader.state == PreloaderState::Starting;
                preloader.state = PreloaderState::Ending;
                let limit = match self.leaving {
                    Some(LeaveReason::Lost) => PARENT_GONE_LIMIT,
                    Some(LeaveReason::Cancelled) if loads => CANCELLED_LOAD_LIMIT,
                    _ => PRELOADER_END_LIMIT,
                };
                if loads {
                    // It hears of nothing else before it is ready.
                    out.push(Effect::InterruptPreloader(no));
                }
                preloader.limit_at = Some(now + limit);
                out.push(Effect::StopPreloader(no));
            }
            PreloaderState::Ending | PreloaderState::Gone => {}
        }
    }

    /// after_creating_workers in every preloader that is still there, unless nobody is left above us.
    pub(crate) fn close(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let limit = match self.leaving {
            Some(LeaveReason::Cancelled) => CANCELLED_CALLBACK_LIMIT.min(self.callback_limit),
            Some(_) | None => self.callback_limit,
        };
        for no in self.preloaders.keys().copied().collect::<Vec<_>>() {
            let Some(preloader) = self.preloaders.get_mut(&no) else {
                continue;
            };
            match preloader.state {
                PreloaderState::Ready if self.leaving == Some(LeaveReason::Lost) => {
                    self.end_preloader(now, no, out);
                }
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
}
