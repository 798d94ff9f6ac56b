//! Where keepers listen: a directory of the user's alone.

use std::fs::{self, DirBuilder};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use gorgon_process::disk::user_id;

/// What the name of a keeper's socket ends with.
const ENDING: &str = "keeper";

/// The directory.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    directory: PathBuf,
}

impl Place {
    /// Makes the directory, or finds it. It is in the user's runtime directory, else in the user's cache.
    pub(crate) fn find() -> io::Result<Self> {
        let absolute = |name: &str| {
            let path = PathBuf::from(std::env::var_os(name)?);
            path.is_absolute().then_some(path)
        };
        let runtime = absolute("XDG_RUNTIME_DIR").filter(|it| is_ours(it).is_ok());
        let cache =
            || absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
        let parent = runtime.or_else(cache).ok_or(io::ErrorKind::NotFound)?;
        Self::below(&parent.join("gorgon"))
    }

    fn below(parent: &Path) -> io::Result<Self> {
        let directory = parent.join("warm");
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)?;
        is_ours(&directory)?;
        Ok(Self { directory })
    }

    /// Returns the socket of a project's keeper.
    pub(crate) fn socket(&self, project: &Path) -> PathBuf {
        self.of(project, ENDING)
    }

    /// Returns a file about a project.
    pub(crate) fn of(&self, project: &Path, ending: &str) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        project.hash(&mut hasher);
        self.directory
            .join(format!("{:016x}.{ending}", hasher.finish()))
    }

    /// Returns the file whose lock is held by who starts a keeper.
    pub(crate) fn lock(&self) -> PathBuf {
        self.directory.join("lock")
    }

    /// Returns the sockets of all keepers, also of some that have ended.
    pub(crate) fn sockets(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.directory)
            .into_iter()
            .flatten()
            .flatten();
        let paths = entries.map(|entry| entry.path());
        let mut found: Vec<_> = paths
            .filter(|path| path.extension().is_some_and(|it| it == ENDING))
            .collect();
        found.sort();
        found
    }
}

/// A link is none: somebody else could have put it there.
fn is_ours(directory: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(directory)?;
    if found.is_dir() && found.uid() == user_id() && found.mode() & 0o077 == 0 {
        return Ok(());
    }
    let fault = format!("{} is not a directory of ours alone", directory.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, fault))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_directory_of_others_and_a_link_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        let place = Place::below(&temp.path().join("a")).unwrap();
        assert_ne!(place.socket(Path::new("/x")), place.socket(Path::new("/y")));
        assert!(place.sockets().is_empty());
        fs::write(place.socket(Path::new("/x")), "").unwrap();
        assert_eq!(place.sockets(), [place.socket(Path::new("/x"))]);
        fs::create_dir(temp.path().join("b")).unwrap();
        std::os::unix::fs::symlink(&place.directory, temp.path().join("b/warm")).unwrap();
        assert!(Place::below(&temp.path().join("b")).is_err());
        fs::set_permissions(&place.directory, fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Place::below(&temp.path().join("a")).is_err());
    }
}
