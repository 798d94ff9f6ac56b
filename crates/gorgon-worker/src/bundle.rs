//! Several small files in one delivery, in the core: which the Ruby child is given at once, and what follows the end of
//! one of them.
//!
//! After a file that ran a test and passed, the child goes on by itself and says so. After anything else it waits, and
//! the files that are left are given anew, as if they had just come.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use gorgon_proto::item::WorkItem;
use gorgon_proto::job::Isolation;
use gorgon_proto::message::{Finish, Reply};

use crate::children::ChildNo;
use crate::event::{Effect, Exit};
use crate::guess::Guess;
use crate::life::leads_outside;
use crate::record::{How, Record};
use crate::running::Running;
use crate::settling::InHand;
use crate::work::{Phase, Work};

/// How long to wait before the lines are read that a child with several files holds back.
pub(crate) const LOOK_AFTER: Duration = Duration::from_millis(100);
/// How long to wait between two such looks.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Returns the files that a Ruby child may run after this item without asking: whole ones, for the same framework.
pub(crate) fn given_with(running: &Running, isolation: Isolation, guess: &Guess) -> usize {
    let alone = isolation == Isolation::File
        || running.again
        || !running.asked.is_empty()
        || !running.record.item.is_plain();
    let fits = |item: &&WorkItem| {
        let same = guess.of(&item.filename) == running.framework;
        same && item.is_plain() && !leads_outside(&item.filename)
    };
    match alone {
        true => 0,
        false => running.rest.iter().take_while(fits).count(),
    }
}

impl Work {
    /// The file ended, and the child goes on with the next one of the bundle.
    pub(crate) fn bundle_goes_on(&mut self, now: Instant, no: ChildNo, out: &mut Vec<Effect>) {
        let Phase::Running(running) = &mut self.phase else {
            return;
        };
        let (timed_out, framework) = (running.timed_out, running.framework);
        let given = running.given.saturating_sub(1);
        let began_at = running.record.next_began_at(now);
        self.finish(now, How::Finished, true, out);
        let Phase::Running(running) = &mut self.phase else {
            return;
        };
        running.framework = framework;
        running.given = given;
        running.look_at = (given > 0).then_some(now + LOOK_AFTER);
        // The child was told to stop only after it had gone on.
        running.timed_out = timed_out;
        running.spared = timed_out;
        running.limit_at = self.settings.file_limit.map(|limit| now + limit);
        running.child = Some(no);
        let ran = self.children.get(no).map(|child| child.ran_items());
        running
            .record
            .given_to(no.0, began_at, framework, ran.unwrap_or_default());
        running.record.mark_bundled();
    }

    /// Has a child that says nothing looked at, if it is time.
    pub(crate) fn look_at_child(&mut self, now: Instant, out: &mut Vec<Effect>) {
        if let Phase::Running(running) = &mut self.phase
            && running.look_at.is_some_and(|at| at <= now)
        {
            running.look_at = (running.given > 0).then_some(now + LOOK_AGAIN);
            out.extend(running.child.map(Effect::Look));
        }
    }

    /// An item has its finish. The next one of its bundle begins, or has `begun` already; if the worker is to leave, what
    /// has not begun is given back.
    pub(crate) fn begin_next(
        &mut self,
        now: Instant,
        hand: InHand,
        mut rest: VecDeque<WorkItem>,
        finish: Box<Finish>,
        begun: bool,
        out: &mut Vec<Effect>,
    ) {
        let next = match self.leaving {
            Some(_) if !begun => None,
            Some(_) | None => rest.pop_front(),
        };
        let Some(next) = next else {
            let mut replies = vec![Reply::Finish(finish)];
            replies.extend(self.not_begun(&rest));
            return self.settle(hand, replies, out);
        };
        let framework = self.guess.of(&next.filename);
        let running = Running::new(hand, Record::open(next, now), framework, rest);
        self.phase = Phase::Running(Box::new(running));
        self.publish_soon(now, Reply::Finish(finish), out);
        self.tell_start(now, out);
    }

    /// What is said of items of a bundle that will not begin here.
    pub(crate) fn not_begun(&self, rest: &VecDeque<WorkItem>) -> Vec<Reply> {
        let me = &self.settings.me;
        let told = match &self.leaving {
            Some(
                Exit::HandedBack | Exit::ListenerLost | Exit::CallbackFailed(_) | Exit::Refused(_),
            ) => true,
            Some(
                Exit::Cancelled
                | Exit::Over
                | Exit::SlotGiven
                | Exit::BrokerGone(_)
                | Exit::PreloaderLost(_),
            )
            | None => false,
        };
        let rest = rest.iter().filter(|_| told);
        rest.map(|item| Reply::HandedBack(me.about(item))).collect()
    }
}
