//! Whether a process still lives, told from a later one with the same number.

use std::fs;
use std::io;

/// A process by its number and the moment it was started, which together are never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The number.
    pub pid: u32,
    /// Clock ticks from the boot to its start (field 22 of proc(5) `stat`).
    pub started: u64,
}

impl Identity {
    /// Returns the identity of a living process; none when there is no such process.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Stat::read(pid).map(|stat| Self {
            pid,
            started: stat.started,
        })
    }

    /// Returns our own identity.
    ///
    /// # Errors
    /// When /proc is not mounted.
    pub fn own() -> io::Result<Self> {
        Self::of(std::process::id())
            .ok_or_else(|| io::Error::other("/proc/self/stat is unreadable"))
    }

    /// Returns whether that very process still runs; a zombie does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        Stat::read(self.pid).is_some_and(|stat| stat.started == self.started && !stat.is_zombie())
    }
}

/// Returns whether any process, of whatever owner, has this number (`kill(pid, 0)`).
#[must_use]
pub fn exists(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else {
        return false;
    };
    if pid == 0 {
        return false;
    }
    // SAFETY: signal 0 is never delivered; the call reads no memory of ours.
    #[expect(unsafe_code, reason = "kill(2) has no safe form in std")]
    let result = unsafe { libc::kill(pid, 0) };
    result == 0 || io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// Returns the number of our parent.
#[must_use]
pub fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

/// What we read of /proc/PID/stat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    pub(crate) started: u64,
}

impl Stat {
    pub(crate) fn read(pid: u32) -> Option<Self> {
        // A command name may hold any byte.
        let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Self::parse(&String::from_utf8_lossy(&bytes))
    }

    /// The command name in parentheses may hold spaces and parentheses: count from the last one.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self {
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            started: fields.get(19)?.parse().ok()?,
        })
    }

    pub(crate) fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn we_live_and_a_later_process_with_our_number_is_not_us() {
        let own = Identity::own().unwrap();
        assert!(own.is_alive());
        assert!(exists(own.pid));
        assert!(
            !Identity {
                started: own.started + 1,
                ..own
            }
            .is_alive()
        );
        assert!(!exists(0));
        assert!(!exists(u32::MAX));
    }

    #[test]
    fn a_command_name_may_hold_anything() {
        let text = "7 (a) S (b c) Z 3 4 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0";
        assert_eq!(
            Stat::parse(text),
            Some(Stat {
                state: 'Z',
                parent: 3,
                group: 4,
                session: 5,
                started: 4242
            })
        );
        assert_eq!(Stat::parse("7 (a) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }
}
