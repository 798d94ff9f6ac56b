//! Which files are meant: the words of the command line, or the globs of the configuration.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use crate::glob;
use crate::plan::Order;

/// The globs of a project that has no `gorgon.json`.
pub const DEFAULT_GLOBS: [&str; 2] = ["{test,spec}/**/*_{test,spec}.rb", "test/**/test_*.rb"];

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
    let (file, ids) = word.strip_suffix(']')?.split_once('[')?;
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

/// The test files below a directory: those that the project's globs find there; else those that
/// look like test files.
fn below(
    root: &Path,
    directory: &str,
    globs: &[String],
    warnings: &mut Vec<String>,
) -> Vec<String> {
    let inside = |file: &String| {
        directory.is_empty()
            || file
                .strip_prefix(directory)
                .is_some_and(|rest| rest.starts_with('/'))
    };
    let all = glob::expand(root, globs);
    let found: Vec<String> = all.files.into_iter().filter(inside).collect();
    if !found.is_empty() {
        return found;
    }
    // The name of a directory may hold characters that mean something in a glob.
    let literal: String = directory
        .chars()
        .flat_map(|c| {
            "*?[]{}\\"
                .contains(c)
                .then_some('\\')
                .into_iter()
                .chain([c])
        })
        .collect();
    let prefix = if literal.is_empty() {
        String::new()
    } else {
        format!("{literal}/")
    };
    let likely = [
        format!("{prefix}**/*_{{test,spec}}.rb"),
        format!("{prefix}**/test_*.rb"),
    ];
    let found = glob::expand(root, &likely);
    warnings.extend(found.warnings);
    found.files
}

/// Finds what the words mean in the project at `root`, an absolute path; without words, what the
/// globs find. `seen_from`: the same directory as the user names it (with links).
///
/// # Errors
/// A word that means nothing.
pub fn select(root: &Path, words: &[String], globs: &[String]) -> Result<Selection, SelectError> {
    let mut selection = Selection::default();
    if words.is_empty() {
        let found = glob::expand(root, globs);
        selection.warnings = found.warnings;
        selection.files = found.files.into_iter().map(whole).collect();
        return Ok(selection);
    }
    selection.named = true;
    let mut places = HashMap::new();
    for word in words {
        let outside = || SelectError::Outside(word.clone(), root.to_owned());
        if word.is_empty() {
            return Err(SelectError::Blank);
        }
        let path = root.join(word);
        if path.is_dir() {
            selection.named = false;
            let directory = relative(root, word).ok_or_else(outside)?;
            let files = below(root, &directory, globs, &mut selection.warnings);
            if files.is_empty() {
                return Err(SelectError::Empty(word.clone()));
            }
            for file in files {
                selection.add(&mut places, whole(file));
            }
        } else if path.exists() {
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
            let found = glob::expand(root, &[word_in.to_owned()]);
            if found.files.is_empty() {
                return Err(SelectError::Nothing(word.clone()));
            }
            selection.warnings.extend(found.warnings);
            for file in found.files {
                selection.add(&mut places, whole(file));
            }
        }
    }
    Ok(selection)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[&str]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            let path = directory.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        directory
    }

    fn shown(selection: &Selection) -> String {
        let show = |s: &Selected| {
            let lines: String = s.lines.iter().map(|line| format!(":{line}")).collect();
            let tests = if s.tests.is_empty() {
                String::new()
            } else {
                format!("[{}]", s.tests.join(","))
            };
            format!("{}{lines}{tests}", s.file)
        };
        selection
            .files
            .iter()
            .map(show)
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn words_are_taken_literally_first() {
        let project = project(&[
            "spec/a_spec.rb",
            "spec/b_spec.rb",
            "spec/sub/c_spec.rb",
            "spec/odd:3_spec.rb",
            "spec/x[1:1]",
            "spec/helper.rb",
            "other/d_spec.rb",
        ]);
        let root = project.path();
        let globs = DEFAULT_GLOBS.map(str::to_owned);
        let inside = root.join("spec/a_spec.rb").to_string_lossy().into_owned();
        let table: &[(&[&str], &str, bool)] = &[
            (
                &[],
                "spec/a_spec.rb spec/b_spec.rb spec/odd:3_spec.rb spec/sub/c_spec.rb",
                false,
            ),
            (
                &["spec/b_spec.rb", "spec/a_spec.rb"],
                "spec/b_spec.rb spec/a_spec.rb",
                true,
            ),
            (&["./spec/../spec/b_spec.rb"], "spec/b_spec.rb", true),
            (
                &["spec/a_spec.rb:3:9", "spec/a_spec.rb:3"],
                "spec/a_spec.rb:3:9",
                true,
            ),
            (
                &["spec/a_spec.rb:3", "spec/a_spec.rb"],
                "spec/a_spec.rb",
                true,
            ),
            (&["spec/odd:3_spec.rb"], "spec/odd:3_spec.rb", true),
            (
                &["spec/a_spec.rb[1:2,1:3:1]"],
                "spec/a_spec.rb[1:2,1:3:1]",
                true,
            ),
            (&["spec/x[1:1]"], "spec/x[1:1]", true),
            (&["spec/sub"], "spec/sub/c_spec.rb", false),
            (&["other/"], "other/d_spec.rb", false),
            (
                &["spec/{b,a}_spec.rb"],
                "spec/b_spec.rb spec/a_spec.rb",
                false,
            ),
            (&["spec/helper.rb"], "spec/helper.rb", true),
            (&[&inside], "spec/a_spec.rb", true),
        ];
        for (words, expected, named) in table {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            let selection = select(root, &words, &globs).unwrap();
            assert_eq!(shown(&selection), *expected, "{words:?}");
            assert_eq!(selection.named, *named, "{words:?}");
        }
    }

    #[test]
    fn other_ways_to_the_project_lead_into_it() {
        let project = project(&["real/spec/a_spec.rb", "elsewhere/b_spec.rb"]);
        let place = project.path().canonicalize().unwrap();
        let link = |from: &str, to: &str| std::os::unix::fs::symlink(to, place.join(from)).unwrap();
        link("link", "real");
        link("real/spec/inner", "../../elsewhere");
        let root = place.join("real");
        let globs = DEFAULT_GLOBS.map(str::to_owned);
        let absolute = |path: &str| place.join(path).to_string_lossy().into_owned();
        for (word, expected) in [
            (absolute("link/spec/a_spec.rb"), "spec/a_spec.rb"),
            (absolute("link/spec/a_spec.rb:3"), "spec/a_spec.rb:3"),
            (absolute("link/spec/a_spec.rb[1:1]"), "spec/a_spec.rb[1:1]"),
            (absolute("link"), "spec/a_spec.rb"),
            (absolute("link/spec"), "spec/a_spec.rb"),
            ("../link/spec/a_spec.rb".to_owned(), "spec/a_spec.rb"),
            ("../real/spec".to_owned(), "spec/a_spec.rb"),
            ("../real".to_owned(), "spec/a_spec.rb"),
            ("spec/inner/b_spec.rb".to_owned(), "spec/inner/b_spec.rb"),
        ] {
            let selection = select(&root, std::slice::from_ref(&word), &globs);
            assert_eq!(shown(&selection.unwrap()), expected, "{word}");
        }
        let outside = select(&root, &["../elsewhere/b_spec.rb".to_owned()], &globs);
        assert!(matches!(outside, Err(SelectError::Outside(..))));
    }

    #[test]
    fn what_means_nothing_is_an_error() {
        let project = project(&["spec/a_spec.rb", "empty/readme"]);
        let globs = DEFAULT_GLOBS.map(str::to_owned);
        for (word, error) in [
            ("spec/b_spec.rb", "no file or directory spec/b_spec.rb"),
            ("spec/b_spec.rb:3", "no file or directory spec/b_spec.rb:3"),
            ("empty", "no test file below empty"),
            ("", "an empty word names no file"),
            ("/etc/passwd", "/etc/passwd lies outside"),
            ("../..", "../.. lies outside"),
        ] {
            let got = select(project.path(), &[word.to_owned()], &globs)
                .unwrap_err()
                .to_string();
            assert!(got.starts_with(error), "{got}");
        }
    }
}
