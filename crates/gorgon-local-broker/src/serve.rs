//! The one thread that owns the broker and all of its sockets.

mod client;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::Ipv4Addr,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use mio1::{Events, Interest, Poll, Token, Waker, net::TcpListener};

use self::client::{Client, Progress, READ_MAX};
use crate::{
    core::{Broker, ConnectionId},
    login::Login,
};

/// Most clients at a time; further ones are closed at once.
const CLIENTS_MAX: usize = 1024;
/// Maximum number of clients that have not logged in: each costs a descriptor, and the process has a limit of those.
const STRANGERS_MAX: usize = 256;
/// How long to leave the listening socket alone when the process has no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a broker that ends waits for its clients to take leave.
const LEAVE_LIMIT: Duration = Duration::from_millis(250);
/// Stack of the thread: tables nest as deep as `METHOD_MAX` is long, and a build without optimization takes 7 KB a
/// level.
const STACK_BYTES: usize = 32 << 20;

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const FIRST_CLIENT: usize = 2;

/// A running broker; ends when it is dropped.
#[derive(Debug)]
pub struct LocalBroker {
    port: u16,
    login: Login,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl LocalBroker {
    /// Starts a broker on a free port of the loopback interface.
    ///
    /// # Errors
    /// What the system said about the socket, the random source or the thread.
    pub fn start() -> io::Result<Self> {
        let login = Login::random()?;
        let mut listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let port = listener.local_addr()?.port();
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let users = login.clone();
        let thread = thread::Builder::new()
            .name("local-broker".into())
            .stack_size(STACK_BYTES)
            .spawn(move || Server::new(poll, listener, users).run())?;
        Ok(Self {
            port,
            login,
            waker,
            thread: Some(thread),
        })
    }

    /// Returns the port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the name of the only user.
    pub fn user(&self) -> &str {
        &self.login.user
    }

    /// Returns the user's password.
    pub fn password(&self) -> &str {
        &self.login.password
    }
}

impl Drop for LocalBroker {
    /// Closes all connections with the protocol's "connection forced", and waits for the thread; a quarter of a second
    /// at most.
    fn drop(&mut self) {
        // A wake that fails would leave a thread that nobody can end; it owns nothing but sockets, so it is left.
        if self.waker.wake().is_ok()
            && let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!(target: "gorgon::local_broker", "the broker's thread had panicked");
        }
    }
}

struct Server {
    poll: Poll,
    listener: TcpListener,
    login: Login,
    broker: Broker,
    clients: BTreeMap<ConnectionId, Client>,
    last_client: ConnectionId,
    /// Clients that may have something to read: the system tells it once, not until it is read.
    readable: BTreeSet<ConnectionId>,
    /// What was last read, whoever sent it.
    scratch: Vec<u8>,
    /// When to try to accept again.
    accept_at: Option<Instant>,
    /// Set when the broker ends: until when clients may take their leave.
    ends_at: Option<Instant>,
}

impl Server {
    fn new(poll: Poll, listener: TcpListener, login: Login) -> Self {
        Self {
            poll,
            listener,
            login,
            broker: Broker::new(),
            clients: BTreeMap::new(),
            last_client: FIRST_CLIENT as u64,
            readable: BTreeSet::new(),
            scratch: vec![0; READ_MAX],
            accept_at: None,
            ends_at: None,
        }
    }

    fn run(mut self) {
        let mut events = Events::with_capacity(256);
        while !self.is_over() {
            let wait = if self.readable.is_empty() {
                self.time_left()
            } else {
                Some(Duration::ZERO)
            };
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                log::error!(target: "gorgon::local_broker", error:%; "cannot wait for sockets; the broker ends");
                return;
            }
            let now = Instant::now();
            for event in &events {
                match event.token() {
                    WAKER => self.end(now),
                    LISTENER if self.ends_at.is_none() => self.accept_at = Some(now),
                    LISTENER => {}
                    Token(id) => {
                        let id = id as ConnectionId;
                        if let Some(client) = self.clients.get_mut(&id) {
                            client.writable |= event.is_writable();
                            client.ends |= event.is_read_closed() || event.is_error();
                            self.readable.insert(id);
                        }
                    }
                }
            }
            if self.accept_at.is_some_and(|at| at <= now) {
                self.accept(now);
            }
            for id in std::mem::take(&mut self.readable) {
                self.serve(now, id);
            }
            self.keep_time(now);
        }
    }

    fn time_left(&self) -> Option<Duration> {
        let clients = self.clients.values().filter_map(Client::deadline);
        let deadline = clients
            .chain(self.broker.deadline())
            .chain(self.accept_at)
            .min()?;
        // A millisecond more, as the system's timer is that coarse and would come too early.
        Some(deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1))
    }

    fn accept(&mut self, now: Instant) {
        self.accept_at = None;
        loop {
            match self.listener.accept() {
                Ok(_)
                    if self.clients.len() >= CLIENTS_MAX
                        && !self.clients.values().any(Client::is_stranger) =>
                {
                    log::warn!(target: "gorgon::local_broker", "more than {CLIENTS_MAX} clients; one more is refused");
                }
                Ok((mut socket, _)) => {
                    self.make_room(now);
                    self.last_client += 1;
                    let id = self.last_client;
                    let token = Token(usize::try_from(id).expect("clients are counted one by one"));
                    let ready = Interest::READABLE | Interest::WRITABLE;
                    let prepared = socket
                        .set_nodelay(true)
                        .and_then(|()| self.poll.registry().register(&mut socket, token, ready));
                    match prepared {
                        Ok(()) => {
                            self.clients.insert(id, Client::new(id, socket, now));
                        }
                        Err(error) => {
                            log::warn!(target: "gorgon::local_broker", error:%; "client refused")
                        }
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    log::warn!(target: "gorgon::local_broker", error:%; "cannot accept a client");
                    self.accept_at = Some(now + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    /// Lets the stranger go that has waited longest, when there are too many: who knows the password is in within a
    /// moment.
    fn make_room(&mut self, now: Instant) {
        let strangers = self
            .clients
            .iter()
            .filter(|(_, client)| client.is_stranger());
        let ids: Vec<_> = strangers.map(|(id, _)| *id).collect();
        if (ids.len() >= STRANGERS_MAX || self.clients.len() >= CLIENTS_MAX)
            && let Some(mut client) = ids.first().and_then(|id| self.clients.remove(id))
        {
            client.lose(now, &mut self.broker);
        }
    }

    /// Reads one client once, and writes to everyone whom that concerns.
    fn serve(&mut self, now: Instant, id: ConnectionId) {
        let alarmed = self.broker.alarmed();
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if client.read(
            now,
            &mut self.scratch,
            alarmed,
            &self.login,
            &mut self.broker,
        ) == Progress::More
        {
            self.readable.insert(id);
        }
        if self.broker.alarmed() != alarmed {
            log::warn!(target: "gorgon::local_broker", publishers_wait = !alarmed; "messages fill the memory limit, or no more");
            for client in self.clients.values_mut() {
                client.set_blocked(!alarmed, &mut self.broker);
            }
            self.readable.extend(self.clients.keys());
        }
        self.write_all(now, BTreeSet::from([id]));
    }

    /// Writes to the clients that have something to get, until there is nothing left or nobody takes it.
    fn write_all(&mut self, now: Instant, mut touched: BTreeSet<ConnectionId>) {
        // Writing makes room, room brings deliveries, and those go to this client or, after a loss, to others.
        loop {
            touched.extend(self.hand_out());
            if touched.is_empty() {
                return;
            }
            // The last to come first: workers wait for a confirm or an item, the originator that came before them does
            // not.
            for id in std::mem::take(&mut touched).into_iter().rev() {
                self.write(now, id);
            }
        }
    }

    /// Moves the broker's output into the clients' buffers; tells whom it touched.
    fn hand_out(&mut self) -> BTreeSet<ConnectionId> {
        let mut touched = BTreeSet::new();
        for sent in self.broker.take_output() {
            if let Some(client) = self.clients.get_mut(&sent.to.connection) {
                touched.insert(sent.to.connection);
                client.put(&sent);
            }
        }
        touched
    }

    fn write(&mut self, now: Instant, id: ConnectionId) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        client.write(now, &mut self.broker);
        if client.is_over() {
            client.lose(now, &mut self.broker);
            self.clients.remove(&id);
        } else if client.has_room_again() {
            self.readable.insert(id);
        }
    }

    /// Sends heartbeats, ends who has gone silent or takes too long, expires queues.
    fn keep_time(&mut self, now: Instant) {
        self.broker.tick(now);
        let due = |client: &Client| client.deadline().is_some_and(|at| at <= now);
        let touched: BTreeSet<_> = self
            .clients
            .iter()
            .filter(|(_, client)| due(client))
            .map(|(id, _)| *id)
            .collect();
        for id in &touched {
            if let Some(client) = self.clients.get_mut(id) {
                client.deadline_passed(now);
            }
        }
        self.write_all(now, touched);
    }

    /// Tells everyone that the broker ends. A client that is told has to answer before the socket may close: a close
    /// with input unread would take our last words from it.
    fn end(&mut self, now: Instant) {
        self.ends_at = Some(now + LEAVE_LIMIT);
        self.accept_at = None;
        for client in self.clients.values_mut() {
            client.shut_down(now, &mut self.broker);
        }
        self.write_all(now, BTreeSet::new());
    }

    fn is_over(&self) -> bool {
        self.ends_at
            .is_some_and(|at| self.clients.is_empty() || at <= Instant::now())
    }
}
