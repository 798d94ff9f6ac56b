//! What failed on a sick host or in a sick slot and ran again elsewhere: those results take the place of the first.

use std::collections::{BTreeMap, BTreeSet};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::text::first_line::first_line;

use super::Results;
use super::file::FileResult;
use super::files::Share;
use crate::ledger::{Probed, Repeat, Why, hook_of_sick};

/// So many ids are named in one line.
const MOST_NAMED: usize = 5;

/// A host or a slot that was found sick.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SickPlace {
    /// What was found, and on what grounds.
    pub probed: Probed,
    /// The first file that failed there, with the first line of why.
    pub first: Option<(String, String)>,
}

/// Executions of items of the plan besides their first.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// What was queued, by its own id.
    queued: BTreeMap<ItemId, (WorkItem, Repeat)>,
    /// The probes of the place that is suspected now, by the item of the plan.
    probes: BTreeMap<ItemId, ItemId>,
    /// Those of them that have ended, by the item of the plan.
    probed: BTreeMap<ItemId, FileResult>,
    /// Items of the plan whose results do not count, and that have no others yet.
    pub(super) waiting: BTreeSet<ItemId>,
}

impl Repeats {
    pub(super) fn queued(&mut self, item: &WorkItem, repeat: Repeat) {
        if repeat.why == Why::Probe {
            // One of an earlier suspicion that was dropped proves nothing.
            self.probes.insert(repeat.item, item.item);
            self.probed.remove(&repeat.item);
        }
        self.queued.insert(item.item, (item.clone(), repeat));
    }

    pub(super) fn item(&self, id: ItemId) -> Option<&WorkItem> {
        self.queued.get(&id).map(|(item, _)| item)
    }

    /// Returns a file without results for what was queued.
    pub(super) fn file(&self, id: ItemId) -> Option<FileResult> {
        self.item(id).map(FileResult::new)
    }

    pub(super) fn waits(&self, of: ItemId) -> bool {
        self.waiting.contains(&of)
    }
}

/// Returns the first line of why a file failed.
fn why(file: &FileResult) -> Option<String> {
    let test = file.failed().find_map(|tried| tried.test.told());
    let test = test.map(|test| {
        let kind = test.exception.as_deref().unwrap_or_default();
        first_line(kind, &test.message)
    });
    let error = file.errors.first();
    test.or_else(|| error.map(|error| first_line("", &error.message)))
}

fn named(ids: &[String]) -> String {
    let mut names = ids[..ids.len().min(MOST_NAMED)].join(", ");
    if ids.len() > MOST_NAMED {
        names.push_str(&format!(" and {} more", ids.len() - MOST_NAMED));
    }
    names
}

/// Says that tests are gone from a file whose parts were to run them.
pub(super) fn gone_from_parts(filename: &str, gone: &[String]) -> String {
    let names = named(gone);
    let tests = if gone.len() == 1 {
        "a test of the last run is"
    } else {
        "tests of the last run are"
    };
    format!("{filename}: {names}: {tests} there no more")
}

/// Says that tests are gone from a file, so that all of it runs.
pub(super) fn whole(item: &WorkItem, gone: &[String]) -> String {
    let names = named(gone);
    let (be, failed) = if gone.len() == 1 {
        ("is", "a test that failed")
    } else {
        ("are", "tests that failed")
    };
    format!(
        "{}: {names}: {failed} earlier {be} there no more; the whole file runs",
        item.filename
    )
}

impl Results {
    /// Tests that failed earlier are gone from a file, which runs as a whole in their place.
    pub(super) fn whole_queued(&mut self, item: &WorkItem, repeat: Repeat, gone: &[String]) {
        self.repeats.queued(item, repeat);
        if self.repeats.waiting.insert(repeat.item) {
            self.progress.open(repeat.item);
        }
        self.warn(whole(item, gone));
    }

    /// Filters left out every test of the job: an item runs without them.
    pub(super) fn unfiltered_queued(&mut self, item: &WorkItem, repeat: Repeat, by: &str) {
        self.repeats.queued(item, repeat);
        if self.repeats.waiting.insert(repeat.item) {
            self.progress.open(repeat.item);
        }
        self.warn(format!(
            "no test matched {by}: all tests were run, as the suite asks for it (run_all_when_everything_filtered); check the filter if you wanted only some"
        ));
    }

    /// The parts of a file leave tests, which run as one more item.
    pub(super) fn rest_queued(&mut self, item: &WorkItem, tests: usize) {
        if let Some(file) = self.files.get_mut(item.item.0 as usize)
            && file.share == Share::Nothing
        {
            file.share = Share::Part;
            file.verdict = None;
            self.progress.open(item.item);
        }
        log::info!(target: "gorgon::originator", file:% = item.filename, tests; "tests that no part was given");
    }

    /// A probe or a repeat came to its end.
    pub(super) fn repeat_ended(&mut self, item: ItemId, file: FileResult) {
        let Some((_, repeat)) = self.repeats.queued.get(&item) else {
            return;
        };
        let of = repeat.item;
        match repeat.why {
            Why::Instead => self.replace(of, file),
            Why::Probe if self.repeats.probes.get(&of) == Some(&item) => {
                self.repeats.probed.insert(of, file);
            }
            Why::Probe | Why::There => {}
        }
    }

    fn replace(&mut self, of: ItemId, file: FileResult) {
        self.bad.retain(|bad| *bad != of);
        if file.is_bad() {
            self.bad.push(of);
        }
        if self.repeats.waiting.remove(&of) {
            self.progress.close(of);
        }
        if let Some(first) = self.files.get_mut(of.0 as usize) {
            let share = first.share;
            *first = FileResult {
                item: of,
                share,
                ..file
            };
        }
    }

    /// A host or a slot is found sick: nothing that failed there counts. Or it is not, and all of it does.
    pub(super) fn place_probed(&mut self, probed: &Probed) {
        let mut probes = std::mem::take(&mut self.repeats.probed);
        // What still runs of them ends too late to count, and the others were of a suspicion that
        // was dropped.
        self.repeats.probes.clear();
        probes.retain(|of, _| probed.probes.contains(of));
        if !probed.sick {
            return;
        }
        let failed = |id: &&ItemId| probed.repeats.contains(id) || probed.probes.contains(id);
        let first = self.bad.iter().find(failed);
        let first = first.and_then(|id| self.files.get(id.0 as usize));
        let first = first.and_then(|file| Some((file.filename.clone(), why(file)?)));
        self.sick.push(SickPlace {
            probed: probed.clone(),
            first,
        });
        for of in probed.repeats.iter().chain(&probed.probes) {
            self.open.forget(*of);
        }
        for of in &probed.repeats {
            self.repeats.waiting.insert(*of);
            self.progress.open(*of);
        }
        for (of, file) in probes {
            self.replace(of, file);
        }
        let theirs = |hook: &gorgon_proto::message::SuiteHookFailed| {
            let place = &probed.place;
            !probed.keeps_hooks() && place.has(&hook.listener_id, hook.worker_id)
        };
        let (gone, kept) = std::mem::take(&mut self.suite_hooks)
            .into_iter()
            .partition(theirs);
        self.suite_hooks = kept;
        for hook in Vec::from_iter::<Vec<_>>(gone) {
            self.warn_of(&hook_of_sick(&hook, &probed.place));
        }
    }

    /// Returns how the items ended that failed at a sick place: passed, failed, not run again.
    #[must_use]
    pub fn ended_elsewhere(&self, probed: &Probed) -> (usize, usize, usize) {
        let (mut passed, mut failed, mut open) = (0, 0, 0);
        for of in probed.repeats.iter().chain(&probed.probes) {
            match self.files.get(of.0 as usize) {
                _ if self.repeats.waits(*of) => open += 1,
                Some(file) if file.is_bad() => failed += 1,
                Some(_) | None => passed += 1,
            }
        }
        (passed, failed, open)
    }
}

#[cfg(test)]
mod tests;
