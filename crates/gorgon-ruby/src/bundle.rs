//! Whether a project's Ruby starts under Bundler: where Bundler finds its file, by the ways that Bundler has.

use std::collections::BTreeMap;
use std::path::Path;

use gorgon_process::patient;

/// Names Bundler's file, in the environment and in Bundler's configuration.
const VARIABLE: &str = "BUNDLE_GEMFILE";
/// Bundler's file, by its two names.
const FILES: [&str; 2] = ["Gemfile", "gems.rb"];
/// Bundler's configuration of a project.
const CONFIG: &str = ".bundle/config";
/// A directory with this one is where a repository begins: what lies above belongs to others.
const REPOSITORY: &str = ".git";

/// Returns whether Bundler finds its file for a project. `env` is the configuration's. `in_place`: our own environment is
/// passed on, and the project lies where its user has it, so the directories above it count, too.
pub(crate) fn is_found(
    project: &Path,
    env: &BTreeMap<String, Option<String>>,
    in_place: bool,
) -> bool {
    let own = || std::env::var(VARIABLE).ok().filter(|_| in_place);
    let named = env.get(VARIABLE).cloned().unwrap_or_else(own);
    if named.is_some_and(|file| !file.is_empty()) {
        return true;
    }
    let project = project.canonicalize().unwrap_or_else(|_| project.into());
    let most = if in_place { usize::MAX } else { 1 };
    for directory in project.ancestors().take(most) {
        if FILES.iter().any(|name| directory.join(name).is_file()) || is_configured(directory) {
            return true;
        }
        if directory.join(REPOSITORY).exists() {
            return false;
        }
    }
    false
}

fn is_configured(directory: &Path) -> bool {
    let text = patient::read(&directory.join(CONFIG)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    text.lines().any(|line| {
        let value = line
            .strip_prefix(VARIABLE)
            .and_then(|it| it.strip_prefix(':'));
        value.is_some_and(|value| !value.trim_matches([' ', '"', '\'']).is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundlers_file_is_found_as_bundler_finds_it() {
        let names = |value: Option<&str>| [(VARIABLE.to_owned(), value.map(str::to_owned))].into();
        let none = BTreeMap::new();
        let config = "---\nBUNDLE_GEMFILE: \"gemfiles/a.gemfile\"\n";
        for (files, env, in_place, found) in [
            (&[][..], &none, true, false),
            (&[("p/Gemfile", "")], &none, false, true),
            (&[("p/gems.rb", "")], &none, false, true),
            (&[("p/.bundle/config", config)], &none, false, true),
            (
                &[("p/.bundle/config", "---\nBUNDLE_PATH: \"x\"\n")],
                &none,
                false,
                false,
            ),
            (&[], &names(Some("gemfiles/a.gemfile")), false, true),
            (&[], &names(Some("")), true, false),
            (&[("p/Gemfile", "")], &names(None), true, true),
            // Of the directory above, only where the project lies in its place, and is no repository of its own.
            (&[("Gemfile", "")], &none, true, true),
            (&[(".bundle/config", config)], &none, true, true),
            (&[("Gemfile", "")], &none, false, false),
            (&[("Gemfile", ""), ("p/.git/HEAD", "")], &none, true, false),
            (&[("Gemfile", ""), (".git/HEAD", "")], &none, true, true),
        ] {
            let place = tempfile::tempdir().unwrap();
            let project = place.path().join("p");
            std::fs::create_dir(&project).unwrap();
            // What lies above the temporary directory is none of ours.
            if !files.iter().any(|(name, _)| name.starts_with(".git")) {
                std::fs::create_dir(place.path().join(".git")).unwrap();
            }
            for (name, text) in files {
                let path = place.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            assert_eq!(
                is_found(&project, env, in_place),
                found,
                "{files:?} {env:?} {in_place}"
            );
        }
    }
}
