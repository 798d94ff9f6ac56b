//! What goes when caches and kept workspaces take up more than they may: first the workspaces, which
//! a local copy makes again, then the caches of other projects; of each the longest unused first.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cache::{Cache, SIZE, USED, lock_path, open_lock};
use crate::kept;
use crate::kept_paths;
use crate::owned;
use crate::workspace::tree_bytes;

impl Cache {
    /// Removes workspaces that are kept and caches of other projects until all together are within
    /// `limit_bytes`; what is in use is left alone. Returns what was removed.
    pub fn evict(&self, limit_bytes: u64) -> Vec<PathBuf> {
        let (mut evicted, mut total) = self.evict_kept_of_others(limit_bytes);
        for workspace in kept::list(self.path()) {
            if total > limit_bytes && removed(&workspace) {
                total = total.saturating_sub(tree_size(self.path()));
                evicted.push(workspace);
            }
        }
        for (path, bytes) in kept_paths::list(self.path()) {
            if total > limit_bytes && removed(&path) {
                total = total.saturating_sub(bytes);
                evicted.push(path);
            }
        }
        for other in self.others() {
            if total > limit_bytes && while_unused(&other, || removed(&other.path)) {
                total = total.saturating_sub(other.bytes);
                evicted.push(other.path);
            }
        }
        evicted
    }

    /// Returns whether this many more bytes fit into the limit. If need be it first removes workspaces of other
    /// projects.
    pub(crate) fn has_room(&self, bytes: u64, limit_bytes: u64) -> bool {
        let left = limit_bytes.checked_sub(bytes);
        left.is_some_and(|limit| self.evict_kept_of_others(limit).1 <= limit)
    }

    /// Returns what was removed, and what all take up then.
    fn evict_kept_of_others(&self, limit_bytes: u64) -> (Vec<PathBuf>, u64) {
        let others = self.others();
        let mut total = size(self.path()) + others.iter().map(|other| other.bytes).sum::<u64>();
        let mut evicted = Vec::new();
        for other in &others {
            for workspace in kept::list(&other.path) {
                if total > limit_bytes && while_unused(other, || removed(&workspace)) {
                    total = total.saturating_sub(tree_size(&other.path));
                    evicted.push(workspace);
                }
            }
            for (path, bytes) in kept_paths::list(&other.path) {
                if total > limit_bytes && while_unused(other, || removed(&path)) {
                    total = total.saturating_sub(bytes);
                    evicted.push(path);
                }
            }
        }
        (evicted, total)
    }

    /// The caches of other projects, the longest unused first.
    fn others(&self) -> Vec<Other> {
        let entries = fs::read_dir(self.root()).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let mut others: Vec<Other> = paths
            .filter(|path| path != self.path())
            .filter(|path| path.join("tree").is_dir() && lock_path(path).exists())
            .map(|path| {
                let used = fs::metadata(path.join(USED)).and_then(|meta| meta.modified());
                Other {
                    used: used.unwrap_or(SystemTime::UNIX_EPOCH),
                    bytes: size(&path),
                    path,
                }
            })
            .collect();
        others.sort_by_key(|other| other.used);
        others
    }
}

struct Other {
    path: PathBuf,
    used: SystemTime,
    bytes: u64,
}

/// A kept workspace is as large as the tree, about: it is equal to it.
fn size(path: &Path) -> u64 {
    let trees = 1 + u64::try_from(kept::list(path).len()).unwrap_or(0);
    let paths = kept_paths::list(path).into_iter().map(|(_, bytes)| bytes);
    paths.fold(tree_size(path).saturating_mul(trees), u64::saturating_add)
}

fn tree_size(path: &Path) -> u64 {
    let known = fs::read_to_string(path.join(SIZE))
        .ok()
        .and_then(|text| text.parse().ok());
    known.unwrap_or_else(|| tree_bytes(&path.join("tree")))
}

fn while_unused(other: &Other, act: impl FnOnce() -> bool) -> bool {
    let Ok(lock) = open_lock(&lock_path(&other.path)) else {
        return false;
    };
    let acted = lock.try_lock().is_ok() && act();
    // As in [`Cache`]'s end: to close it may not be enough.
    let _ = lock.unlock();
    acted
}

fn removed(path: &Path) -> bool {
    match owned::remove(path) {
        Ok(()) => true,
        Err(error) => {
            log::warn!(target: "gorgon::sync", path:% = path.display(), cause:% = error;
                "what is kept too much cannot be removed");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use gorgon_process::command::Bounds;

    use super::*;

    #[test]
    fn workspaces_go_first_then_the_longest_unused_and_those_in_use_stay() {
        let root = tempfile::tempdir().unwrap();
        let bounds = Bounds::within(Duration::from_secs(5));
        let make = |project: &str, age: u64| {
            let cache = Cache::open(root.path(), "h", project, &bounds).unwrap();
            fs::write(cache.tree().join("f"), [0; 1000]).unwrap();
            cache.finish(None, true).unwrap();
            let used = File::options()
                .write(true)
                .open(cache.path().join(USED))
                .unwrap();
            used.set_modified(SystemTime::now() - Duration::from_secs(age))
                .unwrap();
            cache
        };
        let keep = |cache: &Cache| {
            let tree = cache.path().join("made");
            fs::create_dir(&tree).unwrap();
            kept::put(cache, &tree, &crate::record::Record::default()).unwrap();
            kept::list(cache.path()).pop().unwrap()
        };
        let old_cache = make("/old", 300);
        let (old, old_kept) = (old_cache.path().to_owned(), keep(&old_cache));
        drop(old_cache);
        let busy = make("/busy", 200);
        let new = make("/new", 100).path().to_owned();
        let own = make("/own", 0);
        let own_kept = keep(&own);
        assert!(own.evict(6000).is_empty());
        assert!(own.has_room(1000, 6000) && !old_kept.exists());
        assert!(!own.has_room(1000, 5999) && own_kept.exists());
        assert_eq!(own.evict(3000), [own_kept, old.clone()]);
        assert_eq!(own.evict(0), [new]);
        assert!(busy.tree().exists() && own.tree().exists() && !old.exists());
    }
}
