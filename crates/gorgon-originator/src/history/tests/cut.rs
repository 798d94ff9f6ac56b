//! What a file may be cut into, and when a cut is doubted.

use super::*;

#[test]
fn pieces_are_tests_and_the_groups_that_hold_them() {
    let grouped = |id: &str, group: &str| TestRecord {
        group: Some(group.to_owned()),
        ..test(id, 1.0, false)
    };
    let record = |tests| FileRecord {
        seconds: Some(5.0),
        divisible: true,
        tests,
        ..FileRecord::default()
    };
    let tests = vec![
        grouped("1", "A"),
        test("2", 1.5, false),
        grouped("3", "A"),
        grouped("4", "B"),
    ];
    let known = record(tests.clone()).pieces().unwrap();
    let shown: Vec<_> = known
        .pieces
        .iter()
        .map(|piece| piece.tests.join("+"))
        .collect();
    assert_eq!(shown, ["1+3", "2", "4"]);
    assert!((known.load - 0.5).abs() < 1e-9, "{}", known.load);

    let whole = |change: &dyn Fn(&mut FileRecord)| {
        let mut record = record(tests.clone());
        change(&mut record);
        assert_eq!(record.pieces(), None, "{record:?}");
    };
    whole(&|record| record.divisible = false);
    whole(&|record| record.broken = true);
    whole(&|record| record.seconds = None);
    whole(&|record| record.red = true);
    whole(&|record| record.tests[0].failed = true);
    whole(&|record| record.tests.push(test("2", 1.0, false)));
    whole(&|record| record.tests.truncate(1));
}

#[test]
fn a_file_whose_tests_have_other_names_each_time_is_not_cut_again_until_it_changes() {
    let ran_as = |mtime_ns, ids: [&str; 3]| Ran::Whole {
        seconds: 3.0,
        stamp: Some(Stamp { bytes: 1, mtime_ns }),
        tests: ids.map(|id| test(id, 1.0, false)).to_vec(),
        divisible: true,
        cut: true,
        relies: false,
        unjudged: false,
        flaky: false,
    };
    let check = |runs: &[(i64, [&str; 3])], may_be_cut: bool| {
        let mut history = History::default();
        for (mtime_ns, ids) in runs {
            history.merge(&ran(&[("a.rb", ran_as(*mtime_ns, *ids))]));
        }
        let pieces = history.files["a.rb"].pieces();
        assert_eq!(pieces.is_some(), may_be_cut, "{runs:?}");
    };
    let (first, second) = ((1, ["a", "b", "c"]), (1, ["d", "e", "c"]));
    check(&[first, second], false);
    check(&[first, second, second], false);
    check(&[first, second, (2, ["d", "e", "c"])], true);
    check(&[first, (2, ["d", "e", "c"])], true);
    // A helper defines one more, or another one.
    check(&[first, (1, ["a", "b", "d"])], true);
}

#[test]
fn a_file_that_fails_in_parts_and_passes_as_a_whole_is_not_cut_again_until_it_changes() {
    let ran_as = |mtime_ns, cut, failed| Ran::Whole {
        seconds: 3.0,
        stamp: Some(Stamp { bytes: 1, mtime_ns }),
        tests: vec![test("1", 1.0, failed), test("2", 1.0, false)],
        divisible: true,
        cut,
        relies: false,
        unjudged: false,
        flaky: false,
    };
    let check = |runs: &[(i64, bool, bool)], may_be_cut: bool| {
        let mut history = History::default();
        for (mtime_ns, cut, failed) in runs {
            history.merge(&ran(&[("a.rb", ran_as(*mtime_ns, *cut, *failed))]));
        }
        let pieces = history.files["a.rb"].pieces();
        assert_eq!(pieces.is_some(), may_be_cut, "{runs:?}");
    };
    check(&[(1, false, false)], true);
    check(&[(1, false, true)], false);
    check(&[(1, false, true), (1, false, false)], true);
    check(&[(1, true, false)], true);
    check(&[(1, true, true)], false);
    // The whole file fails too: the cut is not to blame.
    check(&[(1, true, true), (1, false, true)], false);
    check(
        &[(1, true, true), (1, false, true), (1, false, false)],
        true,
    );
    check(&[(1, true, true), (1, false, false)], false);
    check(
        &[(1, true, true), (1, false, false), (1, false, false)],
        false,
    );
    check(
        &[(1, true, true), (1, false, false), (2, false, false)],
        true,
    );

    // What failed in parts may need what was cut away.
    let mut history = History::default();
    history.merge(&ran(&[("a.rb", ran_as(1, true, true))]));
    assert_eq!(history.failures()[0].tests, [""; 0]);
    history.merge(&ran(&[("a.rb", ran_as(1, false, true))]));
    assert_eq!(history.failures()[0].tests, ["1"]);

    // What failed in the whole file passes in parts, and fails in the whole file again.
    let mut history = History::default();
    let pieces = |history: &History| history.files["a.rb"].pieces().is_some();
    for (cut, failed, may_be_cut) in [
        (false, true, false),
        (true, false, false),
        (false, true, false),
        (false, true, false),
    ] {
        history.merge(&ran(&[("a.rb", ran_as(1, cut, failed))]));
        assert_eq!(pieces(&history), may_be_cut);
    }
    // It is mended, and passes in the whole file, too.
    let mut history = History::default();
    for (cut, failed, may_be_cut) in [
        (false, true, false),
        (true, false, false),
        (false, false, true),
    ] {
        history.merge(&ran(&[("a.rb", ran_as(1, cut, failed))]));
        assert_eq!(pieces(&history), may_be_cut);
    }

    // It ran whole in the same job.
    for (failed, relies, may_be_cut) in [
        (false, true, false),
        (true, true, false),
        (true, false, false),
    ] {
        let mut history = History::default();
        for relies in [false, relies] {
            let mut ran_now = ran_as(1, false, failed);
            if let Ran::Whole { relies: it, .. } = &mut ran_now {
                *it = relies;
            }
            history.merge(&ran(&[("a.rb", ran_now)]));
        }
        assert_eq!(history.files["a.rb"].pieces().is_some(), may_be_cut);
    }

    // The job ended before it could, or before all its parts had.
    let failed = || vec![test("1", 1.0, true)];
    for early in [
        Ran::Some {
            tests: failed(),
            cut: true,
            unjudged: false,
        },
        Ran::Broken {
            tests: failed(),
            cut: true,
            unjudged: false,
        },
    ] {
        let mut history = History::default();
        history.merge(&ran(&[("a.rb", ran_as(1, false, false))]));
        history.merge(&ran(&[("a.rb", early)]));
        assert_eq!(history.files["a.rb"].pieces(), None);
        history.merge(&ran(&[("a.rb", ran_as(1, false, false))]));
        assert_eq!(history.files["a.rb"].pieces(), None, "the cut is to blame");
    }
}

#[test]
fn a_file_of_which_a_test_failed_runs_whole_until_it_has_passed_whole() {
    let tests = |failed| vec![test("1", 1.0, failed), test("2", 1.0, false)];
    let ran_as = |failed, flaky| Ran::Whole {
        seconds: 3.0,
        stamp: None,
        tests: tests(failed),
        divisible: true,
        cut: false,
        relies: false,
        unjudged: false,
        flaky,
    };
    // Some of its tests, as with --only-failures.
    let some = |failed| Ran::Some {
        tests: tests(failed),
        cut: false,
        unjudged: false,
    };
    let (passed, failed, flaky) = (
        ran_as(false, false),
        ran_as(true, false),
        ran_as(false, true),
    );
    for (runs, may_be_cut) in [
        (vec![&failed, &some(false)], false),
        (vec![&failed, &some(false), &passed], true),
        (vec![&flaky], false),
        (vec![&flaky, &some(false)], false),
        (vec![&flaky, &passed], true),
        (vec![&passed, &some(false)], true),
        (vec![&passed, &some(true), &some(false)], false),
        (vec![&passed, &some(true), &some(false), &passed], true),
    ] {
        let mut history = History::default();
        for it in &runs {
            history.merge(&ran(&[("a.rb", (*it).clone())]));
        }
        let pieces = history.files["a.rb"].pieces();
        assert_eq!(pieces.is_some(), may_be_cut, "{runs:?}");
    }
}
