//! The exit status of a job.

use gorgon_process::exit::{CANCELLED, ERROR, FAILED, OK, SYNC_FAILED};

use crate::ledger::Ending;

use super::Results;

/// Returns whether anything makes the job fail: `flaky_fails`, tests that passed on a retry too.
#[must_use]
pub fn failed(results: &Results, flaky_fails: bool) -> bool {
    !results.bad.is_empty()
        || !results.suite_hooks.is_empty()
        || (flaky_fails && results.flaky().next().is_some())
}

/// Returns whether no file ran a test where the suite's configuration wants one.
#[must_use]
pub fn lacks_tests(results: &Results) -> bool {
    results.needs_tests && results.counts().tests == 0
}

/// Returns the exit status of a job that ended so, with these results.
#[must_use]
pub fn of(ending: &Ending, results: &Results, flaky_fails: bool) -> u8 {
    let failed = failed(results, flaky_fails);
    if *ending == Ending::Complete && lacks_tests(results) {
        return FAILED;
    }
    match ending {
        Ending::Cancelled => CANCELLED,
        Ending::Complete | Ending::FailFast => {
            if failed {
                FAILED
            } else {
                OK
            }
        }
        // Tests that failed are the truth, whatever became of the rest.
        _ if failed => FAILED,
        Ending::HostsFailed { all_in_sync: true } => SYNC_FAILED,
        Ending::HostsFailed { all_in_sync: false }
        | Ending::NoListener { .. }
        | Ending::LocalListenerDied { .. }
        | Ending::BrokerGone
        | Ending::MessageTooLarge { .. } => ERROR,
    }
}
