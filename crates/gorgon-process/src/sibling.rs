//! Where our other programs are: beside the running one, then on PATH.

use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::exit::Hint;

/// A program of ours is nowhere to be found.
#[derive(Debug, thiserror::Error)]
#[error("find the program {name} beside {} or on PATH", beside.display())]
pub struct SiblingError {
    name: String,
    beside: PathBuf,
}

impl Hint for SiblingError {
    fn hint(&self) -> Option<String> {
        Some(format!(
            "install all programs of Gorgon into one directory: {} is missing",
            self.name
        ))
    }
}

/// Finds a program: next to the running one (for a test: next to its `deps`), then on PATH.
///
/// # Errors
/// When there is no such executable file.
pub fn find(name: &str) -> Result<PathBuf, SiblingError> {
    let own = env::current_exe().map(undeleted).unwrap_or_default();
    let beside = own.parent().map(Path::to_path_buf).unwrap_or_default();
    let above = if beside.ends_with("deps") {
        beside.parent().map(Path::to_path_buf)
    } else {
        None
    };
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = vec![beside.clone()];
    places.extend(above);
    places.extend(env::split_paths(&path).filter(|place| place.is_absolute()));
    places
        .into_iter()
        .map(|place| place.join(name))
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| SiblingError {
            name: name.to_owned(),
            beside,
        })
}

/// Finds any program on PATH.
#[must_use]
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|place| place.join(name))
        .find(|file| is_executable(file))
}

/// The kernel says `… (deleted)` of a program that was replaced while it ran; its siblings were
/// replaced with it.
fn undeleted(path: PathBuf) -> PathBuf {
    let bytes = path.as_os_str().as_bytes();
    match bytes.strip_suffix(b" (deleted)") {
        Some(rest) => PathBuf::from(OsString::from_vec(rest.to_vec())),
        None => path,
    }
}

fn is_executable(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_beside_or_on_path() {
        let own = env::current_exe().unwrap();
        let name = own.file_name().unwrap().to_str().unwrap();
        assert_eq!(find(name).unwrap(), own);
        assert!(find("sh").unwrap().ends_with("sh"));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = find("gorgon-nowhere").unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("find the program gorgon-nowhere beside /")
        );
        assert!(error.hint().unwrap().contains("gorgon-nowhere is missing"));
    }

    #[test]
    fn a_replaced_program_still_has_its_place() {
        assert_eq!(undeleted("/a/b (deleted)".into()), Path::new("/a/b"));
        assert_eq!(undeleted("/a/b".into()), Path::new("/a/b"));
    }
}
