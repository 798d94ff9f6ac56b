//! Frameworks print their results to STDOUT. A test may change that, and then the plain run may end: so does ours.

use std::process::Command;

use gorgon_process::command;
use integration::{home::Home, project::Project, run, wait::secs};

/// What a test does to STDOUT.
const CHANGES: [(&str, &str); 17] = [
    ("full", "STDOUT.reopen('/dev/full', 'w')"),
    (
        "full_at_once",
        "STDOUT.reopen('/dev/full', 'w'); STDOUT.sync = true",
    ),
    (
        "unread",
        "reader, writer = IO.pipe; reader.close; STDOUT.reopen(writer); writer.close",
    ),
    ("file", "STDOUT.reopen('log.txt', 'w')"),
    (
        "back",
        "before = STDOUT.dup; STDOUT.reopen('/dev/full', 'w'); STDOUT.reopen(before)",
    ),
    ("closed", "STDOUT.close"),
    ("other", "$stdout = File.open('/dev/full', 'w')"),
    ("errors", "STDERR.reopen('/dev/full', 'w')"),
    ("write", "def STDOUT.write(*) = raise('no')"),
    ("print", "def STDOUT.print(*) = raise('no')"),
    ("puts", "def STDOUT.puts(*) = raise('no')"),
    ("flush", "def STDOUT.flush = raise('no')"),
    ("terminal", "def STDOUT.tty? = raise('no')"),
    (
        "sync",
        "STDOUT.define_singleton_method(:sync=) { |_| raise 'no' }",
    ),
    ("said_closed", "def STDOUT.closed?() = true"),
    ("as_ever", "def STDOUT.puts(*) = super"),
    (
        "every",
        "IO.prepend(Module.new { def write(*) = raise('no') })",
    ),
];

/// Runs a file for each change, each plainly and all in one job: what is red plainly is red here, and says why.
fn check(program: &str, file: impl Fn(&str) -> String, text: impl Fn(&str, &str) -> String) {
    let home = Home::new();
    let project = Project::empty(&home);
    for (name, change) in CHANGES {
        project.write(&file(name), &text(name, change));
    }
    let plainly: Vec<_> = CHANGES
        .iter()
        .map(|(name, _)| {
            let mut ruby = Command::new(program);
            ruby.arg(file(name)).current_dir(project.path());
            (file(name), command::run(ruby, secs(20), b"").is_ok())
        })
        .collect();
    let red = plainly.iter().filter(|(_, passes)| !passes).count();
    assert!(red > 5 && red < CHANGES.len(), "{plainly:?}");
    let run = run::run(&home, &project, &["--local=2"]);
    run.exited(1);
    for (file, passes) in &plainly {
        let verdict = if *passes { "passed" } else { "failed" };
        run.verdict(file, verdict);
        let told = run.file(file).to_string();
        assert_eq!(told.contains("to STDOUT"), !passes, "{file}: {told}");
    }
    home.assert_nothing_left();
}

#[test]
fn rspec_that_cannot_print_ends_as_plainly() {
    check(
        "rspec",
        |name| format!("spec/{name}_spec.rb"),
        |name, change| {
            format!(
                "RSpec.describe('{name}') {{ it('changes STDOUT') {{ {change} }}; it('passes') {{}} }}\n"
            )
        },
    );
}

#[test]
fn minitest_that_cannot_print_ends_as_plainly() {
    check(
        "ruby",
        |name| format!("test/{name}_test.rb"),
        |name, change| {
            let class = format!("C{}Test", name.replace('_', ""));
            format!(
                "require 'minitest/autorun'\nclass {class} < Minitest::Test\n  def test_a\n    {change}\n  end\n  def test_b; end\nend\n"
            )
        },
    );
}

#[test]
fn test_unit_that_cannot_print_ends_as_plainly() {
    check(
        "ruby",
        |name| format!("test/{name}_test.rb"),
        |name, change| {
            let class = format!("C{}Test", name.replace('_', ""));
            format!(
                "require 'test/unit'\nclass {class} < Test::Unit::TestCase\n  def test_a\n    {change}\n  end\n  def test_b; end\nend\n"
            )
        },
    );
}

/// What the suite makes of the formatter that prints by default counts, though nobody sees what that prints.
#[test]
fn the_default_formatter_of_rspec_may_end_a_run() {
    let home = Home::new();
    let of_sums = "class RSpec::Core::Notifications::SummaryNotification
  def totals_line = pending_count > 0 ? abort('pending!') : ''
end
RSpec.describe('a') { xit('waits') {} }
";
    let of_dots = "RSpec.describe('a') do
  it('patches') { RSpec::Core::Formatters::ProgressFormatter.class_eval { def example_passed(*) = raise('no') } }
end
";
    let no_subclass = "class RSpec::Core::Formatters::BaseTextFormatter; end
RSpec.describe('a') { it('passes') {} }
";
    let elsewhere = "RSpec.configure { |c| c.output_stream = $stderr }
RSpec.describe('a') { it('closes') { STDOUT.close } }
";
    for (text, status) in [(of_sums, 1), (of_dots, 1), (no_subclass, 1), (elsewhere, 0)] {
        let project = Project::of(&home, &[("spec/a_spec.rb", text)]);
        let mut ruby = Command::new("rspec");
        ruby.current_dir(project.path());
        let plainly = command::run(ruby, secs(20), b"");
        assert_eq!(plainly.is_ok(), status == 0, "{text}: {plainly:?}");
        run::run(&home, &project, &["--local=2"]).exited(status);
    }
    home.assert_nothing_left();
}
