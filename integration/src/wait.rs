//! Waiting for a value, not for a while.

use std::{
    fmt::Debug,
    time::{Duration, Instant},
};

use crossbeam_channel::after;

/// How often a wait looks.
const PERIOD: Duration = Duration::from_millis(10);

/// Looks until there is a value, and returns it.
///
/// # Panics
/// At the limit, with what it was waiting for and what it saw last.
pub fn until<T, Seen: Debug>(
    what: &str,
    limit: Duration,
    mut look: impl FnMut() -> Result<T, Seen>,
) -> T {
    let start = Instant::now();
    loop {
        match look() {
            Ok(value) => return value,
            Err(seen) if start.elapsed() >= limit => {
                panic!("after {limit:?} still no {what}; last seen: {seen:#?}")
            }
            // Nothing tells a test of another process's doings, so it has to look again.
            Err(_) => drop(after(PERIOD).recv()),
        }
    }
}

/// Returns that many seconds.
pub const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_with_the_value() {
        let mut looks = 0;
        let value = until("third look", secs(5), || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(looks) }
        });
        assert_eq!(value, 3);
    }

    #[test]
    #[should_panic(expected = "still no rain; last seen: \"sun\"")]
    fn a_wait_that_gives_up_tells_what_it_saw() {
        until("rain", Duration::from_millis(30), || Err::<(), _>("sun"));
    }
}
