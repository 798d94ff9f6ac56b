//! Many histories of the simulation, on all cores.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::sim::{self, Wrong};

/// What was run.
#[derive(Debug)]
pub struct Seen {
    /// So many histories.
    pub seeds: u64,
    /// How long it took.
    pub took: Duration,
    /// The history that went wrong, of the smallest seed.
    pub wrong: Option<Box<Wrong>>,
}

/// Runs the histories of `count` seeds from `first` on, until one goes wrong, or `limit` is over.
///
/// # Panics
/// When the system gives no threads.
pub fn run(first: u64, count: u64, limit: Duration) -> Seen {
    run_on(first, count, limit, |_| false)
}

/// The same, but `goes_on` is told of each history that went wrong, and says whether to go on.
///
/// # Panics
/// When the system gives no threads.
pub fn run_on(
    first: u64,
    count: u64,
    limit: Duration,
    goes_on: impl Fn(&Wrong) -> bool + Sync,
) -> Seen {
    let begun = Instant::now();
    let next = AtomicU64::new(first);
    let played = AtomicU64::new(0);
    let found: Mutex<Option<Box<Wrong>>> = Mutex::new(None);
    let turn = || {
        while begun.elapsed() < limit {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= first + count {
                return;
            }
            played.fetch_add(1, Ordering::Relaxed);
            if let Err(wrong) = sim::check(seed) {
                let over = !goes_on(&wrong);
                if over {
                    next.store(first + count, Ordering::Relaxed);
                }
                let mut found = found
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner);
                if found.as_ref().is_none_or(|before| before.seed > wrong.seed) {
                    *found = Some(wrong);
                }
                if over {
                    return;
                }
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for n in 1..cores {
            let named = thread::Builder::new().name(format!("seeds {n}"));
            named
                .spawn_scoped(scope, turn)
                .expect("a thread can be had");
        }
        turn();
    });
    let wrong = found
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Seen {
        seeds: played.into_inner(),
        took: begun.elapsed(),
        wrong,
    }
}
