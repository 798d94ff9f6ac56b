//! The session's thread: connects, serves the connection until it is lost, and connects again.

use crate::backoff::Backoff;
use crate::connect::{self, words};
use crate::first::{First, Report};
use crate::fuse::Fuse;
use crate::live::{Begun, Live};
use crate::topology::Refused;
use crate::version::Version;
use crate::wish::{Command, Wish};
use crate::{Connections, Event, OpenError, Patience, Target};
use amiquip::{Channel, Connection};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use gorgon_process::exit;
use log::{debug, info, warn};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// To say farewell to a connection, or to learn from it why it is lost.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);
/// How long an event that is not urgent is held back. As a rule it goes to the owner sooner, with the next delivery.
const SOON: Duration = Duration::from_millis(10);
/// The thread's state.
pub(crate) struct Runner {
    pub(crate) target: Target,
    pub(crate) role: String,
    pub(crate) connections: Connections,
    /// Confirms are not told.
    pub(crate) without_confirms: bool,
    pub(crate) patience: Patience,
    pub(crate) wish: Wish,
    pub(crate) commands: Receiver<Command>,
    pub(crate) events: Sender<Event>,
    pub(crate) fuse: Fuse,
    pub(crate) local: Arc<Mutex<Option<IpAddr>>>,
    pub(crate) epoch: u64,
    /// Whether a connection ever stood.
    pub(crate) stood: bool,
    /// Tells the `message_id`s of this session from those of others.
    pub(crate) nonce: u32,
    /// To be told with the next event.
    pub(crate) unhurried: Vec<Event>,
    /// When that is to be told although there is no other.
    pub(crate) tell_by: Option<Instant>,
}

/// How one connection went.
enum Round {
    /// It never stood.
    Failed(OpenError),
    /// It stood, and is lost.
    Lost {
        cause: String,
        answered: bool,
        lasted: Duration,
    },
    /// A queue to be consumed is missing; without it at once again.
    Again,
    /// The owner wants no more.
    Over,
}

impl Runner {
    /// Runs until the owner wants no more, or the patience ends.
    pub(crate) fn run(mut self, report: Option<Report>) {
        let start = Instant::now();
        let mut down_since = start;
        let mut backoff = Backoff::default();
        let mut first = report.map(|report| First::new(report, self.target.limit));
        loop {
            let round = self.round(&mut first);
            let retry_in = match &round {
                Round::Over => return,
                Round::Again => continue,
                Round::Lost { lasted, .. } => {
                    backoff.connected(*lasted);
                    down_since = Instant::now();
                    backoff.next(chance())
                }
                Round::Failed(_) => backoff.next(chance()),
            };
            let (cause, answered) = match round {
                Round::Over | Round::Again => return,
                Round::Lost {
                    cause,
                    answered: true,
                    ..
                } => {
                    info!(target: "gorgon::broker", broker = self.target.address(), said = cause.as_str(); "the broker closed a channel");
                    (cause, true)
                }
                Round::Lost { cause, .. } => {
                    warn!(target: "gorgon::broker", broker = self.target.address(), cause = cause.as_str(); "connection lost");
                    (cause, false)
                }
                Round::Failed(error) => {
                    let cause = exit::chain(&error);
                    debug!(target: "gorgon::broker", cause = cause.as_str(); "no connection");
                    let no_thread = matches!(error, OpenError::Thread { .. });
                    if let Some(first) = &mut first
                        && first.failed(error, retry_in)
                    {
                        return;
                    }
                    // Who waits patiently waits for the broker, not for room on his own machine.
                    if no_thread && !self.stood {
                        self.tell(Event::GaveUp { cause });
                        return;
                    }
                    (cause, false)
                }
            };
            if self.is_over() {
                return;
            }
            if first.is_none() {
                if let Patience::Limit(limit) = self.patience
                    && down_since.elapsed() + retry_in >= limit
                {
                    self.tell(Event::GaveUp { cause });
                    return;
                }
                self.tell(Event::Down {
                    cause,
                    retry_in,
                    answered,
                });
            }
            if !self.wait(retry_in) {
                return;
            }
        }
    }

    /// Takes commands until the next attempt; returns false when the owner wants no more.
    fn wait(&mut self, retry_in: Duration) -> bool {
        let until = Instant::now() + retry_in;
        loop {
            match self.commands.recv_deadline(until) {
                Ok(command) => {
                    for event in self.wish.absorb(command) {
                        self.tell(event);
                    }
                    self.wish.answer_flushes();
                }
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => return !self.is_over(),
            }
            if self.is_over() {
                return false;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.wish.is_over() || self.fuse.is_over()
    }

    /// Connects, and serves the connection until its end.
    fn round(&mut self, first: &mut Option<First>) -> Round {
        self.epoch += 1;
        self.fuse.renew();
        let count = match self.connections {
            Connections::One => 1,
            Connections::Two => 2,
        };
        let mut connections = Vec::with_capacity(count);
        let mut channels = Vec::with_capacity(count);
        let mut version = Version::default();
        for _ in 0..count {
            let limit = first.as_ref().map_or(connect::CONNECT_LIMIT, First::left);
            match connect::connect(&self.target, &self.role, &self.fuse, limit) {
                Ok(link) => {
                    let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
                    *local = Some(link.local.ip());
                    version = link.version;
                    connections.push(link.connection);
                    channels.push(link.channel);
                }
                Err(error) => {
                    self.farewell(connections);
                    return Round::Failed(error);
                }
            }
        }
        let round = self.serve(connections, &channels, version, first);
        self.wish.window.lost();
        // Of a closed connection, so they say no farewell of their own.
        drop(channels);
        round
    }

    fn serve(
        &mut self,
        mut connections: Vec<Connection>,
        channels: &[Channel],
        version: Version,
        first: &mut Option<First>,
    ) -> Round {
        let (Some(control), Some(publishing)) = (channels.first(), channels.last()) else {
            return Round::Again;
        };
        let begun = {
            let _guard = self.fuse.guard(connect::CONNECT_LIMIT);
            let notes = connections
                .last_mut()
                .map(Connection::listen_for_connection_blocked);
            Live::begin(
                &self.target,
                &mut self.wish,
                self.epoch,
                version,
                [control, publishing],
                notes,
            )
        };
        let mut live = match begun {
            Ok(Begun::Up(live)) => live,
            Ok(Begun::Missing) => {
                self.farewell(connections);
                return Round::Again;
            }
            Err(refused) => {
                self.farewell(connections);
                return Round::Failed(self.refusal(refused));
            }
        };
        info!(target: "gorgon::broker", broker = self.target.address(); "connected");
        let up_at = Instant::now();
        self.stood = true;
        self.tell(Event::Up);
        for queue in std::mem::take(&mut self.wish.missing) {
            let missing = true;
            self.tell(Event::ConsumerEnded { queue, missing });
        }
        if let Some(first) = first.take() {
            first.succeeded();
        }
        let lost = live.run(self);
        live.tell_drained(self);
        // The connections first, then the consumers in `live`: to drop a consumer of a living
        // connection can kill it, and waits for the broker.
        let said = self.farewell(connections);
        drop(live);
        match lost {
            None => Round::Over,
            Some(cause) => Round::Lost {
                answered: cause.answer,
                cause: said.filter(|_| cause.vague).unwrap_or(cause.said),
                lasted: up_at.elapsed(),
            },
        }
    }

    fn refusal(&self, refused: Refused) -> OpenError {
        let address = self.target.address();
        let Refused {
            what,
            said,
            by_broker,
        } = refused;
        if by_broker {
            OpenError::Declare {
                address,
                what,
                said,
            }
        } else {
            OpenError::Closed { address, said }
        }
    }

    /// Closes connections, bounded; returns why the first of them had ended by itself.
    fn farewell(&self, connections: Vec<Connection>) -> Option<String> {
        let _guard = self.fuse.guard(FAREWELL_LIMIT);
        let said = |closed: amiquip::Result<()>| {
            let error = closed.err().filter(|_| !self.fuse.is_blown());
            error.map(|error| words(&error))
        };
        let mut connections = connections.into_iter();
        let first = connections.next();
        // At the same time: each waits for the broker and for a thread of the client.
        std::thread::scope(|scope| {
            let others: Vec<_> = connections
                .map(|other| {
                    let thread = std::thread::Builder::new().name("broker-farewell".to_owned());
                    thread.spawn_scoped(scope, move || other.close())
                })
                .collect();
            let of_first = first.and_then(|first| said(first.close()));
            let of_others = others
                .into_iter()
                .filter_map(|other| said(other.ok()?.join().ok()?));
            of_first.or(of_others.last())
        })
    }

    /// Tells the owner. One who has gone will have told us so by a command.
    pub(crate) fn tell(&mut self, mut event: Event) {
        match &mut event {
            // As one message, which wakes once.
            Event::Delivery(delivery) => {
                self.tell_by = None;
                delivery.before.append(&mut self.unhurried);
            }
            _ => self.tell_unhurried(),
        }
        let _ = self.events.send(event);
    }

    /// Tells the owner what waited for another event.
    pub(crate) fn tell_unhurried(&mut self) {
        self.tell_by = None;
        for event in self.unhurried.drain(..) {
            let _ = self.events.send(event);
        }
    }

    /// Tells the owner with the next event, or soon.
    pub(crate) fn tell_soon(&mut self, event: Event) {
        self.unhurried.push(event);
        self.tell_by.get_or_insert(Instant::now() + SOON);
    }
}

/// Draws a number. The keys of std's hash maps come from the system's random source.
pub(crate) fn draw() -> u32 {
    let drawn = RandomState::new().build_hasher().finish();
    u32::try_from(drawn >> 32).unwrap_or(u32::MAX)
}

/// Draws evenly from 0 to 1.
fn chance() -> f64 {
    f64::from(draw()) / f64::from(u32::MAX)
}
