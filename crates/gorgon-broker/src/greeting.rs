//! Looks at the first bytes of a server: whether it is a broker at all.
//!
//! The client believes every length it is told, and reserves memory for it at once: to it the answer
//! `HTTP/1.1 …` is the start of a frame of 791 MB.

use mio::event::Evented;
use mio::net::TcpStream;
use mio::{Poll, PollOpt, Ready, Token};
use std::io::{self, Read, Write};

/// Kind, channel and length of the first frame.
const HEAD: usize = 7;
/// The first frame (Connection.Start, some hundred bytes) is not as large as this.
const LARGEST: u32 = 1 << 20;
/// The kind of a frame that carries a method.
const METHOD: u8 = 1;

/// A socket whose first bytes are looked at.
pub(crate) struct Greeted {
    socket: TcpStream,
    head: Vec<u8>,
}

impl Greeted {
    pub(crate) fn new(socket: TcpStream) -> Greeted {
        let head = Vec::with_capacity(HEAD);
        Greeted { socket, head }
    }
}

/// Says what is wrong with the first bytes, as many as there are.
fn check(head: &[u8]) -> Result<(), &'static str> {
    match head {
        [] => Ok(()),
        [b'A', ..] => Err("it speaks another version of AMQP"),
        [METHOD] => Ok(()),
        [METHOD, channel @ ..] if channel.iter().take(2).any(|byte| *byte != 0) => {
            Err("it does not speak AMQP")
        }
        [METHOD, _, _, length @ ..] => {
            let mut bytes = [0; 4];
            for (to, from) in bytes.iter_mut().zip(length) {
                *to = *from;
            }
            if u32::from_be_bytes(bytes) < LARGEST {
                Ok(())
            } else {
                Err("it does not speak AMQP")
            }
        }
        [METHOD, _] => Ok(()),
        [_, ..] => Err("it does not speak AMQP"),
    }
}

impl amiquip::IoStream for Greeted {}

impl Read for Greeted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.socket.read(buffer)?;
        let missing = HEAD - self.head.len();
        if missing > 0 {
            self.head.extend(buffer[..count].iter().take(missing));
            check(&self.head).map_err(io::Error::other)?;
        }
        Ok(count)
    }
}

impl Write for Greeted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Evented for Greeted {
    fn register(&self, poll: &Poll, token: Token, ready: Ready, opts: PollOpt) -> io::Result<()> {
        self.socket.register(poll, token, ready, opts)
    }

    fn reregister(&self, poll: &Poll, token: Token, ready: Ready, opts: PollOpt) -> io::Result<()> {
        self.socket.reregister(poll, token, ready, opts)
    }

    fn deregister(&self, poll: &Poll) -> io::Result<()> {
        self.socket.deregister(poll)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_told_from_others_by_as_few_bytes_as_it_takes() {
        let table: [(&[u8], bool); 12] = [
            (b"", true),
            (b"\x01", true),
            (b"\x01\x00", true),
            (b"\x01\x00\x00", true),
            (b"\x01\x00\x00\x00\x00\x01", true),
            (b"\x01\x00\x00\x00\x00\x01\xd6", true),
            (b"\x01\x00\x00\x01\x00\x00\x00", false),
            (b"\x01\x01", false),
            (b"H", false),
            (b"HTTP/1.", false),
            (b"AMQP\x00\x00\x09", false),
            (b"\x16\x03\x01", false),
        ];
        for (head, good) in table {
            assert_eq!(check(head).is_ok(), good, "{head:?}");
        }
    }
}
