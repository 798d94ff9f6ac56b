//! Copies a tree on one machine: shared blocks where the filesystem can, else bytes; never hard
//! links, through which a test could write into the cache.

use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gorgon_process::disk;

use crate::failure::SyncError;

/// More threads than that only wait for the disk.
const THREADS: usize = 4;

/// Below that a second thread costs more than it brings.
const FILES_A_THREAD: usize = 200;

/// Files up to this size are copied through memory.
const SMALL_BYTES: u64 = 256 << 10;

/// What was copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Files, links and pipes.
    pub files: usize,
    /// Bytes of the files.
    pub bytes: u64,
}

/// What lies in a tree, directories before what they hold.
#[derive(Default)]
struct Plan {
    directories: Vec<(PathBuf, fs::Metadata)>,
    others: Vec<(PathBuf, fs::Metadata)>,
}

/// Copies the content of `from` into the existing directory `to`: modes, times, links, pipes and
/// empty directories are kept; sockets and devices are left out.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<Copied, SyncError> {
    let plan = plan(from)?;
    for (path, _) in &plan.directories {
        // Writable for us until all is in it.
        let target = to.join(path);
        crate::owned::private_directory(&target)
            .map_err(SyncError::file("make the directory", target))?;
    }
    copy_files(from, to, &plan.others)?;
    for (path, meta) in plan.directories.iter().rev() {
        finish_directory(&to.join(path), meta)?;
    }
    let bytes = plan
        .others
        .iter()
        .filter(|(_, m)| m.is_file())
        .map(|(_, m)| m.size())
        .sum();
    Ok(Copied {
        files: plan.others.len(),
        bytes,
    })
}

fn plan(from: &Path) -> Result<Plan, SyncError> {
    let mut plan = Plan::default();
    let mut waiting = vec![PathBuf::new()];
    while let Some(directory) = waiting.pop() {
        let full = from.join(&directory);
        let entries = fs::read_dir(&full).map_err(SyncError::file("read the directory", &full))?;
        for entry in entries {
            let entry = entry.map_err(SyncError::file("read the directory", &full))?;
            let path = directory.join(entry.file_name());
            let meta = entry
                .metadata()
                .map_err(SyncError::file("look at the file", entry.path()))?;
            if meta.is_dir() {
                waiting.push(path.clone());
                plan.directories.push((path, meta));
            } else {
                plan.others.push((path, meta));
            }
        }
    }
    Ok(plan)
}

fn copy_files(from: &Path, to: &Path, files: &[(PathBuf, fs::Metadata)]) -> Result<(), SyncError> {
    let can_share = AtomicBool::new(true);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let threads = (files.len() / FILES_A_THREAD).clamp(1, cores.min(THREADS));
    let copy_all = |part: &[(PathBuf, fs::Metadata)]| {
        part.iter().try_for_each(|(path, meta)| {
            copy_one(&from.join(path), &to.join(path), meta, &can_share)
        })
    };
    if threads == 1 {
        return copy_all(files);
    }
    thread::scope(|scope| {
        let parts = files.chunks(files.len().div_ceil(threads));
        let running: Vec<_> = parts.map(|part| scope.spawn(|| copy_all(part))).collect();
        running
            .into_iter()
            .try_for_each(|one| one.join().expect("copying a file does not panic"))
    })
}

fn copy_one(
    from: &Path,
    to: &Path,
    meta: &fs::Metadata,
    can_share: &AtomicBool,
) -> Result<(), SyncError> {
    let kind = meta.file_type();
    if kind.is_file() {
        copy_file(from, to, meta, can_share).map_err(SyncError::file("copy the file", from))
    } else if kind.is_symlink() {
        fs::read_link(from)
            .and_then(|target| symlink(target, to))
            .and_then(|()| set_modified(to, meta))
            .map_err(SyncError::file("copy the link", from))
    } else if kind.is_fifo() {
        disk::make_fifo(to, meta.mode() & 0o7777)
            .and_then(|()| set_modified(to, meta))
            .map_err(SyncError::file("copy the pipe", from))
    } else {
        Ok(())
    }
}

fn copy_file(
    from: &Path,
    to: &Path,
    meta: &fs::Metadata,
    can_share: &AtomicBool,
) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    let shared = meta.size() > 0
        && can_share.load(Ordering::Relaxed)
        && match disk::reflink(&source, &target) {
            Ok(()) => true,
            Err(_) => {
                // The same for all files of a tree, and tried again for the next one.
                can_share.store(false, Ordering::Relaxed);
                false
            }
        };
    if !shared && meta.size() <= SMALL_BYTES {
        // One read and one write: half of what copy_file_range(2) costs for a source file.
        let mut content = Vec::with_capacity(usize::try_from(meta.size()).unwrap_or(0) + 1);
        source.read_to_end(&mut content)?;
        target.write_all(&content)?;
    } else if !shared {
        disk::copy_data(&source, &target)?;
    }
    target.set_permissions(Permissions::from_mode(meta.mode() & 0o7777))?;
    target.set_times(FileTimes::new().set_modified(meta.modified()?))
}

fn finish_directory(path: &Path, meta: &fs::Metadata) -> Result<(), SyncError> {
    fs::set_permissions(path, Permissions::from_mode(meta.mode() & 0o7777))
        .and_then(|()| set_modified(path, meta))
        .map_err(SyncError::file("finish the directory", path))
}

fn set_modified(path: &Path, meta: &fs::Metadata) -> io::Result<()> {
    disk::set_modified(
        path,
        meta.mtime(),
        u32::try_from(meta.mtime_nsec()).unwrap_or(0),
    )
}
