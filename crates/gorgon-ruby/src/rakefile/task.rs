//! A test task, as its block says it.

use gorgon_proto::job::Warnings;

use super::lists::Files;
use super::options::RubyOptions;

/// The files of Minitest's task if its block names none, and of Hoe's.
pub(super) const MINITEST_FILES: [&str; 2] =
    ["test/**/{test,spec}_*.rb", "test/**/*_{test,spec}.rb"];
const MINITEST_LIBS: [&str; 3] = ["lib", "test", "."];
/// The file that these tasks load before the first test file.
const MINITEST_FRAMEWORK: &str = "minitest/autorun";

/// `$0` of a test file under `rake test`: Rake's loader, or a text for Ruby.
pub(super) fn program(is_direct: bool) -> &'static str {
    if is_direct {
        "-e"
    } else {
        "rake_test_loader.rb"
    }
}

/// A test task.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) name: String,
    /// Its list of files, or globs.
    pub(super) files: Option<Files>,
    /// What is added to that.
    pub(super) pattern: Option<Files>,
    pub(super) libs: Vec<String>,
    pub(super) options: RubyOptions,
    /// What it loads before the first file, behind its prelude.
    pub(super) framework: Vec<String>,
    pub(super) framework_options: String,
    /// Ruby warns of everything; none: nothing is said.
    pub(super) warning: Option<bool>,
    /// What it evaluates before that.
    pub(super) prelude: Option<String>,
    pub(super) is_minitest: bool,
    /// Ruby loads the files by a text, without Rake's loader.
    pub(super) is_direct: bool,
    pub(super) is_vague: bool,
}

impl Task {
    /// A task whose block has said nothing yet.
    pub(super) fn of(name: String, is_minitest: bool) -> Self {
        let libs = if is_minitest {
            &MINITEST_LIBS[..]
        } else {
            &["lib"]
        };
        Self {
            name,
            files: None,
            pattern: None,
            libs: libs.iter().map(|&it| it.to_owned()).collect(),
            options: RubyOptions::default(),
            framework: is_minitest
                .then(|| MINITEST_FRAMEWORK.to_owned())
                .into_iter()
                .collect(),
            framework_options: String::new(),
            warning: is_minitest.then_some(true),
            prelude: None,
            is_minitest,
            is_direct: is_minitest,
            is_vague: false,
        }
    }

    /// How much Ruby warns: what the options say comes after what the task says.
    pub(super) fn warnings(&self) -> Option<Warnings> {
        let own = match self.warning {
            Some(true) => Some(Warnings::Verbose),
            Some(false) => None,
            None => Some(Warnings::AsRake),
        };
        self.options.warnings.or(own)
    }

    /// What its files see as `$0`.
    pub(super) fn program(&self) -> &'static str {
        program(self.is_direct)
    }

    pub(super) fn add_files(&mut self, files: Files, more: bool, pattern: bool) {
        if more && self.is_minitest && self.files.is_none() {
            self.files = Some(Files {
                globs: MINITEST_FILES.map(str::to_owned).to_vec(),
                ..Files::nothing()
            });
        }
        let known = if pattern && !self.is_minitest {
            &mut self.pattern
        } else {
            &mut self.files
        };
        match known {
            Some(known) if more => known.add(files),
            known => *known = Some(files),
        }
    }
}
