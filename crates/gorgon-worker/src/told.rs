//! Replies as text for the person who runs files by hand, and a last line with totals. Pure.

use std::fmt::Write as _;

use gorgon_proto::message::{Finish, HostError, Reply};
use gorgon_proto::outcome::{FinishType, Outcome};
use gorgon_proto::text::failure::{Paint, hook_head, indented, push_error, push_output, push_test};
use gorgon_proto::text::visible::one_line;

use crate::work::Interrupted;

/// The word for a file that passed.
const PASSED: &str = "passed";

/// What has been told so far.
#[derive(Debug)]
pub struct Told {
    paint: Paint,
    files: Tally,
    tests: Tally,
    errors: usize,
}

/// How many of something ended how, in the order in which the words came up first.
#[derive(Debug, Default)]
struct Tally(Vec<(&'static str, usize)>);

impl Tally {
    fn of(words: &[&'static str]) -> Self {
        Self(words.iter().map(|word| (*word, 0)).collect())
    }

    fn add(&mut self, word: &'static str) {
        match self.0.iter_mut().find(|(known, _)| *known == word) {
            Some((_, count)) => *count += 1,
            None => self.0.push((word, 1)),
        }
    }

    /// `3 tests: 2 passed, 1 failed`.
    fn line(&self, noun: &str) -> String {
        let there = self.0.iter().filter(|(_, count)| *count > 0);
        let parts: Vec<String> = there
            .map(|(word, count)| format!("{count} {word}"))
            .collect();
        let all = self.0.iter().map(|(_, count)| count).sum();
        let between = if parts.is_empty() { "" } else { ": " };
        format!("{}{between}{}", counted(all, noun), parts.join(", "))
    }
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn of_tests() -> Tally {
    Tally::of(&["passed", "failed", "errored", "skipped"])
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Errored => "errored",
        Outcome::Skipped => "skipped",
    }
}

impl Told {
    /// Has told nothing yet.
    #[must_use]
    pub fn new(colour: bool) -> Self {
        Self {
            paint: Paint::whole(colour),
            files: Tally::of(&["passed", "failed", "crashed", "timed out"]),
            tests: of_tests(),
            errors: 0,
        }
    }

    /// Returns what is to be said of a reply; nothing of what a person does not ask for.
    pub fn reply(&mut self, reply: &Reply) -> String {
        let mut out = String::new();
        match reply {
            Reply::Finish(finish) => self.file(&mut out, finish),
            Reply::SuiteHookFailed(failed) => {
                self.errors += 1;
                let head = self.paint.red(&hook_head(&failed.error));
                let _ = writeln!(out, "{head}\n");
                push_error(&mut out, &failed.error, &self.paint);
                push_output(&mut out, &failed.output, &self.paint);
                out.push('\n');
            }
            Reply::Warning(warning) => self.warning(&mut out, &warning.message),
            // The end of the worker tells it.
            Reply::StartFailed(failed) if !failed.again => {}
            Reply::StartFailed(failed) => {
                let error = &failed.error;
                let first = error.message.lines().next().unwrap_or_default();
                let text = format!("{} failed, and is tried once more: {first}", error.what);
                self.warning(&mut out, &text);
            }
            Reply::WorkerEnded(ended) => {
                if let Some(error) = &ended.error {
                    self.errors += 1;
                    self.host_error(&mut out, error);
                }
            }
            Reply::HandedBack(_) | Reply::GivenUp(_) => {
                self.warning(&mut out, "the file that was running was handed back");
            }
            Reply::Returned(_) | Reply::Declined(_) => {
                self.warning(&mut out, "a file was left to another worker");
            }
            Reply::HostAnswered(_)
            | Reply::HostJoined(_)
            | Reply::HostSlots(_)
            | Reply::Start(_)
            | Reply::Holds(_)
            | Reply::Idle(_)
            | Reply::Coverage(_)
            | Reply::WorkerDied(_)
            | Reply::HostLeft(_) => {}
        }
        out
    }

    /// Returns the last line; nothing if no file came to an end.
    #[must_use]
    pub fn totals(&self) -> String {
        if self.errors == 0 && self.files.0.iter().all(|(_, count)| *count == 0) {
            return String::new();
        }
        let mut line = format!("{}; {}", self.files.line("file"), self.tests.line("test"));
        if self.errors > 0 {
            let _ = write!(line, "; {} outside tests", counted(self.errors, "error"));
        }
        let bad =
            |(word, count): &(&str, usize)| !matches!(*word, "passed" | "skipped") && *count > 0;
        let red = self.errors > 0 || self.files.0.iter().chain(&self.tests.0).any(bad);
        let line = if red {
            self.paint.red(&line)
        } else {
            self.paint.green(&line)
        };
        format!("{line}\n")
    }

    fn file(&mut self, out: &mut String, finish: &Finish) {
        let how = match finish.kind {
            FinishType::Pass => PASSED,
            FinishType::Fail => "failed",
            FinishType::Crash => "crashed",
            FinishType::Timeout => "timed out",
        };
        self.ended(out, finish, how);
    }

    /// Returns what a cancel stopped, and the files that did not run.
    #[must_use]
    pub fn not_run(&mut self, stopped: Option<&Interrupted>, left: &[&str]) -> String {
        let mut out = String::new();
        if let Some(stopped) = stopped {
            self.ended(&mut out, &stopped.finish, "interrupted");
            if let Some(test) = &stopped.test {
                let _ = writeln!(out, "Interrupted test: {}\n", one_line(test));
            }
        }
        for file in left {
            self.files.add("not run");
            let text = format!("{} not run", one_line(file));
            let _ = writeln!(out, "{}", self.paint.red(&text));
        }
        out
    }

    fn ended(&mut self, out: &mut String, finish: &Finish, how: &'static str) {
        self.files.add(how);
        self.errors += finish.errors.len();
        let mut tests = of_tests();
        for test in &finish.tests {
            tests.add(word(test.outcome));
            self.tests.add(word(test.outcome));
        }
        let file = one_line(&finish.filename);
        let head = format!(
            "{file} {how} ({:.2} s), {}",
            finish.time,
            tests.line("test")
        );
        let head = if how == PASSED {
            self.paint.green(&head)
        } else {
            self.paint.red(&head)
        };
        let _ = writeln!(out, "{head}");
        let bad = || finish.tests.iter().filter(|test| test.outcome.is_bad());
        for test in bad() {
            out.push('\n');
            push_test(out, test, &self.paint);
        }
        for error in &finish.errors {
            out.push('\n');
            push_error(out, error, &self.paint);
        }
        if bad().all(|test| test.output.is_empty()) {
            push_output(out, &finish.output, &self.paint);
        }
        for warning in &finish.warnings {
            self.warning(out, warning);
        }
        if how != PASSED {
            out.push('\n');
        }
    }

    fn warning(&self, out: &mut String, text: &str) {
        let text = format!("warning: {}", one_line(text));
        let _ = writeln!(out, "{}", self.paint.yellow(&text));
    }

    fn host_error(&self, out: &mut String, error: &HostError) {
        let head = format!("The worker ended early: {}", one_line(&error.what));
        let _ = writeln!(out, "{}", self.paint.red(&head));
        out.push_str(&indented(&error.message, &self.paint));
        if !error.command.is_empty() {
            let _ = writeln!(out, "  Command: {}", one_line(&error.command));
        }
        push_output(out, &error.output, &self.paint);
        out.push('\n');
    }
}
