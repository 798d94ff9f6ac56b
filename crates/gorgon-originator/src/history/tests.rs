//! What a history keeps, forgets and shares.

use std::path::PathBuf;

use super::original::{Runtimes, read_runtime_file, write_failed_files, write_runtime_file};
use super::*;

fn test(id: &str, seconds: f64, failed: bool) -> TestRecord {
    TestRecord {
        id: id.into(),
        seconds,
        failed,
        group: None,
    }
}

fn whole(seconds: f64, tests: Vec<TestRecord>) -> Ran {
    Ran::Whole {
        seconds,
        stamp: None,
        tests,
        divisible: false,
        cut: false,
        relies: false,
        unjudged: false,
    }
}

fn ran(files: &[(&str, Ran)]) -> BTreeMap<String, Ran> {
    files
        .iter()
        .map(|(file, ran)| ((*file).to_owned(), ran.clone()))
        .collect()
}

struct Place {
    root: tempfile::TempDir,
    project: PathBuf,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let project = root.path().join("my project");
        std::fs::create_dir(&project).unwrap();
        for file in ["a.rb", "b.rb", "c.rb"] {
            std::fs::write(project.join(file), file).unwrap();
        }
        Self { root, project }
    }

    fn store(&self) -> Store {
        Store::below(&self.root.path().join("cache"), &self.project)
    }
}

#[test]
fn tests_that_a_filter_left_out_stay_known() {
    let filtered = |tests| Ran::Filtered {
        seconds: 0.1,
        stamp: None,
        tests,
    };
    let mut history = History::default();
    history.merge(&ran(&[
        (
            "a.rb",
            whole(1.0, vec![test("1", 0.5, true), test("2", 0.5, true)]),
        ),
        ("b.rb", whole(1.0, vec![test("1", 1.0, true)])),
        (
            "c.rb",
            Ran::Broken {
                tests: vec![],
                cut: false,
                unjudged: false,
            },
        ),
    ]));
    history.merge(&ran(&[
        ("a.rb", filtered(vec![test("1", 0.1, false)])),
        ("b.rb", filtered(vec![])),
        ("c.rb", filtered(vec![])),
    ]));
    let failed: Vec<_> = history
        .failures()
        .into_iter()
        .map(|failure| (failure.file, failure.tests.join(" ")))
        .collect();
    assert_eq!(
        failed,
        [("a.rb", "2"), ("b.rb", "1"), ("c.rb", "")].map(|(f, t)| (f.to_owned(), t.to_owned()))
    );
    assert_eq!(history.seconds("a.rb"), Some(1.0));

    let all = vec![test("1", 0.1, false), test("2", 0.1, false)];
    history.merge(&ran(&[
        ("a.rb", filtered(all.clone())),
        ("c.rb", filtered(all)),
    ]));
    let failed: Vec<_> = history.failures().into_iter().map(|f| f.file).collect();
    assert_eq!(failed, ["b.rb"]);
    assert_eq!(history.seconds("a.rb"), Some(0.1));
}

#[test]
fn only_what_ran_is_replaced() {
    let place = Place::new();
    let store = place.store();
    assert_eq!(store.load(), History::default());
    store
        .merge(
            &ran(&[
                (
                    "a.rb",
                    whole(1.0, vec![test("1", 0.5, true), test("2", 0.5, false)]),
                ),
                ("b.rb", whole(2.0, vec![test("1", 2.0, true)])),
            ]),
            None,
            None,
        )
        .unwrap();
    let history = store
        .merge(
            &ran(&[
                (
                    "a.rb",
                    Ran::Some {
                        tests: vec![test("1", 0.1, false)],
                        cut: false,
                        unjudged: false,
                    },
                ),
                (
                    "c.rb",
                    Ran::Broken {
                        tests: vec![test("9", 0.1, true)],
                        cut: false,
                        unjudged: false,
                    },
                ),
            ]),
            None,
            None,
        )
        .unwrap();
    assert_eq!(history, store.load());
    assert_eq!(history.seconds("a.rb"), Some(1.0));
    assert_eq!(
        history.files["a.rb"].tests,
        [test("1", 0.1, false), test("2", 0.5, false)]
    );
    assert_eq!(
        history.failures(),
        [
            Failure {
                file: "b.rb".into(),
                tests: vec!["1".into()]
            },
            Failure {
                file: "c.rb".into(),
                tests: vec![]
            },
        ]
    );
    let history = store
        .merge(&ran(&[("c.rb", whole(3.0, vec![]))]), None, None)
        .unwrap();
    assert_eq!(
        history.failures().len(),
        1,
        "a broken file that ran whole is broken no more"
    );
}

#[test]
fn a_crash_keeps_the_seconds_that_were_known() {
    let mut history = History::default();
    history.merge(&ran(&[("a.rb", whole(4.0, vec![]))]));
    history.merge(&ran(&[(
        "a.rb",
        Ran::Broken {
            tests: vec![],
            cut: false,
            unjudged: false,
        },
    )]));
    assert_eq!(history.seconds("a.rb"), Some(4.0));
}

#[test]
fn files_that_are_gone_are_forgotten() {
    let place = Place::new();
    let store = place.store();
    store
        .merge(
            &ran(&[("a.rb", whole(1.0, vec![])), ("b.rb", whole(1.0, vec![]))]),
            None,
            None,
        )
        .unwrap();
    std::fs::remove_file(place.project.join("b.rb")).unwrap();
    let history = store
        .merge(&ran(&[("c.rb", whole(1.0, vec![]))]), None, None)
        .unwrap();
    assert_eq!(history.files.keys().collect::<Vec<_>>(), ["a.rb", "c.rb"]);
}

#[test]
fn a_changed_file_is_noticed() {
    let place = Place::new();
    let mut history = History::default();
    let stamp = Stamp::of(&place.project.join("a.rb"));
    assert!(stamp.is_some());
    history.merge(&ran(&[(
        "a.rb",
        Ran::Whole {
            seconds: 1.0,
            stamp,
            tests: vec![],
            divisible: true,
            cut: false,
            relies: false,
            unjudged: false,
        },
    )]));
    assert!(history.unchanged(&place.project, "a.rb").is_some());
    std::fs::write(place.project.join("a.rb"), "longer").unwrap();
    assert!(history.unchanged(&place.project, "a.rb").is_none());
}

#[test]
fn a_garbled_history_is_an_empty_one() {
    let place = Place::new();
    let store = place.store();
    store
        .merge(&ran(&[("a.rb", whole(1.0, vec![]))]), None, None)
        .unwrap();
    let path = store.directory().join("history.json");
    let text = std::fs::read_to_string(&path).unwrap();
    for garbled in [
        "",
        "{",
        "[]",
        &text[..text.len() / 2],
        &text.replace("\"format\":1", "\"format\":2"),
    ] {
        std::fs::write(&path, garbled).unwrap();
        assert_eq!(store.load(), History::default(), "{garbled}");
    }
    store
        .merge(&ran(&[("b.rb", whole(1.0, vec![]))]), None, None)
        .unwrap();
    assert_eq!(store.load().files.len(), 1);
}

#[test]
fn jobs_at_the_same_time_lose_nothing_of_each_other() {
    let place = Place::new();
    let files: Vec<String> = (0..40).map(|number| format!("{number}.rb")).collect();
    for file in &files {
        std::fs::write(place.project.join(file), "").unwrap();
    }
    std::thread::scope(|scope| {
        for chunk in files.chunks(10) {
            let store = place.store();
            scope.spawn(move || {
                for file in chunk {
                    store
                        .merge(&ran(&[(file, whole(1.0, vec![]))]), None, None)
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(place.store().load().files.len(), 40);
}

#[test]
fn two_projects_of_one_name_have_two_histories() {
    let cache = Path::new("/cache");
    let one = Store::below(cache, Path::new("/a/app"));
    let other = Store::below(cache, Path::new("/b/app"));
    assert_ne!(one.directory(), other.directory());
    assert_eq!(
        one.directory(),
        Path::new("/cache/gorgon/app-c812e46e42a0356d"),
        "the hash is kept"
    );
}

#[test]
fn the_formats_of_the_original_are_written_and_read() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("tmp/runtime.json");
    assert_eq!(read_runtime_file(&path).unwrap(), Runtimes::default());
    write_runtime_file(
        &path,
        &[("a".into(), 0.5), ("b".into(), 2.0), ("c".into(), 0.5)],
    )
    .unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        "{\n  \"b\": 2.0,\n  \"a\": 0.5,\n  \"c\": 0.5\n}\n"
    );
    let names = |path: &Path| -> Vec<String> {
        read_runtime_file(path)
            .unwrap()
            .files
            .into_iter()
            .map(|(name, _)| name)
            .collect()
    };
    assert_eq!(names(&path), ["b", "a", "c"]);
    std::fs::write(&path, " \n").unwrap();
    assert_eq!(names(&path), [""; 0]);
    std::fs::write(&path, "[1]").unwrap();
    assert!(read_runtime_file(&path).is_err());
    std::fs::write(
        &path,
        r#"{"a": 1.5, "b": "2", "c": null, "d": -1, "e": 1e308, "f": 0}"#,
    )
    .unwrap();
    let read = read_runtime_file(&path).unwrap();
    let seconds: Vec<_> = read.files.iter().map(|(_, seconds)| *seconds).collect();
    assert_eq!(seconds, [Some(1.5), None, None, None, None, Some(0.0)]);
    let warning = read.warning.unwrap();
    let right =
        "runtime.json: no number of seconds, and ignored: b (\"2\"), c (null), d (-1) and 1 more";
    assert!(warning.ends_with(right), "{warning}");
    let failed = root.path().join("failed.json");
    write_failed_files(&failed, &["b".into()]).unwrap();
    assert_eq!(std::fs::read_to_string(&failed).unwrap(), "[\n  \"b\"\n]\n");
    write_failed_files(&failed, &[]).unwrap();
    assert_eq!(std::fs::read_to_string(&failed).unwrap(), "[]\n");
}

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
        test("2", 1.5, true),
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
    check(&[(1, false, true)], true);
    check(&[(1, true, false)], true);
    check(&[(1, true, true)], false);
    // It has failed before, as a whole.
    check(&[(1, false, true), (1, true, true)], true);
    // The whole file fails too: the cut is not to blame.
    check(&[(1, true, true), (1, false, true)], true);
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
        (false, true, true),
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
        (false, true, true),
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
        (true, false, true),
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
fn seconds_that_are_none_are_left_out_of_a_history() {
    let test = |seconds| TestRecord {
        id: "1:1".to_owned(),
        seconds,
        failed: false,
        group: None,
    };
    for (whole, of_test, kept) in [
        (Some(2.0), 1.0, Some(2.0)),
        (Some(-2.0), 1.0, None),
        (Some(1e308), 1.0, None),
        (Some(2.0), f64::MAX, None),
    ] {
        let record = FileRecord {
            seconds: whole,
            tests: vec![test(of_test)],
            ..FileRecord::default()
        };
        let mut history = History::default();
        history.files.insert("a".to_owned(), record);
        let mended = usize::from(kept.is_none());
        assert_eq!(history.mend().len(), mended, "{whole:?} {of_test}");
        let record = &history.files["a"];
        assert_eq!(record.seconds, kept);
        assert!(record.tests[0].seconds <= 1.0);
    }
}
