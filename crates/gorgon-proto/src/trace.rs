//! Where the time of a job goes: the steps of each of its processes, by the clock of its host.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// So many steps of one process are kept: it is to be read, and travels in a message.
const MOST_STEPS: usize = 64;

/// A step that a process took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The kind of process: `originator`, `listener`, `manager`, `worker`.
    pub process: String,
    /// What it did: `connect`, `preload`.
    pub step: String,
    /// When it began, in microseconds since 1970 by its host's clock.
    pub began_us: u64,
    /// How long it took, in microseconds.
    pub took_us: u64,
}

/// Notes the steps of one process. Hosts differ in their clocks, and a clock may be set meanwhile: it is
/// read once, and all instants are told by it.
#[derive(Debug)]
pub struct Trace {
    process: &'static str,
    anchor: (Instant, u64),
    steps: Vec<Step>,
}

impl Trace {
    /// Begins; the two are the same moment.
    #[must_use]
    pub fn begin(process: &'static str, now: Instant, clock: SystemTime) -> Self {
        let since = clock.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            process,
            anchor: (now, micros(since)),
            steps: Vec::new(),
        }
    }

    /// Notes a step.
    pub fn note(&mut self, step: &str, began: Instant, ended: Instant) {
        if self.steps.len() >= MOST_STEPS {
            return;
        }
        let (anchor, clock_us) = self.anchor;
        let began_us = match began.checked_duration_since(anchor) {
            Some(after) => clock_us.saturating_add(micros(after)),
            None => clock_us.saturating_sub(micros(anchor.duration_since(began))),
        };
        self.steps.push(Step {
            process: self.process.to_owned(),
            step: step.to_owned(),
            began_us,
            took_us: micros(ended.saturating_duration_since(began)),
        });
    }

    /// Returns the steps, in the order in which they ended.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_told_by_the_clock_as_it_stood_when_the_trace_began() {
        let now = Instant::now() + Duration::from_secs(10);
        let clock = UNIX_EPOCH + Duration::from_secs(1000);
        let mut trace = Trace::begin("worker", now, clock);
        let ms = Duration::from_millis;
        trace.note("start", now - ms(2), now);
        trace.note("connect", now + ms(1), now + ms(4));
        let seen: Vec<_> = trace
            .steps()
            .iter()
            .map(|step| (step.step.as_str(), step.began_us, step.took_us))
            .collect();
        assert_eq!(
            seen,
            [
                ("start", 999_998_000, 2000),
                ("connect", 1_000_001_000, 3000)
            ]
        );
    }

    #[test]
    fn a_trace_has_an_end() {
        let now = Instant::now();
        let mut trace = Trace::begin("worker", now, UNIX_EPOCH);
        for _ in 0..1000 {
            trace.note("fork", now, now);
        }
        assert_eq!(trace.steps().len(), MOST_STEPS);
    }
}
