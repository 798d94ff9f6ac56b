//! How Ruby is started: the command, its directory, its environment.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::bundle;
use crate::rails;
use crate::settings::RubySettings;

/// What a shell or a daemon may have of another project's Ruby; remotely it is left out.
const FOREIGN: &[&str] = &[
    "BUNDLE_GEMFILE",
    "BUNDLE_BIN_PATH",
    "BUNDLE_LOCKFILE",
    "BUNDLER_SETUP",
    "BUNDLER_VERSION",
    "RUBYOPT",
    "RUBYLIB",
    "SPEC_OPTS",
    "TESTOPTS",
    "RAILS_ENV",
    "RACK_ENV",
    // A hook of Git has these (`git rev-parse --local-env-vars`): in a workspace every command of
    // Git would work on the developer's repository.
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Size of the blank argument that makes room for `$0`, in bytes (`ruby/program.rb`).
const TITLE_BYTES: usize = 1000;

/// Environment variable that names those among whom TEST_ENV_NUMBER is unique, instead of all workers of the machine.
pub const NUMBERS_VARIABLE: &str = "GORGON_NUMBERS";

/// Ours, never handed on as found.
const OWN: &[&str] = &[
    "GORGON_BROKER_URL",
    "GORGON_WORKER_ID",
    "GORGON_CHILD_ID",
    "GORGON_HOST",
    "GORGON_SLOTS",
    NUMBERS_VARIABLE,
    crate::warm::KEEPER_VARIABLE,
    gorgon_process::logging::SILENT,
];

/// Returns how Ruby is started where the user did not say: under Bundler where that finds its file for the project, and is
/// installed. `env` is the configuration's; `in_place`: see [`RubySettings::inherit_env`].
#[must_use]
pub fn default_ruby(
    directory: &Path,
    env: &BTreeMap<String, Option<String>>,
    in_place: bool,
) -> Vec<String> {
    let words: &[&str] = if bundle::is_found(directory, env, in_place) && on_path("bundle") {
        &["bundle", "exec", "ruby"]
    } else {
        &["ruby"]
    };
    words.iter().map(|&word| word.to_owned()).collect()
}

fn on_path(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}

/// Builds the command that runs a script, but for its descriptors.
pub(crate) fn ruby(settings: &RubySettings, script: &Path) -> Command {
    let words = match &settings.ruby {
        Some(words) if !words.is_empty() => words.clone(),
        _ => default_ruby(&settings.directory, &settings.env, settings.inherit_env),
    };
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .arg(script)
        // Room for titles: one that is longer than the command line is written over the environment.
        .arg(" ".repeat(TITLE_BYTES))
        .current_dir(&settings.directory);
    environment(&mut command, settings);
    command
}

fn environment(command: &mut Command, settings: &RubySettings) {
    for name in OWN {
        command.env_remove(name);
    }
    if !settings.inherit_env {
        for name in FOREIGN {
            command.env_remove(name);
        }
        let names = ["LC_ALL", "LC_CTYPE", "LANG"];
        if names
            .iter()
            .all(|name| std::env::var_os(name).is_none_or(|value| value.is_empty()))
        {
            // A daemon's empty locale would make Ruby read every source and file as US-ASCII.
            command.env("LANG", "C.UTF-8");
        }
    }
    rails::environment(command, settings);
    command.env("PARALLEL_WORKERS", "1");
    if let Some(job) = &settings.job {
        command.env("GORGON_JOB_ID", job);
    }
    if let Some(host) = &settings.host {
        command.env("GORGON_HOST", &host.name);
        command.env("GORGON_SLOTS", host.slots.to_string());
    }
    for (name, value) in &settings.env {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Host;
    use std::ffi::OsStr;

    fn get(command: &Command, name: &str) -> Option<Option<String>> {
        let found = command
            .get_envs()
            .find(|(key, _)| *key == OsStr::new(name))?;
        Some(found.1.map(|value| value.to_string_lossy().into_owned()))
    }

    #[test]
    fn the_configured_environment_wins_and_null_unsets() {
        let mut settings = RubySettings::in_place(".");
        settings.job = Some("j1".to_owned());
        settings.inherit_env = false;
        settings.env.insert("PARALLEL_WORKERS".to_owned(), None);
        settings
            .env
            .insert("RUBYOPT".to_owned(), Some("-w".to_owned()));
        let command = ruby(&settings, Path::new("x.rb"));
        assert_eq!(get(&command, "PARALLEL_WORKERS"), Some(None));
        assert_eq!(get(&command, "RUBYOPT"), Some(Some("-w".to_owned())));
        assert_eq!(get(&command, "GORGON_JOB_ID"), Some(Some("j1".to_owned())));
        assert_eq!(get(&command, "GORGON_BROKER_URL"), Some(None));
        assert_eq!(get(&command, "BUNDLE_GEMFILE"), Some(None));
        assert_eq!(get(&command, "GORGON_SLOTS"), Some(None));
        settings.host = Some(Host {
            name: "web3".to_owned(),
            slots: 4,
        });
        let command = ruby(&settings, Path::new("x.rb"));
        assert_eq!(get(&command, "GORGON_HOST"), Some(Some("web3".to_owned())));
        assert_eq!(get(&command, "GORGON_SLOTS"), Some(Some("4".to_owned())));
    }

    #[test]
    fn in_place_the_shells_bundle_is_kept() {
        let command = ruby(&RubySettings::in_place("."), Path::new("x.rb"));
        assert_eq!(get(&command, "BUNDLE_GEMFILE"), None);
    }
}
