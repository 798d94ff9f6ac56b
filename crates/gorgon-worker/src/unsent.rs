//! Replies that are held back for a moment, so that several go out together: those of a bundle as one message, those of
//! a single small file as two (`queue.rs`). Each message wakes six threads between the worker and the ledger. Pure.
//!
//! If a signal ends the worker before that, its manager reports the first item of the delivery (`note.rs`). It does not
//! after a panic or an exit. Then, or if the manager dies too, the broker gives the delivery to another worker, which
//! reports that to the ledger. From then on the `start` of its items is not held back: an item that is lost three times
//! shall name its hosts.

use std::time::{Duration, Instant};

use gorgon_proto::message::Reply;

/// How long a reply is held back at most.
pub const HELD_FOR: Duration = Duration::from_millis(10);

/// The replies held back, in order.
#[derive(Debug, Default)]
pub struct Unsent {
    replies: Vec<Reply>,
    due: Option<Instant>,
}

impl Unsent {
    /// Holds a reply back.
    pub fn hold(&mut self, now: Instant, reply: Reply) {
        self.due.get_or_insert(now + HELD_FOR);
        self.replies.push(reply);
    }

    /// Returns when they are to be sent if nothing takes them along before.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Takes all of them, followed by `last`.
    pub fn take(&mut self, last: impl IntoIterator<Item = Reply>) -> Vec<Reply> {
        self.due = None;
        let mut replies = std::mem::take(&mut self.replies);
        replies.extend(last);
        replies
    }
}
