//! What a Rakefile says of its tests, against real Rake.

use integration::{home::Home, project::Project, run};

/// A file of one test of Minitest, that passes.
fn minitest(class: &str) -> String {
    format!(
        "require 'minitest/autorun'\nclass {class} < Minitest::Test\n  def test_one = assert(true)\nend\n"
    )
}

/// A file that is named, not looked for, has to be there: `rake test` and `rspec` fail without it.
#[test]
fn a_file_that_is_named_and_missing_is_no_green_run() {
    let home = Home::new();
    let rakefile = |list: &str| {
        format!("require 'rake/testtask'\nRake::TestTask.new {{ |t| t.test_files = {list} }}\n")
    };
    let project = Project::of(&home, &[("test/a_test.rb", &minitest("ATest"))]);
    let names = "the Rakefile's test task names what does not exist: test/gone_test.rb";
    for list in [
        "%w[test/a_test.rb test/gone_test.rb]",
        "FileList['test/*_test.rb', 'test/gone_test.rb']",
        "(%w[a gone].map { |it| \"test/#{it}_test.rb\" })",
    ] {
        project.write("Rakefile", &rakefile(list));
        for words in [&["--local=1"][..], &["--local=1", "test"]] {
            let run = run::run(&home, &project, words);
            run.exited(3).says(&[names, "hint: correct the name"]);
            assert!(run.events("item_started").is_empty());
        }
        run::run(&home, &project, &["--local=1", "test/a_test.rb"]).exited(0);
    }
    project.write(
        "gorgon.json",
        "{ \"files\": [\"test/*_test.rb\", \"test/b_test.rb\"] }",
    );
    for words in [&["--local=1"][..], &["--local=1", "test"]] {
        run::run(&home, &project, words)
            .exited(3)
            .says(&["`files` of gorgon.json names what does not exist: test/b_test.rb"]);
    }
    project.write(
        "gorgon.json",
        "{ \"files\": [\"test/a_test.rb\", \"test/b_*.rb\"] }",
    );
    run::run(&home, &project, &["--local=1"]).exited(0);
}

/// Tasks that another file of the project defines are a part of the suite.
#[test]
fn tasks_of_other_files_run() {
    let home = Home::new();
    let more = "require 'rake/testtask'\nRake::TestTask.new(:more) { |t| t.pattern = 'checks/*.rb' }\nRake::Task.define_task(test: :more)\n";
    for (said, file) in [
        ("require_relative 'build/more'", "build/more.rb"),
        (
            "Dir['tasks/**/*.rake'].each { |f| load f }",
            "tasks/ci/more.rake",
        ),
        ("import 'tasks/more.rk'", "tasks/more.rk"),
    ] {
        let rakefile = format!(
            "require 'rake/testtask'\n{said}\nRake::TestTask.new {{ |t| t.pattern = 'test/*_test.rb' }}\n"
        );
        let project = Project::of(
            &home,
            &[
                ("Rakefile", &rakefile),
                (file, more),
                ("test/a_test.rb", &minitest("ATest")),
                ("checks/b.rb", &minitest("BTest")),
            ],
        );
        run::run(&home, &project, &["--local=1"])
            .exited(0)
            .reported(&["checks/b.rb", "test/a_test.rb"]);
    }
}

/// What `rake test` does besides tests is not done here, and that is said, also in the report.
#[test]
fn what_rake_test_does_besides_is_a_warning() {
    let home = Home::new();
    let project = Project::of(&home, &[("test/a_test.rb", &minitest("ATest"))]);
    let task = "Rake::TestTask.new(:units) { |t| t.pattern = 'test/*_test.rb' }";
    for rakefile in [
        "task(:make) { sh 'make' }\ntask test: [:make, :units]",
        "%w[make].each { |n| task(n) { sh 'make' } }\ntask test: [:make, :units]",
    ] {
        project.write(
            "Rakefile",
            &format!("require 'rake/testtask'\n{task}\n{rakefile}\n"),
        );
        let said = "rake test also runs make, which Gorgon does not";
        let run = run::run(&home, &project, &["--local=1"]);
        run.exited(0).says(&[&format!("warning: {said}")]);
        let warnings = &run.events("job_finished")[0]["warnings"];
        assert!(
            warnings[0].as_str().is_some_and(|it| it.starts_with(said)),
            "{warnings}"
        );
        assert_eq!(warnings.as_array().map(Vec::len), Some(1));
    }
}

/// Under `rake test` no file is the program: what stands behind `$0 == __FILE__` does not run, and there is no `DATA`.
#[test]
fn a_file_that_a_task_runs_is_not_the_program() {
    let home = Home::new();
    let look = "require 'minitest/autorun'\nclass ATest < Minitest::Test\n  def test_one\n    assert_equal PROGRAM, File.basename($0)\n    refute defined?(DATA)\n  end\nend\nabort 'the program' if __FILE__ == $0\n__END__\nx\n";
    for (program, rakefile) in [
        ("rake_test_loader.rb", "Rake::TestTask.new"),
        ("-e", "Rake::TestTask.new { |t| t.loader = :direct }"),
        ("-e", "Minitest::TestTask.create"),
        (
            "-e",
            "%w[test].each { |n| Rake::TestTask.new(n) { |t| t.loader = :direct } }",
        ),
    ] {
        let project = Project::of(
            &home,
            &[
                (
                    "Rakefile",
                    &format!("require 'rake/testtask'\nrequire 'minitest/test_task'\n{rakefile}\n"),
                ),
                (
                    "test/test_a.rb",
                    &look.replace("PROGRAM", &format!("'{program}'")),
                ),
            ],
        );
        run::run(&home, &project, &["--local=1"]).exited(0);
    }
    let project = Project::of(
        &home,
        &[(
            "test/a_test.rb",
            "require 'minitest/autorun'\nNAME = $0\nclass ATest < Minitest::Test\n  def test_one = assert_equal([__FILE__, \"x\\n\"], [File.expand_path(NAME), DATA.read])\nend\n__END__\nx\n",
        )],
    );
    run::run(&home, &project, &["--local=1"]).exited(0);
}

/// What a task of Minitest evaluates first, the tests see.
#[test]
fn the_prelude_of_a_task_is_evaluated_before_its_first_file() {
    let home = Home::new();
    let test = |n: u8| {
        format!(
            "class ATest{n} < Minitest::Test\n  def test_one = assert_equal(['1', 1], [ENV['PRE'], $pre])\nend\n"
        )
    };
    let project = Project::of(
        &home,
        &[("test/test_a.rb", &test(1)), ("test/test_b.rb", &test(2))],
    );
    for prelude in [
        "'ENV[\"PRE\"] = \"1\"; $pre = $pre.to_i + 1'",
        "\"ENV['PRE'] = '#{1}'; $pre = $pre.to_i + 1\"",
    ] {
        project.write(
            "Rakefile",
            &format!("require 'minitest/test_task'\nMinitest::TestTask.create {{ |t| t.test_prelude = {prelude} }}\n"),
        );
        run::run(&home, &project, &["--local=1"]).exited(0);
    }
}

/// A task has Ruby warn as much as `rake test` does: a suite that raises for each warning fails, or not.
#[test]
fn ruby_warns_as_the_task_says() {
    let home = Home::new();
    let helper = "require 'minitest/autorun'\nmodule Warning\n  def self.warn(message, **) = raise(message)\nend\n";
    let test = "require_relative 'helper'\nclass ATest < Minitest::Test\n  def test_one = assert_nil(eval('def self.x = 1; def self.x = 2; nil'))\nend\n";
    for (task, warns) in [
        ("Rake::TestTask.new", true),
        ("Rake::TestTask.new { |t| t.warning = false }", false),
        ("Rake::TestTask.new { |t| t.ruby_opts << '-W1' }", false),
        (
            "Rake::TestTask.new { |t| t.warning = false; t.ruby_opts << '-w' }",
            true,
        ),
        (
            "%w[test].each { |n| Rake::TestTask.new(n) { |t| t.warning = n == 'x' } }",
            false,
        ),
        ("%w[test].each { |n| Rake::TestTask.new(n) }", true),
        ("Minitest::TestTask.create", true),
        ("Minitest::TestTask.create { |t| t.warning = false }", false),
    ] {
        let project = Project::of(
            &home,
            &[
                (
                    "Rakefile",
                    &format!("require 'rake/testtask'\nrequire 'minitest/test_task'\n{task}\n"),
                ),
                ("test/helper.rb", helper),
                ("test/test_a.rb", test),
            ],
        );
        let run = run::run(&home, &project, &["--local=1"]);
        run.exited(i32::from(warns));
        let counts = run.junit().counts();
        assert_eq!(counts["test/test_a.rb"].total(), 1, "{task}");
    }
}
