//! Filters are judged for the whole job, and what they left out is told.

use integration::{home::Home, project::Project, run};

const HELPER: &str =
    "RSpec.configure { |config| config.run_all_when_everything_filtered = true }\n";

fn project(home: &Home) -> Project {
    let files = [
        (".rspec", "--require ./spec/helper\n"),
        ("spec/helper.rb", HELPER),
        (
            "spec/a_spec.rb",
            "RSpec.describe('a') { it('holds', :smoke) {}; it('else') {} }\n",
        ),
        (
            "spec/b_spec.rb",
            "RSpec.describe('b') { it('one') {}; it('two') { raise 'unlucky' if ENV['FAILS'] } }\n",
        ),
    ];
    Project::of(home, &files)
}

#[test]
fn a_filter_that_matches_in_one_file_leaves_out_the_tests_of_the_others() {
    let home = Home::new();
    let project = project(&home);
    for arguments in [["--tag", "smoke"], ["-e", "holds"]] {
        let run = run::run(
            &home,
            &project,
            &[&["--local=2", "--"], &arguments[..]].concat(),
        );
        run.exited(0)
            .says(&["1 test: 1 passed", "left out: 3 tests in 2 files ("]);
        let last = run.events("job_finished")[0];
        assert_eq!(
            last["left_out"],
            serde_json::json!({"tests": 3, "files": 2})
        );
        assert_eq!(last["warnings"], serde_json::json!([]));
    }
    home.assert_nothing_left();
}

/// Those that another filter leaves out as well.
#[test]
fn what_two_filters_leave_out_is_counted_once() {
    let home = Home::new();
    let helper = "RSpec.configure { |c| c.run_all_when_everything_filtered = true }\n";
    let project = Project::of(
        &home,
        &[
            (
                ".rspec",
                "--require ./spec/helper\n--tag smoke --tag ~slow\n",
            ),
            ("spec/helper.rb", helper),
            (
                "spec/a_spec.rb",
                "RSpec.describe('a') { it('runs', :smoke) {} }\n",
            ),
            (
                "spec/b_spec.rb",
                "RSpec.describe('b') { it('waits', :slow) {}; it('rests') {} }\n",
            ),
        ],
    );
    let run = run::run(&home, &project, &["--local=2"]);
    run.exited(0)
        .says(&["1 test: 1 passed", "left out: 2 tests in 1 file ("]);
    home.assert_nothing_left();
}

/// RSpec asks for its files after its helpers are loaded.
#[test]
fn a_pattern_that_a_helper_sets_is_told() {
    let home = Home::new();
    let helper = "RSpec.configure { |c| c.pattern = '**/*_{spec,check}.rb' }\n";
    let project = Project::of(
        &home,
        &[
            (".rspec", "--require ./spec/helper\n"),
            ("spec/helper.rb", helper),
            ("spec/a_spec.rb", "RSpec.describe('a') { it('runs') {} }\n"),
        ],
    );
    let run = run::run(&home, &project, &["--local=1"]);
    assert!(!run.exited(0).stdout.contains("Warnings"), "{}", run.stdout);
    project.write(
        "spec/b_check.rb",
        "RSpec.describe('b') { it('fails') { raise } }\n",
    );
    let said = "config.pattern of the suite is ignored: by it 1 more would run (spec/b_check.rb)";
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(1)
        .says(&[said, "1 test: 1 passed; 1 error outside tests"]);
    // Who names files gets them.
    project.write("spec/c_spec.rb", "RSpec.describe('c') { it('runs') {} }\n");
    let run = run::run(&home, &project, &["--local=1", "spec/a_spec.rb"]);
    run.exited(0)
        .says(&["by it 2 more would run (spec/b_check.rb)"]);
    project.write("gorgon.json", r#"{ "files": ["spec/*_{spec,check}.rb"] }"#);
    project.write("spec/b_check.rb", "RSpec.describe('b') { it('runs') {} }\n");
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(0).says(&["3 tests: 3 passed"]);
    assert!(!run.stdout.contains("config.pattern"), "{}", run.stdout);
    let other = "RSpec.configure { |c| c.exclude_pattern = 'spec/c_*' }\n";
    project.write("spec/helper.rb", other);
    run::run(&home, &project, &["--local=1"]).exited(0).says(&[
        "config.exclude_pattern of the suite is ignored: by it 1 would not run (spec/c_spec.rb)",
    ]);
    home.assert_nothing_left();
}

#[test]
fn where_a_filter_matches_nothing_in_the_job_all_tests_run_that_want_to() {
    let home = Home::new();
    let project = project(&home);
    let run = run::run(&home, &project, &["--local=2", "--", "--tag", "smoek"]);
    run.exited(0).says(&[
        "4 tests: 4 passed",
        "all tests were run, as the suite asks for it (run_all_when_everything_filtered)",
    ]);
    assert_eq!(run.junit().counts()["spec/b_spec.rb"].passed, 2);
    // Else nothing runs, and that is told.
    project.write("spec/helper.rb", "");
    let run = run::run(&home, &project, &["--local=2", "--", "--tag", "smoek"]);
    run.exited(0).says(&[
        "0 tests in 2 files",
        "left out: 4 tests in 2 files (",
        "no test was found in any file",
    ]);
    home.assert_nothing_left();
}
