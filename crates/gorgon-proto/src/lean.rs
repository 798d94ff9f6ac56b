//! Replies that a broker finds too large become leaner, step by step; what they decide stays.

use crate::cut::cut;
use crate::message::{Finish, HostError, Reply, read_replies, write, write_replies};
use crate::outcome::{FileError, FinishType, Outcome};

/// To this part of itself the first step cuts each text.
const PART: usize = 8;
/// Texts of so few bytes stay as they are.
const SHORT: usize = 64;
/// What the second step leaves of names.
const NAME_BYTES: usize = 160;
/// What is left of a warning.
const WARNING_BYTES: usize = 512;
/// What to do about it.
const CURE: &str =
    "a message may have 12 MiB, or fewer where max_message_size in rabbitmq.conf is smaller";

/// A message of replies on its way to the broker, until it is confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    body: Vec<u8>,
    /// By reply: how often it was made leaner.
    steps: Vec<u8>,
}

impl Outgoing {
    /// Writes replies as one message.
    #[must_use]
    pub fn new(replies: &[Reply]) -> Self {
        Self {
            body: write_replies(replies),
            steps: vec![0; replies.len()],
        }
    }

    /// Returns the message.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        self.body.clone()
    }

    /// Returns the same replies, each as a message of its own.
    #[must_use]
    pub fn split(&self) -> Vec<Self> {
        let replies = read_replies(&self.body).unwrap_or_default();
        replies
            .iter()
            .map(|reply| Self::new(std::slice::from_ref(reply)))
            .collect()
    }

    /// Makes the message leaner, because the broker does not take it; false when it cannot be any more. The largest of its
    /// replies that can be cut is cut: the others are not at fault.
    pub fn make_leaner(&mut self) -> bool {
        let Ok(mut replies) = read_replies(&self.body) else {
            return false;
        };
        let largest = (0..replies.len())
            .filter(|at| {
                self.steps
                    .get(*at)
                    .is_some_and(|steps| *steps < STEPS.len() as u8)
            })
            .max_by_key(|at| write(&replies[*at]).len());
        let Some(at) = largest else {
            return false;
        };
        let bytes = write(&replies[at]).len();
        lean(&mut replies[at], STEPS[usize::from(self.steps[at])], bytes);
        self.steps[at] += 1;
        self.body = write_replies(&replies);
        true
    }
}

/// In this order.
const STEPS: [Step; 3] = [Step::Part, Step::NoTexts, Step::NoTests];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Each text to its eighth.
    Part,
    /// Each text to nothing but a mark.
    NoTexts,
    /// Nor results of tests: only that they are missing.
    NoTests,
}

fn shorten(text: &mut String, step: Step) {
    let limit = match step {
        Step::Part => text.len().div_ceil(PART),
        Step::NoTexts | Step::NoTests => 0,
    };
    if text.len() > SHORT {
        *text = cut(text, limit);
    }
}

fn shorten_lines(lines: &mut Vec<String>, step: Step) {
    let kept = match step {
        Step::Part => lines.len().div_ceil(PART),
        Step::NoTexts | Step::NoTests => 0,
    };
    let left_out = lines.len() - kept;
    if left_out > 1 {
        lines.truncate(kept);
        lines.push(format!("[... {left_out} lines left out ...]"));
    }
}

fn shorten_name(name: &mut String, step: Step) {
    if step != Step::Part {
        *name = cut(name, NAME_BYTES);
    }
}

fn of_file(error: &mut FileError, step: Step) {
    shorten(&mut error.message, step);
    shorten_lines(&mut error.backtrace, step);
    shorten_name(&mut error.what, step);
    for text in error.exception.iter_mut().chain(&mut error.test) {
        shorten_name(text, step);
    }
}

fn of_host(error: &mut HostError, step: Step) {
    for text in [&mut error.message, &mut error.command, &mut error.output] {
        shorten(text, step);
    }
    if step != Step::Part {
        error.message = format!("the broker takes no more words than that: {CURE}");
    }
}

fn of_finish(finish: &mut Finish, step: Step, bytes: usize) {
    for test in &mut finish.tests {
        shorten(&mut test.message, step);
        shorten(&mut test.output, step);
        shorten_lines(&mut test.backtrace, step);
        shorten_name(&mut test.name, step);
        shorten_name(&mut test.classname, step);
        if let Some(exception) = &mut test.exception {
            shorten_name(exception, step);
        }
    }
    finish
        .errors
        .iter_mut()
        .for_each(|error| of_file(error, step));
    for text in &mut finish.warnings {
        *text = cut(text, WARNING_BYTES);
    }
    // Nobody of ours reads them: each stands beside its test as well.
    finish.failures.clear();
    shorten(&mut finish.output, step);
    let file = &finish.filename;
    match step {
        Step::Part => finish.warnings.push(format!(
            "{file}: the broker takes no message of its results' size, {bytes} bytes; their texts are cut: {CURE}"
        )),
        Step::NoTexts => {}
        Step::NoTests => {
            let counts: Vec<_> = [
                (Outcome::Passed, "passed"),
                (Outcome::Failed, "failed"),
                (Outcome::Errored, "errors"),
                (Outcome::Skipped, "skipped"),
            ]
            .iter()
            .map(|(outcome, word)| {
                let count = finish.tests.iter().filter(|test| test.outcome == *outcome);
                format!("{} {word}", count.count())
            })
            .collect();
            let message = format!(
                "the broker takes no message of the size of its results ({}), {bytes} bytes even without their texts: {CURE}",
                counts.join(", ")
            );
            finish.tests.clear();
            finish.defined = None;
            finish.divisible = false;
            finish.warnings.clear();
            finish.errors.truncate(1);
            finish.errors.push(FileError {
                what: "results".to_owned(),
                exception: None,
                message,
                backtrace: Vec::new(),
                test: None,
            });
            if finish.kind == FinishType::Pass {
                finish.kind = FinishType::Fail;
            }
        }
    }
}

fn lean(reply: &mut Reply, step: Step, bytes: usize) {
    match reply {
        Reply::Finish(finish) => of_finish(finish, step, bytes),
        Reply::SuiteHookFailed(failed) => {
            of_file(&mut failed.error, step);
            shorten(&mut failed.output, step);
        }
        Reply::Warning(warning) => shorten(&mut warning.message, step),
        Reply::StartFailed(failed) => of_host(&mut failed.error, step),
        Reply::HostAnswered(answer) => shorten(&mut answer.reason, step),
        Reply::WorkerEnded(ended) => ended.error.iter_mut().for_each(|e| of_host(e, step)),
        Reply::HostLeft(left) => left.error.iter_mut().for_each(|e| of_host(e, step)),
        // They name what they are about and nothing more.
        Reply::HostJoined(_)
        | Reply::HostSlots(_)
        | Reply::Start(_)
        | Reply::Returned(_)
        | Reply::Holds(_)
        | Reply::Idle(_)
        | Reply::HandedBack(_)
        | Reply::GivenUp(_)
        | Reply::Declined(_)
        | Reply::Coverage(_)
        | Reply::WorkerDied(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn finish(tests: usize, kind: &str, outcome: &str) -> Outgoing {
        let text = "x".repeat(8_000);
        let tests: Vec<Value> = (0..tests)
            .map(|n| {
                json!({
                    "id": format!("1:{n}"), "name": format!("test {n}"), "outcome": outcome,
                    "seconds": 0.5, "message": text, "output": text,
                    "backtrace": vec!["a.rb:1"; 40],
                })
            })
            .collect();
        let body = json!({
            "action": "finish", "hostname": "a", "listener_id": "L", "worker_id": 1, "pid": 2,
            "filename": "a_spec.rb", "item": 3, "attempt": 1, "type": kind, "runtime": 1.5,
            "tests": tests, "failures": vec![&text; tests.len()], "output": text,
        });
        Outgoing {
            body: body.to_string().into_bytes(),
            steps: vec![0],
        }
    }

    fn read(outgoing: &Outgoing) -> Value {
        serde_json::from_slice(&outgoing.body).unwrap()
    }

    #[test]
    fn texts_go_first_and_the_outcomes_of_tests_last() {
        let mut outgoing = finish(10, "fail", "failed");
        let whole = outgoing.body.len();
        assert!(outgoing.make_leaner());
        assert!(outgoing.body.len() < whole / 6, "{}", outgoing.body.len());
        let seen = read(&outgoing);
        let message = seen["tests"][0]["message"].as_str().unwrap();
        assert!(
            message.contains("x\n[... 7000 bytes left out ...]\nx"),
            "{message}"
        );
        assert_eq!(
            seen["tests"][0]["backtrace"][5],
            "[... 35 lines left out ...]"
        );
        assert!(
            seen["warnings"][0]
                .as_str()
                .unwrap()
                .contains("max_message_size")
        );

        assert!(outgoing.make_leaner());
        let seen = read(&outgoing);
        assert_eq!(seen["tests"].as_array().unwrap().len(), 10);
        assert_eq!(seen["tests"][9]["name"], "test 9");
        assert_eq!(seen["tests"][9]["outcome"], "failed");
        // With the four line feeds around the first mark.
        assert_eq!(seen["tests"][9]["message"], "[... 8002 bytes left out ...]");

        assert!(outgoing.make_leaner());
        let seen = read(&outgoing);
        assert_eq!(seen["tests"], json!([]));
        let message = seen["errors"][0]["message"].as_str().unwrap();
        assert!(
            message.contains("(0 passed, 10 failed, 0 errors, 0 skipped)"),
            "{message}"
        );
        assert!(!outgoing.make_leaner());
    }

    #[test]
    fn results_that_cannot_be_told_have_not_passed() {
        let mut outgoing = finish(1, "pass", "passed");
        while outgoing.make_leaner() {}
        assert_eq!(read(&outgoing)["type"], "fail");
        let mut outgoing = finish(1, "crash", "passed");
        while outgoing.make_leaner() {}
        assert_eq!(read(&outgoing)["type"], "crash");
    }

    #[test]
    fn of_several_replies_the_largest_is_cut() {
        let replies: Vec<Reply> = [
            (1, "pass", "passed"),
            (40, "fail", "failed"),
            (1, "pass", "passed"),
        ]
        .map(|(tests, kind, outcome)| finish(tests, kind, outcome))
        .iter()
        .flat_map(|one| read_replies(&one.body).unwrap())
        .collect();
        let mut outgoing = Outgoing::new(&replies);
        for _ in 0..2 {
            assert!(outgoing.make_leaner());
        }
        let seen = read(&outgoing);
        for at in [0, 2] {
            assert!(seen[at] == serde_json::to_value(&replies[at]).unwrap());
        }
        assert_eq!(seen[1]["tests"].as_array().unwrap().len(), 40);
        assert_eq!(
            seen[1]["tests"][0]["message"],
            "[... 8002 bytes left out ...]"
        );
        while outgoing.make_leaner() {}
        assert_eq!(read(&outgoing)[0]["type"], "fail");
    }

    #[test]
    fn a_host_that_left_says_why_as_long_as_it_can() {
        let body = json!({
            "action": "host_left", "hostname": "a", "listener_id": "L", "reason": "callback_failed",
            "error": {"what": "after_sync", "message": "RuntimeError: no", "output": "y".repeat(800)},
        });
        let mut outgoing = Outgoing {
            body: body.to_string().into_bytes(),
            steps: vec![0],
        };
        assert!(outgoing.make_leaner());
        let error = read(&outgoing)["error"].clone();
        assert_eq!(error["message"], "RuntimeError: no");
        assert!(
            error["output"]
                .as_str()
                .unwrap()
                .contains("[... 700 bytes left out ...]")
        );
    }
}
