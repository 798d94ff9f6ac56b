//! Whoever can turn a plain run of RSpec red turns ours red; what formatters write is theirs.

use integration::{home::Home, project::Project, run};

const PASSES: &str = "RSpec.describe('a') { it('passes') {} }\n";

fn project(home: &Home, options: &str, helper: &str) -> Project {
    Project::of(
        home,
        &[
            (".rspec", &format!("--require ./spec/helper\n{options}\n")),
            ("spec/helper.rb", helper),
            ("spec/a_spec.rb", PASSES),
        ],
    )
}

/// A formatter of the suite: what it does when RSpec sums up.
fn formatter(events: &str, body: &str) -> String {
    format!(
        "class Judge
          RSpec::Core::Formatters.register self, {events}
          def initialize(out) = @out = out
          {body}
        end\n"
    )
}

#[test]
fn a_formatter_that_judges_is_heard() {
    let home = Home::new();
    let raises = formatter(
        ":dump_summary",
        "def dump_summary(all)
           @out.puts \"#{all.examples.size} asserts nothing\"
           raise 'not content'
         end",
    );
    let exits = formatter(":close", "def close(_) = exit(4)");
    let stops = formatter(":stop", "def stop(_) = exit(4)");
    let default = format!("{raises}RSpec.configure {{ |c| c.default_formatter = Judge }}\n");
    let listener = "class Listener; def start_dump(_) = raise('not content'); end
      RSpec.configure { |c| c.reporter.register_listener(Listener.new, :start_dump) }\n";
    for (options, helper, said) in [
        (
            "--format Judge",
            raises.as_str(),
            vec![
                "Reporter Judge failed at",
                "Error outside tests: reporter Judge: RuntimeError",
                "not content",
                "1 asserts nothing",
            ],
        ),
        ("--format Judge", exits.as_str(), vec!["exit status 4"]),
        (
            "--format progress --format Judge",
            stops.as_str(),
            vec!["exit status 4"],
        ),
        ("", default.as_str(), vec!["Reporter Judge failed at"]),
        ("", listener, vec!["Reporter Listener failed at"]),
    ] {
        let run = run::run(&home, &project(&home, options, helper), &["--local=2"]);
        run.exited(1).says(&said).says(&["1 test: 1 passed"]);
    }
    home.assert_nothing_left();
}

/// In a plain run it is there before the first file runs.
#[test]
fn a_formatter_of_a_later_file_hears_of_the_start() {
    let home = Home::new();
    let helper = formatter(
        ":start, :example_passed, :close",
        "def start(_) = @passed = 0
         def example_passed(_) = @passed += 1
         def close(_) = File.write('seen.txt', @passed.to_s)",
    );
    let project = project(&home, "", "");
    project.write("spec/judge.rb", &helper);
    project.write(
        "spec/b_spec.rb",
        &format!(
            "require_relative 'judge'\nRSpec.configure {{ |c| c.add_formatter(Judge) }}\n{PASSES}"
        ),
    );
    run::run(
        &home,
        &project,
        &["--local=1", "spec/a_spec.rb", "spec/b_spec.rb"],
    )
    .exited(0);
    assert_eq!(project.read("seen.txt"), "1");
    home.assert_nothing_left();
}

/// RSpec's exit status is not zero, and no example has failed.
#[test]
fn what_else_makes_rspec_exit_with_a_fault_fails_the_job() {
    let home = Home::new();
    for helper in [
        "RSpec.configure { |c| c.after { RSpec.world.non_example_failure = true } }",
        "RSpec::Core::Runner.prepend(Module.new { def exit_code(*) = 9 })",
        "RSpec::Core::Runner.prepend(Module.new { def run_specs(*) = super && 7 })",
        "RSpec::Core::Runner.prepend(Module.new { def run_specs(*) = super && false })",
        "class RSpec::Core::Runner; alias own run_specs; def run_specs(groups) = own(groups) + 7; end",
        "RSpec::Core::Reporter.prepend(Module.new { def report(*) = super && false })",
        "RSpec::Core::Configuration.prepend(Module.new { def with_suite_hooks = super && false })",
        "RSpec::Core::Configuration.prepend(Module.new { def load_spec_files = super && raise('no') })",
        "RSpec::Core::Example.prepend(Module.new { def run(*) = super && nil })",
        "class RSpec::Core::ExampleGroup; def self.run(*) = true; end",
        "RSpec.configure { |c| c.before(:suite) { RSpec.world.wants_to_quit = true } }",
        "RSpec.world.wants_to_quit = true",
        "RSpec.configure { |c| c.add_formatter('NoSuchFormatter') }",
        "class Early; def start(_) = raise('not today'); end
         RSpec.configure { |c| c.reporter.register_listener(Early.new, :start) }",
    ] {
        let run = run::run(&home, &project(&home, "", helper), &["--local=1"]);
        assert_eq!(
            run.end.to_string(),
            "exit status 1",
            "{helper}\n{}",
            run.stdout
        );
    }
    home.assert_nothing_left();
}

/// What is put over RSpec's run of the groups is around each file's.
#[test]
fn what_a_suite_does_around_its_groups_is_done() {
    let home = Home::new();
    let helper = "RSpec::Core::Runner.prepend(Module.new do
        def run_specs(*)
          $up = true
          super
        ensure
          $up = false
        end
      end)
      RSpec.configure { |c| c.before(:suite) { raise 'down' unless $up } }\n";
    let spec = "RSpec.describe('the server') { it('is up') { raise 'down' unless $up } }\n";
    let project = project(&home, "", helper);
    project.write("spec/a_spec.rb", spec);
    project.write("spec/b_spec.rb", spec);
    run::run(&home, &project, &["--local=1"]).exited(0);
    home.assert_nothing_left();
}

/// RSpec runs them with those of its files.
#[test]
fn groups_of_a_helper_run() {
    let home = Home::new();
    let helper = "RSpec.describe('the helper') { it('fails') { raise 'no' } }\n";
    let run = run::run(&home, &project(&home, "", helper), &["--local=1"]);
    run.exited(1)
        .says(&["the helper fails", "2 tests: 1 passed, 1 failed"]);
    home.assert_nothing_left();
}

/// As in one plain run, of the files of its process.
#[test]
fn hooks_of_the_end_find_the_examples_that_ran() {
    let home = Home::new();
    let helper = "def ran = RSpec.world.filtered_examples.values.flatten.map { |e| e.execution_result.status }
      RSpec.configure { |c| c.after(:suite) { raise ran.inspect unless ran == %i[passed passed] } }
      at_exit { exit 7 unless RSpec.world.all_examples.size == 2 && RSpec.world.example_groups.size == 2 }\n";
    let project = project(&home, "", helper);
    project.write("spec/b_spec.rb", PASSES);
    run::run(&home, &project, &["--local=1"])
        .exited(0)
        .says(&["2 tests: 2 passed"]);
    home.assert_nothing_left();
}

/// With rspec/autorun `ruby FILE` runs groups that a handler of at_exit defines; `rspec` does not.
#[test]
fn groups_that_are_defined_at_exit_do_not_pass_unrun() {
    let home = Home::new();
    let late = "at_exit { RSpec.describe('late') { it('fails') { raise 'no' } } }\n";
    for (first, exit) in [("require 'rspec/autorun'\n", 1), ("", 0)] {
        let project = project(&home, "", "");
        project.write("spec/a_spec.rb", &format!("{first}{late}{PASSES}"));
        let run = run::run(&home, &project, &["--local=1"]);
        run.exited(exit).says(&["1 test: 1 passed"]);
        if exit == 1 {
            run.says(&["examples that were defined while Ruby exits did not run: 1"]);
        }
    }
    home.assert_nothing_left();
}

#[test]
fn reports_of_formatters_are_written_and_no_child_writes_over_another() {
    let home = Home::new();
    let options = "--format json --out out/report.json --format documentation --out out/doc.txt";
    let project = project(&home, options, "");
    project.write("out/report.json", "of a run before");
    run::run(&home, &project, &["--local=1"]).exited(0);
    assert!(
        project
            .read("out/doc.txt")
            .contains("1 example, 0 failures")
    );
    let report = project.read("out/report.json");
    assert!(
        report.starts_with('{') && report.contains("\"full_description\":\"a passes\""),
        "{report}"
    );
    // The first of two waits for the other to be there.
    let waits = |name: &str, other: &str| {
        format!(
            "RSpec.describe('{name}') {{ it('runs') {{ File.write('{name}', ''); 600.times {{ sleep 0.05 unless File.exist?('{other}') }} }} }}\n"
        )
    };
    project.write("spec/a_spec.rb", &waits("a", "b"));
    project.write("spec/b_spec.rb", &waits("b", "a"));
    run::run(&home, &project, &["--local=2"]).exited(0);
    let mut seen = ["out/report.json", "out/report-2.json"].map(|path| {
        let report = project.read(path);
        (report.contains("a runs"), report.contains("b runs"))
    });
    seen.sort_unstable();
    assert_eq!(seen, [(false, true), (true, false)]);
    home.assert_nothing_left();
}

#[test]
fn deprecations_are_told_or_written_where_the_suite_says() {
    let home = Home::new();
    let spec = "RSpec.describe('a') { it('is old') { RSpec.deprecate('the old word', replacement: 'the new') } }\n";
    let said = "the old word is deprecated. Use the new instead.";
    let of = |options: &str, helper: &str| {
        let project = project(&home, options, helper);
        project.write("spec/a_spec.rb", spec);
        project.write("spec/b_spec.rb", spec);
        project
    };
    run::run(&home, &of("", ""), &["--local=1"])
        .exited(0)
        .says(&["Warnings (2):", said]);
    let raise = "RSpec.configure(&:raise_errors_for_deprecations!)";
    run::run(&home, &of("", raise), &["--local=1"])
        .exited(1)
        .says(&["2 deprecations found.", "2 tests: 2 failed"]);
    // With `ruby FILE`, which runs such a file as well, there is none.
    let armed = of("", "");
    armed.write("spec/a_spec.rb", PASSES);
    armed.write(
        "spec/b_spec.rb",
        &format!("require 'rspec/autorun'\n{PASSES}"),
    );
    let run = run::run(&home, &armed, &["--local=1"]);
    run.exited(0);
    assert!(!run.stdout.contains("deprecated"), "{}", run.stdout);
    for (options, helper) in [
        ("--deprecation-out log/old.txt", ""),
        (
            "",
            "RSpec.configure { |c| c.deprecation_stream = 'log/old.txt' }",
        ),
        (
            "",
            "RSpec.configure { |c| c.deprecation_stream = File.open('log/old.txt', 'a') }",
        ),
    ] {
        let project = of(options, helper);
        project.write("log/old.txt", "");
        let run = run::run(&home, &project, &["--local=2"]);
        run.exited(0);
        assert!(!run.stdout.contains(said), "{}", run.stdout);
        assert!(run.stdout.contains("logged to "), "{}", run.stdout);
        let written = project.read("log/old.txt");
        let files = ["a_spec.rb:1", "b_spec.rb:1"].map(|place| written.contains(place));
        assert_eq!(files, [true, true], "{written}");
    }
    home.assert_nothing_left();
}

/// A plain run ends after it, and fails if there is more to run: whichever process has the other files.
#[test]
fn a_last_example_that_has_rspec_quit_fails_a_run_of_more_files() {
    let home = Home::new();
    let said = "the last example of the file had RSpec quit (wants_to_quit)";
    for act in [
        "RSpec.world.wants_to_quit = true",
        "Process.kill(:INT, $$); sleep 0.1",
    ] {
        let quits = format!("RSpec.describe('b') {{ it('quits') {{ {act} }} }}\n");
        let project = Project::of(
            &home,
            &[
                ("spec/a_spec.rb", PASSES),
                ("spec/b_spec.rb", &quits),
                ("spec/c_spec.rb", PASSES),
            ],
        );
        for slots in ["--local=1", "--local=3"] {
            run::run(&home, &project, &[slots]).exited(1).says(&[said]);
        }
        for files in [
            &["spec/b_spec.rb"][..],
            &["spec/a_spec.rb", "spec/b_spec.rb"],
        ] {
            let arguments = [&["--local=1"], files].concat();
            run::run(&home, &project, &arguments).exited(0);
        }
        project.write(".rspec", "--order random\n");
        let last = ["--local=1", "spec/a_spec.rb", "spec/b_spec.rb"];
        run::run(&home, &project, &last).exited(1).says(&[said]);
    }
    home.assert_nothing_left();
}
