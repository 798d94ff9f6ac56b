//! Trees that are hard to copy, to keep and to remove, and what users set for their own rsync.

use std::{
    fs::{self, File, FileTimes},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use integration::{cluster::Cluster, gate::Gate, home::Home, project::Project, run};

/// Returns the copies of the project's file in the caches of a cluster, and in the workspaces that are kept there.
fn cached(cluster: &Cluster, file: &str) -> Vec<PathBuf> {
    let below = integration::home::files_below(&cluster.home().path().join("run"));
    let name = format!("/tree/{file}");
    let wanted = |path: &PathBuf| path.to_string_lossy().ends_with(&name);
    below.into_iter().filter(wanted).collect()
}

/// A cleaner of old files takes some out of a cache that lies in `/tmp`.
/// <https://github.com/defold/defold/pull/1643>
#[test]
fn a_cache_that_somebody_cleaned_is_pulled_again() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    let gate = Gate::open(cluster.home());
    let spec = "require './gate'\nrequire './lib/one'\nRSpec.describe('a') { it('holds') { Gate.pass('a'); expect([ONE, Dir['lib/*']]).to eq [1, ['lib/one.rb']] } }\n";
    let project = Project::of(
        cluster.home(),
        &[
            ("spec/a_spec.rb", spec),
            ("spec/b_spec.rb", spec),
            ("lib/one.rb", "ONE = 1\n"),
        ],
    );
    gate.write_into(&project);
    // Each host has its workspace before the first file ends, which may else be the end of the job.
    let run_on_both = || {
        let run = cluster.begin(&project, &["spec"]);
        let (one, other) = (gate.next(), gate.next());
        one.release();
        other.release();
        run.finished(run::RUN_LIMIT).exited(0);
    };
    // The second one finds all files older than the filesystem's clock ticks: then no rsync runs.
    for _ in 0..2 {
        run_on_both();
    }
    let spoil: [fn(&Path); 4] = [
        |path| fs::remove_file(path).unwrap(),
        |path| drop(File::create(path).unwrap()),
        |path| fs::write(path.with_file_name("two.rb"), "").unwrap(),
        |path| fs::remove_dir_all(path.parent().unwrap()).unwrap(),
    ];
    for spoiled in spoil {
        // First the caches, then also the workspaces that were kept and served in spite of that.
        for kept in [false, true] {
            cluster.assert_nothing_left();
            let mut copies = cached(&cluster, "lib/one.rb");
            copies.retain(|path| path.to_string_lossy().contains("/kept/") == kept);
            assert_eq!(copies.len(), 2);
            copies.iter().for_each(|path| spoiled(path));
            run_on_both();
        }
    }
    cluster.assert_nothing_left();
}

/// Built from its end: no path to it is short enough.
fn deep_tree(project: &Project) {
    let mut inner = project.path().join("inner");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("f"), "").unwrap();
    for nth in 0..1_300 {
        let outer = project.path().join(format!("outer-{nth}"));
        fs::create_dir(&outer).unwrap();
        fs::rename(&inner, outer.join("down")).unwrap();
        inner = outer;
    }
    fs::rename(&inner, project.path().join("deep")).unwrap();
}

#[test]
fn a_tree_deeper_than_paths_may_be_long_is_one_error_and_the_listeners_live() {
    let cluster = Cluster::start(&[("a", 1)]);
    let spec = "RSpec.describe('a') { it('holds') { expect(1).to eq 1 } }\n";
    let project = Project::of(cluster.home(), &[("spec/a_spec.rb", spec)]);
    deep_tree(&project);
    let says = [
        "deep/down/down",
        "levels deep",
        "File name too long",
        "job.sync.exclude",
    ];
    cluster.run(&project, &["spec"]).exited(2).says(&says);
    let rehearsal = run::run(cluster.home(), &project, &["--local=1", "--sync", "spec"]);
    rehearsal.exited(2).says(&says);
    project.write(
        "gorgon.json",
        r#"{ "job": { "sync": { "exclude": ["deep"] } } }"#,
    );
    cluster.run(&project, &["spec"]).exited(0);
    cluster.assert_nothing_left();
}

/// What a link of the last job leads to is no part of the tree when a directory takes its place.
/// <https://github.com/syncthing/syncthing/issues/1860>, <https://github.com/teemtee/tmt/issues/4764>
#[test]
fn a_link_that_becomes_a_directory_leaves_alone_what_it_led_to() {
    let cluster = Cluster::start(&[("a", 1)]);
    let shared = cluster.home().fresh("shared");
    fs::create_dir_all(shared.join("deep")).unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let write = |path: PathBuf| {
        fs::write(&path, "x").unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_times(FileTimes::new().set_modified(old)).unwrap();
    };
    write(shared.join("deep/f"));
    let reads =
        "RSpec.describe('a') { it('reads') { expect(File.read('data/deep/f')).to eq 'x' } }\n";
    let project = Project::of(cluster.home(), &[("spec/a_spec.rb", reads)]);
    let data = project.path().join("data");
    symlink(&shared, &data).unwrap();
    cluster.run(&project, &["spec"]).exited(0);
    fs::remove_file(&data).unwrap();
    fs::create_dir_all(data.join("deep")).unwrap();
    write(data.join("deep/f"));
    cluster.run(&project, &["spec"]).exited(0);
    let modified = fs::metadata(shared.join("deep/f")).unwrap().modified();
    assert_eq!(modified.unwrap(), old);
    // And back again, to a file, and to a link to it.
    fs::remove_dir_all(&data).unwrap();
    symlink(&shared, &data).unwrap();
    cluster.run(&project, &["spec"]).exited(0);
    cluster.assert_nothing_left();
}

/// Directories in each other, more than a process may have files open.
/// <https://github.com/dotnet/runtime/issues/41195>, <https://github.com/uutils/coreutils/issues/7375>
#[test]
fn a_workspace_of_any_depth_is_removed() {
    let spec = "RSpec.describe('a') { it('digs') { Dir.chdir('spec') { 1100.times { Dir.mkdir('deep', 0o755); Dir.chdir('deep') } ; File.chmod(0o555, '..') } } }\n";
    let home = Home::new();
    let project = Project::of(&home, &[("spec/a_spec.rb", spec)]);
    run::run(&home, &project, &["--local=1", "--sync"]).exited(0);
    home.assert_nothing_left();

    let cluster = Cluster::start(&[("a", 1)]);
    let project = Project::of(cluster.home(), &[("spec/a_spec.rb", spec)]);
    cluster.run(&project, &["spec"]).exited(0);
    cluster.assert_nothing_left();
}

/// A disk image of a gigabyte that takes no room at home takes none on a host.
/// <https://github.com/daytonaio/daytona/pull/4368>, <https://github.com/DonyorM/weresync/issues/41>
#[test]
fn holes_in_files_stay_holes() {
    let spec = "RSpec.describe('a') { it('is small') { image = File.stat('disk.img'); expect([image.size, image.blocks < 2048]).to eq [64 << 20, true]; expect(File.read('disk.img', 3, 32 << 20)).to eq 'mid' } }\n";
    let make = |home: &Home, more: &[(&str, &str)]| {
        let files = [&[("spec/a_spec.rb", spec)], more].concat();
        let project = Project::of(home, &files);
        let image = File::create(project.path().join("disk.img")).unwrap();
        image.set_len(64 << 20).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&image, b"mid", 32 << 20).unwrap();
        project
    };
    let home = Home::new();
    let slots = r#"{ "files": ["spec/*_spec.rb"], "workspace": "slot" }"#;
    let project = make(&home, &[("gorgon.json", slots)]);
    run::run(&home, &project, &["--local=1", "--sync"]).exited(0);
    home.assert_nothing_left();

    let cluster = Cluster::start(&[("a", 1)]);
    let project = make(cluster.home(), &[]);
    cluster.run(&project, &["spec"]).exited(0);
    let from = format!(
        r#"{{ "files": ["spec/*_spec.rb"], "job": {{ "sync": {{ "source_tree_path": "{}" }} }} }}"#,
        project.path().display()
    );
    let pulled = make(cluster.home(), &[("gorgon.json", &from)]);
    cluster.run(&pulled, &[]).exited(0);
    cluster.assert_nothing_left();
}

/// What the user has set for the rsync of every day means nothing for ours.
/// <https://github.com/bit-team/backintime/pull/1351>, <https://github.com/RsyncProject/rsync/issues/825>
#[test]
fn the_users_own_settings_for_rsync_do_not_reach_ours() {
    let home = Home::new();
    let spec = "RSpec.describe('a') { it('is all here') { expect(Dir['**/*é.txt']).to eq ['data/é.txt'] } }\n";
    let project = Project::of(&home, &[("spec/a_spec.rb", spec), ("data/é.txt", "x")]);
    let aliases = "rsync alias --recursive --recursive --exclude=*.txt\n\
                   rsync alias --delete --delete --max-size=1\n\
                   rsync alias --daemon --daemon --port=1\n";
    fs::write(home.path().join("home/.popt"), aliases).unwrap();
    let set = |name: &'static str, value: &'static str| {
        run::start_with(&home, &project, &["--local=1", "--sync"], |command| {
            command.env(name, value);
        })
        .finished(run::RUN_LIMIT)
        .exited(0)
        .verdict("spec/a_spec.rb", "passed");
    };
    set("RSYNC_ICONV", "latin1,utf8");
    set("RSYNC_MAX_ALLOC", "1");
    set("RSYNC_OLD_ARGS", "1");
    set("CVSIGNORE", "*.txt");
    home.assert_nothing_left();
}
