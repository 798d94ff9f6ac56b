//! Globs with the meaning of Ruby's `Dir[]`, down to the order of what they find.
//!
//! `files` of a configuration was handed to `Dir[]` by the original, so what a glob means is what
//! Ruby says it means: `**` is special only as a whole component with a slash behind it, names that
//! begin with a dot have to be asked for, `**/` descends into no link, and a `{a,b}` is expanded at
//! the component where it stands unless a `**/` stands in front of it. Names are sorted directory by
//! directory, as Ruby does since 3.0, and not as whole paths.

mod component;
pub(crate) mod pattern;
mod tree;
mod walk;

use std::collections::HashSet;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Component, Path, PathBuf};

use crate::name_list::first_names;

pub use tree::Tree;

/// What globs found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Ruby files, relative to the root, without `./`; each once, where it was found first.
    pub files: Vec<String>,
    /// What was left out and why: lines for the user.
    pub warnings: Vec<String>,
    /// Test files that cannot be run: the path as it is shown, and why. To leave one out would be to
    /// say that it passed.
    pub refused: Vec<(String, &'static str)>,
}

impl Found {
    /// Keeps files and refused ones of which this is true.
    pub fn keep(&mut self, wanted: &dyn Fn(&str) -> bool) {
        self.files.retain(|file| wanted(file));
        self.refused.retain(|(path, _)| wanted(path));
    }

    /// Adds what is not there yet.
    pub fn add(&mut self, more: Self) {
        let known: HashSet<String> = self.files.iter().cloned().collect();
        let new = more.files.into_iter().filter(|file| !known.contains(file));
        self.files.extend(new);
        self.warnings.extend(more.warnings);
        for one in more.refused {
            if !self.refused.contains(&one) {
                self.refused.push(one);
            }
        }
    }
}

/// A path as a glob that names it alone.
#[must_use]
pub fn literal(path: &str) -> String {
    let mut glob = String::with_capacity(path.len());
    for character in path.chars() {
        if "*?[]{}\\".contains(character) {
            glob.push('\\');
        }
        glob.push(character);
    }
    glob
}

/// Finds the Ruby files below `root` that the globs name, in the order of the globs. Who asks several times asks
/// [`Tree::expand`].
#[must_use]
pub fn expand(root: &Path, globs: &[String]) -> Found {
    Tree::new(root).expand(globs)
}

fn found_in(tree: &Tree, globs: &[String]) -> Found {
    let mut found = Found::default();
    let mut seen = HashSet::new();
    for glob in globs {
        let mut left_out = LeftOut::default();
        for path in walk::walk(tree, glob) {
            match tree.judged(&path) {
                Ok(file) => {
                    if seen.insert(file.clone()) {
                        found.files.push(file);
                    }
                }
                Err(why) => match why.refusal() {
                    Some(reason) => {
                        let refused = (shown(&path), reason);
                        if !found.refused.contains(&refused) {
                            found.refused.push(refused);
                        }
                    }
                    None => left_out.add(why, &path),
                },
            }
        }
        left_out.tell(glob, &mut found.warnings);
    }
    found
}

/// Returns what `Dir[glob]` returns in Ruby with `root` as the working directory.
#[must_use]
pub fn dir(root: &Path, glob: &str) -> Vec<Vec<u8>> {
    walk::walk(&Tree::new(root), glob)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Directory,
    NoRuby,
    /// Named like a test file, but something else: what it is.
    NoFile(&'static str),
    NotUtf8,
    Outside,
}

impl Why {
    /// Why a test file cannot be run; none for what is no test file.
    fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Directory | Self::NoRuby => None,
            Self::NoFile(what) => Some(what),
            Self::NotUtf8 => Some("its name is not UTF-8"),
            Self::Outside => Some("it lies outside the project"),
        }
    }
}

/// Returns the path as it is queued, or why it cannot be.
fn judge(root: &Path, path: &[u8]) -> Result<String, Why> {
    let full = root.join(std::ffi::OsStr::from_bytes(path));
    if !is_ruby(path) {
        return Err(if full.is_dir() {
            Why::Directory
        } else {
            Why::NoRuby
        });
    }
    if let Some(what) = no_file(&full) {
        return Err(Why::NoFile(what));
    }
    let text = std::str::from_utf8(path).map_err(|_| Why::NotUtf8)?;
    let mut plain = PathBuf::new();
    for component in root.join(text).components() {
        match component {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    let inside = plain.strip_prefix(root).map_err(|_| Why::Outside)?;
    inside.to_str().map(str::to_owned).ok_or(Why::NotUtf8)
}

/// Says what a path is that Ruby cannot load. None for a file, and for a link that leads nowhere: the framework says that.
pub(crate) fn no_file(path: &Path) -> Option<&'static str> {
    let found = std::fs::metadata(path).or_else(|_| std::fs::symlink_metadata(path));
    let kind = match found {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            return Some("permission denied in its directory");
        }
        Err(_) => return Some("it cannot be found"),
    };
    if kind.is_file() || kind.is_symlink() {
        None
    } else if kind.is_dir() {
        Some("it is a directory")
    } else if kind.is_fifo() {
        Some("it is a named pipe")
    } else if kind.is_socket() {
        Some("it is a socket")
    } else {
        Some("it is a device")
    }
}

/// Returns whether a file's name says that it holds Ruby.
#[must_use]
pub fn is_ruby(path: &[u8]) -> bool {
    path.len() > 3 && path[path.len() - 3..].eq_ignore_ascii_case(b".rb")
}

/// A path as it is shown: on one line, bytes that are no text by their numbers.
fn shown(path: &[u8]) -> String {
    path.utf8_chunks()
        .map(|chunk| {
            let invalid: String = chunk
                .invalid()
                .iter()
                .map(|byte| format!("\\x{byte:02x}"))
                .collect();
            chunk.valid().escape_debug().to_string().replace("\\'", "'") + &invalid
        })
        .collect()
}

#[derive(Default)]
struct LeftOut {
    paths: Vec<(Why, String)>,
}

impl LeftOut {
    fn add(&mut self, why: Why, path: &[u8]) {
        self.paths.push((why, shown(path)));
    }

    fn tell(&self, glob: &str, warnings: &mut Vec<String>) {
        for (why, words) in [
            (Why::Directory, "directories"),
            (Why::NoRuby, "files that are no Ruby (*.rb)"),
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
            let names = first_names(&names, |&name| name.to_owned());
            warnings.push(format!(
                "the glob \"{glob}\" names {words}, left out: {names}"
            ));
        }
    }
}

#[cfg(test)]
mod tests;
