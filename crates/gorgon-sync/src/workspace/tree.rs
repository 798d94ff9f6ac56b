//! One tree of a workspace: filled, put back after its job, kept for the next one.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gorgon_process::exit;

use crate::cache::Cache;
use crate::failure::SyncError;
use crate::kept;
use crate::owned;
use crate::record::Record;
use crate::restore::{Filled, restore};
use crate::scan::{self, TICK};
use crate::stamp::{Stamp, stamps};
use crate::view::View;

/// A directory that is filled from a cache.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) path: PathBuf,
    /// What it was when it was made equal to its source.
    pub(super) record: Option<Record>,
    /// Directories in it that are handed on to the next job.
    pub(super) kept_paths: Vec<PathBuf>,
}

impl Tree {
    pub(super) fn create(path: PathBuf) -> Result<Self, SyncError> {
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(SyncError::file("make the directory", &path))?;
        Ok(Self {
            path,
            record: None,
            kept_paths: Vec::new(),
        })
    }

    pub(super) fn empty(&self) -> Result<(), SyncError> {
        owned::remove(&self.path).map_err(SyncError::file("remove", &self.path))?;
        Self::create(self.path.clone()).map(drop)
    }

    pub(super) fn fill(
        &mut self,
        before: Option<Record>,
        view: &View,
        digest: &str,
    ) -> Result<Filled, SyncError> {
        if let Some(before) = before {
            match self.put_back(&before, view, digest) {
                Ok(filled) => return Ok(filled),
                Err(error) => {
                    log::info!(target: "gorgon::sync", path:% = self.path.display(),
                        cause:% = exit::chain(&error); "a kept workspace could not be used");
                    self.empty()?;
                }
            }
        }
        let (record, filled) = restore(&self.path, &Record::default(), &[], view)?;
        self.record = Some(Record {
            digest: digest.to_owned(),
            ..record
        });
        Ok(filled)
    }

    /// Looks at each path of it, and puts back what is not as it was or shall be.
    fn put_back(
        &mut self,
        before: &Record,
        view: &View,
        digest: &str,
    ) -> Result<Filled, SyncError> {
        fs::set_permissions(&self.path, Permissions::from_mode(0o700))
            .map_err(SyncError::file("set the permissions of", &self.path))?;
        let found =
            stamps(&self.path).map_err(|(path, error)| SyncError::file("look at", path)(error))?;
        let (record, filled) = restore(&self.path, before, &found, view)?;
        self.record = Some(Record {
            digest: digest.to_owned(),
            ..record
        });
        Ok(filled)
    }

    pub(super) fn keep(
        &mut self,
        cache: &Path,
        source: &Record,
        originals: &[PathBuf],
        limit_bytes: u64,
    ) -> Result<(), SyncError> {
        let refused = |why: &str| SyncError::file("keep", cache)(io::Error::other(why.to_owned()));
        let Some(before) = self.record.take() else {
            return Err(refused("it was never whole"));
        };
        let Some(cache) = Cache::try_at(cache) else {
            return Err(refused("another job holds the cache"));
        };
        if kept::list(cache.path()).len() >= kept::MOST {
            return Err(refused("there are enough"));
        }
        if !cache.has_room(source.total_bytes(), limit_bytes) {
            return Err(refused("`cache_limit` would be passed"));
        }
        let digest = cache.digest().unwrap_or_default();
        // Where another job has pulled since, there is more to be done.
        let mut view = if source.digest == digest {
            View::of_record(&cache.tree(), source)
        } else {
            View::of_cache(&cache.tree())?
        };
        view.originals = originals.to_vec();
        self.put_back(&before, &view, &digest)?;
        let Some(record) = self.record.take() else {
            return Err(refused("it was never whole"));
        };
        wait_for_tick(&self.path, &record)?;
        kept::put(&cache, &self.path, &record).map_err(SyncError::file("keep", &self.path))
    }
}

/// What was put in place so shortly before that a change might leave no trace is looked at again
/// when it would.
fn wait_for_tick(tree: &Path, record: &Record) -> Result<(), SyncError> {
    let mut settled = record.clone();
    settled.settle(scan::now(), TICK);
    let young: Vec<_> = record
        .entries
        .iter()
        .zip(&settled.entries)
        .filter(|(before, after)| before.own != after.own)
        .collect();
    if young.is_empty() {
        return Ok(());
    }
    let tick = Duration::from_nanos(u64::try_from(TICK).unwrap_or(0));
    let _ = crossbeam_channel::after(tick).recv();
    for (entry, _) in young {
        let path = tree.join(OsStr::from_bytes(&entry.path));
        let now = fs::symlink_metadata(&path).map_err(SyncError::file("look at", &path))?;
        if entry.own != Some(Stamp::of(&now)) {
            let why = io::Error::other("somebody has changed it meanwhile");
            return Err(SyncError::file("keep", path)(why));
        }
    }
    Ok(())
}
