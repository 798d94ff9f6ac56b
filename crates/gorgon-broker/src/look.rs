//! A glance at a queue, a purge or a deletion, over a short-lived connection of its own.

use crate::connect::{self, words};
use crate::fuse::Fuse;
use crate::{OpenError, Target};
use amiquip::{Channel, Error, QueueDeleteOptions};
use log::error;
use std::time::{Duration, Instant};

/// To say farewell afterwards.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);

/// What a queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Messages ready for delivery.
    pub messages: u32,
    /// Consumers.
    pub consumers: u32,
}

/// Looks at a queue; `None` means it does not exist. Blocks for about `limit` at most (a resolver of
/// names that hangs is bounded by its own configuration only). An exclusive queue of another
/// connection shows itself as empty with one consumer.
///
/// # Errors
/// When the broker cannot be asked; a wrong password is named after one refusal.
pub fn look_at_queue(
    target: &Target,
    name: &str,
    limit: Duration,
) -> Result<Option<QueueState>, OpenError> {
    let start = Instant::now();
    with_channel(
        target,
        "gorgon looks at a queue",
        limit,
        |channel| match channel.queue_declare_passive(name) {
            Ok(queue) => Ok(Some(QueueState {
                messages: queue.declared_message_count().unwrap_or(0),
                consumers: queue.declared_consumer_count().unwrap_or(0),
            })),
            Err(Error::ServerClosedChannel { code: 404, .. }) => Ok(None),
            Err(Error::ServerClosedChannel { code: 405, .. }) => Ok(Some(QueueState {
                messages: 0,
                consumers: 1,
            })),
            Err(_) if start.elapsed() >= limit => Err(OpenError::Timeout {
                address: target.address(),
                limit,
            }),
            Err(error) => Err(OpenError::Closed {
                address: target.address(),
                said: words(&error),
            }),
        },
    )
}

/// How a purge went.
pub(crate) enum Purged {
    /// Nothing is left, or there is no such queue.
    Done,
    /// The queue belongs to one connection alone.
    Locked,
}

/// Purges a queue.
pub(crate) fn purge(target: &Target, name: &str, limit: Duration) -> Result<Purged, OpenError> {
    with_channel(
        target,
        "gorgon purges a queue",
        limit,
        |channel| match channel.queue_purge(name) {
            Ok(_) | Err(Error::ServerClosedChannel { code: 404, .. }) => Ok(Purged::Done),
            Err(Error::ServerClosedChannel { code: 405, .. }) => Ok(Purged::Locked),
            Err(error) => Err(OpenError::Closed {
                address: target.address(),
                said: words(&error),
            }),
        },
    )
}

/// Deletes a queue; that the broker refuses to is logged, and no more.
pub(crate) fn delete(target: &Target, name: &str, limit: Duration) -> Result<(), OpenError> {
    with_channel(
        target,
        "gorgon deletes a queue",
        limit,
        |channel| match channel.queue_delete(name, QueueDeleteOptions::default()) {
            Ok(_) | Err(Error::ServerClosedChannel { code: 404, .. }) => Ok(()),
            Err(error @ Error::ServerClosedChannel { .. }) => {
                error!(target: "gorgon::broker", queue = name, said = words(&error); "not deleted");
                Ok(())
            }
            Err(error) => Err(OpenError::Closed {
                address: target.address(),
                said: words(&error),
            }),
        },
    )
}

/// Has something done on a channel that may be lost by it.
fn with_channel<T>(
    target: &Target,
    role: &str,
    limit: Duration,
    ask: impl FnOnce(&Channel) -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    let fuse = Fuse::new().map_err(|source| OpenError::Thread { source })?;
    fuse.end_within(limit);
    let link = connect::connect(target, role, &fuse, limit)?;
    let answer = ask(&link.channel);
    fuse.end_within(FAREWELL_LIMIT);
    // What it says does not matter any more: we have our answer.
    let _ = link.connection.close();
    drop(link.channel);
    answer
}
