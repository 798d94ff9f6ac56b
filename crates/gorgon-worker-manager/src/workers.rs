//! The life of workers and their slots, in the core.

use std::time::Instant;

use gorgon_process::child::End;
use gorgon_process::exit;
use gorgon_process::signals::Signal;
use gorgon_proto::local::{WORKER_CALLBACK_FAILED, WORKER_PRELOADER_LOST, WorkerLine};
use gorgon_proto::message::{HostError, LeaveReason};

use crate::deaths::BegunLast;
use crate::event::Effect;
use crate::supervise::{
    PRELOADER_END_LIMIT, PRELOADER_NEWS_LIMIT, Phase, PreloaderState, Slot, SlotState, Supervisor,
    fault,
};

impl Supervisor {
    pub(crate) fn worker_started(&mut self, number: u32, pid: u32, out: &mut Vec<Effect>) {
        if let Some(slot) = self.slots.get_mut(&number)
            && let SlotState::Running { pid: known } = &mut slot.state
        {
            *known = Some(pid);
            slot.idle = false;
            slot.told_idle = false;
            if slot.sick {
                out.push(Effect::SignalWorker(number, Signal::Term));
            } else if slot.recalled {
                out.push(Effect::SignalWorker(number, Signal::Usr2));
            }
        }
    }

    /// The originator sends a slot away, perhaps more than once. Its worker hands back what it runs, and ends. If it
    /// has none, the answer tells which slots are left: the originator may have missed that this one has gone.
    pub(crate) fn slot_sent_away(&mut self, number: u32, out: &mut Vec<Effect>) {
        let running = self.phase == Phase::Running;
        if !self.slots.get(&number).is_some_and(Slot::holds) {
            self.answer_slots();
        }
        let Some(slot) = self
            .slots
            .get_mut(&number)
            .filter(|slot| running && !slot.sick)
        else {
            return;
        };
        slot.sick = true;
        if let SlotState::Running { pid: Some(_) } = slot.state {
            out.push(Effect::SignalWorker(number, Signal::Term));
        }
    }

    pub(crate) fn worker_said(
        &mut self,
        now: Instant,
        number: u32,
        line: WorkerLine,
        out: &mut Vec<Effect>,
    ) {
        match line {
            WorkerLine::Item { item, in_bundle } => {
                if let Some(slot) = self.slots.get_mut(&number) {
                    slot.began = Some(match in_bundle {
                        true => BegunLast::Bundle,
                        false => BegunLast::Item(item),
                    });
                }
                self.used(now, number, false, out);
            }
            WorkerLine::Idle => self.used(now, number, true, out),
            WorkerLine::Refused { error } => {
                self.fault.get_or_insert((LeaveReason::Refused, error));
            }
            WorkerLine::Failed { error } => {
                self.slot_fault
                    .get_or_insert((LeaveReason::CallbackFailed, error));
            }
        }
    }

    pub(crate) fn worker_ended(
        &mut self,
        now: Instant,
        number: u32,
        end: End,
        out: &mut Vec<Effect>,
    ) {
        let Some(slot) = self.slots.get_mut(&number) else {
            return;
        };
        let SlotState::Running { pid } = slot.state else {
            return;
        };
        let leaving = self.phase != Phase::Running;
        if slot.recalled {
            self.sharing.ended.extend(pid.map(|pid| (number, pid)));
        }
        match end {
            End::Exited(code)
                if code == i32::from(exit::OK) || code == i32::from(exit::CANCELLED) =>
            {
                let sent_away = slot.sick && !leaving;
                slot.state = if sent_away {
                    SlotState::Out
                } else {
                    SlotState::Over
                };
            }
            // It was told before it listened, and had nothing yet.
            End::Signaled(signal) if slot.sick && signal == Signal::Term.number() => {
                slot.state = SlotState::Out;
            }
            End::Signaled(signal) if slot.recalled && signal == Signal::Usr2.number() => {
                slot.state = SlotState::Over;
            }
            End::Exited(code) if code == i32::from(WORKER_CALLBACK_FAILED) => {
                self.slot_out(number, LeaveReason::CallbackFailed, None);
            }
            End::Exited(code) if code == i32::from(WORKER_PRELOADER_LOST) && !leaving => {
                if let Some(pid) = pid {
                    let end = "its preloader died".to_owned();
                    out.push(Effect::TellDeath {
                        slot: number,
                        pid,
                        end,
                    });
                }
                let preloader = self.preloaders.get(&slot.preloader).map(|p| p.state);
                slot.state = match preloader {
                    Some(PreloaderState::Ready) => SlotState::Doubting {
                        until: now + PRELOADER_NEWS_LIMIT,
                    },
                    Some(PreloaderState::Starting) => SlotState::Waiting,
                    Some(
                        PreloaderState::Closing | PreloaderState::Ending | PreloaderState::Gone,
                    )
                    | None => SlotState::Out,
                };
            }
            End::Exited(_) | End::Signaled(_) => {
                self.worker_died(number, pid, end.to_string(), out)
            }
        }
    }

    /// A worker gave its preloader up, and we hear nothing of that: it hangs, and is killed.
    pub(crate) fn doubt_overdue(&mut self, now: Instant, number: u32, out: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&number) else {
            return;
        };
        match self.preloaders.get_mut(&slot.preloader) {
            Some(preloader) if preloader.state == PreloaderState::Ready && !preloader.killed => {
                preloader.killed = true;
                slot.state = SlotState::Doubting {
                    until: now + PRELOADER_END_LIMIT,
                };
                out.push(Effect::KillPreloader(slot.preloader));
            }
            Some(_) | None => {
                let end = "its preloader did not answer".to_owned();
                self.worker_died(number, None, end, out);
            }
        }
    }

    /// Tells the originator, and replaces the worker in its slot unless that dies too often.
    pub(crate) fn worker_died(
        &mut self,
        number: u32,
        pid: Option<u32>,
        end: String,
        out: &mut Vec<Effect>,
    ) {
        let Some(slot) = self.slots.get_mut(&number) else {
            return;
        };
        let often = slot.deaths.note(slot.began.take());
        let preloader = self.preloaders.get(&slot.preloader).map(|p| p.state);
        slot.state = match (self.phase, preloader) {
            (Phase::Running, Some(PreloaderState::Starting | PreloaderState::Ready)) => {
                SlotState::Waiting
            }
            // Nobody would replace it.
            (Phase::Running, _) => SlotState::Out,
            (Phase::Stopping | Phase::Closing | Phase::Done, _) => SlotState::Over,
        };
        if let Some(pid) = pid {
            out.push(Effect::TellDeath {
                slot: number,
                pid,
                end: end.clone(),
            });
        }
        if often && self.phase == Phase::Running {
            let error = fault(
                "gorgon-worker",
                format!("workers of slot {number} died again and again, last: {end}"),
                String::new(),
            );
            self.slot_out(number, LeaveReason::WorkersFailed, Some(error));
        }
    }

    pub(crate) fn slot_out(&mut self, number: u32, reason: LeaveReason, error: Option<HostError>) {
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
        self.slot_fault.get_or_insert((reason, error));
    }

    /// The slots of a preloader that is gone: those with a worker hear it from that.
    pub(crate) fn slots_out(&mut self, preloader: u32, reason: LeaveReason, error: &HostError) {
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
}
