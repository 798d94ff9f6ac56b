//! What a file defines has changed since its last run.

use integration::{home::Home, project::Project, run};

use super::{ALL_IN_PIECES, outcomes, parts};

const FILE: &str = "spec/a_spec.rb";

/// Its examples are what `spec/shared.rb` makes of it.
const SHARED_SPEC: &str = "require_relative 'shared'
RSpec.describe('a') do
  it('own') {}
  include_examples 'shared'
end
";

fn shared(names: &[&str]) -> String {
    let examples: String = names
        .iter()
        .map(|name| format!("it('{name}') {{}}\n"))
        .collect();
    format!("RSpec.shared_examples('shared') do\n{examples}end\n")
}

#[test]
fn a_file_that_was_changed_runs_whole() {
    let home = Home::new();
    let spec =
        |name: &str| format!("RSpec.describe('a') {{ it('one') {{}}; it('{name}') {{}} }}\n");
    let project = Project::of(&home, &[ALL_IN_PIECES, (FILE, &spec("two"))]);
    run::run(&home, &project, &["--local=2"]).exited(0);
    project.write(FILE, &spec("another"));
    let run = run::run(&home, &project, &["--local=2"]);
    assert_eq!(parts(run.exited(0), FILE).len(), 1);
    let run = run::run(&home, &project, &["--local=2"]);
    assert_eq!(parts(run.exited(0), FILE).len(), 2);
    home.assert_nothing_left();
}

#[test]
fn examples_that_a_helper_adds_run_as_one_more_part_and_those_that_it_takes_away_are_named() {
    let home = Home::new();
    let project = Project::of(
        &home,
        &[
            ALL_IN_PIECES,
            (FILE, SHARED_SPEC),
            ("spec/shared.rb", &shared(&["x", "y"])),
        ],
    );
    let check = |names: &[&str], count: usize, said: &[&str]| {
        project.write("spec/shared.rb", &shared(names));
        let run = run::run(&home, &project, &["--local=2"]);
        run.exited(0).says(said);
        let mut right: Vec<String> = names
            .iter()
            .map(|name| format!("{FILE}: a a {name}"))
            .collect();
        right.push(format!("{FILE}: a a own"));
        right.sort();
        assert_eq!(outcomes(&run).into_keys().collect::<Vec<_>>(), right);
        assert_eq!(parts(&run, FILE).len(), count, "{:?}", parts(&run, FILE));
    };
    check(&["x", "y"], 1, &[]);
    check(&["x", "y"], 3, &[]);
    check(&["v", "w", "x", "y", "z"], 4, &[]);
    // All of them have been seen by now.
    check(&["v", "w", "x", "y", "z"], 6, &[]);
    check(&["x"], 6, &["spec/a_spec.rb: 1:", "there no more"]);
    check(&["x"], 2, &[]);
    home.assert_nothing_left();
}

#[test]
fn test_methods_that_a_helper_adds_and_takes_away_run_once() {
    let home = Home::new();
    let helper = |names: &str| {
        format!(
            "module Shared\n  %w[{names}].each {{ |n| define_method(\"test_#{{n}}\") {{}} }}\nend\n"
        )
    };
    for (file, test) in [
        (
            "test/mini_test.rb",
            "require 'minitest/autorun'\nrequire_relative 'helper'\n\
             class A < Minitest::Test; include Shared; def test_own; end; end\n",
        ),
        (
            "test/unit_test.rb",
            "require 'test/unit'\nrequire_relative 'helper'\n\
             class A < Test::Unit::TestCase; include Shared; def test_own; end; end\n",
        ),
    ] {
        let project = Project::of(
            &home,
            &[
                ALL_IN_PIECES,
                (file, test),
                ("test/helper.rb", &helper("x y")),
            ],
        );
        for (names, count) in [("x y", 1), ("x y", 3), ("v x", 4), ("v x", 3)] {
            project.write("test/helper.rb", &helper(names));
            let run = run::run(&home, &project, &["--local=2"]);
            let mut right: Vec<String> = format!("{names} own")
                .split(' ')
                .map(|name| format!("{file}: A A#test_{name}"))
                .collect();
            right.sort();
            assert_eq!(
                outcomes(run.exited(0)).into_keys().collect::<Vec<_>>(),
                right
            );
            assert_eq!(
                parts(&run, file).len(),
                count,
                "{names}: {:?}",
                parts(&run, file)
            );
        }
    }
    home.assert_nothing_left();
}

#[test]
fn tests_that_share_an_id_keep_their_file_whole() {
    let home = Home::new();
    let test = "require 'minitest/autorun'
Class.new(Minitest::Test) { def self.name = 'Twin'; def test_a; end; def test_b; end }
Class.new(Minitest::Test) { def self.name = 'Twin'; def test_a; end; def test_b; end }
";
    let project = Project::of(&home, &[ALL_IN_PIECES, ("test/a_test.rb", test)]);
    for _ in 0..2 {
        let run = run::run(&home, &project, &["--local=2"]);
        run.exited(0).says(&["4 tests: 4 passed"]);
        assert_eq!(parts(&run, "test/a_test.rb").len(), 1);
    }
    home.assert_nothing_left();
}

#[test]
fn tests_with_names_that_are_drawn_anew_all_run() {
    let home = Home::new();
    let test = "require 'minitest/autorun'
class A < Minitest::Test
  3.times { |n| define_method(\"test_#{n}_of_#{$$}\") {} }
  def test_plain; end
end
";
    let project = Project::of(&home, &[ALL_IN_PIECES, ("test/a_test.rb", test)]);
    run::run(&home, &project, &["--local=2"])
        .exited(0)
        .says(&["4 tests: 4 passed"]);
    let run = run::run(&home, &project, &["--local=2"]);
    run.exited(0).says(&["4 tests: 4 passed", "there no more"]);
    // That is seen now: it stays whole.
    let run = run::run(&home, &project, &["--local=2"]);
    run.exited(0).says(&["4 tests: 4 passed"]);
    assert_eq!(parts(&run, "test/a_test.rb").len(), 1);
    home.assert_nothing_left();
}

#[test]
fn a_focus_that_a_file_brings_keeps_it_whole() {
    let home = Home::new();
    let spec = "RSpec.configure { |c| c.filter_run_when_matching :focus }
RSpec.describe('a') do
  it('one', :focus) {}
  it('two', :focus) {}
  it('three') { raise }
end
";
    let project = Project::of(&home, &[ALL_IN_PIECES, (FILE, spec)]);
    for _ in 0..2 {
        let run = run::run(&home, &project, &["--local=2"]);
        run.exited(0)
            .says(&["2 tests: 2 passed", "a focus filter was active"]);
        assert_eq!(parts(&run, FILE).len(), 1);
    }
    home.assert_nothing_left();
}

#[test]
fn examples_that_the_configuration_excludes_are_in_no_part() {
    let home = Home::new();
    let helper = "RSpec.configure { |c| c.filter_run_excluding :slow }\n";
    let spec = "require_relative 'helper'
RSpec.describe('a') do
  it('one') {}
  it('slow', :slow) { raise }
  it('two') {}
end
";
    let project = Project::of(
        &home,
        &[ALL_IN_PIECES, ("spec/helper.rb", helper), (FILE, spec)],
    );
    for count in [1, 2, 2] {
        let run = run::run(&home, &project, &["--local=2"]);
        run.exited(0).says(&["2 tests: 2 passed"]);
        assert_eq!(parts(&run, FILE).len(), count);
    }
    home.assert_nothing_left();
}
