//! The exit status of a job.

use gorgon_process::exit::{CANCELLED, ERROR, FAILED, OK, SYNC_FAILED};

use crate::ledger::Ending;

use super::Results;

/// Reasons other than failures that make the job fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strict {
    /// `--flaky-result fail`: tests that passed on a retry.
    pub flaky: bool,
    /// `--order-dependent fail`: files that fail only after others.
    pub order_dependent: bool,
}

/// Returns whether anything makes the job fail.
#[must_use]
pub fn failed(results: &Results, strict: Strict) -> bool {
    !results.bad.is_empty()
        || !results.suite_hooks.is_empty()
        || (strict.flaky && results.flaky().next().is_some())
        || (strict.order_dependent && !results.order_dependent.is_empty())
}

/// Returns whether no file ran a test where the suite's configuration wants one.
#[must_use]
pub fn lacks_tests(results: &Results) -> bool {
    results.needs_tests && results.counts().tests == 0
}

/// Returns the exit status of a job that ended so, with these results.
#[must_use]
pub fn of(ending: &Ending, results: &Results, strict: Strict) -> u8 {
    let failed = failed(results, strict);
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
        | Ending::MessageTooLarge { .. }
        | Ending::NotBegun => ERROR,
    }
}
