//! The core: what has to be as it was, and whether it is.
//!
//! | a path | must be the same in |
//! |---|---|
//! | nothing there | that nothing is there |
//! | a file, read or asked for | all that lstat(2) says, and for a link all that stat(2) says of what it leads to |
//! | a file that the boot only wrote anew | the same, as a new start would write it anew |
//! | a file that the boot only added to, and in the project's tmp and log one that it only wrote | kind, permissions, owner, inode |
//! | a directory that was listed or asked for | the same, and time and size, or else the names in it |
//! | a directory asked for above the project, in its tmp or log, a shared one, the home | kind, permissions, owner, inode |
//! | each directory above any of them | kind, permissions, owner, inode |
//!
//! Where nothing is: one look at the directory tells it of all names that were looked for in vain there, as long as the
//! time of the directory is what it was. Ruby looks for each library in each directory of its load path.
//!
//! What the boot did not write must be as it was when it was first looked at. What it looked at and wrote must hold the
//! same as before its first write, and nobody else may have written in between: a new start would else find something
//! else. What it wrote before it looked must be as it was after the boot: nobody can tell its own last write from another
//! one before that.

mod subject;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::places::Places;
use crate::stamp::{Stamp, Time};
pub(crate) use subject::{Subject, subjects};

/// What is found at a path: of itself, and where its links lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Look {
    pub(crate) itself: Option<Stamp>,
    /// Only for a link.
    pub(crate) target: Option<Stamp>,
}

impl Look {
    /// What a program meets there.
    fn met(&self) -> Option<&Stamp> {
        match &self.itself {
            Some(itself) if itself.is_link() => self.target.as_ref(),
            other => other.as_ref(),
        }
    }
}

/// The names in a directory, sorted, each with its kind.
pub(crate) type Names = Vec<Vec<u8>>;

/// How the world is looked at.
pub(crate) trait Eyes {
    /// What is at a path.
    fn look(&self, path: &Path) -> Look;
    /// The names in a directory.
    fn names(&self, path: &Path) -> Names;
    /// A number that stands for the content of a file.
    fn content(&self, path: &Path) -> Option<u64>;
}

/// How much of it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    All,
    Names(Names),
    Object,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    path: PathBuf,
    look: Look,
    rule: Rule,
    /// Names that were looked for in vain in this directory.
    absent: Vec<OsString>,
    /// The same times prove nothing: it had just changed.
    racy: bool,
    /// Of a file that the boot had just written.
    content: Option<Option<u64>>,
}

/// What has to be as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    project: PathBuf,
    entries: Vec<Entry>,
}

/// What is different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It is another than it was.
    Changed,
    /// It was not there.
    New,
    /// It is no more.
    Gone,
    /// It changed between the first look at it and the end of the boot, or so shortly before that nobody can tell.
    ChangedMeanwhile,
}

/// The first difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where; in the project, from there.
    pub path: PathBuf,
    /// What.
    pub what: What,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.what {
            What::Changed => write!(f, "{path} changed"),
            What::New => write!(f, "{path} is new"),
            What::Gone => write!(f, "{path} is gone"),
            What::ChangedMeanwhile => write!(f, "{path} changed while it was loaded"),
        }
    }
}

fn same_object(was: &Look, is: &Look) -> bool {
    let same = |a: &Option<Stamp>, b: &Option<Stamp>| match (a, b) {
        (Some(a), Some(b)) => a.is_same_object(b),
        (None, None) => true,
        _ => false,
    };
    same(&was.itself, &is.itself) && same(&was.target, &is.target)
}

impl Proof {
    /// Makes the proof of what is there after a boot; `now`: before the first look at it.
    ///
    /// # Errors
    /// The first path that somebody else changed meanwhile, or may have changed: the boot cannot be kept.
    pub(crate) fn seal(
        subjects: Vec<Subject>,
        now: Time,
        places: &Places,
        eyes: &impl Eyes,
    ) -> Result<Self, Difference> {
        let mut entries = Vec::with_capacity(subjects.len());
        let mut changed = None;
        for subject in subjects {
            let look = eyes.look(&subject.path);
            let rule = subject.rule(&look, places, eyes);
            if !subject.is_as_met(&look, &rule, eyes) {
                let found = difference(&places.project, &subject.path, What::ChangedMeanwhile);
                if !look.met().is_some_and(Stamp::is_directory) {
                    return Err(found);
                }
                // What has changed in it says more.
                changed = changed.or(Some(found));
                continue;
            }
            let racy = look.met().is_some_and(|met| met.is_racy(now));
            let is_compared = racy && rule == Rule::All;
            let content = is_compared.then(|| eyes.content(&subject.path));
            entries.push(Entry {
                path: subject.path,
                look,
                rule,
                absent: Vec::new(),
                racy,
                content,
            });
        }
        match changed {
            Some(found) => Err(found),
            None => Ok(Self {
                project: places.project.clone(),
                entries: gathered(entries),
            }),
        }
    }

    /// Returns how many paths are looked at.
    #[must_use]
    pub fn paths(&self) -> usize {
        self.entries.len()
    }

    /// Returns the first thing of these paths, by their place, that is not as it was.
    pub(crate) fn first_difference(
        &self,
        of: Range<usize>,
        eyes: &impl Eyes,
    ) -> Option<Difference> {
        let entries = self.entries.get(of).unwrap_or_default();
        entries
            .iter()
            .find_map(|entry| self.difference_of(entry, eyes))
    }

    fn difference_of(&self, entry: &Entry, eyes: &impl Eyes) -> Option<Difference> {
        let now = eyes.look(&entry.path);
        let unchanged = now == entry.look;
        if unchanged && !entry.racy {
            return None;
        }
        let same = same_object(&entry.look, &now);
        let differs = |path: &Path, what| Some(difference(&self.project, path, what));
        match &entry.rule {
            Rule::Object | Rule::Names(_) if !same => {}
            Rule::All
                if !unchanged
                    || entry
                        .content
                        .is_some_and(|was| was != eyes.content(&entry.path)) => {}
            rule => {
                let found = entry.absent.iter().map(|name| entry.path.join(name));
                let found = found
                    .into_iter()
                    .find(|path| eyes.look(path).itself.is_some());
                if let Some(path) = found {
                    return differs(&path, What::New);
                }
                return match rule {
                    Rule::Names(was) => self.in_names(entry, was, &eyes.names(&entry.path)),
                    Rule::Object | Rule::All => None,
                };
            }
        }
        let what = match (entry.look.met(), now.met()) {
            (None, Some(_)) => What::New,
            (Some(_), None) => What::Gone,
            _ => What::Changed,
        };
        differs(&entry.path, what)
    }

    fn in_names(&self, entry: &Entry, was: &Names, is: &Names) -> Option<Difference> {
        let first = |these: &Names, those: &Names| {
            these
                .iter()
                .find(|name| those.binary_search(name).is_err())
                .cloned()
        };
        let (name, what) = first(is, was)
            .map(|name| (name, What::New))
            .or_else(|| first(was, is).map(|name| (name, What::Gone)))?;
        // The last byte is the kind.
        let name = String::from_utf8_lossy(&name[..name.len().saturating_sub(1)]).into_owned();
        Some(difference(&self.project, &entry.path.join(name), what))
    }
}

/// Moves what is not there to the entry of its directory, if that is there.
fn gathered(entries: Vec<Entry>) -> Vec<Entry> {
    let is_directory = |entry: &Entry| {
        entry
            .look
            .itself
            .is_some_and(|itself| itself.is_directory())
    };
    let directories: HashMap<PathBuf, usize> = entries
        .iter()
        .filter(|entry| is_directory(entry))
        .enumerate()
        .map(|(index, entry)| (entry.path.clone(), index))
        .collect();
    let mut absent: Vec<Vec<OsString>> = vec![Vec::new(); directories.len()];
    let mut kept = Vec::with_capacity(entries.len());
    for entry in entries {
        let directory = entry
            .path
            .parent()
            .and_then(|parent| directories.get(parent));
        match (directory, entry.path.file_name()) {
            (Some(index), Some(name)) if entry.look.itself.is_none() => {
                absent[*index].push(name.to_owned());
            }
            _ => kept.push(entry),
        }
    }
    for entry in kept.iter_mut().filter(|entry| is_directory(entry)) {
        if let Some(index) = directories.get(&entry.path) {
            entry.absent = std::mem::take(&mut absent[*index]);
        }
    }
    kept
}

fn difference(project: &Path, path: &Path, what: What) -> Difference {
    let within = path
        .strip_prefix(project)
        .ok()
        .filter(|within| !within.as_os_str().is_empty());
    // Of the project itself its name is enough.
    let itself = path.file_name().filter(|_| path == project).map(Path::new);
    Difference {
        path: within.or(itself).unwrap_or(path).to_owned(),
        what,
    }
}

#[cfg(test)]
mod tests;
