//! When to try again: pure.

use std::time::Duration;

/// The wait after the first failed attempt.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(5);
/// Time after which a connection resets the back-off. A shorter one does not reset it: if the broker closes
/// the connection for one of our messages, that would be sent again without a pause, for ever.
const PROVEN: Duration = Duration::from_secs(5);

/// Waits between attempts: none before the first, then 0.2 s, doubling up to 5 s, each spread by half
/// so that a hundred workers do not come back at the same instant.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns the wait before the next attempt; `chance` is drawn evenly from 0 to 1.
    pub(crate) fn next(&mut self, chance: f64) -> Duration {
        let failures = self.failures;
        self.failures = failures.saturating_add(1);
        match failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => {
                let full = FIRST
                    .saturating_mul(2u32.saturating_pow(doublings))
                    .min(LONGEST);
                full.mul_f64(0.5 + 0.5 * chance.clamp(0.0, 1.0))
            }
        }
    }

    /// Takes note that a connection stood for `lasted`.
    pub(crate) fn connected(&mut self, lasted: Duration) {
        if lasted >= PROVEN {
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(backoff: &mut Backoff, chance: f64, count: usize) -> Vec<u128> {
        (0..count)
            .map(|_| backoff.next(chance).as_millis())
            .collect()
    }

    #[test]
    fn the_first_try_is_at_once_and_the_last_after_five_seconds() {
        let expected = vec![0, 200, 400, 800, 1600, 3200, 5000, 5000];
        assert_eq!(waits(&mut Backoff::default(), 1.0, 8), expected);
        let expected = vec![0, 100, 200, 400, 800, 1600, 2500, 2500];
        assert_eq!(waits(&mut Backoff::default(), 0.0, 8), expected);
    }

    #[test]
    fn a_connection_that_lasted_resets_and_a_short_one_does_not() {
        let mut backoff = Backoff::default();
        waits(&mut backoff, 1.0, 3);
        backoff.connected(Duration::from_secs(4));
        assert_eq!(waits(&mut backoff, 1.0, 1), vec![800]);
        backoff.connected(Duration::from_secs(5));
        assert_eq!(waits(&mut backoff, 1.0, 2), vec![0, 200]);
    }

    #[test]
    fn no_number_of_failures_overflows() {
        let mut backoff = Backoff { failures: u32::MAX };
        assert_eq!(backoff.next(1.0), LONGEST);
        assert_eq!(backoff.next(f64::NAN.max(1.0)), LONGEST);
    }
}
