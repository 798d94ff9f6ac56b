//! What plain Minitest does around the tests: reporters and plugins, hooks of the end, arguments.

use integration::{home::Home, project::Project, run};

/// A reporter that does not pass a run with tests that assert nothing.
const HELPER: &str = "require 'minitest/autorun'
class BareTests < Minitest::AbstractReporter
  def record(result)
    (@bare ||= []) << \"#{result.klass}##{result.name}\" if result.assertions.zero?
  end

  def report
    warn \"these tests assert nothing: #{@bare.join(', ')}\" if @bare
  end

  def passed?
    @bare.nil?
  end
end

def Minitest.plugin_bare_tests_init(_options)
  reporter << BareTests.new
end
Minitest.extensions << 'bare_tests'
";

const KITE: &str = "require_relative 'helper'
class KiteTest < Minitest::Test
  def test_flies
    assert_operator 5, :>, 3
  end

  def test_lands
    [1, 2].sum
  end
end
";

const CALM: &str = "require_relative 'helper'
class CalmTest < Minitest::Test
  def test_waits
    assert true
  end
end
";

/// <https://github.com/Shopify/ci-queue/pull/151>, <https://github.com/minitest/minitest/issues/407>
#[test]
fn a_reporter_of_the_suite_that_does_not_pass_the_run_fails_the_job() {
    let home = Home::new();
    let helper = ("test/helper.rb", HELPER);
    let calm = ("test/calm_test.rb", CALM);
    let project = Project::of(&home, &[helper, calm]);
    run::run(&home, &project, &["--local=2"]).exited(0);
    let project = Project::of(&home, &[helper, calm, ("test/kite_test.rb", KITE)]);
    run::run(&home, &project, &["--local=2"]).exited(1).says(&[
        "Error outside tests: reporter BareTests",
        "these tests assert nothing: KiteTest#test_lands",
        "3 tests: 3 passed; 1 error outside tests",
    ]);
    home.assert_nothing_left();
}

/// Ruby runs what loading has registered before Minitest's handler: a plain run has no test. What tests register comes
/// after them, and Minitest's own exit overrides it.
#[test]
fn a_block_of_end_that_fails_fails_the_run_if_loading_registered_it() {
    let home = Home::new();
    let file = |name: &str, body: &str, below: &str| {
        format!(
            "require 'minitest/autorun'\nclass {name}Test < Minitest::Test\n  def test_a\n    {body}\n  end\nend\n{below}\n"
        )
    };
    let loaded = "require_relative 'ends'";
    for (body, below, status) in [
        ("", "END { abort 'x' }", Some(1)),
        ("", "END { exit 3 }", Some(3)),
        ("", "END { exit 0 }", None),
        ("", "[1].each { END { raise 'x' } }", Some(1)),
        ("", "END { Thread.new { raise 'x' }.join }", Some(1)),
        ("", "class CTest; END { exit 5 }; end", Some(5)),
        ("", loaded, Some(4)),
        (loaded, "", None),
        ("END { exit 4 }", "", None),
        ("at_exit { exit 4 }", "", None),
    ] {
        let project = Project::of(
            &home,
            &[
                ("test/a_test.rb", &file("A", "", "")),
                ("test/b_test.rb", &file("B", "", "")),
                ("test/c_test.rb", &file("C", body, below)),
                ("test/ends.rb", "at_exit { nil }\nEND { exit 4 }\n"),
            ],
        );
        let run = run::run(&home, &project, &["--local=1"]);
        match status {
            Some(status) => run.exited(1).says(&[
                "3 tests: 3 passed; 1 error",
                &format!("exit status {status}"),
            ]),
            None => run.exited(0).says(&["3 tests: 3 passed"]),
        };
    }
    home.assert_nothing_left();
}

/// What stands in ARGV is what a plain run has there.
#[test]
fn the_arguments_of_the_job_are_those_of_each_file() {
    let home = Home::new();
    let test = "require 'minitest/autorun'
SEEN = ARGV.dup
class LampTest < Minitest::Test
  def test_shines
    assert_equal ['-v', '-n', '/shines|light s/'], SEEN
    assert_empty ARGV
  end

  def test_flickers
    flunk
  end
end
";
    let project = Project::of(&home, &[("test/lamp_test.rb", test)]);
    run::run(
        &home,
        &project,
        &["--local=1", "--", "-v", "-n", "/shines|light s/"],
    )
    .exited(0)
    .says(&["1 test: 1 passed"]);
    home.assert_nothing_left();
}
