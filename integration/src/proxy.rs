//! A network between a client and a broker that can be cut and frozen.

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
    for (from, to) in [(&client, &server), (&server, &client)] {
        let (from, to) = (from.try_clone()?, to.try_clone()?);
        wire.lock().sockets.push(from.try_clone()?);
        let wire = Arc::clone(wire);
        thread("proxy-pass", move || pass(&wire, from, to));
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

fn thread(name: &str, body: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(body)
        .expect("a thread of the test");
}
