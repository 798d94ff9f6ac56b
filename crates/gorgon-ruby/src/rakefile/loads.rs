//! Which files of the project a Rakefile loads besides those that are read with it, and whether they may define tasks.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::text::read;
use super::tokens::Token;
use super::words::{Reader, Statement, parameters, statements};

/// Methods that load a file, by how they look for it.
const LOADERS: [(&str, How); 6] = [
    ("load", How::Load),
    ("import", How::Load),
    ("add_rakelib", How::Load),
    ("load_rakefile", How::Load),
    ("require", How::Require),
    ("require_relative", How::Relative),
];
/// What these methods are called on; elsewhere they are other methods.
const RECEIVERS: [&str; 3] = ["Kernel", "Rake", "application"];
/// Methods that define a task: what its block loads is not loaded with the Rakefile.
const TASKS: [&str; 4] = ["task", "multitask", "file", "rule"];
/// Words in a file that may define tasks.
const SIGNS: [&str; 2] = ["task", "rake"];
/// Maximum number of files that are looked at.
const MOST_FILES: usize = 300;
/// Maximum number of entries of directories that are looked at for one glob.
const MOST_ENTRIES: usize = 20_000;
/// Libraries that are found without the project, by the beginning of their names.
const LIBRARIES: [&str; 14] = [
    "rake",
    "bundler",
    "rspec",
    "minitest",
    "rubygems",
    "rubocop",
    "yard",
    "rdoc",
    "hoe",
    "fileutils",
    "pathname",
    "test/unit",
    "cucumber",
    "English",
];

/// How a file is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// From the project, from the file that says it, or on the load path.
    Load,
    /// On the load path.
    Require,
    /// From the file that says it.
    Relative,
    /// Not at all: it is put on the load path.
    Path,
}

/// A statement that loads files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Load {
    how: How,
    /// Paths or globs; none: they are computed.
    paths: Vec<String>,
}

impl Reader {
    /// Notes which files a statement loads as the Rakefile itself is loaded.
    pub(super) fn loaded(&mut self, words: &[&Token]) {
        self.remember(words);
        let defines = words.iter().enumerate().any(|(at, it)| match it {
            Token::Name(name) if at == 0 => TASKS.contains(&name.as_str()),
            Token::Name(name) => name.ends_with("Task"),
            _ => false,
        });
        if defines || self.plain.is_some() || self.block.is_some() {
            return;
        }
        let Some((at, how)) = loader(words) else {
            return;
        };
        let mut paths = paths(words);
        if paths.is_empty() {
            let known = words[at + 1..].iter().filter_map(|it| match it {
                Token::Name(name) => self.paths.get(name),
                _ => None,
            });
            paths.extend(known.flatten().cloned());
        }
        // `spec = eval(File.read('x.gemspec'))`
        if paths.iter().all(|it| it.ends_with(".gemspec")) && !paths.is_empty() {
            return;
        }
        self.said.push(Statement::Load(Load { how, paths }));
    }

    /// Keeps the paths that a name stands for: `files = Dir['tasks/*']`, `Dir['tasks/*'].each do |file|`.
    fn remember(&mut self, words: &[&Token]) {
        let name = match words {
            [Token::Name(name), Token::Sign("="), ..] => name.clone(),
            _ => {
                let Some(bar) = words.iter().position(|it| **it == Token::Sign("|")) else {
                    return;
                };
                parameters(&words[bar..]).0
            }
        };
        let mut found = paths(words);
        if found.is_empty() {
            let known = words.iter().filter_map(|it| match it {
                Token::Name(name) => self.paths.get(name),
                _ => None,
            });
            found.extend(known.flatten().cloned());
        }
        if !name.is_empty() && !found.is_empty() {
            self.paths.insert(name, found);
        }
    }
}

/// Finds the method that loads, and how it does.
fn loader(words: &[&Token]) -> Option<(usize, How)> {
    let has = |text: &str| {
        words
            .iter()
            .any(|it| matches!(it, Token::Name(name) if name == text))
    };
    let is_path = has("$LOAD_PATH")
        || words
            .windows(2)
            .any(|two| matches!(two, [Token::Name(name), Token::Sign(":")] if name == "$"));
    let changes = ["unshift", "push", "prepend", "append", "concat"]
        .iter()
        .any(|it| has(it))
        || words
            .iter()
            .any(|it| matches!(it, Token::Sign("<<" | "=" | "+=")));
    if is_path && changes {
        return Some((0, How::Path));
    }
    words.iter().enumerate().find_map(|(at, word)| {
        let how = |name: &str| LOADERS.iter().find(|it| it.0 == name).map(|it| it.1);
        match word {
            Token::Name(name) => {
                let receiver = at >= 2 && *words[at - 1] == Token::Sign(".");
                let known = receiver
                    && matches!(words[at - 2], Token::Name(of) if RECEIVERS.contains(&of.as_str()));
                if receiver && !known {
                    return None;
                }
                let evaluates = name.ends_with("eval") && has("read");
                how(name).or(evaluates.then_some(How::Load))
            }
            // `Dir['tasks/*'].each(&method(:load))`
            Token::Symbol(name) if has("method") => how(name),
            _ => None,
        }
        .map(|how| (at, how))
    })
}

/// The paths that a statement names: each of its texts, or, where it joins them, all together.
fn paths(words: &[&Token]) -> Vec<String> {
    let texts = words.iter().filter_map(|it| match it {
        Token::Text(text, literal) => Some(plain(text, *literal)),
        _ => None,
    });
    let Some(texts) = texts.collect::<Option<Vec<String>>>() else {
        return Vec::new();
    };
    let joins = words
        .iter()
        .any(|it| matches!(it, Token::Name(name) if name == "join"));
    if joins && texts.len() > 1 {
        vec![texts.join("/")]
    } else {
        texts
    }
}

/// A text as a path from the project; what is put into it may be anything, but not its beginning.
fn plain(text: &str, literal: bool) -> Option<String> {
    if literal {
        return Some(text.to_owned());
    }
    let mut rest = text;
    let mut path = String::new();
    while let Some((before, inside)) = rest.split_once("#{") {
        let (inside, after) = inside.split_once('}')?;
        path.push_str(before);
        let here = ["__dir__", "__FILE__", "pwd"]
            .iter()
            .any(|it| inside.contains(it));
        rest = match after.strip_prefix('/') {
            Some(after) if path.is_empty() && here => after,
            _ if path.is_empty() => return None,
            _ => {
                path.push('*');
                after
            }
        };
    }
    path.push_str(rest);
    Some(path)
}

/// Tells whether the Rakefile loads files of the project that may define tasks, besides those that are read.
pub(super) fn loads_more(project: &Path, loads: Vec<Load>, known: &[PathBuf]) -> bool {
    let mut search = Search {
        project,
        directories: ["", "lib"].map(PathBuf::from).to_vec(),
        is_vague: false,
        seen: known.iter().cloned().collect(),
    };
    let mut bases: Vec<PathBuf> = vec![PathBuf::new()];
    bases.extend(
        known
            .iter()
            .filter_map(|it| it.parent().map(Path::to_owned)),
    );
    let mut waiting = vec![(bases, loads)];
    while let Some((bases, loads)) = waiting.pop() {
        for load in loads {
            let Some(files) = search.files(&load, &bases) else {
                return true;
            };
            for file in files {
                if search.seen.len() > MOST_FILES {
                    return true;
                }
                if !search.seen.insert(file.clone()) {
                    continue;
                }
                let Some(text) = read(&project.join(&file)) else {
                    continue;
                };
                let lower = text.to_lowercase();
                let said = statements(&text);
                let sets = said
                    .iter()
                    .any(|it| matches!(it, Statement::Variable { .. }));
                if sets || SIGNS.iter().any(|it| lower.contains(it)) {
                    return true;
                }
                let loads = said.into_iter().filter_map(|it| match it {
                    Statement::Load(load) => Some(load),
                    _ => None,
                });
                let parent = file.parent().map(Path::to_owned).unwrap_or_default();
                waiting.push((vec![PathBuf::new(), parent], loads.collect()));
            }
        }
    }
    false
}

struct Search<'a> {
    project: &'a Path,
    /// On the load path.
    directories: Vec<PathBuf>,
    /// The load path has directories that the text does not tell.
    is_vague: bool,
    /// Files that are read, from the project.
    seen: BTreeSet<PathBuf>,
}

impl Search<'_> {
    /// Finds the files of the project that a statement loads; none where that cannot be told.
    fn files(&mut self, load: &Load, bases: &[PathBuf]) -> Option<Vec<PathBuf>> {
        if load.how == How::Path {
            self.is_vague |= load.paths.is_empty();
            let named = load.paths.iter().map(|it| below(Path::new(it)));
            self.directories.extend(named);
            return Some(Vec::new());
        }
        if load.paths.is_empty() {
            return None;
        }
        let mut found = Vec::new();
        for path in &load.paths {
            let named = Path::new(path)
                .strip_prefix(self.project)
                .unwrap_or(Path::new(path));
            if named.is_absolute() {
                continue;
            }
            let here = path.starts_with('.');
            let on_path = self
                .directories
                .iter()
                .filter(|_| load.how != How::Relative);
            let beside = bases.iter().filter(|_| load.how != How::Require || here);
            let mut any = false;
            for base in on_path.chain(beside) {
                let from = found.len();
                // What leads out of the project comes from a file in a directory of it.
                for joined in [below(&base.join(named)), below(named)] {
                    matching(self.project, &joined, &mut found);
                }
                any |= found.len() > from;
            }
            let library = || LIBRARIES.iter().any(|it| path.starts_with(it));
            if !any && self.is_vague && load.how == How::Require && !library() {
                return None;
            }
        }
        Some(found)
    }
}

/// A path in the project, without `.` and `..`.
fn below(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => plain.push(part),
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    plain
}

/// Adds the files that a path or a glob names, or a few more.
fn matching(project: &Path, path: &Path, found: &mut Vec<PathBuf>) {
    let is_glob = |part: &Component| {
        part.as_os_str()
            .to_string_lossy()
            .contains(['*', '?', '[', '{'])
    };
    let parts: Vec<Component> = path.components().collect();
    let Some(first) = parts.iter().position(is_glob) else {
        let text = path.to_string_lossy();
        for name in [
            text.to_string(),
            format!("{text}.rb"),
            format!("{text}.rake"),
        ] {
            if project.join(&name).is_file() {
                found.push(PathBuf::from(name));
            }
        }
        // `Rake.add_rakelib 'tasks'`
        if !text.is_empty() && project.join(path).is_dir() {
            walk(project, path, 0, Some("rake"), found);
        }
        return;
    };
    let base: PathBuf = parts[..first].iter().collect();
    let deep = path.to_string_lossy().contains("**");
    let depth = if deep {
        usize::MAX
    } else {
        parts.len() - first - 1
    };
    let extension = path.extension().and_then(|it| it.to_str());
    let extension = extension.filter(|it| !it.contains(['*', '?', '[', '{', '}']));
    walk(project, &base, depth, extension, found);
}

/// Adds the files below a directory of the project, so many directories deep.
fn walk(
    project: &Path,
    base: &Path,
    depth: usize,
    extension: Option<&str>,
    found: &mut Vec<PathBuf>,
) {
    let mut waiting = vec![(base.to_owned(), depth)];
    let mut entries = 0;
    while let Some((directory, depth)) = waiting.pop() {
        for entry in fs::read_dir(project.join(&directory))
            .into_iter()
            .flatten()
            .flatten()
        {
            entries += 1;
            if entries > MOST_ENTRIES {
                return;
            }
            let path = directory.join(entry.file_name());
            let hidden = entry.file_name().to_string_lossy().starts_with('.');
            let is_directory = entry.file_type().is_ok_and(|it| it.is_dir());
            if is_directory && depth > 0 && !hidden {
                waiting.push((path, depth - 1));
            } else if !is_directory
                && extension.is_none_or(|it| path.extension().is_some_and(|own| own == it))
            {
                found.push(path);
            }
        }
    }
}

#[cfg(test)]
mod tests;
