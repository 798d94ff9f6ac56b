//! How children are ended and stopped, in the core.

use std::time::Instant;

use gorgon_process::stop::{Graces, Ladder, Rung};

use crate::children::{ChildNo, Stage};
use crate::event::Effect;
use crate::work::{CANCELLED_END_LIMIT, KILLED_LIMIT, Work};

impl Work {
    pub(crate) fn end_child(&mut self, now: Instant, no: ChildNo, out: &mut Vec<Effect>) {
        self.children.end(no, self.end_limit_at(now));
        let stopped = self.children.get(no).is_some_and(|child| child.stopped);
        out.push(Effect::Finish(no, stopped));
    }

    /// Returns until when a child that gets the order to finish now may take for its end. After a cancel all
    /// children share the same seconds.
    pub(crate) fn end_limit_at(&self, now: Instant) -> Instant {
        let limit_at = now + self.settings.callback_limit;
        self.hurry_until.map_or(limit_at, |at| at.min(limit_at))
    }

    pub(crate) fn file_limit_s(&self) -> f64 {
        self.settings.file_limit.unwrap_or_default().as_secs_f64()
    }

    pub(crate) fn stop_child(&mut self, now: Instant, no: ChildNo, out: &mut Vec<Effect>) {
        self.stop_child_from(now, no, Rung::Int, out);
    }

    pub(crate) fn stop_child_from(
        &mut self,
        now: Instant,
        no: ChildNo,
        first: Rung,
        out: &mut Vec<Effect>,
    ) {
        if let Some(child) = self.children.get_mut(no)
            && child.stop.is_none()
        {
            let ladder = Ladder::begin(now, first, Graces::default());
            out.push(Effect::Signal(no, ladder.rung().signal()));
            child.stop = Some(ladder);
            child.stopped |= child.stage == Stage::Busy;
        }
    }

    /// Stops children that are not ready: that are being forked, or whose before_start still runs.
    pub(crate) fn stop_starting(&mut self, now: Instant, out: &mut Vec<Effect>) {
        for no in self.children.numbers() {
            if self
                .children
                .get(no)
                .is_some_and(|c| c.stage == Stage::Starting)
            {
                self.stop_child(now, no, out);
            }
        }
    }

    /// Cancelled: hooks and after_complete that run already have five seconds more.
    pub(crate) fn hurry_children(&mut self, now: Instant) {
        let until = now + CANCELLED_END_LIMIT;
        self.hurry_until = Some(until);
        for no in self.children.numbers() {
            if let Some(child) = self.children.get_mut(no)
                && child.stage == Stage::Ending
            {
                child.limit_at = child.limit_at.map(|at| at.min(until));
            }
        }
    }

    /// A second cancel: no graces.
    pub(crate) fn kill_children(&mut self, now: Instant, out: &mut Vec<Effect>) {
        for no in self.children.numbers() {
            if let Some(child) = self.children.get_mut(no)
                && let Some(rung) = child.stop.as_mut().and_then(Ladder::hurry)
            {
                child.gone_at = Some(now + KILLED_LIMIT);
                out.push(Effect::Signal(no, rung.signal()));
            }
        }
    }

    pub(crate) fn children_overdue(&mut self, now: Instant, out: &mut Vec<Effect>) {
        for no in self.children.numbers() {
            let Some(child) = self.children.get_mut(no) else {
                continue;
            };
            if let Some(ladder) = &mut child.stop {
                if let Some(rung) = ladder.step(now) {
                    if rung == Rung::Kill {
                        child.gone_at = Some(now + KILLED_LIMIT);
                    }
                    out.push(Effect::Signal(no, rung.signal()));
                } else if child.gone_at.is_some_and(|at| at <= now) {
                    let how = "it does not tell the end of a child that was killed";
                    return self.preloader_lost(how.to_owned(), out);
                }
            } else if child.limit_at.is_some_and(|at| at <= now) {
                child.overdue = true;
                self.stop_child(now, no, out);
            }
        }
    }
}
