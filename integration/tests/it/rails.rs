//! A Rails application runs its tests in the environment `test`, or not at all.

use integration::{home::Home, project::Project, run};

/// As much of Rails as names its environment; the tests of it leave a mark in the database of that environment.
const ENVIRONMENT: &str = "
module Rails
  def self.env = @env ||= [ENV['RAILS_ENV'], ENV['RACK_ENV'], 'development'].find { |name| name.to_s != '' }
  def self.root = Dir.pwd
end
";
const APPLICATION: &str = "class Application < Rails::Application\nend\n";
const TEST: &str = "ENV['RAILS_ENV'] ||= 'test'
require './config/environment'
require 'minitest/autorun'
class ATest < Minitest::Test
  def setup = File.write(\"db/#{Rails.env}\", 'fixtures')
  def test_a = assert(true)
end
";
const SPEC: &str = "require './config/environment'
RSpec.configure { |config| config.before(:suite) { File.write(\"db/#{Rails.env}\", 'cleaned') } }
RSpec.describe('a') { it('passes') {} }
";
const CALLBACKS: &str = r#"{ "job": { "callbacks": { "callbacks_class_file": "cb.rb" } } }"#;

fn callbacks(body: &str) -> String {
    format!("class C < Gorgon::DefaultCallbacks\n{body}\nend\nGorgon.callbacks = C.new\n")
}

#[test]
fn no_test_runs_in_an_environment_that_is_not_the_tests() {
    let home = Home::new();
    let load = callbacks("def before_creating_workers = require('./config/environment')");
    let set = callbacks(
        "def before_creating_workers = (ENV['RAILS_ENV'] = 'development'; require('./config/environment'))",
    );
    let late = callbacks("def before_start = ENV['RAILS_ENV'] = 'development'");
    let named = r#"{ "env": { "RAILS_ENV": "development" } }"#;
    let ruby = r#"{ "ruby": ["env", "RAILS_ENV=development", "ruby"] }"#;
    let null = r#"{ "env": { "RAILS_ENV": null } }"#;
    // gorgon.json, callbacks, the shell's variable, the environment in which tests run, if any.
    let table = [
        ("{}", "", "", Some("test")),
        (CALLBACKS, &load, "", Some("test")),
        (null, "", "", Some("test")),
        ("{}", "", "RACK_ENV=production", Some("test")),
        ("{}", "", "RAILS_ENV=", Some("test")),
        (named, "", "", Some("development")),
        (named, "", "RAILS_ENV=production", Some("development")),
        ("{}", "", "RAILS_ENV=development", None),
        (CALLBACKS, &load, "RAILS_ENV=production", None),
        (CALLBACKS, &set, "", None),
        (CALLBACKS, &late, "", None),
        (ruby, "", "", None),
    ];
    for file in ["test/a_test.rb", "spec/a_spec.rb"] {
        for (config, callbacks, shell, environment) in &table {
            let project = Project::of(
                &home,
                &[
                    ("gorgon.json", config),
                    ("cb.rb", callbacks),
                    ("config/application.rb", APPLICATION),
                    ("config/environment.rb", ENVIRONMENT),
                    ("db/seeds.rb", ""),
                    (file, if file == "test/a_test.rb" { TEST } else { SPEC }),
                ],
            );
            let started = run::start_with(&home, &project, &["--local=1"], |command| {
                if let Some((name, value)) = shell.split_once('=') {
                    command.env(name, value);
                }
            });
            let run = started.finished(run::RUN_LIMIT);
            let found = ["test", "development", "production"]
                .into_iter()
                .filter(|name| project.path().join("db").join(name).exists())
                .collect::<Vec<_>>();
            let expected: Vec<_> = environment.iter().copied().collect();
            assert_eq!(found, expected, "{file} {config} {callbacks} {shell}");
            if environment.is_some() {
                run.exited(0);
            } else {
                let said = format!("{}{}", run.stdout, run.stderr);
                run.exited(3);
                assert_eq!(said.matches("not test: ").count(), 1, "{said}");
            }
        }
    }
    home.assert_nothing_left();
}

/// A test that stubs the environment and leaves it is the suite's own business; so is a library that loads Rails.
#[test]
fn what_is_no_application_or_was_left_by_a_test_is_not_refused() {
    let home = Home::new();
    let stub = TEST.replace(
        "assert(true)",
        "Rails.instance_variable_set(:@env, 'production')",
    );
    let second = TEST.replace("ATest", "BTest");
    let application = Project::of(
        &home,
        &[
            ("config/application.rb", APPLICATION),
            ("config/environment.rb", ENVIRONMENT),
            ("db/seeds.rb", ""),
            ("test/a_test.rb", &stub),
            ("test/b_test.rb", &second),
        ],
    );
    run::run(&home, &application, &["--local=1"]).exited(0);
    let library = Project::of(
        &home,
        &[
            ("config/environment.rb", ENVIRONMENT),
            ("db/seeds.rb", ""),
            ("spec/a_spec.rb", SPEC),
        ],
    );
    run::run(&home, &library, &["--local=1"]).exited(0);
    home.assert_nothing_left();
}

/// Tells all that there is, but for what every project has.
const LISTS: &str = "RSpec.describe('a') do
  it('lists') do
    found = Dir.glob('**/*', File::FNM_DOTMATCH).reject { |path| path =~ %r{(\\A|/)\\.\\.?\\z|\\A(config|spec|\\.git|gorgon.json)} }
    leaves = found.reject { |path| found.any? { |other| other.start_with?(path + '/') } }
    File.write('/HOME/seen', leaves.sort.join(' '))
  end
end
";

#[test]
fn what_no_test_of_an_application_needs_is_not_synced_but_what_git_tracks_and_empty_directories_are()
 {
    let home = Home::new();
    let spec = LISTS.replace("/HOME", &home.path().display().to_string());
    let mut files = vec![
        ("config/application.rb", APPLICATION),
        ("spec/a_spec.rb", spec.as_str()),
    ];
    let all = [
        "coverage/index.html",
        "db/development.sqlite3",
        "db/development_queue.sqlite3-wal",
        "db/schema.rb",
        "db/test.sqlite3",
        "db/test.sqlite3-gorgon-2",
        "lib/log/a.rb",
        "lib/node_modules/a.js",
        "log/.keep",
        "log/development.log",
        "node_modules/a/index.js",
        "storage/ab/cd/blob",
        "storage/development.sqlite3",
        "storage/test.sqlite3",
        "tmp/cache/bootsnap/a",
        "tmp/pids/server.pid",
        "tmp/restart.txt",
    ];
    files.extend(all.map(|path| (path, "x")));
    let project = Project::of(&home, &files);
    let seen = |config: &str| {
        project.write("gorgon.json", config);
        let finished = run::run(&home, &project, &["--local=1", "--sync", "spec"]);
        finished.exited(0);
        std::fs::read_to_string(home.path().join("seen")).unwrap()
    };
    let always = "db/schema.rb db/test.sqlite3 lib/log/a.rb lib/node_modules/a.js log";
    let left = format!("{always} storage/test.sqlite3 tmp/cache tmp/pids");
    assert_eq!(seen("{}"), left);
    assert_eq!(
        seen(r#"{ "job": { "sync": { "exclude": [] } } }"#),
        all.join(" ")
    );
    let without_tmp = seen(r#"{ "job": { "sync_exclude": ["tmp", "node_modules"] } }"#);
    assert!(
        without_tmp.ends_with("storage/test.sqlite3 tmp/cache"),
        "{without_tmp}"
    );
    let git = |words: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.arg("-C").arg(project.path()).args(words);
        gorgon_process::command::run(git, integration::wait::secs(20), b"").unwrap();
    };
    git(&["init", "-q"]);
    git(&[
        "add",
        "-f",
        "log/.keep",
        "storage/ab/cd/blob",
        "node_modules",
    ]);
    let tracked = format!(
        "{always} node_modules/a/index.js storage/ab/cd/blob storage/development.sqlite3 storage/test.sqlite3 tmp/cache tmp/pids"
    );
    assert_eq!(seen("{}"), tracked);
}
