use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::*;

fn excludes(user: &[&str]) -> Excludes {
    Excludes::new(
        &user.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>(),
        &[],
    )
}

/// Paths of a small tree; directories end with a slash.
const TREE: [&str; 24] = [
    "a/",
    "a/log/",
    "a/log/x.log",
    "a/b/",
    "a/b/c/",
    "a/b/c/x.rb",
    "a/b/log",
    "log/",
    "log/y.log",
    "tmp/",
    "tmp/cache/",
    "tmp/cache/z",
    "x.rb",
    "é.rb",
    "-e x; rm",
    "a b",
    "gorgon.pem",
    "gorgon_secret.json",
    "a/gorgon_secret.json",
    "gorgon-artifacts/",
    "gorgon-artifacts/j",
    "[q]",
    "a/b/tmp/",
    "a/b/tmp/w",
];

const LISTS: [&[&str]; 29] = [
    &[],
    &["/log/**"],
    &["+ /tmp/*/", "/tmp/**"],
    &["+ /a/b/log", "/a/**"],
    &["log"],
    &["log/"],
    &["/log"],
    &["/log/"],
    &["a/log"],
    &["b/log"],
    &["b/c/"],
    &["*.log"],
    &["/*.rb"],
    &["**/tmp"],
    &["a/**/x.rb"],
    &["a/***"],
    &["tmp/**"],
    &["a/b/c/*"],
    &["a/*/log"],
    &["[a-z].rb"],
    &["?.rb"],
    &["-e x; rm"],
    &["- a b"],
    &["+ /a/log/x.log", "*.log"],
    &["+ gorgon_secret.json", "+ gorgon-artifacts/"],
    &["log", "!", "tmp"],
    &["[[]q]"],
    &["/a/**.rb", "# comment", "; comment"],
    &["**"],
];

fn make_tree(root: &Path) {
    for path in TREE {
        if let Some(dir) = path.strip_suffix('/') {
            fs::create_dir_all(root.join(dir)).unwrap();
        } else {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), path).unwrap();
        }
    }
}

fn walked(root: &Path, under: &str, excludes: &Excludes, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(root.join(under)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = if under.is_empty() {
            name
        } else {
            format!("{under}/{name}")
        };
        let is_directory = entry.file_type().unwrap().is_dir();
        if excludes.leaves_out(path.as_bytes(), is_directory) {
            continue;
        }
        if is_directory {
            walked(root, &path, excludes, found);
        }
        found.insert(path);
    }
}

#[test]
fn rsync_leaves_out_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    make_tree(&from);
    for list in LISTS {
        let excludes = excludes(list);
        let mut expected = BTreeSet::new();
        walked(&from, "", &excludes, &mut expected);
        let mut rsync = Command::new("rsync");
        rsync.args(["-a", "--delete", "--delete-excluded"]);
        rsync.args(
            excludes
                .rules()
                .iter()
                .map(|rule| format!("--exclude={rule}")),
        );
        rsync.arg("--").arg(from.join("")).arg(&to);
        gorgon_process::command::run(rsync, Duration::from_secs(20), b"").unwrap();
        let mut synced = BTreeSet::new();
        let everything = Excludes { rules: Vec::new() };
        walked(&to, "", &everything, &mut synced);
        assert_eq!(synced, expected, "{list:?}");
    }
}

#[test]
fn secrets_and_results_are_never_synced() {
    for list in LISTS {
        let excludes = excludes(list);
        for path in ["gorgon_secret.json", "gorgon.pem", "a/gorgon_secret.json"] {
            assert!(
                excludes.leaves_out(path.as_bytes(), false),
                "{path} with {list:?}"
            );
        }
        assert!(excludes.leaves_out(b"gorgon-artifacts", true));
    }
}

#[test]
fn files_of_ours_are_left_out_by_their_exact_path() {
    let own: Vec<String> = [
        "log/gorgon.log",
        "./report.xml",
        "/var/x.json",
        "../y",
        "odd[1]*.html",
    ]
    .map(str::to_owned)
    .into();
    let excludes = Excludes::new(&["+ *".to_owned()], &own);
    let left: Vec<&str> = [
        "log/gorgon.log",
        "report.xml",
        "odd[1]*.html",
        "odd1x.html",
        "a/report.xml",
        "var/x.json",
        "y",
        "log/gorgon.log2",
    ]
    .into_iter()
    .filter(|path| excludes.leaves_out(path.as_bytes(), false))
    .collect();
    assert_eq!(left, ["log/gorgon.log", "report.xml", "odd[1]*.html"]);
}
