//! The fuse: ends any call into the AMQP client that takes too long, by cutting its socket.
//!
//! No call of the client has a time limit, and some block for as long as a broker without memory
//! likes. A shutdown of the socket from outside makes every one of them return at once (measured,
//! also over TLS), so a thread beside the session waits for the deadline that stands, and cuts.

use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The fuse of a session; clones are the same fuse. The thread ends with the last clone.
#[derive(Debug, Clone)]
pub(crate) struct Fuse {
    shared: Arc<Shared>,
    _end: Arc<End>,
}

/// Shared between the thread and those it watches: the one place of the crate with a lock, since a
/// blocked thread cannot be asked by message.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    sockets: Vec<TcpStream>,
    /// The deadline of the call that is running.
    call: Option<Instant>,
    /// The deadline of everything: the owner wants to be gone by then.
    last: Option<Instant>,
    /// When the thread wakes by itself; `None` while it sleeps without a deadline.
    wakes: Option<Instant>,
    blown: bool,
    /// The last deadline has passed: nothing may begin any more.
    ended: bool,
    over: bool,
}

/// Dropped with the last [`Fuse`]: ends the thread.
#[derive(Debug)]
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.changed.notify_one();
    }
}

/// While it lives a call is being watched.
#[derive(Debug)]
pub(crate) struct Guard<'f> {
    fuse: &'f Fuse,
    before: Option<Instant>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        // The thread is not woken: it finds the deadline gone when it wakes, at most once a limit.
        self.fuse.shared.lock().call = self.before;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn deadline(&self) -> Option<Instant> {
        match (self.call, self.last) {
            (Some(call), Some(last)) => Some(call.min(last)),
            (call, last) => call.or(last),
        }
    }

    fn cut(&mut self) {
        self.blown = true;
        for socket in self.sockets.drain(..) {
            // An error means that it is closed already.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Fuse {
    /// Makes a fuse and starts its thread.
    pub(crate) fn new() -> std::io::Result<Fuse> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("broker-fuse".to_owned())
            .stack_size(64 << 10)
            .spawn(move || watch(&watched))?;
        let end = Arc::new(End(Arc::clone(&shared)));
        Ok(Fuse { shared, _end: end })
    }

    /// Has a socket watched too. When the fuse has blown already the socket is cut at once.
    pub(crate) fn watch(&self, socket: TcpStream) {
        let mut state = self.shared.lock();
        state.sockets.push(socket);
        if state.blown {
            state.cut();
        }
    }

    /// Watches a call: cuts when the guard is not dropped within `limit`.
    pub(crate) fn guard(&self, limit: Duration) -> Guard<'_> {
        let mut state = self.shared.lock();
        let before = state.call;
        let deadline = Instant::now() + limit;
        state.call = Some(before.map_or(deadline, |before| before.min(deadline)));
        self.wake(&state);
        Guard { fuse: self, before }
    }

    /// Cuts after `limit`, whatever happens until then.
    pub(crate) fn end_within(&self, limit: Duration) {
        let mut state = self.shared.lock();
        let deadline = Instant::now() + limit;
        state.last = Some(state.last.map_or(deadline, |last| last.min(deadline)));
        self.wake(&state);
    }

    /// Cuts now.
    pub(crate) fn blow(&self) {
        self.shared.lock().cut();
    }

    /// Returns whether it has cut.
    pub(crate) fn is_blown(&self) -> bool {
        self.shared.lock().blown
    }

    /// Returns whether the last deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.shared.lock().ended
    }

    /// Forgets the sockets of a connection that is closed, so that the next may begin.
    pub(crate) fn renew(&self) {
        let mut state = self.shared.lock();
        state.sockets.clear();
        state.blown = state.ended;
    }

    /// Wakes the thread if it would sleep past the deadline.
    fn wake(&self, state: &State) {
        let sleeps_past = match (state.wakes, state.deadline()) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(wakes), Some(deadline)) => deadline < wakes,
        };
        if sleeps_past {
            self.shared.changed.notify_one();
        }
    }
}

fn watch(shared: &Shared) {
    let mut state = shared.lock();
    while !state.over {
        let now = Instant::now();
        match state.deadline() {
            Some(deadline) if deadline <= now => {
                state.cut();
                // Deadlines that have passed are forgotten, not to spin until the guard is dropped.
                state.call = state.call.filter(|call| *call > now);
                state.ended |= state.last.is_some_and(|last| last <= now);
                state.last = state.last.filter(|last| *last > now);
            }
            Some(deadline) => {
                state.wakes = Some(deadline);
                (state, _) = shared
                    .changed
                    .wait_timeout(state, deadline - now)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            None => {
                state.wakes = None;
                state = shared
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::TcpListener;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (ours, listener.accept().unwrap().0)
    }

    /// Reads until the socket is cut.
    fn blocked_read(socket: &mut TcpStream) -> Duration {
        let start = Instant::now();
        assert_eq!(socket.read(&mut [0]).unwrap(), 0);
        start.elapsed()
    }

    #[test]
    fn a_call_that_takes_too_long_is_ended() {
        let (mut ours, _theirs) = pair();
        let fuse = Fuse::new().unwrap();
        fuse.watch(ours.try_clone().unwrap());
        let guard = fuse.guard(Duration::from_millis(50));
        let took = blocked_read(&mut ours);
        drop(guard);
        assert!(fuse.is_blown());
        assert!(took >= Duration::from_millis(40), "{took:?}");
        fuse.renew();
        assert!(!fuse.is_blown());
    }

    #[test]
    fn a_call_that_ends_in_time_leaves_the_socket_alone() {
        let (mut ours, theirs) = pair();
        let fuse = Fuse::new().unwrap();
        fuse.watch(ours.try_clone().unwrap());
        for _ in 0..1_000 {
            drop(fuse.guard(Duration::from_millis(20)));
        }
        // The thread wakes past all these deadlines before this one.
        fuse.end_within(Duration::from_millis(80));
        let took = blocked_read(&mut ours);
        assert!(took >= Duration::from_millis(60), "{took:?}");
        drop(theirs);
    }

    #[test]
    fn a_shorter_deadline_overtakes_a_longer_one() {
        let (mut ours, _theirs) = pair();
        let fuse = Fuse::new().unwrap();
        fuse.watch(ours.try_clone().unwrap());
        let _long = fuse.guard(Duration::from_secs(60));
        fuse.end_within(Duration::from_millis(30));
        assert!(blocked_read(&mut ours) < Duration::from_secs(20));
    }

    #[test]
    fn a_socket_that_comes_after_the_cut_is_cut_too() {
        let (mut ours, _theirs) = pair();
        let fuse = Fuse::new().unwrap();
        fuse.blow();
        fuse.watch(ours.try_clone().unwrap());
        assert!(blocked_read(&mut ours) < Duration::from_secs(20));
    }
}
