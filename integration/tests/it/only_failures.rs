//! `--only-failures` is green only when what failed has run and passed.

use std::fs;

use integration::{cluster::Cluster, home::Home, project::Project, run};

const AGAIN: &[&str] = &["--local=1", "--only-failures"];

const RANDOM: (&str, &str) = (
    "test/r_test.rb",
    "require 'minitest/autorun'
class R < Minitest::Test
  define_method(\"test_rnd_#{$$}\") { flunk 'rnd' }
  def test_ok; end
end
",
);

const CONDITIONAL: (&str, &str) = (
    "spec/a_spec.rb",
    "RSpec.describe('a') do
  it('ok') {}
  it('also') { raise 'also' if File.exist?('also') }
  it('x') { raise 'e' } if File.exist?('full')
end
",
);

fn remove(project: &Project, file: &str) {
    fs::remove_file(project.path().join(file)).expect("a file");
}

#[test]
fn a_test_whose_name_is_made_anew_is_found_by_its_whole_file() {
    let home = Home::new();
    let project = Project::of(&home, &[RANDOM]);
    run::run(&home, &project, &["--local=1"]).exited(1);
    // Again and again: each time the one before is gone.
    for _ in 0..2 {
        let run = run::run(&home, &project, AGAIN);
        run.exited(1).says(&[
            "2 tests: 1 passed, 1 failed",
            "test/r_test.rb: R#test_rnd_",
            "a test that failed earlier is there no more; the whole file runs",
        ]);
        assert_eq!(run.junit().counts()["test/r_test.rb"].total(), 2);
    }
    home.assert_nothing_left();
}

#[test]
fn a_test_that_is_gone_is_named_and_its_file_runs_as_a_whole() {
    let home = Home::new();
    let project = Project::of(&home, &[CONDITIONAL, ("full", ""), ("also", "")]);
    run::run(&home, &project, &["--local=1"])
        .exited(1)
        .says(&["1 passed, 2 failed"]);
    remove(&project, "full");
    // One of the two is there still, and may pass in a retry: what is whole is tried again too.
    let run = run::run(
        &home,
        &project,
        &["--local=1", "--only-failures", "--retries", "1"],
    );
    run.exited(1).says(&[
        "1 passed, 1 failed",
        "spec/a_spec.rb: 1:3: a test",
        "Attempts: 2",
    ]);
    project.write("full", "");
    run::run(&home, &project, &["--local=1"]).exited(1);
    remove(&project, "full");
    remove(&project, "also");
    let run = run::run(&home, &project, AGAIN);
    run.exited(0).says(&[
        "2 passed",
        "spec/a_spec.rb: 1:3: a test that failed earlier",
    ]);
    // The whole file has run: nothing is left of it.
    run::run(&home, &project, AGAIN)
        .exited(0)
        .says(&["no failure is recorded"]);
    home.assert_nothing_left();
}

#[test]
fn what_is_not_found_stays_recorded_until_its_whole_file_has_run() {
    let home = Home::new();
    let project = Project::of(&home, &[CONDITIONAL, ("full", "")]);
    run::run(&home, &project, &["--local=1"]).exited(1);
    remove(&project, "full");
    run::run(&home, &project, &["--local=1", "spec/a_spec.rb:2"]).exited(0);
    run::run(&home, &project, AGAIN)
        .exited(0)
        .says(&["1:3: a test that failed earlier", "2 passed"]);
    home.assert_nothing_left();
}

#[test]
fn a_whole_file_runs_on_any_host() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    let project = Project::of(
        cluster.home(),
        &[
            RANDOM,
            CONDITIONAL,
            (
                "gorgon.json",
                r#"{ "files": ["{spec,test}/*_{spec,test}.rb"] }"#,
            ),
        ],
    );
    cluster.run(&project, &[]).exited(1);
    cluster
        .run(&project, &["--only-failures"])
        .exited(1)
        .says(&["2 tests: 1 passed, 1 failed", "is there no more"]);
    cluster.assert_nothing_left();
}

#[test]
fn flaky_tests_that_failed_the_job_are_failures() {
    let home = Home::new();
    let spec = "RSpec.describe('a') do
  it('ok') {}
  it('is flaky') { File.exist?('tried') or (File.write('tried', ''); raise 'flaky') }
end
";
    let config = r#"{ "files": ["spec/*_spec.rb"], "failed_files": "failed.json" }"#;
    let project = Project::of(&home, &[("spec/a_spec.rb", spec), ("gorgon.json", config)]);
    let fail = ["--local=1", "--retries", "1", "--flaky-result", "fail"];
    run::run(&home, &project, &fail).exited(1);
    assert!(project.read("failed.json").contains("spec/a_spec.rb"));
    remove(&project, "tried");
    run::run(&home, &project, &[&fail[..], &["--only-failures"]].concat())
        .exited(1)
        .says(&["1 test: 1 passed (1 flaky)"]);
    run::run(&home, &project, AGAIN)
        .exited(0)
        .says(&["1 test: 1 passed"]);
    run::run(&home, &project, AGAIN)
        .exited(0)
        .says(&["no failure is recorded"]);
    home.assert_nothing_left();
}

#[test]
fn after_a_suite_hook_that_raised_all_files_run() {
    let home = Home::new();
    let hook = "RSpec.configure { |c| c.after(:suite) { raise 'hook' if File.exist?('bad') } }\n\
                RSpec.describe('a') { it('ok') {} }\n";
    let green = "RSpec.describe('b') { it('ok') {} }\n";
    let project = Project::of(
        &home,
        &[
            ("spec/a_spec.rb", hook),
            ("spec/b_spec.rb", green),
            ("bad", ""),
        ],
    );
    run::run(&home, &project, &["--local=1"]).exited(1);
    let why = "an earlier run failed by what belongs to no file (a suite hook";
    run::run(&home, &project, AGAIN)
        .exited(1)
        .says(&[why, "2 tests: 2 passed"]);
    remove(&project, "bad");
    // A part of the suite proves nothing of hooks.
    run::run(&home, &project, &["--local=1", "spec/b_spec.rb"]).exited(0);
    run::run(&home, &project, AGAIN)
        .exited(0)
        .says(&[why, "2 tests: 2 passed"]);
    run::run(&home, &project, AGAIN)
        .exited(0)
        .says(&["no failure is recorded"]);
    home.assert_nothing_left();
}

#[test]
fn after_a_run_that_lacked_tests_all_files_run() {
    let home = Home::new();
    let spec = "RSpec.configure { |c| c.fail_if_no_examples = true }\n\
                RSpec.describe('a') { it('ok') {} unless File.exist?('bad') }\n";
    let project = Project::of(&home, &[("spec/a_spec.rb", spec), ("bad", "")]);
    run::run(&home, &project, &["--local=1"]).exited(1);
    run::run(&home, &project, AGAIN)
        .exited(1)
        .says(&["or that no test ran): all files run"]);
    remove(&project, "bad");
    run::run(&home, &project, AGAIN)
        .exited(0)
        .says(&["1 test: 1 passed"]);
    run::run(&home, &project, AGAIN)
        .exited(0)
        .says(&["no failure is recorded"]);
    home.assert_nothing_left();
}
