//! A session: the handle by which its owner commands the thread that talks to the broker.

use crate::{Consume, Declare, Event, OpenError, Publish, Setup, Target, Token};
use crossbeam_channel::Receiver;
use std::net::IpAddr;
use std::time::Duration;

/// How long a session goes on without a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// For ever.
    Forever,
    /// So long; then [`Event::GaveUp`].
    Limit(Duration),
}

/// A session with the broker. Dropping it cuts the connection: what is unconfirmed may be lost, what is
/// unacknowledged is delivered again; [`Session::close`] is the polite way.
#[derive(Debug)]
pub struct Session {
    events: Receiver<Event>,
}

impl Session {
    /// Opens a session; returns when everything of `setup` is in place, after 10 s at most.
    /// A refused connection is tried again for 2 s (a broker may be starting), a wrong password is
    /// believed after two refusals in a row. The first event is [`Event::Up`].
    pub fn open(target: &Target, setup: Setup, patience: Patience) -> Result<Session, OpenError> {
        let _ = (setup, patience);
        Err(OpenError::Timeout {
            address: target.address(),
            limit: Duration::ZERO,
        })
    }

    /// Begins a session and returns at once; [`Event::Up`] tells when it stands.
    #[must_use]
    pub fn open_patiently(target: &Target, setup: Setup, patience: Patience) -> Session {
        let _ = (target, setup, patience);
        Session {
            events: crossbeam_channel::never(),
        }
    }

    /// Returns where the events come. When the session has ended ([`Event::GaveUp`]) the channel disconnects.
    #[must_use]
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Publishes a message. Never blocks; order is kept; what is unconfirmed when the connection is
    /// lost is published again. Each message ends in one [`Event::Confirmed`] or [`Event::Unroutable`].
    pub fn publish(&self, message: Publish) {
        let _ = message;
    }

    /// Acknowledges a delivery. A token of an earlier connection, or used before, does nothing.
    pub fn ack(&self, token: Token) {
        let _ = token;
    }

    /// Stops consuming a queue. What is under way is still delivered; then comes [`Event::Drained`].
    /// To take no further item: call this, wait for `Drained`, and only then acknowledge the last one.
    pub fn stop_consuming(&self, queue: &str) {
        let _ = queue;
    }

    /// Begins to consume a queue, now and after each reconnect.
    pub fn consume(&self, consume: Consume) {
        let _ = consume;
    }

    /// Declares something, now and after each reconnect.
    pub fn declare(&self, declare: Vec<Declare>) {
        let _ = declare;
    }

    /// Removes all messages that are ready in a queue. A missing queue is no error.
    pub fn purge(&self, queue: &str) {
        let _ = queue;
    }

    /// Deletes a queue and no longer declares it after a reconnect. A missing queue is no error.
    pub fn delete_queue(&self, queue: &str) {
        let _ = queue;
    }

    /// Waits until every message published before is confirmed or unroutable; false when `limit` came first.
    #[must_use]
    pub fn flush(&self, limit: Duration) -> bool {
        let _ = limit;
        false
    }

    /// Returns the address of this machine in the latest connection to the broker: where the other
    /// hosts of the broker can probably reach us.
    #[must_use]
    pub fn local_address(&self) -> Option<IpAddr> {
        None
    }

    /// Publishes what is left, then closes; all within `limit`, whatever the broker does.
    pub fn close(self, limit: Duration) {
        let _ = limit;
    }
}
