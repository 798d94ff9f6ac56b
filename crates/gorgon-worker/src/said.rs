//! What a Ruby child says, in the core; `child_end.rs` has how it ends.

use std::time::Instant;

use gorgon_process::stop::Rung;
use gorgon_proto::job::{Framework, Isolation};
use gorgon_proto::outcome::FileError;
use gorgon_ruby::ChildEvent;

use crate::children::{ChildNo, Stage};
use crate::event::{Effect, Exit};
use crate::notices::{callback_error, host_error, loaded_again};
use crate::record::{How, Record};
use crate::row::broken_row;
use crate::work::{CANCELLED_END_LIMIT, Phase, Work};

/// What a child says at the end of a file.
pub(crate) struct Said {
    time: f64,
    told: Option<(usize, usize)>,
    output: String,
}

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
                self.start_error = None;
            }
            ChildEvent::AfterComplete => child.after_complete = true,
            ChildEvent::Finished | ChildEvent::CallbackDone => child.finished = true,
            ChildEvent::CoverageFailed(status) => child.coverage = Some(status),
            ChildEvent::Coverage(piece) => self.share_coverage(piece, out),
            ChildEvent::Interrupted => self.interrupted(now, no, out),
            ChildEvent::Ended { end, output, left } => {
                self.child_ended(now, no, end, output, &left, out)
            }
            ChildEvent::ForkFailed(message) => self.fork_failed(now, no, message, out),
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
                    self.start_failed(now, callback_error(failure), out);
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
                told,
                output,
                spent,
                more,
            } => {
                let said = Said { time, told, output };
                self.file_finished(now, no, said, spent, more, out);
            }
            ChildEvent::Defined(ids) => {
                if let Some(record) = self.record_of(no) {
                    record.defined(ids);
                }
            }
            ChildEvent::Unread(fault) => self.unread(now, no, fault, out),
            ChildEvent::Divisible => {
                if let Some(record) = self.record_of(no) {
                    record.divisible();
                }
            }
            ChildEvent::PlainRun(plain) => {
                if let Some(record) = self.record_of(no) {
                    record.plain(plain);
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
    pub(crate) fn record_of(&mut self, no: ChildNo) -> Option<&mut Record> {
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

    /// A line of a child cannot be read. A test may have changed what writes it (a core class of Ruby), so that the end
    /// of the file may never be told.
    fn unread(&mut self, now: Instant, no: ChildNo, fault: String, out: &mut Vec<Effect>) {
        let Some(record) = self.record_of(no) else {
            return;
        };
        record.unread(fault.clone());
        if let Some(child) = self.children.get_mut(no)
            && child.stop.is_none()
        {
            child.unread = Some(fault);
            self.stop_child_from(now, no, Rung::Term, out);
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
                self.give_up_item(now, out);
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
        said: Said,
        spent: bool,
        more: bool,
        out: &mut Vec<Effect>,
    ) {
        let Phase::Running(running) = &mut self.phase else {
            return;
        };
        if running.child != Some(no) {
            return;
        }
        let timed_out = running.timed_out;
        let Said { time, told, output } = said;
        running.record.ended(time, told, output.clone());
        let item = &running.record.item;
        let ran = item.before.get(running.earlier).unwrap_or(item);
        let (id, filename) = (ran.item, ran.filename.clone());
        let mut followed = Vec::new();
        let mut spent = spent;
        if let Some(child) = self.children.get_mut(no) {
            if child.tested && running.is_doubtful() {
                followed = child.ran.iter().map(|(_, file)| file.clone()).collect();
            }
            child.tested |= running.record.any_test();
            child.ran.push((id, filename.clone()));
            if more && running.given > 0 {
                self.guess.learn(&filename, running.framework);
                running.tell_of_loading();
                return self.bundle_goes_on(now, no, out);
            }
            child.stage = Stage::Idle;
            child.stop = None;
            spent |= child.unread.is_some();
        }
        if timed_out && running.spared {
            // It may have ended so because of the signal.
            let told = format!(
                "{filename} was disturbed as the file before it was stopped, and ran once more"
            );
            running.give_anew();
            running.record.warning(told);
            return self.end_child(now, no, out);
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
            return self.give_up_item(now, out);
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
}
