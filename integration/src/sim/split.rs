//! Files that are split by what their last run had, which may differ from what they have.

use std::time::Duration;

use gorgon_proto::item::{ItemId, WorkItem};

use super::child::{TESTS, test_id};
use super::plan::{Nature, Plan, u32_of};
use crate::soak::dice::Dice;

/// Of so many histories one splits files; none that was known before there were parts.
const ONE_OF: u64 = 5;
const WHICH: u64 = 1;
/// Of so many histories one has files that depend on what ran before; none that was known before.
const FOLLOW_ONE_OF: u64 = 4;
const FOLLOW_WHICH: u64 = 3;
/// Of so many histories one has bundles; none that was known before.
const BUNDLE_ONE_OF: u64 = 3;
const BUNDLE_WHICH: u64 = 2;
/// One in this many histories with bundles has small times.
const SMALL_ONE_OF: u64 = 7;
/// In a history with small times, one of this many files takes longer.
pub(super) const SLOW_ONE_OF: u64 = 40;
/// About how many milliseconds each of the others takes.
const SMALL_MS: u64 = 6;

/// Returns the items of a job: files, and parts of files, and what these leave.
pub(super) fn work(plan: &Plan, seed: u64) -> Vec<WorkItem> {
    // Of its own, so that the rest of the history is the same.
    let mut dice = Dice::new(seed.wrapping_mul(31));
    let mut work: Vec<WorkItem> = Vec::new();
    let mut rests = Vec::new();
    for n in 0..plan.natures.len() {
        let whole = WorkItem::whole(ItemId(0), format!("f{n}_spec.rb"));
        if seed % ONE_OF != WHICH || dice.roll(2) == 0 {
            work.push(whole);
            continue;
        }
        // The last run had one test less, or more, or as many.
        let known = TESTS - 1 + u32_of(dice.roll(3));
        let mut parts = vec![Vec::new(); 2 + usize::from(dice.roll(3) == 0)];
        let count = parts.len();
        for (place, n) in (1..=known).enumerate() {
            parts[place % count].push(test_id(n));
        }
        let parts: Vec<_> = parts.into_iter().filter(|ids| !ids.is_empty()).collect();
        rests.push(WorkItem {
            part: true,
            except: parts.concat(),
            ..whole.clone()
        });
        work.extend(parts.into_iter().map(|tests| WorkItem {
            part: true,
            tests,
            ..whole.clone()
        }));
    }
    work.append(&mut rests);
    for (n, item) in (0u32..).zip(&mut work) {
        item.item = ItemId(n);
    }
    work
}

/// Makes tests of some files that are split rely on each other.
pub(super) fn rely(plan: &mut Plan, work: &[WorkItem], seed: u64) {
    let mut dice = Dice::new(seed.wrapping_mul(37));
    let mut split: Vec<&str> = work
        .iter()
        .filter(|item| item.part)
        .map(|item| item.filename.as_str())
        .collect();
    split.sort_unstable();
    split.dedup();
    for (n, nature) in plan.natures.iter_mut().enumerate() {
        let is_split = split.contains(&format!("f{n}_spec.rb").as_str());
        if is_split && *nature == Nature::Passes && dice.roll(4) == 0 {
            *nature = Nature::Relies;
        }
    }
}

/// Makes some files depend on what ran before them in their Ruby child.
pub(super) fn follow(plan: &mut Plan, seed: u64) {
    if seed % FOLLOW_ONE_OF != FOLLOW_WHICH {
        return;
    }
    let mut dice = Dice::new(seed.wrapping_mul(41));
    for nature in plan.natures.iter_mut().filter(|it| **it == Nature::Passes) {
        match dice.roll(12) {
            0 => *nature = Nature::Follows,
            1 => *nature = Nature::Clashes,
            _ => {}
        }
    }
}

/// Makes the times of files small, and adds files: a job makes bundles by its own times only when some have ended.
pub(super) fn shrink(plan: &mut Plan, seed: u64) {
    if !bundles(seed) || !seed.is_multiple_of(SMALL_ONE_OF) {
        return;
    }
    plan.times_small = true;
    plan.holds_back = !seed.is_multiple_of(2);
    let mut dice = Dice::new(seed.wrapping_mul(53));
    let more = 30 + dice.roll(120);
    let natures = plan.natures.clone();
    for _ in 0..more {
        // Most of them pass, as a child goes on by itself only after a file that passes.
        let drawn = dice.pick(&natures).copied().filter(|_| dice.roll(8) == 0);
        plan.natures.push(drawn.unwrap_or(Nature::Passes));
    }
    // The job is short. Faults and cancels come while its files run.
    let slots: u64 = plan.hosts.iter().map(|host| u64::from(host.slots)).sum();
    let span = plan.natures.len() as u64 * (SMALL_MS + plan.item_ms / SLOW_ONE_OF / 2) / slots;
    let times = plan.faults.iter_mut().map(|(at, _)| at);
    for at in times.chain(&mut plan.cancels) {
        *at = Duration::from_millis(dice.roll(span));
    }
    plan.cancels.sort_unstable();
}

fn bundles(seed: u64) -> bool {
    seed % BUNDLE_ONE_OF == BUNDLE_WHICH
}

/// Makes small files share a message: by what is known of some, and by what this job sees of the others.
pub(super) fn bundle(plan: &mut Plan, work: &[WorkItem], seed: u64) {
    if !bundles(seed) {
        return;
    }
    let mut dice = Dice::new(seed.wrapping_mul(43));
    // Half of the jobs with small times have no history at all.
    let new = plan.times_small && dice.roll(2) == 0;
    let known = |dice: &mut Dice| match dice.roll(4) {
        _ if new => None,
        0 => None,
        1 => Some(0.02),
        _ => Some(0.001),
    };
    plan.seconds = Some(work.iter().map(|_| known(&mut dice)).collect());
}

/// Returns whether an item is to run a test.
pub(super) fn asks_for(item: &WorkItem, id: &str) -> bool {
    let named = item.tests.iter().any(|test| test == id);
    named || (item.tests.is_empty() && !item.except.iter().any(|test| test == id))
}
