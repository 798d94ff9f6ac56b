//! Connections of the keeper: accepted and read by threads, which decide nothing.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use crossbeam_channel::Sender;
use gorgon_ruby::warm::{FromKeeper, ToKeeper};

/// One that does not read what it is told is given up.
const WRITE_LIMIT: Duration = Duration::from_secs(1);

/// What happens on a connection.
#[derive(Debug)]
pub(super) enum Met {
    /// It begins.
    New(UnixStream),
    /// A line.
    Line(ToKeeper),
    /// It has ended.
    Gone,
}

/// Accepts connections, numbers them, and reads each.
pub(super) fn listen(listener: UnixListener, events: Sender<(u64, Met)>) -> io::Result<()> {
    thread::Builder::new()
        .name("listen".to_owned())
        .spawn(move || {
            for (number, stream) in (0_u64..).zip(listener.incoming()) {
                let Ok(stream) = stream else { return };
                if begin(number, stream, &events).is_err() {
                    return;
                }
            }
        })?;
    Ok(())
}

fn begin(number: u64, stream: UnixStream, events: &Sender<(u64, Met)>) -> io::Result<()> {
    let reading = stream.try_clone()?;
    stream.set_write_timeout(Some(WRITE_LIMIT))?;
    let events = events.clone();
    // The loop may have ended, and then so do we.
    if events.send((number, Met::New(stream))).is_err() {
        return Ok(());
    }
    thread::Builder::new()
        .name(format!("connection {number}"))
        .spawn(move || {
            for line in BufReader::new(reading).lines() {
                let Some(line) = line.ok().and_then(|line| serde_json::from_str(&line).ok()) else {
                    break;
                };
                if events.send((number, Met::Line(line))).is_err() {
                    return;
                }
            }
            let _ = events.send((number, Met::Gone));
        })?;
    Ok(())
}

/// Writes a line; one that cannot be told has gone, which its thread says.
pub(super) fn tell(stream: &mut UnixStream, line: &FromKeeper) {
    let mut bytes = serde_json::to_vec(line).expect("our lines hold only strings as keys");
    bytes.push(b'\n');
    if stream.write_all(&bytes).is_err() {
        let _ = stream.shutdown(std::net::Shutdown::Both);
    }
}
