//! One item's life in the core: which child gets it, what the child says of it, how it ends.

use std::collections::VecDeque;
use std::path::{Component, Path};
use std::time::Instant;

use gorgon_proto::item::WorkItem;
use gorgon_proto::job::Isolation;
use gorgon_proto::local::Began;
use gorgon_proto::message::{Reply, WorkerEnded};
use gorgon_proto::outcome::FileError;
use gorgon_ruby::Purpose;

use crate::bundle::{LOOK_AFTER, given_with};
use crate::children::Stage;
use crate::event::{Delivered, Effect, Exit};
use crate::record::{How, Record};
use crate::row::broken_row;
use crate::running::Running;
use crate::settling::{InHand, Settling};
use crate::work::{Consuming, Interrupted, Phase, Work};

impl Work {
    /// Does what the state allows until nothing more follows.
    pub(crate) fn advance(&mut self, now: Instant, out: &mut Vec<Effect>) {
        self.take_items(out);
        loop {
            self.give_slot(now, out);
            self.settle_extra(out);
            self.pay_owed(now, out);
            let again = match &self.phase {
                Phase::Idle => self.advance_idle(now, out),
                Phase::Running(_) => self.advance_running(now, out),
                Phase::Settling(_) => self.advance_settling(now, out),
                Phase::Ending => self.advance_ending(now, out),
                Phase::Leaving { .. } => {
                    self.arm_leave(now);
                    false
                }
                Phase::Done => false,
            };
            if !again {
                break;
            }
        }
    }

    /// Its slot is wanted: it leaves once nothing runs. An item that came before the consumer was
    /// drained is run first: nothing is handed back for this.
    fn give_slot(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if !self.slot_wanted || self.leaving.is_some() {
            return;
        }
        match &self.phase {
            // What the session may have brought by its ack is run too.
            Phase::Settling(settling) if settling.acks_itself => self.stop_consuming(out),
            Phase::Settling(_) => self.leave(now, Exit::SlotGiven, out),
            Phase::Idle if self.consuming == Consuming::Yes => self.stop_consuming(out),
            Phase::Idle if self.consuming == Consuming::No && self.extra.is_empty() => {
                self.leave(now, Exit::SlotGiven, out);
            }
            Phase::Idle
            | Phase::Running(_)
            | Phase::Ending
            | Phase::Leaving { .. }
            | Phase::Done => {}
        }
    }

    fn advance_idle(&mut self, now: Instant, out: &mut Vec<Effect>) -> bool {
        if self.leaving.is_some() {
            self.phase = Phase::Ending;
            return true;
        }
        match self.extra.pop_front() {
            Some(delivered) => {
                self.begin(now, delivered, out);
                true
            }
            None => false,
        }
    }

    /// Begins an item, or says why it does not.
    fn begin(&mut self, now: Instant, delivered: Delivered, out: &mut Vec<Effect>) {
        self.queue_is_there();
        let Delivered {
            delivery,
            items,
            redelivered,
        } = delivered;
        let me = &self.settings.me;
        let hand = InHand::of(delivery);
        let mut rest = VecDeque::from(items);
        if redelivered {
            let returned = rest.iter().map(|item| Reply::Returned(me.about(item)));
            let returned = returned.collect();
            return self.settle(hand, returned, out);
        }
        let Some(item) = rest.pop_front() else {
            return self.settle(hand, Vec::new(), out);
        };
        if !me.may_run(&item) {
            let declined = Reply::Declined(me.about(&item));
            return self.settle(hand, vec![declined], out);
        }
        out.push(Effect::Note(Some(Box::new(Began {
            start: me.start(&item),
            in_bundle: !rest.is_empty(),
        }))));
        self.outdate_word();
        let framework = self.guess.of(&item.filename);
        let running = Running::new(hand, Record::open(item, now), framework, rest);
        self.phase = Phase::Running(Box::new(running));
        self.tell_start(now, out);
    }

    /// Tells that the item begins, or that it cannot.
    pub(crate) fn tell_start(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let Phase::Running(running) = &self.phase else {
            return;
        };
        let item = &running.record.item;
        let outside = outside_of(item);
        let (start, first) = (self.settings.me.start(item), item.attempt == 1);
        if first {
            self.publish_soon(now, Reply::Start(start), out);
        } else {
            self.publish(Reply::Start(start), out);
        }
        if let Some(outside) = outside {
            let error = FileError {
                what: "load".to_owned(),
                exception: None,
                message: format!("{outside} lies outside the project"),
                backtrace: Vec::new(),
                test: None,
            };
            self.finish_item(now, How::Refused(error), out);
        }
    }

    /// Finds or forks the child for the item, and gives it the item.
    fn advance_running(&mut self, now: Instant, out: &mut Vec<Effect>) -> bool {
        let Phase::Running(running) = &mut self.phase else {
            return false;
        };
        if running.child.is_some() {
            return false;
        }
        if self.leaving.is_some() {
            self.give_up_item(now, out);
            return true;
        }
        if self.children.any_leaving() || self.owed.is_some() {
            return false;
        }
        let framework = running.framework;
        let Some(no) = self.children.of(framework) else {
            if running.earlier > 0 {
                let error = broken_row("the Ruby child ended between two files");
                self.finish_item(now, How::Refused(error), out);
                return true;
            }
            let no = self.children.fork(
                framework,
                Purpose::Items,
                now + self.settings.callback_limit,
            );
            out.push(Effect::Fork(no, framework, Purpose::Items));
            return false;
        };
        let given = given_with(running, self.settings.isolation, &self.guess);
        let item = &running.record.item;
        let fresh = item.fresh || running.again || self.settings.isolation == Isolation::File;
        let begins = running.earlier == 0;
        let next = item.before.get(running.earlier).unwrap_or(item);
        let then = running.rest.iter().take(given).cloned().collect();
        let run = Effect::Run(no, Box::new(next.clone()), running.asked.clone(), then);
        let Some(child) = self.children.get_mut(no) else {
            return false;
        };
        if child.stage != Stage::Idle {
            return false;
        }
        if fresh && begins && !child.ran.is_empty() {
            self.end_child(now, no, out);
            return false;
        }
        child.stage = Stage::Busy;
        child.limit_at = None;
        running.child = Some(no);
        running.loading = false;
        running.limit_at = self.settings.file_limit.map(|limit| now + limit);
        running.given = given;
        running.look_at = (given > 0).then_some(now + LOOK_AFTER);
        running
            .record
            .given_to(no.0, now, framework, child.ran_items());
        if given > 0 {
            running.record.mark_bundled();
        }
        out.push(run);
        false
    }

    /// Acks when the last reply is confirmed and no child is on its way out.
    fn advance_settling(&mut self, now: Instant, out: &mut Vec<Effect>) -> bool {
        let Phase::Settling(settling) = &self.phase else {
            return false;
        };
        if self.children.any_leaving() || self.owed.is_some() {
            return false;
        }
        let draining = self.leaving.is_some() && self.consuming == Consuming::Stopping;
        if !settling.hand.awaits.is_empty() || draining {
            if self.leaving.is_some() {
                self.arm_leave(now);
            }
            return false;
        }
        if let Some(delivery) = settling.hand.delivery {
            out.push(Effect::Ack(delivery));
        }
        self.disarm_leave();
        self.become_idle(now, out);
        true
    }

    /// Ends the children, one framework after another, then says good-bye.
    fn advance_ending(&mut self, now: Instant, out: &mut Vec<Effect>) -> bool {
        for no in self.children.idle() {
            self.end_child(now, no, out);
        }
        if !self.children.is_empty() || self.owed.is_some() {
            return false;
        }
        if self.consuming == Consuming::Stopping || !self.notes.is_empty() {
            self.arm_leave(now);
            return false;
        }
        let me = &self.settings.me;
        let error = match &self.leaving {
            Some(Exit::CallbackFailed(error) | Exit::Refused(error)) => Some(error.clone()),
            Some(
                Exit::Over
                | Exit::Cancelled
                | Exit::HandedBack
                | Exit::ListenerLost
                | Exit::SlotGiven
                | Exit::PreloaderLost(_)
                | Exit::BrokerGone(_),
            )
            | None => self.end_error.clone(),
        };
        let ended = Reply::WorkerEnded(WorkerEnded {
            hostname: me.hostname.clone(),
            listener_id: me.listener_id.clone(),
            worker_id: me.worker_id,
            pid: me.pid,
            items: self.items,
            error,
            trace: Vec::new(),
        });
        let tag = self.publish(ended, out);
        self.disarm_leave();
        self.phase = Phase::Leaving { tag };
        true
    }

    /// Deliveries that this worker will not run go back by a note, acked when it is confirmed.
    fn settle_extra(&mut self, out: &mut Vec<Effect>) {
        let taking = matches!(self.phase, Phase::Idle) && self.leaving.is_none();
        if taking || self.consuming != Consuming::No {
            return;
        }
        if let Phase::Settling(_) = self.phase
            && self.leaving.is_none()
        {
            return;
        }
        while let Some(Delivered {
            delivery,
            items,
            redelivered,
        }) = self.extra.pop_front()
        {
            if self.leaving == Some(Exit::Cancelled) {
                out.push(Effect::Ack(delivery));
                continue;
            }
            let notes = items.iter().map(|item| self.settings.me.about(item));
            let replies = if redelivered {
                notes.map(Reply::Returned).collect()
            } else {
                notes.map(Reply::HandedBack).collect()
            };
            let tag = self.publish_all(replies, out);
            self.notes.insert(tag, delivery);
        }
    }

    /// Runs after_complete for a child that died, before anything else begins in this slot.
    fn pay_owed(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if self.children.any_leaving() {
            return;
        }
        if let Some(owed) = self.owed.take() {
            if self.hurry_until.is_some_and(|at| at <= now) {
                // Its seconds are spent, by an after_complete without end or by what came before it.
                return;
            }
            let limit_at = self.end_limit_at(now);
            let no = self
                .children
                .fork(owed.framework, Purpose::AfterComplete, limit_at);
            if let Some(child) = self.children.get_mut(no) {
                child.again = owed.again;
            }
            out.push(Effect::Fork(no, owed.framework, Purpose::AfterComplete));
        }
    }

    /// Every child died with it. What we hold goes back with the connection; the manager tells the
    /// originator, which costs the item an attempt: it may be the item that kills preloaders.
    pub(crate) fn preloader_lost(&mut self, how: String, out: &mut Vec<Effect>) {
        self.children.clear();
        self.send_unsent(out);
        self.phase = Phase::Done;
        out.push(Effect::Exit(Exit::PreloaderLost(how)));
    }

    /// The item that runs will have no finish from here: what is said of it depends on why.
    pub(crate) fn give_up_item(&mut self, now: Instant, out: &mut Vec<Effect>) {
        let Phase::Running(running) = &self.phase else {
            return;
        };
        let me = &self.settings.me;
        let note = me.about(&running.record.item);
        if self.leaving == Some(Exit::Cancelled) && me.manager_pid == 0 {
            let record = running.record.clone();
            self.interrupted = Some(Interrupted {
                test: record.running().map(str::to_owned),
                finish: Box::new(record.close(me, now, How::Finished)),
            });
        }
        let reply = match &self.leaving {
            Some(Exit::HandedBack | Exit::CallbackFailed(_) | Exit::Refused(_)) => {
                Some(Reply::HandedBack(note))
            }
            Some(Exit::ListenerLost) => Some(Reply::GivenUp(note)),
            Some(
                Exit::Cancelled
                | Exit::Over
                | Exit::SlotGiven
                | Exit::BrokerGone(_)
                | Exit::PreloaderLost(_),
            )
            | None => None,
        };
        let mut replies: Vec<Reply> = reply.into_iter().collect();
        replies.extend(self.not_begun(&running.rest));
        if let Phase::Running(running) = std::mem::replace(&mut self.phase, Phase::Idle) {
            self.settle(running.hand, replies, out);
        }
    }

    pub(crate) fn finish_item(&mut self, now: Instant, how: How, out: &mut Vec<Effect>) {
        self.finish(now, how, false, out);
    }

    /// The item that runs has ended; `goes_on`: its child has begun the next one of the bundle.
    pub(crate) fn finish(&mut self, now: Instant, how: How, goes_on: bool, out: &mut Vec<Effect>) {
        let idle = Phase::Settling(Settling::default());
        if let Phase::Running(running) = std::mem::replace(&mut self.phase, idle) {
            self.items += 1;
            let Running {
                hand, rest, record, ..
            } = *running;
            let finish = Box::new(record.close(&self.settings.me, now, how));
            self.begin_next(now, hand, rest, finish, goes_on, out);
        }
    }
}

/// Returns the first file of an item, or of what runs before it, that leads out of the workspace.
fn outside_of(item: &WorkItem) -> Option<String> {
    let mut files = item.before.iter().chain([item]).map(|it| &it.filename);
    files.find(|file| leads_outside(file)).cloned()
}

/// Whether a path out of a message leads out of the workspace.
pub(crate) fn leads_outside(filename: &str) -> bool {
    let mut depth = 0_i32;
    for component in Path::new(filename).components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir => depth -= 1,
            Component::RootDir | Component::Prefix(_) => return true,
        }
        if depth < 0 {
            return true;
        }
    }
    depth == 0
}

#[cfg(test)]
mod tests {
    use super::leads_outside;

    #[test]
    fn paths_stay_inside() {
        for (path, outside) in [
            ("spec/a_spec.rb", false),
            ("./spec/a_spec.rb", false),
            ("spec/../test/a.rb", false),
            ("-x.rb", false),
            ("../a.rb", true),
            ("spec/../../a.rb", true),
            ("/etc/passwd", true),
            ("", true),
        ] {
            assert_eq!(leads_outside(path), outside, "{path}");
        }
    }
}
