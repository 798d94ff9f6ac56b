//! Globs with the meaning of Ruby's `Dir[]`, down to the order of what they find.
//!
//! `files` of a configuration was handed to `Dir[]` by the original, so what a glob means is what
//! Ruby says it means: `**` is special only as a whole component with a slash behind it, names that
//! begin with a dot have to be asked for, `**/` descends into no link, and a `{a,b}` is expanded at
//! the component where it stands unless a `**/` stands in front of it. Names are sorted directory by
//! directory, as Ruby does since 3.0, and not as whole paths.

mod component;
pub(crate) mod pattern;
mod walk;

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// What globs found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Ruby files, relative to the root, without `./`; each once, where it was found first.
    pub files: Vec<String>,
    /// What was left out and why: lines for the user.
    pub warnings: Vec<String>,
}

/// Most names that one warning lists.
const MOST_NAMES: usize = 3;

/// Finds the Ruby files below `root` that the globs name, in the order of the globs.
#[must_use]
pub fn expand(root: &Path, globs: &[String]) -> Found {
    let mut found = Found::default();
    let mut seen = HashSet::new();
    for glob in globs {
        let mut left_out = LeftOut::default();
        for path in dir(root, glob) {
            match judge(root, &path) {
                Ok(file) => {
                    if seen.insert(file.clone()) {
                        found.files.push(file);
                    }
                }
                Err(why) => left_out.add(why, &path),
            }
        }
        left_out.tell(glob, &mut found.warnings);
    }
    found
}

/// Returns what `Dir[glob]` returns in Ruby with `root` as the working directory.
#[must_use]
pub fn dir(root: &Path, glob: &str) -> Vec<Vec<u8>> {
    walk::walk(root, glob)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Directory,
    NoRuby,
    NoFile,
    NotUtf8,
    Outside,
}

/// Returns the path as it is queued, or why it cannot be.
fn judge(root: &Path, path: &[u8]) -> Result<String, Why> {
    let full = root.join(std::ffi::OsStr::from_bytes(path));
    match std::fs::metadata(&full) {
        Ok(metadata) if metadata.is_dir() => return Err(Why::Directory),
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) | Err(_) => return Err(Why::NoFile),
    }
    let text = std::str::from_utf8(path).map_err(|_| Why::NotUtf8)?;
    let inside = match text.strip_prefix('/') {
        None => text,
        Some(_) => full
            .strip_prefix(root)
            .ok()
            .and_then(Path::to_str)
            .ok_or(Why::Outside)?,
    };
    if !is_ruby(inside) {
        return Err(Why::NoRuby);
    }
    let mut components = Vec::new();
    for component in inside.split('/') {
        match component {
            "" | "." => {}
            ".." => {
                components.pop().ok_or(Why::Outside)?;
            }
            name => components.push(name),
        }
    }
    Ok(components.join("/"))
}

/// Returns whether a file's name says that it holds Ruby.
#[must_use]
pub fn is_ruby(path: &str) -> bool {
    path.len() > 3 && path.as_bytes()[path.len() - 3..].eq_ignore_ascii_case(b".rb")
}

#[derive(Default)]
struct LeftOut {
    paths: Vec<(Why, String)>,
}

impl LeftOut {
    fn add(&mut self, why: Why, path: &[u8]) {
        let shown = path
            .utf8_chunks()
            .map(|chunk| {
                let invalid: String = chunk
                    .invalid()
                    .iter()
                    .map(|byte| format!("\\x{byte:02x}"))
                    .collect();
                chunk.valid().escape_debug().to_string().replace("\\'", "'") + &invalid
            })
            .collect();
        self.paths.push((why, shown));
    }

    fn tell(&self, glob: &str, warnings: &mut Vec<String>) {
        for (why, words) in [
            (Why::Directory, "directories"),
            (Why::NoRuby, "files that are no Ruby (*.rb)"),
            (Why::NoFile, "entries that are no files"),
            (Why::NotUtf8, "files whose names are not UTF-8"),
            (Why::Outside, "files outside the project"),
        ] {
            let names: Vec<&str> = self
                .paths
                .iter()
                .filter(|(other, _)| *other == why)
                .map(|(_, path)| path.as_str())
                .collect();
            if names.is_empty() {
                continue;
            }
            let mut line = format!(
                "the glob \"{glob}\" names {words}, left out: {}",
                names[..names.len().min(MOST_NAMES)].join(", ")
            );
            if names.len() > MOST_NAMES {
                line += &format!(" and {} more", names.len() - MOST_NAMES);
            }
            warnings.push(line);
        }
    }
}

#[cfg(test)]
mod tests;
