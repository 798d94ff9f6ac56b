//! A project as globs see it while files are chosen: each directory is read once, each file looked at once.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{self, FileType};
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::{Found, Why, found_in, judge, shown};
use crate::name_list::first_names;

/// A name in a directory, and what it names where that is known.
pub(super) type Entry = (Vec<u8>, Option<FileType>);

/// A project's files, as they were when they were first looked at.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
    directories: RefCell<HashMap<Vec<u8>, Rc<[Entry]>>>,
    judged: RefCell<HashMap<Vec<u8>, Result<String, Why>>>,
    /// Directories that could not be read, and why.
    unread: RefCell<BTreeMap<String, String>>,
}

impl Tree {
    /// Begins to look at the project at `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            directories: RefCell::default(),
            judged: RefCell::default(),
            unread: RefCell::default(),
        }
    }

    /// Returns the project's directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Finds the Ruby files that the globs name, in the order of the globs.
    #[must_use]
    pub fn expand(&self, globs: &[String]) -> Found {
        found_in(self, globs)
    }

    /// Returns where a path of the project lies.
    pub(super) fn at(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    /// Returns what is in a directory, by name. One that cannot be read holds nothing, as in Ruby.
    pub(super) fn entries(&self, path: &[u8]) -> Rc<[Entry]> {
        if let Some(known) = self.directories.borrow().get(path) {
            return Rc::clone(known);
        }
        let directory = fs::read_dir(self.at(path));
        if let Err(error) = &directory
            && !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        {
            let mut unread = self.unread.borrow_mut();
            unread.insert(shown(path), error.to_string());
        }
        let mut entries: Vec<Entry> = directory
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| (entry.file_name().into_vec(), entry.file_type().ok()))
            .collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let entries: Rc<[Entry]> = entries.into();
        self.directories
            .borrow_mut()
            .insert(path.to_owned(), Rc::clone(&entries));
        entries
    }

    /// Says which directories could not be read so far: tests in them are not found.
    pub(crate) fn unread(&self) -> Option<String> {
        let unread = self.unread.borrow();
        let (_, why) = unread.first_key_value()?;
        let paths: Vec<&String> = unread.keys().collect();
        let paths = first_names(&paths, |&path| {
            if path.is_empty() { "." } else { path }.to_owned()
        });
        Some(format!(
            "no test is found in directories that cannot be read: {paths} ({why})"
        ))
    }

    /// Returns the path as it is queued, or why it cannot be.
    pub(super) fn judged(&self, path: &[u8]) -> Result<String, Why> {
        if let Some(known) = self.judged.borrow().get(path) {
            return known.clone();
        }
        let judged = judge(&self.root, path);
        self.judged
            .borrow_mut()
            .insert(path.to_owned(), judged.clone());
        judged
    }
}
