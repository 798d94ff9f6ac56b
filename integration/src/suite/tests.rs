use super::*;

fn suite() -> Suite {
    let counts = |passed, failed| Counts {
        passed,
        failed,
        ..Counts::default()
    };
    Suite {
        name: "x".into(),
        directory: PathBuf::new(),
        truth: BTreeMap::from([
            ("a_spec.rb".into(), vec![counts(1, 0)]),
            ("b_spec.rb".into(), vec![counts(1, 1)]),
        ]),
        ignored: vec!["Code coverage".into()],
    }
}

fn finished(file: &str, outcomes: &[&str]) -> String {
    let tests: Vec<_> = outcomes
        .iter()
        .map(|o| serde_json::json!({ "name": "Code is", "outcome": o }))
        .collect();
    serde_json::json!({ "event": "item_finished", "filename": file, "tests": tests, "errors": [] })
        .to_string()
}

#[test]
fn a_stream_that_says_the_truth_has_no_difference() {
    let stream = [
        finished("a_spec.rb", &["passed"]),
        finished("b_spec.rb", &["failed", "passed"]),
    ]
    .join("\n");
    assert!(suite().differences(&stream).is_empty());
}

#[test]
fn a_missing_a_doubled_and_an_unknown_file_differ() {
    let a = finished("a_spec.rb", &["passed"]);
    let stream = [a.clone(), a, finished("c_spec.rb", &[])].join("\n");
    let seen: Vec<String> = suite()
        .differences(&stream)
        .iter()
        .map(Difference::to_string)
        .collect();
    assert_eq!(
        seen,
        [
            "a_spec.rb: right 1/0/0/0, seen 1/0/0/0, reported 2 times",
            "b_spec.rb: right 1/1/0/0, seen nothing",
            "c_spec.rb: right , seen 0/0/0/0"
        ]
    );
}

#[test]
fn an_order_dependent_file_is_not_red() {
    let stream = |dependent: &str| {
        format!(
            r#"{{"event":"item_finished","filename":"b_spec.rb","item":4,"tests":[{{"name":"b","outcome":"failed"}}]}}
            {{"event":"job_finished","tests":1,"order_dependent":[{dependent}]}}"#
        )
    };
    assert!(suite().is_red(&stream("")));
    assert!(suite().is_red(&stream(r#"{"filename":"a_spec.rb","item":3}"#)));
    assert!(!suite().is_red(&stream(r#"{"filename":"b_spec.rb","item":4}"#)));
}

#[test]
fn every_suite_has_a_truth() {
    for name in ALL {
        let truth = read_truth(&home().join(name)).unwrap();
        assert!(truth.values().flatten().any(|c| c.total() > 0), "{name}");
    }
}
