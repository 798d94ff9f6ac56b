//! Where the reports of a run are to go: looked at before the suite runs.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use crate::cli::StartArgs;
use crate::replace::behind_links;
use crate::screen::{ReportError, is_stdout};
use crate::settings::Settings;

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

/// Returns whether a file in the project's directory is one that makes it the project it is.
fn is_of_project(name: &str) -> bool {
    name.starts_with("Gemfile")
        || name.ends_with(".gemspec")
        || [
            "Rakefile",
            "rakefile",
            "gems.rb",
            "gems.locked",
            "Guardfile",
            "Procfile",
        ]
        .contains(&name)
        || ["gorgon.json", "gorgon_secret.json", "gorgon_listener.json"].contains(&name)
}

/// Returns whether nothing is lost with a file: it is empty, or a report of an earlier run.
fn is_report(path: &Path) -> bool {
    if !path.is_file() {
        return false;
    }
    let mut start = Vec::new();
    let read = fs::File::open(path).and_then(|file| file.take(400).read_to_end(&mut start));
    let start = String::from_utf8_lossy(&start);
    read.is_ok()
        && (start.is_empty() || start.contains("<testsuites") || start.contains("\"event\":"))
}

/// Returns whether a report may be written to a path of which nothing is known: nothing is there that
/// would be lost.
#[must_use]
pub(crate) fn is_free(path: &Path) -> bool {
    match metadata(path) {
        Ok(there) => !there.is_file() && !there.is_dir() || is_report(path),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Returns the files that no report may replace, apart from the Ruby files: the configuration in use
/// and what the project keeps in its directory for Ruby, Bundler and RSpec.
fn kept(args: &StartArgs, settings: &Settings) -> HashSet<Place> {
    let root = &settings.root;
    let main = args.selection.config.as_deref();
    let main = main.unwrap_or(Path::new("gorgon.json"));
    let secret = main.with_file_name("gorgon_secret.json");
    let mut paths = vec![main.to_owned(), secret];
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    paths.extend(entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        is_of_project(&name) || (name.starts_with('.') && !is_report(path))
    }));
    let there = paths.iter().filter(|path| path.is_file());
    there.filter_map(|path| Place::of(path)).collect()
}

/// Looks whether the reports can be written and destroy nothing: a mistyped path is told before the
/// suite runs. `files`: what is to run.
///
/// # Errors
/// A directory does not exist, or two reports go to one place, or one goes over a file of the project.
pub fn check<'a>(
    args: &StartArgs,
    settings: &Settings,
    files: impl Iterator<Item = &'a Path>,
) -> Result<(), ReportError> {
    let reports: Vec<(&str, &Path)> = [("--junit", &args.junit), ("--json", &args.json)]
        .into_iter()
        .filter_map(|(option, path)| Some((option, path.as_deref()?)))
        .collect();
    if reports.is_empty() {
        return Ok(());
    }
    let mut places: Vec<(&str, Place)> = Vec::new();
    let suite: HashSet<Place> = files.filter_map(Place::of).collect();
    let kept = kept(args, settings);
    for (option, path) in reports {
        let fault = |kind, text: String| Err(ReportError::new(path, io::Error::new(kind, text)));
        if path.is_dir() {
            return fault(io::ErrorKind::IsADirectory, "it is a directory".to_owned());
        }
        let named = behind_links(path);
        if !is_stdout(Some(path)) && !path.exists() && named.is_symlink() {
            return fault(
                io::ErrorKind::InvalidInput,
                "its links lead round".to_owned(),
            );
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
        let is_ruby = |path: &Path| path.extension().is_some_and(|name| name == "rb");
        let is_ruby = (is_ruby(path) || is_ruby(&named)) && path.exists();
        if is_ruby || suite.contains(&place) {
            let text = format!("a Ruby file is there, which the report of {option} would replace");
            return fault(io::ErrorKind::AlreadyExists, text);
        }
        let name = named.file_name().unwrap_or_default().to_string_lossy();
        if kept.contains(&place) || (is_of_project(&name) && path.is_file()) {
            let text = format!(
                "a file of the project is there, which the report of {option} would replace"
            );
            return fault(io::ErrorKind::AlreadyExists, text);
        }
        places.push((option, place));
    }
    Ok(())
}
