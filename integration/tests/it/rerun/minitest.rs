//! Lines of Minitest.

use integration::home::Home;

use super::{check, project};

#[test]
fn a_test_is_named_with_its_class_whatever_its_name() {
    let home = Home::new();
    let test = "require 'test_helper'
class Base < Minitest::Test
  def self.runnable_methods = self == Base ? [] : super
  def test_shared = noted(\"#{self.class}-shared\")
end
class A < Base; end
class B < Base; end
class ZTest < Minitest::Test
  i_suck_and_my_tests_are_order_dependent!
  def test_1 = noted('one')
  define_method(\"test_2 it's \\\"quoted\\\" $HOME\") { noted('two') }
  define_method('test_3 a/b and c/d (e.f)?') { noted('three') }
  define_method('test_4 a/b') { noted('four') }
  define_method(\"test_5 (\\0001)\") { noted('five') }
end
";
    let spec = "require 'test_helper'
describe 'Calculator' do
  describe 'adding two' do
    it('is right') { noted('spec') }
    it('is left') { assert true }
  end
end
Class.new(Minitest::Test) { def test_nameless = noted('nameless') }
";
    let helper = "require 'minitest/autorun'\nrequire './notes'\n";
    let project = project(
        &home,
        &[
            ("test/test_helper.rb", helper),
            ("test/a_test.rb", test),
            ("test/b_test.rb", spec),
            ("lib/x.rb", ""),
        ],
    );
    let start = "ruby -Ilib -Itest test";
    let lines = [
        ("A-shared", "'A#test_shared'"),
        ("B-shared", "'B#test_shared'"),
        ("one", "'ZTest#test_1'"),
        ("two", "'ZTest#test_2 it'\\''s \"quoted\" $HOME'"),
        ("three", "'/^ZTest#test_3 a/b and c/d \\(e\\.f\\)\\?$/'"),
        ("four", "'ZTest#test_4 a/b'"),
        // No argument can hold a NUL.
        ("five", "'/^ZTest#test_5 \\(\\x001\\)$/'"),
    ];
    let lines =
        lines.map(|(name, quoted)| (name, format!("{start}/a_test.rb -n {quoted} --seed 7")));
    let mut lines = lines.to_vec();
    for (name, quoted) in [
        ("spec", "'Calculator::adding two#test_0001_is right'"),
        ("nameless", "'/^#<Class:0x\\h+>#test_nameless$/'"),
    ] {
        lines.push((name, format!("{start}/b_test.rb -n {quoted} --seed 7")));
    }
    let run = integration::run::run(&home, &project, &["--local=1", "--seed", "7"]);
    let noted = super::noted_lines(&run);
    // The order of the classes is the seed's.
    lines.sort_by_key(|(name, _)| noted.iter().position(|(it, _)| it == name));
    let lines: Vec<(&str, &str)> = lines
        .iter()
        .map(|(name, line)| (*name, line.as_str()))
        .collect();
    check(&project, &home, &[], &lines);
}

#[test]
fn what_the_rakefile_says_of_ruby_is_in_the_line() {
    let home = Home::new();
    let rakefile = "require 'rake/testtask'
ENV['FROM_RAKE'] = 'the rakefile'
Rake::TestTask.new(:unit) { |t| t.libs << 'my libs'; t.ruby_opts << '-rfirst'; t.pattern = 'test/unit/*_test.rb' }
Rake::TestTask.new(:more) { |t| t.libs << 'test'; t.pattern = 'test/more/*_test.rb' }
task test: %i[unit more]
";
    let unit = "class U < Minitest::Test\n  def test_u = noted(\"#{FIRST}-#{ENV['FROM_RAKE'].size}\")\nend\n";
    let more = "require 'helper'\nclass M < Minitest::Test\n  def test_m = noted('more')\nend\n";
    let helper = "require 'minitest/autorun'\nrequire './notes'\n";
    let project = project(
        &home,
        &[
            ("Rakefile", rakefile),
            ("my libs/first.rb", &format!("{helper}FIRST = 'first'\n")),
            ("test/helper.rb", helper),
            ("test/unit/u_test.rb", unit),
            ("test/more/m_test.rb", more),
        ],
    );
    let variable = "FROM_RAKE='the rakefile'";
    let unit = format!(
        "{variable} ruby -Ilib '-Imy libs' -rfirst test/unit/u_test.rb -n 'U#test_u' --seed 7"
    );
    let more = format!("{variable} ruby -Ilib -Itest test/more/m_test.rb -n 'M#test_m' --seed 7");
    let lines = [("first-12", unit.as_str()), ("more", more.as_str())];
    check(
        &project,
        &home,
        &["test/unit/u_test.rb", "test/more/m_test.rb"],
        &lines,
    );
}

#[test]
fn a_file_that_does_not_ask_minitest_to_run_gets_what_does() {
    let home = Home::new();
    let test = "require 'minitest'\nrequire './notes'\nclass A < Minitest::Test\n  def test_a = noted('a')\nend\n";
    let project = project(&home, &[("test/a_test.rb", test)]);
    let line = "ruby -Itest -rminitest/autorun test/a_test.rb -n 'A#test_a' --seed 7";
    check(&project, &home, &[], &[("a", line)]);
    // Options of the run that select tests give way to the name; the others stay.
    let line = "ruby -Itest -rminitest/autorun test/a_test.rb -n 'A#test_a' --seed 9 -v";
    check(
        &project,
        &home,
        &["--", "-n", "/test/", "--seed=9", "-v"],
        &[("a", line)],
    );
    project.write(
        "gorgon.json",
        r#"{ "ruby": ["ruby", "-w", "-rminitest/autorun"] }"#,
    );
    let line = "ruby -w -rminitest/autorun test/a_test.rb -n 'A#test_a' --seed 7";
    check(&project, &home, &[], &[("a", line)]);
}
