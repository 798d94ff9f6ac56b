//! What a history keeps, forgets and shares.

mod cut;

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
        flaky: false,
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
            flaky: false,
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
