//! A child of ours: leads its own process group, and its end is an event.
//!
//! A thread waits for the end with `WEXITED|WNOWAIT`, so that the child stays a zombie and its
//! number stays its own, until what is left of its group has been killed; then it reaps. Signals
//! to the group are sent under the same lock, never after the reap.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use crate::exit::Hint;
use crate::signals::{self, Signal};

/// A killed process that is not gone after this sits in the kernel (a dead network disk): a drop
/// does not wait longer for it.
const DROP_LIMIT: Duration = Duration::from_secs(5);

/// Children that are ours to reap, so that [`crate::orphan::reap_adopted`] leaves them alone.
/// A static, since adopted processes belong to the process as a whole, as this list does.
static OURS: Mutex<Option<HashSet<u32>>> = Mutex::new(None);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum End {
    /// It exited with this status.
    Exited(i32),
    /// A signal of this number ended it.
    Signaled(i32),
}

impl End {
    /// Returns whether it exited with 0.
    #[must_use]
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Signaled(number) => f.write_str(&signals::name(*number)),
        }
    }
}

/// How a child is started, besides what its `Command` says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// The signal that the kernel sends it when the **thread** that called [`spawn`] ends: spawn
    /// from a thread that lives as long as the process.
    pub parent_death: Option<Signal>,
    /// It leads a session of its own, so it has no terminal, besides its group.
    pub session: bool,
}

/// A program could not be started.
#[derive(Debug, thiserror::Error)]
#[error("start {command}")]
pub struct SpawnError {
    command: String,
    program: String,
    source: io::Error,
}

impl Hint for SpawnError {
    fn hint(&self) -> Option<String> {
        match self.source.kind() {
            io::ErrorKind::NotFound => Some(format!("is {} installed, and on PATH?", self.program)),
            _ => None,
        }
    }
}

/// A running child. Dropped, its group is killed and it is reaped.
#[derive(Debug)]
pub struct Child {
    pid: u32,
    inner: std::process::Child,
    end: Receiver<End>,
    state: Arc<Mutex<State>>,
}

/// Whether the number is still the child's; shared with its watcher, which is the one to reap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unreaped,
    Reaped,
}

/// Starts a child in a process group of its own.
///
/// INT, QUIT and TERM get their default action in it: a shell that starts us with `&` lets us
/// inherit an ignored INT, and a child that ignores it would not stop at the first rung.
///
/// # Errors
/// When the program does not exist, cannot be executed, or no process can be made.
pub fn spawn(mut command: Command, options: Options) -> Result<Child, SpawnError> {
    let failed = |command: &Command, source| SpawnError {
        command: shown(command),
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    };
    prepare(&mut command, options);
    let (sender, end) = bounded(1);
    let state = Arc::new(Mutex::new(State::Unreaped));
    let (mut inner, pid) = {
        // The lock spans the fork, so that nobody takes the newborn for an adopted one.
        let mut ours = lock(&OURS);
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the place that owns children"
        )]
        let inner = command.spawn().map_err(|source| failed(&command, source))?;
        let pid = inner.id();
        ours.get_or_insert_default().insert(pid);
        (inner, pid)
    };
    let watched = Arc::clone(&state);
    let watcher = thread::Builder::new()
        .name(format!("child {pid}"))
        .spawn(move || watch(pid, &watched, &sender));
    match watcher {
        Ok(_detached) => Ok(Child {
            pid,
            inner,
            end,
            state,
        }),
        Err(source) => {
            let _ = inner.kill();
            let _ = inner.wait();
            lock(&OURS).get_or_insert_default().remove(&pid);
            Err(failed(&command, source))
        }
    }
}

impl Child {
    /// Returns the number of the child, which is that of its group too.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns where the end arrives, once: by then the rest of its group has been killed and the
    /// child been reaped. Afterwards the channel is disconnected.
    #[must_use]
    pub fn end(&self) -> &Receiver<End> {
        &self.end
    }

    /// Sends a signal to the whole group; nothing happens once the child has been reaped.
    pub fn signal_group(&self, signal: Signal) {
        let state = lock(&self.state);
        if *state == State::Unreaped {
            send(-group(self.pid), signal);
        }
    }

    /// Sends a signal to the child alone; nothing happens once it has been reaped.
    pub fn signal(&self, signal: Signal) {
        let state = lock(&self.state);
        if *state == State::Unreaped {
            send(group(self.pid), signal);
        }
    }

    /// Takes the pipe to its stdin, if the command asked for one.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.inner.stdin.take()
    }

    /// Takes the pipe from its stdout, if the command asked for one.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.inner.stdout.take()
    }

    /// Takes the pipe from its stderr, if the command asked for one.
    pub fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.inner.stderr.take()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal_group(Signal::Kill);
        let reaped = *lock(&self.state) == State::Reaped;
        if !reaped {
            // Also returns when the watcher has ended and somebody else took the event.
            let _ = self.end.recv_timeout(DROP_LIMIT);
        }
    }
}

/// Returns the command as it is shown in errors and logs: program and arguments, quoted where a
/// reader could mistake them. It is never run by a shell. An argument of blanks alone only makes room for a title, and is
/// left out.
#[must_use]
pub fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let makes_room = |word: &str| word.len() > 1 && word.bytes().all(|byte| byte == b' ');
    let quoted: Vec<String> = words
        .map(|word| word.to_string_lossy())
        .filter(|word| !makes_room(word))
        .map(|word| {
            let plain = |c: char| c.is_alphanumeric() || "-_=+,./:@%*[]{}".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                word.into_owned()
            } else {
                format!("{word:?}")
            }
        })
        .collect();
    quoted.join(" ")
}

/// Runs `f` with the numbers of the children that are ours to reap; none is born meanwhile.
pub(crate) fn with_ours<T>(f: impl FnOnce(&HashSet<u32>) -> T) -> T {
    f(lock(&OURS).get_or_insert_default())
}

/// Waits for the end, kills what is left of the group, reaps, and tells.
fn watch(pid: u32, state: &Mutex<State>, sender: &Sender<End>) {
    wait_for_end(pid);
    let end = {
        let mut state = lock(state);
        send(-group(pid), Signal::Kill);
        // Under the lock: who holds it finds all children in the kernel's list.
        let mut ours = lock(&OURS);
        let end = reap(pid);
        *state = State::Reaped;
        ours.get_or_insert_default().remove(&pid);
        end
    };
    // Nobody may want to know any more.
    let _ = sender.send(end);
}

/// Returns once the child is a zombie (or was never ours).
fn wait_for_end(pid: u32) {
    loop {
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        // SAFETY: `info` is room for one siginfo_t and lives through the call.
        #[expect(unsafe_code, reason = "waitid(2) has no safe form in std")]
        let result = unsafe {
            libc::waitid(
                libc::P_PID,
                pid,
                info.as_mut_ptr(),
                libc::WEXITED | libc::WNOWAIT,
            )
        };
        if result == 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// Reaps a zombie of ours.
pub(crate) fn reap(pid: u32) -> End {
    let mut status = 0;
    loop {
        // SAFETY: `status` is an int of ours that lives through the call.
        #[expect(unsafe_code, reason = "waitpid(2) has no safe form for a bare number")]
        let result = unsafe { libc::waitpid(group(pid), &raw mut status, 0) };
        if result >= 0 {
            return from_status(status);
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            // Somebody else reaped it, against the rule: that it was killed is all we can say.
            log::error!(target: "gorgon::process", pid; "a child was reaped by somebody else");
            return End::Signaled(libc::SIGKILL);
        }
    }
}

fn from_status(status: i32) -> End {
    if libc::WIFSIGNALED(status) {
        End::Signaled(libc::WTERMSIG(status))
    } else {
        End::Exited(libc::WEXITSTATUS(status))
    }
}

/// Has the child lead a group, die with us if wanted, and take stops as usual.
fn prepare(command: &mut Command, options: Options) {
    if !options.session {
        command.process_group(0);
    }
    let parent = std::process::id();
    let setup = move || {
        // setsid(2), prctl(2), getppid(2) and signal(2) are called between fork and exec: all are
        // plain system calls, safe after a fork of a threaded process; nothing allocates.
        #[expect(unsafe_code, reason = "see above; no pointers are passed")]
        // SAFETY: see above.
        unsafe {
            if options.session && libc::setsid() < 0 {
                return Err(io::Error::last_os_error());
            }
            for number in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
                libc::signal(number, libc::SIG_DFL);
            }
            if let Some(signal) = options.parent_death {
                set_parent_death(signal)?;
                // The parent may have died before the signal was set: then it never comes.
                if u32::try_from(libc::getppid()) != Ok(parent) {
                    return Err(io::Error::from_raw_os_error(libc::ECHILD));
                }
            }
        }
        Ok(())
    };
    // SAFETY: the closure only makes system calls, allocates nothing and takes no lock.
    #[expect(unsafe_code, reason = "code between fork and exec")]
    unsafe {
        command.pre_exec(setup);
    }
}

/// Asks the kernel to send us `signal` when the thread that forked us ends.
pub(crate) fn set_parent_death(signal: Signal) -> io::Result<()> {
    let number = libc::c_ulong::from(signal.number().unsigned_abs());
    // SAFETY: PR_SET_PDEATHSIG takes a number and touches no memory of ours.
    #[expect(unsafe_code, reason = "prctl(2) has no safe form in std")]
    let result = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, number) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Signals a process (positive) or a group (negative) that is known to be ours and unreaped.
/// That it is gone already, or that its group holds nobody else, is no error.
fn send(target: i32, signal: Signal) {
    // SAFETY: kill(2) touches no memory of ours; the caller holds the lock that keeps the number.
    #[expect(unsafe_code, reason = "kill(2) has no safe form in std")]
    unsafe {
        libc::kill(target, signal.number());
    }
}

fn group(pid: u32) -> i32 {
    i32::try_from(pid).expect("a pid of Linux is at most 2^22")
}

/// The data behind our locks is whole after every statement: a panicked holder harms nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
