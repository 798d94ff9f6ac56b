//! Which files a command line means, however they are named.

use std::os::unix::fs::symlink;

use integration::{home::Home, project::Project, run};

const GREEN: (&str, &str) = (
    "spec/a_spec.rb",
    "RSpec.describe('a') do\n  it('one') { expect(1).to eq 1 }\n  it('two') { expect(1).to eq 1 }\nend\n",
);
const RED: (&str, &str) = (
    "spec/b_spec.rb",
    "RSpec.describe('b') { it('fails') { expect(1).to eq 2 } }\n",
);

/// <https://github.com/pytest-dev/pytest/issues/7012>: `''` is no name for the whole suite.
#[test]
fn an_empty_word_is_a_usage_error_and_not_the_whole_suite() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN, RED]);
    for words in [&["--local=1", ""][..], &["--local=1", "spec/a_spec.rb", ""]] {
        let run = run::run(&home, &project, words);
        run.exited(3).says(&["empty word"]);
        assert!(run.events("item_started").is_empty(), "{words:?}");
    }
}

/// <https://github.com/grosser/parallel_tests/issues/374>: whole paths, here seen from a directory
/// that a link leads to, where the shell's path is not the system's.
#[test]
fn a_path_through_a_link_to_the_project_names_the_file_in_it() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN, RED]);
    let link = home.fresh("link");
    symlink(project.path(), &link).expect("a link");
    let name = link.file_name().expect("a name").to_string_lossy();
    let absolute = |path: &str| link.join(path).to_string_lossy().into_owned();
    for (word, tests) in [
        (absolute("spec/a_spec.rb"), 2),
        (absolute("spec/a_spec.rb:2"), 1),
        (absolute("spec/a_spec.rb[1:1]"), 1),
        (format!("../{name}/spec/a_spec.rb"), 2),
    ] {
        let run = run::run(&home, &project, &["--local=1", &word]);
        run.exited(0).reported(&["spec/a_spec.rb"]);
        let counts = &run.junit().counts()["spec/a_spec.rb"];
        assert_eq!(counts.total(), tests, "{word}");
    }
    run::run(&home, &project, &["--local=1", &absolute("spec")])
        .exited(1)
        .reported(&["spec/a_spec.rb", "spec/b_spec.rb"]);
}

/// `rspec` runs what a link in `spec/` shows it, wherever that lies; on a host it may not be there.
#[test]
fn specs_that_a_link_brings_from_outside_run_in_place_alone() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN]);
    let outside = Project::of(&home, &[RED]);
    symlink(
        outside.path().join("spec"),
        project.path().join("spec/more"),
    )
    .expect("a link");
    let files = ["spec/a_spec.rb", "spec/more/b_spec.rb"];
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(1).reported(&files).says(&["expected: 2"]);
    assert_eq!(run.junit().counts()[files[1]].total(), 1);
    run::run(&home, &project, &["--local=1", "spec/more"])
        .exited(1)
        .reported(&files[1..]);
    run::run(&home, &project, &["--local=1", "--sync"])
        .exited(1)
        .reported(&files)
        .says(&["leads out of the workspace"]);
}

/// Plain RSpec cannot load the directory, and is red.
#[test]
fn a_directory_named_like_a_spec_is_no_green_run() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN, ("spec/d_spec.rb/notes.txt", "")]);
    let says = ["spec/d_spec.rb (it is a directory)", "hint: rename or move"];
    run::run(&home, &project, &["--local=1"])
        .exited(3)
        .says(&says);
}

#[test]
fn a_spec_that_ruby_cannot_open_fails_and_a_hint_says_why() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN]);
    symlink("nowhere", project.path().join("spec/l_spec.rb")).expect("a link");
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(1).says(&[
        "cannot load such file",
        "hint: Ruby cannot open spec/l_spec.rb itself",
    ]);
    assert!(!run.stderr.contains("-Itest"), "{}", run.stderr);
}

/// The tests of `b_test.rb` are there only for who has loaded `a_test.rb` before it.
#[test]
fn files_that_pass_without_a_test_are_named_where_their_text_has_some() {
    let home = Home::new();
    let files = [
        GREEN,
        (
            "spec/b_spec.rb",
            "RSpec.describe('b') { it('is') {} } if defined?(Keel)\n",
        ),
        ("spec/c_spec.rb", "require 'rspec'\n"),
    ];
    let project = Project::of(&home, &files);
    let hint = "hint: no test ran in files that seem to have some: spec/b_spec.rb\n";
    run::run(&home, &project, &["--local=1"])
        .exited(0)
        .says(&[hint]);
    let run = run::run(&home, &project, &["--local=1", "spec/b_spec.rb"]);
    assert!(!run.stderr.contains("hint: no test"), "{}", run.stderr);
}

#[test]
fn a_hint_says_how_to_name_the_directory_of_what_is_not_found() {
    let home = Home::new();
    let files = [
        ("spec/a_spec.rb", "require 'keel'\nRSpec.describe('a') {}\n"),
        ("support/keel.rb", ""),
    ];
    let project = Project::of(&home, &files);
    let hint = "hint: 1 file does not find what is required (keel)";
    run::run(&home, &project, &["--local=1"])
        .exited(1)
        .says(&[hint, "\"ruby\": \"ruby -Ilib -Itest\""]);
    project.write("gorgon.json", "{ \"ruby\": \"ruby\" }");
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(1);
    assert!(!run.stderr.contains("hint: 1 file"), "{}", run.stderr);
}

/// <https://github.com/nextest-rs/nextest/issues/800>, <https://github.com/nextest-rs/nextest/issues/459>:
/// where the verb stands among the options.
#[test]
fn the_command_may_stand_after_options() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN, RED]);
    for words in [
        &["list", "--local=2"][..],
        &["--local=2", "list"],
        &["--local=2", "--seed", "7", "-q", "list", "spec"],
    ] {
        let mut command = home.command("gorgon-originator");
        command.args(words).current_dir(project.path());
        let said = gorgon_process::command::run(command, run::RUN_LIMIT, b"").expect("a list");
        let files: Vec<_> = said
            .stdout
            .lines()
            .filter_map(|line| line.split_whitespace().last())
            .collect();
        assert_eq!(files, ["spec/a_spec.rb", "spec/b_spec.rb"], "{words:?}");
    }
    run::run(&home, &project, &["--local=1", "start", "spec/a_spec.rb"])
        .exited(0)
        .reported(&["spec/a_spec.rb"]);
    run::run(&home, &project, &["-v", "--local=1", "spec/a_spec.rb"])
        .exited(0)
        .says(&["joined with 1 slot\n"]);
}

/// <https://github.com/grosser/parallel_tests/issues/573>, <https://github.com/grosser/parallel_tests/issues/368>:
/// what a framework would choose files by has no effect, and must not be silent.
#[test]
fn what_chooses_files_among_the_frameworks_options_is_named() {
    let home = Home::new();
    let minitest = (
        "test/c_test.rb",
        "require 'minitest/autorun'\nclass CTest < Minitest::Test\n  def test_one = assert(true)\nend\n",
    );
    let test_unit = (
        "test/d_test.rb",
        "require 'test/unit'\nclass DTest < Test::Unit::TestCase\n  def test_one = assert(true)\nend\n",
    );
    let project = Project::of(&home, &[GREEN, RED, minitest, test_unit]);
    for (words, said) in [
        (
            &["spec/a_spec.rb", "--", "spec/b_spec.rb"][..],
            "no option of RSpec, and ignored: spec/b_spec.rb",
        ),
        (
            &["spec/a_spec.rb", "--", "--exclude-pattern", "spec/a*"],
            "--exclude-pattern of RSpec is ignored",
        ),
        (
            &["spec/a_spec.rb", "--", "-P", "spec/b*"],
            "--pattern of RSpec is ignored",
        ),
        (
            &["test/c_test.rb", "--", "-n", "test_one", "spec/b_spec.rb"],
            "no option of Minitest, and ignored: spec/b_spec.rb",
        ),
        (
            &["test/d_test.rb", "--", "-n", "test_one", "spec/b_spec.rb"],
            "no option of Test::Unit, and ignored: spec/b_spec.rb",
        ),
    ] {
        let words = [&["--local=1"], words].concat();
        let run = run::run(&home, &project, &words);
        run.exited(0).reported(&[words[1]]).says(&[said]);
    }
}

/// A file of one test of Minitest, that passes or does not.
fn minitest(class: &str, passes: bool) -> String {
    format!(
        "require 'minitest/autorun'\nclass {class} < Minitest::Test\n  def test_one = assert({passes})\nend\n"
    )
}

/// What the text of a Rakefile does not tell, Rake itself does: which files, and the load path of each task.
#[test]
fn tasks_whose_names_are_computed_run_their_files() {
    let home = Home::new();
    let needs = |name: &str, class: &str, passes| {
        format!("require '{name}_helper'\n{}", minitest(class, passes))
    };
    let rakefile = "require 'rake/testtask'\n%w[unit integration].each do |n|\n  Rake::TestTask.new(\"test:#{n}\") do |t|\n    t.libs << \"test/#{n}\"\n    t.pattern = \"test/#{n}/[a-c].rb\"\n  end\nend\ntask test: ['test:unit', 'test:integration']\n";
    let project = Project::of(
        &home,
        &[
            ("Rakefile", rakefile),
            ("test/unit/unit_helper.rb", ""),
            ("test/unit/a.rb", &needs("unit", "ATest", true)),
            ("test/unit/c.rb", &needs("unit", "CTest", true)),
            ("test/integration/integration_helper.rb", ""),
            (
                "test/integration/b.rb",
                &needs("integration", "BTest", false),
            ),
            ("test/d_test.rb", &minitest("DTest", false)),
        ],
    );
    let files = ["test/integration/b.rb", "test/unit/a.rb", "test/unit/c.rb"];
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(1).reported(&files);
    let counts = run.junit().counts();
    assert!(
        files.iter().all(|file| counts[*file].total() == 1),
        "{counts:?}"
    );
    run::run(&home, &project, &["--local=1", files[1]])
        .exited(0)
        .reported(&files[1..2]);
    // The worker that a `reproduce` line starts asks Rake, too.
    let mut command = home.command("gorgon-worker");
    command
        .args(["--workspace", ".", "--file", files[2]])
        .current_dir(project.path());
    gorgon_process::command::run(command, run::RUN_LIMIT, b"").expect("a file that passes");
}

/// Where neither tells it, a part of the suite must not pass for all of it.
#[test]
fn what_a_rakefile_does_not_tell_is_no_green_run() {
    let home = Home::new();
    let rakefile = "task :test do\n  system('ruby', '-Itest', '-e', 'Dir[\"./test/**/c_*.rb\"].each { |f| require f }') or exit 1\nend\n";
    let project = Project::of(
        &home,
        &[
            ("Rakefile", rakefile),
            ("test/b_test.rb", &minitest("BTest", true)),
            ("test/c_a.rb", &minitest("CTest", false)),
        ],
    );
    let told = "which files are tests cannot be told from the Rakefile (the task test (Rakefile:1) starts commands of its own)";
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(3).says(&[
        told,
        "would not run: test/c_a.rb",
        "hint: name them in `files` of gorgon.json",
    ]);
    assert!(run.events("item_started").is_empty());
    run::run(&home, &project, &["--local=1", "test/b_test.rb"])
        .exited(0)
        .reported(&["test/b_test.rb"]);
    run::run(&home, &project, &["--local=1", "test"])
        .exited(3)
        .says(&[told]);
    project.write("gorgon.json", "{ \"files\": [\"test/*.rb\"] }");
    run::run(&home, &project, &["--local=1"])
        .exited(1)
        .reported(&["test/b_test.rb", "test/c_a.rb"]);
    // With the usual names alone there is nothing else that could run.
    for file in ["gorgon.json", "test/c_a.rb"] {
        std::fs::remove_file(project.path().join(file)).expect("a file to remove");
    }
    run::run(&home, &project, &["--local=1"])
        .exited(0)
        .says(&[told, "files with the usual names run"]);
}
