//! A workspace serves one job after the other, and none of them can tell.

use std::{fs, path::Path, time::Duration};

use integration::{
    cluster::Cluster,
    project::Project,
    run::RUN_LIMIT,
    wait::{secs, until},
};
use serde_json::json;

const USED: &str = "a workspace of an earlier job is used";

/// Looks whether all is as at home, then leaves nothing as it was.
const VANDAL: &str = r#"require 'fileutils'
RSpec.describe 'source' do
  it 'is as at home' do
    seen = Dir.glob('**/*', File::FNM_DOTMATCH).reject { |path| path.end_with?('.') || path == 'made' }.sort.map do |path|
      stat = File.lstat(path)
      content = stat.file? ? File.read(path) : stat.symlink? ? File.readlink(path) : ''
      format('%s %o %d %s', path, stat.mode, stat.directory? ? 0 : stat.mtime.to_i, content[0, 20].inspect)
    end
    expect(seen).to eq File.readlines('/HOME/expected', chomp: true)
  end
  it 'is spoiled' do
    time = File.mtime('lib/hidden.rb')
    File.write('lib/hidden.rb', "ONE = 9\n")
    File.utime(time, time, 'lib/hidden.rb')
    File.write('lib/longer.rb', 'x' * 100)
    File.delete('lib/gone.rb')
    FileUtils.rm_rf('lib/dir')
    File.write('lib/dir', 'a file')
    File.delete('link')
    File.symlink('lib/longer.rb', 'link')
    File.chmod(0o777, 'lib/mode.rb')
    File.utime(5, 5, 'lib/time.rb')
    FileUtils.mkdir_p('log/deep')
    File.write('log/deep/test.log', 'lines')
    File.symlink('/', 'log/root')
    File.mkfifo('log/pipe')
    File.chmod(0o555, 'log/deep')
    File.chmod(0o700, 'lib')
  end
end
"#;

/// What the spec shall find, as it tells it.
const EXPECT: &str = r#"Dir.chdir(ARGV[0])
puts Dir.glob('**/*', File::FNM_DOTMATCH).reject { |path| path.end_with?('.') || path == 'made' }.sort.map { |path|
  stat = File.lstat(path)
  content = stat.file? ? File.read(path) : stat.symlink? ? File.readlink(path) : ''
  format('%s %o %d %s', path, stat.mode, stat.directory? ? 0 : stat.mtime.to_i, content[0, 20].inspect)
}
"#;

fn vandalized(cluster: &Cluster) -> Project {
    let home = cluster.home().path().display().to_string();
    let vandal = VANDAL.replace("/HOME", &home);
    let one = "ONE = 1\n";
    let mut files = vec![("spec/a_spec.rb", vandal.as_str())];
    for name in [
        "hidden",
        "longer",
        "gone",
        "mode",
        "time",
        "extra",
        "dir/deep/one",
    ] {
        files.push((Box::leak(format!("lib/{name}.rb").into_boxed_str()), one));
    }
    let project = Project::of(cluster.home(), &files);
    std::os::unix::fs::symlink("lib/gone.rb", project.path().join("link")).unwrap();
    project
}

/// Lets plain Ruby write down what there is at home.
fn expect(cluster: &Cluster, project: &Project) {
    let mut ruby = std::process::Command::new("ruby");
    ruby.args(["-e", EXPECT]).arg(project.path());
    let told = gorgon_process::command::run(ruby, secs(20), b"").unwrap();
    fs::write(cluster.home().path().join("expected"), told.stdout).unwrap();
}

#[test]
fn what_the_tests_of_a_job_do_to_the_source_the_next_job_does_not_find() {
    let cluster = Cluster::start(&[("a", 1)]);
    let project = vandalized(&cluster);
    expect(&cluster, &project);
    for _ in 0..4 {
        cluster.run(&project, &["spec"]).exited(0);
        cluster.assert_nothing_left();
    }
    let used = || cluster.host("a").log().matches(USED).count();
    assert!(used() >= 2, "{}", cluster.host("a").log());
    // A changed file is not missed, and nothing else is.
    project.write("lib/gone.rb", "TWO = 1\n");
    fs::remove_file(project.path().join("lib/extra.rb")).unwrap();
    project.write("lib/new.rb", "NEW = 1\n");
    expect(&cluster, &project);
    cluster.run(&project, &["spec"]).exited(0);
    cluster.assert_nothing_left();
}

#[test]
fn slots_find_the_source_too_and_what_after_sync_made() {
    let cluster = Cluster::start(&[("a", 2)]);
    let project = vandalized(&cluster);
    project.write(
        "gorgon.json",
        r#"{ "files": ["spec/*_spec.rb"], "workspace": "slot", "job": { "callbacks": { "after_sync": "made.rb" } } }"#,
    );
    // It is there once, however often it was made before.
    project.write(
        "made.rb",
        "File.open('made', 'a') { |file| file.puts('made') }\n",
    );
    // Else one slot might be so quick that it runs both, and finds what the first one did.
    let meets = MEETS.replace("/HOME", &cluster.home().path().display().to_string());
    let spec = project.read("spec/a_spec.rb").replace(
        "  it 'is as at home' do",
        &format!("{meets}  it 'is as at home' do"),
    );
    let spec = spec.replace(
        "  it 'is spoiled' do",
        "  it('is made') { expect(File.read('made')).to eq \"made\\n\" }\n  it 'is spoiled' do\n    File.delete('made')",
    );
    project.write("spec/a_spec.rb", &spec);
    project.write("spec/b_spec.rb", &spec);
    expect(&cluster, &project);
    let meet = cluster.home().path().join("run/meet");
    for _ in 0..3 {
        fs::create_dir(&meet).unwrap();
        cluster.run(&project, &[]).exited(0);
        cluster.assert_nothing_left();
        fs::remove_dir_all(&meet).unwrap();
    }
    assert!(
        cluster.host("a").log().contains(USED),
        "{}",
        cluster.host("a").log()
    );
}

/// Returns the workspaces that hosts keep below this directory of caches.
fn kept(caches: &Path) -> usize {
    let below = integration::home::files_below(caches);
    let tree = |path: &&std::path::PathBuf| {
        path.ends_with("tree") && path.to_string_lossy().contains("/kept/")
    };
    below.iter().filter(tree).count()
}

/// Each of the two files waits until another directory than its own has been told.
const MEETS: &str = r"  it 'is one of two, in two places' do
    File.write(File.join('/HOME/run/meet', Dir.pwd.tr('/', '_')), '')
    400.times { Dir.children('/HOME/run/meet').size == 2 ? break : sleep(0.05) }
    expect(Dir.children('/HOME/run/meet').size).to eq 2
  end
";

#[test]
fn two_hosts_that_share_a_cache_do_not_share_a_workspace() {
    let mut cluster = Cluster::start(&[]);
    let caches = cluster.home().path().join("run/caches");
    for name in ["a", "b"] {
        cluster.start_host(name, 1, &json!({ "cache_dir": caches }));
        cluster.wait_for_listener(name);
    }
    let meets = MEETS.replace("/HOME", &cluster.home().path().display().to_string());
    let changes = "File.write('spec/one.rb', 'changed')";
    let spec = format!("RSpec.describe 'two hosts' do\n  before {{ {changes} }}\n{meets}end\n");
    let files = [
        ("spec/a_spec.rb", spec.as_str()),
        ("spec/b_spec.rb", &spec),
        ("spec/one.rb", ""),
    ];
    let project = Project::of(cluster.home(), &files);
    let meet = cluster.home().path().join("run/meet");
    for _ in 0..3 {
        fs::create_dir(&meet).unwrap();
        cluster
            .run(&project, &["spec/a_spec.rb", "spec/b_spec.rb"])
            .exited(0);
        cluster.assert_nothing_left();
        fs::remove_dir_all(&meet).unwrap();
    }
    assert!((1..=2).contains(&kept(&caches)), "{}", kept(&caches));
}

const HELD: &str = r"RSpec.describe 'a' do
  it 'finds the source' do
    expect(File.read('spec/one.rb')).to eq 'one'
    File.write('spec/one.rb', 'two')
    File.write('/HOME/run/began', '')
    sleep 1000 if File.exist?('/HOME/run/hold')
  end
end
";

#[test]
fn the_workspace_of_a_killed_job_serves_no_other() {
    let mut cluster = Cluster::start(&[("a", 1)]);
    let run = cluster.home().path().join("run");
    let held = HELD.replace("/HOME", &cluster.home().path().display().to_string());
    let project = Project::of(
        cluster.home(),
        &[("spec/a_spec.rb", &held), ("spec/one.rb", "one")],
    );
    for _ in 0..2 {
        cluster.run(&project, &["spec"]).exited(0);
        cluster.assert_nothing_left();
    }
    fs::remove_file(run.join("began")).unwrap();
    fs::write(run.join("hold"), "").unwrap();
    let job = cluster.begin(&project, &["spec"]);
    until("the test's begin", RUN_LIMIT, || {
        if run.join("began").exists() {
            Ok(())
        } else {
            Err(cluster.logs())
        }
    });
    assert_eq!(kept(&run), 0, "it is the one that was kept");
    fs::remove_file(run.join("hold")).unwrap();
    cluster.restart_host("a");
    job.finished(Duration::from_secs(120)).exited(0);
    cluster.assert_nothing_left();
    cluster.run(&project, &["spec"]).exited(0);
    cluster.assert_nothing_left();
    // A listener that starts anew uses what another one has kept.
    cluster.restart_host("a");
    cluster.wait_for_listener("a");
    cluster.run(&project, &["spec"]).exited(0);
    assert!(
        cluster.host("a").log().contains(USED),
        "{}",
        cluster.host("a").log()
    );
    cluster.assert_nothing_left();
}

/// Tells where it runs and what is cached there, then leaves more than that.
const CACHES: &str = r"RSpec.describe 'an application' do
  it 'finds what is cached, and nothing else' do
    places = File.readlines('/HOME/run/places', chomp: true)
    here = places.count(Dir.pwd)
    File.write('/HOME/run/places', Dir.pwd + 10.chr, mode: 'a')
    expect(Dir.children('tmp/cache').sort).to eq((1..here).map(&:to_s))
    expect(Dir.children('tmp')).to eq ['cache']
    expect(Dir.children('.').sort).to eq %w[config spec tmp]
    File.write('tmp/cache/' + (here + 1).to_s, '')
    File.write('tmp/other', '')
    File.write('spec/other', '')
    if File.exist?('/HOME/run/hold')
      File.write('/HOME/run/held', '')
      sleep 1000
    end
  end
end
";
/// As much of it as makes it one.
const APPLICATION: &str = "class Application < Rails::Application\nend\n";

#[test]
fn an_application_runs_at_one_path_and_finds_what_it_has_cached_there() {
    let mut cluster = Cluster::start(&[("a", 2)]);
    let run = cluster.home().path().join("run");
    let home = cluster.home().path().display().to_string();
    let spec = CACHES.replace("/HOME", &home);
    let files = [
        ("config/application.rb", APPLICATION),
        ("spec/a_spec.rb", spec.as_str()),
    ];
    let project = Project::of(cluster.home(), &files);
    fs::write(run.join("places"), "").unwrap();
    let places = || -> Vec<String> {
        let told = fs::read_to_string(run.join("places")).unwrap();
        told.lines().map(str::to_owned).collect()
    };
    for _ in 0..3 {
        cluster.run(&project, &["spec"]).exited(0);
        cluster.assert_nothing_left();
    }
    let place = places()[0].clone();
    assert!(place.ends_with("-1/1-project"), "{place}");
    assert_eq!(places(), vec![place.clone(); 3]);
    // Two jobs at once have two places, and the next one has the first.
    fs::write(run.join("hold"), "").unwrap();
    let held = cluster.begin(&project, &["spec"]);
    until("the first job's test", RUN_LIMIT, || {
        if run.join("held").exists() {
            Ok(())
        } else {
            Err(cluster.logs())
        }
    });
    fs::remove_file(run.join("hold")).unwrap();
    cluster.run(&project, &["spec"]).exited(0);
    assert!(places()[4].ends_with("-2/1-project"), "{:?}", places());
    // A killed job leaves its place, and nothing in it.
    fs::write(run.join("places"), format!("{}\n", places()[4])).unwrap();
    cluster.restart_host("a");
    held.finished(Duration::from_secs(120)).exited(0);
    cluster.assert_nothing_left();
    cluster.run(&project, &["spec"]).exited(0);
    assert_eq!(places().last(), Some(&place));
    cluster.assert_nothing_left();
}

#[test]
fn beyond_the_cache_limit_nothing_is_kept() {
    let mut cluster = Cluster::start(&[]);
    cluster.start_host("a", 1, &json!({ "cache_limit": "1 KB" }));
    cluster.wait_for_listener("a");
    let spec = "RSpec.describe('a') { it('holds') { expect(1).to eq 1 } }\n";
    let large = "#".repeat(2000);
    let project = Project::of(
        cluster.home(),
        &[("spec/a_spec.rb", spec), ("spec/large.rb", &large)],
    );
    for _ in 0..2 {
        cluster.run(&project, &["spec"]).exited(0);
        cluster.assert_nothing_left();
    }
    assert_eq!(kept(&cluster.home().path().join("run")), 0);
    assert!(
        cluster.host("a").log().contains("cache_limit"),
        "{}",
        cluster.host("a").log()
    );
}
