//! A network between a client and a broker that can be cut and frozen, or holds back what a client asks for.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Passes bytes between whoever connects to [`Proxy::port`] and a port of this machine.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    wire: Arc<Wire>,
}

/// Shared with the threads that pass the bytes.
#[derive(Debug, Default)]
struct Wire {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    frozen: bool,
    over: bool,
    sockets: Vec<TcpStream>,
    /// The start of the names of the queues whose `basic.consume` is held back.
    held_queues: Option<String>,
    /// So many of them have been seen, held back or not.
    consumes: usize,
    let_consume: bool,
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self) {
        for socket in self.lock().sockets.drain(..) {
            // An error means that it is closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    fn wait_while_frozen(&self) {
        let state = self.lock();
        let still = |state: &mut State| state.frozen && !state.over;
        drop(
            self.changed
                .wait_while(state, still)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// Waits if a frame begins to consume one of the held queues.
    fn wait_while_held_back(&self, frame: &[u8]) {
        let mut state = self.lock();
        let held = match (consumed_queue(frame), &state.held_queues) {
            (Some(queue), Some(start)) => queue.starts_with(start.as_bytes()),
            _ => false,
        };
        if held {
            state.consumes += 1;
            let still = |state: &mut State| !state.let_consume && !state.over;
            drop(
                self.changed
                    .wait_while(state, still)
                    .unwrap_or_else(PoisonError::into_inner),
            );
        }
    }
}

impl Proxy {
    /// Begins to pass bytes to `target_port`.
    pub fn to(target_port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let wire = Arc::new(Wire::default());
        let shared = Arc::clone(&wire);
        thread("proxy", move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.lock().over {
                    return;
                }
                // A broker that is away closes the client's connection, as a closed port would.
                let _ = join(&shared, client, target_port);
            }
        });
        Proxy { port, wire }
    }

    /// Returns where to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Begins to pass bytes to `target_port`, but holds back each `basic.consume` of a queue whose name
    /// begins so, and what its client sends after it, until [`Proxy::let_consume`].
    pub fn holding_back_consumers_of(queues: &str, target_port: u16) -> Proxy {
        let proxy = Proxy::to(target_port);
        proxy.wire.lock().held_queues = Some(queues.to_owned());
        proxy
    }

    /// Returns how many `basic.consume` it has held back, or would have.
    pub fn consumes(&self) -> usize {
        self.wire.lock().consumes
    }

    /// Lets what was held back pass, and all that comes.
    pub fn let_consume(&self) {
        let mut state = self.wire.lock();
        state.let_consume = true;
        drop(state);
        self.wire.changed.notify_all();
    }

    /// Closes every connection; new ones are let through.
    pub fn cut(&self) {
        self.wire.cut();
    }

    /// Passes nothing any more, and keeps everything open: a host or network that is gone.
    pub fn freeze(&self) {
        self.wire.lock().frozen = true;
    }

    /// Passes again what was held back.
    pub fn thaw(&self) {
        self.wire.lock().frozen = false;
        self.wire.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.wire.lock().over = true;
        self.wire.changed.notify_all();
        self.wire.cut();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn join(wire: &Arc<Wire>, client: TcpStream, target_port: u16) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", target_port))?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    for (from, to, by_frame) in [(&client, &server, true), (&server, &client, false)] {
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        let mut state = wire.lock();
        state.sockets.push(from.try_clone()?);
        let by_frame = by_frame && state.held_queues.is_some();
        drop(state);
        let wire = Arc::clone(wire);
        if by_frame {
            thread("proxy-pass", move || pass_frames(&wire, from, to));
        } else {
            thread("proxy-pass", move || pass(&wire, from, to));
        }
    }
    Ok(())
}

fn pass(wire: &Wire, mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        wire.wait_while_frozen();
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    // The other side hears of the end; an error means that it has.
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// Passes what a client sends, frame after frame.
fn pass_frames(wire: &Wire, mut from: TcpStream, mut to: TcpStream) {
    // Before its first frame a client says which protocol it speaks.
    let mut frame = vec![0; 8];
    if from.read_exact(&mut frame).is_ok() && to.write_all(&frame).is_ok() {
        while read_frame(&mut from, &mut frame).is_ok() {
            wire.wait_while_held_back(&frame);
            if to.write_all(&frame).is_err() {
                break;
            }
        }
    }
    // As above.
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// Reads a frame of AMQP 0-9-1: type, channel, length, so many bytes, and one that ends it.
fn read_frame(from: &mut TcpStream, frame: &mut Vec<u8>) -> io::Result<()> {
    frame.resize(7, 0);
    from.read_exact(frame)?;
    let length = u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]) as usize;
    frame.resize(7 + length + 1, 0);
    from.read_exact(&mut frame[7..])
}

/// Returns the queue that a frame's `basic.consume` names, if it is one: class 60, method 20, two
/// bytes without a meaning, a short text.
fn consumed_queue(frame: &[u8]) -> Option<&[u8]> {
    let arguments = frame.get(7..)?.strip_prefix(&[0, 60, 0, 20, 0, 0])?;
    let (length, rest) = arguments.split_first()?;
    (frame[0] == 1).then(|| rest.get(..usize::from(*length)))?
}

fn thread(name: &str, body: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .expect("a thread of the test");
}
