//! What users of the original bring along, unchanged: their gorgon.json, and callbacks that do what
//! theirs do.

use std::path::Path;
use std::process::Command;

use gorgon_process::command;
use integration::home::Home;
use integration::project::Project;
use integration::run::{self, Finished};
use integration::wait::secs;

/// What the callbacks of the 0.8 generation do: print, install through open4, set up a database by
/// rake through an Open4 that they do not require, load the helpers once, reset and drop a database
/// by Rake itself, and print without end.
const CALLBACKS: &str = r##"
class MyCallbacks < Gorgon::DefaultCallbacks
  RAILS_ENV ||= 'remote_test'

  def before_originate
    puts 'Running tests'
  end

  def after_sync
    require 'open4'
    pid, stdin, stdout, stderr = Open4::popen4 'echo installed >> steps.log; echo said'
    stdin.close
    ignore, status = Process.waitpid2 pid
    raise "bundle install failed: #{stderr.read}" unless status.exitstatus == 0 && stdout.read == "said\n"
  end

  def before_creating_workers
    10_000.times { |i| puts "to stdout #{i}"; $stderr.puts "to stderr #{i}" }
    ENV['TEST_ENV_NUMBER'] = Process.pid.to_s
    ENV['RAILS_ENV'] = RAILS_ENV
    pid, stdin, stdout, stderr = Open4::popen4 'rake db:setup'
    ignore, status = Process::waitpid2 pid
    raise "rake db:setup failed: #{stderr.read}" unless status.exitstatus == 0
    %w[spec/spec_helper test/test_helper].each { |helper| require File.expand_path(helper) if File.exist?("#{helper}.rb") }
  end

  def before_start
    require 'rake'
    ENV['TEST_ENV_NUMBER'] = Process.pid.to_s
    load './Rakefile'
    Rake::Task['db:reset'].invoke
  end

  def after_creating_workers
    require 'rake'
    load './Rakefile'
    Rake::Task['db:drop'].invoke
  end
end
Gorgon.callbacks = MyCallbacks.new
"##;

const RAKEFILE: &str = "
require 'rake'
include Rake::DSL
namespace :db do
  %w[setup reset drop].each do |name|
    task(name) { File.write('steps.log', \"#{name} #{ENV['RAILS_ENV']}\\n\", mode: 'a') }
  end
end
";

const SPEC: &str = "
RSpec.describe 'a spec' do
  it('has the helper') { expect($spec_helper).to eq 1 }
  it('is in the environment') { expect(ENV['RAILS_ENV']).to eq 'remote_test' }
  it('has the number that a callback has set') { expect(ENV['TEST_ENV_NUMBER']).to eq Process.pid.to_s }
end
";

const MINITEST: &str = "
require 'minitest/autorun'
class ATest < Minitest::Test
  def test_helper; assert_equal 1, $test_helper; end
end
";

const HELPERS: [(&str, &str); 2] = [
    (
        "spec/spec_helper.rb",
        "$spec_helper = $spec_helper.to_i + 1\n",
    ),
    (
        "test/test_helper.rb",
        "$test_helper = $test_helper.to_i + 1\n",
    ),
];

fn sample(name: &str) -> String {
    let samples =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/gorgon-proto/testdata/samples");
    let path = samples.join(name).join("gorgon.json");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Runs a project with this gorgon.json.
fn local(home: &Home, config: &str, files: &[(&str, &str)], arguments: &[&str]) -> Finished {
    let project = Project::of(home, files);
    project.write("gorgon.json", config);
    run::run(home, &project, arguments)
}

/// The callbacks of `path` under a sample of that generation; `files` are the tests.
fn with_callbacks(name: &str, config: &str, path: &str, files: &[(&str, &str)]) {
    for arguments in [&["--local=2"][..], &["--local=2", "--sync"]] {
        let home = Home::new();
        let project = Project::of(&home, &HELPERS);
        project.write("gorgon.json", config);
        project.write(path, CALLBACKS);
        project.write("Rakefile", RAKEFILE);
        for (file, text) in files {
            project.write(file, text);
        }
        let finished = run::run(&home, &project, arguments);
        finished.exited(0);
        for (file, _) in files {
            finished.verdict(file, "passed");
        }
        if arguments.len() == 1 {
            let steps = project.read("steps.log");
            let mut steps: Vec<&str> = steps.lines().collect();
            assert_eq!(steps.remove(0), "installed", "{name}");
            assert_eq!(steps.remove(0), "setup remote_test", "{name}");
            assert_eq!(steps.pop(), Some("drop remote_test"), "{name}");
            assert!(!steps.is_empty() && steps.iter().all(|step| *step == "reset remote_test"));
        }
        home.assert_nothing_left();
    }
}

#[test]
fn a_project_of_init_rails_works_unchanged() {
    let config = sample("init-rails-2018");
    let path = "test/gorgon_callbacks/gorgon_callbacks.rb";
    let files = [("spec/a_spec.rb", SPEC), ("test/unit/a_test.rb", MINITEST)];
    with_callbacks("init-rails-2018", &config, path, &files);
}

#[test]
fn the_sample_of_2015_works_once_its_comma_is_there() {
    let broken = sample("init-sample-2015");
    let home = Home::new();
    let files = [("test/unit/a_test.rb", MINITEST)];
    local(&home, &broken, &files, &["--local"])
        .exited(3)
        .says(&["gorgon.json:17:6", "a comma is missing"]);
    let mended = broken.replacen("    }\n", "    },\n", 1);
    with_callbacks(
        "init-sample-2015",
        &mended,
        "test/gorgon_callbacks.rb",
        &files,
    );
}

#[test]
fn a_mixed_suite_works_unchanged() {
    let config = sample("dummy-mixed");
    let test_unit = "
require 'test/unit'
class BTest < Test::Unit::TestCase
  def test_helper; assert_equal 1, $test_helper; end
end
";
    let files = [
        ("spec/a_spec.rb", SPEC),
        ("test/minitest_test.rb", MINITEST),
        ("test/test_unit_test.rb", test_unit),
    ];
    with_callbacks("dummy-mixed", &config, "gorgon_callbacks.rb", &files);
    // Files with syntax errors harm themselves alone.
    let home = Home::new();
    let files = [
        (
            "gorgon_callbacks.rb",
            "class C < Gorgon::DefaultCallbacks; end\nGorgon.callbacks = C.new\n",
        ),
        ("spec/1_spec.rb", "RSpec.describe('x') { it('x') { "),
        ("test/1_test.rb", "class X; def"),
        ("spec/2_spec.rb", "RSpec.describe('x') { it('x') { } }\n"),
    ];
    local(&home, &config, &files, &["--local=1"])
        .exited(1)
        .verdict("spec/1_spec.rb", "failed")
        .verdict("test/1_test.rb", "failed")
        .verdict("spec/2_spec.rb", "passed");
}

#[test]
fn the_tutorials_project_works_unchanged() {
    let config = sample("rails-tutorial");
    with_callbacks(
        "rails-tutorial",
        &config,
        "spec/gorgon_callbacks.rb",
        &[("spec/a_spec.rb", SPEC)],
    );
}

#[test]
fn the_older_generation_works_unchanged() {
    let home = Home::new();
    let note = |name: &str| format!("File.write('steps.log', \"{name}\\n\", mode: 'a')\n");
    let callback = |name: &str| format!("test/gorgon_callbacks/{name}.rb");
    let project = Project::of(&home, &[("test/integration/a_test.rb", MINITEST)]);
    project.write("gorgon.json", &sample("init-sample-2012"));
    project.write("test/unit/b_test.rb", MINITEST);
    project.write("test/unit/helper.rb", "raise 'no test'\n");
    project.write(HELPERS[1].0, HELPERS[1].1);
    for name in ["before_start_callback", "after_complete", "after_sync"] {
        project.write(&callback(name), &note(name));
    }
    let text = note("before_creating_workers") + "require File.expand_path('test/test_helper')\n";
    project.write(&callback("before_creating_workers"), &text);
    run::run(&home, &project, &["--local=1"])
        .exited(0)
        .verdict("test/integration/a_test.rb", "passed")
        .verdict("test/unit/b_test.rb", "passed");
    let steps = project.read("steps.log");
    let expected = "after_sync\nbefore_creating_workers\nbefore_start_callback\nafter_complete\n";
    assert_eq!(steps, expected);
    home.assert_nothing_left();
}

#[test]
fn a_glob_that_names_directories_runs_the_files_among_them() {
    let home = Home::new();
    let files = [
        (
            "test/a_test.rb",
            "require 'minitest/autorun'\nclass A < Minitest::Test; def test_a; end; end\n",
        ),
        ("test/unit/b_test.rb", "raise 'one level only'\n"),
        ("test/data.yml", "a: 1\n"),
    ];
    let finished = local(&home, &sample("minimal-2012"), &files, &["--local=1"]);
    finished.exited(0).verdict("test/a_test.rb", "passed");
    finished.says(&[
        "directories, left out: test/unit",
        "no Ruby (*.rb), left out: test/data.yml",
    ]);
    assert_eq!(finished.events("item_finished").len(), 1);
}

#[test]
fn the_sample_of_callbacks_is_ruby_and_names_all_seven() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/callbacks.rb.sample");
    let mut command = Command::new("ruby");
    command.arg("-wc").arg(&path);
    let finished = command::run(command, secs(30), b"").unwrap();
    assert_eq!(
        (finished.stdout.trim(), finished.stderr.trim()),
        ("Syntax OK", "")
    );
    let text = std::fs::read_to_string(path).unwrap();
    for name in [
        "before_originate",
        "after_sync",
        "before_creating_workers",
        "before_start",
        "after_complete",
        "after_creating_workers",
        "after_job_finishes",
    ] {
        assert!(
            text.contains(&format!("  def {name}")),
            "{name} is not shown"
        );
    }
}
