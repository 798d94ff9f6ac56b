//! What of a Rails application is synced where the configuration does not say it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gorgon_process::command::{self, Bounds};
use gorgon_proto::config::ProjectConfig;
use gorgon_ruby::is_rails;

/// Directories that the next job on a host finds as the last one left them. What Bootsnap keeps there makes the
/// application load in a third of the time.
const KEPT: [&str; 1] = ["tmp/cache"];

/// What no test needs, as one pathspec of Git, and rsync's patterns for it. A directory that tests write to is
/// synced without what is in it.
const LEFT_OUT: [(&str, &[&str]); 6] = [
    ("log", &["/log/**"]),
    ("tmp", &["+ /tmp/*/", "/tmp/**"]),
    ("node_modules", &["/node_modules"]),
    ("coverage", &["/coverage"]),
    (
        "db/development*.sqlite3*",
        &["/db/development*.sqlite3*", "/db/*-gorgon-*"],
    ),
    // An application without a schema file needs its test database.
    ("storage", &["+ /storage/test.sqlite3", "/storage/**"]),
];

/// Names of files that are there for their directory alone.
const PLACEHOLDERS: [&str; 3] = [".keep", ".gitkeep", ".gitignore"];

/// Time limit of Git, which reads its index.
const GIT_LIMIT: Duration = Duration::from_secs(5);
/// Maximum length of what Git tells: a `node_modules` may be tracked.
const TOLD_BYTES: usize = 64 << 20;

/// Returns the directories of this project that a host keeps from job to job.
pub(crate) fn kept_paths(root: &Path) -> Vec<String> {
    if is_rails(root) {
        KEPT.map(str::to_owned).to_vec()
    } else {
        Vec::new()
    }
}

/// Returns rsync's patterns of what is not synced: those of the configuration, if it has any list, else of a Rails
/// application what no test needs.
pub(crate) fn excludes(root: &Path, config: &ProjectConfig) -> Vec<String> {
    if let Some(configured) = &config.exclude {
        return configured.clone();
    }
    if !is_rails(root) {
        return Vec::new();
    }
    patterns(&tracked(root))
}

/// Leaves out what Git does not track a file of.
fn patterns(tracked: &BTreeSet<String>) -> Vec<String> {
    let left_out = LEFT_OUT.iter().filter(|(pathspec, _)| {
        let top = pathspec.split('/').next().unwrap_or(pathspec);
        !tracked.contains(top)
    });
    let patterns = left_out.flat_map(|(_, patterns)| patterns.iter());
    patterns.map(|&pattern| pattern.to_owned()).collect()
}

/// Returns the names at the top of the project below which Git tracks files of [`LEFT_OUT`]: the suite may need
/// them. None without a repository; all of them in one of which Git does not tell.
fn tracked(root: &Path) -> BTreeSet<String> {
    let mut git = Command::new("git");
    git.arg("-C").arg(root).args(["ls-files", "-z", "--"]);
    git.args(LEFT_OUT.map(|(pathspec, _)| pathspec));
    let bounds = Bounds {
        keep_bytes: TOLD_BYTES,
        ..Bounds::within(GIT_LIMIT)
    };
    match command::run_bounded(git, &bounds, b"") {
        Ok(told) => tops(&told.stdout),
        Err(error) => {
            log::debug!(target: "gorgon::originator", error:%; "Git does not tell which files it tracks");
            let repository = root.ancestors().any(|it| it.join(".git").exists());
            let all = LEFT_OUT.iter().filter(|_| repository);
            all.filter_map(|(pathspec, _)| pathspec.split('/').next())
                .map(str::to_owned)
                .collect()
        }
    }
}

/// Reads what `git ls-files -z` told.
fn tops(told: &str) -> BTreeSet<String> {
    let mut tops = BTreeSet::new();
    for path in told.split('\0') {
        let mut names = path.split('/');
        let (Some(top), Some(last)) = (names.next(), names.next_back()) else {
            continue;
        };
        if !PLACEHOLDERS.contains(&last) {
            tops.insert(top.to_owned());
        }
    }
    tops
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_patterns() -> Vec<String> {
        patterns(&BTreeSet::new())
    }

    #[test]
    fn what_git_tracks_is_not_left_out_but_for_placeholders() {
        let told = "log/.keep\0tmp/pids/.keep\0storage/.gitignore\0storage/a/b.png\0";
        let tops = tops(told);
        assert_eq!(tops, ["storage".to_owned()].into());
        let kept = patterns(&tops);
        assert!(!kept.iter().any(|it| it.contains("storage")), "{kept:?}");
        assert_eq!(all_patterns().len(), kept.len() + 2);
    }

    #[test]
    fn where_git_does_not_tell_nothing_of_a_repository_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(patterns(&tracked(root.path())), all_patterns());
        std::fs::write(root.path().join(".git"), "gitdir: nowhere\n").unwrap();
        assert_eq!(patterns(&tracked(root.path())), Vec::<String>::new());
    }

    #[test]
    fn a_list_in_the_configuration_is_all_there_is() {
        let root = tempfile::tempdir().unwrap();
        let mut config = ProjectConfig::default();
        assert_eq!(excludes(root.path(), &config), Vec::<String>::new());
        assert_eq!(kept_paths(root.path()), Vec::<String>::new());
        std::fs::create_dir(root.path().join("config")).unwrap();
        let text = "class Application < Rails::Application\nend\n";
        std::fs::write(root.path().join("config/application.rb"), text).unwrap();
        assert_eq!(excludes(root.path(), &config), all_patterns());
        assert_eq!(kept_paths(root.path()), ["tmp/cache"]);
        config.exclude = Some(vec![]);
        assert_eq!(excludes(root.path(), &config), Vec::<String>::new());
        config.exclude = Some(vec!["doc".to_owned()]);
        assert_eq!(excludes(root.path(), &config), ["doc"]);
    }
}
