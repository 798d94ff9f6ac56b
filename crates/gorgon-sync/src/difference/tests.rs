use crossbeam_channel::never;
use std::path::PathBuf;

use super::*;
use crate::record::Entry;
use crate::view::Viewed;

/// `d` is a directory, what else a file; the number is its inode.
fn stamp(kind: char, inode: u64) -> Stamp {
    Stamp {
        mode: if kind == 'd' { 0o040_755 } else { 0o100_644 },
        user: 1,
        group: 1,
        device: 1,
        inode,
        size: 0,
        modified: 5,
        changed: 5,
    }
}

/// Reads `a:d1 a/b:f2`.
fn tree(text: &str) -> Vec<Stamped> {
    let one = |word: &str| {
        let (path, rest) = word.split_once(':').unwrap();
        let (kind, inode) = rest.split_at(1);
        (
            path.as_bytes().to_vec(),
            stamp(kind.chars().next().unwrap(), inode.parse().unwrap()),
        )
    };
    text.split_whitespace().map(one).collect()
}

/// Source and copy have the same inodes here.
fn check(source: &str, copied: &str, found: &str, expected: &str) {
    let entries = tree(source).into_iter();
    let entries = entries.map(|(path, stamp)| Viewed {
        path,
        stamp,
        identity: stamp,
    });
    let view = View {
        root: PathBuf::from("/"),
        entries: entries.collect(),
        unseen: false,
        originals: Vec::new(),
        cancel: never(),
    };
    let entries = tree(copied).into_iter();
    let entries = entries.map(|(path, stamp)| Entry {
        path,
        source: stamp,
        own: Some(stamp),
    });
    let record = Record {
        digest: String::new(),
        entries: entries.collect(),
    };
    let steps = difference(&view, &record, &tree(found));
    let name = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let names = |numbers: &[usize]| {
        numbers
            .iter()
            .map(|nth| name(&view.entries[*nth].path))
            .collect::<Vec<_>>()
    };
    let mut told = Vec::new();
    told.extend(
        steps
            .open
            .iter()
            .map(|(path, _)| format!("open {}", name(path))),
    );
    told.extend(
        steps
            .remove
            .iter()
            .map(|(path, _)| format!("remove {}", name(path))),
    );
    told.extend(names(&steps.make).iter().map(|path| format!("make {path}")));
    told.extend(names(&steps.copy).iter().map(|path| format!("copy {path}")));
    told.extend(
        names(&steps.finish)
            .iter()
            .map(|path| format!("finish {path}")),
    );
    assert_eq!(told.join("; "), expected, "{source} | {copied} | {found}");
    assert_eq!(steps.foreign, None);
}

#[test]
fn only_what_is_not_proven_is_done() {
    let same = "a:d1 a/b:f2";
    check(same, same, same, "");
    check(same, "", "", "make a; copy a/b; finish a");
    // Changed here, changed there, gone, never put there.
    check(
        same,
        same,
        "a:d1 a/b:f3",
        "open a; remove a/b; copy a/b; finish a",
    );
    check(
        "a:d1 a/b:f3",
        same,
        same,
        "open a; remove a/b; copy a/b; finish a",
    );
    check(same, same, "a:d1", "open a; copy a/b; finish a");
    check(same, "a:d1", same, "open a; remove a/b; copy a/b; finish a");
}

#[test]
fn what_does_not_belong_there_goes_from_its_end() {
    check(
        "",
        "",
        "a:d1 a.b:f2 a/b:d3 a/b/c:f4",
        "open a; open a/b; remove a/b/c; remove a/b; remove a.b; remove a",
    );
    check("a:f1", "a:f1", "a:f1 b:f2", "remove b");
}

#[test]
fn what_became_something_else_becomes_itself_again() {
    check(
        "a:d1 a/b:f2",
        "a:d1 a/b:f2",
        "a:f3",
        "remove a; make a; copy a/b; finish a",
    );
    check(
        "a:f1",
        "a:f1",
        "a:d2 a/x:f3",
        "open a; remove a/x; remove a; copy a",
    );
    // Another directory in its place.
    check(
        "a:d1 a/b:f2",
        "a:d1 a/b:f2",
        "a:d9 a/b:f2",
        "open a; finish a",
    );
}

#[test]
fn a_directory_of_another_filesystem_is_not_ours_to_restore() {
    let (view, record) = (tree("a:d1"), tree("a:d1"));
    let view = View {
        root: PathBuf::new(),
        entries: view
            .into_iter()
            .map(|(path, stamp)| Viewed {
                path,
                stamp,
                identity: stamp,
            })
            .collect(),
        unseen: false,
        originals: Vec::new(),
        cancel: never(),
    };
    let entries = record.into_iter().map(|(path, stamp)| Entry {
        path,
        source: stamp,
        own: Some(stamp),
    });
    let record = Record {
        digest: String::new(),
        entries: entries.collect(),
    };
    let mut found = tree("a:d1");
    found[0].1.device = 2;
    assert_eq!(
        difference(&view, &record, &found).foreign,
        Some(b"a".to_vec())
    );
}
