//! What in a tree points out of it by its content, so that a write in a copy would reach the original.
//!
//! A checkout of Git can keep its repository elsewhere: the `.git` of a worktree or a submodule is a
//! file that holds a path. In a workspace on the same machine `git add` would then change the
//! developer's own index. So whatever names a repository out of the tree is left out of every copy:
//!
//! | left out | where |
//! |---|---|
//! | `.git`, a file or link | unless the repository lies in the tree and travels with it (a submodule) |
//! | `.git`, a directory | `core.worktree` leads out, or parts of it are links that lead out |
//! | `.git/worktrees/NAME`, `.git/modules/NAME` | its worktree is out of the tree |
//! | `.hg` | a share: it has a `sharedpath` |
//! | `.jj` | another workspace's, or its Git repository is out of the tree |
//! | `.fslckout`, `_FOSSIL_` | always: they name a repository by its absolute path |
//!
//! Not left out, as nothing writes through it: `objects/info/alternates`, hooks and included
//! configuration of Git. A plain link that leads out of the tree means the same in place and in a
//! copy, so it travels; an absolute link *into* the tree is made relative in a workspace ([`relink`]).

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use gorgon_proto::job::Source;

/// Files of this size are no `.git` files, and no configuration of Git that a person wrote.
const MOST_BYTES: u64 = 1 << 20;

/// Finds what is left out of copies of one tree.
#[derive(Debug)]
pub(crate) struct Outside {
    root: PathBuf,
    /// Without links.
    real: PathBuf,
}

impl Outside {
    /// Begins to look at a tree.
    pub(crate) fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            real: root.canonicalize().unwrap_or_else(|_| root.to_owned()),
        }
    }

    /// Returns why a path of the tree is left out: what it names, in words.
    pub(crate) fn reason(&self, path: &[u8]) -> Option<String> {
        let path = Path::new(OsStr::from_bytes(path));
        let name = path.file_name()?.as_bytes();
        match name {
            b".git" => self.git(path),
            b".hg" => self.names("sharedpath", &path.join("sharedpath")),
            b".jj" => self.jujutsu(path),
            b".fslckout" | b"_FOSSIL_" => Some("the checkout of a Fossil repository".to_owned()),
            _ => self.inside_git(path),
        }
    }

    fn names(&self, what: &str, path: &Path) -> Option<String> {
        let text = read(&self.root.join(path))?;
        Some(format!("its {what} is {}", shown(first_line(&text))))
    }

    fn git(&self, path: &Path) -> Option<String> {
        let full = self.root.join(path);
        let meta = fs::symlink_metadata(&full).ok()?;
        if meta.is_dir() {
            return self.repository(path);
        }
        let (target, from) = if meta.is_symlink() {
            (fs::read_link(&full).ok()?, "a link to")
        } else {
            let text = read(&full)?;
            let target = first_line(&text).strip_prefix(b"gitdir:")?.trim_ascii();
            (
                PathBuf::from(OsStr::from_bytes(target)),
                "a file that names",
            )
        };
        let repository = self.inside(path.parent()?, &target);
        match repository.map(|inside| self.repository(&inside)) {
            Some(None) => None,
            _ => Some(format!("{from} {}", shown(target.as_os_str().as_bytes()))),
        }
    }

    /// Returns the paths in a directory with a repository of Git that lead out of the tree.
    fn repository(&self, path: &Path) -> Option<String> {
        let full = self.root.join(path);
        if full.join("commondir").exists() {
            return self.names("commondir", &path.join("commondir"));
        }
        for directory in ["", "objects", "refs"] {
            for entry in fs::read_dir(full.join(directory))
                .into_iter()
                .flatten()
                .flatten()
            {
                let name = entry.file_name();
                let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
                if !is_link || name == "hooks" {
                    continue;
                }
                let target = fs::read_link(entry.path()).ok()?;
                let here = path.join(directory);
                if self.inside(&here, &target).is_none() {
                    let link = Path::new(directory).join(name);
                    let (link, target) = (link.as_os_str(), target.as_os_str());
                    return Some(format!(
                        "its {} is a link to {}",
                        shown(link.as_bytes()),
                        shown(target.as_bytes())
                    ));
                }
            }
        }
        ["config", "config.worktree"].iter().find_map(|config| {
            let text = read(&full.join(config))?;
            let worktree = core_worktree(&text)?;
            let target = Path::new(OsStr::from_bytes(&worktree));
            let out = self.inside(path, target).is_none();
            out.then(|| format!("its core.worktree is {}", shown(&worktree)))
        })
    }

    /// Worktrees that a repository of the tree knows, and the repositories of its submodules.
    fn inside_git(&self, path: &Path) -> Option<String> {
        let parent = path.parent()?;
        if parent.ends_with("worktrees") {
            let text = read(&self.root.join(path).join("gitdir"))?;
            let target = Path::new(OsStr::from_bytes(first_line(&text)));
            let out = self.inside(path, target).is_none() && self.is_live(parent.parent()?);
            return out
                .then(|| format!("its worktree is {}", shown(target.as_os_str().as_bytes())));
        }
        let names: Vec<&OsStr> = path.iter().collect();
        let module = names.windows(2).any(|pair| pair == [".git", "modules"]);
        (module && self.root.join(path).join("HEAD").is_file())
            .then(|| self.repository(path))
            .flatten()
    }

    /// Whether a directory is a repository that this tree works with, and no test's fixture.
    fn is_live(&self, repository: &Path) -> bool {
        let names_it = |git: PathBuf| {
            let text = read(&self.root.join(git))?;
            let target = first_line(&text).strip_prefix(b"gitdir:")?.trim_ascii();
            self.inside(repository.parent()?, Path::new(OsStr::from_bytes(target)))
        };
        repository.iter().any(|name| name == ".git")
            || repository
                .parent()
                .and_then(|parent| names_it(parent.join(".git")))
                .is_some_and(|named| named == repository)
    }

    fn jujutsu(&self, path: &Path) -> Option<String> {
        let repository = path.join("repo");
        if self.root.join(&repository).is_file() {
            return self.names("repo", &repository);
        }
        let store = repository.join("store");
        let text = read(&self.root.join(&store).join("git_target"))?;
        let target = Path::new(OsStr::from_bytes(first_line(&text)));
        let out = self.inside(&store, target).is_none();
        out.then(|| {
            format!(
                "its Git repository is {}",
                shown(target.as_os_str().as_bytes())
            )
        })
    }

    /// Returns the path in the tree that `target`, seen from `directory`, names; none when it leads
    /// out, by its words or by links, or is absolute: then it leads to one place from every copy.
    fn inside(&self, directory: &Path, target: &Path) -> Option<PathBuf> {
        let lexical = joined(directory, target)?;
        match self.root.join(directory).join(target).canonicalize() {
            Ok(real) => real.starts_with(&self.real).then_some(lexical),
            Err(_) => Some(lexical),
        }
    }
}

/// Returns `target` seen from `directory`, a path below the root; none when it leaves the root.
fn joined(directory: &Path, target: &Path) -> Option<PathBuf> {
    let mut names: Vec<&OsStr> = Vec::new();
    for component in directory.components().chain(target.components()) {
        match component {
            Component::Normal(name) => names.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                names.pop()?;
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(names.iter().collect())
}

/// Returns what a link at `path` (from the root of a tree) is to hold in a workspace, where `target`
/// names a place in one of `originals` by its absolute path; none where it stays as it is.
///
/// A write through such a link would change the developer's file, on the same machine.
pub(crate) fn relink(originals: &[PathBuf], path: &[u8], target: &Path) -> Option<OsString> {
    if !target.is_absolute() {
        return None;
    }
    let real = || target.canonicalize().ok();
    let rest = originals.iter().find_map(|original| {
        let below = |place: &Path, top: &Path| Some(place.strip_prefix(top).ok()?.to_owned());
        let by_words = below(&plain(target), original);
        by_words.or_else(|| below(&real()?, &original.canonicalize().ok()?))
    })?;
    let depth = path.iter().filter(|byte| **byte == b'/').count();
    let mut relative = PathBuf::new();
    (0..depth).for_each(|_| relative.push(".."));
    relative.push(rest);
    if relative.as_os_str().is_empty() {
        relative.push(".");
    }
    Some(relative.into_os_string())
}

/// Returns the paths on this machine where the original of the workspaces may lie.
#[must_use]
pub fn originals(source: &Source, project: &str) -> Vec<PathBuf> {
    let path = source.source_tree_path.as_deref();
    let named = path.filter(|path| !path.contains("::") && !path.contains("://"));
    let named = named.map(|path| path.split_once(':').map_or(path, |(_, path)| path));
    std::iter::once(project)
        .chain(named)
        .map(|path| plain(Path::new(path)))
        .filter(|path| path.is_absolute() && path.parent().is_some())
        .collect()
}

/// An absolute path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Reads `worktree` of the section `core`, as git-config(1) writes it.
fn core_worktree(text: &[u8]) -> Option<Vec<u8>> {
    let mut in_core = false;
    let mut found = None;
    for line in text.split(|byte| *byte == b'\n') {
        let mut line = line.trim_ascii();
        if let Some(header) = line.strip_prefix(b"[") {
            let end = header.iter().position(|byte| *byte == b']');
            let end = end.unwrap_or(header.len());
            in_core = header[..end].trim_ascii().eq_ignore_ascii_case(b"core");
            // A key may stand behind its section.
            line = header.get(end + 1..).unwrap_or_default().trim_ascii();
        }
        let Some(equals) = line.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        if in_core
            && line[..equals]
                .trim_ascii()
                .eq_ignore_ascii_case(b"worktree")
        {
            found = Some(value(line[equals + 1..].trim_ascii()));
        }
    }
    found
}

/// A value without its quotes, escapes and the comment behind it.
fn value(text: &[u8]) -> Vec<u8> {
    let (mut value, mut quoted, mut escaped) = (Vec::new(), false, false);
    for byte in text {
        match byte {
            _ if escaped => {
                value.push(*byte);
                escaped = false;
            }
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'#' | b';' if !quoted => break,
            byte => value.push(*byte),
        }
    }
    value.trim_ascii_end().to_vec()
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let meta = fs::metadata(path).ok()?;
    if !meta.is_file() || meta.len() > MOST_BYTES {
        return None;
    }
    fs::read(path).ok()
}

fn first_line(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == b'\n');
    text[..end.unwrap_or(text.len())].trim_ascii()
}

fn shown(text: &[u8]) -> String {
    PathBuf::from(OsString::from_vec(text.to_vec()))
        .display()
        .to_string()
}

#[cfg(test)]
mod tests;
