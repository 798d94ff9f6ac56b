//! Which files the project's own commands run. They run if `files` is not set.
//!
//! RSpec's own pattern, below its default path, both as its options say (`.rspec`, `~/.rspec`, the command line,
//! SPEC_OPTS); beside the test tasks of a Rakefile only where the project speaks of RSpec. Unless the command line
//! names a pattern, besides, one of these:
//!
//! | the project has | files as |
//! |---|---|
//! | a Rails application in `config/application.rb` | `rails test` chooses them |
//! | a Rakefile with a test task that its text, or Rake, tells | `rake test` chooses them |
//! | neither | tests are usually named |

mod beside;
pub(crate) mod likely;
mod rspec;

use gorgon_proto::job::Way;
use gorgon_ruby::{RakeTest, RubySettings, Untold, is_rails, rake_tells, rspec_patterns};

use crate::glob::{self, Found, Tree};
use crate::name_list::first_names;
use crate::report::visible::one_line;

use rspec::{RSPEC_PATH, RSPEC_PATTERN, Rspec};

/// Names that tests of Minitest and Test::Unit usually have.
const USUAL: [&str; 4] = [
    "{test,tests}/**/*_{test,spec}.rb",
    "{test,tests}/**/{test,spec}_*.rb",
    "{test,tests}/**/test-*.rb",
    "spec/**/*_test.rb",
];
/// Names that look like a test's, of files that hold none.
const NO_TESTS: [&str; 3] = [
    "{test,tests,spec}/**/{test,spec}_{helper,helpers,*_helper}.rb",
    "{test,tests,spec}/{fixtures,dummy}/**/*.rb",
    "{test,tests,spec}/**/{test,spec}_case.rb",
];
/// What `rails test` runs, and what it leaves out of that.
const RAILS: &str = "test/**/*_test.rb";
const NOT_RAILS: [&str; 2] = ["test/{dummy,fixtures}/**/*_test.rb", RAILS_SYSTEM];
const RAILS_SYSTEM: &str = "test/system/**/*_test.rb";

/// Globs of the files that run if the command line names none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usual {
    globs: Vec<String>,
    excludes: Vec<String>,
    /// Files that the Rakefile names, and that do not exist.
    missing: Vec<String>,
    rspec: Rspec,
    /// Lines for the user.
    hints: Vec<String>,
    /// Why the Rakefile does not tell what runs.
    untold: Option<Untold>,
    /// The test tasks of the Rakefile say which files run, and no RSpec besides.
    rake_alone: bool,
    /// A line for the user on options of the Rakefile that have no effect.
    without_effect: Option<String>,
    /// What the project's own command does besides: lines for the user.
    beside: Vec<String>,
    /// How Ruby starts for them, where Rake was asked.
    ways: Vec<Way>,
    /// Who chose, for a hint on what was not chosen.
    by: &'static str,
}

impl Usual {
    /// Looks at what the project has, and at options of the framework.
    #[must_use]
    pub fn of(tree: &Tree, ruby: &RubySettings, options: &[String]) -> Self {
        let root = tree.root();
        let (rspec, is_named) = Rspec::of(root, options);
        let mut usual = Self {
            globs: Vec::new(),
            excludes: Vec::new(),
            missing: Vec::new(),
            hints: Vec::new(),
            untold: None,
            rake_alone: false,
            without_effect: None,
            beside: Vec::new(),
            ways: Vec::new(),
            by: "by its name",
            rspec,
        };
        if is_named {
            usual.by = "as `--pattern` does not name them";
        } else if is_rails(root) {
            usual.by = "as `rails test` leaves them out";
            usual.globs.push(RAILS.to_owned());
            usual.excludes.extend(NOT_RAILS.map(str::to_owned));
            let system = tree.expand(&[RAILS_SYSTEM.to_owned()]).files.len();
            if system > 0 {
                usual.hints.push(format!(
                    "hint: {system} of test/system left out, as `rails test` does; `gorgon-originator test/system` runs them"
                ));
            }
        } else if let Some(told) = rake_tells(ruby) {
            usual.by = "as the Rakefile's test task does not name them";
            usual.without_effect = without_effect(&told.rake, ruby, options);
            if told.untold.is_none() {
                usual.beside = beside::of_tests(tree, &told.rake);
            }
            if let Some(Untold { why }) = &told.unloaded {
                usual.beside.push(format!(
                    "the Rakefile loads other files of the project, and what they define cannot be told ({}): tests of tasks there do not run",
                    one_line(why)
                ));
            }
            usual.globs = told.rake.globs;
            usual.excludes = told.rake.excludes;
            usual.missing = told.rake.missing;
            if told.asked {
                usual.ways = told.rake.ways;
            }
            usual.untold = told.untold;
            if let Some(Untold { why }) = &usual.untold {
                usual.by = "by its name";
                usual.missing.clear();
                usual.hints.push(format!(
                    "hint: which files are tests cannot be told from the Rakefile ({}), so files with the usual names run; `files` in gorgon.json says it",
                    one_line(why)
                ));
                usual.names();
            } else if tree.expand(&usual.globs).files.is_empty() {
                usual.names();
            } else {
                usual.rake_alone = !usual.rspec.is_used(root);
            }
        } else {
            usual.names();
        }
        if usual.rake_alone {
            return usual;
        }
        if !is_named && !is_rails(root) {
            let specs = beside::of_specs(tree, usual.globs.starts_with(&USUAL.map(str::to_owned)));
            usual.beside.extend(specs);
        }
        if usual.rspec.finds_nothing(tree) {
            usual.rspec.take_patterns(&rspec_patterns(root));
        }
        for path in usual.rspec.paths() {
            let glob = usual.rspec.glob(path);
            if !usual.globs.contains(&glob) {
                usual.globs.push(glob);
                usual.excludes.extend(usual.rspec.excluded(path));
            }
        }
        usual
    }

    fn names(&mut self) {
        self.globs.extend(USUAL.map(str::to_owned));
        self.excludes.extend(NO_TESTS.map(str::to_owned));
    }

    /// Returns the globs, to be named where they find nothing.
    #[must_use]
    pub fn globs(&self) -> &[String] {
        &self.globs
    }

    /// Returns these options of the framework, without those that have chosen the files.
    #[must_use]
    pub fn options_left(&self, options: &[String]) -> Vec<String> {
        self.rspec.options_left(options)
    }

    /// Returns how Ruby starts for the files, where Rake was asked.
    #[must_use]
    pub fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// Returns why these files, which were found below a directory, may be a part of the suite only: the Rakefile does
    /// not tell it, and there are others with tests. With these.
    #[must_use]
    pub fn a_part(
        &self,
        tree: &Tree,
        directory: &str,
        files: &[String],
    ) -> Option<(String, Vec<String>)> {
        let untold = self.untold.as_ref()?;
        let found = likely::with_tests(tree, files);
        let mut left = without(tree, found, &NO_TESTS.map(str::to_owned));
        left.keep(&|path| is_below(path, directory));
        (!left.files.is_empty()).then(|| (one_line(&untold.why), left.files))
    }

    /// Returns lines for the user on what the project's own command does besides.
    #[must_use]
    pub fn beside(&self) -> &[String] {
        &self.beside
    }

    /// Returns the files below a directory that the Rakefile names, and that do not exist.
    #[must_use]
    pub fn missing(&self, directory: &str) -> Vec<String> {
        let missing = self.missing.iter();
        let below = missing.filter(|it| is_below(it, directory));
        below.cloned().collect()
    }

    /// Returns a line for the user on options of the Rakefile that have no effect.
    #[must_use]
    pub fn without_effect(&self) -> Option<&String> {
        self.without_effect.as_ref()
    }

    /// Finds the files.
    #[must_use]
    pub fn files(&self, tree: &Tree) -> Found {
        without(tree, tree.expand(&self.globs), &self.excludes)
    }

    /// Finds the files below a directory, where the project's own commands look when it is named.
    #[must_use]
    pub fn below(&self, tree: &Tree, directory: &str) -> Found {
        let literal = glob::literal(directory);
        let mut found = self.files(tree);
        found.keep(&|path| is_below(path, directory));
        if directory == self.rspec.path || is_below(directory, &self.rspec.path) {
            // `rspec DIRECTORY` follows a link in it, wherever it lies itself.
            let own = tree.expand(&[self.rspec.glob(&literal)]);
            found.add(without(tree, own, &self.rspec.excluded(&literal)));
        }
        found
    }

    /// Returns lines for the user on these files, which were found.
    #[must_use]
    pub fn hints(&self, tree: &Tree, files: &[String]) -> Vec<String> {
        let mut hints = self.hints.clone();
        let mut likely: Vec<String> = USUAL.map(str::to_owned).to_vec();
        likely.push(format!("{RSPEC_PATH}/{RSPEC_PATTERN}"));
        let mut no_tests: Vec<String> = NO_TESTS.map(str::to_owned).to_vec();
        no_tests.push(RAILS_SYSTEM.to_owned());
        let known: std::collections::HashSet<&String> = files.iter().collect();
        let mut left = without(tree, tree.expand(&likely), &no_tests).files;
        left.retain(|file| !known.contains(file));
        if let Some(first) = left.first() {
            let by = if !self.rake_alone && is_below(first, &self.rspec.path) {
                "as RSpec's pattern does not name them"
            } else {
                self.by
            };
            hints.push(format!(
                "hint: named like tests but not run, {by}: {}; `files` in gorgon.json names what runs",
                first_names(&left, |name| one_line(name))
            ));
        }
        hints
    }
}

/// Says which options of the Rakefile have no effect, and where they have one. Who gave some there has seen to it.
fn without_effect(rake: &RakeTest, ruby: &RubySettings, options: &[String]) -> Option<String> {
    let framework = Some(&rake.options).filter(|it| options.is_empty() && !it.is_empty());
    let of_ruby = Some(&rake.ruby_opts).filter(|it| ruby.ruby.is_none() && !it.is_empty());
    let framework = framework.map(|it| format!("{} (give them behind --)", it.join(" ")));
    let of_ruby =
        of_ruby.map(|it| format!("{} (name them in `ruby` of gorgon.json)", it.join(" ")));
    let said: Vec<String> = framework.into_iter().chain(of_ruby).collect();
    (!said.is_empty()).then(|| {
        format!(
            "hint: options of the Rakefile's test task without effect here: {}",
            one_line(&said.join(", "))
        )
    })
}

fn is_below(path: &str, directory: &str) -> bool {
    directory.is_empty()
        || path
            .strip_prefix(directory)
            .is_some_and(|rest| rest.starts_with('/'))
}

/// What was found, but for what the excludes find.
fn without(tree: &Tree, mut found: Found, excludes: &[String]) -> Found {
    let out = tree.expand(excludes);
    let files = out.files.iter().map(String::as_str);
    let refused = out.refused.iter().map(|(path, _)| path.as_str());
    let out: std::collections::HashSet<&str> = files.chain(refused).collect();
    found.keep(&|path| !out.contains(path));
    found
}

#[cfg(test)]
mod tests;
