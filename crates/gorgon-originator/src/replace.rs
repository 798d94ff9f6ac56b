//! Writes a file as a whole: readers see the old one or the new one.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// More links in a row lead nowhere, as for the system.
const MOST_LINKS: usize = 40;

/// Writes beside the place and renames. A link stays one: what it names is written.
///
/// # Errors
/// The file cannot be written.
pub fn whole(path: &Path, text: &[u8]) -> io::Result<()> {
    let path = behind_links(path);
    if path.is_symlink() {
        return Err(io::Error::other("its links lead round"));
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let beside = PathBuf::from(beside);
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o644)
            .open(&beside)?;
        file.write_all(text)?;
        fs::rename(&beside, &path)
    };
    write().or_else(|error| {
        // What is left of the attempt.
        let _ = fs::remove_file(&beside);
        // A file that was mounted into a container, or lies in a directory of somebody else, can
        // be written but not replaced.
        match error.kind() {
            io::ErrorKind::ResourceBusy
            | io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
                if path.is_file() =>
            {
                fs::write(&path, text)
            }
            _ => Err(error),
        }
    })
}

/// Returns what a path names in the end, also when nothing is there yet.
#[must_use]
pub fn behind_links(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(named) = fs::read_link(&path) else {
            break;
        };
        path = path.parent().unwrap_or(Path::new("")).join(named);
    }
    path
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_stays_and_what_it_names_is_written() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        fs::create_dir(at("inner")).unwrap();
        symlink("inner/second", at("first")).unwrap();
        symlink("third", at("inner/second")).unwrap();
        for text in ["one", "two"] {
            whole(&at("first"), text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(at("inner/third")).unwrap(), text);
            assert!(at("first").is_symlink() && at("inner/second").is_symlink());
        }
        assert_eq!(fs::read_dir(at("inner")).unwrap().count(), 2);
        symlink("round", at("round")).unwrap();
        assert!(whole(&at("round"), b"").is_err());
    }
}
