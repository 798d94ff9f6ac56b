//! A worker's way to the preloader.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use gorgon_process::exit::Hint;
use gorgon_process::signals::Signal;
use gorgon_proto::job::Framework;

use crate::child::RubyChild;
use crate::lines::line_of;
use crate::protocol::ToSocket;

/// What a Ruby child is forked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To run items: before_start runs first, then `Ready` comes.
    Items,
    /// To run after_complete in place of a child that died; it ends by itself.
    AfterComplete,
}

/// A wish for a Ruby child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForkRequest {
    /// The one framework that it will serve.
    pub framework: Framework,
    /// GORGON_WORKER_ID.
    pub slot: u32,
    /// TEST_ENV_NUMBER, which is empty for 1; the slot, unless two runs share a directory.
    pub test_env_number: u32,
    /// What for.
    pub purpose: Purpose,
}

/// The preloader cannot be reached.
#[derive(Debug, thiserror::Error)]
#[error("reach the preloader at {}", socket.display())]
pub struct LinkError {
    socket: PathBuf,
    source: io::Error,
}

impl Hint for LinkError {
    fn hint(&self) -> Option<String> {
        None
    }
}

/// A worker's connection to the preloader of its job. When it is dropped, or the worker dies, the
/// preloader kills the children that were forked for it.
#[derive(Debug)]
pub struct PreloaderLink {
    socket: PathBuf,
    id: String,
    control: UnixStream,
}

impl PreloaderLink {
    /// Connects to a preloader that is ready.
    ///
    /// # Errors
    /// When nobody listens on the socket.
    pub fn connect(socket: &Path) -> Result<Self, LinkError> {
        let id = std::process::id().to_string();
        let mut link = Self {
            socket: socket.to_owned(),
            id: id.clone(),
            control: open(socket)?,
        };
        link.write(&ToSocket::Link { link: &id })?;
        Ok(link)
    }

    /// Asks for a child; its first event is `Forked`, or `Ended` when it cannot be had.
    ///
    /// # Errors
    /// When the preloader is gone.
    pub fn fork(&self, request: &ForkRequest) -> Result<RubyChild, LinkError> {
        let failed = |source| LinkError {
            socket: self.socket.clone(),
            source,
        };
        let mut stream = open(&self.door(request.framework))?;
        let line = line_of(&ToSocket::Fork {
            link: &self.id,
            slot: request.slot,
            test_env_number: request.test_env_number,
            after_complete: request.purpose == Purpose::AfterComplete,
        });
        stream.write_all(&line).map_err(failed)?;
        RubyChild::new(stream).map_err(failed)
    }

    /// Asks the preloader to signal a child's whole process group; one that has ended is left
    /// alone.
    ///
    /// # Errors
    /// When the preloader is gone.
    pub fn signal(&mut self, pid: u32, signal: Signal) -> Result<(), LinkError> {
        self.write(&ToSocket::Signal {
            pid,
            signal: signal.short_name(),
        })
    }

    /// The socket for requests for a child of this framework.
    fn door(&self, framework: Framework) -> PathBuf {
        let mut path = self.socket.clone().into_os_string();
        path.push(".");
        path.push(framework.name());
        PathBuf::from(path)
    }

    fn write(&mut self, line: &ToSocket<'_>) -> Result<(), LinkError> {
        let written = self.control.write_all(&line_of(line));
        written.map_err(|source| LinkError {
            socket: self.socket.clone(),
            source,
        })
    }
}

/// The name of a socket has at most 107 bytes, and TMPDIR may be longer: so it is named from the
/// open directory.
fn open(socket: &Path) -> Result<UnixStream, LinkError> {
    let connect = || {
        let directory = socket.parent().filter(|it| !it.as_os_str().is_empty());
        let directory = File::open(directory.unwrap_or(Path::new(".")))?;
        let name = socket.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let short = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
        UnixStream::connect(short.join(name))
    };
    connect().map_err(|source| LinkError {
        socket: socket.to_owned(),
        source,
    })
}
