//! The originator's push to a file server, from which listeners pull.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gorgon_process::command::{Bounds, run_bounded};

use crate::args::{self, Compare, Location};
use crate::exclude::Excludes;
use crate::failure::{self, SyncError};
use crate::manifest;
use crate::pull::rsync;
use crate::scan::{self, LeftOut};

/// So many digits tell the projects of one name on one host apart.
const HASH_DIGITS: usize = 8;

/// Port of a file server's rsync daemon, as in the original.
pub const FILE_SERVER_PORT: u16 = 43434;

/// Module of a file server's rsync daemon, as in the original.
pub const FILE_SERVER_MODULE: &str = "src";

/// The key file that is used for ssh when it lies in the project, as in the original.
const IDENTITY: &str = "gorgon.pem";

/// How a file server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// By ssh, below the home of the login.
    Ssh,
    /// By the rsync protocol, without a login.
    Daemon,
}

impl Transport {
    /// Takes `rsync_transport` of the configuration: `ssh`, or anything else.
    #[must_use]
    pub fn parse(text: Option<&str>) -> Self {
        if text == Some("ssh") {
            Self::Ssh
        } else {
            Self::Daemon
        }
    }
}

/// Returns where a project lies on a file server: what listeners get as `source_tree_path`.
///
/// `HOST:ORIGINATOR_PROJECT_HASH` by ssh, `rsync://HOST:43434/src/ORIGINATOR_PROJECT_HASH` else. The
/// original had no hash of the project's path: two checkouts of one name overwrote each other.
#[must_use]
pub fn destination(
    server: &str,
    transport: Transport,
    originator_host: &str,
    project: &Path,
) -> String {
    let directory = project.file_name().unwrap_or_default().to_string_lossy();
    let mut hash = manifest::digest(project.as_os_str().as_bytes());
    hash.truncate(HASH_DIGITS);
    let name = format!("{originator_host}_{directory}_{hash}");
    match transport {
        Transport::Ssh => format!("{server}:{name}"),
        Transport::Daemon => {
            format!("rsync://{server}:{FILE_SERVER_PORT}/{FILE_SERVER_MODULE}/{name}")
        }
    }
}

/// Makes the destination equal to the project, by content. That files vanish meanwhile is no
/// failure. Returns what of the project was left out.
///
/// # Errors
/// When the destination names no place, the project cannot be read, or rsync fails.
pub fn push(
    project: &Path,
    destination: &str,
    excludes: &Excludes,
    bounds: &Bounds,
) -> Result<LeftOut, SyncError> {
    let to = Location::parse(destination).ok_or_else(|| SyncError::Source {
        what: format!("is {destination:?}, which names no place"),
    })?;
    let (_, left_out) = scan::scan(project, excludes)?;
    let from = Location::Directory(project.to_owned());
    let identity = Some(project.join(IDENTITY)).filter(|path| path.is_file());
    let args = args::mirror(
        &from,
        &to,
        Some(&left_out.excludes(excludes)),
        Compare::Content,
        identity.as_deref(),
    );
    match run_bounded(rsync(args, None), bounds, b"") {
        Ok(_) => Ok(left_out),
        Err(error) if failure::is_vanished(&error) => Ok(left_out),
        Err(error) => Err(SyncError::rsync(
            format!("push {} to {to}", project.display()),
            error,
        )),
    }
}

#[cfg(test)]
mod tests;
