//! What can go wrong in a sync, and what to do about it. The one place that reads rsync's words.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gorgon_process::End;
use gorgon_process::command::CommandError;
use gorgon_process::exit::{Hint, SYNC_FAILED, chain};

/// rsync's exit statuses that we act on (rsync(1), EXIT VALUES).
mod status {
    /// Protocol incompatibility: something else answers at that port.
    pub(super) const PROTOCOL: i32 = 2;
    /// The login was refused, or the module is unknown.
    pub(super) const START: i32 = 5;
    /// Error in socket I/O: refused, unreachable.
    pub(super) const SOCKET: i32 = 10;
    /// Error in file I/O: the disk is full.
    pub(super) const FILE: i32 = 11;
    /// Error in the protocol data stream: the other end died.
    pub(super) const STREAM: i32 = 12;
    /// Partial transfer due to error: something could not be read or written.
    pub(super) const PARTIAL: i32 = 23;
    /// Files vanished while they were read.
    pub(super) const VANISHED: i32 = 24;
    /// Nothing came within the I/O limit.
    pub(super) const SILENT: i32 = 30;
    /// The daemon could not be connected in time.
    pub(super) const CONNECT: i32 = 35;
    /// The remote shell found no rsync.
    pub(super) const NOT_FOUND: i32 = 127;
    /// ssh failed.
    pub(super) const SSH: i32 = 255;
}

/// So many names of a path that is too long are shown.
const NAMED_LEVELS: usize = 8;

/// ssh ends rsync with one of several statuses.
const LOGIN_HINT: &str =
    "`ssh -o BatchMode=yes HOST true` must work for this user, without a password";

/// A sync that did not come about.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The job's source lacks something, or names a place that could be taken for an option.
    #[error("sync from a source that {what}")]
    Source {
        /// What is wrong with it.
        what: String,
    },
    /// rsync failed.
    #[error("{what}")]
    Rsync {
        /// What was tried on what.
        what: String,
        /// How rsync ended, and its words.
        source: CommandError,
    },
    /// None of the originator's addresses answered as our daemon does.
    #[error("pull the source from the originator at {}", addresses(.tries))]
    Unreachable {
        /// Each address with what happened there.
        tries: Vec<(String, CommandError)>,
        /// The same as a text.
        source: Tries,
    },
    /// A file of ours could not be read, written, locked or copied.
    #[error("{what} {}", path.display())]
    File {
        /// What was tried.
        what: &'static str,
        /// On which path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A directory of the source lies deeper than paths may be long.
    #[error("read the directory {}/…, {levels} levels deep", begin.display())]
    TooDeep {
        /// Where its path begins.
        begin: PathBuf,
        /// How deep it lies in the project.
        levels: usize,
        /// The cause.
        source: io::Error,
    },
    /// Another job holds the cache of the project.
    #[error("wait {} s for the cache {} that another job is filling or copying", limit.as_secs(), path.display())]
    Locked {
        /// The cache.
        path: PathBuf,
        /// How long was waited.
        limit: Duration,
    },
    /// Nobody wants the result any more.
    #[error("sync, which was cancelled")]
    Cancelled,
}

/// What happened at each address, in one text.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Tries(String);

impl SyncError {
    pub(crate) fn file(
        what: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { what, path, source }
    }

    pub(crate) fn too_deep(root: &Path, directory: &[u8], source: io::Error) -> Self {
        let names = Path::new(OsStr::from_bytes(directory)).components();
        Self::TooDeep {
            begin: root.join(names.clone().take(NAMED_LEVELS).collect::<PathBuf>()),
            levels: names.count(),
            source,
        }
    }

    pub(crate) fn rsync(what: String, source: CommandError) -> Self {
        match source {
            CommandError::Cancelled { .. } => Self::Cancelled,
            CommandError::Spawn(_) | CommandError::Ended { .. } | CommandError::TimedOut { .. } => {
                Self::Rsync { what, source }
            }
        }
    }

    pub(crate) fn unreachable(tries: Vec<(String, CommandError)>) -> Self {
        let lines: Vec<String> = tries
            .iter()
            .map(|(address, error)| format!("{address}: {}", words(error)))
            .collect();
        Self::Unreachable {
            tries,
            source: Tries(lines.join("\n")),
        }
    }
}

impl Hint for SyncError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Rsync { source, .. } => rsync_hint(source),
            Self::Unreachable { tries, .. } => Some(unreachable_hint(tries)),
            Self::File { source, .. } => file_hint(source),
            Self::TooDeep { .. } => Some(
                "no path may have more than 4096 bytes: leave it out by job.sync.exclude, or remove it"
                    .to_owned(),
            ),
            Self::Source { .. } | Self::Locked { .. } | Self::Cancelled => None,
        }
    }

    fn exit(&self) -> u8 {
        SYNC_FAILED
    }
}

/// Files that vanished while rsync read them are no failure.
pub(crate) fn is_vanished(error: &CommandError) -> bool {
    error.end() == Some(End::Exited(status::VANISHED))
}

/// Nothing of ours answered there: the next address may do.
pub(crate) fn is_elsewhere(error: &CommandError) -> bool {
    matches!(
        error.end(),
        Some(End::Exited(
            status::PROTOCOL
                | status::START
                | status::SOCKET
                | status::STREAM
                | status::SILENT
                | status::CONNECT
        ))
    )
}

/// Nothing answered there in time.
pub(crate) fn is_slow(error: &CommandError) -> bool {
    error.end() == Some(End::Exited(status::CONNECT))
}

fn addresses(tries: &[(String, CommandError)]) -> String {
    let names: Vec<&str> = tries.iter().map(|(address, _)| address.as_str()).collect();
    names.join(", ")
}

/// rsync's own words without the lines that only repeat its exit status.
fn words(error: &CommandError) -> String {
    let Some(said) = error.said() else {
        return chain(error);
    };
    let text = said.to_string();
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("rsync error:"))
        .collect();
    if lines.is_empty() {
        chain(error)
    } else {
        lines.join("; ")
    }
}

fn unreachable_hint(tries: &[(String, CommandError)]) -> String {
    if let Some((_, CommandError::Spawn(error))) = tries.first() {
        return error
            .hint()
            .unwrap_or_else(|| "install rsync on this host".to_owned());
    }
    "set `advertise` in gorgon.json to the name by which this host reaches the originator, and \
     let its firewall pass"
        .to_owned()
}

fn rsync_hint(error: &CommandError) -> Option<String> {
    if let CommandError::Spawn(spawn) = error {
        return spawn.hint();
    }
    let stderr = error
        .said()
        .map(|said| said.stderr.as_str())
        .unwrap_or_default();
    if stderr.contains("No space left on device") || stderr.contains("Disk quota exceeded") {
        return Some("make room on the disk, or set `cache_limit`".to_owned());
    }
    if stderr.contains("Host key verification failed") {
        return Some("log in there once by ssh as this user, to accept the host's key".to_owned());
    }
    let Some(End::Exited(code)) = error.end() else {
        return None;
    };
    let hint = match code {
        _ if stderr.contains("Permission denied (p") => LOGIN_HINT,
        status::SSH => LOGIN_HINT,
        status::NOT_FOUND => "install rsync on the other host too",
        status::SOCKET | status::CONNECT => "is the rsync daemon running there, and let through?",
        status::START => "does the module exist there, and does it let this host in?",
        status::FILE => "look at the disk that holds the cache",
        status::PARTIAL => "exclude what cannot be read, or make it readable",
        status::SILENT | status::STREAM => "the other end went silent or died: look there",
        _ => return None,
    };
    Some(hint.to_owned())
}

fn file_hint(error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("make room on the disk, or set `cache_limit`".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use gorgon_process::command::Said;

    use super::*;

    fn ended(status: i32, stderr: &str) -> CommandError {
        let source = Said {
            stdout: String::new(),
            stderr: stderr.to_owned(),
        };
        CommandError::Ended {
            command: "rsync a b".to_owned(),
            end: End::Exited(status),
            source,
        }
    }

    fn hint(status: i32, stderr: &str) -> Option<String> {
        let error = ended(status, stderr);
        SyncError::rsync("pull the source from a".to_owned(), error).hint()
    }

    #[test]
    fn another_address_is_asked_where_nothing_of_ours_answers() {
        // 30: a port that is open, and behind which nobody says a word.
        let other = [2, 5, 10, 12, 30, 35];
        for status in 0..=40 {
            let elsewhere = is_elsewhere(&ended(status, ""));
            assert_eq!(elsewhere, other.contains(&status), "{status}");
        }
    }

    #[test]
    fn what_rsync_and_ssh_say_is_met_with_what_to_do() {
        for (status, stderr, expected) in [
            (
                11,
                "rsync: write failed on \"x\": No space left on device (28)",
                "make room",
            ),
            (
                12,
                "u@h: Permission denied (publickey,password).",
                "`ssh -o BatchMode=yes",
            ),
            (
                255,
                "ssh: connect to host h port 22: Connection refused",
                "`ssh -o BatchMode=yes",
            ),
            (255, "Host key verification failed.", "log in there once"),
            (
                127,
                "bash: line 1: rsync: command not found",
                "install rsync",
            ),
            (
                10,
                "failed to connect to h: Connection refused (111)",
                "is the rsync daemon running",
            ),
            (
                23,
                "send_files failed to open x: Permission denied (13)",
                "exclude what cannot",
            ),
            (
                30,
                "io timeout after 20 seconds -- exiting",
                "the other end went silent",
            ),
            (5, "@ERROR: Unknown module 'src'", "does the module exist"),
        ] {
            let hint = hint(status, stderr).unwrap_or_default();
            assert!(hint.starts_with(expected), "{status} {stderr}: {hint}");
        }
        assert_eq!(hint(99, "?"), None);
    }

    #[test]
    fn a_cancelled_rsync_is_a_cancelled_sync() {
        let said = Said::default();
        let error = CommandError::Cancelled {
            command: "rsync".to_owned(),
            source: said,
        };
        assert!(matches!(
            SyncError::rsync(String::new(), error),
            SyncError::Cancelled
        ));
    }
}
