//! As much of AMQP 0-9-1 as a played worker needs: a connection with many channels that consume, publish with
//! confirms, and acknowledge. A session of ours a worker would be three threads each, and measure itself.

use std::collections::VecDeque;
use std::io::{self, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use gorgon_proto::config::Connection;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const FRAME_END: u8 = 0xCE;
/// The class `basic`.
const BASIC: u16 = 60;

/// What the broker says to a channel.
#[derive(Debug)]
pub(super) enum Said {
    /// A message, and the tag by which it is acknowledged.
    Delivered(u64, Vec<u8>),
    /// It has what was published up to this number, or this one alone.
    Confirmed(u64, bool),
    /// The queue is gone.
    Cancelled,
    /// Anything else, by class and method.
    Method(u16, u16),
}

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    from: BufReader<TcpStream>,
    out: Vec<u8>,
    /// What came while something else was waited for.
    early: VecDeque<(u16, Said)>,
    /// By channel: the tag and the missing bytes of a message that is coming.
    coming: Vec<(u64, usize, Vec<u8>)>,
}

/// Arguments of a method.
#[derive(Default)]
struct Arguments(Vec<u8>);

impl Arguments {
    fn byte(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    fn short(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn long(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn longlong(mut self, value: u64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    fn name(mut self, text: &str) -> Self {
        self.0
            .push(u8::try_from(text.len()).expect("names are short"));
        self.0.extend(text.as_bytes());
        self
    }

    fn text(self, text: &[u8]) -> Self {
        let mut with = self.long(u32::try_from(text.len()).expect("texts are short"));
        with.0.extend(text);
        with
    }
}

fn foreign(what: &str) -> io::Error {
    io::Error::other(format!("the broker said {what}"))
}

impl Wire {
    /// Connects, with so many channels that publish with confirms, numbered from 1 on.
    pub(super) fn open(to: &Connection, channels: u16) -> io::Result<Self> {
        let stream = TcpStream::connect((to.host.as_str(), to.port))?;
        stream.set_nodelay(true)?;
        let mut wire = Self {
            from: BufReader::with_capacity(1 << 16, stream),
            out: b"AMQP\0\0\x09\x01".to_vec(),
            early: VecDeque::new(),
            coming: vec![(0, 0, Vec::new()); usize::from(channels) + 1],
        };
        wire.wait_for(0, 10, 10)?;
        let cancels = Arguments::default()
            .name("consumer_cancel_notify")
            .byte(b't')
            .byte(1);
        let properties = Arguments::default()
            .name("capabilities")
            .byte(b'F')
            .text(&cancels.0);
        let login = format!("\0{}\0{}", to.user, to.password.0);
        let start = Arguments::default()
            .text(&properties.0)
            .name("PLAIN")
            .text(login.as_bytes())
            .name("en_US");
        wire.send(0, 10, 11, &start);
        wire.wait_for(0, 10, 30)?;
        let tune = Arguments::default().short(2047).long(131_072).short(0);
        wire.send(0, 10, 31, &tune);
        let open = Arguments::default().name(&to.vhost).name("").byte(0);
        wire.send(0, 10, 40, &open);
        wire.wait_for(0, 10, 41)?;
        for channel in 1..=channels {
            wire.send(channel, 20, 10, &Arguments::default().name(""));
            wire.wait_for(channel, 20, 11)?;
            wire.send(channel, 85, 10, &Arguments::default().byte(0));
            wire.wait_for(channel, 85, 11)?;
        }
        Ok(wire)
    }

    /// Consumes a queue, one message at a time.
    pub(super) fn consume(&mut self, channel: u16, queue: &str) -> io::Result<()> {
        let qos = Arguments::default().long(0).short(1).byte(0);
        self.send(channel, BASIC, 10, &qos);
        self.wait_for(channel, BASIC, 11)?;
        let consume = Arguments::default()
            .short(0)
            .name(queue)
            .name("")
            .byte(0)
            .long(0);
        self.send(channel, BASIC, 20, &consume);
        self.wait_for(channel, BASIC, 21)
    }

    /// Publishes a message. It goes out with the next wait.
    pub(super) fn publish(&mut self, channel: u16, exchange: &str, key: &str, body: &[u8]) {
        let publish = Arguments::default()
            .short(0)
            .name(exchange)
            .name(key)
            .byte(0);
        self.send(channel, BASIC, 40, &publish);
        let size = body.len() as u64;
        let header = Arguments::default().short(BASIC).short(0).longlong(size);
        self.frame(HEADER, channel, &header.short(0).0);
        self.frame(BODY, channel, body);
    }

    /// Acknowledges a message.
    pub(super) fn ack(&mut self, channel: u16, tag: u64) {
        let ack = Arguments::default().longlong(tag).byte(0);
        self.send(channel, BASIC, 80, &ack);
    }

    /// Says farewell; what was published has arrived then.
    pub(super) fn close(mut self) -> io::Result<()> {
        let close = Arguments::default().short(200).name("").short(0).short(0);
        self.send(0, 10, 50, &close);
        self.wait_for(0, 10, 51)
    }

    /// Waits for what comes next on any channel.
    pub(super) fn next(&mut self) -> io::Result<(u16, Said)> {
        match self.early.pop_front() {
            Some(early) => Ok(early),
            None => self.read(),
        }
    }

    fn send(&mut self, channel: u16, class: u16, method: u16, arguments: &Arguments) {
        let mut payload = Arguments::default().short(class).short(method);
        payload.0.extend(&arguments.0);
        self.frame(METHOD, channel, &payload.0);
    }

    fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) {
        let size = u32::try_from(payload.len()).expect("frames are short");
        self.out.push(kind);
        self.out.extend(channel.to_be_bytes());
        self.out.extend(size.to_be_bytes());
        self.out.extend(payload);
        self.out.push(FRAME_END);
    }

    fn wait_for(&mut self, channel: u16, class: u16, method: u16) -> io::Result<()> {
        loop {
            match self.read()? {
                (from, Said::Method(c, m)) if (from, c, m) == (channel, class, method) => {
                    return Ok(());
                }
                (_, Said::Method(c, m)) => return Err(foreign(&format!("method {c}.{m}"))),
                other => self.early.push_back(other),
            }
        }
    }

    fn read(&mut self) -> io::Result<(u16, Said)> {
        loop {
            // What is written goes out before anything is waited for, and not sooner.
            if self.from.buffer().is_empty() && !self.out.is_empty() {
                self.from.get_mut().write_all(&self.out)?;
                self.out.clear();
            }
            let mut head = [0; 7];
            self.from.read_exact(&mut head)?;
            let channel = u16::from_be_bytes([head[1], head[2]]);
            let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
            let mut payload = vec![0; size as usize + 1];
            self.from.read_exact(&mut payload)?;
            payload.pop();
            if let Some(said) = self.take(head[0], channel, payload)? {
                return Ok((channel, said));
            }
        }
    }

    /// Takes a frame; returns what it says, if that is all of it.
    fn take(&mut self, kind: u8, channel: u16, payload: Vec<u8>) -> io::Result<Option<Said>> {
        let coming = self.coming.get_mut(usize::from(channel));
        let coming = coming.ok_or_else(|| foreign("a channel that is none"))?;
        match kind {
            METHOD => {
                let class = u16::from_be_bytes([payload[0], payload[1]]);
                let method = u16::from_be_bytes([payload[2], payload[3]]);
                match (class, method) {
                    (BASIC, 60) => {
                        coming.0 = number(&payload, 5 + usize::from(payload[4]));
                        Ok(None)
                    }
                    (BASIC, 80) => {
                        let multiple = payload.get(12).is_some_and(|byte| byte & 1 == 1);
                        Ok(Some(Said::Confirmed(number(&payload, 4), multiple)))
                    }
                    (BASIC, 30) => Ok(Some(Said::Cancelled)),
                    (10, 50) | (20, 40) => Err(foreign(&String::from_utf8_lossy(&payload[4..]))),
                    _ => Ok(Some(Said::Method(class, method))),
                }
            }
            HEADER => {
                coming.1 = usize::try_from(number(&payload, 4)).map_err(io::Error::other)?;
                coming.2.clear();
                Ok((coming.1 == 0).then(|| Said::Delivered(coming.0, Vec::new())))
            }
            BODY => {
                coming.2.extend(payload);
                let all = coming.2.len() >= coming.1;
                Ok(all.then(|| Said::Delivered(coming.0, std::mem::take(&mut coming.2))))
            }
            _ => Ok(None),
        }
    }
}

/// Reads eight bytes; 0 where there are none.
fn number(payload: &[u8], at: usize) -> u64 {
    let bytes = payload.get(at..at + 8).unwrap_or_default();
    bytes.try_into().map_or(0, u64::from_be_bytes)
}
