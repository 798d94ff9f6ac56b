//! Signals: their names, and those sent to us as events.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, SendTimeoutError, bounded};
use signal_hook::iterator::Signals;

/// So many signals wait for the loop; the kernel merges further ones of the same number.
const WAITING: usize = 16;

/// A signal that we send or listen to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGINT: Ctrl-C, the first rung of a stop.
    Int,
    /// SIGTERM: the second rung.
    Term,
    /// SIGKILL: the last rung; nobody can listen to it.
    Kill,
    /// SIGHUP: the terminal went away.
    Hup,
    /// SIGQUIT.
    Quit,
    /// SIGUSR1.
    Usr1,
    /// SIGUSR2.
    Usr2,
    /// SIGCHLD: a child, also an adopted one, ended.
    Child,
    /// SIGCONT: we run again after a stop of the shell's job control.
    Continue,
    /// SIGSTOP: tests freeze a process with it.
    Stop,
}

impl Signal {
    const ALL: [Self; 10] = [
        Self::Int,
        Self::Term,
        Self::Kill,
        Self::Hup,
        Self::Quit,
        Self::Usr1,
        Self::Usr2,
        Self::Child,
        Self::Continue,
        Self::Stop,
    ];

    /// Returns the system's number.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Int => libc::SIGINT,
            Self::Term => libc::SIGTERM,
            Self::Kill => libc::SIGKILL,
            Self::Hup => libc::SIGHUP,
            Self::Quit => libc::SIGQUIT,
            Self::Usr1 => libc::SIGUSR1,
            Self::Usr2 => libc::SIGUSR2,
            Self::Child => libc::SIGCHLD,
            Self::Continue => libc::SIGCONT,
            Self::Stop => libc::SIGSTOP,
        }
    }

    /// Returns the name without `SIG`, as Ruby's `Process.kill` takes it.
    #[must_use]
    pub fn short_name(self) -> &'static str {
        match self {
            Self::Int => "INT",
            Self::Term => "TERM",
            Self::Kill => "KILL",
            Self::Hup => "HUP",
            Self::Quit => "QUIT",
            Self::Usr1 => "USR1",
            Self::Usr2 => "USR2",
            Self::Child => "CHLD",
            Self::Continue => "CONT",
            Self::Stop => "STOP",
        }
    }

    fn from_number(number: i32) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|signal| signal.number() == number)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIG{}", self.short_name())
    }
}

/// Returns the name of any signal number: `SIGSEGV`, `SIGRTMIN+3`, `signal 99`.
#[must_use]
pub fn name(number: i32) -> String {
    if let Some(name) = signal_hook::low_level::signal_name(number) {
        return name.to_owned();
    }
    let first = libc::SIGRTMIN();
    if (first..=libc::SIGRTMAX()).contains(&number) {
        return format!("SIGRTMIN+{}", number - first);
    }
    format!("signal {number}")
}

/// Puts right what a process inherits: who started it may have left SIGCHLD ignored, so that no end
/// of a child would reach us, and a file that grows beyond `ulimit -f` is to be an error of the
/// write, not our death. What we start gets the defaults.
///
/// # Errors
/// When the system refuses it.
pub fn settle() -> io::Result<()> {
    for number in [libc::SIGCHLD, libc::SIGXFSZ] {
        // A handler, as it does not outlive exec(2) as an ignored signal does.
        signal_hook::flag::register(number, Arc::default())?;
    }
    Ok(())
}

/// Turns the given signals into events, for as long as this process lives.
///
/// Their default action no longer happens. A thread named `signals` waits for them. A SIGHUP that was ignored when we
/// were started stays so: nohup(1) wants us to outlive the terminal.
///
/// # Errors
/// When a signal cannot be caught (SIGKILL, SIGSTOP), or no thread can be started.
pub fn listen(signals: &[Signal]) -> io::Result<Receiver<Signal>> {
    // signal-hook panics at these.
    if let Some(signal) = signals
        .iter()
        .find(|signal| matches!(signal, Signal::Kill | Signal::Stop))
    {
        return Err(io::Error::other(format!("{signal} cannot be caught")));
    }
    let stays = |signal: &&Signal| **signal != Signal::Hup || !is_ignored(Signal::Hup);
    let mut caught = Signals::new(signals.iter().filter(stays).map(|signal| signal.number()))?;
    let (sender, receiver) = bounded(WAITING);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for number in caught.forever() {
                if let Some(signal) = Signal::from_number(number)
                    && sender.send(signal).is_err()
                {
                    return;
                }
            }
        })?;
    Ok(receiver)
}

/// Returns whether this process ignores a signal, as the kernel tells it.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> (signal.number() - 1) & 1 == 1)
}

/// As [`listen`]; but if nobody takes a signal within `limit`, this process exits with the code. It may be stuck in a
/// write into a pipe that nobody reads, which never ends by itself, and which no signal ends.
///
/// # Errors
/// As [`listen`].
pub fn listen_or_end(
    signals: &[Signal],
    limit: Duration,
    code: u8,
) -> io::Result<Receiver<Signal>> {
    let caught = listen(signals)?;
    let (sender, receiver) = bounded(0);
    thread::Builder::new()
        .name("signals heard".to_owned())
        .spawn(move || {
            for signal in caught {
                match sender.send_timeout(signal, limit) {
                    Ok(()) => {}
                    Err(SendTimeoutError::Timeout(_)) => {
                        signal_hook::low_level::exit(code.into());
                    }
                    Err(SendTimeoutError::Disconnected(_)) => return,
                }
            }
        })?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_signal_sent_to_us_is_an_event() {
        let receiver = listen(&[Signal::Usr1, Signal::Usr2]).unwrap();
        signal_hook::low_level::raise(Signal::Usr2.number()).unwrap();
        assert_eq!(
            receiver.recv_timeout(Duration::from_secs(60)),
            Ok(Signal::Usr2)
        );
    }

    #[test]
    fn signals_have_names() {
        assert_eq!(name(libc::SIGSEGV), "SIGSEGV");
        assert_eq!(name(libc::SIGKILL), "SIGKILL");
        assert_eq!(name(libc::SIGRTMIN() + 3), "SIGRTMIN+3");
        assert_eq!(name(99), "signal 99");
        assert_eq!(Signal::Int.to_string(), "SIGINT");
        for signal in Signal::ALL {
            assert_eq!(name(signal.number()), signal.to_string());
        }
    }

    #[test]
    fn sigkill_cannot_be_listened_to() {
        for signal in [Signal::Kill, Signal::Stop] {
            let error = listen(&[Signal::Int, signal]).unwrap_err();
            assert_eq!(error.to_string(), format!("{signal} cannot be caught"));
        }
    }
}
