//! The source arrives whole and unchanged, changes are never missed, and failures say what failed.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::Command,
    thread::{self, JoinHandle},
    time::Duration,
};

use crossbeam_channel::{Sender, TryRecvError, bounded};
use gorgon_process::command;
use integration::{cluster::Cluster, home::Home, project::Project, run};

/// A tree with everything that a copy can get wrong, made by a script, and the spec that looks at it.
const TREE: &str = r"set -e
mkdir -p tree/empty tree/real bin
echo hello > tree/real/file.txt
ln -sfn real tree/link-dir
ln -sf real/file.txt tree/link-file
ln -sf nowhere tree/dangling
echo secret > tree/private.txt; chmod 600 tree/private.txt
printf '#!/bin/sh\necho ran\n' > bin/tool; chmod 755 bin/tool
touch -d '2001-02-03 04:05:06 UTC' tree/real/file.txt
echo dash > 'tree/--delete'
";
const LOOKS: &str = r#"RSpec.describe 'tree' do
  it('has links') { expect(File.readlink('tree/link-dir')).to eq 'real'; expect(File.read('tree/link-file')).to eq "hello\n" }
  it('has a dangling link') { expect(File.symlink?('tree/dangling')).to be true }
  it('has an empty directory') { expect(Dir.empty?('tree/empty')).to be true }
  it('runs tools') { expect(`bin/tool`).to eq "ran\n" }
  it('keeps modes and times') { expect(File.stat('tree/private.txt').mode & 0o777).to eq 0o600; expect(File.mtime('tree/real/file.txt').utc.year).to eq 2001 }
  it('has odd names') { expect(File.read('tree/--delete')).to eq "dash\n" }
  it('may be written to') { File.write('tree/real/file.txt', 'changed') }
end
"#;

fn tree(home: &Home) -> Project {
    let project = Project::of(home, &[("spec/a_spec.rb", LOOKS), ("make-tree.sh", TREE)]);
    let mut make = Command::new("sh");
    make.arg("make-tree.sh").current_dir(project.path());
    command::run(make, Duration::from_secs(10), b"").unwrap();
    project
}

/// Home-made copying loses what is odd: <https://github.com/pytest-dev/pytest-xdist/issues/825>,
/// <https://github.com/php-tuf/composer-stager/issues/364>.
#[test]
fn links_modes_times_and_empty_directories_arrive_and_the_users_tree_is_left_alone() {
    let home = Home::new();
    let project = tree(&home);
    run::run(&home, &project, &["--local=1", "--sync"]).exited(0);
    assert_eq!(project.read("tree/real/file.txt"), "hello\n");
    home.assert_nothing_left();

    let cluster = Cluster::start(&[("a", 1)]);
    let project = tree(cluster.home());
    // What one job's tests write is not there for the next, and not in the cache either.
    for _ in 0..2 {
        cluster.run(&project, &["spec"]).exited(0);
    }
    assert_eq!(project.read("tree/real/file.txt"), "hello\n");
    cluster.assert_nothing_left();
}

#[test]
fn a_change_that_hides_from_size_and_time_is_not_missed() {
    let cluster = Cluster::start(&[("a", 1)]);
    let red = "RSpec.describe('a') { it('holds') { expect(1).to eq 2 } }\n";
    let project = Project::of(cluster.home(), &[("spec/a_spec.rb", red)]);
    cluster.run(&project, &["spec"]).exited(1);
    let path = project.path().join("spec/a_spec.rb");
    let modified = fs::metadata(&path).unwrap().modified().unwrap();
    // The same length, and the old time.
    project.write("spec/a_spec.rb", &red.replace("eq 2", "eq 1"));
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(modified)
        .unwrap();
    cluster.run(&project, &["spec"]).exited(0);
    // And a file that is gone is gone there too.
    project.write("spec/b_spec.rb", red);
    cluster.run(&project, &["spec"]).exited(1);
    fs::remove_file(project.path().join("spec/b_spec.rb")).unwrap();
    let gone = "RSpec.describe('a') { it('is alone') { expect(Dir['spec/*']).to eq ['spec/a_spec.rb'] } }\n";
    project.write("spec/a_spec.rb", gone);
    cluster.run(&project, &["spec"]).exited(0);
    cluster.assert_nothing_left();
}

#[test]
fn secrets_stay_at_home() {
    let cluster = Cluster::start(&[("a", 1)]);
    let spec = "RSpec.describe('x') { it('is not here') { expect(Dir['*.{json,pem}'] - ['gorgon.json']).to eq [] } }\n";
    let project = Project::of(
        cluster.home(),
        &[
            ("spec/a_spec.rb", spec),
            ("gorgon.json", r#"{ "files": ["spec/*_spec.rb"] }"#),
            ("gorgon_secret.json", "{}"),
            ("gorgon.pem", "key"),
        ],
    );
    cluster.run(&project, &[]).exited(0);
    cluster.assert_nothing_left();
}

/// Files that come and go, as long as the value lives.
struct Churn(Option<(Sender<()>, JoinHandle<()>)>);

impl Churn {
    fn begin(project: &Project) -> Self {
        let directory = project.path().join("churn");
        fs::create_dir(&directory).unwrap();
        let (stop, stopped) = bounded(0);
        let churn = move || {
            let path = |n: u32| directory.join(format!("{}.tmp", n % 400));
            for n in 0.. {
                if stopped.try_recv() != Err(TryRecvError::Empty) {
                    break;
                }
                fs::write(path(n), "x").unwrap();
                // The one may be gone, as it may be for rsync.
                let _ = fs::remove_file(path(n.wrapping_mul(7)));
            }
        };
        let thread = thread::Builder::new().name("churn".into());
        Self(Some((stop, thread.spawn(churn).unwrap())))
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            thread.join().unwrap();
        }
    }
}

/// rsync ends with 24 when a file vanishes, which others took for a failed copy:
/// <https://github.com/bit-team/backintime/issues/1506>, <https://github.com/RsyncProject/rsync/issues/627>.
/// Its other errors still end the run, as the test below shows.
#[test]
fn files_that_vanish_meanwhile_are_no_failure() {
    const GREEN: &str = "RSpec.describe('neighbour') { it('adds') { expect(1 + 1).to eq 2 }; it('joins') { expect('a' + 'b').to eq 'ab' } }\n";
    let quiet = |run: &run::Finished| {
        run.exited(0).reported(&["spec/a_spec.rb"]);
        assert_eq!(run.junit().counts()["spec/a_spec.rb"].passed, 2);
        assert!(
            !run.stdout.contains("vanished") && !run.stderr.contains("vanished"),
            "{}",
            run.stderr
        );
    };
    let home = Home::new();
    let project = Project::of(&home, &[("spec/a_spec.rb", GREEN)]);
    let churn = Churn::begin(&project);
    for _ in 0..3 {
        quiet(&run::run(&home, &project, &["--local=2", "--sync"]));
    }
    drop(churn);
    home.assert_nothing_left();

    let cluster = Cluster::start(&[("a", 1)]);
    let project = Project::of(cluster.home(), &[("spec/a_spec.rb", GREEN)]);
    let churn = Churn::begin(&project);
    for _ in 0..3 {
        quiet(&cluster.run(&project, &["spec"]));
    }
    drop(churn);
    cluster.assert_nothing_left();
}

#[test]
fn a_source_that_cannot_be_read_ends_the_run_with_its_reason() {
    let cluster = Cluster::start(&[("a", 1)]);
    let project = Project::of(
        cluster.home(),
        &[
            ("spec/a_spec.rb", "RSpec.describe('a') {}\n"),
            (
                "gorgon.json",
                r#"{ "files": ["spec/*_spec.rb"], "job": { "sync": { "source_tree_path": "/nowhere/at/all" } } }"#,
            ),
        ],
    );
    cluster.run(&project, &[]).exited(2).says(&[
        "/nowhere/at/all",
        "1 not run",
        "rsync",
        "failed: No such file or directory",
    ]);
    cluster.assert_nothing_left();
}

/// What is not 24 is a failure, and is told in rsync's own words.
#[test]
fn other_errors_of_rsync_end_the_run_in_its_own_words() {
    let cluster = Cluster::start(&[("a", 1)]);
    // A server that hangs up in the middle of its greeting, as long as somebody calls.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let rude = listener.local_addr().unwrap().port();
    let hang_up = move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"@RSYNCD: 31.0\n");
        }
    };
    // It ends with the test's process.
    thread::Builder::new()
        .name("rude".into())
        .spawn(hang_up)
        .unwrap();
    for (source, words) in [
        ("rsync://127.0.0.1:1/none/".to_owned(), "Connection refused"),
        (format!("rsync://127.0.0.1:{rude}/none/"), "rsync error: "),
    ] {
        let config = format!(
            r#"{{ "files": ["spec/*_spec.rb"], "job": {{ "sync": {{ "source_tree_path": "{source}" }} }} }}"#
        );
        let files = [
            ("spec/a_spec.rb", "RSpec.describe('a') {}\n"),
            ("gorgon.json", &config),
        ];
        let run = cluster.run(&Project::of(cluster.home(), &files), &[]);
        run.exited(2)
            .says(&[words, "1 not run", "no host could get the source"]);
    }
    cluster.assert_nothing_left();
}

/// A machine that is busy for a moment answers a moment later.
#[test]
fn an_address_that_does_not_answer_in_time_is_asked_once_more() {
    let home = Home::new();
    // The first rsync that asks for the manifest ends as one does that has waited in vain; there is but one address.
    let (bin, late) = (home.fresh("bin"), home.fresh("late"));
    fs::create_dir(&bin).unwrap();
    let shim = format!(
        "#!/bin/sh\ncase \"$*\" in */meta/manifest*) first=true;; *) first=false;; esac\n\
         if $first && mkdir {} 2>/dev/null; then\n\
         echo 'rsync error: timeout waiting for daemon connection (code 35) at socket.c(429)' >&2; exit 35\nfi\n\
         PATH=${{PATH#*:}} exec rsync \"$@\"\n",
        late.display()
    );
    fs::write(bin.join("rsync"), shim).unwrap();
    fs::set_permissions(bin.join("rsync"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let spec = "RSpec.describe('a') { it('holds') { expect(1).to eq 1 } }\n";
    let project = Project::of(&home, &[("spec/a_spec.rb", spec)]);
    let run = run::start_with(&home, &project, &["--local=1", "--sync"], |command| {
        command.env("PATH", path);
    });
    run.finished(run::RUN_LIMIT).exited(0);
    assert!(late.exists(), "one was late");
    home.assert_nothing_left();
}

#[test]
fn workspaces_are_for_their_user_alone() {
    let home = Home::new();
    let spec =
        "RSpec.describe('x') { it('is mine') { expect(File.stat('..').mode & 0o77).to eq 0 } }\n";
    let project = Project::of(&home, &[("spec/a_spec.rb", spec)]);
    fs::set_permissions(project.path(), fs::Permissions::from_mode(0o755)).unwrap();
    run::run(&home, &project, &["--local=1", "--sync"]).exited(0);
    home.assert_nothing_left();
}
