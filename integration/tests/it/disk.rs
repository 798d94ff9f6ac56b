//! Disks that are full: of a host, of its tests, of its log. The host says so and drops out, others do its part.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use gorgon_process::command;
use integration::{
    cluster::Cluster,
    gate::Gate,
    home::Home,
    project::Project,
    run::{self, Finished},
    wait::secs,
};
use serde_json::json;

/// A file system of its own in memory. Unmounted when dropped. It needs root, as the tests do.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(place: &Path, kibibytes: u32) -> Self {
        fs::create_dir_all(place).unwrap();
        let mut mount = Command::new("mount");
        let size = format!("size={kibibytes}k,mode=0700");
        mount.args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(place);
        if let Err(error) = command::run(mount, secs(10), b"") {
            panic!(
                "mount a tmpfs, which needs root: {error}: {:?}",
                error.said()
            );
        }
        Self(place.to_owned())
    }

    /// Leaves not a byte free.
    fn fill(&self) {
        let filling = self.0.join("filling");
        let error = fs::write(filling, vec![b'x'; 64 << 20]).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process of a failing test may still hold it.
        let mut umount = Command::new("umount");
        umount.arg("-l").arg(&self.0);
        let _ = command::run(umount, secs(10), b"");
    }
}

const GREEN: &str = "RSpec.describe('x') { it('holds') { expect(1).to eq 1 } }\n";
const FILES: [&str; 3] = ["spec/a_spec.rb", "spec/b_spec.rb", "spec/c_spec.rb"];

/// Three files, and a source of some megabytes.
fn project(home: &Home) -> Project {
    let project = Project::empty(home);
    for file in FILES {
        project.write(file, GREEN);
    }
    for number in 0..8 {
        let text: String = (0..100_000)
            .map(|line| format!("{number} {line}\n"))
            .collect();
        project.write(&format!("data/{number}.txt"), &text);
    }
    project
}

fn all_passed(run: &Finished) {
    run.exited(0).reported(&FILES);
    for file in FILES {
        run.verdict(file, "passed");
    }
}

#[test]
fn a_host_whose_cache_is_full_drops_out_and_the_other_does_its_part() {
    let mut cluster = Cluster::start(&[("roomy", 1)]);
    let place = cluster.home().path().join("small");
    let disk = SmallDisk::mount(&place, 2048);
    for key in ["cache_dir", "workspace_dir"] {
        let name = if key == "cache_dir" { "cache" } else { "work" };
        cluster.start_host(name, 1, &json!({ key: place.join(name) }));
        cluster.wait_for_listener(name);
    }
    let gate = Gate::open(cluster.home());
    let project = project(cluster.home());
    gate.write_into(&project);
    for file in FILES {
        project.write(
            file,
            "require_relative '../gate'\nRSpec.describe('x') { it('waits') { Gate.pass('x') } }\n",
        );
    }
    let run = cluster.begin(&project, &["spec"]);
    // Else the one with room might be done before these two drop out.
    for name in ["cache", "work"] {
        run.event(&format!("end of {name}"), |event| {
            event["event"] == "host_left" && event["hostname"] == name
        });
    }
    let run = gate.open_until_finished(run);
    all_passed(&run);
    run.says(&[
        "Host 'cache' left the job",
        "Host 'work' left the job",
        "No space left on device",
        &place.display().to_string(),
    ]);
    println!("two hosts without room: {:?}", run.took);
    cluster.assert_nothing_left();
    drop(disk);
}

#[test]
fn a_full_disk_of_the_only_host_ends_the_run_with_the_reason() {
    let mut cluster = Cluster::start(&[]);
    let place = cluster.home().path().join("small");
    let disk = SmallDisk::mount(&place, 2048);
    cluster.start_host("cache", 1, &json!({ "cache_dir": place.join("cache") }));
    cluster.wait_for_listener("cache");
    let run = cluster.run(&project(cluster.home()), &["spec"]);
    run.exited(2)
        .says(&["No space left on device", "3 not run"]);
    println!("the only host without room: {:?}", run.took);
    cluster.assert_nothing_left();
    drop(disk);
}

#[test]
fn a_full_tmpdir_ends_a_run_in_place_with_the_reason() {
    let home = Home::new();
    let disk = SmallDisk::mount(&home.path().join("full"), 64);
    disk.fill();
    for arguments in [&["--local=2"][..], &["--local=2", "--sync"]] {
        let run = run::start_with(&home, &project(&home), arguments, |command| {
            command.env("TMPDIR", &disk.0);
        });
        let run = run.finished(secs(60));
        println!("{arguments:?}: {:?} after {:?}", run.end, run.took);
        run.says(&["No space left on device"]);
        assert_ne!(run.end, gorgon_process::child::End::Exited(0));
    }
    drop(disk);
    home.assert_nothing_left();
}

#[test]
fn tests_that_fill_the_disk_fail_for_that_and_the_rest_of_the_run_is_whole() {
    let home = Home::new();
    let disk = SmallDisk::mount(&home.path().join("full"), 4096);
    let project = Project::of(
        &home,
        &[
            (
                FILES[0],
                "RSpec.describe('a') { it('fills') { File.write(\"#{ENV['TMPDIR']}/big\", 'x' * (8 << 20)) } }\n",
            ),
            (
                FILES[1],
                "RSpec.describe('b') { it('prints') { 3000.times { puts 'y' * 1000 }; expect(1).to eq 1 } }\n",
            ),
            (FILES[2], GREEN),
        ],
    );
    let run = run::start_with(&home, &project, &["--local=1"], |command| {
        command.env("TMPDIR", &disk.0);
    });
    let run = run.finished(secs(60));
    run.exited(1)
        .says(&["No space left on device"])
        .verdict(FILES[0], "failed")
        .verdict(FILES[2], "passed");
    println!("a disk filled by a test: {:?}", run.took);
    drop(disk);
    home.assert_nothing_left();
}

#[test]
fn a_log_on_a_full_disk_does_no_harm() {
    let mut cluster = Cluster::start(&[]);
    let disk = SmallDisk::mount(&cluster.home().path().join("full"), 64);
    fs::write(disk.0.join("listener.log"), "").unwrap();
    fs::write(disk.0.join("originator.log"), "").unwrap();
    disk.fill();
    cluster.start_host("a", 1, &json!({ "log_file": disk.0.join("listener.log") }));
    cluster.wait_for_listener("a");
    let project = project(cluster.home());
    let config = json!({ "files": ["spec/*_spec.rb"], "originator_log_file": disk.0.join("originator.log") });
    project.write("gorgon.json", &config.to_string());
    all_passed(&cluster.run(&project, &[]));
    all_passed(&run::run(cluster.home(), &project, &["--local=1"]));
    cluster.assert_nothing_left();
    drop(disk);
}
