//! Where the reports of a run are to go: looked at before the suite runs.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::cli::StartArgs;
use crate::replace::behind_links;
use crate::screen::{ReportError, is_stdout};

/// What a path leads to, whatever it is called.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    /// A file that is there: device and number.
    File(u64, u64),
    /// One that will be made.
    New(PathBuf),
}

fn metadata(path: &Path) -> io::Result<Metadata> {
    fs::metadata(if is_stdout(Some(path)) {
        Path::new("/dev/stdout")
    } else {
        path
    })
}

impl Place {
    /// Returns where a report goes; none when whatever is written there cannot mix: /dev/null.
    fn of(path: &Path) -> Option<Self> {
        match metadata(path) {
            Ok(there) if there.file_type().is_char_device() => None,
            Ok(there) => Some(Self::File(there.dev(), there.ino())),
            Err(_) => {
                let path = behind_links(path);
                let directory = path
                    .parent()
                    .filter(|parent| !parent.as_os_str().is_empty());
                let directory = directory.unwrap_or(Path::new(".")).canonicalize();
                Some(Self::New(directory.ok()?.join(path.file_name()?)))
            }
        }
    }
}

/// Looks whether the reports can be written and destroy nothing: a mistyped path is told before the
/// suite runs. `files`: what is to run.
///
/// # Errors
/// A directory does not exist, or two reports go to one place, or one goes over a Ruby file.
pub fn check<'a>(
    args: &StartArgs,
    files: impl Iterator<Item = &'a Path>,
) -> Result<(), ReportError> {
    let reports: Vec<(&str, &Path)> = [("--junit", &args.junit), ("--json", &args.json)]
        .into_iter()
        .filter_map(|(option, path)| Some((option, path.as_deref()?)))
        .collect();
    let mut places: Vec<(&str, Place)> = Vec::new();
    let suite: HashSet<Place> = if reports.is_empty() {
        HashSet::new()
    } else {
        files.filter_map(Place::of).collect()
    };
    for (option, path) in reports {
        let fault = |kind, text: String| Err(ReportError::new(path, io::Error::new(kind, text)));
        if path.is_dir() {
            return fault(io::ErrorKind::IsADirectory, "it is a directory".to_owned());
        }
        let Some(place) = Place::of(path) else {
            let there = is_stdout(Some(path)) || path.exists();
            if there {
                continue;
            }
            let text = "its directory does not exist".to_owned();
            return fault(io::ErrorKind::NotFound, text);
        };
        if let Some((other, _)) = places.iter().find(|(_, known)| *known == place) {
            let text = format!("the report of {other} goes there as well");
            return fault(io::ErrorKind::InvalidInput, text);
        }
        let is_ruby = path.extension().is_some_and(|name| name == "rb") && path.exists();
        if is_ruby || suite.contains(&place) {
            let text = format!("a Ruby file is there, which the report of {option} would replace");
            return fault(io::ErrorKind::AlreadyExists, text);
        }
        places.push((option, place));
    }
    Ok(())
}
