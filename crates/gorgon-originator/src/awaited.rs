//! What is said while no listener has answered yet.

use std::time::Duration;

use crate::report::Results;

/// Before the first word: a listener that is there answers sooner.
const FIRST: Duration = Duration::from_secs(2);
/// Between two words.
const NEXT: Duration = Duration::from_secs(10);

/// A wait for the first listener.
#[derive(Debug)]
pub struct Awaited {
    place: String,
    limit: Duration,
    /// When the next word is due, since the job began.
    next: Duration,
}

impl Awaited {
    /// Begins to wait for a listener at a place, for `limit` at most.
    #[must_use]
    pub fn begin(place: &str, limit: Duration) -> Self {
        Self {
            place: place.to_owned(),
            limit,
            next: FIRST,
        }
    }

    /// Returns the line to print now; `elapsed` is the time since the job began.
    pub fn said(&mut self, results: &Results, elapsed: Duration) -> Option<String> {
        if elapsed < self.next || results.has_heard_of_a_host() || elapsed > self.limit {
            return None;
        }
        self.next = elapsed + NEXT;
        Some(format!(
            "waiting for a listener at {}: {} s of {} s (--wait)",
            self.place,
            elapsed.as_secs(),
            self.limit.as_secs()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_again_and_again_until_the_limit() {
        let mut awaited = Awaited::begin("h:1, vhost /", Duration::from_secs(20));
        let results = Results::default();
        let told: Vec<u64> = (0..30)
            .filter(|second| {
                awaited
                    .said(&results, Duration::from_secs(*second))
                    .is_some()
            })
            .collect();
        assert_eq!(told, [2, 12]);
    }
}
