//! The exit status of a job.

use gorgon_process::exit::{CANCELLED, ERROR, FAILED, OK, SYNC_FAILED};

use crate::ledger::Ending;

use super::Results;

/// Returns the exit status of a job that ended so, with these results.
#[must_use]
pub fn of(ending: &Ending, results: &Results) -> u8 {
    let failed = !results.bad.is_empty() || !results.suite_hooks.is_empty();
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
        | Ending::BrokerGone => ERROR,
    }
}
