//! What of a workspace the next job of its project finds again.

use super::*;

/// A job with the directory `tmp/cache` of the jobs before it, and none of their other files.
fn begin_keeping(host: &Host, slots: u32) -> (Workspace, Vec<PathBuf>) {
    let cache = host.cache();
    let mut workspace = Workspace::for_slots(&host.workspaces(), &cache, slots).unwrap();
    let paths = ["tmp/cache", "../out", "/", "", "lib", "link/x"].map(str::to_owned);
    workspace = workspace.keeping(&paths);
    if workspace.fill_from_kept(&cache, DIGEST).is_none() {
        workspace.fill_from(&cache).unwrap();
    }
    fs::write(workspace.first().join("made"), "").unwrap();
    workspace.follow_first().unwrap();
    workspace.hand_over();
    let trees = workspace.trees.iter().map(|tree| tree.path.clone());
    let trees: Vec<_> = trees.collect();
    let mut expected = listing(&cache.tree(), Path::new(""));
    expected.push("made".to_owned());
    for tree in &trees {
        let mut found = listing(tree, Path::new(""));
        found.retain(|line| !line.starts_with("tmp"));
        assert_eq!(found.len(), expected.len(), "{found:?}");
        assert_eq!(fs::read_dir(tree.join("tmp")).unwrap().count(), 1);
    }
    (workspace, trees)
}

/// Returns the names in `tmp/cache`.
fn cached(tree: &Path) -> Vec<String> {
    let entries = fs::read_dir(tree.join("tmp/cache")).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<_> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn what_is_handed_on_is_found_at_the_same_path_by_the_next_job_alone() {
    let host = Host::new();
    for round in 0..3 {
        let (workspace, trees) = begin_keeping(&host, 2);
        for (nth, tree) in trees.iter().enumerate() {
            let before: Vec<_> = (0..round).map(|it| format!("{nth}-{it}")).collect();
            assert_eq!(cached(tree), before);
            fs::write(tree.join(format!("tmp/cache/{nth}-{round}")), "").unwrap();
            fs::write(tree.join("tmp/other"), "").unwrap();
            fs::write(tree.join("lib/other"), "").unwrap();
        }
        let stem = workspace.path().to_string_lossy().into_owned();
        assert!(stem.ends_with("-1"), "{stem}");
        // A job at the same time has its own.
        let (other, others) = begin_keeping(&host, 1);
        assert_eq!(cached(&others[0]).len(), round, "{round}");
        fs::write(others[0].join(format!("tmp/cache/{round}")), "").unwrap();
        fs::set_permissions(others[0].join("tmp/cache"), Permissions::from_mode(0o500)).unwrap();
        // Also of one that was never kept.
        drop(other);
        workspace.keep(LIMIT);
    }
    assert_eq!(fs::read_dir(host.workspaces()).unwrap().count(), 0);
}

#[test]
fn what_is_handed_on_is_a_directory_inside_of_the_workspace() {
    let host = Host::new();
    let outside = host.dir.path().join("outside");
    fs::create_dir_all(outside.join("cache")).unwrap();
    fs::write(outside.join("cache/users"), "").unwrap();
    let deeds: [&dyn Fn(&Path); 4] = [
        &|_| {},
        &|tree| fs::write(tree.join("tmp"), "").unwrap(),
        &|tree| symlink(&outside, tree.join("tmp")).unwrap(),
        &|tree| {
            fs::create_dir(tree.join("tmp")).unwrap();
            symlink(outside.join("cache"), tree.join("tmp/cache")).unwrap();
        },
    ];
    for (nth, deed) in deeds.iter().enumerate() {
        let (workspace, trees) = begin_keeping(&host, 1);
        assert_eq!(cached(&trees[0]), Vec::<String>::new(), "{nth}");
        fs::remove_dir_all(trees[0].join("tmp")).unwrap();
        deed(&trees[0]);
        workspace.keep(LIMIT);
        assert!(outside.join("cache/users").exists(), "{nth}");
    }
    // More than all may take up together.
    let (workspace, trees) = begin_keeping(&host, 1);
    fs::write(trees[0].join("tmp/cache/large"), [0; 100]).unwrap();
    workspace.keep(99);
    let (workspace, trees) = begin_keeping(&host, 1);
    assert_eq!(cached(&trees[0]), Vec::<String>::new());
    // A source that has something there keeps it, and what was put away waits.
    fs::write(trees[0].join("tmp/cache/small"), "").unwrap();
    workspace.keep(LIMIT);
    let cache = host.cache();
    fs::create_dir_all(cache.tree().join("tmp/cache")).unwrap();
    fs::write(cache.tree().join("tmp/cache/of the source"), "").unwrap();
    cache.finish_as(&"f".repeat(32)).unwrap();
    drop(cache);
    for _ in 0..2 {
        let cache = host.cache();
        let workspace = Workspace::for_slots(&host.workspaces(), &cache, 1).unwrap();
        let mut workspace = workspace.keeping(&["tmp/cache".to_owned()]);
        workspace.fill_from(&cache).unwrap();
        workspace.hand_over();
        assert_eq!(cached(workspace.first()), ["of the source"]);
        fs::write(workspace.first().join("tmp/cache/of a test"), "").unwrap();
        drop(cache);
        workspace.keep(LIMIT);
    }
    // It counts, and goes when all together take up too much.
    let cache = host.cache();
    assert_eq!(kept_paths::list(cache.path()).len(), 1);
    cache.evict(0);
    assert_eq!(kept_paths::list(cache.path()), []);
}
