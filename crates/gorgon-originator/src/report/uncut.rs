//! Files that failed anew in parts and ran again whole: those results take the place of all parts'.

use std::collections::HashSet;

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::outcome::Verdict;

use super::Results;
use super::file::FileResult;
use super::files::Share;
use super::visible::one_line;
use crate::ledger::Repeat;

/// Says that a file runs again, whole.
pub(super) fn runs_whole(item: &WorkItem) -> String {
    let file = one_line(&item.filename);
    format!("{file} failed in parts and runs once more, whole")
}

/// Says that a file is not cut again.
fn relies(filename: &str) -> String {
    format!(
        "{filename}: what failed in parts of it has passed in the whole: its tests seem to rely on each other; it is not cut again until it is changed"
    )
}

impl Results {
    /// A file runs again in the place of its parts.
    pub(super) fn uncut_queued(&mut self, item: &WorkItem, repeat: Repeat, parts: &[ItemId]) {
        self.repeats.queued(item, repeat);
        for part in parts {
            self.open.forget(*part);
            self.repeats.waiting.insert(*part);
        }
        self.progress.open(repeat.item);
        self.repeats.uncut.insert(repeat.item, parts.to_vec());
    }

    /// The whole file came to its end, or was lost.
    pub(super) fn uncut_ended(&mut self, of: ItemId, parts: &[ItemId], file: FileResult) {
        if self.cut_is_to_blame(parts, &file) {
            self.warn(relies(&file.filename));
            self.repeats.relying.insert(of);
        }
        self.bad.retain(|bad| !parts.contains(bad));
        if file.is_bad() {
            self.bad.push(of);
        }
        self.progress.close(of);
        for part in parts {
            self.repeats.waiting.remove(part);
            if let Some(part) = self.files.get_mut(part.0 as usize) {
                part.share = Share::Nothing;
                part.verdict = Some(Verdict::NotRun);
                part.tests.clear();
                part.retries.clear();
                part.errors.clear();
                part.output.clear();
            }
        }
        if let Some(first) = self.files.get_mut(of.0 as usize) {
            *first = FileResult { item: of, ..file };
        }
    }

    /// Returns whether something that failed in a part has not in the whole file.
    fn cut_is_to_blame(&self, parts: &[ItemId], file: &FileResult) -> bool {
        if !matches!(file.verdict, Some(Verdict::Passed | Verdict::Failed)) {
            return false;
        }
        let good = file.tests.iter().filter(|test| !test.outcome().is_bad());
        let good: HashSet<&str> = good.map(|test| test.id()).collect();
        let parts = parts
            .iter()
            .filter_map(|part| self.files.get(part.0 as usize));
        let mut failed = parts.clone().flat_map(|part| &part.tests);
        failed.any(|test| test.outcome().is_bad() && good.contains(test.id()))
            || (file.errors.is_empty() && parts.into_iter().any(|part| !part.errors.is_empty()))
    }

    /// Returns whether the tests of a file were found to rely on each other.
    #[must_use]
    pub fn relies(&self, first: ItemId) -> bool {
        self.repeats.relying.contains(&first)
    }
}
