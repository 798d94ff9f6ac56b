//! What plain RSpec does before and after its examples: options, the file of their statuses.

mod judges;
mod plain;

use integration::{home::Home, project::Project, run};

const SPEC: &str = "RSpec.describe('a') do\n  it('passes') {}\n  it('fails') { raise 'x' }\nend\n";

/// <https://github.com/grosser/parallel_tests/issues/713>
#[test]
fn an_option_that_rspec_does_not_know_is_told_once() {
    let home = Home::new();
    let files = ["a", "b", "c"].map(|name| format!("spec/{name}_spec.rb"));
    let mut sources: Vec<_> = files.iter().map(|file| (file.as_str(), SPEC)).collect();
    let plain = Project::of(&home, &sources);
    sources.push((".rspec", "--no-such-option\n"));
    let dotted = Project::of(&home, &sources);
    for (project, arguments, text) in [
        (
            &plain,
            vec!["--", "--no-such-option"],
            "invalid option: --no-such-option",
        ),
        (&plain, vec!["--", "-e"], "missing argument: -e"),
        (
            &dotted,
            vec![],
            "invalid option: --no-such-option (defined in ",
        ),
    ] {
        let run = run::run(&home, project, &[vec!["--local=2"], arguments].concat());
        run.exited(3).says(&[text, "the options of RSpec"]);
        assert!(run.events("item_finished").is_empty(), "{}", run.stdout);
        assert_eq!(run.stdout.matches(text).count(), 1, "{}", run.stdout);
        assert!(run.stderr.lines().count() <= 12, "{}", run.stderr);
    }
    home.assert_nothing_left();
}

/// A database that before_start makes is not left behind.
#[test]
fn before_start_does_not_run_for_options_that_are_wrong_or_after_complete_does_too() {
    let home = Home::new();
    let callbacks = "class C < Gorgon::DefaultCallbacks
      def before_start = File.write('log', \"before_start \", mode: 'a')
      def after_complete = File.write('log', \"after_complete\", mode: 'a')
    end
    Gorgon.callbacks = C.new\n";
    let config = r#"{ "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } } }"#;
    let project = Project::of(
        &home,
        &[
            ("gorgon.json", config),
            ("callbacks.rb", callbacks),
            (".rspec", "--no-such-option\n"),
            ("log", ""),
            ("spec/a_spec.rb", SPEC),
        ],
    );
    let said = ["invalid option: --no-such-option", "the options of RSpec"];
    run::run(&home, &project, &["--local=1"])
        .exited(3)
        .says(&said);
    assert_eq!(project.read("log"), "");
    // A template may ask what before_start has set.
    project.write(".rspec", "<%= '--no-such-option' %>\n");
    run::run(&home, &project, &["--local=1"])
        .exited(3)
        .says(&said);
    assert_eq!(project.read("log"), "before_start after_complete");
    home.assert_nothing_left();
}

/// <https://github.com/grosser/parallel_tests/issues/699>, <https://github.com/serpapi/turbo_tests/issues/43>
#[test]
fn all_workers_add_to_the_file_of_statuses_that_rspec_keeps() {
    let home = Home::new();
    let helper =
        "RSpec.configure { |c| c.example_status_persistence_file_path = 'spec/statuses.txt' }\n";
    let project = Project::of(
        &home,
        &[
            (".rspec", "--require ./spec/helper\n"),
            ("spec/helper.rb", helper),
            ("spec/a_spec.rb", SPEC),
            ("spec/b_spec.rb", SPEC),
        ],
    );
    let statuses = || {
        let text = project.read("spec/statuses.txt");
        let lines = text.lines().skip(2).map(|line| {
            let cells: Vec<_> = line.split('|').map(str::trim).take(2).collect();
            cells.join(" ")
        });
        lines.collect::<Vec<_>>()
    };
    run::run(&home, &project, &["--local=2"]).exited(1);
    assert_eq!(
        statuses(),
        [
            "./spec/a_spec.rb[1:1] passed",
            "./spec/a_spec.rb[1:2] failed",
            "./spec/b_spec.rb[1:1] passed",
            "./spec/b_spec.rb[1:2] failed",
        ]
    );
    project.write(
        "spec/b_spec.rb",
        "RSpec.describe('b') { it('passes') {} }\n",
    );
    run::run(&home, &project, &["--local=1", "spec/b_spec.rb"]).exited(0);
    assert_eq!(
        statuses(),
        [
            "./spec/a_spec.rb[1:1] passed",
            "./spec/a_spec.rb[1:2] failed",
            "./spec/b_spec.rb[1:1] passed",
        ]
    );
    home.assert_nothing_left();
}

/// A tag that is mistyped selects nothing.
#[test]
fn a_job_without_examples_fails_where_rspec_is_told_so_and_a_file_without_any_does_not() {
    let home = Home::new();
    let helper = "RSpec.configure { |c| c.fail_if_no_examples = true }\n";
    let spec = "RSpec.describe('a') { it('passes', :smoke) {} }\n";
    let project = Project::of(
        &home,
        &[
            (".rspec", "--require ./spec/helper\n"),
            ("spec/helper.rb", helper),
            ("spec/a_spec.rb", spec),
            (
                "spec/b_spec.rb",
                "RSpec.describe('b') { it('passes') {} }\n",
            ),
        ],
    );
    let fault = "no test was found in any file: that fails the job";
    run::run(&home, &project, &["--local=2", "--", "--tag", "smoek"])
        .exited(1)
        .says(&[fault, "fail_if_no_examples"]);
    let run = run::run(&home, &project, &["--local=2", "--", "--tag", "smoke"]);
    run.exited(0);
    assert!(!run.stdout.contains(fault), "{}", run.stdout);
    project.write("spec/helper.rb", "");
    run::run(&home, &project, &["--local=2", "--", "--tag", "smoek"])
        .exited(0)
        .says(&["no test was found in any file", "0 tests in 2 files"]);
    home.assert_nothing_left();
}
