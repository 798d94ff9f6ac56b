//! Ruby children and workers that could not be started, as the summary tells it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use gorgon_proto::job::ListenerId;
use gorgon_proto::message::{HostError, HostLeft, LeaveReason, StartFailed, WorkerEnded};

use super::Results;
use super::results::HostFailure;
use super::visible::one_line;

/// Maximum number of failures that the summary names one by one, and of different failures that the progress shows. A
/// host that is out of memory may fail before each file.
const MOST: usize = 200;

/// What failed, and was tried once more.
#[derive(Debug, Default)]
pub(super) struct FailedStarts {
    /// How often each failure came, by the hash of what it says.
    seen: HashMap<u64, u32>,
    /// For the summary: by worker, as one that fails a second time says so at its end.
    tried: Vec<(Worker, String)>,
    /// Those that were too many for it.
    more: usize,
}

/// A worker: listener, slot, process.
type Worker = (ListenerId, u32, u32);

fn worker(message: &StartFailed) -> Worker {
    (message.listener_id.clone(), message.worker_id, message.pid)
}

fn hash(message: &StartFailed) -> u64 {
    let error = &message.error;
    let mut hasher = DefaultHasher::new();
    (&error.what, &error.message, &error.command, &error.output).hash(&mut hasher);
    message.again.hash(&mut hasher);
    hasher.finish()
}

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
        let starts = &mut self.failed_starts;
        let known = starts.seen.len() < MOST || starts.seen.contains_key(&hash(message));
        if known {
            *starts.seen.entry(hash(message)).or_default() += 1;
        }
        let worker = worker(message);
        if !message.again {
            starts.tried.retain(|(of, _)| *of != worker);
        } else if starts.tried.len() < MOST {
            let (error, slot) = (&message.error, message.worker_id);
            let text = format!(
                "{}:{slot}: {} failed, and was tried once more: {}",
                message.hostname,
                error.what,
                first_words(error)
            );
            starts.tried.push((worker, text));
        } else {
            starts.more += 1;
        }
    }

    /// Returns whether no other worker has reported the same failure before.
    pub(super) fn is_news(&self, message: &StartFailed) -> bool {
        self.failed_starts.seen.get(&hash(message)) == Some(&1)
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
        let starts = std::mem::take(&mut self.failed_starts);
        for (_, text) in starts.tried {
            self.warn(text);
        }
        if starts.more > 0 {
            let more = starts.more;
            self.warn(format!(
                "{more} more starts failed, and were tried once more"
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

    #[test]
    fn a_host_that_fails_without_end_gets_a_limited_number_of_warnings() {
        let mut results = Results::default();
        let failed = |number: usize, again| StartFailed {
            hostname: "web".into(),
            listener_id: ListenerId("L1".into()),
            worker_id: 1,
            pid: u32::try_from(number / 500).unwrap(),
            error: HostError {
                what: "forking a Ruby child".into(),
                message: format!("no memory for {}", number % 500),
                command: String::new(),
                output: String::new(),
            },
            again,
        };
        for number in 0..1000 {
            results.start_failed(&failed(number, true));
            assert_eq!(results.is_news(&failed(number, true)), number < MOST);
        }
        assert!(results.failed_starts.seen.len() <= MOST);
        // What the worker itself says at its end.
        results.start_failed(&failed(0, false));
        results.start_failed(&failed(1000, true));
        results.warn_of_failed_starts();
        assert_eq!(
            results.warnings,
            [
                "web:1: forking a Ruby child failed, and was tried once more: no memory for 0",
                "800 more starts failed, and were tried once more"
            ]
        );
    }
}
