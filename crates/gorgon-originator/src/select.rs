//! Which files are meant: the words of the command line, or the globs of the configuration.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use gorgon_process::exit::Hint;

use crate::glob::{self, Found, Tree};
use crate::name_list::first_names;
use crate::plan::Order;
use crate::report::visible::one_line;
use crate::usual::Usual;

/// All files that run if the command line names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suite {
    /// `files` of the configuration.
    Globs(Vec<String>),
    /// What the project's own commands run.
    Usual(Box<Usual>),
}

impl Suite {
    /// Returns the globs, to be named where they find nothing.
    #[must_use]
    pub fn globs(&self) -> &[String] {
        match self {
            Self::Globs(globs) => globs,
            Self::Usual(usual) => usual.globs(),
        }
    }

    /// Returns an error where the suite names files, each by its name, that do not exist: its own command fails.
    fn not_missing(&self, tree: &Tree, directory: &str) -> Result<(), SelectError> {
        let (place, files) = match self {
            Self::Globs(globs) => {
                let mut files = globs.clone();
                let is_name = |it: &str| !it.contains(['*', '?', '[', '{', '\\']);
                let exists = |it: &str| tree.root().join(it).symlink_metadata().is_ok();
                let is_below = |it: &str| it.starts_with(&format!("{directory}/"));
                files.retain(|it| is_name(it) && !exists(it));
                files.retain(|it| directory.is_empty() || is_below(it));
                ("`files` of gorgon.json names", files)
            }
            Self::Usual(usual) => ("the Rakefile's test task names", usual.missing(directory)),
        };
        if files.is_empty() {
            return Ok(());
        }
        Err(SelectError::Missing { place, files })
    }

    fn files(&self, tree: &Tree) -> Found {
        match self {
            Self::Globs(globs) => tree.expand(globs),
            Self::Usual(usual) => usual.files(tree),
        }
    }
}

/// A file that is meant, and which of its tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Path from the project.
    pub file: String,
    /// Only the tests at these lines; all when empty.
    pub lines: Vec<u32>,
    /// Only these tests, by id.
    pub tests: Vec<String>,
}

/// What is meant, in the order in which it was named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// The files.
    pub files: Vec<Selected>,
    /// Lines for the user.
    pub warnings: Vec<String>,
    /// Lines for the user that `-q` leaves out.
    pub hints: Vec<String>,
    /// Whether every file was named one by one, so that their order is kept.
    pub named: bool,
}

impl Selection {
    /// Returns the order of the plan.
    #[must_use]
    pub fn order(&self) -> Order {
        if self.named {
            Order::AsGiven
        } else {
            Order::LongestFirst
        }
    }

    /// Takes the files of a glob or a directory.
    fn take(
        &mut self,
        found: Found,
        places: &mut HashMap<String, usize>,
    ) -> Result<(), SelectError> {
        if !found.refused.is_empty() {
            return Err(SelectError::Refused(found.refused));
        }
        self.warnings.extend(found.warnings);
        for file in found.files {
            self.add(places, whole(file));
        }
        Ok(())
    }

    fn add(&mut self, places: &mut HashMap<String, usize>, new: Selected) {
        let Some(place) = places.get(&new.file) else {
            places.insert(new.file.clone(), self.files.len());
            self.files.push(new);
            return;
        };
        let known = &mut self.files[*place];
        let whole = |s: &Selected| s.lines.is_empty() && s.tests.is_empty();
        if whole(&new) || whole(known) {
            known.lines.clear();
            known.tests.clear();
            return;
        }
        known.lines.extend(new.lines);
        known.lines.sort_unstable();
        known.lines.dedup();
        known.tests.extend(new.tests);
    }
}

/// A word of the command line means nothing that is there.
#[derive(Debug, thiserror::Error)]
pub enum SelectError {
    /// No such file, and no glob that finds one.
    #[error("no file or directory {0}, and no file is found by it as a glob")]
    Nothing(String),
    /// A path outside the project.
    #[error("{0} lies outside the project {1}")]
    Outside(String, PathBuf),
    /// A word of no letters: what a script's unset variable leaves.
    #[error("an empty word names no file: an unset variable, it seems")]
    Blank,
    /// No Ruby file below a directory.
    #[error("no test file below {0}")]
    Empty(String),
    /// Test files that cannot be run. That is an error: leaving one out would look as if it had passed.
    #[error("{}", refused(.0))]
    Refused(Vec<(String, &'static str)>),
    /// The suite names files that do not exist.
    #[error(
        "{place} what does not exist: {}",
        first_names(files, |it| one_line(it))
    )]
    Missing {
        /// Where it does.
        place: &'static str,
        /// The files.
        files: Vec<String>,
    },
    /// Nothing tells which files are the suite, and files with tests would not run.
    #[error(
        "which files are tests cannot be told from the Rakefile ({why}), and these, with tests, would not run: {}",
        first_names(files, |it| one_line(it))
    )]
    Untold {
        /// Why not.
        why: String,
        /// Files with tests.
        files: Vec<String>,
    },
}

impl Hint for SelectError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Refused(_) => Some(
                "rename or move these files, or have `files` in gorgon.json name the others alone"
                    .to_owned(),
            ),
            Self::Untold { .. } => {
                Some("name them in `files` of gorgon.json, or on the command line".to_owned())
            }
            Self::Missing { .. } => {
                Some("correct the name there, or take it off the list".to_owned())
            }
            Self::Nothing(_) | Self::Outside(..) | Self::Blank | Self::Empty(_) => None,
        }
    }
}

fn refused(files: &[(String, &'static str)]) -> String {
    let named = first_names(files, |(path, why)| format!("{path} ({why})"));
    format!("test files that cannot be run: {named}")
}

/// Makes a path relative to the project, without `.` and `..`; `None` when it leads out of it.
///
/// Links inside the project are kept; those on the way to it (a shell in a linked directory says
/// another path than the system) are followed.
fn relative(root: &Path, word: &str) -> Option<String> {
    by_its_words(root, Path::new(word)).or_else(|| {
        let path = root.join(word);
        let parent = path.parent()?.canonicalize().ok()?;
        let real = match path.file_name() {
            Some(name) if parent != root.parent()? => parent.join(name),
            _ => path.canonicalize().ok()?,
        };
        let root = root.canonicalize().ok()?;
        by_its_words(&root, real.strip_prefix(&root).ok()?)
    })
}

fn by_its_words(root: &Path, path: &Path) -> Option<String> {
    let path = path.strip_prefix(root).unwrap_or(path);
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            Component::ParentDir => {
                parts.pop()?;
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

/// Reads `FILE:12` and `FILE:12:30`.
fn with_lines(word: &str) -> Option<(&str, Vec<u32>)> {
    let mut lines = Vec::new();
    let mut rest = word;
    while let Some((head, tail)) = rest.rsplit_once(':') {
        let Ok(line) = tail.parse() else { break };
        lines.insert(0, line);
        rest = head;
    }
    (!lines.is_empty()).then_some((rest, lines))
}

/// Reads `FILE[1:2,1:3]`, RSpec's way to name examples.
fn with_ids(word: &str) -> Option<(&str, Vec<String>)> {
    let (file, ids) = word.strip_suffix(']')?.rsplit_once('[')?;
    let is_id = |id: &str| {
        !id.is_empty()
            && id
                .split(':')
                .all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    };
    let ids: Vec<&str> = ids.split(',').map(str::trim).collect();
    ids.iter()
        .all(|id| is_id(id))
        .then(|| (file, ids.into_iter().map(str::to_owned).collect()))
}

fn whole(file: String) -> Selected {
    Selected {
        file,
        lines: Vec::new(),
        tests: Vec::new(),
    }
}

/// The test files below a directory: those that are meant without a word too; else those that look
/// like test files.
fn below(tree: &Tree, directory: &str, suite: &Suite) -> Found {
    let found = match suite {
        Suite::Usual(usual) => usual.below(tree, directory),
        Suite::Globs(globs) => {
            let mut found = tree.expand(globs);
            let inside = |file: &str| {
                file.strip_prefix(directory)
                    .is_some_and(|rest| rest.starts_with('/'))
            };
            found.keep(&|file| directory.is_empty() || inside(file));
            // What else the globs name is another matter.
            found.warnings.clear();
            found
        }
    };
    if !found.files.is_empty() || !found.refused.is_empty() {
        return found;
    }
    let literal = glob::literal(directory);
    let prefix = if literal.is_empty() {
        String::new()
    } else {
        format!("{literal}/")
    };
    let likely = ["*_{test,spec}.rb", "{test,spec}_*.rb", "test-*.rb"];
    let likely = likely.map(|name| format!("{prefix}**/{name}"));
    tree.expand(&likely)
}

/// Refuses to run a part of the suite as if it were the whole.
fn not_a_part(
    usual: &Usual,
    tree: &Tree,
    directory: &str,
    found: &Found,
) -> Result<(), SelectError> {
    match usual.a_part(tree, directory, &found.files) {
        Some((why, files)) => Err(SelectError::Untold { why, files }),
        None => Ok(()),
    }
}

/// Finds what the words mean in the project, whose root is an absolute path; without words, what the
/// suite names.
///
/// # Errors
/// A word that names no file, or a file that cannot be run.
pub fn select(tree: &Tree, words: &[String], suite: &Suite) -> Result<Selection, SelectError> {
    let root = tree.root();
    let mut selection = Selection::default();
    let mut places = HashMap::new();
    if let Suite::Usual(usual) = suite {
        selection.hints.extend(usual.without_effect().cloned());
    }
    if words.is_empty() {
        suite.not_missing(tree, "")?;
        let found = suite.files(tree);
        if let Suite::Usual(usual) = suite {
            not_a_part(usual, tree, "", &found)?;
            selection.hints.extend(usual.hints(tree, &found.files));
        }
        selection.take(found, &mut places)?;
        selection.warnings.extend(tree.unread());
        return Ok(selection);
    }
    selection.named = true;
    for word in words {
        let outside = || SelectError::Outside(word.clone(), root.to_owned());
        if word.is_empty() {
            return Err(SelectError::Blank);
        }
        let path = root.join(word);
        if path.is_dir() {
            selection.named = false;
            let directory = relative(root, word).ok_or_else(outside)?;
            let found = below(tree, &directory, suite);
            if found.files.is_empty() && found.refused.is_empty() {
                return Err(SelectError::Empty(word.clone()));
            }
            if let Suite::Usual(usual) = suite {
                not_a_part(usual, tree, &directory, &found)?;
            }
            suite.not_missing(tree, &directory)?;
            selection.take(found, &mut places)?;
        } else if path.exists() {
            if let Some(what) = glob::no_file(&path) {
                return Err(SelectError::Refused(vec![(one_line(word), what)]));
            }
            let file = relative(root, word).ok_or_else(outside)?;
            selection.add(&mut places, whole(file));
        } else if let Some((file, lines)) =
            with_lines(word).filter(|(file, _)| root.join(file).is_file())
        {
            let file = relative(root, file).ok_or_else(outside)?;
            selection.add(
                &mut places,
                Selected {
                    file,
                    lines,
                    tests: Vec::new(),
                },
            );
        } else if let Some((file, tests)) =
            with_ids(word).filter(|(file, _)| root.join(file).is_file())
        {
            let file = relative(root, file).ok_or_else(outside)?;
            selection.add(
                &mut places,
                Selected {
                    file,
                    lines: Vec::new(),
                    tests,
                },
            );
        } else {
            selection.named = false;
            let word_in = word.strip_prefix("./").unwrap_or(word);
            let found = tree.expand(&[word_in.to_owned()]);
            if found.files.is_empty() && found.refused.is_empty() {
                return Err(SelectError::Nothing(word.clone()));
            }
            selection.take(found, &mut places)?;
        }
    }
    selection.warnings.extend(tree.unread());
    Ok(selection)
}

#[cfg(test)]
mod tests;
