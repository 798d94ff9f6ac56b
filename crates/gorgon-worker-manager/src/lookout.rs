//! Whether the job is orphaned: the originator's reply queue, looked at again and again. Pure.
//!
//! The job is orphaned when the broker was reachable without a break for [`ORPHANED_AFTER`], and
//! each look of that time found the reply queue missing or without a consumer. A broker that cannot
//! be reached is no sign of it.

use std::time::{Duration, Instant};

/// Time between two looks.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long the reply queue must have been without a consumer.
pub const ORPHANED_AFTER: Duration = Duration::from_secs(15);

/// What a look at the reply queue found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// The queue has a consumer.
    Consumed,
    /// The queue is missing, or nobody consumes it.
    Abandoned,
    /// The broker did not answer.
    Unreachable,
}

/// Remembers since when every look found the queue abandoned.
#[derive(Debug)]
pub struct Lookout {
    abandoned_since: Option<Instant>,
    next_at: Option<Instant>,
}

impl Lookout {
    /// Begins; the first look is due after [`LOOK_EVERY`].
    #[must_use]
    pub fn begin(now: Instant) -> Self {
        Self {
            abandoned_since: None,
            next_at: Some(now + LOOK_EVERY),
        }
    }

    /// Returns when the next look is due; none while one is under way.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.next_at
    }

    /// Tells whether a look is due, and if so that it is under way now.
    pub fn take_due(&mut self, now: Instant) -> bool {
        let due = self.next_at.is_some_and(|at| at <= now);
        if due {
            self.next_at = None;
        }
        due
    }

    /// Takes what a look found; returns whether the job is orphaned.
    pub fn found(&mut self, now: Instant, look: Look) -> bool {
        self.next_at = Some(now + LOOK_EVERY);
        match look {
            Look::Consumed | Look::Unreachable => {
                self.abandoned_since = None;
                false
            }
            Look::Abandoned => {
                let since = *self.abandoned_since.get_or_insert(now);
                now.saturating_duration_since(since) >= ORPHANED_AFTER
            }
        }
    }

    /// Our own connection was lost: a break.
    pub fn broken(&mut self) {
        self.abandoned_since = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One letter for each look, 5 s apart: consumed, abandoned, unreachable, `!` a lost connection.
    fn orphaned_at(looks: &str) -> Option<usize> {
        let mut now = Instant::now();
        let mut lookout = Lookout::begin(now);
        for (index, look) in looks.chars().enumerate() {
            now += LOOK_EVERY;
            assert!(lookout.take_due(now));
            assert!(!lookout.take_due(now), "one look at a time");
            let orphaned = match look {
                'c' => lookout.found(now, Look::Consumed),
                'a' => lookout.found(now, Look::Abandoned),
                'u' => lookout.found(now, Look::Unreachable),
                _ => {
                    lookout.broken();
                    lookout.found(now, Look::Abandoned)
                }
            };
            if orphaned {
                return Some(index);
            }
        }
        None
    }

    #[test]
    fn only_fifteen_seconds_without_a_break_make_an_orphan() {
        for (looks, at) in [
            ("cccccc", None),
            ("aaaa", Some(3)),
            ("aaacaaa", None),
            ("aaauaaaa", Some(7)),
            ("uuuuuuuu", None),
            ("aa!aaa", Some(5)),
            ("aaa!aa", None),
        ] {
            assert_eq!(orphaned_at(looks), at, "{looks}");
        }
    }
}
