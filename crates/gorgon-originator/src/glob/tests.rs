//! Globs against Ruby itself, on generated trees, and what becomes of what they find.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gorgon_process::command::Bounds;
use gorgon_proto::hex;

use super::*;

/// A small generator of numbers: the trees of a seed are the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

const NAMES: &[&str] = &[
    "a",
    "b",
    "a b",
    "a-b",
    "-a",
    "[a]",
    "{a}",
    "a:b",
    "ä",
    "é_spec.rb",
    "a_spec.rb",
    "b_spec.rb",
    "a_test.rb",
    ".a",
    ".a.rb",
    "a.rb",
    "B",
    "a*b",
    "a?b",
    "a\\b",
    "test",
    "spec",
    "日本.rb",
    "a,b",
];

const PARTS: &[&str] = &[
    "a",
    "b",
    "*",
    "**",
    "?",
    "*_spec.rb",
    "*.rb",
    "[ab]",
    "[^a]*",
    "[!a-c]*",
    "[a",
    "[]a]",
    "[!]",
    "{a,b}",
    "{b,a}*",
    "*{_spec,_test}.rb",
    "{a,{b,ä}}",
    "\\[a\\]",
    "\\{a\\}",
    "{a\\,b,b}",
    "ä",
    "?_spec.rb",
    "a b",
    "-a",
    "a:b",
    ".a",
    ".*b*",
    "{,.}a",
    "\\a",
    "[ä-é]*",
    "[a-]*",
    "日*",
    "a\\*b",
    "*\\\\*",
    "spec",
    "test",
    "[\\]a]*",
    "a*b",
    "*a*",
    "{a}",
    "{a,}b",
    "***",
    "*?",
    "{*,?}.rb",
    "{**{,/*/**}/*_spec.rb,a}",
    "{a/b,{b,a}/a}",
    "{{a,b}/a,test}",
];

fn tree(dice: &mut Dice, directory: &Path, depth: usize) {
    for _ in 0..3 + dice.below(5) {
        let path = directory.join(dice.one(NAMES));
        if path.symlink_metadata().is_ok() {
            continue;
        }
        match dice.below(8) {
            0..3 if depth > 0 => {
                std::fs::create_dir(&path).unwrap();
                tree(dice, &path, depth - 1);
            }
            3 if depth > 0 => std::os::unix::fs::symlink("..", &path).unwrap(),
            4 => std::os::unix::fs::symlink("nowhere", &path).unwrap(),
            _ => std::fs::write(&path, "").unwrap(),
        }
    }
}

fn glob(dice: &mut Dice) -> String {
    let mut glob = String::new();
    for _ in 0..1 + dice.below(3) {
        match dice.below(5) {
            0 | 1 => glob.push_str("**/"),
            2 if glob.is_empty() => glob.push_str("./"),
            _ => {}
        }
        if glob.is_empty() || glob.ends_with('/') {
            glob.push_str(dice.one(PARTS));
        }
        if dice.below(2) == 0 {
            glob.push('/');
            glob.push_str(dice.one(PARTS));
        }
    }
    if dice.below(8) == 0 {
        glob.push('/');
    }
    glob
}

/// Asks Ruby; each answer is a list of paths in hexadecimal digits.
fn ask_ruby(root: &Path, globs: &[String]) -> Vec<Vec<Vec<u8>>> {
    const SCRIPT: &str = r#"
        require "json"
        Dir.chdir(ARGV[0])
        globs = JSON.parse($stdin.read)
        puts JSON.dump(globs.map { |glob| Dir[glob].map { |path| path.unpack1("H*") } })
    "#;
    let mut command = Command::new("ruby");
    command
        .args(["-E", "UTF-8:UTF-8", "-e", SCRIPT])
        .arg(root)
        .env("LC_ALL", "C.UTF-8");
    let input = serde_json::to_vec(globs).unwrap();
    let bounds = Bounds {
        keep_bytes: 64 << 20,
        ..Bounds::within(Duration::from_secs(60))
    };
    let finished = gorgon_process::command::run_bounded(command, &bounds, &input)
        .expect("these tests need ruby: apt-get install ruby");
    let answers: Vec<Vec<String>> = serde_json::from_str(&finished.stdout).unwrap();
    let unhex = |digits: &String| hex::decode(digits).unwrap();
    answers
        .iter()
        .map(|answer| answer.iter().map(unhex).collect())
        .collect()
}

/// Behind a link or a hidden directory that `**/x` entered, Ruby expands a later brace for one of
/// the places where the glob may stand, and forgets the others.
fn ruby_forgets(glob: &str) -> bool {
    let behind = glob.split_once("**/").map_or("", |(_, behind)| behind);
    behind
        .split_once('/')
        .is_some_and(|(_, behind)| behind.contains('{'))
}

fn shown(paths: &[Vec<u8>]) -> Vec<String> {
    paths
        .iter()
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect()
}

#[test]
fn globs_find_what_ruby_finds_in_the_same_order() {
    for seed in 0..12 {
        // Links lead to the directory above, which must be ours too: nobody else changes it.
        let above = tempfile::tempdir().unwrap();
        let root = above.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let mut dice = Dice(seed);
        tree(&mut dice, &root, 3);
        let not_utf8 = OsStr::from_bytes(b"a\xff_spec.rb");
        std::fs::write(root.join(not_utf8), "").unwrap();
        let globs: Vec<String> = (0..200).map(|_| glob(&mut dice)).collect();
        for (glob, expected) in globs.iter().zip(ask_ruby(&root, &globs)) {
            let found = dir(&root, glob);
            if found != expected && ruby_forgets(glob) {
                assert!(
                    expected.iter().all(|path| found.contains(path)),
                    "seed {seed}, {glob:?}"
                );
                continue;
            }
            assert_eq!(
                shown(&found),
                shown(&expected),
                "seed {seed}, Dir[{glob:?}]"
            );
        }
    }
}

fn project(files: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for file in files {
        let path = root.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    root
}

fn expanded(root: &tempfile::TempDir, globs: &[&str]) -> Found {
    expand(
        root.path(),
        &globs
            .iter()
            .map(|&glob| glob.to_owned())
            .collect::<Vec<_>>(),
    )
}

#[test]
fn globs_keep_their_order_and_a_file_counts_where_it_was_found_first() {
    let root = project(&[
        "test/unit/b_test.rb",
        "test/unit/a_test.rb",
        "test/c_test.rb",
    ]);
    let found = expanded(
        &root,
        &[
            "test/unit/*_test.rb",
            "./test/**/*_test.rb",
            "test//c_test.rb",
        ],
    );
    assert_eq!(
        found.files,
        [
            "test/unit/a_test.rb",
            "test/unit/b_test.rb",
            "test/c_test.rb"
        ]
    );
    assert_eq!(found.warnings, Vec::<String>::new());
}

#[test]
fn directories_and_what_is_no_ruby_are_left_out_with_a_warning() {
    let root = project(&[
        "test/a.rb",
        "test/b.yml",
        "test/unit/c.rb",
        "test/d",
        "test/e.txt",
        "test/f",
    ]);
    std::os::unix::fs::symlink("nowhere", root.path().join("test/gone.rb")).unwrap();
    std::os::unix::fs::symlink("a.rb", root.path().join("test/link.rb")).unwrap();
    let found = expanded(&root, &["test/**"]);
    // What cannot be loaded is red with the framework's own command as well.
    assert_eq!(found.files, ["test/a.rb", "test/gone.rb", "test/link.rb"]);
    assert_eq!(
        found.warnings,
        [
            "the glob \"test/**\" names directories, left out: test/unit",
            "the glob \"test/**\" names files that are no Ruby (*.rb), left out: \
             test/b.yml, test/d, test/e.txt and 1 more",
        ]
    );
}

#[test]
fn odd_names_are_found_and_names_that_are_not_utf8_are_refused() {
    let names = [
        "a b.rb",
        "[x].rb",
        "-e.rb",
        "a:b.rb",
        "ä.rb",
        "日本.rb",
        "a\nb.rb",
        "$(x).rb",
    ];
    let root = project(&names);
    std::fs::write(root.path().join(OsStr::from_bytes(b"bad\xff.rb")), "").unwrap();
    let found = expanded(&root, &["*.rb"]);
    assert_eq!(
        found
            .files
            .iter()
            .map(String::as_str)
            .collect::<BTreeSet<_>>(),
        names.into_iter().collect()
    );
    assert_eq!(found.warnings, Vec::<String>::new());
    let refused = ("bad\\xff.rb".to_owned(), "its name is not UTF-8");
    assert_eq!(found.refused, [refused]);
}

#[test]
fn what_is_named_like_a_test_file_and_is_none_is_refused() {
    let root = project(&["a.rb", "directory.rb/b.rb"]);
    let at = |name: &str| root.path().join(name);
    let _socket = std::os::unix::net::UnixListener::bind(at("socket.rb")).unwrap();
    for (target, link) in [("directory.rb", "link.rb"), ("/dev/null", "device.rb")] {
        std::os::unix::fs::symlink(target, at(link)).unwrap();
    }
    let found = expanded(&root, &["**/*.rb", "*/"]);
    assert_eq!(found.files, ["a.rb", "directory.rb/b.rb"]);
    let refused: Vec<String> = found
        .refused
        .iter()
        .map(|(path, why)| format!("{path}: {why}"))
        .collect();
    assert_eq!(
        refused,
        [
            "device.rb: it is a device",
            "directory.rb: it is a directory",
            "link.rb: it is a directory",
            "socket.rb: it is a socket",
        ]
    );
}

#[test]
fn a_directory_that_cannot_be_read_is_told_once_and_a_missing_one_never() {
    let root = project(&["test/a.rb"]);
    std::os::unix::fs::symlink("loop", root.path().join("loop")).unwrap();
    let tree = Tree::new(root.path());
    assert_eq!(
        tree.expand(&["gone/*.rb".into(), "test/a.rb/*".into()]),
        Found::default()
    );
    assert_eq!(tree.unread(), None);
    for _ in 0..2 {
        assert_eq!(tree.expand(&["loop/*.rb".into()]), Found::default());
    }
    let told = tree.unread().unwrap();
    let says = "no test is found in directories that cannot be read: loop (Too many levels of symbolic links";
    assert!(told.starts_with(says), "{told}");
}

#[test]
fn what_lies_outside_of_the_project_is_refused() {
    let outer = project(&["project/a.rb", "b.rb"]);
    let root = outer.path().join("project");
    let absolute = root.join("*.rb").display().to_string();
    let found = expand(
        &root,
        &["../*.rb".into(), absolute, "../project/a.rb".into()],
    );
    assert_eq!(found.files, ["a.rb"]);
    let refused = ("../b.rb".to_owned(), "it lies outside the project");
    assert_eq!(found.refused, [refused]);
}

#[test]
fn a_glob_with_a_zero_byte_finds_nothing() {
    let root = project(&["a.rb"]);
    assert_eq!(expanded(&root, &["a\0.rb", "", "/"]), Found::default());
}
