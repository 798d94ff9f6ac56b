//! Ruby children and workers that could not be started, as the summary tells it.

use std::collections::BTreeSet;

use gorgon_proto::message::{HostError, HostLeft, LeaveReason, StartFailed, WorkerEnded};

use super::Results;
use super::results::HostFailure;
use super::visible::one_line;

/// Returns what failed in one line: the first line of the message, and where it was raised.
fn first_words(error: &HostError) -> String {
    let mut lines = error.message.lines();
    let text = one_line(lines.next().unwrap_or_default());
    match lines.find(|line| is_place(line)) {
        Some(place) => format!("{text} ({})", one_line(place.trim())),
        None => text,
    }
}

/// Tells whether a line is one of a backtrace, `FILE:LINE` and perhaps more. A message may have several lines before it.
fn is_place(line: &str) -> bool {
    let number = line.trim().split(':').nth(1).unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns what is said about a failed start when it happens.
pub(super) fn start_failed(message: &StartFailed) -> String {
    let follows = if message.again {
        "it is tried once more"
    } else {
        "the slot leaves the job"
    };
    format!(
        "warning: {} failed at {}:{}, {follows}: {}",
        one_line(&message.error.what),
        one_line(&message.hostname),
        message.worker_id,
        first_words(&message.error)
    )
}

impl Results {
    pub(super) fn start_failed(&mut self, message: &StartFailed) {
        self.failed_starts.push(message.clone());
    }

    /// Returns whether no other worker has reported the same failure before.
    pub(super) fn is_news(&self, message: &StartFailed) -> bool {
        let same = |it: &&StartFailed| it.error == message.error && it.again == message.again;
        self.failed_starts.iter().filter(same).count() == 1
    }

    pub(super) fn worker_ended(&mut self, message: &WorkerEnded) {
        if let Some(error) = &message.error {
            let place = format!("{}:{}", message.hostname, message.worker_id);
            self.worker_failed(place, error);
        }
    }

    /// Workers that ended by the same error are told once.
    fn worker_failed(&mut self, place: String, error: &HostError) {
        let same = |known: &&mut HostFailure| known.reason.is_none() && known.error == *error;
        match self.host_failures.iter_mut().find(same) {
            Some(known) => known.hostname = format!("{}, {place}", known.hostname),
            None => self.host_failures.push(HostFailure {
                hostname: place,
                reason: None,
                error: error.clone(),
            }),
        }
    }

    /// What ended all workers of a host ended the host: that is said once. A host that has done its part without some
    /// of its slots has nothing to add to what their workers said.
    pub(super) fn host_failed(&mut self, message: &HostLeft, error: &HostError) {
        let known = |it: &HostFailure| it.error == *error;
        if message.reason == LeaveReason::Done && self.host_failures.iter().any(known) {
            return;
        }
        self.host_failures.retain(|it| !known(it));
        self.host_failures.push(HostFailure {
            hostname: message.hostname.clone(),
            reason: Some(message.reason),
            error: error.clone(),
        });
    }

    /// At the end: these failed once, and no second time.
    pub(super) fn warn_of_failed_starts(&mut self) {
        let all = std::mem::take(&mut self.failed_starts);
        let worker = |it: &StartFailed| (it.listener_id.clone(), it.worker_id, it.pid);
        let failed: BTreeSet<_> = all.iter().filter(|it| !it.again).map(worker).collect();
        for message in all.iter().filter(|it| !failed.contains(&worker(it))) {
            let (error, slot) = (&message.error, message.worker_id);
            self.warn(format!(
                "{}:{slot}: {} failed, and was tried once more: {}",
                message.hostname,
                error.what,
                first_words(error)
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_error_is_a_line_of_its_backtrace() {
        for (message, expected) in [
            ("no\n  a.rb:5:in `x'\n  b.rb:1", "no (a.rb:5:in `x')"),
            (
                "uninitialized constant X\n\n    X: 1\n    ^\n  a.rb:5",
                "uninitialized constant X (a.rb:5)",
            ),
            ("a\nb", "a"),
        ] {
            let error = HostError {
                what: "before_start".into(),
                message: message.into(),
                command: String::new(),
                output: String::new(),
            };
            assert_eq!(first_words(&error), expected);
        }
    }
}
