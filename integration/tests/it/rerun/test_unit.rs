//! Lines of Test::Unit.

use integration::home::Home;

use super::{check, project};

#[test]
fn a_test_is_named_with_its_class_and_label() {
    let home = Home::new();
    let test = "require 'test/unit'
require './notes'
module Shared
  def test_shared = noted(\"#{self.class}-shared\")
end
class A < Test::Unit::TestCase; include Shared; end
class B < Test::Unit::TestCase; include Shared; end
class ZTest < Test::Unit::TestCase
  data('one' => 'one', \"it's [2, 3]\" => 'label')
  def test_data(name) = noted(name)
  test('with \"spaces\" and a/b/c') { noted('spaces') }
  test(\"nul \\0001\") { noted('nul') }
  sub_test_case('inner part') do
    def test_inner = noted('inner')
    sub_test_case('part') do
      def test_inner = noted('innermost')
    end
  end
end
";
    let project = project(&home, &[("test/a_test.rb", test)]);
    let start = "ruby -Itest test/a_test.rb";
    let lines = [
        ("A-shared", "-n 'A#test_shared'"),
        ("B-shared", "-n 'B#test_shared'"),
        (
            "inner",
            "-t 'ZTest::inner part' --ignore-testcase 'ZTest::inner part::part' -n test_inner",
        ),
        ("innermost", "-t 'ZTest::inner part::part' -n test_inner"),
        ("spaces", "-n 'ZTest#test: with \"spaces\" and a/b/c'"),
        ("nul", "-t ZTest -n '/\\Atest:\\ nul\\ \\x001\\z/'"),
        ("one", "-n 'ZTest#test_data[one]'"),
        ("label", "-n 'ZTest#test_data[it'\\''s [2, 3]]'"),
    ];
    let mut lines = lines.map(|(name, quoted)| (name, format!("{start} {quoted}")));
    let run = integration::run::run(&home, &project, &["--local=1", "--seed", "7"]);
    let noted = super::noted_lines(&run);
    lines.sort_by_key(|(name, _)| noted.iter().position(|(it, _)| it == name));
    let lines: Vec<(&str, &str)> = lines
        .iter()
        .map(|(name, line)| (*name, line.as_str()))
        .collect();
    check(&project, &home, &[], &lines);
}
