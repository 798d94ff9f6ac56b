//! How a worker leaves: for what reason, and how long it waits for the broker's last word.

use std::time::{Duration, Instant};

use crate::event::{Effect, Exit};
use crate::work::{Consuming, Phase, Work};

/// How long the broker may confirm nothing, while the last message waits for its confirm, before the worker leaves
/// without it.
pub const LEAVE_LIMIT: Duration = Duration::from_secs(5);

impl Work {
    /// Notes the reason to leave. A cancel overrides a gentler reason; else the first one stands.
    pub(crate) fn leave(&mut self, now: Instant, why: Exit, out: &mut Vec<Effect>) {
        let stands = match (&self.leaving, &why) {
            (None, _) => false,
            (Some(Exit::Cancelled), _) => true,
            (Some(_), Exit::Cancelled) => false,
            (Some(_), _) => true,
        };
        if stands {
            return;
        }
        let hurried = why == Exit::Cancelled;
        let deaf = matches!(why, Exit::BrokerGone(_));
        self.leaving = Some(why);
        if deaf {
            self.consuming = Consuming::No;
        } else {
            self.stop_consuming(out);
        }
        if hurried {
            self.hurry_children(now);
        }
        if let Phase::Running(running) = &self.phase
            && let Some(no) = running.child
        {
            self.stop_child(now, no, out);
        } else {
            self.stop_starting(now, out);
        }
    }

    /// Sets the limit of what must still be confirmed or drained, once, when leaving.
    pub(crate) fn arm_leave(&mut self, now: Instant) {
        self.leave_at.get_or_insert(now + LEAVE_LIMIT);
    }

    /// Sets the limit anew, as the broker goes on confirming: the last message waits for its turn, perhaps behind much
    /// coverage. If the job is cancelled, nobody would read that message.
    pub(crate) fn renew_leave(&mut self, now: Instant) {
        if self.leave_at.is_some() && self.leaving != Some(Exit::Cancelled) {
            self.leave_at = Some(now + LEAVE_LIMIT);
        }
    }

    pub(crate) fn disarm_leave(&mut self) {
        self.leave_at = None;
    }

    pub(crate) fn exit(&mut self, out: &mut Vec<Effect>) {
        self.send_unsent(out);
        self.phase = Phase::Done;
        out.push(Effect::Exit(self.leaving.clone().unwrap_or(Exit::Over)));
    }
}
