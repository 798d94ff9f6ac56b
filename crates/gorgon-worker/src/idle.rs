//! When a worker that waits for an item says so: its slot may be of use to another job. Pure.

use std::time::{Duration, Instant};

/// Between two items there is a moment; only who waits longer than this is idle.
pub const IDLE_AFTER: Duration = Duration::from_millis(200);

/// Since when it waits, and whether it has said so.
#[derive(Debug, Default)]
pub struct Idleness {
    since: Option<Instant>,
    told: bool,
}

impl Idleness {
    /// Notes whether the worker waits. Whoever has an item may still fork a child for it: that it said to be idle holds
    /// until it has said that it runs something.
    pub fn note(&mut self, now: Instant, waits: bool) {
        if !waits {
            self.since = None;
        } else if self.since.is_none() {
            self.since = Some(now);
        }
    }

    /// It runs something. Returns whether it has said before that it is idle, which is to be taken back.
    pub fn runs(&mut self) -> bool {
        self.since = None;
        std::mem::take(&mut self.told)
    }

    /// Returns when it is to be said.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let since = self.since.filter(|_| !self.told)?;
        Some(since + IDLE_AFTER)
    }

    /// Returns whether it is to be said now; once.
    pub fn take_due(&mut self, now: Instant) -> bool {
        let due = self.deadline().is_some_and(|at| at <= now);
        self.told |= due;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_waits_for_long_says_so_and_once() {
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        let mut idle = Idleness::default();
        idle.note(ms(0), true);
        idle.note(ms(100), false);
        idle.note(ms(150), true);
        idle.note(ms(300), true);
        assert!(!idle.take_due(ms(349)));
        assert_eq!(idle.deadline(), Some(ms(350)));
        assert!(idle.take_due(ms(350)));
        assert!(!idle.take_due(ms(900)), "it has said so");
        assert_eq!(idle.deadline(), None);
        // It has an item, and no child for it yet.
        idle.note(ms(901), false);
        idle.note(ms(902), false);
        assert!(idle.runs(), "to be taken back");
        assert!(!idle.runs(), "once");
        idle.note(ms(903), true);
        assert!(idle.take_due(ms(1103)));
    }
}
