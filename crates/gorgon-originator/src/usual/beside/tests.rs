use std::fs;

use gorgon_ruby::RubySettings;

use crate::glob::Tree;
use crate::usual::Usual;

/// What is said in a project with this Rakefile, up to the advice.
fn said(rakefile: &str) -> Vec<String> {
    let project = tempfile::tempdir().unwrap();
    for directory in ["test", "spec"] {
        fs::create_dir(project.path().join(directory)).unwrap();
    }
    for file in ["test/a_test.rb", "test/b_test.rb", "spec/a_spec.rb"] {
        fs::write(project.path().join(file), "").unwrap();
    }
    let text = format!("require 'rake/testtask'\n{rakefile}\n");
    fs::write(project.path().join("Rakefile"), text).unwrap();
    let tree = Tree::new(project.path());
    let usual = Usual::of(&tree, &RubySettings::in_place(project.path()), &[]);
    let lines = usual.beside().iter();
    let lines = lines.map(|it| it.split([':', ';']).next().unwrap_or_default());
    lines.map(str::to_owned).collect()
}

const TASK: &str = "Rake::TestTask.new(:units) { |t| t.pattern = 'test/*_test.rb' }";

#[test]
fn what_rake_test_does_besides_is_said() {
    for (text, tasks) in [
        (
            "task(:make) { sh 'make' }\ntask test: [:make, :units]",
            "make",
        ),
        (
            "task(:make) { mkdir_p 'x' }\ntask(:check) { abort 'x' }\ntask test: [:units, :make, :check]",
            "check and make",
        ),
        (
            "task :make do\n  puts 'x'\n  cp 'a', 'b'\nend\ntask test: %w[make units]",
            "make",
        ),
        (
            "task test: :units do\n  sh './check.sh'\nend",
            "the block of test",
        ),
        (
            "task test: :units\nRake::Task[:test].enhance([:make])\ntask(:make) { touch 'x' }",
            "make",
        ),
        (
            "Rake::ExtensionTask.new('ship')\ntask test: %w[compile units]",
            "compile",
        ),
        (
            "file('lib/a.rb') { touch 'x' }\ntask test: ['lib/a.rb', :units]",
            "lib/a.rb",
        ),
        (
            "task test: :units\ntask units: :make\ntask(:make) { ruby 'make.rb' }",
            "make",
        ),
        // Rake says it.
        (
            "%w[make].each { |it| task(it) { sh 'make' } }\ntask test: %w[make units]",
            "make",
        ),
        (
            "%w[make].each { |it| task(it) { ENV['A'] = it } }\ntask test: %w[make units]",
            "make",
        ),
        (
            "task(:all, [:x]) { sh './check.sh' }\ntask test: [:all, :units]; task more => :x if more",
            "all",
        ),
    ] {
        let expected = format!("rake test also runs {tasks}, which Gorgon does not");
        assert_eq!(
            said(&format!("more = false\n{TASK}\n{text}")),
            [expected],
            "{text}"
        );
    }
    for text in [
        "task test: :units",
        "task(:doc) { sh 'yard' }\ntask test: :units",
        "task(:hint) { puts 'x' }\ntask test: [:hint, :units]",
        "task(:env) { ENV['A'] = 'b' }\ntask test: [:env, :units]",
        "task(:more) { Rake::Task[:units].invoke }\ntask test: :more",
        "task(:lint) { sh 'rubocop' }\ntask test: :units\ntask default: [:lint, :test]",
        "task test: ['test/a_test.rb', :units]",
        "task test: [:units, :spec]\nRSpec::Core::RakeTask.new(:spec)",
        "n = 'units'\ntask test: n\nRSpec::Core::RakeTask.new(:spec)",
        "n = 'env'\ntask(:env) { ENV['A'] = 'b' }\ntask test: [n, :units]",
    ] {
        let said = said(&format!("require 'rspec/core/rake_task'\n{TASK}\n{text}"));
        assert!(said.is_empty(), "{text}: {said:?}");
    }
}

#[test]
fn tests_of_the_default_task_that_do_not_run_are_said() {
    let more = "Rake::TestTask.new(:checks) { |t| t.pattern = 'checks/*.rb' }\ntask test: :units\ntask default: [:test, :checks]";
    let expected = "rake also runs checks, which Gorgon does not";
    assert_eq!(said(&format!("{TASK}\n{more}")), [expected]);
    let computed = "n = 'units'\ntask test: n";
    assert_eq!(said(&format!("{TASK}\n{more}\n{computed}")), [expected]);
    let specs = "RSpec::Core::RakeTask.new(:spec)\nRSpec::Core::RakeTask.new(:checks) { |t| t.pattern = 'checks/*_spec.rb' }\ntask default: [:spec, :checks]";
    assert_eq!(said(specs), [expected]);
    let specs = "RSpec::Core::RakeTask.new(spec: :make)\ntask(:make) { sh 'make' }";
    assert_eq!(
        said(specs),
        ["rake spec also runs make, which Gorgon does not"]
    );
}

#[test]
fn files_of_several_tasks_are_said() {
    let two = |one: &str, two: &str| {
        format!(
            "Rake::TestTask.new(:one) {{ |t| t.pattern = 'test/*_test.rb'; {one} }}\nRake::TestTask.new(:two) {{ |t| t.test_files = ['test/b_test.rb']; {two} }}\ntask test: [:one, :two]"
        )
    };
    let expected =
        "the Rakefile runs test/b_test.rb in several tasks (one, two), each in its own way";
    assert_eq!(said(&two("", "t.libs << 'x'")), [expected]);
    assert_eq!(said(&two("", "t.ruby_opts = ['-rset']")), [expected]);
    assert_eq!(said(&two("", "t.ruby_opts = ['--jit']")), [expected]);
    assert_eq!(said(&two("", "t.options = '--seed 1'")), [expected]);
    assert!(said(&two("", "")).is_empty());
    assert!(
        said(&two(
            "t.test_files = ['test/a_test.rb']; t.pattern = nil",
            "t.libs << 'x'"
        ))
        .len()
            < 2
    );
    let env = "task(:json) { ENV['A'] = 'json' }\ntask(:yaml) { ENV['A'] = 'yaml' }\ntask one: :json\ntask two: :yaml";
    assert_eq!(said(&format!("{}\n{env}", two("", ""))), [expected]);
}

#[test]
fn options_of_the_task_of_rspec_are_said() {
    let task = |options: &str| format!("RSpec::Core::RakeTask.new(:spec) {{ |t| t.{options} }}");
    for options in [
        "rspec_opts = '--require ./strict -f doc'",
        "rspec_opts = %w[--require ./strict]",
    ] {
        assert_eq!(
            said(&task(options)),
            ["options of the Rakefile's RSpec task have no effect here"],
            "{options}"
        );
    }
    for options in [
        "rspec_opts = '--format doc --color --fail-fast'",
        "ruby_opts = '-w'",
        "verbose = false",
    ] {
        assert!(said(&task(options)).is_empty(), "{options}");
    }
}
