//! The first connection: somebody waits for it, and wants to know soon why there is none.

use crate::OpenError;
use crossbeam_channel::Sender;
use std::time::{Duration, Instant};

/// So long a port is tried at which nobody listens, or at which somebody hangs up: a broker may be
/// starting. Whoever mistyped a port need not wait for the whole limit.
const STARTING_LIMIT: Duration = Duration::from_secs(2);
/// So many refusals in a row make a wrong password: what the client calls one may be a broker that
/// is just stopping.
const REFUSALS: u32 = 2;

/// Tells who waits in `Session::open` how it went.
pub(crate) type Report = Sender<Result<(), OpenError>>;

/// The first connection, while it is waited for.
pub(crate) struct First {
    report: Report,
    start: Instant,
    limit: Duration,
    refusals: u32,
    /// The last error that tells more than that time is up.
    telling: Option<OpenError>,
}

impl First {
    pub(crate) fn new(report: Report, limit: Duration) -> First {
        First {
            report,
            start: Instant::now(),
            limit,
            refusals: 0,
            telling: None,
        }
    }

    /// Returns how much time is left.
    pub(crate) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.start.elapsed())
    }

    /// Tells who waits that it stands.
    pub(crate) fn succeeded(self) {
        // Nobody waits any more when its limit came first; then the session is being dropped.
        let _ = self.report.send(Ok(()));
    }

    /// Takes note of a failed attempt. Returns whether that is the end; then who waits has been told.
    pub(crate) fn failed(&mut self, error: OpenError, retry_in: Duration) -> bool {
        let next_at = self.start.elapsed() + retry_in;
        let believed = match &error {
            OpenError::WrongPassword { .. } => {
                self.refusals += 1;
                self.refusals >= REFUSALS || next_at >= self.limit
            }
            OpenError::Unreachable { .. } | OpenError::NoHost { .. } | OpenError::Closed { .. } => {
                self.refusals = 0;
                next_at >= STARTING_LIMIT.min(self.limit)
            }
            other => {
                self.refusals = 0;
                other.is_final() || next_at >= self.limit
            }
        };
        let telling = !matches!(error, OpenError::Timeout { .. });
        if believed {
            let told = if telling {
                Some(error)
            } else {
                self.telling.take().or(Some(error))
            };
            if let Some(told) = told {
                // See `succeeded`.
                let _ = self.report.send(Err(told));
            }
        } else if telling {
            self.telling = Some(error);
        }
        believed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Receiver, bounded};
    use std::io;

    fn first(limit: Duration) -> (First, Receiver<Result<(), OpenError>>) {
        let (report, told) = bounded(1);
        (First::new(report, limit), told)
    }

    fn wrong() -> OpenError {
        let (address, user) = ("mq".to_owned(), "u".to_owned());
        OpenError::WrongPassword { address, user }
    }

    fn closed() -> OpenError {
        let (address, said) = ("mq".to_owned(), "bye".to_owned());
        OpenError::Closed { address, said }
    }

    fn timeout() -> OpenError {
        let (address, limit) = ("mq".to_owned(), Duration::ZERO);
        OpenError::Timeout { address, limit }
    }

    const LONG: Duration = Duration::from_secs(100);
    const NONE: Duration = Duration::ZERO;

    #[test]
    fn a_wrong_password_is_believed_after_two_refusals_in_a_row() {
        let (mut one, _told) = first(LONG);
        assert!(!one.failed(wrong(), NONE));
        assert!(!one.failed(closed(), NONE));
        assert!(!one.failed(wrong(), NONE));
        assert!(one.failed(wrong(), NONE));
    }

    #[test]
    fn what_will_not_change_is_believed_at_once() {
        let (mut one, told) = first(LONG);
        assert!(one.failed(
            OpenError::Thread {
                source: io::Error::other("none left")
            },
            NONE
        ));
        assert!(matches!(
            told.recv().unwrap(),
            Err(OpenError::Thread { .. })
        ));
    }

    #[test]
    fn a_port_that_hangs_up_is_believed_when_the_next_try_would_come_too_late() {
        let (mut one, _told) = first(LONG);
        assert!(!one.failed(closed(), Duration::from_millis(1_500)));
        assert!(one.failed(closed(), Duration::from_secs(2)));
    }

    #[test]
    fn silence_is_believed_at_the_limit_and_a_telling_error_before_it_is_told() {
        let (mut one, told) = first(LONG);
        assert!(!one.failed(timeout(), Duration::from_secs(99)));
        assert!(one.failed(timeout(), LONG));
        assert!(matches!(
            told.recv().unwrap(),
            Err(OpenError::Timeout { .. })
        ));
        let (mut one, told) = first(LONG);
        assert!(!one.failed(wrong(), NONE));
        assert!(one.failed(timeout(), LONG));
        assert!(matches!(
            told.recv().unwrap(),
            Err(OpenError::WrongPassword { .. })
        ));
    }
}
