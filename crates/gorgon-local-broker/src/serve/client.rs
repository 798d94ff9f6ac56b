//! One client's socket and its two buffers.

use std::{
    io::{self, Read, Write},
    net::Shutdown,
    time::{Duration, Instant},
};

use mio1::net::TcpStream;

use crate::{
    connection::{Connection, FRAME_MAX},
    core::{Broker, ConnectionId, Sent},
    fault::Fault,
    frames::{self, PROTOCOL_HEADER, Parsed},
    login::Login,
};

/// Most bytes that are read of a client before the others have their turn.
pub(super) const READ_MAX: usize = FRAME_MAX;
/// Unwritten bytes beyond which a client is not read: what it asks would only add to them.
const OUTPUT_HIGH: usize = 1 << 20;
/// Number of heartbeat intervals without data after which a client counts as silent. RabbitMQ waits two to three.
const SILENT_INTERVALS: u32 = 3;

/// Whether another read may bring something at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The socket was not read empty.
    More,
    /// It was, or the client must not be read now.
    Waits,
}

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    id: ConnectionId,
    socket: TcpStream,
    machine: Connection,
    input: Vec<u8>,
    output: Vec<u8>,
    /// How much of `output` is written.
    written: usize,
    pub(super) writable: bool,
    /// The system said that the client writes no more: it says it once, so the end must be read.
    pub(super) ends: bool,
    /// Held back by us, so its silence means nothing.
    held_back: bool,
    /// There are frames in `input` that nobody has looked at.
    unworked: bool,
    /// Held back because it does not read what it has got.
    full: bool,
    gone: bool,
    read_at: Instant,
    wrote_at: Instant,
}

impl Client {
    pub(super) fn new(id: ConnectionId, socket: TcpStream, now: Instant) -> Self {
        Self {
            id,
            socket,
            machine: Connection::new(id, now),
            input: Vec::new(),
            output: Vec::new(),
            written: 0,
            writable: true,
            ends: false,
            held_back: false,
            unworked: false,
            full: false,
            gone: false,
            read_at: now,
            wrote_at: now,
        }
    }

    /// Reads once and works through the frames that are whole.
    pub(super) fn read(
        &mut self,
        now: Instant,
        scratch: &mut [u8],
        alarmed: bool,
        login: &Login,
        broker: &mut Broker,
    ) -> Progress {
        self.full = self.unwritten() > OUTPUT_HIGH;
        self.held_back = self.full || (alarmed && self.machine.has_published());
        if self.held_back || self.gone {
            return Progress::Waits;
        }
        let again = std::mem::take(&mut self.unworked);
        let read = if again {
            0
        } else {
            match self.socket.read(scratch) {
                Ok(0) => {
                    self.lose(now, broker);
                    return Progress::Waits;
                }
                Ok(read) => {
                    self.read_at = now;
                    read
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Progress::Waits,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Progress::More,
                Err(error) => {
                    log::debug!(target: "gorgon::local_broker", connection = self.id, error:%; "client lost");
                    self.lose(now, broker);
                    return Progress::Waits;
                }
            }
        };
        if self.input.is_empty() {
            // The common case: whole frames, worked through where they were read.
            let used = self.work_through(now, &scratch[..read], login, broker);
            self.input.extend_from_slice(&scratch[used..read]);
        } else {
            let mut input = std::mem::take(&mut self.input);
            input.extend_from_slice(&scratch[..read]);
            let used = self.work_through(now, &input, login, broker);
            input.drain(..used);
            self.input = input;
        }
        broker.end_of_batch(self.id, self.machine.open_channels());
        self.machine.set_blocked(alarmed, broker);
        // Less than there was room for: the socket is empty, and the system tells when it is not any more.
        if again || self.unworked || self.ends || read == scratch.len() {
            Progress::More
        } else {
            Progress::Waits
        }
    }

    fn work_through(
        &mut self,
        now: Instant,
        input: &[u8],
        login: &Login,
        broker: &mut Broker,
    ) -> usize {
        let mut used = 0;
        if self.machine.awaits_header() {
            let Some(header) = input.first_chunk::<8>() else {
                return 0;
            };
            if *header != PROTOCOL_HEADER {
                self.output.extend_from_slice(&PROTOCOL_HEADER);
                self.machine.refuse_protocol(now);
                return input.len();
            }
            self.machine.start(broker);
            used = PROTOCOL_HEADER.len();
        }
        while !self.machine.is_deaf() {
            // A few bytes may ask for many: what they cause is written before the next are looked at.
            if broker.output_bytes() > OUTPUT_HIGH {
                self.unworked = true;
                return used;
            }
            match frames::parse(&input[used..], self.machine.frame_max()) {
                Ok(Parsed::Frame {
                    channel,
                    frame,
                    length,
                }) => {
                    self.machine.frame(now, channel, frame, login, broker);
                    used += length;
                }
                Ok(Parsed::Incomplete) => return used,
                Err(fault) => {
                    // Where the next frame begins is unknown, so nothing that follows can be read.
                    self.machine.fail(now, 0, &fault, (0, 0), broker);
                    return input.len();
                }
            }
        }
        input.len()
    }

    /// Adds something of the broker's to the output.
    pub(super) fn put(&mut self, sent: &Sent) {
        let channel = sent.to.number;
        match &sent.message {
            Some(message) => {
                let frame_max = self.machine.frame_max();
                frames::put_content(&mut self.output, channel, &sent.method, message, frame_max);
            }
            None => frames::put_method(&mut self.output, channel, &sent.method),
        }
    }

    /// Writes as much as the socket takes.
    pub(super) fn write(&mut self, now: Instant, broker: &mut Broker) {
        while self.writable && !self.gone && self.unwritten() > 0 {
            match self.socket.write(&self.output[self.written..]) {
                Ok(written) => {
                    self.written += written;
                    self.wrote_at = now;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::debug!(target: "gorgon::local_broker", connection = self.id, error:%; "client lost");
                    self.gone = true;
                }
            }
        }
        if self.unwritten() == 0 {
            self.output.clear();
            self.output.shrink_to(OUTPUT_HIGH);
            self.written = 0;
            broker.drained(self.id);
        } else if self.written > OUTPUT_HIGH {
            self.output.drain(..self.written);
            self.written = 0;
        }
    }

    /// Tells whether a client that was not read, as it had too much to read itself, can be read now.
    pub(super) fn has_room_again(&mut self) -> bool {
        self.unwritten() <= OUTPUT_HIGH && std::mem::take(&mut self.full)
    }

    /// Tells whether the client has not logged in.
    pub(super) fn is_stranger(&self) -> bool {
        self.machine.is_stranger()
    }

    /// Tells the client that publishers have to wait, or need not any more.
    pub(super) fn set_blocked(&mut self, blocked: bool, broker: &mut Broker) {
        self.machine.set_blocked(blocked, broker);
    }

    /// Returns when something is to be done about the client.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let beat = self.machine.heartbeat().map(|interval| {
            let send_at = self.wrote_at + interval / 2;
            if self.held_back {
                send_at
            } else {
                send_at.min(self.read_at + interval * SILENT_INTERVALS)
            }
        });
        // A socket that is full anyway needs no heartbeat, so waiting for it must not spin.
        let beat = beat
            .filter(|_| self.unwritten() == 0)
            .or_else(|| self.silent_at());
        [beat, self.machine.deadline()].into_iter().flatten().min()
    }

    fn silent_at(&self) -> Option<Instant> {
        let interval = self.machine.heartbeat().filter(|_| !self.held_back)?;
        Some(self.read_at + interval * SILENT_INTERVALS)
    }

    /// Does what the deadline was for.
    pub(super) fn deadline_passed(&mut self, now: Instant) {
        let silent = self.silent_at().is_some_and(|at| at <= now);
        if silent || self.machine.deadline().is_some_and(|at| at <= now) {
            log::info!(target: "gorgon::local_broker", connection = self.id, silent; "client took too long");
            self.gone = true;
        } else if self.unwritten() == 0
            && self
                .machine
                .heartbeat()
                .is_some_and(|every| self.wrote_at + every / 2 <= now)
        {
            frames::put_heartbeat(&mut self.output);
        }
    }

    /// Tells whether the client can be forgotten.
    pub(super) fn is_over(&self) -> bool {
        self.gone || (self.machine.hangs_up() && self.unwritten() == 0)
    }

    /// Gives back what the client held.
    pub(super) fn lose(&mut self, now: Instant, broker: &mut Broker) {
        self.gone = true;
        self.machine.lost(now, broker);
        // The peer may have gone first; then there is nothing to shut down.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Says why the broker ends.
    pub(super) fn shut_down(&mut self, now: Instant, broker: &mut Broker) {
        let fault =
            Fault::connection_forced("broker forced connection closure with reason 'shutdown'");
        self.machine.fail(now, 0, &fault, (0, 0), broker);
    }

    fn unwritten(&self) -> usize {
        self.output.len() - self.written
    }
}

/// The shortest interval of heartbeats is a second, so half of it is far above the timer's grain.
const _: () = assert!(Duration::from_secs(1).as_millis() / 2 > 1);
