//! The framework's own command under a failure: it runs one test again, or one file, and nothing else.

mod options;

use std::collections::HashMap;

use gorgon_proto::job::{Framework, Way};
use gorgon_proto::outcome::{PlainRun, TestResult};
use gorgon_proto::text::shell::quoted;

use super::file::FileResult;

/// How the project's own commands start, as far as the command of a test depends on the project.
#[derive(Debug, Clone, Default)]
pub struct Commands {
    /// The command of Ruby.
    pub ruby: Vec<String>,
    /// The configuration names that command.
    pub ruby_is_configured: bool,
    /// There is `bin/rails` in a Rails application.
    pub bin_rails: bool,
    /// Variables for every command; `None` unsets.
    pub environment: Vec<(String, Option<String>)>,
    /// Variables that the Rakefile sets, for files of Minitest and Test::Unit.
    pub environment_of_tests: Vec<(String, Option<String>)>,
    /// How Ruby starts for files of Minitest and Test::Unit.
    pub ways: Vec<Way>,
    /// File => its place among these; other files have the place 0.
    pub way_of: HashMap<String, usize>,
    /// What stood after `--`.
    pub options: Vec<String>,
}

impl Commands {
    /// Returns the command that runs a failed test alone; none where no command can name it.
    #[must_use]
    pub fn test(&self, file: &FileResult, test: &TestResult, seed: u32) -> Option<String> {
        let rerun = test.rerun.as_ref()?;
        let at_line = rerun.alone_at_line && test.file == file.filename;
        let (target, words) = match rerun.framework {
            Framework::Rspec => {
                let (target, options) = rerun.words.split_first()?;
                (target.clone(), options)
            }
            Framework::Minitest if at_line && self.bin_rails => {
                (format!("{}:{}", test.file, test.line), &[][..])
            }
            Framework::Minitest | Framework::TestUnit => (file.filename.clone(), &rerun.words[..]),
        };
        Some(self.line(file, rerun.framework, &target, words, seed))
    }

    /// Returns the command that runs a whole file; none where nobody knows its framework.
    #[must_use]
    pub fn file(&self, file: &FileResult, seed: u32) -> Option<String> {
        let framework = file.runner?;
        Some(self.line(file, framework, &file.filename, &[], seed))
    }

    fn line(
        &self,
        file: &FileResult,
        framework: Framework,
        target: &str,
        words: &[String],
        seed: u32,
    ) -> String {
        // Else it would be an option.
        let target = match target.strip_prefix('-') {
            Some(_) => format!("./{target}"),
            None => target.to_owned(),
        };
        let mut command = self.start(framework, &file.filename, &file.plain);
        command.push(target);
        command.extend_from_slice(words);
        command.extend(self.seed(framework, &file.plain, seed));
        command.extend(options::kept(framework, &self.options));
        let mut variables = self.environment.clone();
        if framework != Framework::Rspec {
            variables.extend_from_slice(&self.environment_of_tests);
        }
        with_environment(&variables, &command)
    }

    /// The words of a command before its file.
    fn start(&self, framework: Framework, file: &str, plain: &PlainRun) -> Vec<String> {
        let mut words = self.ruby.clone();
        if framework == Framework::Rspec {
            match words.last_mut() {
                Some(last) if last == "ruby" => *last = "rspec".to_owned(),
                _ => words.extend(["-S", "rspec"].map(str::to_owned)),
            }
            return words;
        }
        if framework == Framework::Minitest && self.bin_rails {
            if !self.ruby_is_configured {
                words.clear();
            }
            words.extend(["bin/rails", "test"].map(str::to_owned));
            return words;
        }
        let at = self.way_of.get(file).copied().unwrap_or_default();
        if let Some(way) = self.ways.get(at) {
            words.extend(way.directories.iter().map(|name| format!("-I{name}")));
            words.extend(way.requires.iter().map(|name| format!("-r{name}")));
        }
        words.extend(plain.require.iter().map(|name| format!("-r{name}")));
        words
    }

    /// Test::Unit takes no seed, and RSpec needs one only for a random order.
    fn seed(&self, framework: Framework, plain: &PlainRun, seed: u32) -> Vec<String> {
        let seed = match framework {
            Framework::Rspec => plain.seed.map(|seed| seed.to_string()),
            Framework::Minitest => options::seed(&self.options).or_else(|| Some(seed.to_string())),
            Framework::TestUnit => None,
        };
        let named = |seed| ["--seed".to_owned(), seed];
        seed.map(named).into_iter().flatten().collect()
    }
}

/// A command line that sets and unsets variables for one command.
fn with_environment(variables: &[(String, Option<String>)], command: &[String]) -> String {
    let is_name = |name: &str| {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        name.chars().all(word) && !name.starts_with(|c: char| c.is_ascii_digit())
    };
    let assigns = |(name, value): &(String, Option<String>)| value.is_some() && is_name(name);
    let mut words = Vec::new();
    if !variables.iter().all(assigns) {
        words.push("env".to_owned());
        let unset = variables.iter().filter(|(_, value)| value.is_none());
        words.extend(unset.flat_map(|(name, _)| ["-u".to_owned(), quoted(name)]));
    }
    let set = variables
        .iter()
        .filter_map(|(name, value)| Some((name, value.as_ref()?)));
    words.extend(set.map(|(name, value)| match is_name(name) {
        // A quoted name would be no assignment.
        true => format!("{name}={}", quoted(value)),
        false => quoted(&format!("{name}={value}")),
    }));
    words.extend(command.iter().map(|word| quoted(word)));
    words.join(" ")
}

#[cfg(test)]
mod tests;
