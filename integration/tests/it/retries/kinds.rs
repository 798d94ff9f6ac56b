//! The frameworks, and tests that are hard to name.

use std::process::Command;

use gorgon_process::{
    child::End,
    command::{self, CommandError},
};
use integration::{binaries, home::Home, project::Project, run, wait::secs};
use serde_json::Value;

use super::{case, job_finished, pids, project};

/// Runs a line of the summary as a shell would; returns its exit status and its finishes.
fn reproduce(home: &Home, project: &Project, line: &str) -> (i32, Vec<Value>) {
    let worker = binaries::path("gorgon-worker").display().to_string();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &line.replacen("gorgon-worker", &worker, 1)])
        .env_clear()
        .envs(home.environment())
        .current_dir(project.path());
    let (status, stdout) = match command::run(shell, secs(30), b"") {
        Ok(finished) => (0, finished.stdout),
        Err(CommandError::Ended {
            end: End::Exited(status),
            source,
            ..
        }) => (status, source.stdout),
        Err(error) => panic!("{error}"),
    };
    let messages = stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let finishes = messages.filter(|message| message["action"] == "finish");
    (status, finishes.collect())
}

const RSPEC: &str = r##"require_relative '../tries'
RSpec.describe 'r' do
  it('is flaky') { Tries.unlucky('r-flaky', 1) }
  it('is steady') { Tries.count('r-steady') }
  it('is broken') { Tries.unlucky('r-broken', 99) }
end
"##;

const MINITEST: &str = r##"require 'minitest/autorun'
require_relative '../tries'
class MTest < Minitest::Test
  def test_flaky; Tries.unlucky('m-flaky', 1); end
  def test_steady; Tries.count('m-steady'); end
  def test_broken; assert Tries.count('m-broken') > 99; end
end
"##;

const TEST_UNIT: &str = r##"require 'test/unit'
require_relative '../tries'
class UTest < Test::Unit::TestCase
  def test_flaky; Tries.unlucky('u-flaky', 1); end
  def test_steady; Tries.count('u-steady'); end
  def test_broken; assert_true(Tries.count('u-broken') > 99); end
end
"##;

#[test]
fn each_framework_tries_its_failed_tests_again() {
    let home = Home::new();
    let project = project(
        &home,
        &[
            ("spec/r_spec.rb", RSPEC),
            ("test/m_test.rb", MINITEST),
            ("test/u_test.rb", TEST_UNIT),
        ],
    );
    let arguments = ["--local=2", "--retries", "2", "--seed", "7"];
    let run = run::run(&home, &project, &arguments);
    run.exited(1)
        .says(&["Flaky tests (3):", "9 tests: 6 passed (3 flaky)", "seed 7"]);
    for (kind, file, flaky, broken) in [
        ("r", "spec/r_spec.rb", "r is flaky", "r is broken"),
        (
            "m",
            "test/m_test.rb",
            "MTest#test_flaky",
            "MTest#test_broken",
        ),
        (
            "u",
            "test/u_test.rb",
            "UTest#test_flaky",
            "UTest#test_broken",
        ),
    ] {
        let runs = |name: &str| pids(&home, &format!("{kind}-{name}")).len();
        let counted = (runs("flaky"), runs("steady"), runs("broken"));
        assert_eq!(counted, (2, 1, 3), "{kind}");
        let flaky = case(&run, file, flaky);
        assert_eq!(
            (flaky.outcome.as_str(), flaky.attempts.len()),
            ("passed", 1)
        );
        assert!(flaky.attempts[0].contains("unlucky in run 1"), "{flaky:?}");
        let broken = case(&run, file, broken);
        assert_ne!(broken.outcome, "passed");
        assert_eq!(broken.attempts.len(), 2, "{broken:?}");
        assert!(broken.attempts[0].starts_with("rerun"), "{broken:?}");
    }
    assert_eq!(job_finished(&run)["files_failed"], 3);
    // The line under a failed retry runs that test alone, as its child did.
    for test in [
        "spec/r_spec.rb[1:3]",
        "test/m_test.rb[MTest#test_broken]",
        "test/u_test.rb[UTest#test_broken]",
    ] {
        let on = |slot| {
            format!("gorgon-worker --workspace . --seed 7 --worker-id {slot} --file '{test}'")
        };
        let told = [on(1), on(2)]
            .into_iter()
            .find(|line| run.stdout.contains(line.as_str()));
        let line = &told.unwrap_or_else(|| panic!("{test}: {}", run.stdout));
        let (status, finishes) = reproduce(&home, &project, line);
        assert_eq!((status, finishes.len()), (1, 1), "{line}");
        let tests = finishes[0]["tests"].as_array().unwrap();
        assert_eq!(tests.len(), 1, "{line}: {tests:#?}");
    }
    home.assert_nothing_left();
}

const SAME_NAMES: &str = r##"require_relative '../tries'
RSpec.shared_examples('shared') { |key| it('works') { Tries.unlucky(key, 1) if key == 's-2' } }
RSpec.describe 'same' do
  it('name') { Tries.count('n-1') }
  it('name') { Tries.unlucky('n-2', 1) }
  it { expect(Tries.count('anonymous')).to be > 1 }
  include_examples 'shared', 's-1'
  include_examples 'shared', 's-2'
  %w[a b].each { |letter| it("letter #{letter}, [#{letter}]") { Tries.unlucky("l-#{letter}", 1) if letter == 'b' } }
end
"##;

const SAME_CLASSES: &str = r##"require 'minitest/autorun'
require_relative '../tries'
[0, 1].each do |n|
  klass = Class.new(Minitest::Test) do
    define_singleton_method(:name) { 'Twin' }
    define_method(:test_it) { Tries.unlucky("twin-#{n}", n) }
  end
end
describe 'spec style' do
  it('works [now], really') { Tries.unlucky('style', 1) }
end
"##;

const DATA: &str = r##"require 'test/unit'
require_relative '../tries'
class DataTest < Test::Unit::TestCase
  data('one, two' => 'd-1', '[three]' => 'd-2', 'four' => 'd-3')
  def test_data(key)
    Tries.unlucky(key, 1) unless key == 'd-3'
    Tries.count(key) if key == 'd-3'
  end
end
"##;

#[test]
fn only_the_test_that_failed_runs_again_whatever_its_name() {
    let home = Home::new();
    let project = project(
        &home,
        &[
            ("spec/same_spec.rb", SAME_NAMES),
            ("test/twins_test.rb", SAME_CLASSES),
            ("test/data_test.rb", DATA),
        ],
    );
    let run = run::run(&home, &project, &["--local=2", "--retries", "1"]);
    run.exited(0)
        .says(&["Flaky tests (8):", "13 passed (8 flaky)"]);
    for (name, runs) in [
        ("n-1", 1),
        ("n-2", 2),
        ("anonymous", 2),
        ("s-2", 2),
        ("l-b", 2),
        ("twin-0", 1),
        ("twin-1", 2),
        ("style", 2),
        ("d-1", 2),
        ("d-2", 2),
        ("d-3", 1),
    ] {
        assert_eq!(pids(&home, name).len(), runs, "{name}");
    }
    home.assert_nothing_left();
}
