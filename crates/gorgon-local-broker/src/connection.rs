//! One client's connection as a pure machine: handshake, channels, contents put together, errors.
//!
//! Frames go in; answers go to the broker's output, so that everything for a client leaves in one order.

mod channels;
mod handshake;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use amq_protocol::protocol::{AMQPClass, channel, connection};

use self::channels::Incoming;
use crate::{
    core::{Broker, ChannelId, ConnectionId},
    fault::{Fault, short},
    frames::Frame,
    login::Login,
};

/// Largest body of a message, as in RabbitMQ.
pub(crate) const MESSAGE_MAX: u64 = 128 << 20;
/// Largest frame that is offered, as in RabbitMQ.
pub(crate) const FRAME_MAX: usize = 131_072;
/// Largest frame before the client has logged in, as in RabbitMQ.
const FRAME_MAX_UNKNOWN: usize = 4096;
/// Highest channel number that is offered, as in RabbitMQ.
const CHANNEL_MAX: u16 = 2047;
/// Interval of heartbeats that is offered; the client decides.
const HEARTBEAT_SECS: u16 = 60;
/// How long a client may take to log in, as in RabbitMQ.
pub(crate) const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);
/// How long a client may take to answer our `close`, or to take what is left for it.
pub(crate) const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    AwaitHeader,
    AwaitStartOk,
    AwaitTuneOk,
    AwaitOpen,
    Running,
    /// We sent `close`; all but `close-ok` is ignored.
    AwaitCloseOk {
        until: Instant,
    },
    /// Both have taken leave, and the client closes the socket: our own closing could overtake the last words.
    Left {
        until: Instant,
    },
    /// Nothing more is read; what is left is written, then the socket closes.
    Closed {
        until: Instant,
    },
}

/// A channel of the connection.
#[derive(Debug)]
enum ChannelStage {
    Open(Option<Incoming>),
    /// We sent `channel.close`; all but `close-ok` and `close` is ignored.
    Closing,
}

/// A client's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    id: ConnectionId,
    stage: Stage,
    opened_at: Instant,
    frame_max: usize,
    heartbeat: Option<Duration>,
    channels: BTreeMap<u16, ChannelStage>,
    takes_cancels: bool,
    takes_blocked: bool,
    takes_auth_failure: bool,
    has_logged_in: bool,
    has_published: bool,
    told_blocked: bool,
}

impl Connection {
    /// Makes the machine of a connection that was just accepted.
    pub(crate) fn new(id: ConnectionId, now: Instant) -> Self {
        Self {
            id,
            stage: Stage::AwaitHeader,
            opened_at: now,
            frame_max: FRAME_MAX_UNKNOWN,
            heartbeat: None,
            channels: BTreeMap::new(),
            takes_cancels: false,
            takes_blocked: false,
            takes_auth_failure: false,
            has_logged_in: false,
            has_published: false,
            told_blocked: false,
        }
    }

    /// Tells whether the next bytes are the protocol header.
    pub(crate) fn awaits_header(&self) -> bool {
        self.stage == Stage::AwaitHeader
    }

    /// Tells whether input is of no use any more.
    pub(crate) fn is_deaf(&self) -> bool {
        matches!(self.stage, Stage::Left { .. } | Stage::Closed { .. })
    }

    /// Tells whether the socket is ours to close, as soon as the output is written.
    pub(crate) fn hangs_up(&self) -> bool {
        matches!(self.stage, Stage::Closed { .. })
    }

    /// Returns the size of the largest frame either side may send now.
    pub(crate) fn frame_max(&self) -> usize {
        self.frame_max
    }

    /// Returns the negotiated interval of heartbeats, once it is negotiated.
    pub(crate) fn heartbeat(&self) -> Option<Duration> {
        self.heartbeat
    }

    /// Tells whether the client has published, and so has to wait while memory is short.
    pub(crate) fn has_published(&self) -> bool {
        self.has_published
    }

    /// Returns the numbers of the open channels.
    pub(crate) fn open_channels(&self) -> impl Iterator<Item = u16> {
        self.channels
            .iter()
            .filter(|(_, stage)| matches!(stage, ChannelStage::Open(_)))
            .map(|(number, _)| *number)
    }

    /// Returns when the client has had time enough to log in or to leave.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::Running => None,
            Stage::AwaitCloseOk { until } | Stage::Left { until } | Stage::Closed { until } => {
                Some(until)
            }
            Stage::AwaitHeader | Stage::AwaitStartOk | Stage::AwaitTuneOk | Stage::AwaitOpen => {
                Some(self.opened_at + HANDSHAKE_LIMIT)
            }
        }
    }

    /// Tells whether the client has not shown yet that it may be here.
    pub(crate) fn is_stranger(&self) -> bool {
        !self.has_logged_in
    }

    /// Takes one frame of the client.
    pub(crate) fn frame(
        &mut self,
        now: Instant,
        number: u16,
        frame: Frame<'_>,
        login: &Login,
        broker: &mut Broker,
    ) {
        let ids = match &frame {
            Frame::Method(method) => (method.get_amqp_class_id(), method.get_amqp_method_id()),
            Frame::Header { .. } | Frame::Body(_) => (60, 40),
            Frame::Heartbeat => (0, 0),
        };
        let result = match (self.stage, frame) {
            (Stage::Left { .. } | Stage::Closed { .. }, _) | (_, Frame::Heartbeat) => Ok(()),
            (Stage::AwaitCloseOk { .. }, Frame::Method(AMQPClass::Connection(method)))
                if number == 0 =>
            {
                match method {
                    connection::AMQPMethod::CloseOk(_) => {
                        self.stage = Stage::Left {
                            until: now + CLOSE_LIMIT,
                        }
                    }
                    // Both said `close` at once: each answers.
                    connection::AMQPMethod::Close(_) => self.closed_by_client(now, broker),
                    _ => {}
                }
                Ok(())
            }
            (Stage::AwaitCloseOk { .. }, _) => Ok(()),
            (_, Frame::Method(AMQPClass::Connection(method))) if number == 0 => {
                self.connection_method(now, method, login, broker)
            }
            (Stage::Running, frame) if number > 0 => self.channel_frame(now, number, frame, broker),
            (Stage::Running, _) => Err(Fault::command_invalid(
                "only methods of the connection go on channel 0",
            )),
            (stage, _) => Err(Fault::command_invalid(format!(
                "unexpected frame while {stage:?}"
            ))),
        };
        if let Err(fault) = result {
            self.fail(now, number, &fault, ids, broker);
        }
    }

    /// Ends the channel or the connection with what `fault` says.
    pub(crate) fn fail(
        &mut self,
        now: Instant,
        number: u16,
        fault: &Fault,
        (class_id, method_id): (u16, u16),
        broker: &mut Broker,
    ) {
        log::debug!(target: "gorgon::local_broker", connection = self.id, channel = number, fault:%; "refused");
        let to = ChannelId {
            connection: self.id,
            number,
        };
        if fault.ends_channel_only() && number > 0 {
            broker.close_channel(now, to);
            self.channels.insert(number, ChannelStage::Closing);
            let close = channel::Close {
                reply_code: fault.code,
                reply_text: fault.reply_text(),
                class_id,
                method_id,
            };
            broker.send(to, AMQPClass::Channel(channel::AMQPMethod::Close(close)));
            return;
        }
        if !matches!(
            self.stage,
            Stage::AwaitCloseOk { .. } | Stage::Left { .. } | Stage::Closed { .. }
        ) {
            broker.disconnect(now, self.id);
            let close = connection::Close {
                reply_code: fault.code,
                reply_text: fault.reply_text(),
                class_id,
                method_id,
            };
            self.send(broker, connection::AMQPMethod::Close(close));
            self.stage = Stage::AwaitCloseOk {
                until: now + CLOSE_LIMIT,
            };
        }
    }

    /// Gives up everything the client had, as its socket is gone.
    pub(crate) fn lost(&mut self, now: Instant, broker: &mut Broker) {
        broker.disconnect(now, self.id);
        self.stage = Stage::Closed { until: now };
    }

    /// Tells a publisher that it has to wait, or need not any more.
    pub(crate) fn set_blocked(&mut self, blocked: bool, broker: &mut Broker) {
        let tell = blocked && self.has_published;
        if self.stage != Stage::Running || !self.takes_blocked || self.told_blocked == tell {
            return;
        }
        self.told_blocked = tell;
        let method = if tell {
            connection::AMQPMethod::Blocked(connection::Blocked {
                reason: short("low on memory"),
            })
        } else {
            connection::AMQPMethod::Unblocked(connection::Unblocked {})
        };
        self.send(broker, method);
    }

    fn send(&self, broker: &mut Broker, method: connection::AMQPMethod) {
        broker.send(
            ChannelId {
                connection: self.id,
                number: 0,
            },
            AMQPClass::Connection(method),
        );
    }

    fn closed_by_client(&mut self, now: Instant, broker: &mut Broker) {
        broker.disconnect(now, self.id);
        self.send(
            broker,
            connection::AMQPMethod::CloseOk(connection::CloseOk {}),
        );
        self.stage = Stage::Left {
            until: now + CLOSE_LIMIT,
        };
    }
}
