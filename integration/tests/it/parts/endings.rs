//! A part fails, crashes, is lost, takes too long, is tried again: what becomes of its file.

use integration::{
    cluster::Cluster, gate::Gate, home::Home, processes, project::Project, run, run::Finished,
};

use super::{ALL_IN_PIECES, WHOLE, judged, outcomes, parts};

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
fn what_fails_in_parts_and_in_the_whole_file_is_tried_again_alone() {
    let home = Home::new();
    let project = known(&home);
    project.write(
        "spec/deed.rb",
        "File.write('tried', '.', mode: 'a'); raise 'unlucky' if File.size('tried') < 3",
    );
    let run = run::run(&home, &project, &["--local=2", "--retries", "1"]);
    run.exited(0).says(&[
        "3 tests: 3 passed (1 flaky)",
        "1 file: 1 passed",
        "Flaky tests",
    ]);
    assert_eq!(parts(&run, FILE).len(), 3);
    assert_eq!(outcomes(&run).len(), 3);
    assert_eq!(project.read("tried"), "...", "part, whole file, retry");
    // It has not passed whole at once: so it runs whole.
    let run = run::run(&home, &project, &["--local=2", "--retries", "1"]);
    assert_eq!(parts(run.exited(0), FILE), WHOLE);
    project.write("spec/deed.rb", "raise 'always'");
    let run = run::run(&home, &project, &["--local=2", "--retries", "1"]);
    run.exited(1).says(&[
        "3 tests: 2 passed, 1 failed",
        "Attempts: 2",
        "1 file: 1 failed",
    ]);
    assert_eq!(parts(&run, FILE).len(), 3);
    assert_eq!(judged(&run, "alone").len(), 1);
    // The whole file has shown that its test fails by itself.
    let again = run::run(&home, &project, &["--local=2", "--only-failures"]);
    assert_eq!(parts(again.exited(1), FILE), [["1:2"]]);
    // It is known to fail by now, and tried again at once, after the whole file.
    let run = run::run(&home, &project, &["--local=2", "--retries", "1"]);
    run.exited(1).says(&["Attempts: 2", "1 file: 1 failed"]);
    assert_eq!(parts(&run, FILE), WHOLE);
    assert_eq!(judged(&run, "alone").len(), 0);
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
    let faults = run.stdout.matches("Error outside tests:").count();
    assert_eq!(faults, 1, "{}", run.stdout);
    assert_eq!(run.junit().file(FILE).len(), 1);
    home.assert_nothing_left();
}

#[test]
fn the_limit_of_a_file_holds_for_its_parts() {
    let home = Home::new();
    let project = known(&home);
    project.write("spec/deed.rb", "sleep 60");
    let run = run::run(&home, &project, &["--local=2", "--file-timeout", "5"]);
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
    assert_eq!(judged(&run, "alone").len(), 0, "the job has ended");
    // Nothing is forgotten: that the cut may be to blame, and how to cut it.
    for (status, deed, count) in [(1, "raise 'no'", 1), (0, "", 1), (0, "", 3)] {
        project.write("spec/deed.rb", deed);
        let run = run::run(&home, &project, &["--local=2"]);
        assert_eq!(parts(run.exited(status), FILE).len(), count);
    }
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
    visit.closed_within(run::RUN_LIMIT);
    gate.next().release();
    let run = run.finished(run::RUN_LIMIT);
    run.exited(0)
        .says(&["3 tests: 3 passed", "1 file: 1 passed"]);
    assert_eq!(outcomes(&run).len(), 3);
    assert_eq!(parts(&run, FILE).len(), 4, "one part twice");
    cluster.assert_nothing_left();
}

/// Its second example passes only after the first one, and its third one if it may.
const RELYING_SPEC: &str = "RSpec.describe('a') do
  it('one') { $one = 1 }
  it('two') { expect($one).to eq 1 }
  it('three') { load File.expand_path('deed.rb', __dir__) }
end
";

/// Of each run: parts, whole runs in their place, exit status, failed tests.
#[track_caller]
fn check(run: &Finished, expected: (usize, usize, i32, usize)) {
    let (count, again, status, failed) = expected;
    run.exited(status);
    assert_eq!(parts(run, FILE).len(), count);
    assert_eq!(judged(run, "alone").len(), again);
    let outcomes = outcomes(run);
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
    let bad = outcomes.values().filter(|it| *it != "passed").count();
    assert_eq!(bad, failed, "{outcomes:?}");
    let says = "depends on what runs before it: it passes alone and fails in a part, without the tests before it";
    let warned = run.stdout.matches(says).count();
    // It is told when it is found, even where another test fails all the same.
    assert_eq!(warned, again, "{}", run.stdout);
}

#[test]
fn a_file_whose_tests_rely_on_each_other_passes_whole_in_the_same_job_and_is_not_cut_again() {
    let home = Home::new();
    // Else both parts may have one process.
    let config = r#"{ "split_over": 0.0000001, "isolation": "file", "runtime_file": "runtime.json",
        "failed_files": "failed.json" }"#;
    let files = [
        ("gorgon.json", config),
        (FILE, RELYING_SPEC),
        ("spec/deed.rb", ""),
    ];
    let project = Project::of(&home, &files);
    let run = || run::run(&home, &project, &["--local=2"]);
    check(&run(), (1, 0, 0, 0));
    let cut = run();
    check(&cut, (3, 1, 0, 0));
    assert_eq!(cut.junit().counts()[FILE].passed, 3);
    for (file, count) in [("failed.json", 0), ("runtime.json", 1)] {
        assert_eq!(project.read(file).matches(FILE).count(), count, "{file}");
    }
    assert_eq!(judged(&cut, "again").len(), 1);
    check(&run(), (1, 0, 0, 0));
    // A change gives it another chance; what really fails is the result then.
    project.write(FILE, &format!("{RELYING_SPEC}# changed\n"));
    check(&run(), (1, 0, 0, 0));
    project.write("spec/deed.rb", "raise 'really'");
    check(&run(), (3, 1, 1, 1));
    check(&run(), (1, 0, 1, 1));
    home.assert_nothing_left();
}

#[test]
fn a_file_that_fails_anew_in_parts_runs_whole_on_listeners_too() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    let config = r#"{ "split_over": 0.0000001, "isolation": "file" }"#;
    let own = "RSpec.describe('b') { it('b1') {}; it('b2') { load File.expand_path('deed.rb', __dir__) } }\n";
    let files = [
        ("gorgon.json", config),
        (FILE, RELYING_SPEC),
        ("spec/deed.rb", ""),
        ("spec/own_spec.rb", own),
    ];
    let project = Project::of(cluster.home(), &files);
    cluster.run(&project, &[]).exited(0);
    let run = cluster.run(&project, &[]);
    run.exited(0).says(&[
        "5 tests: 5 passed",
        "2 files: 2 passed",
        "depends on what runs before it",
    ]);
    assert_eq!(
        (parts(&run, FILE).len(), judged(&run, "alone").len()),
        (3, 1)
    );
    assert_eq!(outcomes(&run).len(), 5);
    // What fails by itself fails twice, and is told once.
    project.write("spec/deed.rb", "raise 'really'");
    let run = cluster.run(&project, &[]);
    run.exited(1)
        .says(&["5 tests: 3 passed, 2 failed", "2 files: 2 failed"]);
    assert_eq!(parts(&run, "spec/own_spec.rb").len(), 2);
    assert_eq!(
        judged(&run, "alone").len(),
        1,
        "the other one is not cut any more"
    );
    let outcomes = outcomes(&run);
    let bad = outcomes.values().filter(|it| *it != "passed").count();
    assert_eq!(bad, 2, "{outcomes:?}");
    cluster.assert_nothing_left();
}

#[test]
fn a_test_of_a_part_that_passes_in_the_whole_file_and_in_the_part_is_flaky_and_has_failed() {
    let home = Home::new();
    let project = known(&home);
    project.write(
        "spec/deed.rb",
        "File.write('tried', '.', mode: 'a'); raise 'unlucky' if File.size('tried') < 2",
    );
    let run = run::run(&home, &project, &["--local=2"]);
    run.exited(1).says(&[
        "3 tests: 2 passed, 1 failed",
        "so it is flaky, or another part",
    ]);
    assert_eq!(project.read("tried"), "...", "part, whole file, part");
    // Another part may have disturbed it: the next run is whole, and passes.
    let run = run::run(&home, &project, &["--local=2"]);
    assert_eq!(parts(run.exited(0), FILE).len(), 1);
    home.assert_nothing_left();
}

#[test]
fn reports_and_records_name_a_file_once() {
    let home = Home::new();
    let config = r#"{ "files": ["spec/*_spec.rb"], "split_over": 0.0000001, "failed_files": "failed.json",
        "runtime_file": "runtime.json" }"#;
    let spec = "RSpec.describe('a') do
  it('one') { load './spec/deed.rb'; raise 'one' if $bad }
  it('two') { load './spec/deed.rb'; raise 'two' if $bad }
  it('three') {}
end
";
    let project = Project::of(
        &home,
        &[("gorgon.json", config), (FILE, spec), ("spec/deed.rb", "")],
    );
    run::run(&home, &project, &["--local=2"]).exited(0);
    project.write("spec/deed.rb", "$bad = true");
    for count in [3, 1] {
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

/// Its last test fails if all tests of the file have run in its process.
const AT_THE_LAST: [(&str, &str); 3] = [
    (
        "spec/a_spec.rb",
        "$left = 4
RSpec.describe('a') do
  after { raise 'at the last' if ($left -= 1).zero? }
  4.times { |n| it(n.to_s) {} }
end
",
    ),
    (
        "test/a_test.rb",
        "require 'minitest/autorun'
class ATest < Minitest::Test
  @@left = 4
  4.times { |n| define_method('test_' + n.to_s) {} }
  def teardown; raise 'at the last' if (@@left -= 1).zero?; end
end
",
    ),
    (
        "test/b_test.rb",
        "require 'test/unit'
class BTest < Test::Unit::TestCase
  @@left = 4
  4.times { |n| define_method('test_' + n.to_s) {} }
  def teardown; raise 'at the last' if (@@left -= 1).zero?; end
end
",
    ),
];

#[test]
fn a_file_that_failed_runs_whole_until_it_has_passed_whole() {
    for (file, text) in AT_THE_LAST {
        let home = Home::new();
        let project = Project::of(&home, &[ALL_IN_PIECES, (file, text)]);
        let check = |arguments: &[&str], status: i32, failed: usize| {
            let arguments = [&["--local=2"], arguments].concat();
            let run = run::run(&home, &project, &arguments);
            let bad = outcomes(run.exited(status));
            let bad = bad.values().filter(|it| *it != "passed").count();
            assert_eq!((bad, parts(&run, file).len()), (failed, 1), "{arguments:?}");
        };
        check(&[], 1, 1);
        check(&[], 1, 1);
        // Alone, the test passes; tried again, too.
        check(&["--only-failures"], 0, 0);
        check(&[], 1, 1);
        check(&["--retries", "1"], 0, 0);
        check(&[], 1, 1);
        home.assert_nothing_left();
    }
}
