//! TEST_ENV_NUMBER of a worker, which no other worker on this machine has.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

/// Environment variable that names those among whom a number is unique, instead of all workers of the machine.
pub(crate) const SCOPE_VARIABLE: &str = gorgon_ruby::NUMBERS_VARIABLE;

/// Maximum number that is tried.
const LAST: u32 = 10_000;

/// The numbers of a job's workers on this host.
#[derive(Debug)]
pub(crate) struct Numbers {
    scope: u64,
    /// By slot, while it has a worker.
    taken: BTreeMap<u32, Number>,
    told: bool,
}

impl Numbers {
    /// Begins without numbers. Those of workers with another scope do not matter; the empty one is the usual one.
    pub(crate) fn of(scope: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        scope.hash(&mut hasher);
        Self {
            scope: hasher.finish(),
            taken: BTreeMap::new(),
            told: false,
        }
    }

    /// Takes the number of a worker that starts in a slot. The first one that is not the slot's comes with a warning.
    pub(crate) fn take(&mut self, slot: u32) -> (u32, Option<String>) {
        let number = Number::take(self.scope, slot);
        let value = number.value;
        self.taken.insert(slot, number);
        let warns = value != slot && !std::mem::replace(&mut self.told, true);
        let warning = format!(
            "another worker on this machine has number {slot}: TEST_ENV_NUMBER of slot {slot} is {value}; if they share no database, set {SCOPE_VARIABLE} to a name of this project's own"
        );
        (value, warns.then_some(warning))
    }

    /// The worker of a slot has ended.
    pub(crate) fn give_free(&mut self, slot: u32) {
        self.taken.remove(&slot);
    }
}

/// A number, taken as long as this lives.
///
/// The lock is an abstract socket: of all processes of the machine, whoever owns them, one can have
/// its name, and the kernel gives that free with the process. There is no file that somebody could
/// put in its place, or that would be left.
#[derive(Debug)]
struct Number {
    value: u32,
    _lock: Option<UnixListener>,
}

impl Number {
    /// Takes the number of the slot, or if another worker has it, the lowest that is free. So jobs that run alone always
    /// have the same numbers, and find their databases again. Two checkouts of one application have the same databases:
    /// a number that was only unique in a project would not keep them apart.
    ///
    /// If the system allows no lock, the worker is taken to be the only one.
    fn take(scope: u64, slot: u32) -> Self {
        let others = (1..=LAST).filter(|number| *number != slot);
        for value in std::iter::once(slot).chain(others) {
            match lock(scope, value) {
                Ok(lock) => {
                    return Self {
                        value,
                        _lock: Some(lock),
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => {
                    log::warn!(target: "gorgon::manager", slot, error:%; "no lock for the slot's number");
                    break;
                }
            }
        }
        Self {
            value: slot,
            _lock: None,
        }
    }
}

fn lock(scope: u64, number: u32) -> io::Result<UnixListener> {
    let name = format!("gorgon/number/{scope:016x}/{number}");
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_slots_unless_another_worker_of_the_scope_has_it() {
        // No other process has it.
        let scope = format!("/{}", std::process::id());
        let (mut one, mut two) = (Numbers::of(&scope), Numbers::of(&scope));
        assert_eq!([one.take(1).0, one.take(2).0], [1, 2]);
        let (number, warning) = two.take(1);
        assert_eq!(number, 3);
        assert!(warning.is_some_and(|text| text.contains("TEST_ENV_NUMBER of slot 1 is 3")));
        assert_eq!(two.take(2), (4, None), "it is told once");
        assert_eq!(Numbers::of(&format!("{scope}/other")).take(1), (1, None));
        one.give_free(2);
        two.give_free(2);
        assert_eq!(two.take(2), (2, None));
    }
}
