//! What the test tasks of a Rakefile say, read from its text: no Ruby is started for that.
//!
//! `rake test` runs the files that a `Rake::TestTask` (or `Minitest::TestTask`, or Hoe) names, with the
//! directories on the load path that it names. Most Rakefiles say both in literals. Where one does
//! not, the task is *unread*, and the caller falls back to the usual names and says so.

mod actions;
mod attributes;
mod beside;
mod blocks;
mod chosen;
mod environment;
mod lists;
mod loads;
mod options;
mod plain;
mod said;
mod specs;
mod task;
mod text;
mod tokens;
mod words;

use std::fs;
use std::path::Path;

use gorgon_proto::job::{Variable, Warnings, Way};

use crate::rails::is_rails;
pub use beside::{Beside, TaskFiles};
use lists::is_glob;
use loads::loads_more;
use options::{RubyOptions, required, telling};
use said::{Script, of_text};
use text::{read, text_of};

/// How many directories deep tests are looked for beside it.
const MOST_DEPTH: usize = 8;
/// Signs in the text of a file that it looks for test files and runs them itself.
const RUNS_OTHERS: [&str; 3] = ["AutoRunner.run", "Minitest.run", "RSpec::Core::Runner"];

/// What `rake test` runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RakeTest {
    /// Globs of its files, in the order of the tasks.
    pub globs: Vec<String>,
    /// Globs of files that it leaves out.
    pub excludes: Vec<String>,
    /// Files that it names without looking for them, and that do not exist: it fails.
    pub missing: Vec<String>,
    /// What `rake test` does besides.
    pub beside: Vec<Beside>,
    /// Its test tasks, where there are several.
    pub tasks: Vec<TaskFiles>,
    /// How Ruby is started for them: one way for all, or one for the files of each task.
    pub ways: Vec<Way>,
    /// Tasks whose files cannot be told from the text.
    pub unread: Vec<String>,
    /// What its text says of the load path or the environment was not understood in full.
    pub vague: bool,
    /// Options of Ruby that its tasks give, and that have no effect here.
    pub ruby_opts: Vec<String>,
    /// Options of the framework that its tasks give, and that have no effect here.
    pub options: Vec<String>,
    /// It loads other files of the project that may define more of them.
    pub loads_more: bool,
    /// There may be such a task in a file that was not read; the text has none.
    pub guessed: bool,
    /// What it sets in the environment, as far as its text tells.
    environment: Vec<Variable>,
    scripts: Vec<Script>,
}

/// Returns the patterns that the Rakefile's task of RSpec names in literals.
#[must_use]
pub fn rspec_patterns(project: &Path) -> Vec<String> {
    text_of(project).map_or_else(Vec::new, |it| specs::patterns(&it.text))
}

/// Returns what `rake spec` does besides in a project whose Rakefile has no other test task.
#[must_use]
pub fn rspec_beside(project: &Path) -> Vec<Beside> {
    let mut found = text_of(project).map_or_else(Vec::new, |said| of_text(&said.text).beside_specs);
    without_files(project, &mut found);
    found
}

/// Returns the options that the Rakefile's task `spec` gives, but for those that change what is printed.
#[must_use]
pub fn rspec_options(project: &Path) -> Vec<String> {
    let specs = text_of(project).map_or_else(Vec::new, |said| specs::specs(&said.text));
    let is_only = specs.len() == 1;
    let here = specs.into_iter().filter(|it| it.is_usual() || is_only);
    here.flat_map(|it| it.options).collect()
}

/// Takes off what is a file, not a task.
fn without_files(project: &Path, beside: &mut Vec<Beside>) {
    for one in &mut *beside {
        one.tasks
            .retain(|it| !project.join(it).exists() || !it.contains(['.', '/']));
    }
    beside.retain(|it| !it.tasks.is_empty());
}

/// Reads what `rake test` runs in this project; none where no Rakefile has a test task.
#[must_use]
pub fn rake_test(project: &Path) -> Option<RakeTest> {
    let said = text_of(project)?;
    let read_text = of_text(&said.text);
    let found = read_text.test;
    // A Rails application is loaded with its Rakefile, and `rails test` does not ask it.
    let mut found = if !is_rails(project) && loads_more(project, read_text.loads, &said.read) {
        match found {
            Some(found) => RakeTest {
                vague: true,
                loads_more: true,
                ..found
            },
            None => RakeTest {
                guessed: true,
                unread: vec!["test".to_owned()],
                ..RakeTest::default()
            },
        }
    } else {
        found?
    };
    without_files(project, &mut found.beside);
    let excludes = &found.excludes;
    found
        .missing
        .retain(|it| !excludes.contains(it) && !project.join(it).exists());
    if !found.missing.is_empty() && excludes.iter().any(|it| is_glob(it)) {
        add(&mut found.unread, &["test".to_owned()]);
    }
    for script in std::mem::take(&mut found.scripts) {
        let Some(text) = read(&project.join(&script.path)) else {
            continue;
        };
        let around = project.join(&script.path);
        let around = around.parent().unwrap_or(project);
        let mut way = Way {
            directories: script.options.directories,
            requires: script.options.requires,
            warnings: script.options.warnings,
            ..Way::default()
        };
        if RUNS_OTHERS.iter().any(|it| text.contains(it)) || has_tests(around, MOST_DEPTH) {
            let directory = script.path.split('/').next().unwrap_or_default();
            add(&mut way.directories, &["lib", directory].map(str::to_owned));
            let mut requires = required(&text);
            requires.retain(|name| !is_test(name) || !around.join(format!("{name}.rb")).is_file());
            way.requires.extend(requires);
            add(&mut found.unread, &[script.name]);
        } else {
            way.globs.push(script.path);
            add(&mut found.globs, &way.globs);
        }
        found.ways.push(way);
    }
    found.join_ways();
    let environment = found.environment.clone();
    found.set_environment(&environment);
    Some(found)
}

impl RakeTest {
    /// Notes options that have no effect here.
    fn note(&mut self, ruby: &RubyOptions, framework: &str) {
        add(&mut self.ruby_opts, &ruby.others);
        add(&mut self.options, telling(framework).as_slice());
    }

    /// Adds a task as Rake tells it: how it starts Ruby that has these `libs` and options, runs these texts first, and
    /// gives these options to the framework.
    pub(crate) fn add_task(
        &mut self,
        libs: &[String],
        ruby_opts: &[String],
        preludes: &[&str],
        framework_options: &str,
        (is_direct, is_warning): (bool, bool),
    ) -> Way {
        let mut options = RubyOptions::default();
        let mut said = ruby_opts.iter().flat_map(|it| it.split_whitespace());
        while options.take(&mut said).is_some() {}
        let requires = preludes.iter().flat_map(|text| required(text));
        options.requires.extend(requires);
        self.note(&options, framework_options);
        Way {
            program: Some(task::program(is_direct).to_owned()),
            warnings: options.warnings.or(is_warning.then_some(Warnings::Verbose)),
            ..way(libs, &options)
        }
    }

    /// Gives all tasks this environment, which the Rakefile sets when it is loaded.
    pub(crate) fn set_environment(&mut self, environment: &[Variable]) {
        for way in &mut self.ways {
            way.environment = environment.to_vec();
        }
    }

    /// Adds what the text tells of the environment, and Rake does not.
    pub(crate) fn with_environment_of(mut self, text: &Self) -> Self {
        for way in &mut self.ways {
            for variable in &text.environment {
                if !way.environment.iter().any(|it| it.name == variable.name) {
                    way.environment.push(variable.clone());
                }
            }
        }
        self
    }

    /// Ways that differ in their files alone are one.
    pub(crate) fn join_ways(&mut self) {
        let said = |way: &Way| Way {
            globs: Vec::new(),
            excludes: Vec::new(),
            ..way.clone()
        };
        if self
            .ways
            .windows(2)
            .all(|two| said(&two[0]) == said(&two[1]))
        {
            self.ways.truncate(1);
            if let Some(only) = self.ways.first_mut() {
                only.globs.clear();
                only.excludes.clear();
            }
        }
    }
}

/// Tells whether files with usual names of tests lie below: then a script there loads them.
fn has_tests(directory: &Path, depth: usize) -> bool {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut entries = entries.filter_map(|it| Some((it.file_type().ok()?, it)));
    entries.any(|(kind, entry)| {
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() {
            return depth > 0 && name != "fixtures" && has_tests(&entry.path(), depth - 1);
        }
        name.strip_suffix(".rb").is_some_and(is_test)
    })
}

/// Tells whether a file of that name is usually one with tests.
fn is_test(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or_default();
    let begins = ["test_", "test-"].iter().any(|it| name.starts_with(it));
    (begins || name.ends_with("_test")) && !name.ends_with("helper")
}

/// Adds what is not known yet.
fn add(to: &mut Vec<String>, from: &[String]) {
    for one in from {
        let one = one.strip_prefix("./").unwrap_or(one);
        if !to.iter().any(|known| known == one) {
            to.push(one.to_owned());
        }
    }
}

fn way(libs: &[String], options: &RubyOptions) -> Way {
    let mut way = Way {
        requires: options.requires.clone(),
        ..Way::default()
    };
    // As the task writes its command: what `libs` says goes first.
    for directory in libs.iter().chain(&options.directories) {
        add(&mut way.directories, &[trimmed(directory)]);
    }
    way
}

/// A directory as it is named, without a slash at its end.
fn trimmed(directory: &str) -> String {
    match directory.trim_end_matches('/') {
        "" => ".".to_owned(),
        directory => directory.to_owned(),
    }
}

#[cfg(test)]
mod tests;
