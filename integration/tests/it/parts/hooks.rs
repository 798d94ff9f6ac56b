//! A file that registers hooks of the whole suite, or draws random numbers, while it is loaded is not cut.

use integration::{home::Home, project::Project, run};

use super::{ALL_IN_PIECES, parts};

const MINITEST: &str = "require 'minitest/autorun'
class ATest < Minitest::Test
  RAN = []
  3.times { |n| define_method('test_' + n.to_s) { RAN << n } }
  HOOK
end
";

const TEST_UNIT: &str = "require 'test/unit'
class ATest < Test::Unit::TestCase
  RAN = []
  3.times { |n| define_method('test_' + n.to_s) { RAN << n } }
  HOOK
end
";

const RSPEC: &str = "RAN = []
HOOK
RSpec.describe('a') { 3.times { |n| it(n.to_s) { RAN << n } } }
";

/// Each passes in a whole file alone.
const HOOKS: [(&str, &str, &str); 8] = [
    (
        "test/a_test.rb",
        MINITEST,
        "Minitest.after_run { raise 'too few' if RAN.size < 3 }",
    ),
    (
        "test/a_test.rb",
        MINITEST,
        "Kernel.at_exit { exit! 3 if RAN.size.between?(1, 2) }",
    ),
    (
        "test/a_test.rb",
        MINITEST,
        "def self.late = at_exit { exit! 3 if RAN.size.between?(1, 2) }
        late",
    ),
    (
        "test/a_test.rb",
        TEST_UNIT,
        "Test::Unit.at_exit { raise 'too few' if RAN.size < 3 }",
    ),
    (
        "test/a_test.rb",
        TEST_UNIT,
        "Test::Unit.at_start { File.write('begun', '.', mode: 'a') }",
    ),
    (
        "spec/a_spec.rb",
        RSPEC,
        "RSpec.configure { |c| c.after(:suite) { raise 'too few' if RAN.size < 3 } }",
    ),
    (
        "spec/a_spec.rb",
        RSPEC,
        "at_exit { exit! 3 if RAN.size < 3 }",
    ),
    ("spec/a_spec.rb", RSPEC, "END { exit! 3 if RAN.size < 3 }"),
];

#[test]
fn a_file_that_registers_hooks_of_the_suite_is_not_cut() {
    for (file, text, hook) in HOOKS {
        let home = Home::new();
        let text = text.replace("HOOK", hook);
        let project = Project::of(&home, &[ALL_IN_PIECES, (file, &text)]);
        for _ in 0..2 {
            let run = run::run(&home, &project, &["--local=2"]);
            run.exited(0).says(&["3 tests: 3 passed"]);
            assert_eq!(parts(&run, file).len(), 1, "{hook}");
        }
        home.assert_nothing_left();
    }
}

#[test]
fn hooks_that_a_helper_registers_do_not_keep_a_file_whole() {
    let home = Home::new();
    for (file, text, helper, hooks) in [
        (
            "test/a_test.rb",
            MINITEST,
            "test/helper.rb",
            "Minitest.after_run {}; at_exit {}",
        ),
        (
            "test/a_test.rb",
            TEST_UNIT,
            "test/helper.rb",
            "Test::Unit.at_start {}; Test::Unit.at_exit {}; at_exit {}",
        ),
        (
            "spec/a_spec.rb",
            RSPEC,
            "spec/helper.rb",
            "RSpec.configure { |c| c.before(:suite) {}; c.after(:suite) {} }; at_exit {}",
        ),
    ] {
        let text = text.replace("HOOK", "require_relative 'helper'");
        let project = Project::of(&home, &[ALL_IN_PIECES, (file, &text), (helper, hooks)]);
        for count in [1, 3] {
            let run = run::run(&home, &project, &["--local=2"]);
            assert_eq!(parts(run.exited(0), file).len(), count, "{hooks}");
        }
    }
    home.assert_nothing_left();
}

#[test]
fn a_file_that_draws_random_numbers_while_it_is_loaded_is_not_cut() {
    let home = Home::new();
    let drawn = "DATA_OF_TESTS = [1, 2, 3].shuffle; Random.rand(2)";
    for (does, cut) in [
        (drawn, 1),
        ("require_relative 'helper'; Kernel.rand", 1),
        ("require_relative 'helper'", 3),
        ("srand 42; DATA_OF_TESTS = [1, 2, 3].shuffle", 3),
        (
            "DATA_OF_TESTS = [1, 2, 3].shuffle(random: Random.new(1))",
            3,
        ),
    ] {
        for (file, text) in [
            ("test/a_test.rb", MINITEST),
            ("test/b_test.rb", TEST_UNIT),
            ("spec/a_spec.rb", RSPEC),
        ] {
            let text = text.replace("HOOK", does);
            let helper = |path| (path, "Kernel.srand(7)\n");
            let helpers = [helper("test/helper.rb"), helper("spec/helper.rb")];
            let files = [&[ALL_IN_PIECES, (file, &text)], &helpers[..]].concat();
            let project = Project::of(&home, &files);
            for count in [1, cut] {
                let run = run::run(&home, &project, &["--local=2"]);
                assert_eq!(parts(run.exited(0), file).len(), count, "{file}: {does}");
            }
        }
    }
    home.assert_nothing_left();
}
