//! Tables of what the ledger does about a slot in which all files fail alike. Host a has two slots, and is alone unless
//! the table says otherwise.

use super::Rules;
use super::script::{Run, rules};

#[track_caller]
fn play(rules: Rules, count: u32, events: &str, effects: &str) {
    let run = Run::new(rules, count);
    let events = format!("offer; a joins; {events}");
    assert_eq!(run.run(&events), effects, "after: {events}");
}

#[track_caller]
fn check(count: u32, events: &str, effects: &str) {
    play(rules(), count, events, effects);
}

const THREE_FAIL: &str = "a2 fails 1 !load; a2 fails 2 !load; a2 fails 3 !load";
const THREE_FAILED: &str = "failed 1; failed 2; failed 3";
const PROBES: &str = "probe 1 as 6; probe 2 as 7; probe 3 as 8; publish 6 not on a:2";
const PROBES_PASS: &str = "a1 passes 6; a1 passes 7; a1 passes 8";
const PROBES_PASSED: &str = "passed 6; publish 7 not on a:2; passed 7; publish 8 not on a:2; passed 8; \
     probe 1 as 9; publish 9 only on a:2";
/// It fails there once more, in a fresh Ruby child.
const FAILS_AGAIN: &str = "a2 fails 9 !load";
const FENCED: &str = "failed 9; sick a2 3/3 0/1; send away 2 of m.a";

#[test]
fn what_failed_in_a_sick_slot_runs_again_elsewhere() {
    let local = Rules {
        local: true,
        ..rules()
    };
    for rules in [rules(), local] {
        // So does what it begins before it hears that.
        play(
            rules,
            6,
            &format!(
                "a1 passes 0; {THREE_FAIL}; a2 fails 4 !load; {PROBES_PASS}; {FAILS_AGAIN}; \
                 a2 starts 5; a2 hands 5; a2 ends; a1 passes 10; a1 passes 5.2; a leaves done"
            ),
            &format!(
                "passed 0; {THREE_FAILED}; {PROBES}; failed 4; {PROBES_PASSED}; failed 9; \
                 sick a2 4/4 0/1; send away 2 of m.a; repeat 4 as 10; publish 10 not on a:2; \
                 send away 2 of m.a; publish 5.2; passed 10; passed 5; delete; done"
            ),
        );
    }
    // The error of the row comes first, then quickness: 4 failed in another way.
    check(
        6,
        &format!(
            "a1 passes 0; a2 fails 4; {THREE_FAIL}; {PROBES_PASS}; {FAILS_AGAIN}; a1 passes 10"
        ),
        &format!(
            "passed 0; failed 4; {THREE_FAILED}; {PROBES}; {PROBES_PASSED}; failed 9; \
             sick a2 4/4 0/1; send away 2 of m.a; repeat 4 as 10; publish 10 not on a:2; passed 10"
        ),
    );
}

#[test]
fn a_slot_in_which_a_fresh_run_does_not_fail_alike_is_well() {
    // Its process was spoiled by a file before, or what was broken there has recovered.
    for (end, ended) in [
        ("a2 passes 9", "passed 9"),
        ("a2 fails 9 !other", "failed 9"),
        ("a2 crashes 9", "crashed 9"),
    ] {
        check(
            10,
            &format!(
                "a1 passes 0; {}; {}; {}; a2 passes 4; a2 fails 5 !load; a2 fails 6 !load; \
                 a2 fails 7 !load",
                THREE_FAIL,
                PROBES_PASS
                    .replace('8', "12")
                    .replace('7', "11")
                    .replace('6', "10"),
                end.replace('9', "13"),
            ),
            &format!(
                "passed 0; {THREE_FAILED}; probe 1 as 10; probe 2 as 11; probe 3 as 12; \
                 publish 10 not on a:2; passed 10; publish 11 not on a:2; passed 11; \
                 publish 12 not on a:2; passed 12; probe 1 as 13; publish 13 only on a:2; {}; \
                 cleared a2 3/3 0/1; passed 4; failed 5; failed 6; failed 7",
                ended.replace('9', "13"),
            ),
        );
    }
}

#[test]
fn only_a_worker_of_the_slot_runs_what_is_for_it() {
    let (events, effects) = (
        format!("a1 passes 0; {THREE_FAIL}; {PROBES_PASS}"),
        format!("passed 0; {THREE_FAILED}; {PROBES}; {PROBES_PASSED}"),
    );
    check(
        6,
        &format!("{events}; a1 declines 9; a1 declines 9; {FAILS_AGAIN}"),
        &format!("{effects}; publish 9 only on a:2; publish 9 only on a:2; {FENCED}"),
    );
    // Again and again it waits for a while.
    let declines = "a1 declines 9; ".repeat(5);
    for (after, count) in [("", 4), ("+1", 5)] {
        check(
            6,
            &format!("{events}; {declines} {after}"),
            &format!("{effects}{}", "; publish 9 only on a:2".repeat(count)),
        );
    }
    check(
        6,
        &format!("{events}; a2 starts 4; a1 declines 9; a2 fails 4 !load"),
        &format!("{effects}; failed 4; publish 9 only on a:2"),
    );
    // Nobody is there who could: nothing is proven.
    for gone in ["a2 ends", "a2 dies", "a2 starts 9; a2 dies"] {
        check(
            6,
            &format!("{events}; {gone}; a1 starts 4; a1 declines 9"),
            &effects,
        );
    }
}

#[test]
fn a_slot_that_ends_a_file_otherwise_is_suspected_no_more() {
    // It has recovered.
    check(
        6,
        &format!("a1 passes 0; {THREE_FAIL}; a2 passes 4; {PROBES_PASS}"),
        &format!("passed 0; {THREE_FAILED}; {PROBES}; passed 4"),
    );
    // A probe that runs tells all the same whose the error is.
    check(
        12,
        "a1 passes 0; a2 fails 1 !load; a2 fails 2 !load; a2 fails 3 !load; a1 starts 12; \
         a2 passes 4; a1 fails 12 !load; a2 fails 5 !load; a2 fails 6 !load; a2 fails 7 !load",
        "passed 0; failed 1; failed 2; failed 3; probe 1 as 12; probe 2 as 13; probe 3 as 14; \
         publish 12 not on a:2; passed 4; failed 12; failed 5; failed 6; failed 7",
    );
}

#[test]
fn a_probe_that_fails_otherwise_is_followed_by_another_one() {
    let fails = format!("a1 passes 0; {THREE_FAIL}; a2 fails 4 !load");
    let failed = format!("passed 0; {THREE_FAILED}; {PROBES}; failed 4");
    for (end, ended) in [
        ("a1 fails 6 !own", "failed 6"),
        ("a1 crashes 6", "crashed 6"),
    ] {
        check(
            6,
            &format!(
                "{fails}; {end}; a1 passes 7; a1 passes 8; a1 passes 9; a2 fails 10 !load; a1 fails 11"
            ),
            &format!(
                "{failed}; {ended}; probe 4 as 9; publish 7 not on a:2; passed 7; \
                 publish 8 not on a:2; passed 8; publish 9 not on a:2; passed 9; probe 2 as 10; \
                 publish 10 only on a:2; failed 10; sick a2 4/4 0/1; send away 2 of m.a; \
                 repeat 1 as 11; publish 11 not on a:2; failed 11"
            ),
        );
    }
    // Where none is left, the others prove as much as they can.
    check(
        6,
        &format!(
            "a1 passes 0; {THREE_FAIL}; a1 fails 6 !own; a1 passes 7; a1 passes 8; a2 fails 9 !load"
        ),
        &format!(
            "passed 0; {THREE_FAILED}; {PROBES}; failed 6; publish 7 not on a:2; passed 7; \
             publish 8 not on a:2; passed 8; probe 2 as 9; publish 9 only on a:2; failed 9; \
             sick a2 3/3 0/1; send away 2 of m.a; repeat 1 as 10; publish 10 not on a:2"
        ),
    );
    check(
        6,
        &format!("a1 passes 0; {THREE_FAIL}; a1 fails 6 !own; a1 fails 7 !own; a1 passes 8"),
        &format!(
            "passed 0; {THREE_FAILED}; {PROBES}; failed 6; publish 7 not on a:2; failed 7; \
             publish 8 not on a:2; passed 8; cleared a2 3/3 0/1"
        ),
    );
}

#[test]
fn one_probe_that_fails_alike_clears_all_slots_of_the_error() {
    check(
        10,
        "a1 passes 0; a2 fails 1 !load; a2 fails 2 !load; a2 fails 3 !load; a1 fails 10 !load; \
         a1 passes 4; a2 passes 5; a2 fails 6 !load; a2 fails 7 !load; a2 fails 8 !load",
        "passed 0; failed 1; failed 2; failed 3; probe 1 as 10; probe 2 as 11; probe 3 as 12; \
         publish 10 not on a:2; failed 10; cleared a2 3/3 0/1; passed 4; passed 5; failed 6; \
         failed 7; failed 8",
    );
}

#[test]
fn a_host_of_one_slot_is_probed_once() {
    let begin = "offer; a joins one; b joins one";
    let fails = |count: u32| {
        let fails: Vec<_> = (1..=count).map(|n| format!("b1 fails {n} !load")).collect();
        fails.join("; ")
    };
    // As a host, then as a slot; and the other way round.
    for events in [
        format!(
            "{begin}; {}; a1 passes 0; a1 fails 10 !load; a1 idle",
            fails(5)
        ),
        format!(
            "{begin}; a1 passes 0; {}; a1 fails 10 !load; b1 fails 6 !load",
            fails(5)
        ),
    ] {
        let told = Run::new(rules(), 10).run(&events);
        assert_eq!(told.matches("probe").count(), 3, "{told}");
        assert!(told.contains("cleared"), "{told}");
    }
}

#[test]
fn a_slot_is_suspected_on_good_grounds_only() {
    for (grounds, why) in [
        (THREE_FAIL, "nothing ended elsewhere"),
        (
            "a1 passes 0; a2 fails 1 !load; a2 fails 2 !load",
            "two failed",
        ),
        (
            "a1 passes 0; a2 fails 1 !load; a2 fails 2 !other; a2 fails 3 !load",
            "they failed otherwise",
        ),
        (
            "a1 passes 0; a2 fails 1 !load; a2 fails 2 !load !other; a2 fails 3 !load",
            "one had two errors",
        ),
        (
            "a1 passes 0; a2 fails 1 !load; a2 fails 2 !load; a2 passes 4; a2 fails 3 !load",
            "one passed between them",
        ),
        (
            "a1 passes 0; a2 fails 1 !load +x; a2 fails 2 !load +x; a2 fails 3 !load +x",
            "tests passed",
        ),
        (
            "a1 passes 0; a2 fails 1 -x; a2 fails 2 -x; a2 fails 3 -x",
            "nothing is known of why",
        ),
        (
            "a1 passes 0; a2 crashes 1 !load; a2 crashes 2 !load; a2 crashes 3 !load",
            "they crashed",
        ),
        (
            "a1 fails 0 !load; a1 passes 4; a2 fails 1 !load; a2 fails 2 !load; a2 fails 3 !load",
            "it fails elsewhere too",
        ),
    ] {
        let told = Run::new(rules(), 20).run(&format!("offer; a joins; {grounds}"));
        assert!(!told.contains("probe"), "{why}: {told}");
    }
    // The only slot is not suspected, and neither is the last one.
    let told = Run::new(rules(), 20)
        .run("offer; a joins one; a1 passes 0; a1 fails 4 !x; a1 fails 5 !x; a1 fails 6 !x");
    assert!(!told.contains("probe"), "{told}");
    let told = Run::new(rules(), 20)
        .run("offer; a joins; a2 passes 0; a2 ends; a1 fails 1 !x; a1 fails 2 !x; a1 fails 3 !x");
    assert!(
        told.contains("probe"),
        "a slot without a worker gets one: {told}"
    );
}

#[test]
fn a_suite_that_fails_as_a_whole_probes_nothing() {
    let fails: Vec<_> = (0..20)
        .map(|item| format!("a{} fails {item} !load", 1 + item % 2))
        .collect();
    let told = Run::new(rules(), 30).run(&format!("offer; a joins; {}", fails.join("; ")));
    assert!(!told.contains("probe"), "{told}");
}

#[test]
fn a_host_of_which_all_fails_is_suspected_as_a_host() {
    let told = Run::new(rules(), 20).run(
        "offer; a joins; b joins; b1 fails 1 !load; b2 fails 2 !load; b1 fails 3 !load; \
         b2 fails 4 !load; b1 fails 5 !load; a1 passes 0",
    );
    assert!(
        told.ends_with("publish 20 not on b; publish 21 not on b"),
        "{told}"
    );
    // A slot of another host may run the probes, and a host whose last slot is sick leaves.
    let told = Run::new(rules(), 6).run(&format!(
        "offer; a joins one; b joins one; a1 passes 0; {}; {PROBES_PASS}; b1 fails 9 !load; b1 ends; \
         b leaves sick; b announces",
        THREE_FAIL.replace("a2", "b1")
    ));
    assert!(told.contains("publish 6 not on b:1"), "{told}");
    assert!(
        told.ends_with("sick b1 3/3 0/1; send away 1 of m.b"),
        "{told}"
    );
}

#[test]
fn a_sick_slot_is_not_believed_and_told_again() {
    let (events, effects) = (
        format!("a1 passes 0; {THREE_FAIL}; {PROBES_PASS}; {FAILS_AGAIN}"),
        format!("passed 0; {THREE_FAILED}; {PROBES}; {PROBES_PASSED}; {FENCED}"),
    );
    // It still ends what it had begun before that was known.
    check(
        6,
        &format!("{events}; a2 starts 4; a2 passes 4; a1 passes 4.2"),
        &format!("{effects}; send away 2 of m.a; publish 4.2 not on a:2; passed 4"),
    );
    // Its word was lost.
    check(
        6,
        &format!("{events}; +5; a2 ends; +5"),
        &format!(
            "{effects}; send away 2 of m.a; look m.a; look file queue; look m.a; look file queue"
        ),
    );
    // Its manager dies, and the next one knows nothing of it.
    check(
        6,
        &format!("{events}; a2 ends; a joins anew"),
        &format!("{effects}; delete m.a; send away 2 of m.a'"),
    );
    // Its manager says that nobody works there. What a1 declined then may go to anybody.
    let begins = format!("a1 passes 0; {THREE_FAIL}; a2 fails 4 !load");
    let begun = format!("passed 0; {THREE_FAILED}; {PROBES}; failed 4");
    for (leaving, told) in [("", ""), ("a joins; ", "send away 2 of m.a; ")] {
        check(
            6,
            &format!("{begins}; {PROBES_PASS}; a1 starts 5; {FAILS_AGAIN}; {leaving}a has 1; +5"),
            &format!(
                "{begun}; {PROBES_PASSED}; failed 9; sick a2 4/4 0/1; send away 2 of m.a; \
                 repeat 4 as 10; {told}publish 10; look m.a"
            ),
        );
    }
    // Its other slot is another job's for now: it is told that something waits.
    check(
        6,
        &format!("{begins}; {PROBES_PASS}; a1 starts 5; {FAILS_AGAIN}; a has 2; a1 ends"),
        &format!(
            "{begun}; {PROBES_PASSED}; failed 9; sick a2 4/4 0/1; send away 2 of m.a; \
             repeat 4 as 10; publish 5.2; wake gorgon.manager.a"
        ),
    );
    // It was gone, and has a worker again.
    check(
        6,
        &format!("{events}; a2 holds 4; a2 dies; a2' starts 4.2"),
        &format!(
            "{effects}; send away 2 of m.a; publish 4.2 not on a:2; send away 2 of m.a; \
             publish 4.3 not on a:2"
        ),
    );
}

#[test]
fn failures_of_a_sick_slot_do_not_count() {
    let fail_fast = Rules {
        fail_fast: Some(4),
        ..rules()
    };
    play(
        fail_fast,
        6,
        &format!(
            "a1 passes 0; {THREE_FAIL}; {PROBES_PASS}; {FAILS_AGAIN}; a1 fails 4; \
             a1 passes 5; a leaves done"
        ),
        &format!(
            "passed 0; {THREE_FAILED}; {PROBES}; {PROBES_PASSED}; {FENCED}; failed 4; passed 5; \
             delete; done"
        ),
    );
}

#[test]
fn a_suite_hook_of_a_sick_slot_counts_if_files_passed_there_that_count() {
    for (before, hook) in [
        (
            "",
            "warning: a suite hook of the sick slot raised: suite hook",
        ),
        ("a2 passes 5; ", "hook of a2"),
    ] {
        let told = Run::new(rules(), 6).run(&format!(
            "offer; a joins; a1 passes 0; {before}{THREE_FAIL}; {PROBES_PASS}; {FAILS_AGAIN}; a2 leaks"
        ));
        assert!(
            told.ends_with(&format!("send away 2 of m.a; {hook}")),
            "{told}"
        );
    }
}

#[test]
fn nothing_more_is_published_while_what_judges_a_slot_waits() {
    let fails: Vec<_> = (1..8)
        .map(|n| format!("a2 starts {n}; a2 fails {n} !load"))
        .collect();
    let events = format!("offer; a joins; a1 starts 0; {}", fails.join("; "));
    // Slot 1 runs a long file: slot 2 gets only what lies ahead.
    let passes = "a1 passes 60; a1 passes 61; a1 passes 62; a2 fails 63 !load";
    for singly in [true, false] {
        let run = |events: &str| {
            let mut run = Run::new(rules(), 60);
            run.ledger = run.ledger.bundling(vec![None; 60], 2);
            if singly {
                run.ledger = run.ledger.singly();
            }
            run.ledger.publish_first();
            run.run(events)
        };
        let ahead = run(&events).matches("publish").count();
        assert_eq!(
            ahead, 8,
            "nobody is suspected before a file has ended elsewhere"
        );
        let told = run(&format!(
            "{events}; a1 passes 0; a2 starts 8; a2 fails 8 !load; a2 starts 9; a2 fails 9 !load"
        ));
        let (before, after) = told.split_once("probe").unwrap();
        assert_eq!(before.matches("publish").count(), 8, "{told}");
        assert_eq!(after.matches("publish").count(), 1, "a probe: {told}");
        let told = run(&format!("{events}; a1 passes 0; {passes}"));
        assert!(told.contains("sick a2"), "{told}");
    }
}
