//! `--local`: a broker inside this process, a listener below it, and the numbers of its slots.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use crossbeam_channel::{Receiver, never};
use gorgon_broker::Target;
use gorgon_local_broker::LocalBroker;
use gorgon_process::child::{self, Child, End, Options, SpawnError};
use gorgon_process::exit::Hint;
use gorgon_process::lease::{self, Lease, Tenancy};
use gorgon_process::liveness;
use gorgon_process::sibling::{self, SiblingError};
use gorgon_proto::config::{Connection, Secret};
use gorgon_proto::names::LOCAL_DIRECTORY_PREFIX;
use gorgon_ruby::WrongEnvironment;
use gorgon_ruby::warm::KEEPER_VARIABLE;

/// The heartbeat on the loopback: a broker that died takes us with it anyway.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// The local way cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The shell's environment is not for tests.
    #[error(transparent)]
    Environment(#[from] WrongEnvironment),
    /// No broker.
    #[error("start the local broker")]
    Broker(#[source] io::Error),
    /// No directory for the listener's files.
    #[error("make a directory for the local listener below {}", place.display())]
    Directory {
        /// Where.
        place: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The listener is not installed.
    #[error(transparent)]
    Sibling(#[from] SiblingError),
    /// The listener cannot be started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
}

impl Hint for LocalError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Environment(error) => error.hint(),
            Self::Broker(_) => None,
            Self::Directory { .. } => Some("TMPDIR names another place for it".to_owned()),
            Self::Sibling(error) => error.hint(),
            Self::Spawn(error) => error.hint(),
        }
    }
}

/// How the local listener runs its workers.
#[derive(Debug, Clone)]
pub struct LocalPlan {
    /// The project.
    pub root: PathBuf,
    /// How many workers.
    pub slots: u32,
    /// In the project's directory itself; else in a workspace.
    pub in_place: bool,
    /// Name of this host.
    pub host_name: String,
    /// The socket of who keeps the application warm.
    pub keeper: Option<PathBuf>,
}

/// The broker and the listener of one `--local` job.
///
/// The order of the fields is that of the shutdown: the pipe, the listener, its files, the broker.
#[derive(Debug)]
pub struct Local {
    /// Its end tells everything below to end at once.
    pipe: Option<ChildStdin>,
    listener: Child,
    heard_end: bool,
    directory: Scratch,
    broker: LocalBroker,
    plan: LocalPlan,
}

/// A private directory, removed when dropped.
#[derive(Debug)]
struct Scratch {
    path: PathBuf,
    /// Tells others that it is in use: our number would not, to those in another container.
    _lease: Lease,
}

impl Scratch {
    fn make() -> Result<Self, LocalError> {
        let place = std::env::temp_dir();
        let mut name = [0_u8; 8];
        let fault = |source| LocalError::Directory {
            place: place.clone(),
            source,
        };
        getrandom::fill(&mut name).map_err(|error| fault(io::Error::other(error)))?;
        let path = place.join(format!(
            "{LOCAL_DIRECTORY_PREFIX}{}-{:016x}",
            std::process::id(),
            u64::from_ne_bytes(name)
        ));
        DirBuilder::new().mode(0o700).create(&path).map_err(fault)?;
        let lease = Lease::make(&path).map_err(|source| {
            // The error that matters is the first.
            let _ = std::fs::remove_dir_all(&path);
            fault(source)
        })?;
        Ok(Self {
            path,
            _lease: lease,
        })
    }
}

/// Removes directories of runs of ours whose processes are gone, all of them.
fn sweep(place: &Path) {
    let dead = |name: &str| {
        let rest = name.strip_prefix(LOCAL_DIRECTORY_PREFIX)?;
        let pid = rest.split_once('-')?.0.parse().ok()?;
        (!liveness::exists(pid)).then_some(())
    };
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.file_name().to_str().and_then(dead).is_some()
            && lease::of(&entry.path()) != Tenancy::Held
        {
            // Another user's, or one that its listener removes right now.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!(target: "gorgon::originator", path:% = self.path.display(), error:%; "not removed");
        }
    }
}

impl Local {
    /// Starts the broker and the listener.
    ///
    /// # Errors
    /// What cannot be started.
    pub fn start(plan: LocalPlan) -> Result<Self, LocalError> {
        let broker = LocalBroker::start().map_err(LocalError::Broker)?;
        let directory = Scratch::make()?;
        let config = directory.path.join("gorgon_listener.json");
        let connection = connection(&broker);
        let text = serde_json::json!({
            "connection": connection.to_json(),
            "worker_slots": plan.slots,
            "host_name": plan.host_name,
            "workspace_dir": directory.path.join("workspaces"),
        });
        let fault = |source| LocalError::Directory {
            place: directory.path.clone(),
            source,
        };
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&config)
            .and_then(|mut file| file.write_all(text.to_string().as_bytes()))
            .map_err(fault)?;
        let (listener, pipe) = start_listener(&config, &plan)?;
        Ok(Self {
            pipe,
            listener,
            heard_end: false,
            directory,
            broker,
            plan,
        })
    }

    /// Removes what runs of ours have left that were killed; to be called where nobody waits for us, as a full temporary
    /// directory takes its time.
    pub fn sweep() {
        sweep(&std::env::temp_dir());
    }

    /// Starts the listener again, after it died.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_again(&mut self) -> Result<(), LocalError> {
        let config = self.directory.path.join("gorgon_listener.json");
        let (listener, pipe) = start_listener(&config, &self.plan)?;
        self.pipe = pipe;
        self.listener = listener;
        self.heard_end = false;
        Ok(())
    }

    /// Returns how the broker is reached.
    #[must_use]
    pub fn target(&self) -> Target {
        Target::from(&connection(&self.broker))
    }

    /// Returns where the listener's end arrives.
    #[must_use]
    pub fn ended(&self) -> Receiver<End> {
        if self.heard_end {
            never()
        } else {
            self.listener.end().clone()
        }
    }

    /// The end was heard: a channel that has ended would be ready for ever.
    pub fn forget_end(&mut self) {
        self.heard_end = true;
    }

    /// Tells everything below to end at once.
    pub fn hang_up(&mut self) {
        drop(self.pipe.take());
    }

    /// Ends everything below at once, and waits for it. The broker lives on until the drop.
    pub fn end_listener(&mut self, limit: Duration) {
        self.hang_up();
        if !self.heard_end && self.listener.end().recv_timeout(limit).is_err() {
            log::warn!(target: "gorgon::originator", "the local listener does not end and is killed");
        }
    }
}

fn connection(broker: &LocalBroker) -> Connection {
    Connection {
        host: "127.0.0.1".to_owned(),
        port: broker.port(),
        user: broker.user().to_owned(),
        password: Secret(broker.password().to_owned()),
        heartbeat: HEARTBEAT,
        ..Connection::default()
    }
}

fn start_listener(
    config: &Path,
    plan: &LocalPlan,
) -> Result<(Child, Option<ChildStdin>), LocalError> {
    let mut command = Command::new(sibling::find("gorgon-listener")?);
    command
        .arg("--config")
        .arg(config)
        .args(["--once", "--parent-pipe"]);
    if plan.in_place {
        command.arg("--in-place").arg(&plan.root);
    }
    command
        .current_dir(&plan.root)
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    // The user sees what happened from us; the log of the parts is there on request.
    command.env(gorgon_process::logging::SILENT, "1");
    match &plan.keeper {
        Some(keeper) => command.env(KEEPER_VARIABLE, keeper),
        None => command.env_remove(KEEPER_VARIABLE),
    };
    let mut listener = child::spawn(command, Options::default())?;
    let pipe = listener.take_stdin();
    Ok((listener, pipe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_held_is_in_use_whatever_lives_under_the_number_in_its_name() {
        let place = tempfile::tempdir().unwrap();
        let path = |name: &str| {
            let number = u32::MAX;
            place
                .path()
                .join(format!("{LOCAL_DIRECTORY_PREFIX}{number}-{name}"))
        };
        for name in ["held", "left", "without"] {
            std::fs::create_dir(path(name)).unwrap();
        }
        let _held = Lease::make(&path("held")).unwrap();
        drop(Lease::make(&path("left")).unwrap());
        sweep(place.path());
        let there = ["held", "left", "without"].map(|name| path(name).exists());
        assert_eq!(there, [true, false, false]);
    }
}
