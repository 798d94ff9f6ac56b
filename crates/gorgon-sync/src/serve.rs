//! The originator's own directory, served read-only to the hosts of one job.
//!
//! We listen ourselves on a port that the kernel chooses, and start an `rsync --daemon` for each
//! connection with the socket as its stdin, as inetd does: no port has to be guessed, and each of
//! these dies with us, also by kill -9. The two modules, `src` (the project) and `meta` (its
//! manifest), want a user and password that were drawn for this job.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::TryRecvError;
use gorgon_process::child::{self, Child, Options};
use gorgon_process::{Signal, disk};
use gorgon_proto::hex;
use gorgon_proto::job::{Source, SourceKind};

use crate::exclude::Excludes;
use crate::failure::SyncError;
use crate::manifest::Manifest;
use crate::owned::{self, OwnedDir};
use crate::pull::rsync;
use crate::scan::{self, LeftOut};

/// More hosts than that at a time are sent away.
const CONNECTIONS: usize = 250;

/// Seconds of silence after which a client is cut off.
const IDLE_SECS: u64 = 60;

/// Our own connection, which wakes the thread at the end, is refused or accepted at once.
const WAKE_LIMIT: Duration = Duration::from_secs(1);

/// After a connection could not be accepted.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The name of a daemon's private directory begins so.
pub const PREFIX: &str = "gorgon-serve-";

/// Who can reach the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Only processes of this machine (`--local --sync`, tests).
    Loopback,
    /// All hosts that this machine has a route to.
    Network,
}

/// Removes what daemons have left that were killed; to be called where nobody waits for us, as a full temporary
/// directory takes its time.
pub fn sweep() {
    owned::sweep(&std::env::temp_dir(), PREFIX);
}

/// A running private daemon; dropped, it and its files are gone.
#[derive(Debug)]
pub struct ServeTree {
    port: u16,
    user: String,
    password: String,
    manifest: Manifest,
    left_out: LeftOut,
    digest: String,
    ending: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
    directory: OwnedDir,
}

/// What was read: the manifest, what is left out, and the manifest encoded.
type Read = (Manifest, LeftOut, Vec<u8>);

/// A project whose manifest is being read, in a thread of its own: others connect meanwhile.
#[derive(Debug)]
pub struct Reading {
    project: PathBuf,
    excludes: Excludes,
    manifest: JoinHandle<Result<Read, SyncError>>,
}

impl Reading {
    /// Begins. Never served are the secrets, our artifacts, and what `excludes` names.
    ///
    /// # Errors
    /// When there can be no thread.
    pub fn begin(project: &Path, excludes: Excludes) -> Result<Self, SyncError> {
        let (root, rules) = (project.to_owned(), excludes.clone());
        let read = move || {
            let (manifest, left_out) = scan::scan(&root, &rules)?;
            let encoded = manifest.encode();
            Ok((manifest, left_out, encoded))
        };
        let manifest = thread::Builder::new()
            .name("read".to_owned())
            .spawn(read)
            .map_err(SyncError::file("read", project))?;
        Ok(Self {
            project: project.to_owned(),
            excludes,
            manifest,
        })
    }
}

impl ServeTree {
    /// Waits for the manifest of a project, and begins to serve it.
    ///
    /// # Errors
    /// When the project cannot be read, no port can be had, or no private file be written.
    pub fn start(reading: Reading, reach: Reach) -> Result<Self, SyncError> {
        let Reading {
            project,
            excludes,
            manifest,
        } = reading;
        let read = manifest.join().expect("reading a tree does not panic");
        let (manifest, left_out, encoded) = read?;
        let project = project.as_path();
        let listener = listen(reach).map_err(SyncError::file("open a port to serve", project))?;
        let port = listener
            .local_addr()
            .map_err(SyncError::file("serve", project))?
            .port();
        let parent = std::env::temp_dir();
        let directory = OwnedDir::create(&parent, PREFIX)?;
        let (user, password) = (format!("job{}", random(4)?), random(16)?);
        let config = Files {
            directory: directory.path(),
            project,
        }
        .write(&left_out.excludes(&excludes), &user, &password, &encoded)
        .map_err(SyncError::file(
            "write the rsync daemon's files to",
            directory.path(),
        ))?;
        let ending = Arc::new(AtomicBool::new(false));
        let acceptor = Acceptor {
            listener,
            config,
            ending: Arc::clone(&ending),
        };
        let acceptor = thread::Builder::new()
            .name("serve".to_owned())
            .spawn(move || acceptor.run())
            .map_err(SyncError::file("serve", project))?;
        let digest = crate::manifest::digest(&encoded);
        let acceptor = Some(acceptor);
        Ok(Self {
            port,
            user,
            password,
            manifest,
            left_out,
            digest,
            ending,
            acceptor,
            directory,
        })
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the private directory of the daemon's files: what is left when we are killed.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns what is served: its size, and the directories that cost most.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns what of the project is not served.
    #[must_use]
    pub fn left_out(&self) -> &LeftOut {
        &self.left_out
    }

    /// Returns the source of the job definition; `hosts` are names or addresses of this machine,
    /// in the order in which listeners shall try them.
    #[must_use]
    pub fn source(&self, hosts: &[String]) -> Source {
        Source {
            kind: SourceKind::Daemon,
            addresses: hosts.iter().map(|host| self.address(host)).collect(),
            user: Some(self.user.clone()),
            password: Some(self.password.clone()),
            manifest_digest: Some(self.digest.clone()),
            ..Source::default()
        }
    }

    fn address(&self, host: &str) -> String {
        match host.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, self.port).to_string(),
            Err(_) => format!("{host}:{}", self.port),
        }
    }
}

impl Drop for ServeTree {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // Wakes accept(2). The listener is bound to one of these.
        let woken = [
            IpAddr::from(Ipv4Addr::LOCALHOST),
            IpAddr::from(Ipv6Addr::LOCALHOST),
        ]
        .into_iter()
        .any(|ip| TcpStream::connect_timeout(&SocketAddr::new(ip, self.port), WAKE_LIMIT).is_ok());
        if let Some(acceptor) = self.acceptor.take().filter(|_| woken) {
            // It kills the daemons of open connections on its way.
            let _ = acceptor.join();
        }
        if let Err(error) = owned::remove(self.directory.path()) {
            log::warn!(target: "gorgon::sync", path:% = self.directory.path().display(),
                cause:% = error; "the rsync daemon's files cannot be removed");
        }
    }
}

struct Acceptor {
    listener: TcpListener,
    config: PathBuf,
    ending: Arc<AtomicBool>,
}

impl Acceptor {
    fn run(self) {
        let mut daemons: Vec<Child> = Vec::new();
        for accepted in self.listener.incoming() {
            if self.ending.load(Ordering::SeqCst) {
                return;
            }
            daemons.retain(|daemon| daemon.end().try_recv() == Err(TryRecvError::Empty));
            let served = match accepted {
                Ok(_) if daemons.len() >= CONNECTIONS => {
                    Err(io::Error::other("too many at a time"))
                }
                Ok(stream) => self.serve(stream),
                Err(error) => {
                    // Out of descriptors: the next try would fail as well.
                    let _ = crossbeam_channel::after(RETRY_AFTER).recv();
                    Err(error)
                }
            };
            match served {
                Ok(daemon) => daemons.push(daemon),
                Err(error) => log::warn!(target: "gorgon::sync", cause:% = error;
                    "a host that came for the source could not be served"),
            }
        }
    }

    fn serve(&self, stream: TcpStream) -> io::Result<Child> {
        stream.set_nodelay(true)?;
        let input = OwnedFd::from(stream.try_clone()?);
        let mut config = std::ffi::OsString::from("--config=");
        config.push(&self.config);
        let mut command: Command = rsync(vec!["--daemon".into(), config], None);
        command
            .stdin(input)
            .stdout(OwnedFd::from(stream))
            .stderr(Stdio::null());
        // It dies with this thread, which lives as long as the daemon is wanted.
        let options = Options {
            parent_death: Some(Signal::Kill),
            ..Options::default()
        };
        child::spawn(command, options).map_err(io::Error::other)
    }
}

/// Dual-stack where the machine has IPv6.
fn listen(reach: Reach) -> io::Result<TcpListener> {
    match reach {
        Reach::Loopback => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)),
        Reach::Network => TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))
            .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))),
    }
}

/// The files that the daemon reads, in a private directory.
struct Files<'a> {
    directory: &'a Path,
    project: &'a Path,
}

impl Files<'_> {
    /// Returns the configuration's path.
    fn write(
        &self,
        excludes: &Excludes,
        user: &str,
        password: &str,
        manifest: &[u8],
    ) -> io::Result<PathBuf> {
        // The configuration gives a meaning to some characters (%, \, spaces at the end), so it
        // names the project by a link.
        symlink(fs::canonicalize(self.project)?, self.directory.join("src"))?;
        fs::create_dir(self.directory.join("meta"))?;
        self.private("meta/manifest", manifest)?;
        self.private("secrets", format!("{user}:{password}\n").as_bytes())?;
        self.private("excludes", (excludes.rules().join("\n") + "\n").as_bytes())?;
        self.private("config", self.config(user)?.as_bytes())?;
        Ok(self.directory.join("config"))
    }

    fn config(&self, user: &str) -> io::Result<String> {
        let directory = self
            .directory
            .to_str()
            .filter(|path| !path.contains(['\n', '%', '\\']));
        let directory = directory
            .ok_or_else(|| io::Error::other("rsyncd.conf(5) cannot name it: set TMPDIR"))?;
        // Root would become nobody, who may not read a private project.
        let (uid, gid) = (disk::user_id(), disk::group_id());
        let who = if uid == 0 {
            format!("uid = {uid}\ngid = {gid}\n")
        } else {
            String::new()
        };
        // No chroot: only root could, and links out of the project shall come through as they are.
        Ok(format!(
            "log file = {directory}/log\n\
             reverse lookup = no\n\
             use chroot = no\n\
             munge symlinks = no\n\
             read only = yes\n\
             list = no\n\
             timeout = {IDLE_SECS}\n\
             auth users = {user}\n\
             secrets file = {directory}/secrets\n\
             {who}\
             [src]\n\
             path = {directory}/src\n\
             exclude from = {directory}/excludes\n\
             [meta]\n\
             path = {directory}/meta\n"
        ))
    }

    fn private(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let path = self.directory.join(name);
        let mut file: File = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        file.write_all(content)
    }
}

/// So many random bytes in hexadecimal.
fn random(bytes: usize) -> Result<String, SyncError> {
    let mut drawn = vec![0; bytes];
    getrandom::fill(&mut drawn).map_err(|error| SyncError::File {
        what: "draw random bytes from",
        path: "/dev/urandom".into(),
        source: io::Error::other(error.to_string()),
    })?;
    Ok(hex::encode(&drawn))
}

#[cfg(test)]
mod tests;
