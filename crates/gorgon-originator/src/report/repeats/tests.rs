//! Whose results count of an item that ran on more than one host.

use std::time::{Duration, Instant};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::outcome::Verdict;

use super::Results;
use crate::ledger::tests::script::{event, rules};
use crate::ledger::{Effect, Ledger};

/// What the reports know of `count` items after these events.
fn results(count: u32, events: &[&str]) -> Results {
    let work: Vec<_> = (0..count)
        .map(|n| WorkItem::whole(ItemId(n), format!("f{n}")))
        .collect();
    let (mut results, mut ledger) = (Results::new(&work), Ledger::new(rules(), work));
    let now = Instant::now();
    for text in events.iter().flat_map(|events| events.split("; ")) {
        for effect in ledger.step(now, event(text)) {
            if let Effect::Tell(happening) = effect {
                results.take(Duration::ZERO, &happening);
            }
        }
    }
    results
}

const B_FAILS: &str = "b1 fails 1; b1 fails 2; b1 fails 3; b1 fails 4; b1 fails 5";
const C_FAILS: &str = "c1 fails 6; c1 fails 7; c1 fails 8; c1 fails 9; c1 fails 10";
/// Enough passes elsewhere for c to be suspected beside the failures of b.
const PASSES: u32 = 60;

#[test]
fn a_probe_that_outlives_its_suspicion_proves_nothing_of_another_host() {
    let passes: Vec<_> = (11..11 + PASSES)
        .map(|n| format!("a1 passes {n}"))
        .collect();
    let (count, probe) = (11 + PASSES, |n: u32| (11 + PASSES + n).to_string());
    let passed = passes.join("; ");
    // Of b: its first probe fails and clears it, while another one still runs, and passes in the end.
    let cleared = format!("a1 fails {}; d1 passes {}", probe(0), probe(1));
    let ran = format!(
        "a1 passes {}; a1 passes {}; a1 passes {}; c1 fails {}",
        probe(3),
        probe(4),
        probe(5),
        probe(6)
    );
    for late_first in [true, false] {
        let (fails, late) = cleared.split_once("; ").unwrap();
        let order = if late_first {
            [late, C_FAILS]
        } else {
            [C_FAILS, late]
        };
        let started = format!("d1 starts {}", probe(1));
        let results = results(
            count,
            &[
                "offer; a joins one; b joins one; c joins one; d joins one; a1 passes 0",
                &passed,
                B_FAILS,
                &started,
                fails,
                order[0],
                order[1],
                &ran,
            ],
        );
        assert_eq!(results.sick.len(), 1, "c is sick");
        assert_eq!(results.sick[0].probed.hostname, "c");
        let verdicts = |ids: std::ops::RangeInclusive<usize>| {
            results.files[ids]
                .iter()
                .map(|file| file.verdict)
                .collect::<Vec<_>>()
        };
        assert_eq!(verdicts(1..=5), [Some(Verdict::Failed); 5], "b was cleared");
        assert_eq!(verdicts(6..=8), [Some(Verdict::Passed); 3]);
    }
}

#[test]
fn a_suite_hook_counts_if_files_passed_in_the_sick_slot_that_count() {
    let fails = "a2 fails 1 !load; a2 fails 2 !load; a2 fails 3 !load; a2 leaks";
    let ran = "a1 passes 6; a1 passes 7; a1 passes 8; a2 fails 9 !load";
    for (before, hooks) in [("a1 passes 4", 0), ("a2 passes 4", 1)] {
        let results = results(6, &["offer; a joins; a1 passes 0", before, fails, ran]);
        assert_eq!(results.sick.len(), 1, "slot 2 of a is sick");
        assert_eq!(results.suite_hooks.len(), hooks, "{before}");
        let warned = results.warnings.iter().any(|it| it.contains("suite hook"));
        assert_eq!(warned, hooks == 0, "{before}");
    }
}
