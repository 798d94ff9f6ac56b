//! Lines of RSpec.

use integration::{home::Home, run};

use super::{check, lines, paste, project};

#[test]
fn an_example_is_named_by_its_line_or_by_its_id_where_the_line_names_others_too() {
    let home = Home::new();
    let spec = "require './notes'
require_relative 'shared'
RSpec.describe('a') do
  it('is \"one\"') { noted('one') }
  it('x') { noted('two') }; it('y') { noted('three') }
  describe('same line') do it('z') { noted('four') }
    it('below') { noted('five') }
  end
  %w[six seven].each { |name| it(name) { noted(name) } }
  it_behaves_like 'shared'
  it { noted('nine') }
end
";
    let shared = "RSpec.shared_examples('shared') { it('s') { noted('eight') } }\n";
    let odd = "require './notes'\nRSpec.describe('odd') { it('x') { noted('odd') } }\n";
    let project = project(
        &home,
        &[
            (".rspec", ""),
            ("spec/a_spec.rb", spec),
            ("spec/shared.rb", shared),
            ("spec/it's odd_spec.rb", odd),
        ],
    );
    let files = ["spec/a_spec.rb", "spec/it's odd_spec.rb"];
    let run = check(
        &project,
        &home,
        &files,
        &[
            ("one", "rspec spec/a_spec.rb:4"),
            ("two", "rspec 'spec/a_spec.rb[1:2]'"),
            ("three", "rspec 'spec/a_spec.rb[1:3]'"),
            ("six", "rspec 'spec/a_spec.rb[1:5]'"),
            ("seven", "rspec 'spec/a_spec.rb[1:6]'"),
            ("nine", "rspec spec/a_spec.rb:11"),
            ("four", "rspec 'spec/a_spec.rb[1:4:1]'"),
            ("five", "rspec spec/a_spec.rb:7"),
            ("eight", "rspec 'spec/a_spec.rb[1:7:1]'"),
            ("odd", "rspec 'spec/it'\\''s odd_spec.rb:2'"),
        ],
    );
    // Ours follows, and tells what else it runs.
    run.says(&["\n\n  reproduce: gorgon-worker --workspace . --seed 7 --worker-id 1 --file spec/a_spec.rb\n"]);
    run.says(&["\n\n  with what ran before it in its Ruby process:\n  reproduce: gorgon-worker "]);
}

/// `rspec FILE:LINE` runs all examples of the other files that FILE loads.
#[test]
fn an_example_runs_alone_if_its_file_loads_others_with_examples() {
    let home = Home::new();
    let spec = "require './notes'
require_relative 'part'
RSpec.describe('a') do
  it { noted('own') }
  it('x') { noted('two') }; it('y') { noted('three') }
end
eval \"RSpec.describe('made') { 2.times { it('twice') { noted('made twice') } } }\"
";
    let part = "RSpec.describe('part of a') do
  it('is') { noted('is') }
  it('is (not)') { noted('is-not') }
end
";
    let files = [("spec/a_spec.rb", spec), ("spec/part.rb", part)];
    let project = project(&home, &files);
    let lines = [
        ("is", "rspec spec/a_spec.rb -E '^part\\ of\\ a\\ is$'"),
        ("is-not", "rspec spec/a_spec.rb -e 'part of a is (not)'"),
        ("own", "rspec spec/a_spec.rb:4 --tag no_other_file"),
        ("two", "rspec 'spec/a_spec.rb[1:2]' --tag no_other_file"),
        ("three", "rspec 'spec/a_spec.rb[1:3]' --tag no_other_file"),
    ];
    // Those that no command can run alone have no line.
    check(&project, &home, &[], &lines).says(&["made twice fails"]);
}

/// A file that gives examples to groups of an earlier one cannot be loaded without it.
#[test]
fn an_example_that_is_given_to_a_group_of_an_earlier_file_has_that_file_in_its_line() {
    let home = Home::new();
    let first = "RSpec.describe('other') { it('is not in the line') {} }
GROUP = RSpec.describe('a') { it('is first') {} }
";
    let spec = "require './notes'
GROUP.it('late') { noted('late') }
GROUP.it { noted('nameless') }
RSpec.describe('b') { it('own') { noted('own') } }
";
    let files = [("spec/a_spec.rb", first), ("spec/b_spec.rb", spec)];
    let project = project(&home, &files);
    let both = "rspec spec/a_spec.rb spec/b_spec.rb";
    let lines = [
        ("own", format!("{both}:4 --tag no_other_file")),
        ("late", format!("{both} -e 'a late'")),
    ];
    let lines = lines.each_ref().map(|(name, line)| (*name, &line[..]));
    // RSpec finds the other one neither by its line nor by a name.
    check(&project, &home, &[], &lines).says(&["nameless fails"]);
}

#[test]
fn variables_that_the_configuration_unsets_are_unset_in_the_line() {
    let home = Home::new();
    let spec = "require './notes'
RSpec.describe('a') {
  it('x') { noted(ENV.values_at('MODE', 'TEST_ENV_NUMBER').compact.join.prepend('x')) } }
";
    let settings = r#"{ "env": { "MODE": null, "TEST_ENV_NUMBER": null, "NOT_SET": null } }"#;
    let project = project(
        &home,
        &[("spec/a_spec.rb", spec), ("gorgon.json", settings)],
    );
    let run = run::start_with(&home, &project, &["--local=1"], |command| {
        command.envs([("MODE", "m"), ("TEST_ENV_NUMBER", "7")]);
    });
    let run = run.finished(run::RUN_LIMIT);
    run.exited(1);
    let line = "env -u MODE -u TEST_ENV_NUMBER rspec spec/a_spec.rb:3";
    assert_eq!(lines(&run, "rerun: "), [line]);
    let line = format!("export MODE=m TEST_ENV_NUMBER=7; {line}");
    assert_eq!(paste(&home, &project, &line).ran, ["x"]);
}

#[test]
fn a_random_order_has_its_seed_and_options_that_matter_stay() {
    let home = Home::new();
    let spec = "require 'extra'
require './notes'
RSpec.configure { |config| config.order = :random }
RSpec.describe('a') do
  it('x', :smoke) { noted('x') }
  it('y') { noted('y') }
end
";
    let project = project(
        &home,
        &[
            ("spec/a_spec.rb", spec),
            ("my code/extra.rb", ""),
            ("gorgon.json", r#"{ "env": { "MODE": "it's" } }"#),
            ("gorgon_secret.json", r#"{ "env": { "TOKEN": "hush" } }"#),
        ],
    );
    let options = ["--", "-I", "my code", "--tag", "smoke", "-e", "a x", "-fd"];
    let run = check(
        &project,
        &home,
        &options,
        &[(
            "x",
            "MODE='it'\\''s' rspec spec/a_spec.rb:5 --seed 7 -I 'my code'",
        )],
    );
    assert!(!run.stdout.contains("hush"), "{}", run.stdout);
}

#[test]
fn ruby_of_the_configuration_starts_rspec_too() {
    let home = Home::new();
    let spec = "require './notes'\nRSpec.describe('a') {\n it('x') { noted(EXTRA) } }\n";
    let project = project(
        &home,
        &[
            ("spec/a_spec.rb", spec),
            ("more/extra.rb", "EXTRA = 'extra'\n"),
            ("gorgon.json", r#"{ "ruby": "ruby -Imore -rextra" }"#),
        ],
    );
    let line = "ruby -Imore -rextra -S rspec spec/a_spec.rb:3";
    check(&project, &home, &[], &[("extra", line)]);
    // What stands before the last word starts any program.
    project.write(
        "gorgon.json",
        r#"{ "ruby": "env RUBYLIB=more RUBYOPT=-rextra ruby" }"#,
    );
    let line = "env RUBYLIB=more RUBYOPT=-rextra rspec spec/a_spec.rb:3";
    check(&project, &home, &[], &[("extra", line)]);
}

#[test]
fn a_gemfile_has_bundler_start_it() {
    let home = Home::new();
    let spec = "require './notes'\nRSpec.describe('a') {\n it('x') { noted(Bundler.name) } }\n";
    let project = project(
        &home,
        &[
            ("spec/a_spec.rb", spec),
            (
                "Gemfile",
                "source 'https://rubygems.org'\ngem 'rspec-core'\ngem 'rspec-expectations'\n",
            ),
        ],
    );
    let line = "bundle exec rspec spec/a_spec.rb:3";
    check(&project, &home, &[], &[("Bundler", line)]);
}

#[test]
fn what_failed_outside_of_tests_has_the_command_of_its_file() {
    let home = Home::new();
    let loads = "require './notes'\nnoted('load')\n";
    let dies = "require './notes'
RSpec.describe('d') {
  it('first') { File.write('ran.log', \"first\\n\", mode: 'a') }
  it('dies') { File.write('ran.log', \"dies\\n\", mode: 'a'); exit!(7) }
}
";
    let project = project(
        &home,
        &[("spec/a_spec.rb", loads), ("spec/b_spec.rb", dies)],
    );
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(1);
    let found = lines(&run, "rerun: ");
    assert_eq!(
        found,
        ["rspec spec/a_spec.rb", "rspec spec/b_spec.rb"],
        "{}",
        run.stdout
    );
    for (line, ran) in found.iter().zip([&["load"][..], &["first", "dies"]]) {
        let pasted = paste(&home, &project, line);
        assert!(!pasted.good, "{}", pasted.said);
        assert_eq!(pasted.ran, ran, "{}", pasted.said);
    }
    home.assert_nothing_left();
}
