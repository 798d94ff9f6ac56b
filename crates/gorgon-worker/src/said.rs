//! What a Ruby child says, and how it ends, in the core.

use std::time::Instant;

use gorgon_process::child::End;
use gorgon_process::signals::Signal;
use gorgon_proto::job::{Framework, Isolation};
use gorgon_proto::outcome::FileError;
use gorgon_ruby::{ChildEvent, Purpose};

use crate::children::{Child, ChildNo, Stage};
use crate::event::{Effect, Exit};
use crate::notices::{
    callback_error, coverage_of_one, end_of_child, host_error, loaded_again, status_after_tests,
};
use crate::record::{How, Record};
use crate::row::broken_row;
use crate::work::{CANCELLED_END_LIMIT, Phase, START_TRIES, Work};

impl Work {
    pub(crate) fn child_said(
        &mut self,
        now: Instant,
        no: ChildNo,
        said: ChildEvent,
        out: &mut Vec<Effect>,
    ) {
        let Some(child) = self.children.get_mut(no) else {
            return;
        };
        match said {
            ChildEvent::Forked { .. } => {}
            ChildEvent::Ready => {
                child.started = true;
                if child.stage == Stage::Starting {
                    child.stage = Stage::Idle;
                    child.limit_at = None;
                }
                self.false_starts = 0;
            }
            ChildEvent::AfterComplete => child.after_complete = true,
            ChildEvent::Finished | ChildEvent::CallbackDone => child.finished = true,
            ChildEvent::CoverageFailed(status) => child.coverage = Some(status),
            ChildEvent::Interrupted => self.interrupted(now, no, out),
            ChildEvent::Ended { end, output, left } => {
                self.child_ended(now, no, end, output, &left, out)
            }
            ChildEvent::ForkFailed(message) => {
                self.children.ended(no);
                let error = host_error("forking a Ruby child", message, String::new());
                self.leave(now, Exit::CallbackFailed(error), out);
            }
            ChildEvent::PreloaderLost => {
                self.preloader_lost("its connection ended".to_owned(), out)
            }
            ChildEvent::SuiteHookFailed { error, output } => {
                self.suite_hook_failed(error, output, out)
            }
            ChildEvent::CallbackFailed(failure) => {
                let starting = child.stage == Stage::Starting;
                child.stage = Stage::Ending;
                child.limit_at = Some(now + CANCELLED_END_LIMIT);
                if starting {
                    self.leave(now, Exit::CallbackFailed(callback_error(failure)), out);
                } else {
                    child.finished = true;
                    self.end_error
                        .get_or_insert_with(|| callback_error(failure));
                }
            }
            ChildEvent::Refused(refusal) => {
                child.stage = Stage::Ending;
                child.limit_at = Some(now + CANCELLED_END_LIMIT);
                child.finished = true;
                // It ends by itself, and its item goes back at once.
                if let Phase::Running(running) = &mut self.phase
                    && running.child == Some(no)
                {
                    running.child = None;
                }
                let error = host_error(&refusal.what, refusal.message, refusal.output);
                self.leave(now, Exit::Refused(error), out);
            }
            ChildEvent::OtherFramework { framework, loaded } => {
                self.other_framework(now, no, framework, loaded, out);
            }
            ChildEvent::FileFinished {
                time,
                output,
                spent,
            } => {
                self.file_finished(now, no, time, output, spent, out);
            }
            ChildEvent::Defined(ids) => {
                if let Some(record) = self.record_of(no) {
                    record.defined(ids);
                }
            }
            ChildEvent::Unread(fault) => {
                if let Some(record) = self.record_of(no) {
                    record.unread(fault);
                }
            }
            ChildEvent::Divisible => {
                if let Some(record) = self.record_of(no) {
                    record.divisible();
                }
            }
            ChildEvent::HasNoTests => {
                if let Some(record) = self.record_of(no) {
                    record.has_no_tests();
                }
            }
            ChildEvent::NeedsTests => {
                if let Some(record) = self.record_of(no) {
                    record.needs_tests();
                }
            }
            ChildEvent::LeftOut(left) => {
                if let Some(record) = self.record_of(no) {
                    record.left_out(left);
                }
            }
            ChildEvent::Warning(text) => match self.record_of(no) {
                Some(record) => record.warning(text),
                None => self.warn(text, out),
            },
            ChildEvent::Loading => {
                if let Phase::Running(running) = &mut self.phase
                    && running.child == Some(no)
                {
                    running.loading = true;
                }
            }
            ChildEvent::TestStarted { name, .. } => {
                if let Some(record) = self.record_of(no) {
                    record.test_started(name);
                }
            }
            ChildEvent::TestFinished(result) => {
                if let Some(record) = self.record_of(no) {
                    record.test_finished(*result);
                }
            }
            ChildEvent::FileError(error) => {
                if let Some(record) = self.record_of(no) {
                    record.error(error);
                }
            }
        }
    }

    /// The record of the item that a child runs.
    fn record_of(&mut self, no: ChildNo) -> Option<&mut Record> {
        match &mut self.phase {
            Phase::Running(running) if running.child == Some(no) => Some(&mut running.record),
            Phase::Idle
            | Phase::Running(_)
            | Phase::Settling(_)
            | Phase::Ending
            | Phase::Leaving { .. }
            | Phase::Done => None,
        }
    }

    /// The child gave the file up; its hooks and after_complete run now.
    fn interrupted(&mut self, now: Instant, no: ChildNo, out: &mut Vec<Effect>) {
        self.children.end(no, self.end_limit_at(now));
        if let Some(child) = self.children.get_mut(no) {
            child.stop = None;
            child.interrupted = true;
        }
        if let Phase::Running(running) = &mut self.phase
            && running.child == Some(no)
        {
            running.interrupted = true;
            running.limit_at = None;
            if self.leaving.is_some() {
                self.give_up_item(out);
            }
        }
    }

    /// The item is for another framework. A child that has loaded it in vain runs nothing else.
    fn other_framework(
        &mut self,
        now: Instant,
        no: ChildNo,
        framework: Framework,
        loaded: bool,
        out: &mut Vec<Effect>,
    ) {
        if let Some(child) = self.children.get_mut(no)
            && child.stage == Stage::Busy
        {
            child.stage = Stage::Idle;
            if loaded {
                self.end_child(now, no, out);
            }
        }
        let Phase::Running(running) = &mut self.phase else {
            return;
        };
        if running.child != Some(no) {
            return;
        }
        if running.earlier > 0 {
            let error = broken_row("a file is for another framework now");
            return self.finish_item(now, How::Refused(error), out);
        }
        running.child = None;
        running.limit_at = None;
        let again = running.asked.contains(&running.framework);
        running.asked.push(running.framework);
        running.framework = framework;
        if again {
            let error = FileError {
                what: "load".to_owned(),
                exception: None,
                message: "no framework takes the file: each Ruby child names another one"
                    .to_owned(),
                backtrace: Vec::new(),
                test: None,
            };
            self.finish_item(now, How::Refused(error), out);
        }
    }

    fn file_finished(
        &mut self,
        now: Instant,
        no: ChildNo,
        time: f64,
        output: String,
        spent: bool,
        out: &mut Vec<Effect>,
    ) {
        let Phase::Running(running) = &mut self.phase else {
            return;
        };
        if running.child != Some(no) {
            return;
        }
        let timed_out = running.timed_out;
        running.record.ended(time, output.clone());
        let item = &running.record.item;
        let ran = item.before.get(running.earlier).unwrap_or(item);
        let (id, filename) = (ran.item, ran.filename.clone());
        let mut followed = Vec::new();
        if let Some(child) = self.children.get_mut(no) {
            if child.tested && running.is_doubtful() {
                followed = child.ran.iter().map(|(_, file)| file.clone()).collect();
            }
            child.tested |= running.record.any_test();
            child.ran.push((id, filename.clone()));
            child.stage = Stage::Idle;
            child.stop = None;
        }
        if timed_out {
            // What a stopped file leaves behind is nothing for the next one.
            self.end_child(now, no, out);
            let how = How::TimedOut {
                limit_s: self.file_limit_s(),
                output,
            };
            return self.finish_item(now, how, out);
        }
        if self.leaving.is_some() {
            // It was stopped: what it says of itself is not a result.
            return self.give_up_item(out);
        }
        self.guess.learn(&filename, running.framework);
        if running.earlier < running.record.item.before.len() {
            return self.earlier_ended(now, no, id, spent, out);
        }
        if !followed.is_empty() {
            // No plain run loads a file after tests of others have run.
            let told = loaded_again(running.record.load_error(), &followed);
            running.told_if_loaded = Some(told);
            running.without_tests = running.record.load_error().is_none();
            running.again = true;
            running.child = None;
            running.limit_at = None;
            return self.end_child(now, no, out);
        }
        running.tell_of_loading();
        if spent || self.settings.isolation == Isolation::File {
            self.end_child(now, no, out);
        }
        self.finish_item(now, How::Finished, out);
    }

    fn child_ended(
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
            // One that ran into its limit would do so again.
            && !(child.overdue && child.after_complete)
        {
            self.owed = Some(child.framework);
        }
        match &mut self.phase {
            Phase::Running(running) if running.child == Some(no) => {
                if running.timed_out {
                    let how = How::TimedOut {
                        limit_s: self.file_limit_s(),
                        output,
                    };
                    self.finish_item(now, how, out);
                } else if self.leaving.is_some() {
                    self.give_up_item(out);
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
        let by_itself =
            !hurried && !child.interrupted && child.stop.is_none() && !child.ran.is_empty();
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
                self.leave(now, Exit::CallbackFailed(error), out);
            }
            Stage::Ending if child.overdue && child.purpose == Purpose::Items && !hurried => {
                let text = format!("the end of the Ruby child took longer than {seconds} s");
                self.suite_hook_failed(end_of_child(text), output, out);
            }
            Stage::Ending
                if child.purpose == Purpose::AfterComplete && !child.finished && !hurried =>
            {
                let error = host_error(
                    "after_complete",
                    format!("the Ruby child ended: {end}"),
                    output,
                );
                self.end_error.get_or_insert(error);
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
            Stage::Ending if by_itself && !child.finished => {
                let text = format!("the Ruby child ended before its hooks were done: {end}");
                self.suite_hook_failed(end_of_child(text), output, out);
            }
            Stage::Ending if by_itself && end != End::Exited(0) => {
                let file = child.last_file().unwrap_or("none");
                if child.coverage.map(End::Exited) == Some(end) {
                    return self.warn(coverage_of_one(end, file), out);
                }
                self.suite_hook_failed(status_after_tests(end, file), output, out);
            }
            Stage::Idle if child.stop.is_none() => {
                self.warn(format!("a Ruby child ended between two files: {end}"), out);
            }
            Stage::Ending | Stage::Idle | Stage::Busy => {}
        }
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
