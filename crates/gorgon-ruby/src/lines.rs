//! JSON lines over a stream: written at once, read by a thread.

use std::io::{self, BufReader};
use std::os::unix::net::UnixStream;
use std::thread;

use gorgon_process::lines;
use gorgon_proto::message;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest piece of a line that cannot be read that the log quotes.
const QUOTED_BYTES: usize = 200;

/// No line of ours is longer: the Ruby side cuts what a file says at half a megabyte.
const LINE_MAX_BYTES: usize = 16 << 20;

/// What a reading thread delivers.
pub(crate) enum Read<T> {
    /// A line, with its number if it has one: the same number may come twice.
    Line(T, Option<u64>),
    /// What is none of ours; why.
    Unread(String),
    /// The stream's end, once.
    End,
}

/// Writes one line.
pub(crate) fn line_of(line: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(line).expect("our lines hold only strings as keys");
    bytes.push(b'\n');
    bytes
}

/// Returns the number of a line that may come twice: of what a child had held back when it was interrupted or
/// killed nobody knows how much it had sent. It is our first key.
pub(crate) fn number_of(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(b"{\"n\":")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()
}

/// Reads lines in a thread until the stream's end, or until `deliver` wants no more; it is also told whether more has
/// arrived already. What is no line of ours is logged: a child may have been killed in the middle of one.
pub(crate) fn read<T: DeserializeOwned>(
    stream: UnixStream,
    name: &str,
    mut deliver: impl FnMut(Read<T>, bool) -> bool + Send + 'static,
) -> io::Result<()> {
    let read = move || {
        let mut reader = BufReader::with_capacity(64 * 1024, stream);
        let mut line = Vec::new();
        loop {
            match lines::next(&mut reader, &mut line, LINE_MAX_BYTES) {
                Ok(None) | Err(_) => {
                    deliver(Read::End, false);
                    return;
                }
                Ok(Some(_)) if line.trim_ascii().is_empty() => continue,
                Ok(Some(_)) => {}
            }
            let follows = !reader.buffer().is_empty();
            match message::read(&line) {
                Ok(read) => {
                    if !deliver(Read::Line(read, number_of(&line)), follows) {
                        return;
                    }
                }
                Err(fault) => {
                    let line = String::from_utf8_lossy(&line[..line.len().min(QUOTED_BYTES)]);
                    log::warn!(target: "gorgon::ruby", line:%, fault; "a line of Ruby cannot be read");
                    if !deliver(Read::Unread(fault), follows) {
                        return;
                    }
                }
            }
        }
    };
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(read)
        .map(drop)
}
