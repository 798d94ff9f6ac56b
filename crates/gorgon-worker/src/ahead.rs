//! The first child of a worker, in the core: it is forked while there is no item yet, so that an item is taken only
//! when it can run at once. Its start is the beginning of its file then, and not of Ruby's.

use std::time::Instant;

use gorgon_ruby::Purpose;

use crate::children::Stage;
use crate::event::{Effect, Settings};
use crate::work::{Consuming, Phase, Work};

impl Work {
    /// Makes a worker that is connected, and tells what it does first.
    ///
    /// before_start must not run where no item comes, so with callbacks a child is forked for the first item only.
    #[must_use]
    pub fn open(settings: Settings, now: Instant) -> (Self, Vec<Effect>) {
        let mut work = Self::new(settings, now);
        let first = match work.settings.frameworks.first() {
            Some(&framework) if !work.settings.callbacks => {
                let limit_at = now + work.settings.callback_limit;
                let no = work.children.fork(framework, Purpose::Items, limit_at);
                work.ahead = Some(no);
                work.consuming = Consuming::No;
                Effect::Fork(no, framework, Purpose::Items)
            }
            Some(_) | None => Effect::Consume,
        };
        (work, vec![first])
    }

    /// Takes items once the first child is ready; also when it has ended, since another is forked for the item.
    pub(crate) fn take_items(&mut self, out: &mut Vec<Effect>) {
        let Some(no) = self.ahead else {
            return;
        };
        let child = self.children.get(no);
        if child.is_some_and(|child| child.stage == Stage::Starting) {
            return;
        }
        self.ahead = None;
        if self.waits() && self.up && self.consuming == Consuming::No {
            self.consuming = Consuming::Yes;
            out.push(Effect::Consume);
        }
    }

    /// Returns whether it waits for an item.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waits() && self.ahead.is_none()
    }

    fn waits(&self) -> bool {
        matches!(self.phase, Phase::Idle) && self.leaving.is_none() && !self.slot_wanted
    }
}
