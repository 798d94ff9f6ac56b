//! How a Ruby child ends, and what that means for its item or its hooks, in the core.

use std::time::Instant;

use gorgon_process::child::End;
use gorgon_process::signals::Signal;
use gorgon_proto::message::{HostError, Reply, StartFailed};
use gorgon_proto::outcome::FileError;
use gorgon_ruby::Purpose;

use crate::children::{Child, ChildNo, Stage};
use crate::event::{Effect, Exit};
use crate::notices::{
    after_complete, coverage_of_one, end_of_child, host_error, status_after_tests, unread_line,
};
use crate::record::How;
use crate::work::{Owed, Phase, START_TRIES, Work};

/// A child that has run tests ended while it waited for the next file, as by a thread that a test has left: what would
/// end the suite has not run.
fn ended_between(end: End) -> FileError {
    end_of_child(format!(
        "the Ruby child ended between two files, before its hooks were done: {end}"
    ))
}

impl Work {
    /// A Ruby child has ended, and nothing of it lives; `left` are processes that outlived it, which were killed.
    pub(crate) fn child_ended(
        &mut self,
        now: Instant,
        no: ChildNo,
        end: End,
        output: String,
        left: &[String],
        out: &mut Vec<Effect>,
    ) {
        let Some(child) = self.children.ended(no) else {
            return;
        };
        self.warn_of_left(no, &child, left, out);
        if child.purpose == Purpose::Items
            && child.started
            && !child.finished
            && self.settings.callbacks
            // Once begun it is not run again: it would end the next process as well.
            && !child.after_complete
        {
            self.owed = Some(Owed::by(child.framework));
        }
        match &mut self.phase {
            Phase::Running(running) if running.child == Some(no) => {
                if running.spared || (child.unread.is_some() && !running.record.is_unread()) {
                    // What its child was stopped for was the file before it.
                    running.give_anew();
                    if self.leaving.is_some() {
                        self.give_up_item(now, out);
                    }
                } else if running.timed_out {
                    let how = How::TimedOut {
                        limit_s: self.file_limit_s(),
                        output,
                    };
                    self.finish_item(now, how, out);
                } else if self.leaving.is_some() {
                    self.give_up_item(now, out);
                } else if let Some(fault) = child.ended_as_unread(end) {
                    let error = unread_line(fault);
                    self.finish_item(now, How::Refused(error), out);
                } else if running.interrupted {
                    self.finish_item(
                        now,
                        How::Crashed {
                            end: "SIGINT".to_owned(),
                            output,
                        },
                        out,
                    );
                } else if !running.loading && running.tries + 1 < START_TRIES {
                    // It died between two files: this one is not at fault.
                    running.tries += 1;
                    running.child = None;
                    running.limit_at = None;
                    // A row of files that is broken is told of itself.
                    if running.earlier == 0 && !child.ran.is_empty() {
                        self.suite_hook_failed(ended_between(end), output, out);
                    }
                } else {
                    self.finish_item(
                        now,
                        How::Crashed {
                            end: gorgon_ruby::describe_end(end, &output),
                            output,
                        },
                        out,
                    );
                }
            }
            Phase::Idle
            | Phase::Running(_)
            | Phase::Settling(_)
            | Phase::Ending
            | Phase::Leaving { .. }
            | Phase::Done => self.child_ended_without_item(now, &child, end, output, out),
        }
    }

    fn child_ended_without_item(
        &mut self,
        now: Instant,
        child: &Child,
        end: End,
        output: String,
        out: &mut Vec<Effect>,
    ) {
        let hurried = self.leaving == Some(Exit::Cancelled);
        let by_itself = !hurried
            && !child.interrupted
            && child.stop.is_none()
            && child.unread.is_none()
            && !child.ran.is_empty();
        let seconds = self.settings.callback_limit.as_secs_f64();
        match child.stage {
            Stage::Starting if self.leaving.is_some() => {}
            Stage::Starting => {
                let signaled = matches!(end, End::Signaled(_));
                self.false_starts += 1;
                if signaled && !child.overdue && self.false_starts < START_TRIES {
                    return;
                }
                let message = if child.overdue {
                    format!("before_start took longer than its limit of {seconds} s")
                } else {
                    format!("the Ruby child ended before it was ready: {end}")
                };
                let what = if child.overdue {
                    "before_start"
                } else {
                    "starting a Ruby child"
                };
                let error = host_error(what, message, output);
                if signaled {
                    self.start_failed_for_good(now, error.clone(), error, out);
                } else {
                    self.start_failed(now, error, out);
                }
            }
            Stage::Ending
                if child.overdue
                    && !hurried
                    && (child.purpose == Purpose::Items || child.in_after_complete()) =>
            {
                let error = if child.in_after_complete() {
                    after_complete(format!("it did not end within {seconds} s"))
                } else {
                    end_of_child(format!(
                        "the end of the Ruby child took longer than {seconds} s"
                    ))
                };
                self.suite_hook_failed(error, output, out);
            }
            Stage::Ending
                if child.purpose == Purpose::AfterComplete
                    && !child.in_after_complete()
                    && !child.finished
                    && !hurried =>
            {
                let text = format!("the Ruby child ended before after_complete had run: {end}");
                self.suite_hook_failed(end_of_child(text), output, out);
            }
            // Its host is being ended above it: no fault of a hook.
            Stage::Ending
                if !child.finished
                    && matches!(self.leaving, Some(Exit::HandedBack | Exit::ListenerLost))
                    && end == End::Signaled(Signal::Kill.number()) =>
            {
                self.warn(
                    "a Ruby child was killed before its hooks were done".to_owned(),
                    out,
                );
            }
            Stage::Ending
                if (by_itself || child.purpose == Purpose::AfterComplete && !hurried)
                    && child.in_after_complete() =>
            {
                let text = format!("it ended the Ruby child: {end}");
                self.suite_hook_failed(after_complete(text), output, out);
            }
            Stage::Ending if by_itself && !child.finished => {
                let text = format!("the Ruby child ended before its hooks were done: {end}");
                self.suite_hook_failed(end_of_child(text), output, out);
            }
            // A hook of Minitest's end may have had its exit taken back.
            Stage::Ending
                if by_itself
                    && child.coverage.is_some_and(|status| {
                        end == End::Exited(status) || end == End::Exited(0)
                    }) =>
            {
                let file = child.last_file().unwrap_or("none");
                let status = End::Exited(child.coverage.unwrap_or_default());
                self.warn(coverage_of_one(status, file), out);
            }
            // The INT that was to stop its last file has found that ended, and Ruby past its handlers.
            Stage::Ending
                if by_itself
                    && child.stopped
                    && child.finished
                    && end == End::Signaled(Signal::Int.number()) =>
            {
                self.warn(
                    "a Ruby child whose hooks were done ended by the signal that was to stop its file"
                        .to_owned(),
                    out,
                );
            }
            Stage::Ending if by_itself && end != End::Exited(0) => {
                let file = child.last_file().unwrap_or("none");
                self.suite_hook_failed(status_after_tests(end, file), output, out);
            }
            Stage::Idle if by_itself && self.leaving.is_none() => {
                self.suite_hook_failed(ended_between(end), output, out);
            }
            Stage::Idle if child.stop.is_none() => {
                self.warn(format!("a Ruby child ended between two files: {end}"), out);
            }
            Stage::Ending | Stage::Idle | Stage::Busy => {}
        }
    }

    /// A Ruby child could not be forked. One for after_complete is tried once more, too; after that the job fails, as if
    /// a child had ended before its after_complete.
    pub(crate) fn fork_failed(
        &mut self,
        now: Instant,
        no: ChildNo,
        message: String,
        out: &mut Vec<Effect>,
    ) {
        let Some(child) = self.children.ended(no) else {
            return;
        };
        if child.purpose == Purpose::Items {
            let error = host_error("forking a Ruby child", message, String::new());
            return self.start_failed(now, error, out);
        }
        let what = "forking a Ruby child for after_complete";
        if !child.again {
            let error = host_error(what, message, String::new());
            self.owed = Some(Owed {
                framework: child.framework,
                again: true,
            });
            self.tell_start_failed(error, true, out);
        } else if self.leaving != Some(Exit::Cancelled) {
            let text = format!("after_complete has not run, {what} failed twice: {message}");
            self.suite_hook_failed(end_of_child(text), String::new(), out);
        }
    }

    /// A Ruby child did not become ready: before_start raised, for instance. The first time in a row this is reported at
    /// once, and another child is forked for the item. The second time the worker leaves, with the first error.
    pub(crate) fn start_failed(&mut self, now: Instant, error: HostError, out: &mut Vec<Effect>) {
        if self.leaving.is_some() {
            return;
        }
        let Some(mut first) = self.start_error.take() else {
            self.tell_start_failed(error.clone(), true, out);
            self.start_error = Some(error);
            return;
        };
        if (&first.what, &first.message) != (&error.what, &error.message) {
            let line = error.message.lines().next().unwrap_or_default();
            let second = format!("\nthe second time: {}: {line}", error.what);
            first.message.push_str(&second);
        }
        self.start_failed_for_good(now, error, first, out);
    }

    /// The worker leaves with the first error, which may be the last one.
    fn start_failed_for_good(
        &mut self,
        now: Instant,
        last: HostError,
        first: HostError,
        out: &mut Vec<Effect>,
    ) {
        if self.leaving.is_none() {
            self.tell_start_failed(last, false, out);
        }
        self.leave(now, Exit::CallbackFailed(first), out);
    }

    fn tell_start_failed(&mut self, error: HostError, again: bool, out: &mut Vec<Effect>) {
        let me = &self.settings.me;
        let reply = Reply::StartFailed(StartFailed {
            hostname: me.hostname.clone(),
            listener_id: me.listener_id.clone(),
            worker_id: me.worker_id,
            pid: me.pid,
            error,
            again,
        });
        self.publish(reply, out);
    }

    /// Processes that outlived their child, which were killed.
    fn warn_of_left(&mut self, no: ChildNo, child: &Child, left: &[String], out: &mut Vec<Effect>) {
        if left.is_empty() {
            return;
        }
        let text = match child.last_file() {
            Some(file) => format!(
                "{file}, or a file before it in its Ruby child, left a process behind: {}",
                left.join(", ")
            ),
            None => format!("a process was left behind: {}", left.join(", ")),
        };
        match self.record_of(no) {
            Some(record) => record.warning(text),
            None => self.warn(text, out),
        }
    }
}
