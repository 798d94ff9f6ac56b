//! What a test does in a workspace never reaches the developer's own repository or files.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::Command,
    time::Duration,
};

use gorgon_process::command;
use integration::{cluster::Cluster, home::Home, project::Project, run};

/// Runs `git` as somebody without any configuration, and returns what it prints.
fn git(home: &Home, directory: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=a", "-c", "user.email=a@b"])
        .args(["-c", "protocol.file.allow=always"])
        .args(arguments)
        .current_dir(directory)
        .env("HOME", home.path())
        .env("GIT_CONFIG_NOSYSTEM", "1");
    command::run(git, Duration::from_secs(30), b"")
        .unwrap_or_else(|error| panic!("git {arguments:?}: {error}"))
        .stdout
}

/// Stages a file, as a careless test of a release script does, and writes through a link.
const WRITES: &str = r#"RSpec.describe 'a test' do
  it 'stages what it made' do
    File.write('new.txt', 'x')
    system('git', 'add', 'new.txt', %i[out err] => File::NULL)
    File.write('link.txt', 'changed') if File.symlink?('link.txt')
    system('git', 'worktree', 'repair', %i[out err] => File::NULL)
  end
end
"#;

fn repository(home: &Home) -> Project {
    let project = Project::of(home, &[("spec/a_spec.rb", WRITES), ("kept.txt", "kept")]);
    git(home, project.path(), &["init", "-q"]);
    let kept = project.path().join("kept.txt");
    symlink(kept, project.path().join("link.txt")).expect("a link");
    git(home, project.path(), &["add", "."]);
    git(home, project.path(), &["commit", "-q", "-m", "a"]);
    project
}

/// Runs the project in workspaces: here, and on a host. Nothing of what it did is seen.
#[track_caller]
fn run_in_workspaces(cluster: &Cluster, project: &Project, status: &dyn Fn() -> String) {
    let before = status();
    let here = run::run(cluster.home(), project, &["--local=1", "--sync"]);
    here.exited(0);
    assert_eq!(status(), before, "--local --sync");
    cluster.run(project, &["spec"]).exited(0);
    assert_eq!(status(), before, "on a host");
    assert_eq!(project.read("kept.txt"), "kept");
}

#[test]
fn the_index_of_a_worktree_is_its_developers() {
    let cluster = Cluster::start(&[("a", 1)]);
    let home = cluster.home();
    let main = repository(home);
    let place = home.fresh("worktree");
    let path = place.to_str().expect("a plain path");
    git(home, main.path(), &["worktree", "add", "-q", path]);
    let worktree = Project::at(place.clone());
    let link = place.join("link.txt");
    fs::remove_file(&link).expect("the link of the main worktree");
    symlink(place.join("kept.txt"), link).expect("a link");
    let pointer = worktree.read(".git");
    let status = || git(home, &place, &["status", "--porcelain"]);
    run_in_workspaces(&cluster, &worktree, &status);
    let run = run::run(home, &worktree, &["--local=1", "--sync"]);
    run.says(&["hint: .git is not synced, a file that names "]);
    // The repository itself travels, and knows nothing of worktrees elsewhere.
    run_in_workspaces(&cluster, &main, &status);
    assert_eq!(worktree.read(".git"), pointer);
    cluster.assert_nothing_left();
}

#[test]
fn the_index_of_a_submodule_is_its_developers() {
    let cluster = Cluster::start(&[("a", 1)]);
    let home = cluster.home();
    let library = repository(home);
    let engine = "RSpec.describe('a') { it('stages') { Dir.chdir('lib/engine') { File.write('new.txt', 'x'); expect(system('git add new.txt')).to be true } } }\n";
    let app = Project::of(home, &[("spec/a_spec.rb", engine), ("kept.txt", "kept")]);
    git(home, app.path(), &["init", "-q"]);
    let url = library.path().to_str().expect("a plain path");
    git(
        home,
        app.path(),
        &["submodule", "--quiet", "add", url, "lib/engine"],
    );
    let place = app.path().join("lib/engine");
    let status = || git(home, &place, &["status", "--porcelain"]);
    // The whole repository has its own submodule in a workspace.
    run_in_workspaces(&cluster, &app, &status);
    // The submodule alone has none.
    run_in_workspaces(&cluster, &Project::at(place.clone()), &status);
    cluster.assert_nothing_left();
}

#[test]
fn a_repository_whose_worktree_is_said_by_its_absolute_path_stays_at_home() {
    let cluster = Cluster::start(&[("a", 1)]);
    let home = cluster.home();
    let project = repository(home);
    let path = project.path().to_str().expect("a plain path");
    git(home, project.path(), &["config", "core.worktree", path]);
    project.write(
        "spec/a_spec.rb",
        "RSpec.describe('a') { it('takes back') { File.write('kept.txt', 'x'); system('git checkout -q -f', %i[out err] => File::NULL); expect(File.read('kept.txt')).to eq 'x' } }\n",
    );
    let status = || git(home, project.path(), &["status", "--porcelain"]);
    run_in_workspaces(&cluster, &project, &status);
    cluster.assert_nothing_left();
}

/// A hook of Git has the repository in its environment, and a workspace may lie in somebody's repository.
#[test]
fn git_in_a_workspace_finds_no_repository_around_it() {
    let home = Home::new();
    git(&home, home.path(), &["init", "-q"]);
    let project = Project::of(&home, &[("spec/a_spec.rb", WRITES)]);
    let index = || git(&home, home.path(), &["ls-files"]);
    let root = home.path().to_str().expect("a plain path");
    let git_dir = format!("{root}/.git");
    for in_hook in [false, true] {
        run::start_with(&home, &project, &["--local=1", "--sync"], |command| {
            command.env("TMPDIR", root);
            if in_hook {
                command.env("GIT_DIR", &git_dir).env("GIT_WORK_TREE", root);
            }
        })
        .finished(run::RUN_LIMIT)
        .exited(0);
        assert_eq!(index(), "", "in a hook: {in_hook}");
    }
}

#[test]
fn a_socket_in_the_tree_is_named() {
    let cluster = Cluster::start(&[("a", 1)]);
    let home = cluster.home();
    let project = Project::of(home, &[("spec/a_spec.rb", WRITES)]);
    let _socket = UnixListener::bind(project.path().join("s.sock")).expect("a socket");
    let says = &["warning: ", "s.sock (a socket)"];
    let here = run::run(home, &project, &["--local=1", "--sync", "-q"]);
    here.exited(0).says(says);
    cluster.run(&project, &["spec"]).exited(0).says(says);
    let in_place = run::run(home, &project, &["--local=1"]);
    in_place.exited(0);
    assert!(!in_place.stderr.contains("s.sock"), "{}", in_place.stderr);
    cluster.assert_nothing_left();
}
