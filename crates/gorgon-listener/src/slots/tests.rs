//! Stories of jobs that share slots, and many drawn ones in which every property is looked at.

mod market;

use super::*;

fn job(id: &str) -> JobId {
    JobId(id.to_owned())
}

/// What happens on the left, who has what afterwards on the right: `+a2` job a enters and can use two,
/// `a!` is ready, `a-3` slot 3 comes back, `ax3` the same as its workers died, `a~3` it idles, `a*3` it is
/// busy, `a?` items wait, `a.` its job ends, `/a` it is gone, a number lets so many milliseconds pass.
fn check(total: u32, story: &[(&str, &str)]) {
    let mut slots = Slots::new(total);
    let mut now = Instant::now();
    for (step, expected) in story {
        for word in step.split(' ') {
            let (who, rest) = word.split_at(1);
            let slot = || rest[1..].parse().unwrap();
            let line = match &rest[..rest.len().min(1)] {
                _ if who == "+" => {
                    slots.enter(job(&rest[..1]), rest[1..].parse().unwrap());
                    continue;
                }
                _ if who == "/" => {
                    slots.leave(&job(rest));
                    continue;
                }
                "!" => ManagerLine::Ready,
                "." => ManagerLine::Closing,
                "?" => ManagerLine::Waiting,
                "~" => ManagerLine::Idle { slot: slot() },
                "*" => ManagerLine::Busy { slot: slot() },
                "-" | "x" => ManagerLine::Freed {
                    slot: slot(),
                    out: rest.starts_with('x'),
                },
                _ => {
                    now += Duration::from_millis(word.parse().unwrap());
                    continue;
                }
            };
            slots.heard(now, &job(who), &line);
        }
        slots.balance(now);
        assert_eq!(shown(&slots), *expected, "after {step}");
    }
}

/// `a12(3)`: job a has slots 1 and 2, and is to give 3 back.
fn shown(slots: &Slots) -> String {
    let of = |(job, share): (&JobId, &Share)| {
        let list = |recalled| -> String {
            let held = share.held.iter();
            let held = held.filter(|(_, held)| held.recalled == recalled);
            held.map(|(slot, _)| slot.to_string()).collect()
        };
        match list(true) {
            none if none.is_empty() => format!("{job}{}", list(false)),
            recalled => format!("{job}{}({recalled})", list(false)),
        }
    };
    let jobs: Vec<String> = slots.jobs.iter().map(of).collect();
    jobs.join(" ")
}

#[test]
fn a_job_alone_has_what_it_can_use_from_the_start() {
    check(4, &[("+a2", "a12"), ("a!", "a12"), ("+b9", "a12 b34")]);
    check(4, &[("+a9", "a1234"), ("a!", "a1234")]);
}

#[test]
fn a_second_job_gets_its_half_at_the_ends_of_items_and_the_first_grows_again() {
    check(
        4,
        &[
            ("+a9 a!", "a1234"),
            // It is not ready: what runs goes on.
            ("+b9", "a1234 b"),
            ("b!", "a12(34) b"),
            ("a-3", "a12(4) b3"),
            ("a-4", "a12 b34"),
            ("b. b-3", "a123 b4"),
            ("b-4 /b", "a1234"),
        ],
    );
}

#[test]
fn who_is_not_ready_has_what_others_leave() {
    check(
        4,
        &[
            ("+a9", "a1234"),
            ("+b9", "a12(34) b"),
            ("a-4 a-3", "a12 b34"),
            // One that is ready takes it all; the others keep what nobody wants.
            ("+c9 c!", "a(12) b(34) c"),
        ],
    );
}

#[test]
fn what_cannot_be_divided_stays_where_it_is() {
    check(
        3,
        &[
            ("+a1 a! +b9 b!", "a1 b23"),
            ("+c1", "a1 b23 c"),
            ("c!", "a1 b2(3) c"),
            ("b-3", "a1 b2 c3"),
        ],
    );
}

#[test]
fn a_slot_that_idles_is_taken_for_who_can_use_it_and_comes_back_when_items_do() {
    check(
        4,
        &[
            ("+a9 a!", "a1234"),
            ("+b9 b!", "a12(34) b"),
            ("a-3 a-4", "a12 b34"),
            ("b~4", "a12 b3(4)"),
            ("b-4", "a124 b3"),
            // The other one idles too: it is of no use here.
            ("b~3 b-3", "a1234 b"),
            ("b?", "a12(34) b"),
            ("a-3", "a12(4) b3"),
            ("a-4", "a12 b34"),
            ("b~3 b*3", "a12 b34"),
        ],
    );
    // Nobody else can use it.
    check(
        4,
        &[
            ("+a9 a!", "a1234"),
            ("a~2 a~3", "a1234"),
            ("+b1 b!", "a124(3) b"),
        ],
    );
}

#[test]
fn where_workers_die_again_and_again_a_slot_is_not_granted_again() {
    check(
        2,
        &[
            ("+a9 a!", "a12"),
            ("ax1", "a2"),
            ("ax2", "a"),
            ("+b9 b!", "a b12"),
        ],
    );
}

#[test]
fn jobs_without_enough_slots_take_turns() {
    check(
        1,
        &[
            ("+a9 a!", "a1"),
            ("+b9", "a1 b"),
            // It never had one: at the end of the item.
            ("b!", "a(1) b"),
            ("a-1", "a b1"),
            ("1999", "a b1"),
            ("1", "a b(1)"),
            ("b-1", "a1 b"),
            ("2000", "a(1) b"),
            ("a-1", "a b1"),
            ("/b", "a1"),
        ],
    );
}

#[test]
fn a_turn_is_due_when_it_is_said_to_be() {
    let mut slots = Slots::new(1);
    let now = Instant::now();
    for id in ["a", "b"] {
        slots.enter(job(id), 9);
        slots.heard(now, &job(id), &ManagerLine::Ready);
        slots.balance(now);
    }
    assert_eq!(slots.deadline(), None, "one is on its way");
    let freed = ManagerLine::Freed {
        slot: 1,
        out: false,
    };
    slots.heard(now, &job("a"), &freed);
    slots.balance(now);
    assert_eq!(slots.deadline(), Some(now + TURN));
}
