//! Where the sockets of preloaders lie: a directory of ours alone, removed with us.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gorgon_process::disk::user_id;
use gorgon_process::lease::{self, Lease, Tenancy};
use gorgon_process::liveness::Identity;
use log::info;
use tempfile::TempDir;

/// Begins the name of each such directory; the manager's identity follows.
const PREFIX: &str = "gorgon-manager-";

/// The directory; each start of a preloader gets a new socket in it.
#[derive(Debug)]
pub struct Sockets {
    directory: PathBuf,
    /// Removes it at the end, unless somebody else does. Held, since our number says nothing to those in
    /// another container.
    _own: Option<(Lease, TempDir)>,
    made: u32,
}

impl Sockets {
    /// Takes `given`, or makes a directory in TMPDIR, where those of killed managers are removed.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(given: Option<&Path>) -> io::Result<Self> {
        if let Some(given) = given {
            return Ok(Self {
                directory: given.to_owned(),
                _own: None,
                made: 0,
            });
        }
        sweep(&std::env::temp_dir());
        let me = Identity::own()?;
        let own = tempfile::Builder::new()
            .prefix(&format!("{PREFIX}{}-{}-", me.pid, me.started))
            .tempdir()?;
        Ok(Self {
            directory: own.path().to_owned(),
            _own: Some((Lease::make(own.path())?, own)),
            made: 0,
        })
    }

    /// Returns a path that no socket had before.
    pub fn another(&mut self) -> PathBuf {
        self.made += 1;
        self.directory
            .join(format!("{}-{}", std::process::id(), self.made))
    }
}

/// Removes the directories of managers of ours that live no more.
fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let stale = owner(&entry.file_name().to_string_lossy())
            .is_some_and(|owner| !owner.is_alive())
            && lease::of(&entry.path()) != Tenancy::Held
            && entry
                .metadata()
                .is_ok_and(|meta| meta.is_dir() && meta.uid() == user_id());
        if stale && fs::remove_dir_all(entry.path()).is_ok() {
            info!(target: "gorgon::manager", directory:% = entry.path().display(); "removed what a killed manager left");
        }
    }
}

fn owner(name: &str) -> Option<Identity> {
    let mut parts = name.strip_prefix(PREFIX)?.split('-');
    Some(Identity {
        pid: parts.next()?.parse().ok()?,
        started: parts.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_directories_of_dead_managers_are_swept() {
        let place = tempfile::tempdir().unwrap();
        let me = Identity::own().unwrap();
        let live = format!("{PREFIX}{}-{}-x", me.pid, me.started);
        let dead = format!("{PREFIX}{}-{}-x", me.pid, me.started + 1);
        let elsewhere = format!("{PREFIX}{}-{}-y", me.pid, me.started + 1);
        for name in [&live, &dead, &elsewhere, "gorgon-manager-x", "else"] {
            fs::create_dir(place.path().join(name)).unwrap();
        }
        let _held = Lease::make(&place.path().join(&elsewhere)).unwrap();
        sweep(place.path());
        let mut left: Vec<_> = fs::read_dir(place.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut expected = vec![
            "else".to_owned(),
            live,
            elsewhere,
            "gorgon-manager-x".to_owned(),
        ];
        expected.sort();
        assert_eq!(left, expected);
    }
}
