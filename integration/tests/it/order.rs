//! What ran before in a Ruby process does not decide: files that fail only after others.

use integration::{cluster::Cluster, home::Home, project::Project, run, run::Finished};
use serde_json::Value;

/// Returns the runs that judged failures again: how, and which file.
fn reviews(run: &Finished) -> Vec<(String, String)> {
    let ended = run.events("item_finished").into_iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    ended
        .filter(|event| event["review"].is_string())
        .map(|event| (text(&event["review"]), text(&event["filename"])))
        .collect()
}

fn last(run: &Finished) -> &Value {
    run.events("job_finished")[0]
}

/// One file of each framework that leaves something behind, and one that cannot bear that.
const PAIRS: [[(&str, &str); 2]; 3] = [
    [
        (
            "spec/a_spec.rb",
            "RSpec.describe('a') { it('leaves') { $left = 1 } }\n",
        ),
        (
            "spec/b_spec.rb",
            "RSpec.describe('b') { it('starts clean') { expect($left).to be_nil }; it('else') {} }\n",
        ),
    ],
    [
        (
            "test/a_test.rb",
            "require 'minitest/autorun'\nclass A < Minitest::Test; def test_leaves; $left = 1; end; end\n",
        ),
        (
            "test/b_test.rb",
            "require 'minitest/autorun'\nclass B < Minitest::Test\n  def test_starts_clean; assert_nil $left; end\n  \
             def test_else; end\nend\n",
        ),
    ],
    [
        (
            "test/a_test.rb",
            "require 'test/unit'\nclass A < Test::Unit::TestCase; def test_leaves; $left = 1; end; end\n",
        ),
        (
            "test/b_test.rb",
            "require 'test/unit'\nclass B < Test::Unit::TestCase\n  def test_starts_clean; assert_nil $left; end\n  \
             def test_else; end\nend\n",
        ),
    ],
];

#[test]
fn a_file_that_cannot_be_loaded_after_others_is_loaded_once_more_in_a_fresh_process() {
    let home = Home::new();
    let project = Project::fixture(&home, "load-run-load-run");
    for _ in 0..2 {
        let run = run::run(
            &home,
            &project,
            &["--local=1", "spec/a_spec.rb", "spec/b_spec.rb"],
        );
        run.exited(0)
            .says(&["2 tests: 2 passed", "2 files: 2 passed"]);
        let warnings = last(&run)["warnings"].as_array().unwrap();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        let warning = warnings[0].as_str().unwrap();
        assert!(warning.starts_with("spec/b_spec.rb at "), "{warning}");
        assert!(
            warning.contains("superclass mismatch for class MyParser"),
            "{warning}"
        );
        assert!(warning.ends_with("it followed spec/a_spec.rb"), "{warning}");
        assert_eq!(run.events("item_started").len(), 2);
    }
    // What cannot be loaded at all is told once, and as it is in the fresh process.
    project.write("spec/b_spec.rb", "raise 'half way'\n");
    let run = run::run(
        &home,
        &project,
        &["--local=1", "spec/a_spec.rb", "spec/b_spec.rb"],
    );
    run.exited(1)
        .says(&["half way", "1 test: 1 passed; 1 error outside tests"]);
    assert_eq!(last(&run)["warnings"].as_array().unwrap().len(), 0);
    assert_eq!(reviews(&run).len(), 0);
    home.assert_nothing_left();
}

#[test]
fn a_file_that_fails_only_after_others_passes_with_a_warning_in_each_framework() {
    let home = Home::new();
    for files in PAIRS {
        let project = Project::of(&home, &files);
        let (first, second) = (files[0].0, files[1].0);
        for _ in 0..2 {
            let run = run::run(&home, &project, &["--local=1", first, second]);
            run.exited(0).says(&[
                "3 tests: 3 passed",
                "Order-dependent files (1):",
                &format!("{second} passes alone and fails after {first}"),
                &format!("--file {first} --file {second}"),
            ]);
            let ways = [("alone", second), ("again", second)];
            let ways = ways.map(|(way, file)| (way.to_owned(), file.to_owned()));
            assert_eq!(reviews(&run), ways);
            let depends = &last(&run)["order_dependent"];
            assert_eq!(depends.as_array().unwrap().len(), 1);
            assert_eq!(depends[0]["followed"], serde_json::json!([first]));
            assert_eq!(depends[0]["tests"].as_array().unwrap().len(), 1);
            let case = run.junit().file(second);
            assert!(case.iter().all(|case| case.outcome == "passed"), "{case:?}");
            let note = format!("<property name=\"order-dependent\" value=\"after {first}\"/>");
            assert!(run.junit().source.contains(&note), "{}", run.junit().source);
        }
        let run = run::run(
            &home,
            &project,
            &["--local=1", "--order-dependent", "fail", first, second],
        );
        run.exited(1)
            .says(&["1 order-dependent file fails the job: --order-dependent fail"]);
        assert_eq!(last(&run)["exit_status"], 1);
    }
    home.assert_nothing_left();
}

/// Its second file fails where `fails`, a Ruby expression, is true.
fn counting(home: &Home, fails: &str) -> Project {
    let spec = format!(
        "RSpec.describe('b') do\n  it('tries') do\n    File.write('tried', '.', mode: 'a')\n    \
         raise 'unlucky' if {fails}\n  end\nend\n"
    );
    let files = [PAIRS[0][0], ("spec/b_spec.rb", &spec)];
    Project::of(home, &files)
}

const FILES: [&str; 3] = ["--local=1", "spec/a_spec.rb", "spec/b_spec.rb"];

#[test]
fn a_test_that_passes_alone_and_after_the_same_files_is_flaky_and_has_failed() {
    let home = Home::new();
    let project = counting(&home, "File.size('tried') == 1");
    let run = run::run(&home, &project, &FILES);
    run.exited(1).says(&[
        "2 tests: 1 passed, 1 failed",
        "unlucky",
        "Judged again: it passed alone and as it ran first, so it is flaky",
    ]);
    assert_eq!(project.read("tried"), "...");
    assert_eq!(last(&run)["order_dependent"], serde_json::json!([]));
    run::run(&home, &project, &FILES).exited(0);
    // With retries it is one of those tests that are tried again.
    let project = counting(&home, "File.size('tried') == 1");
    let run = run::run(&home, &project, &[&FILES[..], &["--retries", "1"]].concat());
    run.exited(0).says(&["2 tests: 2 passed (1 flaky)"]);
    assert_eq!(project.read("tried"), "....");
    home.assert_nothing_left();
}

#[test]
fn a_test_that_fails_alone_has_failed_and_is_not_judged_again_the_next_time() {
    let home = Home::new();
    let project = counting(&home, "true");
    let run = run::run(&home, &project, &FILES);
    run.exited(1).says(&["2 tests: 1 passed, 1 failed"]);
    assert_eq!(
        reviews(&run),
        [("alone".to_owned(), "spec/b_spec.rb".to_owned())]
    );
    let run = run::run(&home, &project, &FILES);
    run.exited(1).says(&["2 tests: 1 passed, 1 failed"]);
    assert_eq!(reviews(&run), []);
    home.assert_nothing_left();
}

#[test]
fn what_fail_fast_did_not_judge_the_next_run_does() {
    let home = Home::new();
    let project = Project::of(&home, &PAIRS[0]);
    let run = run::run(&home, &project, &[&FILES[..], &["--fail-fast"]].concat());
    run.exited(1);
    assert_eq!(reviews(&run), []);
    let run = run::run(&home, &project, &FILES);
    run.exited(0).says(&["Order-dependent files (1):"]);
    home.assert_nothing_left();
}

#[test]
fn a_hook_that_raises_only_after_others_is_judged_with_the_tests_that_it_kept_from_running() {
    let home = Home::new();
    let spec = "RSpec.describe('b') do\n  after(:all) { raise 'left' if $left }\n  it('one') {}\n  it('two') {}\nend\n";
    let project = Project::of(&home, &[PAIRS[0][0], ("spec/b_spec.rb", spec)]);
    for _ in 0..2 {
        let run = run::run(&home, &project, &FILES);
        run.exited(0)
            .says(&["3 tests: 3 passed", "Order-dependent files (1):", "left"]);
    }
    home.assert_nothing_left();
}

#[test]
fn a_file_is_judged_again_on_listeners_too() {
    let cluster = Cluster::start(&[("a", 1)]);
    let files = [
        ("spec/a_spec.rb", PAIRS[0][0].1),
        ("spec/b_spec.rb", PAIRS[0][1].1),
        (
            "spec/c_spec.rb",
            "RSpec.describe('c') { it('sees') { expect($left).to be_nil } }\n",
        ),
    ];
    let project = Project::of(cluster.home(), &files);
    let run = cluster.run(
        &project,
        &["spec/a_spec.rb", "spec/b_spec.rb", "spec/c_spec.rb"],
    );
    run.exited(0)
        .says(&["4 tests: 4 passed", "Order-dependent files (2):"]);
    // Both fail in one row.
    let again = reviews(&run).into_iter().filter(|(way, _)| way == "again");
    assert_eq!(again.count(), 1);
    cluster.assert_nothing_left();
}
