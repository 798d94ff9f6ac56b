//! Files that failed anew in parts: each runs once more, whole, and only that counts. Its tests may rely
//! on those before them in the file.

use std::collections::BTreeMap;

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::message::Finish;
use gorgon_proto::outcome::FinishType;

use super::Ledger;
use super::event::{Effect, Happening};
use super::parts::{Split, Splits};
use super::sick::Repeat;

/// What the execution of a part that counts has added to the job.
#[derive(Debug, Default)]
pub(super) struct Told {
    tests: usize,
    failed_tests: usize,
    failures: u32,
    /// A test failed that was not known to fail, or something outside of tests.
    anew: bool,
    /// It did not come to its end: it crashed, took too long, or was lost.
    broken: bool,
}

impl Split {
    /// Returns whether the cut may be to blame for what failed. Where a part was broken the file is so,
    /// whatever the rest of it does.
    fn is_doubtful(&self) -> bool {
        let any_anew = self.told.values().any(|told| told.anew);
        any_anew && !self.uncut && !self.told.values().any(|told| told.broken)
    }
}

impl Splits {
    /// An execution of a part ended that counts, and has added so much to the failures of the job.
    pub(super) fn counted(&mut self, part: ItemId, finish: &Finish, failures: u32) {
        let Some(split) = self.get(part) else {
            return;
        };
        let failed = || finish.tests.iter().filter(|test| test.outcome.is_bad());
        let told = Told {
            tests: finish.tests.len(),
            failed_tests: failed().count(),
            failures,
            anew: !finish.errors.is_empty() || failed().any(|it| !split.failing.contains(&it.id)),
            broken: matches!(finish.kind, FinishType::Crash | FinishType::Timeout),
        };
        split.told.insert(part, told);
    }

    /// What a part has said counts no more: it passes elsewhere, or will have run there.
    pub(super) fn forget(&mut self, part: ItemId) {
        if let Some(split) = self.get(part) {
            split.told.insert(part, Told::default());
        }
    }

    /// A part was lost with its hosts.
    pub(super) fn lost(&mut self, part: ItemId) {
        if let Some(split) = self.get(part) {
            let broken = true;
            split.told.insert(
                part,
                Told {
                    broken,
                    ..Told::default()
                },
            );
        }
    }
}

impl Ledger {
    /// Names tests, by file, that failed when they last ran: that they fail in a part says nothing
    /// about the cut.
    #[must_use]
    pub fn knowing(mut self, failing: &BTreeMap<String, Vec<String>>) -> Self {
        for split in &mut self.splits.files {
            let file = self.items.get(split.rest).map(|item| &item.work.filename);
            let ids = file.and_then(|file| failing.get(file));
            split.failing = ids.into_iter().flatten().cloned().collect();
        }
        self
    }

    /// Queues the files that failed anew in parts, when every item of the plan has its verdict. Returns
    /// whether there are any. What has failed in their parts has not been.
    pub(super) fn queue_uncut(&mut self, out: &mut Vec<Effect>) -> bool {
        let mut any = false;
        for place in 0..self.splits.files.len() {
            let split = &mut self.splits.files[place];
            if !split.is_doubtful() {
                continue;
            }
            split.uncut = true;
            let told = std::mem::take(&mut split.told);
            let parts: Vec<ItemId> = told.keys().copied().collect();
            let Some(first) = parts.first().and_then(|part| self.items.get(*part)) else {
                continue;
            };
            let work = WorkItem {
                fresh: true,
                ..WorkItem::whole(ItemId(0), first.work.filename.clone())
            };
            let repeat = Repeat {
                item: first.work.item,
                probe: false,
            };
            for (part, told) in told {
                self.failures = self.failures.saturating_sub(told.failures);
                self.retries.forget(part, told.tests, told.failed_tests);
            }
            let item = self.items.add_in_place_of(work, repeat);
            out.push(Effect::Tell(Happening::UncutQueued {
                item: item.clone(),
                repeat,
                parts,
            }));
            out.push(Effect::Publish(item));
            any = true;
        }
        if any {
            self.sick.close();
        }
        any
    }
}
