//! What each Ruby child does once: hooks of the suite, its environment, its connections, its exit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use integration::{home::Home, project::Project, run};

/// Runs a fixture in place, and returns it.
fn fixture(home: &Home, name: &str, arguments: &[&str]) -> Project {
    let project = Project::fixture(home, name);
    run::run(home, &project, arguments).exited(0);
    home.assert_nothing_left();
    project
}

fn words(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines();
    lines.map(|line| line.split(' ').collect()).collect()
}

/// Others ran RSpec's hooks again for each batch: <https://github.com/KnapsackPro/knapsack_pro-ruby/pull/237>.
#[test]
fn hooks_of_the_suite_run_once_a_worker_around_all_its_files() {
    for (arguments, most) in [
        (&["--local=1"][..], 1),
        (&["--local=3"], 3),
        (&["--local=1", "--sync"], 1),
    ] {
        let home = Home::new();
        let project = fixture(&home, "suite-hooks", arguments);
        let log = project.read("suite.log");
        let mut of_child: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for line in words(&log) {
            of_child.entry(line[1]).or_default().push(line[0]);
        }
        assert!((1..=most).contains(&of_child.len()), "{log}");
        for (child, said) in &of_child {
            assert_eq!(said, &["before", "after"], "{child}: {log}");
        }
    }
}

/// Tools disagree about the first one's number: <https://github.com/serpapi/turbo_tests/issues/12>,
/// <https://github.com/grosser/parallel_tests/issues/635>.
#[test]
fn no_two_processes_have_one_test_env_number_at_the_same_time() {
    for arguments in [&["--local=3"][..], &["--local=3", "--sync"]] {
        let home = Home::new();
        let project = fixture(&home, "test-env-number", arguments);
        let log = project.read("env.log");
        let mut busy: BTreeMap<String, &str> = BTreeMap::new();
        let mut runs = 0;
        for line in words(&log) {
            let [word, pid, slot, number, parallel] = line[..] else {
                panic!("{log}");
            };
            let right = if slot == "\"1\"" { "\"\"" } else { slot };
            assert!(["\"1\"", "\"2\"", "\"3\""].contains(&slot), "{log}");
            assert_eq!((number, parallel), (right, "\"1\""), "{log}");
            if word == "begin" {
                assert_eq!(busy.insert(number.to_owned(), pid), None, "{log}");
                runs += 1;
            } else {
                assert_eq!(busy.remove(number), Some(pid), "{log}");
            }
        }
        assert_eq!((runs, busy.len()), (6, 0), "{log}");
    }
}

/// Tools for coverage write when their process exits: <https://github.com/simplecov-ruby/simplecov/issues/1227>,
/// <https://github.com/simplecov-ruby/simplecov/issues/1019>, <https://github.com/simplecov-ruby/simplecov/issues/718>.
#[test]
fn each_child_that_ran_files_exits_normally_and_none_else_runs_its_at_exit_handlers() {
    for arguments in [
        &["--local=2"][..],
        &["--local=2", "--sync"],
        &[
            "--local=1",
            "spec/a_spec.rb",
            "spec/b_spec.rb",
            "spec/c_spec.rb",
            "spec/d_spec.rb",
        ],
    ] {
        let home = Home::new();
        let project = fixture(&home, "coverage-at-exit", arguments);
        let mut numbers = BTreeSet::new();
        let mut covered = Vec::new();
        for entry in fs::read_dir(project.path().join("coverage.d")).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let number = stem["result".len()..].split_once('-').unwrap().0.to_owned();
            assert!(numbers.insert(number), "two with the number of {stem}");
            let ran = fs::read_to_string(&path).unwrap();
            // Empty is what the preloader, or a child without files, would have written.
            assert!(!ran.trim().is_empty(), "{stem} ran nothing");
            covered.extend(ran.lines().map(str::to_owned));
        }
        covered.sort();
        let right = ["a_spec.rb", "b_spec.rb", "c_spec.rb", "d_spec.rb"];
        assert_eq!(covered, right, "{arguments:?}");
        assert!(
            numbers.is_subset(&["", "2"].map(str::to_owned).into()),
            "{numbers:?}"
        );
    }
}

/// A file named as SimpleCov's library, which does what SimpleCov does at the end of a process: where Minitest is loaded,
/// by Minitest's own hook.
const SIMPLECOV: &str = "module SimpleCov
  class << self
    # For SimpleCov's own plugin of Minitest, where that is installed.
    attr_accessor :external_at_exit

    def at_exit_behavior; end

    def running = true
  end

  def self.start
    defined?(Minitest) ? Minitest.after_run { judge } : at_exit { judge }
  end

  def self.judge
    exit 2
  end
end
";

/// A file for RSpec, and one for Minitest.
const COVERED: [(&str, &str); 2] = [
    (
        "spec/a_spec.rb",
        "require 'simplecov'\nSimpleCov.start\nRSpec.describe('a') { it('b') { } }\n",
    ),
    (
        "test/a_test.rb",
        "require 'minitest/autorun'\nrequire 'simplecov'\nSimpleCov.start\nclass ATest < Minitest::Test\n  def test_a; end\nend\n",
    ),
];

#[test]
fn too_small_a_coverage_of_one_process_is_a_warning() {
    for (file, text) in COVERED {
        let home = Home::new();
        let project = Project::of(&home, &[(file, text), ("lib/simplecov.rb", SIMPLECOV)]);
        let said = format!("(exit status 2 after {file}); that fails no run");
        run::run(&home, &project, &["--local=1"])
            .exited(0)
            .says(&[&said]);
    }
}

/// Nobody else would judge.
#[test]
fn a_simplecov_that_cannot_merge_judges_each_process_if_the_coverage_of_all_is_wanted() {
    for (file, text) in COVERED {
        let home = Home::new();
        let project = Project::of(
            &home,
            &[
                (file, text),
                ("lib/simplecov.rb", SIMPLECOV),
                ("gorgon.json", r#"{ "coverage": true }"#),
            ],
        );
        run::run(&home, &project, &["--local=1"])
            .exited(1)
            .says(&["which takes 0.18 or later", "exit"]);
    }
}

/// Nobody has asked for that judgement: an application of Rails has its coverage merged by default.
#[test]
fn a_simplecov_that_cannot_merge_is_a_warning_if_nobody_asked_for_coverage() {
    for (file, text) in COVERED {
        let home = Home::new();
        let application = "# class Application < Rails::Application\n";
        let project = Project::of(
            &home,
            &[
                (file, text),
                ("lib/simplecov.rb", SIMPLECOV),
                ("config/application.rb", application),
            ],
        );
        run::run(&home, &project, &["--local=1"]).exited(0).says(&[
            "which takes 0.18 or later; nobody judges the coverage",
            "that fails no run",
        ]);
    }
}

/// A connection from before the fork belongs to nobody: <https://github.com/rails/rails/issues/41176>,
/// <https://github.com/rails/rails/issues/38424>.
#[test]
fn before_start_runs_again_in_the_child_that_replaces_a_crashed_one() {
    let frameworks = [
        (
            "spec/%_spec.rb",
            "RSpec.describe('connection') { it('is ours') { expect($owner).to eq Process.pid; END_HERE } }\n",
        ),
        (
            "test/%_test.rb",
            "require 'minitest/autorun'\nclass %Test < Minitest::Test\n  def test_ours; assert_equal Process.pid, $owner; END_HERE; end\nend\n",
        ),
        (
            "test/%_test.rb",
            "require 'test/unit'\nclass %Test < Test::Unit::TestCase\n  def test_ours; assert_equal Process.pid, $owner; END_HERE; end\nend\n",
        ),
    ];
    let class = "class C < Gorgon::DefaultCallbacks
      def before_creating_workers; $owner = nil; end
      def before_start; $owner = Process.pid; File.write('starts', \"#{$owner}\\n\", mode: 'a'); end
    end
    Gorgon.callbacks = C.new\n";
    for (path, text) in frameworks {
        let home = Home::new();
        let config = r#"{ "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } } }"#;
        let project = Project::of(&home, &[("gorgon.json", config), ("callbacks.rb", class)]);
        for (name, end) in [
            ("A", "true"),
            ("B", "Process.kill(:KILL, Process.pid); sleep"),
            ("C", "true"),
            ("D", "exit!(3)"),
            ("E", "true"),
        ] {
            let text = text.replace('%', name).replace("END_HERE", end);
            project.write(&path.replace('%', &name.to_lowercase()), &text);
        }
        let run = run::run(&home, &project, &["--local=1"]);
        run.exited(1);
        let verdicts: Vec<_> = run
            .events("item_finished")
            .iter()
            .map(|event| event["verdict"].as_str().unwrap().to_owned())
            .collect();
        let right = ["passed", "crashed", "passed", "crashed", "passed"];
        assert_eq!(verdicts, right, "{path}");
        let starts = project.read("starts");
        let pids: BTreeSet<_> = starts.lines().collect();
        assert_eq!((starts.lines().count(), pids.len()), (3, 3), "{starts}");
        home.assert_nothing_left();
    }
}

/// As a web driver is: started by a test, ended at the end of the process. Nobody ends those of `left`.
#[test]
fn a_process_that_the_end_of_its_ruby_process_ends_was_not_left_behind() {
    const END: &str = "Process.kill('TERM', pid); Process.wait(pid)";
    let rspec = |name: &str, ends: &str| {
        format!(
            "RSpec.describe('{name}') {{ it('starts') {{ pid = spawn('sleep 47{name}'); {ends} }} }}\n",
            name = name
        )
    };
    let after_suite = format!("RSpec.configure {{ |c| c.after(:suite) {{ {END} }} }}");
    let at_exit = format!("at_exit {{ {END} }}");
    let after_run = format!("Minitest.after_run {{ {END} }}");
    let class = |parent: &str, library: &str, name: &str, ends: &str| {
        format!(
            "require '{library}'\nclass T{name} < {parent}\n  def test_starts\n    \
             pid = spawn('sleep 47{name}')\n    {ends}\n    assert true\n  end\nend\n"
        )
    };
    let minitest = |name: &str, ends: &str| class("Minitest::Test", "minitest/autorun", name, ends);
    let unit = |name: &str, ends: &str| class("Test::Unit::TestCase", "test/unit", name, ends);
    let home = Home::new();
    let files = [
        ("spec/ended_spec.rb", rspec("11", &at_exit)),
        ("spec/hook_spec.rb", rspec("12", &after_suite)),
        ("spec/left_spec.rb", rspec("13", "")),
        ("test/ended_test.rb", minitest("21", &at_exit)),
        ("test/hook_test.rb", minitest("22", &after_run)),
        ("test/left_test.rb", minitest("23", "")),
        ("test/unit_ended_test.rb", unit("31", &at_exit)),
        ("test/unit_left_test.rb", unit("33", "")),
    ];
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (*path, text.as_str()))
        .collect();
    let run = run::run(&home, &Project::of(&home, &files), &["--local=1"]);
    run.exited(0);
    let warnings = run.events("job_finished")[0]["warnings"].clone();
    let warnings: BTreeSet<&str> = warnings
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| warning.as_str().unwrap())
        .map(|text| text.split_once(": ").unwrap().1)
        .collect();
    let expected = [
        "spec/left_spec.rb left a process behind: sleep 4713",
        "test/left_test.rb left a process behind: sleep 4723",
        "test/unit_left_test.rb left a process behind: sleep 4733",
    ];
    assert_eq!(warnings, expected.into());
    home.assert_nothing_left();
}
