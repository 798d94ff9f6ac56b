//! Walks the tree along a glob, each directory once for all places where the glob may stand.

use std::fs;

use super::component;
use super::pattern::{self, Component, Pattern};
use super::tree::Tree;

/// What is known of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unknown,
    Missing,
    Directory,
    /// It may lead to a directory.
    Link,
    Other,
}

pub(super) fn walk(tree: &Tree, glob: &str) -> Vec<Vec<u8>> {
    let mut walk = Walk {
        tree,
        found: Vec::new(),
    };
    if !glob.contains('\0') {
        walk.pattern(glob, Vec::new());
    }
    walk.found
}

struct Walk<'a> {
    tree: &'a Tree,
    found: Vec<Vec<u8>>,
}

impl Walk<'_> {
    fn pattern(&mut self, glob: &str, base: Vec<u8>) {
        let Pattern {
            absolute,
            components,
        } = pattern::parse(glob);
        if components.len() == 1 && base.is_empty() || components.len() > pattern::MOST_COMPONENTS {
            return;
        }
        let base = if absolute { b"/".to_vec() } else { base };
        self.step(base, Kind::Unknown, vec![&components]);
    }

    /// Goes on at `path` with the rests of the glob that may begin here.
    fn step(&mut self, path: Vec<u8>, mut kind: Kind, mut rests: Vec<&[Component]>) {
        // Where a `**/` may go on, alternatives are compared with each name instead, so that what
        // is found comes in the order of the names.
        if !rests.iter().any(|rest| rest[0] == Component::Recursive) {
            rests.retain(|rest| {
                let brace = matches!(rest[0], Component::Brace(_));
                if brace {
                    for glob in pattern::expand(&pattern::unparse(rest)) {
                        self.pattern(&glob, path.clone());
                    }
                }
                !brace
            });
        }
        let (mut recursive, mut magical) = (false, false);
        let (mut match_all, mut match_directory) = (false, false);
        for rest in &rests {
            let mut rest = *rest;
            if rest[0] == Component::Recursive {
                recursive = true;
                rest = &rest[1..];
            }
            match &rest[0] {
                Component::Brace(_) | Component::Magical(_) => magical = true,
                Component::Plain(_) => {}
                Component::MatchAll => match_all = true,
                Component::MatchDirectory => match_directory = true,
                Component::Recursive => unreachable!("a pattern has no two of them in a row"),
            }
        }
        if !path.is_empty() && path != b"/" {
            if match_all && kind == Kind::Unknown {
                kind = self.kind_of_entry(&path);
            }
            if match_directory && kind != Kind::Directory && kind != Kind::Missing {
                kind = if self.tree.at(&path).is_dir() {
                    Kind::Directory
                } else {
                    kind
                };
            }
            if match_all && kind != Kind::Missing {
                self.found.push(path.clone());
            }
            if match_directory && kind == Kind::Directory {
                let mut path = path.clone();
                path.push(b'/');
                self.found.push(path);
            }
        }
        if matches!(kind, Kind::Missing | Kind::Other) {
            return;
        }
        if recursive || magical {
            self.read(&path, &rests);
        } else {
            self.plain(&path, rests);
        }
    }

    fn read(&mut self, path: &[u8], rests: &[&[Component]]) {
        for (name, file_type) in self.tree.entries(path).iter() {
            let hidden = name.first() == Some(&b'.');
            let is_directory = file_type.is_some_and(|file_type| file_type.is_dir());
            let mut next: Vec<&[Component]> = Vec::new();
            for rest in rests {
                let mut rest = *rest;
                if rest[0] == Component::Recursive {
                    if is_directory && !hidden {
                        next.push(rest);
                    }
                    rest = &rest[1..];
                }
                let matched = match &rest[0] {
                    Component::Plain(plain) => plain.as_bytes() == name.as_slice(),
                    Component::Magical(text) => component::matches(text, name),
                    Component::Brace(text) => pattern::expand(text)
                        .iter()
                        .any(|alternative| component::matches(alternative, name)),
                    Component::Recursive | Component::MatchDirectory | Component::MatchAll => false,
                };
                if matched {
                    next.push(&rest[1..]);
                }
            }
            if !next.is_empty() {
                let kind = match file_type {
                    Some(file_type) if file_type.is_dir() => Kind::Directory,
                    Some(file_type) if file_type.is_symlink() => Kind::Link,
                    Some(_) => Kind::Other,
                    None => Kind::Unknown,
                };
                self.step(joined(path, name), kind, next);
            }
        }
    }

    fn plain(&mut self, path: &[u8], rests: Vec<&[Component]>) {
        let mut open: Vec<Option<&[Component]>> = rests.into_iter().map(Some).collect();
        for at in 0..open.len() {
            let Some([Component::Plain(name), rest @ ..]) = open[at] else {
                continue;
            };
            let mut next = vec![rest];
            for later in &mut open[at + 1..] {
                if let Some([Component::Plain(other), rest @ ..]) = later
                    && other == name
                {
                    next.push(rest);
                    *later = None;
                }
            }
            self.step(joined(path, name.as_bytes()), Kind::Unknown, next);
        }
    }

    fn kind_of_entry(&self, path: &[u8]) -> Kind {
        match fs::symlink_metadata(self.tree.at(path)) {
            Ok(metadata) if metadata.is_dir() => Kind::Directory,
            Ok(metadata) if metadata.is_symlink() => Kind::Link,
            Ok(_) => Kind::Other,
            Err(_) => Kind::Missing,
        }
    }
}

fn joined(path: &[u8], name: &[u8]) -> Vec<u8> {
    let mut joined = path.to_vec();
    if !joined.is_empty() && joined.last() != Some(&b'/') {
        joined.push(b'/');
    }
    joined.extend_from_slice(name);
    joined
}
