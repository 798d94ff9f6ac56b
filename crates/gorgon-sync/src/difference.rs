//! What has to be done to make one tree equal to another. Pure.

use std::collections::HashSet;

use crate::record::Record;
use crate::stamp::{Kind, Stamp, Stamped};
use crate::view::View;

/// What is to be done, in this order; numbers are those of the view's entries.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Steps {
    /// A directory that nothing can be done about.
    pub(crate) foreign: Option<Vec<u8>>,
    /// Directories in which something is done, or which are not as they were: they must be ours to
    /// write to. What holds others comes before them.
    pub(crate) open: Vec<(Vec<u8>, Stamp)>,
    /// What is removed, and whether it is a directory; what holds others comes after them.
    pub(crate) remove: Vec<(Vec<u8>, bool)>,
    /// Directories that are made.
    pub(crate) make: Vec<usize>,
    /// Files, links and pipes that are copied.
    pub(crate) copy: Vec<usize>,
    /// Directories that get their mode and time.
    pub(crate) finish: Vec<usize>,
    /// What stays, for each entry.
    pub(crate) proven: Vec<Option<Stamp>>,
}

/// Compares what shall be there with what is there, and with what was put there.
pub(crate) fn difference(view: &View, record: &Record, found: &[Stamped]) -> Steps {
    let mut steps = Steps {
        proven: Vec::with_capacity(view.entries.len()),
        ..Steps::default()
    };
    // Directories in which something is removed or made.
    let mut touched: HashSet<&[u8]> = HashSet::new();
    let mut doubtful = Vec::new();
    let mut known = record.entries.iter().peekable();
    let mut there = found.iter().peekable();
    let mut extra = Vec::new();
    for (nth, viewed) in view.entries.iter().enumerate() {
        let path = &viewed.path;
        while let Some(one) = there.next_if(|one| one.0 < *path) {
            extra.push(one);
        }
        while known.next_if(|entry| entry.path < *path).is_some() {}
        let entry = known.next_if(|entry| entry.path == *path);
        let there = there.next_if(|one| one.0 == *path);
        let is_directory = viewed.stamp.kind() == Kind::Directory;
        let same = entry.filter(|entry| same_source(&entry.source, &viewed.identity));
        let proven = same
            .and_then(|entry| entry.own)
            .filter(|own| there.is_some_and(|it| it.1 == *own));
        steps.proven.push(proven);
        match there {
            Some((_, stamp)) if is_directory && stamp.kind() == Kind::Directory => {
                // A directory that was never put there is of somebody else, until it is looked at.
                let before = entry.and_then(|entry| entry.own);
                let owner = |stamp: &Stamp| (stamp.user, stamp.group, stamp.device);
                if before.is_some_and(|before| owner(&before) != owner(stamp)) {
                    steps.foreign.get_or_insert_with(|| path.clone());
                }
                if proven.is_none() {
                    doubtful.push(nth);
                }
            }
            _ if proven.is_some() => {}
            there => {
                extra.extend(there);
                touched.insert(parent(path));
                if is_directory {
                    steps.make.push(nth);
                } else {
                    steps.copy.push(nth);
                }
            }
        }
    }
    extra.extend(there);
    // Below a directory, in any order of bytes, lies what has a longer path that begins with it.
    extra.sort_unstable_by(|a, b| b.0.cmp(&a.0));
    for (path, stamp) in extra {
        touched.insert(parent(path));
        steps
            .remove
            .push((path.clone(), stamp.kind() == Kind::Directory));
    }
    open_and_finish(&mut steps, view, found, &touched, &doubtful);
    steps
}

/// Whatever is touched, or not as it was, is opened before and finished after.
fn open_and_finish(
    steps: &mut Steps,
    view: &View,
    found: &[Stamped],
    touched: &HashSet<&[u8]>,
    doubtful: &[usize],
) {
    let doubtful: HashSet<usize> = doubtful.iter().copied().collect();
    let made: HashSet<usize> = steps.make.iter().copied().collect();
    let mut paths: HashSet<&[u8]> = touched.clone();
    for (nth, viewed) in view.entries.iter().enumerate() {
        let is_directory = viewed.stamp.kind() == Kind::Directory;
        let concerned = doubtful.contains(&nth) || made.contains(&nth);
        if is_directory && (concerned || touched.contains(viewed.path.as_slice())) {
            steps.finish.push(nth);
            paths.insert(&viewed.path);
        }
    }
    let is_open =
        |one: &&Stamped| one.1.kind() == Kind::Directory && paths.contains(one.0.as_slice());
    steps.open = found.iter().filter(is_open).cloned().collect();
}

fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => &path[..slash],
        None => b"",
    }
}

/// A directory is what it holds, which is looked at for itself.
fn same_source(before: &Stamp, now: &Stamp) -> bool {
    if before.kind() == Kind::Directory {
        before.mode == now.mode && before.modified == now.modified
    } else {
        before == now
    }
}

#[cfg(test)]
mod tests;
