//! An item that has just begun: most are over in a moment, and to tell of each beginning by itself would wake six
//! threads. Pure.
//!
//! Its `start` goes out with the next message, so never after its `finish`. If the worker dies before that, its manager
//! reports the item (`note.rs`). If the manager dies too, the broker gives the item to another worker, which reports
//! that to the ledger. From then on the item's `start` is not held back: an item that is lost three times shall name
//! its hosts.

use std::time::{Duration, Instant};

use gorgon_proto::message::Reply;

/// So long a beginning is kept to itself.
pub const BEGUN_AFTER: Duration = Duration::from_millis(10);

/// A beginning that was not told.
#[derive(Debug)]
pub struct Begun {
    /// The start message, with its tag.
    pub start: (u64, Box<Reply>),
    /// When it is to be told.
    pub due: Instant,
}

impl Begun {
    /// Returns what may wait, if the reply is the start of an item that nobody has lost; else the reply.
    ///
    /// # Errors
    /// The reply, when it may not wait.
    pub fn of(now: Instant, tag: u64, reply: Box<Reply>) -> Result<Self, Box<Reply>> {
        match reply.as_ref() {
            Reply::Start(start) if start.attempt == 1 => Ok(Self {
                start: (tag, reply),
                due: now + BEGUN_AFTER,
            }),
            _ => Err(reply),
        }
    }
}
