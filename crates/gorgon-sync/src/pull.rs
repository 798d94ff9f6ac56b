//! A listener's pull: makes its cache equal to the project of the originator.

use std::collections::{HashMap, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gorgon_process::command::{Bounds, CommandError, Finished, run_bounded};
use gorgon_process::disk;
use gorgon_proto::job::{Source, SourceKind};

use crate::args::{self, CONNECT_LIMIT, Compare, Location};
use crate::cache::Cache;
use crate::exclude::Excludes;
use crate::failure::{self, SyncError};
use crate::manifest::{Kind, Manifest, Nanos, SECOND};

/// How long each address of an originator is tried at first: most addresses that are not for us never answer.
const FIRST_LIMIT: Duration = Duration::from_secs(2);

/// What a pull did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullReport {
    /// Where the source came from; none when the cache was equal already, and no rsync ran.
    pub pulled_from: Option<String>,
    /// Files that were compared by content, since their size and time told nothing.
    pub forced: usize,
    /// Files vanished on the originator while they were read.
    pub vanished: bool,
    /// How long it took.
    pub took: Duration,
}

/// Makes the cache equal to `source`; all of it within `bounds`.
///
/// # Errors
/// When no address answers, rsync fails, or the source names no place.
pub fn pull(source: &Source, cache: &Cache, bounds: &Bounds) -> Result<PullReport, SyncError> {
    let begun = Instant::now();
    let mut report = PullReport {
        pulled_from: None,
        forced: 0,
        vanished: false,
        took: Duration::ZERO,
    };
    let equal = source.manifest_digest.is_some() && source.manifest_digest == cache.digest();
    if !equal || !cache.is_whole() {
        let bounds = Until {
            at: begun + bounds.limit,
            bounds,
        };
        match source.kind {
            SourceKind::Daemon => pull_from_originator(source, cache, &bounds, &mut report)?,
            SourceKind::Path => pull_from_path(source, cache, &bounds, &mut report)?,
            SourceKind::InPlace => return Err(wrong("is a directory in place")),
        }
    }
    report.took = begun.elapsed();
    Ok(report)
}

/// One limit for several commands.
struct Until<'a> {
    at: Instant,
    bounds: &'a Bounds,
}

impl Until<'_> {
    fn rsync(&self, args: Vec<OsString>, password: Option<&str>) -> Result<Finished, CommandError> {
        let limit = self.at.saturating_duration_since(Instant::now());
        let bounds = Bounds {
            limit,
            ..self.bounds.clone()
        };
        run_bounded(rsync(args, password), &bounds, b"")
    }
}

/// The password goes by the environment, which only our own user can read.
///
/// What the user has for rsync would change what our arguments mean: variables (each release knows
/// more of them), and the aliases of options that it finds by HOME in `~/.popt`.
pub(crate) fn rsync(args: Vec<OsString>, password: Option<&str>) -> Command {
    let mut command = Command::new("rsync");
    let home = std::env::var_os("HOME");
    command
        .args(args::with_home(args, home.as_deref()))
        .env("LC_ALL", "C")
        .env_remove("CVSIGNORE")
        .env_remove("HOME");
    for (name, _) in std::env::vars_os() {
        // A module of somebody else may ask for the password.
        if name.as_bytes().starts_with(b"RSYNC_") && name != "RSYNC_PASSWORD" {
            command.env_remove(name);
        }
    }
    if let Some(password) = password {
        command.env("RSYNC_PASSWORD", password);
    }
    command
}

fn pull_from_originator(
    source: &Source,
    cache: &Cache,
    bounds: &Until<'_>,
    report: &mut PullReport,
) -> Result<(), SyncError> {
    let user = source
        .user
        .as_deref()
        .ok_or_else(|| wrong("names no user"))?;
    let password = source
        .password
        .as_deref()
        .ok_or_else(|| wrong("has no password"))?;
    let (base, encoded) = fetch_manifest(source, user, password, cache, bounds)?;
    let manifest =
        Manifest::decode(&encoded).ok_or_else(|| wrong("has a manifest of another format"))?;
    cache.begin()?;
    report.forced = force(&manifest, cache)?;
    let from = Location::Daemon(format!("{base}/src/"));
    let to = Location::Directory(cache.tree());
    let args = args::mirror(&from, &to, None, Compare::SizeAndTime, None);
    report.vanished = finished(bounds.rsync(args, Some(password)), &from)?;
    // What vanished is in the manifest, so the tree does not equal it.
    cache.finish(Some(&encoded), !report.vanished)?;
    report.pulled_from = Some(base);
    Ok(())
}

/// Asks each address in turn; the first that answers as our daemon does is the one. Those that only said nothing in
/// time are asked once more, with patience: their machine may be busy.
fn fetch_manifest(
    source: &Source,
    user: &str,
    password: &str,
    cache: &Cache,
    bounds: &Until<'_>,
) -> Result<(String, Vec<u8>), SyncError> {
    let mut tries = Vec::new();
    let place = cache.new_manifest();
    let first = source
        .addresses
        .iter()
        .map(|address| (address, FIRST_LIMIT));
    let mut due: VecDeque<_> = first.collect();
    while let Some((address, limit)) = due.pop_front() {
        if !is_plain(user) || !is_plain(address) {
            return Err(wrong("has an address that is none"));
        }
        let base = format!("rsync://{user}@{address}");
        let args = args::fetch_file(&format!("{base}/meta/manifest"), &place, limit);
        match bounds.rsync(args, Some(password)) {
            Ok(_) => {
                let read = fs::read(&place).map_err(SyncError::file("read", &place))?;
                return Ok((base, read));
            }
            Err(error) if failure::is_slow(&error) && limit == FIRST_LIMIT => {
                due.push_back((address, CONNECT_LIMIT));
            }
            Err(error) if failure::is_elsewhere(&error) => {
                log::info!(target: "gorgon::sync", address:% = address,
                    cause:% = gorgon_process::exit::chain(&error); "an address did not answer");
                tries.push((address.clone(), error));
            }
            Err(error @ CommandError::Cancelled { .. }) => {
                return Err(SyncError::rsync(String::new(), error));
            }
            Err(error @ CommandError::Spawn(_)) => {
                tries.push((address.clone(), error));
                break;
            }
            Err(error) => {
                return Err(SyncError::rsync(
                    format!("pull the manifest from {base}"),
                    error,
                ));
            }
        }
    }
    if tries.is_empty() {
        return Err(wrong("names no address"));
    }
    Err(SyncError::unreachable(tries))
}

/// Makes rsync look into the files that may have changed, though size and time are the same.
fn force(manifest: &Manifest, cache: &Cache) -> Result<usize, SyncError> {
    let tree = cache.tree();
    let before = cache.manifest();
    let mut directories = Directories::new(&tree);
    let mut forced = 0;
    for entry in manifest.suspects(before.as_ref()) {
        let Kind::File { size } = entry.kind else {
            continue;
        };
        let path = tree.join(OsStr::from_bytes(&entry.path));
        let alike = is_inside(&entry.path)
            && fs::symlink_metadata(&path).is_ok_and(|meta| {
                // rsync may compare whole seconds only.
                meta.is_file()
                    && meta.size() == size
                    && Nanos::from(meta.mtime()) == entry.modified.div_euclid(SECOND)
            });
        // A directory may be a link in our copy still, to files that are not ours.
        if alike && directories.lead_to(&path) {
            disk::set_modified(&path, 1, 0).map_err(SyncError::file("set the time of", &path))?;
            forced += 1;
        }
    }
    Ok(forced)
}

/// Which directories of a tree are directories, and not links.
struct Directories<'a> {
    tree: &'a Path,
    known: HashMap<PathBuf, bool>,
}

impl<'a> Directories<'a> {
    fn new(tree: &'a Path) -> Self {
        let known = HashMap::new();
        Self { tree, known }
    }

    /// Returns whether no link lies on the way from the tree to what is at `path`.
    fn lead_to(&mut self, path: &Path) -> bool {
        let above = path.ancestors().skip(1);
        let between = above.take_while(|directory| *directory != self.tree);
        let mut unknown = Vec::new();
        let mut real = true;
        for directory in between {
            if let Some(known) = self.known.get(directory) {
                real = *known;
                break;
            }
            unknown.push(directory);
        }
        for directory in unknown.into_iter().rev() {
            real = real && fs::symlink_metadata(directory).is_ok_and(|meta| meta.is_dir());
            self.known.insert(directory.to_owned(), real);
        }
        real
    }
}

fn pull_from_path(
    source: &Source,
    cache: &Cache,
    bounds: &Until<'_>,
    report: &mut PullReport,
) -> Result<(), SyncError> {
    let text = source
        .source_tree_path
        .as_deref()
        .ok_or_else(|| wrong("names no path"))?;
    let from = Location::parse(text)
        .ok_or_else(|| wrong(&format!("is {text:?}, which names no place")))?;
    let to = Location::Directory(cache.tree());
    let excludes = Excludes::new(&source.exclude, &[]);
    cache.begin()?;
    // No manifest tells what the quick check cannot see.
    let args = args::mirror(&from, &to, Some(&excludes), Compare::Content, None);
    report.vanished = finished(bounds.rsync(args, None), &from)?;
    cache.finish(None, !report.vanished)?;
    if let Some(digest) = source
        .manifest_digest
        .as_deref()
        .filter(|_| !report.vanished)
    {
        cache.finish_as(digest)?;
    }
    report.pulled_from = Some(from.to_string());
    Ok(())
}

/// Returns whether files vanished, which is no failure.
fn finished(result: Result<Finished, CommandError>, from: &Location) -> Result<bool, SyncError> {
    match result {
        Ok(_) => Ok(false),
        Err(error) if failure::is_vanished(&error) => Ok(true),
        Err(error) => Err(SyncError::rsync(
            format!("pull the source from {from}"),
            error,
        )),
    }
}

fn wrong(what: &str) -> SyncError {
    SyncError::Source {
        what: what.to_owned(),
    }
}

/// A host, `[address]`, port or user that cannot end its part of a URL.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || ".-_:[]%".contains(c))
}

/// A path out of a message stays inside the tree: no `..`, not absolute.
fn is_inside(path: &[u8]) -> bool {
    Path::new(OsStr::from_bytes(path))
        .components()
        .all(|name| matches!(name, Component::Normal(_)))
}

#[cfg(test)]
mod tests;
