//! Paths of a project that one job hands on to the next as they are: a Rails application's `tmp/cache`.
//!
//! They are no part of the source. Between jobs they lie in the project's cache, below `paths/`, a directory for
//! each numbered workspace: what Bootsnap keeps names files by their absolute paths, so it is of use in the workspace
//! of the same path alone. Who owns the numbered workspace owns that directory. It is there whole or not at all, and
//! only until the machine restarts.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::kept::boot;
use crate::manifest;
use crate::owned;
use crate::workspace::tree_bytes;

/// Maximum number of paths of a project.
const MOST: usize = 8;

const CONTENT: &str = "content";
const BOOT: &str = "boot";
const BYTES: &str = "bytes";
const NEW: &str = ".new-";

/// Returns those of these paths that lie inside a project, below its top.
pub(crate) fn inside(paths: &[String]) -> Vec<PathBuf> {
    let inside = |path: &Path| {
        let names = path.components();
        path.components().next().is_some()
            && names
                .into_iter()
                .all(|it| matches!(it, Component::Normal(_)))
    };
    let paths = paths.iter().map(PathBuf::from);
    paths.filter(|path| inside(path)).take(MOST).collect()
}

/// Puts the directory `path` into `tree`: what the last job left of it, or an empty one. False when the source has
/// something there, or leads elsewhere by a link: then the tree is left as it is.
pub(crate) fn bring(
    cache: &Path,
    number: u32,
    nth: usize,
    tree: &Path,
    path: &Path,
) -> io::Result<bool> {
    let place = tree.join(path);
    let Some(above) = path.parent() else {
        return Ok(false);
    };
    if !make_real(tree, above)? {
        return Ok(false);
    }
    match fs::symlink_metadata(&place) {
        Ok(meta) if !meta.is_dir() || fs::read_dir(&place)?.next().is_some() => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&place)?,
        Err(error) => return Err(error),
    }
    let kept = entry(cache, number, nth, path);
    if !kept.exists() {
        return Ok(true);
    }
    let of_this_start = fs::read_to_string(kept.join(BOOT)).ok() == Some(boot()?);
    if of_this_start && let Err(error) = fs::rename(kept.join(CONTENT), &place) {
        // The other filesystem of a run on this machine alone.
        log::info!(target: "gorgon::sync", path:% = place.display(), cause:% = error;
            "what an earlier job has left could not be moved here");
        return Ok(true);
    }
    owned::remove(&kept)?;
    Ok(true)
}

/// Moves the directory `path` out of `tree`, for the next job in the workspace of this number. False when its job has
/// put something else in its place, or it is larger than `limit_bytes`.
pub(crate) fn put_away(
    cache: &Path,
    number: u32,
    nth: usize,
    tree: &Path,
    path: &Path,
    limit_bytes: u64,
) -> io::Result<bool> {
    if !is_real(tree, path) {
        return Ok(false);
    }
    let place = tree.join(path);
    let bytes = tree_bytes(&place);
    if bytes > limit_bytes {
        return Ok(false);
    }
    let directory = directory(cache);
    owned::private_directory(&directory)?;
    let new = tempfile::Builder::new()
        .prefix(NEW)
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(&directory)?;
    fs::write(new.path().join(BOOT), boot()?)?;
    fs::write(new.path().join(BYTES), bytes.to_string())?;
    // To move a directory is to write to it, as it names the one above.
    let mode = fs::symlink_metadata(&place)?.permissions().mode();
    if mode & 0o700 != 0o700 {
        fs::set_permissions(&place, fs::Permissions::from_mode(mode | 0o700))?;
    }
    fs::rename(&place, new.path().join(CONTENT))?;
    let entry = entry(cache, number, nth, path);
    owned::remove(&entry)?;
    fs::rename(new.keep(), entry)?;
    Ok(true)
}

/// Returns what is put away in the cache at this path, and how many bytes each takes up.
pub(crate) fn list(cache: &Path) -> Vec<(PathBuf, u64)> {
    let entries = fs::read_dir(directory(cache))
        .into_iter()
        .flatten()
        .flatten();
    let bytes = |path: &Path| {
        let known = fs::read_to_string(path.join(BYTES)).ok();
        known.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    let paths = entries.map(|entry| entry.path());
    paths
        .map(|path| (bytes(&path), path))
        .map(|(bytes, path)| (path, bytes))
        .collect()
}

/// Makes the directories of this path in `tree` that are missing. False when one is something else: a link leads out.
fn make_real(tree: &Path, path: &Path) -> io::Result<bool> {
    let mut place = tree.to_owned();
    for name in path.components() {
        place.push(name);
        match fs::symlink_metadata(&place) {
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&place)?,
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

fn is_real(tree: &Path, path: &Path) -> bool {
    let mut place = tree.to_owned();
    path.components().all(|name| {
        place.push(name);
        fs::symlink_metadata(&place).is_ok_and(|meta| meta.is_dir())
    })
}

fn directory(cache: &Path) -> PathBuf {
    cache.join("paths")
}

fn entry(cache: &Path, number: u32, nth: usize, path: &Path) -> PathBuf {
    let digest = manifest::digest(path.as_os_str().as_encoded_bytes());
    directory(cache).join(format!("{number}-{nth}-{}", &digest[..16]))
}
