//! What a tree shall be made equal to: another tree, path by path.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use crossbeam_channel::{Receiver, TryRecvError, never};

use crate::failure::SyncError;
use crate::outside::Outside;
use crate::record::Record;
use crate::stamp::{Kind, Stamp, stamps};

/// A tree to be copied.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) root: PathBuf,
    /// In the order of their paths.
    pub(crate) entries: Vec<Viewed>,
    /// Nobody has looked at the tree itself: what is copied must still be what is expected.
    pub(crate) unseen: bool,
    /// Where the tree lay before it was copied to this machine: links that lead there lead into the
    /// copy instead.
    pub(crate) originals: Vec<PathBuf>,
    /// Copying ends when something arrives here, or the other end is dropped.
    pub(crate) cancel: Receiver<()>,
}

/// One path of it.
#[derive(Debug)]
pub(crate) struct Viewed {
    pub(crate) path: Vec<u8>,
    /// What lies there.
    pub(crate) stamp: Stamp,
    /// Whose content it has: the path itself, or what it was copied from and is still equal to.
    pub(crate) identity: Stamp,
}

impl View {
    /// Looks at a cache. What points out of it is no part of it: it may come from a tree that
    /// nobody looked at before rsync read it.
    pub(crate) fn of_cache(root: &Path) -> Result<Self, SyncError> {
        let mut view = Self::of_tree(root)?;
        let outside = Outside::of(root);
        let mut left_out: HashSet<Vec<u8>> = HashSet::new();
        view.entries.retain(|viewed| {
            let path = &viewed.path;
            let mut above = (0..path.len()).filter(|end| path[*end] == b'/');
            // In the order of the bytes `a-b` stands between `a` and `a/b`.
            if above.any(|end| left_out.contains(&path[..end])) {
                return false;
            }
            let Some(reason) = outside.reason(path) else {
                return true;
            };
            log::info!(target: "gorgon::sync", path:% = String::from_utf8_lossy(path), reason;
                "left out of the workspace: it points out of the project");
            left_out.insert(path.clone());
            false
        });
        Ok(view)
    }

    /// Looks at a tree, in which nothing changes meanwhile.
    fn of_tree(root: &Path) -> Result<Self, SyncError> {
        let entries = look(root)?
            .into_iter()
            .map(|(path, stamp)| Viewed {
                path,
                stamp,
                identity: stamp,
            })
            .collect();
        Ok(Self {
            root: root.to_owned(),
            entries,
            unseen: false,
            originals: Vec::new(),
            cancel: never(),
        })
    }

    /// Takes for granted that a tree is what a workspace was copied from.
    pub(crate) fn of_record(root: &Path, record: &Record) -> Self {
        let entries = record
            .entries
            .iter()
            .map(|entry| Viewed {
                path: entry.path.clone(),
                stamp: entry.source,
                identity: entry.source,
            })
            .collect();
        Self {
            root: root.to_owned(),
            entries,
            unseen: true,
            originals: Vec::new(),
            cancel: never(),
        }
    }

    /// Returns whether nobody wants the copy any more.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancel.try_recv() != Err(TryRecvError::Empty)
    }

    /// Looks at a workspace in which something has worked since it was made.
    pub(crate) fn of_workspace(root: &Path, record: &Record) -> Result<Self, SyncError> {
        let mut view = Self::of_tree(root)?;
        let mut known = record.entries.iter().peekable();
        for viewed in &mut view.entries {
            while known.next_if(|entry| entry.path < viewed.path).is_some() {}
            let Some(entry) = known.next_if(|entry| entry.path == viewed.path) else {
                continue;
            };
            // A directory is what it holds: for it alone its own mode and time say all.
            if entry.own == Some(viewed.stamp) && viewed.stamp.kind() != Kind::Directory {
                viewed.identity = entry.source;
            }
        }
        Ok(view)
    }
}

/// Sockets and devices are left out.
fn look(root: &Path) -> Result<Vec<crate::stamp::Stamped>, SyncError> {
    let mut found =
        stamps(root).map_err(|(path, error)| SyncError::file("look at", path)(error))?;
    found.retain(|(_, stamp)| stamp.kind() != Kind::Other);
    Ok(found)
}
