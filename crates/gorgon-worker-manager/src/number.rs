//! TEST_ENV_NUMBER of a worker, which no other worker of a project on this machine has.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use gorgon_proto::job::JobDefinition;

/// Maximum number that is tried.
const LAST: u32 = 10_000;

/// The numbers of a job's workers on this host.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// By slot, while it has a worker.
    taken: BTreeMap<u32, Number>,
    told: bool,
}

impl Numbers {
    /// Takes the number of a worker that starts in a slot. The first one that is not the slot's comes with a warning.
    pub(crate) fn take(&mut self, job: &JobDefinition, slot: u32) -> (u32, Option<String>) {
        let number = Number::take(&job.originator_host, &job.project, slot);
        let value = number.value;
        self.taken.insert(slot, number);
        let warns = value != slot && !std::mem::replace(&mut self.told, true);
        let warning = format!(
            "another worker of this project on this machine has number {slot}: TEST_ENV_NUMBER of slot {slot} is {value}"
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
/// its name, and the kernel gives that free with the process.
#[derive(Debug)]
struct Number {
    value: u32,
    _lock: Option<UnixListener>,
}

impl Number {
    /// Takes the number of the slot, or if another worker of the project has it, the lowest that is free. A project is
    /// a directory on an originator's host: jobs of several listeners and runs in place are told apart.
    ///
    /// If the system allows no lock, the worker is taken to be the only one.
    fn take(originator_host: &str, project: &str, slot: u32) -> Self {
        let mut hasher = DefaultHasher::new();
        (originator_host, project).hash(&mut hasher);
        let project = hasher.finish();
        let others = (1..=LAST).filter(|number| *number != slot);
        for value in std::iter::once(slot).chain(others) {
            match lock(project, value) {
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

fn lock(project: u64, number: u32) -> io::Result<UnixListener> {
    let name = format!("gorgon/number/{project:016x}/{number}");
    UnixListener::bind_addr(&SocketAddr::from_abstract_name(name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_slots_unless_another_worker_of_the_project_has_it() {
        // No other process has it.
        let project = format!("/{}", std::process::id());
        let take = |slot| Number::take("here", &project, slot);
        let held = [(1, 1), (2, 2), (1, 3), (2, 4)].map(|(slot, expected)| {
            let number = take(slot);
            assert_eq!(number.value, expected);
            number
        });
        assert_eq!(Number::take("there", &project, 1).value, 1);
        drop(held);
        assert_eq!(take(2).value, 2);
    }
}
