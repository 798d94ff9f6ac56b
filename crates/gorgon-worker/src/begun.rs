//! An item that has just begun: most are over in a moment, and to tell of each beginning by itself would wake six
//! threads. Pure.
//!
//! Its `start` goes out with whatever is said next, and so not after its finish; the manager, which wants to know on
//! what a worker died, is told only of one that is not over by then. Who dies within that moment is found out as one
//! that had taken an item and not said so: the broker gives it to another, who tells the ledger.

use std::time::{Duration, Instant};

use gorgon_proto::item::ItemId;
use gorgon_proto::message::Reply;

/// So long a beginning is kept to itself.
pub const BEGUN_AFTER: Duration = Duration::from_millis(10);

/// A beginning that was not told.
#[derive(Debug)]
pub struct Begun {
    /// The item.
    pub item: ItemId,
    /// The start message, with its tag.
    pub start: (u64, Box<Reply>),
    /// When it is to be told.
    pub due: Instant,
}

impl Begun {
    /// Returns what may wait, if the reply is the start of an item; else the reply.
    ///
    /// # Errors
    /// The reply, when it tells of no beginning.
    pub fn of(now: Instant, tag: u64, reply: Box<Reply>) -> Result<Self, Box<Reply>> {
        match reply.as_ref() {
            Reply::Start(start) => Ok(Self {
                item: start.item,
                start: (tag, reply),
                due: now + BEGUN_AFTER,
            }),
            _ => Err(reply),
        }
    }
}
