//! A long file runs in parts from its second run on, and its results are those of the whole file.

mod changes;
mod endings;
mod hooks;

use std::collections::{BTreeMap, BTreeSet};

use integration::{cluster::Cluster, home::Home, project::Project, run, run::Finished};
use serde_json::Value;

/// Every file that can be cut is, into its single pieces.
const ALL_IN_PIECES: (&str, &str) = (
    "gorgon.json",
    r#"{ "files": ["{spec,test}/**/*_{spec,test}.rb"], "split_over": 0.0000001 }"#,
);

const SPEC: &str = "RSpec.describe('a') do
  it('one') { expect(1).to eq 1 }
  it('two') { pending 'known'; expect(1).to eq 2 }
  it('three') { skip 'later' }
  describe('held') do
    before(:all) { @once = ($held = $held.to_i + 1) }
    it('is set up') { expect([@once, $held]).to eq [1, 1] }
    it('once') { expect([@once, $held]).to eq [1, 1] }
    context('with a group inside') { it('too') { expect($held).to eq 1 } }
  end
  describe('in order', order: :defined) do
    it('first') { $order = [1] }
    it('second') { expect($order).to eq [1] }
  end
end
";

const MINITEST: &str = "require 'minitest/autorun'
class ATest < Minitest::Test
  def test_one; end
  def test_two; end
  def test_three; skip 'later'; end
end
class InOrder < Minitest::Test
  i_suck_and_my_tests_are_order_dependent!
  def test_1; $order = [1]; end
  def test_2; assert_equal [1], $order; end
end
class Around < Minitest::Test
  def self.run(*)
    $around = true
    super
  ensure
    $around = false
  end
  def test_a; assert $around; end
  def test_b; assert $around; end
end
";

const TEST_UNIT: &str = "require 'test/unit'
class ATest < Test::Unit::TestCase
  def test_one; end
  def test_two; omit 'no'; end
  data('x' => 1, 'y' => 2)
  def test_data(number); assert_kind_of Integer, number; end
end
class Held < Test::Unit::TestCase
  def self.startup; $started = $started.to_i + 1; end
  def self.shutdown; $started = 0; end
  def test_a; assert_equal 1, $started; end
  class Inner < Held
    def test_b; assert_operator $started, :>=, 1; end
  end
end
class InOrder < Test::Unit::TestCase
  self.test_order = :defined
  def test_z; $order = [1]; end
  def test_a; assert_equal [1], $order; end
end
";

/// What [`parts`] returns of a file that has run as a whole.
const WHOLE: [Vec<String>; 1] = [Vec::new()];

/// Returns the items, by number, that judged failures of this kind again: `alone`, or `again`.
fn judged(run: &Finished, way: &str) -> BTreeSet<u64> {
    let queued = run.events("item_redelivered").into_iter();
    let of_way = queued.filter(|event| event["review"] == way);
    of_way
        .map(|event| event["item"].as_u64().unwrap())
        .collect()
}

/// Returns the tests of each part of a file that has begun, in order.
fn parts(run: &Finished, file: &str) -> Vec<Vec<String>> {
    let again = &judged(run, "alone") | &judged(run, "again");
    let starts = run.events("item_started").into_iter();
    let starts = starts.filter(|start| !again.contains(&start["item"].as_u64().unwrap()));
    let starts = starts.filter(|start| start["filename"] == file && start["retry"].is_null());
    let ids = |tests: &Value| {
        let ids = tests.as_array().into_iter().flatten();
        ids.map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    starts.map(|start| ids(&start["tests"])).collect()
}

/// Returns how each test of a run ended, by file and name; each is there once.
fn outcomes(run: &Finished) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (file, cases) in &run.junit().suites {
        for case in cases {
            let name = format!("{file}: {} {}", case.classname, case.name);
            let twice = found.insert(name.clone(), case.outcome.clone());
            assert_eq!(twice, None, "{name} is reported twice");
        }
    }
    // Nor has it run twice: no two parts have it. What was judged again is another matter.
    let finishes = run.events("item_finished").into_iter();
    let finishes = finishes.filter(|it| it["review"].is_null());
    let first = finishes.filter(|finish| finish["retry"].is_null());
    let ran: usize = first
        .map(|finish| finish["tests"].as_array().unwrap().len())
        .sum();
    let faults = run.junit().suites.iter().flat_map(|(_, cases)| cases);
    let faults = faults.filter(|case| case.classname == case.file).count();
    assert_eq!(
        ran,
        found.len() - faults,
        "{:?}",
        run.events("item_finished")
    );
    let finished = run.events("job_finished");
    assert_eq!(finished[0]["tests"], found.len(), "{}", finished[0]);
    assert_eq!(finished[0]["files"], run.junit().suites.len());
    found
}

/// Runs a project twice: whole, then in so many parts of this file, with the same results.
fn twice(
    cluster: Option<&Cluster>,
    home: &Home,
    project: &Project,
    file: &str,
    count: usize,
) -> Finished {
    let run = || match cluster {
        Some(cluster) => cluster.run(project, &[]),
        None => run::run(home, project, &["--local=2"]),
    };
    let first = run();
    assert_eq!(parts(&first, file).len(), 1);
    let second = run();
    assert_eq!(
        parts(&second, file).len(),
        count,
        "{:?}",
        parts(&second, file)
    );
    assert_eq!(outcomes(&first), outcomes(&second));
    let status = |run: &Finished| run.events("job_finished")[0]["exit_status"].clone();
    assert_eq!(status(&first), status(&second));
    second
}

fn together(run: &Finished, file: &str, ids: &[&str]) {
    let parts = parts(run, file);
    let is_it = |part: &Vec<String>| {
        let mut part: Vec<&str> = part.iter().map(String::as_str).collect();
        part.sort_unstable();
        part == ids
    };
    assert!(parts.iter().any(is_it), "{ids:?} in {parts:?}");
}

#[test]
fn an_rspec_file_is_cut_between_examples_and_around_groups_with_context_hooks_or_an_order() {
    let home = Home::new();
    let project = Project::of(&home, &[ALL_IN_PIECES, ("spec/a_spec.rb", SPEC)]);
    let run = twice(None, &home, &project, "spec/a_spec.rb", 5);
    together(&run, "spec/a_spec.rb", &["1:4:1", "1:4:2", "1:4:3:1"]);
    together(&run, "spec/a_spec.rb", &["1:5:1", "1:5:2"]);
    together(&run, "spec/a_spec.rb", &["1:2"]);
    // The order of a report is the file's.
    let names: Vec<_> = run
        .junit()
        .file("spec/a_spec.rb")
        .iter()
        .map(|case| case.name.clone())
        .collect();
    assert_eq!(names[..3], ["a one", "a two", "a three"]);
    home.assert_nothing_left();
}

#[test]
fn context_hooks_of_the_configuration_hold_their_groups() {
    let home = Home::new();
    let helper = "RSpec.configure { |c| c.before(:context, :db) { $ready = true } }\n";
    let spec = "require_relative 'helper'
RSpec.describe('with', :db) { it('one') { expect($ready).to be true }; it('two') {} }
RSpec.describe('without') { it('one') {}; it('two') {} }
";
    let project = Project::of(
        &home,
        &[
            ALL_IN_PIECES,
            ("spec/helper.rb", helper),
            ("spec/a_spec.rb", spec),
        ],
    );
    let run = twice(None, &home, &project, "spec/a_spec.rb", 3);
    together(&run, "spec/a_spec.rb", &["1:1", "1:2"]);
    home.assert_nothing_left();
}

#[test]
fn a_minitest_file_is_cut_between_tests_and_around_classes_with_an_order_or_a_run_of_their_own() {
    let home = Home::new();
    let project = Project::of(&home, &[ALL_IN_PIECES, ("test/a_test.rb", MINITEST)]);
    let run = twice(None, &home, &project, "test/a_test.rb", 5);
    together(
        &run,
        "test/a_test.rb",
        &["InOrder#test_1", "InOrder#test_2"],
    );
    together(&run, "test/a_test.rb", &["Around#test_a", "Around#test_b"]);
    home.assert_nothing_left();
}

#[test]
fn a_test_unit_file_is_cut_between_tests_and_around_classes_with_startup_or_a_defined_order() {
    let home = Home::new();
    let project = Project::of(&home, &[ALL_IN_PIECES, ("test/a_test.rb", TEST_UNIT)]);
    let run = twice(None, &home, &project, "test/a_test.rb", 6);
    together(
        &run,
        "test/a_test.rb",
        &["InOrder#test_a", "InOrder#test_z"],
    );
    let parts = parts(&run, "test/a_test.rb");
    assert!(
        parts
            .iter()
            .any(|part| part.contains(&"Held#test_a".to_owned())
                && part.contains(&"Held::Inner#test_b".to_owned())),
        "{parts:?}"
    );
    home.assert_nothing_left();
}

#[test]
fn the_three_frameworks_run_in_parts_on_two_hosts() {
    let cluster = Cluster::start(&[("a", 2), ("b", 1)]);
    let project = Project::of(
        cluster.home(),
        &[
            ALL_IN_PIECES,
            ("spec/a_spec.rb", SPEC),
            ("test/mini_test.rb", MINITEST),
            ("test/unit_test.rb", TEST_UNIT),
        ],
    );
    let run = twice(
        Some(&cluster),
        cluster.home(),
        &project,
        "spec/a_spec.rb",
        5,
    );
    assert_eq!(parts(&run, "test/mini_test.rb").len(), 5);
    assert_eq!(parts(&run, "test/unit_test.rb").len(), 6);
    cluster.assert_nothing_left();
}

#[test]
fn one_giant_among_small_files_is_split_without_being_told_to() {
    let home = Home::new();
    let project = Project::empty(&home);
    let giant: String = (0..20)
        .map(|n| format!("it('{n}') {{ sleep 0.05 }}\n"))
        .collect();
    project.write(
        "spec/giant_spec.rb",
        &format!("RSpec.describe('g') do\n{giant}end\n"),
    );
    project.write(
        "spec/small_spec.rb",
        "RSpec.describe('s') { it('is') {} }\n",
    );
    run::run(&home, &project, &["--local=2"]).exited(0);
    let run = run::run(&home, &project, &["--local=2"]);
    run.exited(0)
        .reported(&["spec/giant_spec.rb", "spec/small_spec.rb"]);
    assert!(parts(&run, "spec/giant_spec.rb").len() > 2);
    // With one slot there is nothing to be won.
    let alone = run::run(&home, &project, &["--local=1"]);
    assert_eq!(parts(&alone, "spec/giant_spec.rb"), WHOLE);
    home.assert_nothing_left();
}

#[test]
fn what_chooses_tests_keeps_files_whole() {
    let home = Home::new();
    let project = Project::of(&home, &[ALL_IN_PIECES, ("spec/a_spec.rb", SPEC)]);
    run::run(&home, &project, &["--local=2"]).exited(0);
    for arguments in [
        &["--local=2", "spec/a_spec.rb:2"][..],
        &["--local=2", "--", "--tag", "~slow"],
    ] {
        let run = run::run(&home, &project, arguments);
        assert_eq!(parts(&run, "spec/a_spec.rb").len(), 1, "{arguments:?}");
    }
    project.write("gorgon.json", r#"{ "split_over": 0 }"#);
    run::run(&home, &project, &["--local=2"]).exited(0);
    let run = run::run(&home, &project, &["--local=2"]);
    assert_eq!(parts(&run, "spec/a_spec.rb").len(), 1);
    home.assert_nothing_left();
}
