//! Failed tests that are tried again: which, where, how often, and what is said of them.

mod endings;
mod kinds;

use std::fs;

use integration::{
    cluster::Cluster, gate::Gate, home::Home, junit::Case, project::Project, run, run::Finished,
};
use serde_json::Value;

/// `Tries.unlucky('name', 2)` raises in the first two runs of that name, whatever host they are on.
const TRIES: &str = r##"
module Tries
  def self.count(name)
    path = File.join(Dir.home, "#{name}.tries")
    File.open(path, 'a') { |file| file.puts("#{$$} #{ENV['GORGON_WORKER_ID']}") }
    File.readlines(path).size
  end

  def self.unlucky(name, times)
    run = count(name)
    raise "unlucky in run #{run}" if run <= times
  end
end
"##;

/// A project with `tries.rb` and these files.
fn project(home: &Home, files: &[(&str, &str)]) -> Project {
    let project = Project::of(home, files);
    project.write("tries.rb", TRIES);
    project
}

/// Returns the process of each run of a name, in order.
fn pids(home: &Home, name: &str) -> Vec<String> {
    let path = home.path().join("home").join(format!("{name}.tries"));
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect()
}

fn case<'a>(run: &'a Finished, file: &str, name: &str) -> &'a Case {
    let cases = run.junit().file(file);
    let found: Vec<_> = cases.iter().filter(|case| case.name == name).collect();
    assert_eq!(found.len(), 1, "{name} is reported once: {cases:#?}");
    found[0]
}

/// Returns the finishes of retries.
fn retries(run: &Finished) -> Vec<&Value> {
    let finishes = run.events("item_finished").into_iter();
    finishes
        .filter(|finish| finish["retry"].as_u64().is_some())
        .collect()
}

fn job_finished(run: &Finished) -> &Value {
    run.events("job_finished")[0]
}

const FLAKY: &str = r##"require_relative '../tries'
RSpec.describe 'network' do
  it('answers') { Tries.unlucky('answers', 1) }
  it('is named') { Tries.count('named') }
end
"##;

#[test]
fn without_retries_a_failure_is_one_and_with_none_left_too() {
    let home = Home::new();
    let config = r#"{ "files": ["spec/*_spec.rb"], "retries": 1 }"#;
    let project = project(&home, &[("gorgon.json", config), ("spec/a_spec.rb", FLAKY)]);
    // The command line wins over the configuration.
    let run = run::run(&home, &project, &["--local=1", "--retries", "0"]);
    run.exited(1).says(&["1 passed, 1 failed"]);
    assert_eq!(pids(&home, "answers").len(), 1);
    project.write(
        "spec/a_spec.rb",
        &FLAKY.replace("'answers', 1", "'again', 1"),
    );
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(0)
        .says(&["2 passed (1 flaky)", "unlucky in run 1"]);
    project.write(
        "spec/a_spec.rb",
        &FLAKY.replace("'answers', 1", "'ever', 9"),
    );
    let run = run::run(&home, &project, &["--local=1", "--retries", "2"]);
    run.exited(1)
        .says(&["1 passed, 1 failed", "Attempts: 3", "unlucky in run 3"]);
    assert_eq!(pids(&home, "ever").len(), 3);
    let case = case(&run, "spec/a_spec.rb", "network answers");
    assert_eq!(case.outcome, "failure");
    assert!(case.text.contains("unlucky in run 1"), "{}", case.text);
    assert_eq!(
        case.attempts,
        [
            "rerunFailure: unlucky in run 2",
            "rerunFailure: unlucky in run 3"
        ]
    );
    home.assert_nothing_left();
}

#[test]
fn flaky_tests_pass_unless_they_are_to_fail_and_are_told_either_way() {
    let home = Home::new();
    for (result, status) in [("pass", 0), ("fail", 1)] {
        let name = format!("'answers-{result}', 1");
        let spec = FLAKY.replace("'answers', 1", &name);
        let project = project(&home, &[("spec/a_spec.rb", &spec)]);
        let arguments = ["--local=2", "--retries", "2", "--flaky-result", result];
        let run = run::run(&home, &project, &arguments);
        run.exited(status)
            .says(&["Flaky tests (1):", "spec/a_spec.rb:3"]);
        let says_so = "1 flaky test fails the job: --flaky-result fail";
        assert_eq!(
            run.stdout.contains(says_so),
            result == "fail",
            "{}",
            run.stdout
        );
        let finished = job_finished(&run);
        assert_eq!(finished["flaky"], 1);
        assert_eq!(
            (&finished["tests"], &finished["passed"]),
            (&2.into(), &2.into())
        );
        assert_eq!(finished["flaky_tests"][0]["attempts"], 2);
        let case = case(&run, "spec/a_spec.rb", "network answers");
        assert_eq!(case.outcome, "passed");
        assert_eq!(case.attempts, ["flakyFailure: unlucky in run 1"]);
    }
    home.assert_nothing_left();
}

#[test]
fn a_retry_has_a_fresh_ruby_child_also_where_one_worker_is_all_there_is() {
    for isolation in ["worker", "file"] {
        let home = Home::new();
        let config = format!(r#"{{ "files": ["spec/*_spec.rb"], "isolation": "{isolation}" }}"#);
        let project = project(
            &home,
            &[
                ("gorgon.json", &config),
                (
                    "spec/a_spec.rb",
                    &FLAKY.replace("'answers', 1", "'answers', 2"),
                ),
                (
                    "spec/b_spec.rb",
                    "require_relative '../tries'\nRSpec.describe('b') { it('x') { Tries.unlucky('b', 1) } }\n",
                ),
            ],
        );
        let run = run::run(&home, &project, &["--local=1", "--retries", "2"]);
        run.exited(0).says(&["3 passed (2 flaky)"]);
        let mut all = pids(&home, "answers");
        assert_eq!(all.len(), 3);
        all.extend(pids(&home, "b").into_iter().skip(1));
        // Where b failed after a it was judged again, and one child ran both once more.
        let row = usize::from(isolation == "worker");
        let count = all.len() - row;
        all.sort();
        all.dedup();
        assert_eq!(
            all.len(),
            count,
            "no other child had two of these runs: {all:?}"
        );
        // What passed is not run again, and the retries come after the rest.
        assert_eq!(pids(&home, "named").len(), 1 + row);
        let order: Vec<_> = run
            .events("item_started")
            .iter()
            .map(|start| start["retry"].as_u64().unwrap_or_default())
            .collect();
        let right = if row == 1 {
            [0, 0, 0, 0, 1, 1].to_vec()
        } else {
            [0, 0, 1, 1, 2].to_vec()
        };
        assert_eq!(order, right);
        let starts = run.events("item_started");
        assert_eq!(starts[2 + 2 * row]["tests"], serde_json::json!(["1:1"]));
        home.assert_nothing_left();
    }
}

#[test]
fn a_retry_runs_on_the_other_host() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    let gate = Gate::open(cluster.home());
    let spec = |name: &str| {
        format!(
            "require_relative '../gate'\nrequire_relative '../tries'\n\
             RSpec.describe('{name}') {{ it('x') {{ Gate.pass('{name}'); Tries.unlucky('{name}', 1) }} }}\n"
        )
    };
    let project = project(
        cluster.home(),
        &[
            ("spec/a_spec.rb", &spec("one")),
            ("spec/b_spec.rb", &spec("two")),
            ("gorgon.json", r#"{ "files": ["spec/*_spec.rb"] }"#),
        ],
    );
    gate.write_into(&project);
    let run = cluster.begin(&project, &["--retries", "1"]);
    // Both hosts are there before the first retry is queued.
    let (first, second) = (gate.next(), gate.next());
    first.release();
    second.release();
    gate.next().release();
    gate.next().release();
    let run = run.finished(run::RUN_LIMIT);
    run.exited(0)
        .says(&["Flaky tests (2):", "2 passed (2 flaky)"]);
    for file in ["spec/a_spec.rb", "spec/b_spec.rb"] {
        let hosts: Vec<_> = run
            .events("item_finished")
            .into_iter()
            .filter(|finish| finish["filename"] == file)
            .map(|finish| finish["hostname"].as_str().unwrap())
            .collect();
        assert_eq!(hosts.len(), 2, "{hosts:?}");
        assert_ne!(
            hosts[0], hosts[1],
            "{file} was tried again where it had failed"
        );
        run.says(&[&format!("1 failed so at '{}:1'", hosts[0])]);
        run.says(&[&format!("2 passed at '{}:1'", hosts[1])]);
    }
    cluster.assert_nothing_left();
}

#[test]
fn what_only_failures_runs_is_tried_again_too_and_what_is_flaky_is_no_failure() {
    let home = Home::new();
    let spec = "require_relative '../tries'\nRSpec.describe 'a' do\n\
                it('is flaky') { Tries.unlucky('flaky', 2) }\n\
                it('is steady') { Tries.count('steady') }\n\
                it('is broken') { Tries.unlucky('broken', 99) }\nend\n";
    let config = r#"{ "files": ["spec/*_spec.rb"], "failed_files": "failed.json", "runtime_file": "runtime.json" }"#;
    let project = project(&home, &[("spec/a_spec.rb", spec), ("gorgon.json", config)]);
    run::run(&home, &project, &["--local=1"]).exited(1);
    let run = run::run(
        &home,
        &project,
        &["--local=1", "--only-failures", "--retries", "1"],
    );
    run.exited(1).says(&["1 passed (1 flaky), 1 failed"]);
    assert_eq!(pids(&home, "steady").len(), 1);
    let run = run::run(&home, &project, &["--local=1", "--only-failures"]);
    run.exited(1).says(&["1 test: 1 failed"]);
    assert_eq!(pids(&home, "flaky").len(), 3);

    let flaky = project_of_one(&home);
    let run = run::run(&home, &flaky, &["--local=1", "--retries", "1"]);
    run.exited(0);
    assert_eq!(flaky.read("failed.json").trim(), "[]");
    // The times are those of the whole file, not of its retry.
    let first = run.events("item_finished")[0]["time"].as_f64().unwrap();
    let times: Value = serde_json::from_str(&flaky.read("runtime.json")).unwrap();
    assert_eq!(times["spec/a_spec.rb"].as_f64(), Some(first));
    run::run(&home, &flaky, &["--local=1", "--only-failures"])
        .exited(0)
        .says(&["no failure is recorded"]);
    home.assert_nothing_left();
}

fn project_of_one(home: &Home) -> Project {
    let config = r#"{ "files": ["spec/*_spec.rb"], "failed_files": "failed.json", "runtime_file": "runtime.json" }"#;
    project(home, &[("spec/a_spec.rb", FLAKY), ("gorgon.json", config)])
}

#[test]
fn where_more_than_a_tenth_failed_nothing_is_tried_again() {
    let home = Home::new();
    for (failed, status, tried) in [(11, 1, 0), (10, 0, 1)] {
        let spec = format!(
            "require_relative '../tries'\nRSpec.describe 'a' do\n\
             100.times {{ |n| it(\"has #{{n}}\") {{ Tries.unlucky(\"{failed}-#{{n}}\", 1) if n < {failed} }} }}\nend\n"
        );
        let project = project(&home, &[("spec/a_spec.rb", &spec)]);
        let run = run::run(&home, &project, &["--local=2", "--retries", "1"]);
        run.exited(status);
        assert_eq!(retries(&run).len(), tried);
        let warning = "11 of 100 tests failed, more than a tenth";
        assert_eq!(run.stderr.contains(warning), tried == 0, "{}", run.stderr);
        assert_eq!(run.stdout.contains(warning), tried == 0, "{}", run.stdout);
    }
    home.assert_nothing_left();
}
