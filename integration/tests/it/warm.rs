//! `--warm`: the application of the last run is used if, and only if, a new start would read the same.

mod doubt;
mod life;
mod random;
mod unchanged;

use std::{fs, process::Command};

use gorgon_process::command;
use integration::{
    home::Home,
    project::Project,
    run::{self, Finished, RUN_LIMIT},
    wait::secs,
};
use serde_json::Value;

/// Loads what an application loads, by each way to look at something.
const BOOT: &str = r#"
BOOT = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
LOADED = {
  dotenv: File.exist?('.env') ? File.read('.env') : nil,
  mode: ENV['APP_MODE'],
  initializers: Dir['config/initializers/*.rb'].sort.map { |path| [path, File.read(path)] },
  linked: File.read('config/linked'),
  gem: File.read(File.join(ENV.fetch('GEM_DIRECTORY'), 'gem.rb')),
  optional: begin; require File.expand_path('lib/optional'); rescue LoadError; 'none'; end,
  size: File.size?('config/asked'),
  time: File.exist?('config/asked') && File.mtime('config/asked').to_i,
  command: `cat config/by_command 2>/dev/null`,
}
"#;

const CALLBACKS: &str = r#"
class Callbacks < Gorgon::DefaultCallbacks
  def before_creating_workers
    BEFORE
    require File.expand_path('config/boot')
  end
end
Gorgon.callbacks = Callbacks.new
"#;

const SPEC: &str = r#"
RSpec.describe 'what is loaded' do
  it 'is written down' do
    File.write(ENV.fetch('SEEN'), [BOOT, LOADED, ENV['GORGON_JOB_ID'], ENV.keys.grep(/LD_PRELOAD|GORGON_(?:REC|KEEP)/)].inspect)
  end
end
"#;

/// A home with an application, and a gem outside of it.
struct App {
    home: Home,
    project: Project,
}

/// What a run saw.
struct Seen {
    /// Another number for each boot.
    boot: String,
    /// All that was loaded.
    loaded: String,
    /// Names of variables that tests must not see.
    leaked: String,
    run: Finished,
}

impl App {
    fn new() -> Self {
        Self::before("nil")
    }

    /// `before` runs before the application is loaded.
    fn before(before: &str) -> Self {
        let home = Home::new();
        let project = Project::of(
            &home,
            &[
                (
                    "gorgon.json",
                    r#"{"files": ["spec/*_spec.rb"], "job": {"callbacks": {"callbacks_class_file": "callbacks.rb"}}}"#,
                ),
                ("callbacks.rb", &CALLBACKS.replace("BEFORE", before)),
                ("config/boot.rb", BOOT),
                ("config/initializers/a.rb", "one"),
                ("config/by_command", "one"),
                ("config/one", "1"),
                ("config/two", "2"),
                ("spec/a_spec.rb", SPEC),
            ],
        );
        std::os::unix::fs::symlink("one", project.path().join("config/linked")).unwrap();
        let app = Self { home, project };
        fs::create_dir(app.gems()).unwrap();
        fs::write(app.gems().join("gem.rb"), "one").unwrap();
        app
    }

    fn gems(&self) -> std::path::PathBuf {
        self.home.path().join("run/gems")
    }

    fn run(&self) -> Seen {
        self.run_with(&["--local=1", "--warm"], |_| ())
    }

    fn run_with(&self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Seen {
        let seen = self.home.path().join("run/seen");
        let _ = fs::remove_file(&seen);
        let run = run::start_with(&self.home, &self.project, arguments, |command| {
            command.env("GEM_DIRECTORY", self.gems()).env("SEEN", &seen);
            change(command);
        });
        let run = run.finished(RUN_LIMIT);
        let text = fs::read_to_string(&seen)
            .unwrap_or_else(|_| panic!("nothing was seen: {} {}", run.stdout, run.stderr));
        let inner = text.trim_matches(['[', ']']);
        let (boot, rest) = inner.split_once(", ").unwrap();
        let (rest, leaked) = rest.rsplit_once(", ").unwrap();
        let (loaded, job) = rest.rsplit_once(", ").unwrap();
        assert_eq!(job.len(), 18, "a job's id: {job}");
        Seen {
            boot: boot.to_owned(),
            loaded: loaded.to_owned(),
            leaked: leaked.to_owned(),
            run,
        }
    }

    fn warm(&self, words: &[&str]) -> String {
        let mut command = self.home.command("gorgon-originator");
        command
            .arg("warm")
            .args(words)
            .current_dir(self.project.path());
        command::run(command, secs(20), b"").unwrap().stdout
    }

    fn status(&self) -> Value {
        let status: Value = serde_json::from_str(&self.warm(&["status", "--json"])).unwrap();
        status["kept"].clone()
    }

    fn stop(&self) {
        self.warm(&["stop"]);
        self.home.assert_nothing_left();
    }
}

/// Why the run said that nothing stays.
fn not_kept(run: &Finished) -> Vec<String> {
    let lines = run.stderr.lines();
    lines
        .filter_map(|line| line.strip_prefix("not kept warm: "))
        .map(str::to_owned)
        .collect()
}

/// What the run said of reloading.
fn reloading(seen: &Seen) -> Vec<String> {
    let lines = seen.run.stderr.lines();
    lines
        .filter_map(|line| line.strip_prefix("reloading: "))
        .map(str::to_owned)
        .collect()
}
