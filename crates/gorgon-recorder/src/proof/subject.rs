//! A path, and what a boot did there: how much of it counts, and whether it is what the boot met.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::{Eyes, Look, Names, Rule, same_object};
use crate::layout;
use crate::places::Places;
use crate::recording::{Did, Recording};
use crate::stamp::{Stamp, Time};

/// A path, and all that the boot did there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) path: PathBuf,
    read: bool,
    asked: bool,
    wrote: bool,
    /// All of its content is of the boot.
    put: bool,
    /// Something in it was made or removed by the boot.
    entries_written: bool,
    /// What was there when it was first looked at; none for what is added afterwards.
    first: Option<(Look, Time)>,
    /// What the boot did with it first.
    begins_with: Option<Did>,
    /// What was there before its first write, and what was in it.
    before_write: Option<(Option<Stamp>, Option<u64>)>,
    /// The names of a directory when it was first read or asked for.
    names: Option<u64>,
}

/// Returns what has to be looked at after a boot. `added`: paths that are known to have been read, by other ways.
pub(crate) fn subjects(recording: &Recording, places: &Places, added: &[PathBuf]) -> Vec<Subject> {
    let mut found: Vec<Subject> = Vec::new();
    let mut by_path: HashMap<PathBuf, usize> = HashMap::new();
    let mut at = |path: &Path, found: &mut Vec<Subject>| -> usize {
        *by_path.entry(path.to_owned()).or_insert_with(|| {
            found.push(Subject {
                path: path.to_owned(),
                read: false,
                asked: false,
                wrote: false,
                put: false,
                entries_written: false,
                first: None,
                begins_with: None,
                before_write: None,
                names: None,
            });
            found.len() - 1
        })
    };
    for note in recording
        .notes
        .iter()
        .filter(|note| places.counts(&note.path))
    {
        let index = at(&note.path, &mut found);
        let subject = &mut found[index];
        match note.did {
            Did::Asked => subject.asked = true,
            Did::Read => subject.read = true,
            Did::Wrote => subject.wrote = true,
            Did::Put => (subject.wrote, subject.put) = (true, true),
            Did::Followed => {
                if let Some((look, _)) = &mut subject.first
                    && look.target.is_none()
                {
                    look.target = note.seen;
                }
                continue;
            }
        }
        let look = Look {
            itself: note.seen,
            target: None,
        };
        subject.first.get_or_insert((look, note.clock));
        subject.begins_with.get_or_insert(note.did);
        if matches!(note.did, Did::Read | Did::Asked) {
            subject.names = subject.names.or(note.content);
        } else {
            let before = (note.seen, note.content);
            subject.before_write.get_or_insert(before);
        }
        if matches!(note.did, Did::Wrote | Did::Put)
            && let Some(parent) = note.path.parent()
        {
            let index = at(parent, &mut found);
            found[index].entries_written = true;
        }
    }
    for path in added.iter().filter(|path| places.counts(path)) {
        let index = at(path, &mut found);
        found[index].read = true;
    }
    let above: BTreeSet<PathBuf> = found
        .iter()
        .flat_map(|subject| subject.path.ancestors().skip(1).map(Path::to_owned))
        .collect();
    for path in above {
        at(&path, &mut found);
    }
    found
}

impl Subject {
    pub(super) fn rule(&self, look: &Look, places: &Places, eyes: &impl Eyes) -> Rule {
        match look.met() {
            Some(met) if met.is_directory() => {
                let counts = self.read || (self.asked && places.names_count(&self.path, met));
                if counts {
                    Rule::Names(eyes.names(&self.path))
                } else {
                    Rule::Object
                }
            }
            _ if self.read || self.asked => Rule::All,
            _ if self.put && !places.is_written(&self.path) => Rule::All,
            // Also where nothing is: then that counts.
            _ => Rule::Object,
        }
    }

    /// Whether what is there now is what the boot met, and what a new start would meet.
    pub(super) fn is_as_met(&self, now: &Look, rule: &Rule, eyes: &impl Eyes) -> bool {
        let Some((first, clock)) = &self.first else {
            return true;
        };
        let racy = [first.itself, first.target]
            .iter()
            .flatten()
            .any(|stamp| stamp.is_racy(*clock));
        let kind = |look: &Look| look.met().map(Stamp::is_directory);
        let is_there_as_before = self.wrote_first() || kind(first) == kind(now);
        match rule {
            // What was made without a look at it was made by the boot, or by others in a place that counts for nothing
            // more.
            Rule::Object if self.wrote => is_there_as_before,
            Rule::Object => same_object(first, now),
            Rule::Names(names) if self.wrote || self.entries_written => {
                let same = match self.wrote {
                    true => is_there_as_before,
                    false => same_object(first, now),
                };
                same && self.names == Some(number(names))
            }
            Rule::All if self.wrote => {
                let others = !self.wrote_first() && (racy || self.was_changed_by_others(first));
                !others && self.is_as_before_writing(now, eyes)
            }
            Rule::All | Rule::Names(_) => first == now && !racy,
        }
    }

    fn wrote_first(&self) -> bool {
        matches!(self.begins_with, Some(Did::Wrote | Did::Put))
    }

    /// Between the first look and the first write of the boot.
    fn was_changed_by_others(&self, first: &Look) -> bool {
        self.before_write
            .is_some_and(|(before, _)| before != first.itself)
    }

    fn is_as_before_writing(&self, now: &Look, eyes: &impl Eyes) -> bool {
        let Some((before, content)) = self.before_write else {
            return true;
        };
        // A new start would write the same before it looks.
        if self.begins_with == Some(Did::Put) || before == now.itself {
            return true;
        }
        let (Some(was), Some(is)) = (before, now.itself) else {
            return false;
        };
        (was.mode, was.owner, was.size) == (is.mode, is.owner, is.size)
            && content.is_some()
            && content == eyes.content(&self.path)
    }
}

/// As the library counts names.
pub(super) fn number(names: &Names) -> u64 {
    let mut all = layout::Names::NOTHING;
    for name in names {
        // The last byte is the kind.
        all.add(&name[..name.len().saturating_sub(1)]);
    }
    all.number()
}
