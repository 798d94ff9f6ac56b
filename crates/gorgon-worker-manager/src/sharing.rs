//! Slots that come and go, in the core: the listener grants them and calls them back.
//!
//! A slot that is called back is freed when its worker has ended, after its item and
//! after_complete. A manager without any slot stays, its preloader ready, until it is granted one
//! or the job is over; as no worker of its own would see either, it looks whether items wait on the
//! file queue, and whether that is there.

use std::time::{Duration, Instant};

use gorgon_process::signals::Signal;
use gorgon_proto::local::ManagerLine;

use crate::deaths::Deaths;
use crate::event::{Effect, Event, Files};
use crate::supervise::{
    Phase, Preloader, PreloaderState, Slot, SlotState, Supervisor, WORKER_QUEUE_PATIENCE,
};

/// How often the file queue is looked at by a manager without a slot.
pub const LOOK_WITHOUT_SLOT: Duration = Duration::from_secs(1);
/// The same by one that said that a slot idles: what comes now may be worth more slots.
pub const LOOK_WHEN_DRY: Duration = Duration::from_secs(5);

/// Time within which an item that only this host may run reaches it. Until then no slot of ours counts as idle.
pub const ITEM_WAITS_LIMIT: Duration = Duration::from_secs(5);

/// What is known of slots that change hands.
#[derive(Debug, Default)]
pub(crate) struct Sharing {
    /// Slots of which the listener takes us to be the holder.
    held: Vec<u32>,
    /// How many slots were given back, and have not come again.
    lent: u32,
    /// The listener was told that a slot idles.
    dry: bool,
    /// The job is over, as the originator says, or as its queue does.
    pub(crate) over: bool,
    told_ready: bool,
    told_closing: bool,
    /// Slots have come or gone since the originator was told, and these workers.
    changed: bool,
    pub(crate) ended: Vec<(u32, u32)>,
    /// When the file queue is looked at.
    look_at: Option<Instant>,
    looking: bool,
    /// Until when slots that idle are kept, for an item that waits for this host.
    kept_until: Option<Instant>,
    /// Until when a file queue that is missing is taken for one that the broker forgot.
    patience_until: Option<Instant>,
    /// The connection was lost: the broker may have forgotten its queues.
    pub(crate) was_down: bool,
}

impl Supervisor {
    /// These are ours from the start.
    pub(crate) fn begin_sharing(&mut self, out: &mut Vec<Effect>) {
        self.sharing.held = self.slots.keys().copied().collect();
        if self.own_preloaders {
            self.tell_ready(out);
            if self.slots.is_empty() {
                self.joined = true;
                out.push(Effect::Join(Vec::new()));
            }
        }
    }

    /// Workers would start at once.
    pub(crate) fn tell_ready(&mut self, out: &mut Vec<Effect>) {
        if !std::mem::replace(&mut self.sharing.told_ready, true) {
            out.push(Effect::Tell(ManagerLine::Ready));
        }
    }

    pub(crate) fn sharing_step(&mut self, now: Instant, event: Event, out: &mut Vec<Effect>) {
        match event {
            Event::Granted(slot) => self.granted(slot, out),
            Event::Recalled(slot) => self.recalled(slot, out),
            Event::JobOver => self.sharing.over = true,
            Event::ItemWaits => {
                self.sharing.kept_until = Some(now + ITEM_WAITS_LIMIT);
                self.items_wait(out);
            }
            Event::FilesLooked(files) => self.files_looked(now, files, out),
            _ => {}
        }
    }

    fn granted(&mut self, number: u32, out: &mut Vec<Effect>) {
        if self.sharing.held.contains(&number) {
            return;
        }
        self.sharing.held.push(number);
        let no = if self.own_preloaders { number } else { 0 };
        let gone = matches!(
            self.preloaders.get(&no).map(|preloader| preloader.state),
            Some(PreloaderState::Gone)
        );
        if self.phase != Phase::Running || self.is_over() || self.slots.contains_key(&number) {
            // It goes back at the end of this step.
            return;
        }
        self.sharing.lent = self.sharing.lent.saturating_sub(1);
        if gone {
            let state = SlotState::Out;
            let slot = Slot {
                state,
                ..Slot::on(no)
            };
            self.slots.insert(number, slot);
            return;
        }
        self.sharing.changed = true;
        self.slots.insert(number, Slot::on(no));
        self.preloaders.entry(no).or_insert_with(|| {
            out.push(Effect::StartPreloader(no));
            Preloader::starting()
        });
    }

    fn recalled(&mut self, number: u32, out: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&number).filter(|slot| !slot.recalled) else {
            return;
        };
        slot.recalled = true;
        if let SlotState::Running { pid: Some(_) } = slot.state {
            out.push(Effect::SignalWorker(number, Signal::Usr2));
        }
    }

    /// What a worker says of its slot's use.
    pub(crate) fn used(&mut self, now: Instant, number: u32, idle: bool, out: &mut Vec<Effect>) {
        let Some(slot) = self.slots.get_mut(&number) else {
            return;
        };
        slot.idle = idle;
        if idle {
            self.tell_idle(now, out);
        } else if std::mem::take(&mut slot.told_idle) {
            self.sharing.dry = false;
            out.push(Effect::Tell(ManagerLine::Busy { slot: number }));
        }
    }

    /// Tells which slots idle, unless they are kept for a while.
    fn tell_idle(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.sharing.kept_until.is_some_and(|until| now < until) {
            return;
        }
        self.sharing.kept_until = None;
        for (number, slot) in &mut self.slots {
            if slot.idle && !std::mem::replace(&mut slot.told_idle, true) {
                self.sharing.dry = true;
                out.push(Effect::Tell(ManagerLine::Idle { slot: *number }));
            }
        }
    }

    /// Items wait for us.
    fn items_wait(&mut self, out: &mut Vec<Effect>) {
        if std::mem::take(&mut self.sharing.dry) {
            out.push(Effect::Tell(ManagerLine::Waiting));
        }
    }

    /// Returns whether no further item will come.
    pub(crate) fn is_over(&self) -> bool {
        let mut slots = self.slots.values();
        self.sharing.over || slots.any(|slot| slot.state == SlotState::Over)
    }

    /// Returns whether nothing runs, yet more may come: slots were given back, or never came.
    pub(crate) fn rests(&self) -> bool {
        let shared_gone = !self.own_preloaders
            && self
                .preloaders
                .values()
                .all(|preloader| preloader.state == PreloaderState::Gone);
        let waits = self.sharing.lent > 0 || self.slots.is_empty();
        self.phase == Phase::Running && waits && !self.is_over() && !shared_gone
    }

    /// After each event: slots that were called back, and in which nothing runs, are no more ours.
    pub(crate) fn let_go(&mut self) {
        if self.phase != Phase::Running {
            return;
        }
        if self.sharing.over {
            // They count for how the job ended; but no worker starts in what is another's by now.
            let lost = |slot: &&mut Slot| slot.recalled && slot.state == SlotState::Waiting;
            for slot in self.slots.values_mut().filter(lost) {
                slot.state = SlotState::Over;
            }
            return;
        }
        let before = self.slots.len();
        self.slots
            .retain(|_, slot| !slot.recalled || slot.holds() || slot.state == SlotState::Out);
        let gone = u32::try_from(before - self.slots.len()).unwrap_or(u32::MAX);
        self.sharing.lent += gone;
        self.sharing.changed |= gone > 0;
    }

    /// The originator is told which slots there are.
    pub(crate) fn answer_slots(&mut self) {
        self.sharing.changed = true;
    }

    /// At the end of each step: tells what has changed.
    pub(crate) fn give_back(&mut self, out: &mut Vec<Effect>) {
        if (self.phase != Phase::Running || self.is_over())
            && !std::mem::replace(&mut self.sharing.told_closing, true)
        {
            out.push(Effect::Tell(ManagerLine::Closing));
        }
        let slots = &self.slots;
        let changed = &mut self.sharing.changed;
        self.sharing.held.retain(|number| {
            let slot = slots.get(number);
            if slot.is_some_and(Slot::holds) {
                return true;
            }
            let out_of_job = slot.is_some_and(|slot| slot.state == SlotState::Out);
            // Nobody works there any more, and nobody will.
            *changed |= out_of_job;
            out.push(Effect::Tell(ManagerLine::Freed {
                slot: *number,
                out: out_of_job,
            }));
            false
        });
        if self.phase == Phase::Running && self.joined && std::mem::take(&mut self.sharing.changed)
        {
            let slots = self.slots.iter().filter(|(_, slot)| slot.holds());
            let slots = slots.map(|(no, _)| *no).collect();
            let ended = std::mem::take(&mut self.sharing.ended);
            out.push(Effect::TellSlots(slots, ended));
        }
    }

    /// Returns when the file queue is to be looked at, or a slot is kept no longer.
    pub(crate) fn sharing_deadline(&self) -> Option<Instant> {
        let dates = [self.sharing.look_at, self.sharing.kept_until];
        dates.into_iter().flatten().min()
    }

    /// Decides whether and when the file queue is looked at.
    pub(crate) fn watch_files(&mut self, now: Instant) {
        let resting = self.joined && !self.slots.values().any(Slot::holds);
        let every = if self.phase != Phase::Running || self.sharing.looking {
            None
        } else if resting {
            Some(LOOK_WITHOUT_SLOT)
        } else {
            self.sharing.dry.then_some(LOOK_WHEN_DRY)
        };
        self.sharing.look_at = every.map(|every| {
            let at = now + every;
            self.sharing.look_at.map_or(at, |before| before.min(at))
        });
    }

    pub(crate) fn pass_sharing(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.sharing.kept_until.is_some_and(|until| until <= now) {
            self.tell_idle(now, out);
        }
        if self.sharing.look_at.is_some_and(|at| at <= now) {
            self.sharing.look_at = None;
            self.sharing.looking = true;
            out.push(Effect::LookAtFiles);
        }
    }

    fn files_looked(&mut self, now: Instant, files: Files, out: &mut Vec<Effect>) {
        self.sharing.looking = false;
        if files != Files::Missing {
            self.sharing.patience_until = None;
        }
        match files {
            Files::Unknown | Files::Waiting(0) => {}
            Files::Waiting(_) => self.items_wait(out),
            // The workers see it for themselves.
            Files::Missing if self.slots.values().any(Slot::holds) => {}
            Files::Missing => {
                let patience = if self.sharing.was_down {
                    WORKER_QUEUE_PATIENCE
                } else {
                    Duration::ZERO
                };
                let until = *self.sharing.patience_until.get_or_insert(now + patience);
                self.sharing.over |= until <= now;
            }
        }
    }
}

impl Slot {
    pub(crate) fn on(preloader: u32) -> Self {
        Self {
            preloader,
            state: SlotState::Waiting,
            began: None,
            deaths: Deaths::default(),
            recalled: false,
            sick: false,
            idle: false,
            told_idle: false,
        }
    }

    /// Returns whether a worker runs in it, or will, of its own accord.
    pub(crate) fn holds(&self) -> bool {
        match self.state {
            SlotState::Waiting => !self.recalled,
            // Of a preloader that hangs, a Ruby child may still run.
            SlotState::Running { .. } | SlotState::Doubting { .. } => true,
            SlotState::Over | SlotState::Out => false,
        }
    }
}

impl Preloader {
    pub(crate) fn starting() -> Self {
        Self {
            state: PreloaderState::Starting,
            restarted: false,
            killed: false,
            limit_at: None,
        }
    }
}
