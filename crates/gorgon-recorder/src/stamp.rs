//! What the kernel says of one path.

/// A moment of the system's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds after that.
    pub nanoseconds: u32,
}

impl Time {
    /// Returns the nanoseconds since 1970.
    #[must_use]
    pub fn in_nanoseconds(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
    }
}

/// What lies at a path, as lstat(2) tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// Kind and permissions.
    pub mode: u32,
    /// Its owner.
    pub owner: u32,
    /// Bytes.
    pub size: u64,
    /// When its content was written, or so it says: anybody can set this.
    pub modified: Time,
    /// When it was changed in any way: nobody can set this.
    pub changed: Time,
    /// Its number in the filesystem.
    pub inode: u64,
    /// The filesystem.
    pub device: u64,
}

const KIND: u32 = 0o170_000;
const DIRECTORY: u32 = 0o040_000;
const LINK: u32 = 0o120_000;
const STICKY: u32 = 0o1000;
/// The kernel's clock of files ticks at least 100 times a second.
const TICK_NS: i128 = 20_000_000;
/// A filesystem without fractions of a second may have a clock of two seconds.
const COARSE_NS: i128 = 2_000_000_000;

impl Stamp {
    /// Returns whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.mode & KIND == DIRECTORY
    }

    /// Returns whether it is a symbolic link.
    #[must_use]
    pub fn is_link(&self) -> bool {
        self.mode & KIND == LINK
    }

    /// Returns whether anybody may put something there (/tmp).
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.is_directory() && self.mode & STICKY != 0
    }

    /// Returns whether both are the same object, whatever it holds.
    #[must_use]
    pub fn is_same_object(&self, other: &Self) -> bool {
        (self.mode, self.owner, self.inode, self.device)
            == (other.mode, other.owner, other.inode, other.device)
    }

    /// Returns whether a change right after `clock` could leave it as it is: its last change is no older than the
    /// clock of its filesystem can tell.
    #[must_use]
    pub fn is_racy(&self, clock: Time) -> bool {
        let coarse = self.modified.nanoseconds == 0 && self.changed.nanoseconds == 0;
        let tick = if coarse { COARSE_NS } else { TICK_NS };
        self.changed.in_nanoseconds() > clock.in_nanoseconds() - tick
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_within_a_tick_or_in_the_future_could_change_unseen() {
        let clock = Time {
            seconds: 100,
            nanoseconds: 30_000_000,
        };
        for (seconds, nanoseconds, racy) in [
            (100, 30_000_000, true),
            (100, 15_000_000, true),
            (100, 9_000_000, false),
            (99, 999_999_999, false),
            (200, 1, true),
            // Without fractions.
            (99, 0, true),
            (98, 0, false),
        ] {
            let changed = Time {
                seconds,
                nanoseconds,
            };
            let stamp = Stamp {
                changed,
                ..Stamp::default()
            };
            assert_eq!(stamp.is_racy(clock), racy, "{seconds}.{nanoseconds:09}");
        }
    }
}
