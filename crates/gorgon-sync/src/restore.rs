//! Makes a tree equal to another one, by doing as little as possible: what is proven to be the same
//! stays, everything else is removed and copied anew. A new tree is one of which nothing is proven.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use gorgon_process::disk;

use crate::copy;
use crate::difference::{Steps, difference};
use crate::failure::SyncError;
use crate::record::{Entry, Record};
use crate::stamp::{Kind, Stamp, Stamped};
use crate::view::View;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Filled {
    /// Files, links and pipes that were copied.
    pub copied: usize,
    /// Bytes of these files.
    pub bytes: u64,
    /// What lay there and did not belong there, or had changed.
    pub removed: usize,
}

/// Makes `tree`, in which `found` lies, equal to `view`; what it was before tells `record`. Returns
/// what it is now.
///
/// Nobody else may work in it. When it fails, the tree is of no use any more.
pub(crate) fn restore(
    tree: &Path,
    record: &Record,
    found: &[Stamped],
    view: &View,
) -> Result<(Record, Filled), SyncError> {
    let steps = difference(view, record, found);
    if let Some(path) = &steps.foreign {
        let why = io::Error::other("it lies on another filesystem or belongs to somebody else");
        return Err(SyncError::file("restore", at(tree, path))(why));
    }
    for (path, stamp) in &steps.open {
        if stamp.permissions() & 0o700 != 0o700 {
            set_permissions(&at(tree, path), 0o700)?;
        }
    }
    for (path, is_directory) in &steps.remove {
        let full = at(tree, path);
        let removed = if *is_directory {
            fs::remove_dir(&full)
        } else {
            fs::remove_file(&full)
        };
        removed.map_err(SyncError::file("remove", full))?;
    }
    for nth in &steps.make {
        // Writable for us until all is in it.
        let full = at(tree, &view.entries[*nth].path);
        let made = DirBuilder::new().mode(0o700).create(&full);
        made.map_err(SyncError::file("make the directory", full))?;
    }
    let copies = copy::copy_all(view, &steps.copy, tree)?;
    let filled = Filled {
        copied: copies.len(),
        bytes: bytes(view, &steps),
        removed: steps.remove.len(),
    };
    let mut own = steps.proven;
    for (nth, stamp) in steps.copy.iter().zip(copies) {
        own[*nth] = Some(stamp);
    }
    for nth in &steps.finish {
        let viewed = &view.entries[*nth];
        own[*nth] = Some(finish_directory(&at(tree, &viewed.path), &viewed.stamp)?);
    }
    let entries = view.entries.iter().zip(own);
    let entries = entries
        .map(|(viewed, own)| Entry {
            path: viewed.path.clone(),
            source: viewed.identity,
            own,
        })
        .collect();
    let digest = record.digest.clone();
    Ok((Record { digest, entries }, filled))
}

fn bytes(view: &View, steps: &Steps) -> u64 {
    let files = steps.copy.iter().map(|nth| &view.entries[*nth].stamp);
    let files = files.filter(|stamp| stamp.kind() == Kind::File);
    files.map(|stamp| stamp.size).sum()
}

fn at(tree: &Path, path: &[u8]) -> PathBuf {
    tree.join(OsStr::from_bytes(path))
}

fn set_permissions(path: &Path, mode: u32) -> Result<(), SyncError> {
    fs::set_permissions(path, Permissions::from_mode(mode))
        .map_err(SyncError::file("set the permissions of", path))
}

fn finish_directory(path: &Path, as_of: &Stamp) -> Result<Stamp, SyncError> {
    let failed = SyncError::file("finish the directory", path);
    if disk::has_attributes(path).map_err(SyncError::file("look at", path))? {
        return Err(failed(io::Error::other("it has access rights of its own")));
    }
    set_permissions(path, as_of.permissions())?;
    copy::set_modified(path, as_of)
        .and_then(|()| fs::symlink_metadata(path))
        .map(|meta| Stamp::of(&meta))
        .map_err(failed)
}
