//! An item that has just begun: most are over in a moment, and to tell of each beginning by itself would wake six
//! threads. Pure.
//!
//! Its `start` goes out with whatever is said next, and so not after its finish. Of a worker that dies within that moment
//! its manager tells that (`note.rs`); if the manager dies too, the broker gives the item to another worker, which
//! tells the ledger, and from then on its start is told at once: who is lost three times shall be lost on hosts with names.

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
