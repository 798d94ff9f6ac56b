//! Where listeners get the source from: this machine, a file server, or a tree of somebody else.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded, select_biased};
use gorgon_process::Signal;
use gorgon_process::command::Bounds;
use gorgon_process::exit::{self, ERROR, Hint, SYNC_FAILED};
use gorgon_process::host;
use gorgon_proto::job::{Source, SourceKind};
use gorgon_sync::push::{self, Transport};
use gorgon_sync::serve::{Reach, Reading};
use gorgon_sync::{Excludes, LeftOut, ServeTree, SyncError};

use crate::cli::StartArgs;
use crate::guard::{self, Guard};
use crate::name_list::first_names;
use crate::rails_source;
use crate::report::visible::one_line;
use crate::settings::Settings;

/// Time limit of a push to a file server.
const PUSH_LIMIT: Duration = Duration::from_secs(3600);
/// A source of less is not worth a word about its size.
const HINT_FROM_BYTES: u64 = 20 << 20;

/// The source cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It cannot be served from here.
    #[error("serve the source")]
    Serve(#[source] Box<SyncError>),
    /// It cannot be brought to the file server.
    #[error("push the source to the file server {server}")]
    Push {
        /// The server.
        server: String,
        /// Why.
        source: Box<SyncError>,
    },
    /// A signal came meanwhile.
    #[error("cancelled while the source was pushed")]
    Cancelled,
}

impl Hint for SourceError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Serve(error) | Self::Push { source: error, .. } => error.hint(),
            Self::Cancelled => None,
        }
    }

    fn exit(&self) -> u8 {
        match self {
            // No host could get it, either.
            Self::Serve(error) if matches!(**error, SyncError::TooDeep { .. }) => SYNC_FAILED,
            Self::Serve(_) => ERROR,
            Self::Push { .. } => SYNC_FAILED,
            Self::Cancelled => gorgon_process::exit::CANCELLED,
        }
    }
}

/// The source, as long as it is served.
#[derive(Debug)]
pub struct Served {
    /// What listeners are told.
    pub source: Source,
    /// Lines for the user that `-q` leaves out.
    pub hints: Vec<String>,
    /// Lines for the user.
    pub warnings: Vec<String>,
    /// Removes the daemon's files if we are killed; ends after the daemon.
    _tree: Option<(ServeTree, Option<Guard>)>,
}

/// Who comes for the source.
#[derive(Debug, Clone, Copy)]
pub enum Hosts {
    /// A listener on this machine alone.
    Local,
    /// The listeners of a broker; this is our address in the connection to it.
    Network(Option<IpAddr>),
}

/// Where listeners get the source from.
#[derive(Debug)]
pub enum Origin {
    /// This machine: its tree is being read.
    Here(Reading),
    /// A tree of somebody else.
    Path(String),
    /// A file server, to which it is pushed.
    Server(String),
}

/// Decides where listeners get the source from, and begins to read it where that is from here:
/// connecting to the broker takes a while too. `own`: files that we write ourselves, which are
/// never synced.
///
/// # Errors
/// It cannot be begun.
pub fn begin(settings: &Settings, own: &[String], local: bool) -> Result<Origin, SourceError> {
    let config = &settings.config;
    match (&config.source_tree_path, &config.file_server) {
        (Some(path), _) if !local => Ok(Origin::Path(path.clone())),
        (None, Some(server)) if !local => Ok(Origin::Server(server.clone())),
        _ => Reading::begin(&settings.root, excludes(settings, own))
            .map(Origin::Here)
            .map_err(|error| SourceError::Serve(Box::new(error))),
    }
}

/// What is not synced.
fn excludes(settings: &Settings, own: &[String]) -> Excludes {
    Excludes::new(
        &rails_source::excludes(&settings.root, &settings.config),
        own,
    )
}

/// Begins to serve the source, or pushes it. A signal ends a push.
///
/// # Errors
/// It cannot be served or pushed.
pub fn offer(
    settings: &Settings,
    own: &[String],
    origin: Origin,
    hosts: Hosts,
    signals: &Receiver<Signal>,
) -> Result<Served, SourceError> {
    let config = &settings.config;
    let kept_paths = rails_source::kept_paths(&settings.root);
    let by_path = |path: String| Served {
        source: Source {
            kind: SourceKind::Path,
            source_tree_path: Some(path),
            rsync_transport: config.rsync_transport.clone(),
            exclude: rails_source::excludes(&settings.root, config),
            ..Source::default()
        },
        hints: Vec::new(),
        warnings: Vec::new(),
        _tree: None,
    };
    let mut served = match (origin, hosts) {
        (Origin::Here(reading), Hosts::Network(address)) => {
            serve(reading, Reach::Network, &addresses(settings, address))
        }
        (Origin::Here(reading), Hosts::Local) => {
            serve(reading, Reach::Loopback, &[Ipv4Addr::LOCALHOST.to_string()])
        }
        (Origin::Path(path), _) => Ok(by_path(path)),
        (Origin::Server(server), _) => {
            let transport = Transport::parse(config.rsync_transport.as_deref().or(Some("ssh")));
            let host = settings.host_name();
            let destination = push::destination(&server, transport, &host, &settings.root);
            let excludes = excludes(settings, own);
            let left_out = push_bounded(settings, &server, &destination, excludes, signals)?;
            let mut served = by_path(destination);
            served.hints.extend(points_out(&left_out));
            served.warnings.extend(special(&left_out));
            served
                .source
                .rsync_transport
                .get_or_insert_with(|| "ssh".to_owned());
            Ok(served)
        }
    }?;
    served.source.kept_paths = kept_paths;
    Ok(served)
}

/// Files that we write ourselves, relative to the project: they are never synced.
#[must_use]
pub fn own_files(args: &StartArgs, settings: &Settings) -> Vec<String> {
    let config = &settings.config;
    let paths: [Option<&PathBuf>; 5] = [
        args.junit.as_ref(),
        args.json.as_ref(),
        config.failed_files.as_ref(),
        config.runtime_file.as_ref(),
        config.originator_log_file.as_ref(),
    ];
    paths
        .into_iter()
        .flatten()
        .filter(|path| path.as_os_str() != "-")
        .filter_map(|path| {
            let path = settings.root.join(path);
            Some(path.strip_prefix(&settings.root).ok()?.to_str()?.to_owned())
        })
        .collect()
}

fn serve(reading: Reading, reach: Reach, addresses: &[String]) -> Result<Served, SourceError> {
    let tree =
        ServeTree::start(reading, reach).map_err(|error| SourceError::Serve(Box::new(error)))?;
    let guard = guard::start(tree.directory()).inspect_err(|error| {
        log::warn!(target: "gorgon::originator", error:% = exit::chain(error); "no guard");
    });
    let guard = guard.ok();
    let total = tree.manifest().total_bytes();
    let costly = tree.manifest().costly();
    let mut hints: Vec<String> = points_out(tree.left_out()).into_iter().collect();
    let warnings = special(tree.left_out()).into_iter().collect();
    if total >= HINT_FROM_BYTES && !costly.is_empty() && reach == Reach::Network {
        let parts: Vec<String> = costly
            .iter()
            .map(|(name, bytes)| format!("{name} {}", megabytes(*bytes)))
            .collect();
        hints.push(format!(
            "hint: {} are synced, of which {}; what no test needs can be left out by job.sync.exclude",
            megabytes(total),
            parts.join(", ")
        ));
    }
    Ok(Served {
        source: tree.source(addresses),
        hints,
        warnings,
        _tree: Some((tree, guard)),
    })
}

/// What is not synced since a write in a workspace would reach the repository of this directory.
fn points_out(left_out: &LeftOut) -> Option<String> {
    // Entries of a repository about worktrees elsewhere are left out without a hint: nobody needs them in a copy.
    let inside_git = |path: &[u8]| {
        path.windows(6)
            .any(|part| part == b".git/w" || part == b".git/m")
    };
    let mut checkouts = left_out.outside.iter();
    let (path, reason) = checkouts.find(|(path, _)| !inside_git(path))?;
    let more = match checkouts.filter(|(path, _)| !inside_git(path)).count() {
        0 => String::new(),
        more => format!(" (and {more} more like it)"),
    };
    let path = one_line(&String::from_utf8_lossy(path));
    let reason = one_line(reason);
    Some(format!(
        "hint: {path} is not synced, {reason}{more}: a workspace is no repository there, and `git ls-files` of a gemspec lists nothing"
    ))
}

/// Sockets and devices, which no copy has.
fn special(left_out: &LeftOut) -> Option<String> {
    let all = &left_out.special;
    let named = first_names(all, |(path, kind)| {
        let path = one_line(&String::from_utf8_lossy(path));
        format!("{path} ({kind})")
    });
    (!all.is_empty()).then(|| {
        format!(
            "sockets and devices are not synced, so workspaces lack {named}; leave out by job.sync.exclude what no test needs"
        )
    })
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1 << 20))
}

fn push_bounded(
    settings: &Settings,
    server: &str,
    destination: &str,
    excludes: Excludes,
    signals: &Receiver<Signal>,
) -> Result<LeftOut, SourceError> {
    let (cancel, cancelled) = bounded::<()>(0);
    let (done, result) = bounded(1);
    let (root, to) = (settings.root.clone(), destination.to_owned());
    let failed = |source: SyncError| SourceError::Push {
        server: server.to_owned(),
        source: Box::new(source),
    };
    let thread = std::thread::Builder::new()
        .name("push".to_owned())
        .spawn(move || {
            let bounds = Bounds {
                cancel: cancelled,
                ..Bounds::within(PUSH_LIMIT)
            };
            // Nobody waits for it any more after a signal.
            let _ = done.send(push::push(&root, &to, &excludes, &bounds));
        })
        .map_err(|_| SourceError::Cancelled)?;
    let pushed = select_biased! {
        recv(signals) -> _ => {
            drop(cancel);
            Err(SourceError::Cancelled)
        }
        recv(result) -> pushed => match pushed {
            Ok(pushed) => pushed.map_err(failed),
            Err(_) => Err(SourceError::Cancelled),
        }
    };
    // It ends rsync before it ends itself.
    let _ = thread.join();
    pushed
}

/// Where listeners may reach us: what is configured; else our address towards the broker, then the
/// other addresses of this machine.
fn addresses(settings: &Settings, towards_broker: Option<IpAddr>) -> Vec<String> {
    let configured = &settings.config.advertise;
    if !configured.is_empty() {
        return configured.clone();
    }
    let mut addresses: Vec<String> = towards_broker.iter().map(IpAddr::to_string).collect();
    for address in host::addresses().iter().map(IpAddr::to_string) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}
