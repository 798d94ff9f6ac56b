//! Workspaces that serve one job after the other.

mod handed_on;

use std::fs::{File, FileTimes, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use gorgon_process::child::{self, Options};
use tempfile::TempDir;

use super::{cache, disk, listing};
use crate::workspace::*;

/// Enough for all.
const LIMIT: u64 = 1 << 30;
const DIGEST: &str = "0123456789abcdef0123456789abcdef";

/// A host with a filled cache.
struct Host {
    dir: TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let cache = host.cache();
        let tree = cache.tree();
        fs::create_dir_all(tree.join("lib/deep/empty")).unwrap();
        for (path, text) in [
            ("lib/a", "aaa"),
            ("lib/b", "bbb"),
            ("lib/deep/c", "c"),
            ("top", ""),
        ] {
            fs::write(tree.join(path), text).unwrap();
        }
        symlink("lib/a", tree.join("link")).unwrap();
        disk::make_fifo(&tree.join("pipe"), 0o600).unwrap();
        for path in ["lib/a", "lib/b", "link", "lib", "lib/deep", "pipe"] {
            disk::set_modified(&tree.join(path), 1_000_000_000, 7).unwrap();
        }
        fs::set_permissions(tree.join("lib/deep"), Permissions::from_mode(0o555)).unwrap();
        cache.finish_as(DIGEST).unwrap();
        host
    }

    fn cache(&self) -> Cache {
        cache(self.dir.path())
    }

    fn workspaces(&self) -> PathBuf {
        self.dir.path().join("workspaces")
    }

    fn empty(&self, cache: &Cache) -> Workspace {
        Workspace::of_project(&self.workspaces(), cache, "/p/app").unwrap()
    }

    /// The workspace of a job, and whether a kept one was enough.
    fn begin(&self) -> (Workspace, bool) {
        let cache = self.cache();
        let mut workspace = self.empty(&cache);
        let digest = cache.digest().unwrap();
        let kept = workspace.fill_from_kept(&cache, &digest).is_some();
        if !kept {
            workspace.fill_from(&cache).unwrap();
        }
        workspace.hand_over();
        let expected = listing(&cache.tree(), Path::new(""));
        assert_eq!(listing(workspace.path(), Path::new("")), expected);
        (workspace, kept)
    }

    fn kept(&self) -> Vec<PathBuf> {
        kept::list(self.cache().path())
    }
}

/// Writes other bytes of the same number, and gives the file its old time again.
fn hide(path: &Path, text: &str) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    fs::write(path, text).unwrap();
    let file = File::options().write(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(modified))
        .unwrap();
}

fn set_time(path: &Path) {
    disk::set_modified(path, 5, 5).unwrap();
}

type Deed = fn(&Path);

/// What tests do, and worse.
const DEEDS: [Deed; 20] = [
    |_| {},
    |at| hide(&at.join("lib/a"), "AAA"),
    |at| fs::write(at.join("lib/a"), "longer than before").unwrap(),
    |at| fs::remove_file(at.join("lib/b")).unwrap(),
    |at| fs::remove_dir_all(at.join("lib")).unwrap(),
    |at| fs::write(at.join("new"), "new").unwrap(),
    |at| {
        fs::create_dir_all(at.join("log/of/it")).unwrap();
        fs::write(at.join("log/of/it/x"), "x").unwrap();
        symlink("/", at.join("log/root")).unwrap();
        fs::set_permissions(at.join("log/of"), Permissions::from_mode(0o500)).unwrap();
    },
    |at| drop(UnixListener::bind(at.join("socket")).unwrap()),
    |at| disk::make_fifo(&at.join("lib/pipe"), 0o600).unwrap(),
    |at| fs::set_permissions(at.join("lib/a"), Permissions::from_mode(0o777)).unwrap(),
    |at| fs::set_permissions(at.join("lib"), Permissions::from_mode(0o700)).unwrap(),
    |at| fs::set_permissions(at, Permissions::from_mode(0o777)).unwrap(),
    |at| set_time(&at.join("lib/a")),
    |at| set_time(&at.join("lib/deep")),
    |at| set_time(&at.join("link")),
    |at| {
        fs::rename(at.join("lib/a"), at.join("lib/x")).unwrap();
        fs::rename(at.join("lib/b"), at.join("lib/a")).unwrap();
        fs::rename(at.join("lib/x"), at.join("lib/b")).unwrap();
    },
    |at| {
        fs::remove_file(at.join("link")).unwrap();
        symlink("lib/b", at.join("link")).unwrap();
        set_time(&at.join("link"));
    },
    |at| {
        // A directory becomes a link to what looks like it, a file a directory, a link a file.
        fs::rename(at.join("lib"), at.join("moved")).unwrap();
        symlink("moved", at.join("lib")).unwrap();
        fs::remove_file(at.join("top")).unwrap();
        fs::create_dir(at.join("top")).unwrap();
        fs::write(at.join("top/in"), "").unwrap();
        fs::remove_file(at.join("link")).unwrap();
        fs::write(at.join("link"), "lib/a").unwrap();
    },
    |at| {
        // Another directory of the same name, with the same files.
        fs::rename(at.join("lib"), at.join("old")).unwrap();
        fs::create_dir(at.join("lib")).unwrap();
        for name in ["a", "b"] {
            fs::rename(at.join("old").join(name), at.join("lib").join(name)).unwrap();
        }
    },
    |at| {
        fs::hard_link(
            at.join("lib/a"),
            at.parent().unwrap().parent().unwrap().join("outside"),
        )
        .unwrap()
    },
];

#[test]
fn whatever_a_job_did_the_next_one_finds_the_source() {
    for (nth, deed) in DEEDS.iter().enumerate() {
        let host = Host::new();
        // The second round looks at what the first one left.
        for round in 0..2 {
            let (workspace, kept) = host.begin();
            assert_eq!(kept, round > 0, "deed {nth}");
            let _ = fs::remove_file(host.dir.path().join("workspaces/outside"));
            deed(workspace.path());
            workspace.keep(LIMIT);
            assert_eq!(host.kept().len(), 1, "deed {nth}");
        }
        let left = fs::read_dir(host.dir.path().join("workspaces")).unwrap();
        assert!(left.count() <= 1, "deed {nth}");
    }
}

#[test]
fn what_happens_to_it_between_two_jobs_is_found_too() {
    for (nth, deed) in DEEDS.iter().enumerate() {
        let host = Host::new();
        host.begin().0.keep(LIMIT);
        deed(&host.kept()[0].join("tree"));
        let (_workspace, kept) = host.begin();
        assert!(kept, "deed {nth}");
    }
}

/// Through a hard link that a test has left outside nothing reaches the next job.
#[test]
fn a_link_from_outside_leads_nowhere_any_more() {
    let host = Host::new();
    let (workspace, _) = host.begin();
    let outside = host.dir.path().join("outside");
    fs::hard_link(workspace.path().join("lib/a"), &outside).unwrap();
    workspace.keep(LIMIT);
    let (workspace, kept) = host.begin();
    hide(&outside, "AAA");
    assert_eq!(
        fs::read_to_string(workspace.path().join("lib/a")).unwrap(),
        "aaa"
    );
    assert!(kept);
}

#[test]
fn two_jobs_at_once_do_not_share_one() {
    let host = Host::new();
    let (first, _) = host.begin();
    let (second, kept) = host.begin();
    assert!(!kept && first.path() != second.path());
    first.keep(LIMIT);
    second.keep(LIMIT);
    assert_eq!(host.kept().len(), 2);
    let (first, second, third) = (host.begin(), host.begin(), host.begin());
    assert!(first.1 && second.1 && !third.1);
}

#[test]
fn of_a_changed_source_only_the_change_is_copied() {
    let host = Host::new();
    host.begin().0.keep(LIMIT);
    let cache = host.cache();
    hide(&cache.tree().join("lib/a"), "AAA");
    fs::remove_file(cache.tree().join("lib/b")).unwrap();
    cache
        .finish_as("another digest that is long enough")
        .unwrap();
    let mut workspace = host.empty(&cache);
    assert!(
        workspace
            .fill_from_kept(&cache, "another digest that is long enough")
            .is_none()
    );
    let filled = workspace.fill_from(&cache).unwrap();
    assert_eq!(
        filled,
        Filled {
            copied: 1,
            bytes: 3,
            removed: 2
        }
    );
    assert_eq!(
        listing(workspace.path(), Path::new("")),
        listing(&cache.tree(), Path::new(""))
    );
}

/// What has to be put back comes from the cache, which may not be what it was.
#[test]
fn a_cache_that_somebody_changed_is_not_taken_for_the_source() {
    let host = Host::new();
    host.begin().0.keep(LIMIT);
    fs::remove_file(host.kept()[0].join("tree/lib/a")).unwrap();
    let cache = host.cache();
    hide(&cache.tree().join("lib/a"), "bad");
    let mut workspace = host.empty(&cache);
    assert!(workspace.fill_from_kept(&cache, DIGEST).is_none());
    assert_eq!(fs::read_dir(workspace.path()).unwrap().count(), 0);
}

#[test]
fn each_is_private_and_gone_with_its_cache() {
    let host = Host::new();
    host.begin().0.keep(LIMIT);
    let kept = host.kept();
    for path in [&kept[0], &kept[0].join("tree"), kept[0].parent().unwrap()] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{}", path.display());
    }
    assert_eq!(host.cache().evict(7 + 6), std::slice::from_ref(&kept[0]));
    assert!(!kept[0].exists() && host.cache().tree().exists());
}

#[test]
fn there_is_a_limit_to_what_is_kept() {
    let host = Host::new();
    host.begin().0.keep(10);
    assert_eq!(host.kept(), Vec::<PathBuf>::new());
    let many: Vec<_> = (0..kept::MOST + 2).map(|_| host.begin().0).collect();
    many.into_iter().for_each(|workspace| workspace.keep(LIMIT));
    assert_eq!(host.kept().len(), kept::MOST);
    let left = fs::read_dir(host.dir.path().join("workspaces")).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn one_in_which_somebody_still_works_is_not_kept() {
    let host = Host::new();
    let (workspace, _) = host.begin();
    let mut sleep = Command::new("sleep");
    sleep
        .arg("1000")
        .current_dir(workspace.path().join("lib"))
        .stdin(Stdio::null());
    let stays = child::spawn(sleep, Options::default()).unwrap();
    workspace.keep(LIMIT);
    assert_eq!(host.kept(), Vec::<PathBuf>::new());
    drop(stays);
}

#[test]
fn a_damaged_record_or_one_of_another_start_of_the_machine_proves_nothing() {
    let spoil: [fn(&Path); 3] = [
        |record| fs::remove_file(record).unwrap(),
        |record| {
            OpenOptions::new()
                .write(true)
                .open(record)
                .unwrap()
                .set_len(200)
                .unwrap()
        },
        |record| {
            let mut bytes = fs::read(record).unwrap();
            bytes[30] ^= 1;
            fs::write(record, bytes).unwrap();
        },
    ];
    for spoiled in spoil {
        let host = Host::new();
        host.begin().0.keep(LIMIT);
        spoiled(&host.kept()[0].join("record"));
        assert!(!host.begin().1);
        assert_eq!(host.kept(), Vec::<PathBuf>::new());
    }
}

#[test]
fn slots_get_what_after_sync_has_made_and_the_next_job_does_not() {
    let host = Host::new();
    for round in 0..3 {
        let cache = host.cache();
        let mut workspace = Workspace::for_slots(&host.workspaces(), &cache, 3).unwrap();
        if workspace.fill_from_kept(&cache, DIGEST).is_none() {
            assert_eq!(round, 0);
            workspace.fill_from(&cache).unwrap();
        }
        let expected = listing(&cache.tree(), Path::new(""));
        let slots = ["slot-1", "slot-2", "slot-3"].map(|slot| workspace.path().join(slot));
        assert!(
            slots
                .iter()
                .all(|slot| listing(slot, Path::new("")) == expected)
        );
        assert_eq!(workspace.first(), slots[0]);
        fs::create_dir(slots[0].join("vendor")).unwrap();
        fs::write(slots[0].join("vendor/gem"), "gem").unwrap();
        hide(&slots[0].join("lib/a"), "AAA");
        fs::remove_file(slots[0].join("lib/b")).unwrap();
        set_time(&slots[0].join("vendor"));
        workspace.follow_first().unwrap();
        let expected = listing(&slots[0], Path::new(""));
        assert!(expected.iter().any(|line| line.starts_with("vendor/gem")));
        assert!(
            slots
                .iter()
                .all(|slot| listing(slot, Path::new("")) == expected)
        );
        workspace.hand_over();
        drop(cache);
        workspace.keep(LIMIT);
        assert_eq!(host.kept().len(), 3);
    }
}

/// A change in the moment after a file was put in place may leave its stamp as it is.
#[test]
fn what_is_too_young_to_be_proven_is_copied_again() {
    let host = Host::new();
    let (workspace, _) = host.begin();
    let record = workspace.trees[0].record.as_ref().unwrap();
    let young = |entry: &&crate::record::Entry| entry.own.is_none();
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    assert!(since.as_secs() > 0 && record.entries.iter().filter(young).count() >= 6);
    workspace.keep(LIMIT);
    let (workspace, kept) = host.begin();
    let record = workspace.trees[0].record.as_ref().unwrap();
    assert!(kept && record.entries.iter().filter(young).count() == 0);
}
