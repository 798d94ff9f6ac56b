//! A Rails application runs its tests in the environment `test`.
//!
//! In any other one fixtures and cleaners change the database that people work with. `ruby/rails_environment.rb` checks
//! the environment that was really loaded.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use gorgon_process::exit::Hint;
use gorgon_process::patient;

use crate::defined::project_may_define;
use crate::settings::{Callback, RubySettings};

/// Where a Rails project defines its application, and what that text has; `ruby/rails_environment.rb` has the same.
const APPLICATION: &str = "config/application.rb";
const NAMED: &str = "Rails::Application";
/// What loads it.
const LOADER: &str = "config/environment.rb";
const RAILS_ENV: &str = "RAILS_ENV";
const RACK_ENV: &str = "RACK_ENV";
const TEST: &str = "test";

/// The shell's environment names another Rails environment than `test`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("RAILS_ENV is {found}, not test: tests would change the database of {found}")]
pub struct WrongEnvironment {
    found: String,
}

impl Hint for WrongEnvironment {
    fn hint(&self) -> Option<String> {
        Some("unset RAILS_ENV, or name it in `env` of gorgon.json".to_owned())
    }
}

/// Refuses a Rails project whose shell has another RAILS_ENV than `test`, unless the configuration names one.
///
/// # Errors
/// When no test may run.
pub fn check(settings: &RubySettings) -> Result<(), WrongEnvironment> {
    check_with(settings, |name| std::env::var_os(name))
}

fn check_with(
    settings: &RubySettings,
    shell: impl Fn(&str) -> Option<OsString>,
) -> Result<(), WrongEnvironment> {
    if !is_rails(&settings.directory) || !settings.inherit_env || is_named(settings) {
        return Ok(());
    }
    match shell(RAILS_ENV) {
        Some(value) if !value.is_empty() && value != TEST => Err(WrongEnvironment {
            found: value.to_string_lossy().into_owned(),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Sets what neither the shell nor the configuration says.
pub(crate) fn environment(command: &mut Command, settings: &RubySettings) {
    if !is_rails(&settings.directory) || is_named(settings) {
        return;
    }
    let said = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    for name in [RAILS_ENV, RACK_ENV] {
        if !settings.inherit_env || !said(name) {
            command.env(name, TEST);
        }
    }
}

/// Tells whether a project is a Rails application. Others have a file of that name, too.
#[must_use]
pub fn is_rails(project: &Path) -> bool {
    let text = patient::read(&project.join(APPLICATION)).unwrap_or_default();
    text.windows(NAMED.len()).any(|it| it == NAMED.as_bytes())
}

/// Returns whether we load the application and make its databases. The callbacks before_creating_workers and
/// before_start replace that.
pub(crate) fn is_ours(settings: &RubySettings) -> bool {
    const OURS_UNLESS: [Callback; 2] = [Callback::BeforeCreatingWorkers, Callback::BeforeStart];
    let loader = settings.directory.join(LOADER);
    is_rails(&settings.directory)
        && loader.is_file()
        && !OURS_UNLESS
            .iter()
            .any(|&it| project_may_define(settings, it))
}

/// Returns whether `env` of the configuration names the environment.
fn is_named(settings: &RubySettings) -> bool {
    let named = |name| {
        let value = settings.env.get(name).and_then(Option::as_ref);
        value.is_some_and(|value: &String| !value.is_empty())
    };
    named(RAILS_ENV) || named(RACK_ENV)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ruby_knows_a_rails_project_by_the_same() {
        let ruby = include_str!("../ruby/rails_environment.rb");
        for (name, value) in [("APPLICATION", APPLICATION), ("NAMED", NAMED)] {
            assert!(ruby.contains(&format!("{name} = '{value}'")), "{name}");
        }
    }

    #[test]
    fn only_a_rails_project_is_refused_and_not_one_that_names_its_environment() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("config")).unwrap();
        let mut settings = RubySettings::in_place(temp.path());
        let in_shell = |value: &'static str| move |_: &str| Some(OsString::from(value));
        assert_eq!(check_with(&settings, in_shell("development")), Ok(()));
        std::fs::write(temp.path().join(APPLICATION), "class App < Grape::API").unwrap();
        assert_eq!(check_with(&settings, in_shell("development")), Ok(()));
        let text = "module Fleet\n  class Application < Rails::Application\n";
        std::fs::write(temp.path().join(APPLICATION), text).unwrap();
        for (value, refused) in [("development", true), ("", false), ("test", false)] {
            assert_eq!(check_with(&settings, in_shell(value)).is_err(), refused);
        }
        for (name, value, refused) in [
            ("RAILS_ENV", Some("development"), false),
            ("RACK_ENV", Some("ci"), false),
            ("RAILS_ENV", None, true),
        ] {
            settings.env = [(name.to_owned(), value.map(str::to_owned))].into();
            let found = check_with(&settings, in_shell("production"));
            assert_eq!(found.is_err(), refused, "{name} {value:?}");
        }
        settings.inherit_env = false;
        assert_eq!(check_with(&settings, in_shell("production")), Ok(()));
    }
}
