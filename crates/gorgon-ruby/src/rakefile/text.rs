//! The text of a Rakefile and of the files that it loads.

use std::fs;
use std::path::{Path, PathBuf};

/// Rake's own names of what is loaded at `rake`.
const RAKEFILES: [&str; 4] = ["rakefile", "Rakefile", "rakefile.rb", "Rakefile.rb"];
/// Directories of further tasks; the first is loaded by Rake itself, others where the Rakefile names them.
const DIRECTORIES: [&str; 4] = ["rakelib", "tasks", "rake_tasks", "lib/tasks"];
/// Maximum size of a Rakefile that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Reads a file of a Rakefile's size.
pub(super) fn read(path: &Path) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    let small = meta.is_file() && meta.len() <= MOST_BYTES;
    let bytes = small.then(|| fs::read(path).ok()).flatten()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A Rakefile with the tasks that it loads from the usual directories.
pub(super) struct Text {
    pub(super) text: String,
    /// The files with tasks that are a part of it, from the project.
    pub(super) read: Vec<PathBuf>,
}

/// Reads the Rakefile, and the tasks that it loads from the usual directories.
pub(super) fn text_of(project: &Path) -> Option<Text> {
    let mut text = RAKEFILES
        .iter()
        .find_map(|name| read(&project.join(name)))?;
    let mut found = Vec::new();
    for directory in DIRECTORIES {
        if directory != DIRECTORIES[0] && !text.contains(directory) {
            continue;
        }
        let entries = fs::read_dir(project.join(directory)).into_iter().flatten();
        let mut paths: Vec<_> = entries
            .flatten()
            .map(|entry| Path::new(directory).join(entry.file_name()))
            .collect();
        paths.retain(|path| path.extension().is_some_and(|it| it == "rake"));
        paths.sort();
        for path in paths {
            if let Some(more) = read(&project.join(&path)) {
                text.push('\n');
                text.push_str(&more);
                found.push(path);
            }
        }
    }
    Some(Text { text, read: found })
}
