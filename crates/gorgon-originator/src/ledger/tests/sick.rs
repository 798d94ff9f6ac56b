//! Tables of what the ledger does about a host on which everything fails. Host a has one slot, and
//! so has b.

use super::script::{Run, rules};
use super::{Rules, check_with};

#[track_caller]
fn play(rules: Rules, count: u32, events: &str, effects: &str) {
    let run = Run::new(rules, count);
    let events = format!("offer; a joins one; b joins one; {events}");
    assert_eq!(run.run(&events), effects, "after: {events}");
}

#[track_caller]
fn check(count: u32, events: &str, effects: &str) {
    play(rules(), count, events, effects);
}

const FIVE_FAIL: &str = "b1 fails 1; b1 fails 2; b1 fails 3; b1 fails 4; b1 fails 5";
const FIVE_FAILED: &str = "failed 1; failed 2; failed 3; failed 4; failed 5";
const PROBES: &str = "probe 1 as 6; probe 2 as 7; probe 3 as 8; publish 6 not on b";
/// And one of these fails there again, in a fresh Ruby child.
const PROBES_PASS: &str = "a1 passes 6; a1 passes 7; a1 passes 8; b1 fails 9";
const PROBES_PASSED: &str = "passed 6; publish 7 not on b; passed 7; publish 8 not on b; passed 8; \
     probe 1 as 9; publish 9 only on b; failed 9";
const FENCED: &str =
    "sick b 5/5 0/1; send away m.b; repeat 4 as 10; repeat 5 as 11; publish 10 not on b";

#[test]
fn what_failed_on_a_sick_host_runs_again_elsewhere() {
    check(
        6,
        &format!(
            "a1 passes 0; {FIVE_FAIL}; {PROBES_PASS}; a1 passes 10; a1 fails 11; b leaves sick; \
             a leaves done"
        ),
        &format!(
            "passed 0; {FIVE_FAILED}; {PROBES}; {PROBES_PASSED}; {FENCED}; passed 10; \
             publish 11 not on b; failed 11; delete; done"
        ),
    );
    // Once the host has left, nobody has to wait for a worker that is free.
    check(
        6,
        &format!("a1 passes 0; {FIVE_FAIL}; {PROBES_PASS}; a1 starts 10; b leaves sick"),
        &format!("passed 0; {FIVE_FAILED}; {PROBES}; {PROBES_PASSED}; {FENCED}; publish 11"),
    );
}

#[test]
fn one_probe_that_fails_clears_the_host_for_good() {
    for end in ["fails 7", "crashes 7"] {
        check(
            7,
            &format!(
                "a1 passes 0; {FIVE_FAIL}; b1 starts 6; a1 passes 7; a1 {}; b1 fails 6; \
                      a leaves done; b leaves done",
                end.replace('7', "8")
            ),
            &format!(
                "passed 0; {FIVE_FAILED}; probe 1 as 7; probe 2 as 8; probe 3 as 9; \
                 publish 7 not on b; passed 7; publish 8 not on b; {} 8; cleared b 5/5 0/1; \
                 failed 6; delete; done",
                if end == "fails 7" {
                    "failed"
                } else {
                    "crashed"
                }
            ),
        );
    }
    check(
        6,
        &format!(
            "a1 passes 0; {FIVE_FAIL}; a1 starts 6; a1 dies; a1' starts 6.2; a1' dies; \
             a1'' starts 6.3; a1'' dies; b leaves done; a leaves done"
        ),
        &format!(
            "passed 0; {FIVE_FAILED}; {PROBES}; publish 6.2 not on b; publish 6.3 not on b; \
             lost 6 on a,a,a; cleared b 5/5 0/1; delete; done"
        ),
    );
}

#[test]
fn a_host_is_suspected_on_good_grounds_only() {
    for (grounds, why) in [
        (
            "a1 passes 0; b1 fails 1; b1 fails 2; b1 fails 3; b1 fails 4",
            "four failed",
        ),
        (FIVE_FAIL, "nothing ended elsewhere"),
        (
            "a1 fails 0; b1 fails 1; b1 fails 2; b1 fails 3; b1 fails 4; b1 fails 5",
            "all fail",
        ),
        (
            "a1 passes 0; b1 passes 6; b1 passes 7; b1 passes 8; b1 passes 9; b1 passes 10; \
             b1 passes 11; b1 fails 1; b1 fails 2; b1 fails 3; b1 fails 4; b1 fails 5",
            "less than half failed",
        ),
    ] {
        let run = Run::new(rules(), 20);
        let told = run.run(&format!("offer; a joins one; b joins one; {grounds}"));
        assert!(!told.contains("probe"), "{why}: {told}");
    }
    // With a tenth of failures elsewhere it is; and time-outs and crashes are failures too.
    let passes: Vec<_> = (6..15).map(|item| format!("a1 passes {item}")).collect();
    let run = Run::new(rules(), 20);
    let told = run.run(&format!(
        "offer; a joins one; b joins one; a1 fails 0; {}; b1 crashes 1; b1 crashes 2; b1 fails 3; \
         b1 fails 4; b1 fails 5",
        passes.join("; ")
    ));
    assert!(
        told.ends_with("probe 3 as 22; publish 20 not on b"),
        "{told}"
    );
}

#[test]
fn the_last_host_and_the_only_one_are_never_sent_away() {
    // b is alone when it has failed enough.
    check(
        6,
        &format!("a1 passes 0; a leaves stopped; {FIVE_FAIL}; b leaves done"),
        &format!("passed 0; delete m.a; {FIVE_FAILED}; delete; done"),
    );
    // The other one leaves while it runs a probe; the probe is of no use to b.
    check(
        6,
        &format!("a1 passes 0; {FIVE_FAIL}; a1 starts 6; a leaves stopped; b leaves done"),
        &format!("passed 0; {FIVE_FAILED}; {PROBES}; delete m.a; delete; done"),
    );
    // Its link is cut meanwhile.
    check(
        6,
        &format!(
            "a1 passes 0; {FIVE_FAIL}; a1 starts 6; b1 returns 6; a leaves lost; +3; b leaves done"
        ),
        &format!("passed 0; {FIVE_FAILED}; {PROBES}; delete m.a; lost host a; delete; done"),
    );
    check_with(
        rules(),
        6,
        "a1 fails 0; a1 fails 1; a1 fails 2; a1 fails 3; a1 fails 4; a2 passes 5",
        "failed 0; failed 1; failed 2; failed 3; failed 4; passed 5; delete",
    );
}

#[test]
fn what_a_sick_host_still_does_is_done_again_elsewhere() {
    // Its slot 2 runs 6 when it is sent away, begins 7, and hands both back or ends them: all one.
    let fenced = FENCED
        .replace("as 11", "as 13")
        .replace("as 10", "as 12")
        .replace("publish 10", "publish 6.2");
    let probes = |text: &str| {
        let shift = [("9", "k"), ("8", "j"), ("7", "i"), ("6", "h")];
        let text = shift
            .iter()
            .fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
        let back = [("k", "11"), ("j", "10"), ("i", "9"), ("h", "8")];
        let number = |text: String, (from, to): &(&str, &str)| {
            text.replace(&format!(" {from}"), &format!(" {to}"))
        };
        back.iter().fold(text, number)
    };
    check(
        8,
        &format!(
            "a1 passes 0; {FIVE_FAIL}; b2 starts 6; {}; b2 passes 6; b2 starts 7; b2 hands 7; \
             a1 passes 6.2; a1 passes 7.2; a1 passes 12; b2 passes 7; a1 passes 13; b leaves sick; \
             a leaves done",
            probes(PROBES_PASS)
        ),
        &format!(
            "passed 0; {FIVE_FAILED}; {}; {}; {fenced}; send away m.b; passed 6; publish 7.2 not on b; passed 7; \
             publish 12 not on b; passed 12; publish 13 not on b; passed 13; delete; done",
            probes(PROBES),
            probes(PROBES_PASSED)
        ),
    );
}

#[test]
fn a_sick_host_is_sent_away_again_and_offered_nothing() {
    let (events, effects) = (
        format!("a1 passes 0; {FIVE_FAIL}; {PROBES_PASS}; a1 starts 10"),
        format!("passed 0; {FIVE_FAILED}; {PROBES}; {PROBES_PASSED}; {FENCED}"),
    );
    check(
        6,
        &format!("{events}; b joins one"),
        &format!("{effects}; send away m.b"),
    );
    check(
        6,
        &format!("{events}; b leaves sick; b announces"),
        &format!("{effects}; publish 11"),
    );
    // The host that is left leaves too: the job waits for another, but not for the sick one.
    check(
        6,
        &format!("{events}; b leaves sick; a leaves stopped; b answers accepted; b joins one; +61"),
        &format!(
            "{effects}; publish 11; offer; send away m.b; look file queue; \
             done NoListener {{ had_hosts: true, refused: [] }}"
        )
        .replace("offer;", "delete m.a; publish 10.2; offer;"),
    );
}

#[test]
fn who_declines_again_and_again_is_given_a_rest() {
    check(
        6,
        &format!(
            "a1 passes 0; {FIVE_FAIL}; b1 declines 6; b1 declines 6; b1 declines 6; +1; \
             b1 declines 7"
        ),
        &format!(
            "passed 0; {FIVE_FAILED}; {PROBES}; publish 6 not on b; publish 6 not on b; \
             publish 7 not on b; publish 6 not on b"
        ),
    );
    // While nobody else is free it does not go back to the queue at all.
    check(
        7,
        &format!("a1 passes 0; {FIVE_FAIL}; a1 starts 6; b1 declines 7; a1 passes 6"),
        &format!(
            "passed 0; {FIVE_FAILED}; probe 1 as 7; probe 2 as 8; probe 3 as 9; \
             publish 7 not on b; passed 6; publish 7 not on b"
        ),
    );
}

#[test]
fn failures_of_a_sick_host_are_not_retried_and_do_not_count() {
    let retries = Rules {
        retries: 2,
        ..rules()
    };
    let fail = "b1 fails 1 -x; b1 fails 2 -x; b1 fails 3 -x; b1 fails 4 -x; b1 fails 5 -x";
    play(
        retries.clone(),
        6,
        &format!(
            "a1 passes 0; {fail}; {PROBES_PASS}; a1 passes 10; a1 fails 11 -x; b leaves sick; a leaves done"
        ),
        &format!(
            "passed 0; {FIVE_FAILED}; {PROBES}; {PROBES_PASSED}; {FENCED}; passed 10; \
             publish 11 not on b; failed 11; delete; done"
        ),
    );
    // Of a host that was cleared they are.
    play(
        retries,
        6,
        &format!("a1 passes 0; {fail}; a1 fails 6"),
        &format!(
            "passed 0; {FIVE_FAILED}; {PROBES}; failed 6; cleared b 5/5 0/1; \
             retry 1 x as 9.1 not on b:1"
        ),
    );
    let fail_fast = |n| Rules {
        fail_fast: Some(n),
        ..rules()
    };
    play(
        fail_fast(6),
        6,
        &format!("a1 passes 0; {FIVE_FAIL}; {PROBES_PASS}; a1 fails 10; a1 passes 11"),
        &format!(
            "passed 0; {FIVE_FAILED}; {PROBES}; {PROBES_PASSED}; {FENCED}; failed 10; \
             publish 11 not on b; passed 11; delete"
        ),
    );
    play(
        fail_fast(5),
        7,
        &format!("a1 passes 0; {FIVE_FAIL}; +1; a leaves done; b leaves done"),
        &format!("passed 0; {FIVE_FAILED}; purge; delete; done FailFast"),
    );
}

#[test]
fn a_cancel_ends_probes_and_repeats() {
    check(
        6,
        &format!("a1 passes 0; {FIVE_FAIL}; a1 starts 6; cancel; a1 passes 6; +1"),
        &format!("passed 0; {FIVE_FAILED}; {PROBES}; cancel; purge; passed 6; done Cancelled"),
    );
    check(
        6,
        &format!("a1 passes 0; {FIVE_FAIL}; {PROBES_PASS}; cancel; b1 declines 10; +1"),
        &format!(
            "passed 0; {FIVE_FAILED}; {PROBES}; {PROBES_PASSED}; {FENCED}; cancel; purge; \
             done Cancelled"
        ),
    );
}

#[test]
fn a_sick_host_that_did_not_hear_that_it_is_to_leave_is_told_again() {
    let (events, effects) = (
        format!("a1 passes 0; {FIVE_FAIL}; {PROBES_PASS}; a1 starts 10"),
        format!("passed 0; {FIVE_FAILED}; {PROBES}; {PROBES_PASSED}; {FENCED}"),
    );
    // The broker forgot it.
    check(
        6,
        &format!("{events}; down; up"),
        &format!("{effects}; offer; send away m.b"),
    );
    // Somebody purged its queue.
    for word in ["b1 starts 11", "b1 holds 11"] {
        check(
            6,
            &format!("{events}; {word}"),
            &format!("{effects}; send away m.b"),
        );
    }
    check(
        6,
        &format!("{events}; +5; b leaves sick; +5"),
        &format!("{effects}; send away m.b; look m.a m.b; publish 11; look m.a"),
    );
    // It was written off, and lives.
    check(
        6,
        &format!("{events}; b leaves lost; b1 starts 11"),
        &format!("{effects}; delete m.b; lost host b; publish 11; send away m.b; publish 11.2"),
    );
}
