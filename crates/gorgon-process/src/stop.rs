//! The stop ladder: INT, grace, TERM, grace, KILL. Pure.

use std::time::{Duration, Instant};

use crate::signals::Signal;

/// How long a process may take over each of the polite rungs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Graces {
    /// Between INT and TERM.
    pub after_int: Duration,
    /// Between TERM and KILL.
    pub after_term: Duration,
}

impl Default for Graces {
    /// Together within the second in which a cancelled job has to be gone.
    fn default() -> Self {
        Self {
            after_int: Duration::from_millis(500),
            after_term: Duration::from_millis(300),
        }
    }
}

/// One step of a stop: which signal is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Ask as Ctrl-C does.
    Int,
    /// Ask to terminate.
    Term,
    /// End it.
    Kill,
}

impl Rung {
    /// Returns the signal of this rung.
    #[must_use]
    pub fn signal(self) -> Signal {
        match self {
            Self::Int => Signal::Int,
            Self::Term => Signal::Term,
            Self::Kill => Signal::Kill,
        }
    }
}

/// A stop under way: which rung was taken last, and when the next one is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ladder {
    rung: Rung,
    next_at: Option<Instant>,
    graces: Graces,
}

impl Ladder {
    /// Begins a stop; the caller sends [`Ladder::rung`]'s signal at once.
    #[must_use]
    pub fn begin(now: Instant, first: Rung, graces: Graces) -> Self {
        let mut ladder = Self {
            rung: first,
            next_at: None,
            graces,
        };
        ladder.next_at = ladder.due(now);
        ladder
    }

    /// Returns the rung taken last.
    #[must_use]
    pub fn rung(&self) -> Rung {
        self.rung
    }

    /// Takes the next rung if it is due at `now`.
    pub fn step(&mut self, now: Instant) -> Option<Rung> {
        match self.next_at {
            Some(at) if at <= now => self.climb(now),
            Some(_) | None => None,
        }
    }

    /// Skips the graces: KILL, unless that was sent already (a second Ctrl-C).
    pub fn hurry(&mut self) -> Option<Rung> {
        self.next_at = None;
        if self.rung == Rung::Kill {
            return None;
        }
        self.rung = Rung::Kill;
        Some(Rung::Kill)
    }

    /// Returns when [`Ladder::step`] is due; none after KILL.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.next_at
    }

    fn climb(&mut self, now: Instant) -> Option<Rung> {
        self.rung = match self.rung {
            Rung::Int => Rung::Term,
            Rung::Term => Rung::Kill,
            Rung::Kill => return None,
        };
        self.next_at = self.due(now);
        Some(self.rung)
    }

    fn due(&self, now: Instant) -> Option<Instant> {
        match self.rung {
            Rung::Int => Some(now + self.graces.after_int),
            Rung::Term => Some(now + self.graces.after_term),
            Rung::Kill => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACES: Graces = Graces {
        after_int: Duration::from_secs(2),
        after_term: Duration::from_secs(3),
    };

    fn after(start: Instant, secs: u64) -> Instant {
        start + Duration::from_secs(secs)
    }

    #[test]
    fn each_rung_waits_for_its_grace() {
        let start = Instant::now();
        let mut ladder = Ladder::begin(start, Rung::Int, GRACES);
        let mut taken = Vec::new();
        for second in 0..10 {
            if let Some(rung) = ladder.step(after(start, second)) {
                taken.push((second, rung));
            }
        }
        assert_eq!(taken, [(2, Rung::Term), (5, Rung::Kill)]);
        assert_eq!(ladder.deadline(), None);
    }

    #[test]
    fn a_late_step_takes_one_rung_and_counts_from_then() {
        let start = Instant::now();
        let mut ladder = Ladder::begin(start, Rung::Int, GRACES);
        assert_eq!(ladder.step(after(start, 100)), Some(Rung::Term));
        assert_eq!(ladder.deadline(), Some(after(start, 103)));
    }

    #[test]
    fn a_hurried_stop_kills_once() {
        let start = Instant::now();
        let mut ladder = Ladder::begin(start, Rung::Int, GRACES);
        assert_eq!(ladder.hurry(), Some(Rung::Kill));
        assert_eq!(ladder.hurry(), None);
        assert_eq!(ladder.step(after(start, 100)), None);
        assert_eq!(ladder.rung(), Rung::Kill);
    }
}
