use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use super::*;
use crate::exclude::Excludes;
use crate::scan::scan;
use crate::view::View;

/// Runs a script of sh in an empty directory, with `git` that knows no configuration.
fn made(script: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let mut sh = Command::new("sh");
    sh.args(["-ec", script])
        .current_dir(directory.path())
        .env("HOME", directory.path())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_COUNT", "3")
        .env("GIT_CONFIG_KEY_0", "user.name")
        .env("GIT_CONFIG_VALUE_0", "a")
        .env("GIT_CONFIG_KEY_1", "user.email")
        .env("GIT_CONFIG_VALUE_1", "a@b")
        .env("GIT_CONFIG_KEY_2", "protocol.file.allow")
        .env("GIT_CONFIG_VALUE_2", "always");
    gorgon_process::command::run(sh, Duration::from_secs(60), b"").expect("these tests need git");
    directory
}

const REPOSITORY: &str =
    "git init -q main; echo 1 > main/a; git -C main add a; git -C main commit -qm a\n";

/// What is left out of the tree at `tree`, a line each: path, and what it names.
#[track_caller]
fn check(script: &str, tree: &str, expected: &[&str]) {
    let directory = made(&format!("{REPOSITORY}{script}"));
    let root = directory.path().join(tree);
    let (_, left_out) = scan(&root, &Excludes::new(&[], &[])).unwrap();
    let here = directory.path().to_string_lossy().into_owned();
    let shown: Vec<String> = left_out
        .outside
        .iter()
        .map(|(path, reason)| {
            let path = String::from_utf8_lossy(path);
            format!("{path}: {}", reason.replace(&here, "HERE"))
        })
        .collect();
    assert_eq!(shown, expected, "{script}");
}

#[test]
fn a_worktree_and_a_submodule_of_git_name_a_repository_elsewhere() {
    check(
        "git -C main worktree add -q ../wt",
        "wt",
        &[".git: a file that names HERE/main/.git/worktrees/wt"],
    );
    check("", "main", &[]);
    let submodule = "git init -q sub; git -C sub commit -q --allow-empty -m a; git -C main submodule --quiet add ../sub lib/sub\n";
    // The module lies in the tree of the superproject, and travels with it.
    check(submodule, "main", &[]);
    check(
        submodule,
        "main/lib/sub",
        &[".git: a file that names ../../.git/modules/lib/sub"],
    );
    // As Git before 1.7.8 wrote it.
    let absolute = r#"echo "gitdir: $PWD/main/.git/modules/lib/sub" > main/lib/sub/.git
        git -C main config -f .git/modules/lib/sub/config core.worktree "$PWD/main/lib/sub""#;
    check(
        &format!("{submodule}{absolute}"),
        "main",
        &[
            ".git/modules/lib/sub: its core.worktree is HERE/main/lib/sub",
            "lib/sub/.git: a file that names HERE/main/.git/modules/lib/sub",
        ],
    );
}

#[test]
fn a_repository_can_lead_out_in_many_ways() {
    for (script, expected) in [
        (
            r#"git -C main config core.worktree "$PWD/main""#,
            ".git: its core.worktree is HERE/main",
        ),
        (
            "printf '[Core] WorkTree = \"../../other\" ; elsewhere\\n' >> main/.git/config",
            ".git: its core.worktree is ../../other",
        ),
        (
            r#"mv main/.git r; mkdir main/.git; for f in r/*; do ln -s "$PWD/$f" main/.git/; done"#,
            // Which of them is seen first is up to the file system.
            "",
        ),
        (
            r#"mv main/.git/objects/pack p; ln -s "$PWD/p" main/.git/objects/pack"#,
            ".git: its objects/pack is a link to HERE/p",
        ),
        (
            r#"mv main/.git r; ln -s "$PWD/r" main/.git"#,
            ".git: a link to HERE/r",
        ),
        (
            "mv main/.git r; ln -s ../r main/.git",
            ".git: a link to ../r",
        ),
        (
            r#"rm -r main/.git; mkdir main/.hg; echo "$PWD/r/.hg" > main/.hg/sharedpath"#,
            ".hg: its sharedpath is HERE/r/.hg",
        ),
        (
            r#"rm -r main/.git; mkdir main/.jj; echo ../../r/.jj/repo > main/.jj/repo"#,
            ".jj: its repo is ../../r/.jj/repo",
        ),
        (
            "rm -r main/.git; touch main/.fslckout",
            ".fslckout: the checkout of a Fossil repository",
        ),
        (
            r#"git -C main worktree add -q ../wt"#,
            ".git/worktrees/wt: its worktree is HERE/wt/.git",
        ),
    ] {
        if expected.is_empty() {
            let directory = made(&format!("{REPOSITORY}{script}"));
            let (manifest, left_out) =
                scan(&directory.path().join("main"), &Excludes::new(&[], &[])).unwrap();
            assert_eq!(left_out.outside[0].0, b".git", "{script}");
            assert_eq!(manifest.entries.len(), 1, "{script}");
        } else {
            check(script, "main", &[expected]);
        }
    }
}

#[test]
fn what_stays_in_the_tree_travels() {
    for script in [
        "git -C main config core.worktree ..",
        "git -C main config core.hooksPath /etc/hooks",
        "echo /elsewhere/objects > main/.git/objects/info/alternates",
        "mv main/.git main/.bare; echo 'gitdir: ./.bare' > main/.git",
        "mv main/.git main/.bare; ln -s .bare main/.git",
        "mkdir main/.hg; mkdir -p main/.jj/repo/store; echo ../../../.git > main/.jj/repo/store/git_target",
        "mkdir -p main/fixtures/dot_git/worktrees/a; echo /elsewhere/.git > main/fixtures/dot_git/worktrees/a/gitdir",
        "mkdir main/fixtures; echo text > main/fixtures/.git",
    ] {
        check(script, "main", &[]);
    }
}

#[test]
fn an_absolute_link_into_the_tree_leads_into_the_copy() {
    let directory = tempfile::tempdir().unwrap();
    let app = directory.path().join("app");
    fs::create_dir_all(app.join("config")).unwrap();
    symlink(&app, directory.path().join("way")).unwrap();
    let here = |path: &str| directory.path().join(path);
    let originals = [app.clone(), PathBuf::from("/srv/tree")];
    for (link, target, expected) in [
        ("link", here("app/config"), Some("config")),
        (
            "a/b/link",
            here("app/config/x.yml"),
            Some("../../config/x.yml"),
        ),
        ("link", app.clone(), Some(".")),
        ("a/link", app.clone(), Some("..")),
        ("a/link", here("app/lib/../config"), Some("../config")),
        // By another way to the same place.
        ("link", here("way/config"), Some("config")),
        ("link", PathBuf::from("/srv/tree/x"), Some("x")),
        ("link", here("application/config"), None),
        ("link", here("app/../other"), None),
        ("link", PathBuf::from("config"), None),
        ("link", PathBuf::from("/etc/passwd"), None),
    ] {
        let made = relink(&originals, link.as_bytes(), &target);
        // `..` and nothing behind it ends in no slash.
        let made = made.map(|made| made.to_string_lossy().trim_end_matches('/').to_owned());
        assert_eq!(made.as_deref(), expected, "{link} -> {}", target.display());
    }
}

#[test]
fn where_the_original_lies_is_said_by_the_source() {
    let source = |path: &str| Source {
        source_tree_path: Some(path.to_owned()),
        ..Source::default()
    };
    let shown = |path: &str| {
        let all = originals(&source(path), "/home/me/app/");
        let all: Vec<_> = all.iter().map(|path| path.display().to_string()).collect();
        all.join(" ")
    };
    assert_eq!(shown("/srv/tree"), "/home/me/app /srv/tree");
    assert_eq!(shown("me@host:/srv/tree"), "/home/me/app /srv/tree");
    for path in ["host:tree", "rsync://host/m/tree", "host::m/tree", "/"] {
        assert_eq!(shown(path), "/home/me/app", "{path}");
    }
}

#[test]
fn all_of_what_a_cache_has_left_out_stays_out_of_its_copies() {
    // As a file server may send it, of which nobody has looked at the source.
    let directory = made(
        "for name in lib lib-extra; do
             mkdir -p .git/modules/$name; touch .git/modules/$name/HEAD a
             echo \"[core] worktree = $PWD/$name\" > .git/modules/$name/config
         done",
    );
    let view = View::of_cache(directory.path()).unwrap();
    let paths = view.entries.iter().map(|entry| entry.path.as_slice());
    let paths: Vec<_> = paths.map(String::from_utf8_lossy).collect();
    assert_eq!(paths, [".git", ".git/modules", "a"]);
}
