//! A part fails, crashes, is lost, takes too long, is tried again: what becomes of its file.

use std::time::Duration;

use integration::{cluster::Cluster, gate::Gate, home::Home, processes, project::Project, run};

use super::{ALL_IN_PIECES, WHOLE, outcomes, parts};

const FILE: &str = "spec/a_spec.rb";

/// Its second example does what `spec/deed.rb` says.
const SPEC: &str = "RSpec.describe('a') do
  it('one') {}
  it('two') { load File.expand_path('deed.rb', __dir__) }
  it('three') {}
end
";

/// A project that has run once.
fn known(home: &Home) -> Project {
    let project = Project::of(home, &[ALL_IN_PIECES, (FILE, SPEC), ("spec/deed.rb", "")]);
    run::run(home, &project, &["--local=2"]).exited(0);
    project
}

#[test]
fn a_crash_of_one_part_is_the_files_and_the_others_results_stay() {
    let home = Home::new();
    let project = known(&home);
    project.write("spec/deed.rb", "Process.kill(:KILL, $$)");
    let run = run::run(&home, &project, &["--local=2"]);
    run.exited(1)
        .says(&["1 file: 1 crashed", "While this test was running: a two"]);
    assert_eq!(parts(&run, FILE).len(), 3);
    let counts = &run.junit().counts()[FILE];
    assert_eq!((counts.passed, counts.errors), (2, 1));
    // It runs whole until it has come to its end again.
    let run = run::run(&home, &project, &["--local=2", "--only-failures"]);
    assert_eq!(parts(run.exited(1), FILE), WHOLE);
    project.write("spec/deed.rb", "");
    for count in [1, 3] {
        let run = run::run(&home, &project, &["--local=2"]);
        assert_eq!(parts(run.exited(0), FILE).len(), count);
    }
    home.assert_nothing_left();
}

#[test]
fn a_failed_test_of_a_part_is_tried_again_alone() {
    let home = Home::new();
    let project = known(&home);
    project.write(
        "spec/deed.rb",
        "File.exist?('tried') or (File.write('tried', ''); raise 'unlucky')",
    );
    let run = run::run(&home, &project, &["--local=2", "--retries", "1"]);
    run.exited(0).says(&[
        "3 tests: 3 passed (1 flaky)",
        "1 file: 1 passed",
        "Flaky tests",
    ]);
    assert_eq!(parts(&run, FILE).len(), 3);
    assert_eq!(outcomes(&run).len(), 3);
    project.write("spec/deed.rb", "raise 'always'");
    let run = run::run(&home, &project, &["--local=2", "--retries", "1"]);
    run.exited(1).says(&[
        "3 tests: 2 passed, 1 failed",
        "Attempts: 2",
        "1 file: 1 failed",
    ]);
    // Whether the cut is to blame shows in the whole file; it is not, so its test is known alone.
    for ids in [&[][..], &["1:2"]] {
        let run = run::run(&home, &project, &["--local=2", "--only-failures"]);
        assert_eq!(parts(run.exited(1), FILE), [ids.to_vec()]);
    }
    home.assert_nothing_left();
}

#[test]
fn a_file_that_cannot_be_loaded_any_more_is_one_failed_file_with_one_fault() {
    let home = Home::new();
    let spec = format!("require_relative 'deed'\n{SPEC}");
    let project = Project::of(&home, &[ALL_IN_PIECES, (FILE, &spec), ("spec/deed.rb", "")]);
    run::run(&home, &project, &["--local=2"]).exited(0);
    project.write("spec/deed.rb", "raise 'not today'");
    let run = run::run(&home, &project, &["--local=2"]);
    run.exited(1)
        .says(&["1 error outside tests", "1 file: 1 failed"]);
    assert_eq!(run.stdout.matches("not today").count(), 1, "{}", run.stdout);
    assert_eq!(run.junit().file(FILE).len(), 1);
    home.assert_nothing_left();
}

#[test]
fn the_limit_of_a_file_holds_for_its_parts() {
    let home = Home::new();
    let project = known(&home);
    project.write("spec/deed.rb", "sleep 60");
    let run = run::run(&home, &project, &["--local=2", "--file-timeout", "1"]);
    run.exited(1).says(&["1 file: 1 timed out"]);
    assert_eq!(run.junit().counts()[FILE].passed, 2);
    home.assert_nothing_left();
}

#[test]
fn fail_fast_leaves_parts_out_and_keeps_what_is_known_of_them() {
    let home = Home::new();
    let project = known(&home);
    project.write("spec/deed.rb", "raise 'no'");
    let run = run::run(&home, &project, &["--local=1", "--fail-fast", FILE]);
    run.exited(1);
    let last = run.events("job_finished")[0];
    assert_eq!(
        (&last["files"], &last["files_failed"]),
        (&1.into(), &1.into())
    );
    let ran = last["tests"].as_u64().unwrap();
    let unfinished = last["unfinished"].as_array().unwrap().len();
    assert_eq!(unfinished, usize::from(ran < 3), "{last}");
    // Nothing is forgotten: it is still known how to cut it, unless all of it failed in parts.
    project.write("spec/deed.rb", "");
    let run = run::run(&home, &project, &["--local=2"]);
    let count = if ran < 3 { 3 } else { 1 };
    assert_eq!(parts(run.exited(0), FILE).len(), count);
    home.assert_nothing_left();
}

#[test]
fn a_part_whose_worker_is_killed_runs_again_and_the_file_has_each_test_once() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    let gate = Gate::open(cluster.home());
    let project = Project::of(
        cluster.home(),
        &[ALL_IN_PIECES, (FILE, SPEC), ("spec/deed.rb", "")],
    );
    gate.write_into(&project);
    cluster.run(&project, &[]).exited(0);
    project.write("spec/deed.rb", "require './gate'; Gate.pass('two')");
    let run = cluster.begin(&project, &[]);
    let visit = gate.next();
    let start = run.event("start of the part that waits", |event| {
        event["event"] == "item_started"
            && event["tests"]
                .as_array()
                .is_some_and(|ids| ids.contains(&"1:2".into()))
    });
    let pid = start["pid"].as_u64().unwrap();
    processes::signal(u32::try_from(pid).unwrap(), "KILL");
    visit.closed_within(Duration::from_secs(10));
    gate.next().release();
    let run = run.finished(run::RUN_LIMIT);
    run.exited(0)
        .says(&["3 tests: 3 passed", "1 file: 1 passed"]);
    assert_eq!(outcomes(&run).len(), 3);
    assert_eq!(parts(&run, FILE).len(), 4, "one part twice");
    cluster.assert_nothing_left();
}

#[test]
fn a_file_whose_tests_rely_on_each_other_is_cut_once_and_not_again() {
    let home = Home::new();
    let spec = "RSpec.describe('a') do
  it('one') { $one = 1 }
  it('two') { expect($one).to eq 1 }
end
";
    // Else both parts may have one process.
    let config = r#"{ "split_over": 0.0000001, "isolation": "file" }"#;
    let project = Project::of(&home, &[("gorgon.json", config), (FILE, spec)]);
    for (count, status) in [(1, 0), (2, 1), (1, 0), (1, 0)] {
        let run = run::run(&home, &project, &["--local=1"]);
        assert_eq!(parts(run.exited(status), FILE).len(), count);
        if status == 1 {
            run.says(&["spec/a_spec.rb failed in parts: the next run is whole"]);
        }
    }
    home.assert_nothing_left();
}

#[test]
fn reports_and_records_name_a_file_once() {
    let home = Home::new();
    let config = r#"{ "files": ["spec/*_spec.rb"], "split_over": 0.0000001, "failed_files": "failed.json",
        "runtime_file": "runtime.json" }"#;
    let spec = "RSpec.describe('a') do
  it('one') { raise 'one' }
  it('two') { raise 'two' }
  it('three') {}
end
";
    let project = Project::of(&home, &[("gorgon.json", config), (FILE, spec)]);
    for count in [1, 3] {
        let run = run::run(&home, &project, &["--local=2"]);
        run.exited(1)
            .says(&["3 tests: 1 passed, 2 failed", "1 file: 1 failed"]);
        assert_eq!(parts(&run, FILE).len(), count);
        if count == 3 {
            // What a failure's line runs is the part in which it failed.
            run.says(&["--file 'spec/a_spec.rb[1:1]'"]);
        }
        for file in ["failed.json", "runtime.json"] {
            assert_eq!(project.read(file).matches(FILE).count(), 1, "{file}");
        }
        let started = run.events("job_started")[0];
        assert_eq!(
            (
                &started["items"],
                started["files"].as_array().unwrap().len()
            ),
            (&count.into(), 1)
        );
        for name in ["one", "two"] {
            let case = run
                .junit()
                .file(FILE)
                .iter()
                .find(|case| case.name == format!("a {name}"));
            assert!(case.unwrap().text.contains(name));
        }
    }
    home.assert_nothing_left();
}
