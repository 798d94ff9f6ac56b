//! A session: the handle by which its owner commands the thread that talks to the broker.

use crate::fuse::Fuse;
use crate::runner::{self, Runner};
use crate::wish::{Command, Wish};
use crate::{Consume, Declare, Event, OpenError, Publish, Setup, Target, Token};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a session goes on without a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// For ever.
    Forever,
    /// So long; then [`Event::GaveUp`].
    Limit(Duration),
}

/// How long the thread may need to end after its socket was cut.
const END_LIMIT: Duration = Duration::from_millis(500);

/// A session with the broker. Dropping it cuts the connection: what is unconfirmed may be lost, what is
/// unacknowledged is delivered again; [`Session::close`] is the polite way.
#[derive(Debug)]
pub struct Session {
    commands: Sender<Command>,
    events: Receiver<Event>,
    /// Disconnects when the thread has ended.
    ended: Receiver<()>,
    fuse: Fuse,
    /// Written at each connection, read whenever the owner likes: a lock rather than a message,
    /// since the owner may ask before it has read the event.
    local: Arc<Mutex<Option<IpAddr>>>,
}

impl Session {
    /// Opens a session; returns when everything of `setup` is in place, or after [`Target::limit`]
    /// (10 s unless configured). A closed port is tried again for 2 s (a broker may be starting), a
    /// wrong password is believed after two refusals in a row, a wrong certificate or virtual host
    /// at once. The first event is [`Event::Up`].
    ///
    /// # Errors
    /// Why there is no session.
    pub fn open(target: &Target, setup: Setup, patience: Patience) -> Result<Session, OpenError> {
        let (report, opened) = bounded(1);
        let session = Session::start(target, setup, patience, Some(report))?;
        match opened.recv_timeout(target.limit + END_LIMIT) {
            Ok(Ok(())) => Ok(session),
            Ok(Err(error)) => Err(error),
            // The thread hangs where no fuse reaches: in the resolver of names.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                Err(OpenError::Timeout {
                    address: target.address(),
                    limit: target.limit,
                })
            }
        }
    }

    /// Begins a session and returns at once; [`Event::Up`] tells when it stands, [`Event::Down`]
    /// of each attempt in vain. For who has to wait for the broker: a listener, and a worker or
    /// manager that is started while the broker is away.
    ///
    /// # Errors
    /// Only when the system gives us no thread.
    pub fn open_patiently(
        target: &Target,
        setup: Setup,
        patience: Patience,
    ) -> Result<Session, OpenError> {
        Session::start(target, setup, patience, None)
    }

    fn start(
        target: &Target,
        setup: Setup,
        patience: Patience,
        report: Option<Sender<Result<(), OpenError>>>,
    ) -> Result<Session, OpenError> {
        let no_thread = |source| OpenError::Thread { source };
        let fuse = Fuse::new().map_err(no_thread)?;
        let (commands, ordered) = unbounded_by_owner();
        let (told, events) = unbounded_by_owner();
        let (end, ended) = bounded(0);
        let local = Arc::new(Mutex::new(None));
        let runner = Runner {
            target: target.clone(),
            role: setup.role,
            connections: setup.connections,
            without_confirms: setup.without_confirms,
            patience,
            wish: Wish {
                declare: setup.declare,
                consume: setup.consume,
                ..Wish::default()
            },
            commands: ordered,
            events: told,
            fuse: fuse.clone(),
            local: Arc::clone(&local),
            epoch: 0,
            stood: false,
            nonce: runner::draw(),
            unhurried: Vec::new(),
            tell_by: None,
        };
        std::thread::Builder::new()
            .name("broker".to_owned())
            .spawn(move || {
                runner.run(report);
                drop(end);
            })
            .map_err(no_thread)?;
        Ok(Session {
            commands,
            events,
            ended,
            fuse,
            local,
        })
    }

    /// Returns where the events come. When the session has ended ([`Event::GaveUp`]) the channel disconnects.
    #[must_use]
    pub fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Publishes a message. Never blocks; order is kept; what is unconfirmed when the connection is
    /// lost is published again. Each message ends in one [`Event::Confirmed`] or [`Event::Acked`] (told unless
    /// [`Setup::without_confirms`]), [`Event::Unroutable`]
    /// or [`Event::TooLarge`].
    pub fn publish(&self, message: Publish) {
        self.order(Command::Publish(message));
    }

    /// The same of several at once, in their order.
    pub fn publish_together(&self, messages: Vec<Publish>) {
        self.order(Command::PublishTogether(messages));
    }

    /// Acknowledges a delivery. A token of an earlier connection, or used before, does nothing.
    pub fn ack(&self, token: Token) {
        self.order(Command::Ack(token));
    }

    /// Stops consuming a queue. What is under way is still delivered; then comes [`Event::Drained`].
    /// To take no further item: call this, wait for `Drained`, and only then acknowledge the last one.
    pub fn stop_consuming(&self, queue: &str) {
        self.order(Command::StopConsuming(queue.to_owned()));
    }

    /// Begins to consume a queue, now and after each reconnect.
    pub fn consume(&self, consume: Consume) {
        self.order(Command::Consume(consume));
    }

    /// Declares something, now and after each reconnect. A refusal (the thing exists with other
    /// properties) is logged, and costs the connection once.
    pub fn declare(&self, declare: Vec<Declare>) {
        self.order(Command::Declare(declare));
    }

    /// Declares something now (or at the next connection), but not again after a reconnect: for a
    /// queue whose loss its owner wants to find out.
    pub fn declare_once(&self, declare: Declare) {
        self.order(Command::DeclareOnce(declare));
    }

    /// Removes all messages that are ready in a queue. A missing queue is no error. Messages that
    /// are being published may still arrive: [`Session::flush`] first.
    pub fn purge(&self, queue: &str) {
        self.order(Command::Purge(queue.to_owned()));
    }

    /// Deletes a queue and no longer declares it after a reconnect. A missing queue is no error.
    pub fn delete_queue(&self, queue: &str) {
        self.order(Command::DeleteQueue(queue.to_owned()));
    }

    /// Deletes a queue that somebody else has made. Where the account lacks the right to, that is
    /// logged, and costs nothing else.
    pub fn delete_foreign_queue(&self, queue: &str) {
        self.order(Command::DeleteForeignQueue(queue.to_owned()));
    }

    /// Waits until every message published before is confirmed or unroutable; false when `limit` came first.
    #[must_use]
    pub fn flush(&self, limit: Duration) -> bool {
        let (reply, answer) = bounded(1);
        self.order(Command::Flush(reply));
        answer.recv_timeout(limit).is_ok()
    }

    /// Returns the address of this machine in the latest connection to the broker: where the other
    /// hosts of the broker can probably reach us.
    #[must_use]
    pub fn local_address(&self) -> Option<IpAddr> {
        *self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes what is left, then closes; all within `limit`, whatever the broker does.
    pub fn close(self, limit: Duration) {
        self.fuse.end_within(limit);
        self.order(Command::Close);
        // Disconnected is the end; a time-out is dealt with by the drop that follows.
        let _ = self.ended.recv_timeout(limit);
    }

    fn order(&self, command: Command) {
        // After the end of the session (the owner has heard `GaveUp`) there is nobody to command.
        let _ = self.commands.send(command);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.order(Command::Abandon);
        self.fuse.end_within(Duration::ZERO);
        // A thread that hangs in the resolver of names ends by itself later.
        let _ = self.ended.recv_timeout(END_LIMIT);
    }
}

/// Commands are bounded by what the owner does, events by that and by the prefetch; to bound the
/// channels themselves could make owner and thread wait for each other.
#[expect(clippy::disallowed_methods, reason = "bounded by the owner, see above")]
fn unbounded_by_owner<T>() -> (Sender<T>, Receiver<T>) {
    crossbeam_channel::unbounded()
}
