//! What resists, holds on, or has no other end: nothing waits for it without a bound.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use gorgon_process::command;
use integration::{
    cluster::Cluster,
    gate::Gate,
    home::Home,
    processes,
    project::Project,
    run,
    wait::{secs, until},
};
use serde_json::json;

const GREEN: (&str, &str) = (
    "spec/b_spec.rb",
    "RSpec.describe('b') { it('holds') { expect(1).to eq 1 } }\n",
);

const GATED: (&str, &str) = (
    "spec/b_spec.rb",
    "require_relative '../gate'\nRSpec.describe('b') { it('waits') { Gate.pass('b') } }\n",
);

#[test]
fn a_file_that_ignores_int_and_term_is_killed_at_its_limit() {
    let stubborn =
        "RSpec.describe('s') { it('resists') { %w[INT TERM HUP].each { |name| trap(name) {} }
      begin; sleep; rescue Exception; retry; end } }\n";
    let home = Home::new();
    let project = Project::of(&home, &[("spec/a_spec.rb", stubborn), GREEN]);
    let run = run::run(&home, &project, &["--local=1", "--file-timeout", "4"]);
    run.exited(1)
        .verdict("spec/a_spec.rb", "timed_out")
        .verdict(GREEN.0, "passed");
    println!("a file that resists, limit 4 s: {:?}", run.took);
    home.assert_nothing_left();
}

/// A daemon of a test holds its stdout, its stderr and whatever else it inherits.
#[test]
fn a_grandchild_that_holds_every_pipe_holds_nobody_up() {
    let daemon = "RSpec.describe('d') { it('leaves a daemon') {
      fork { Process.setsid; fork { %w[INT TERM HUP].each { |name| trap(name, 'IGNORE') }; sleep 300 }; exit! }
      Process.spawn('setsid sleep 300', close_others: false)
      expect(1).to eq 1 } }\n";
    let home = Home::new();
    let project = Project::of(&home, &[("spec/a_spec.rb", daemon), GREEN]);
    for arguments in [&["--local=1"][..], &["--local=2", "--sync"]] {
        let run = run::run(&home, &project, arguments);
        run.exited(0)
            .verdict("spec/a_spec.rb", "passed")
            .verdict(GREEN.0, "passed");
        println!("a daemon that holds pipes: {:?}", run.took);
        home.assert_nothing_left();
    }
}

#[test]
fn a_pipe_without_another_end_is_given_up() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN]);
    let fifo = |path: &std::path::Path| {
        let _ = fs::remove_file(path);
        let mut make = Command::new("mkfifo");
        make.arg(path);
        command::run(make, secs(5), b"").unwrap();
    };
    run::run(&home, &project, &["--local=1"]).exited(0);
    let kept = fs::read_dir(home.path().join("cache/gorgon")).unwrap();
    let history = kept
        .flatten()
        .map(|entry| entry.path().join("history.json"))
        .find(|path| path.exists())
        .unwrap();
    fifo(&history);
    // Nothing but speed depends on it, and it is made anew.
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(0).says(&["cannot read the history"]);
    println!("a pipe for a history: {:?}", run.took);
    assert!(history.is_file());
    for name in ["gorgon.json", "gorgon_secret.json"] {
        let path = project.path().join(name);
        fifo(&path);
        let run = run::run(&home, &project, &["--local=1"]);
        run.exited(3)
            .says(&[name, "nobody was at its other end for 5 s"]);
        fs::remove_file(path).unwrap();
    }
    home.assert_nothing_left();
}

/// An rsync that is killed whenever it pulls to a host of this name, and else does its work.
fn killed_rsync(cluster: &Cluster, host: &str) -> PathBuf {
    let tools = cluster.home().path().join("tools");
    fs::create_dir(&tools).unwrap();
    let real = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .map(|directory| directory.join("rsync"))
        .find(|path| path.is_file())
        .expect("an rsync: make setup");
    let text = format!(
        "#!/bin/sh\ncase \"$*\" in */run/{host}/cache*) echo x >> '{}'; kill -KILL $$;; esac\nexec '{}' \"$@\"\n",
        tools.join("killed").display(),
        real.display()
    );
    fs::write(tools.join("rsync"), text).unwrap();
    fs::set_permissions(tools.join("rsync"), fs::Permissions::from_mode(0o755)).unwrap();
    tools
}

/// Kills the rsync that pulls to a host, each time that it is seen.
fn kill_pulls(cluster: &Cluster, host: &str) -> u32 {
    let place = format!("/run/{host}/cache");
    let mut killed = 0;
    for process in cluster.home().processes() {
        let pulls = process.program == "rsync" && process.arguments.contains(&place);
        if pulls && processes::runs(process.pid) {
            // It may end by itself meanwhile.
            let kill = || processes::signal(process.pid, "KILL");
            killed += u32::from(std::panic::catch_unwind(kill).is_ok());
        }
    }
    killed
}

/// A project that takes rsync long enough to be seen.
fn large(cluster: &Cluster) -> Project {
    let project = Project::of(cluster.home(), &[GREEN]);
    let block: Vec<u8> = (0..64 << 20)
        .map(|n: u32| n.wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect();
    for number in 0..4 {
        fs::write(project.path().join(format!("big-{number}")), &block).unwrap();
    }
    project
}

#[test]
fn a_host_on_which_every_rsync_is_killed_drops_out_and_alone_it_ends_the_run() {
    for (hosts, status) in [(&["a", "b"][..], 0), (&["a"][..], 2)] {
        let mut cluster = Cluster::start(&[]);
        let tools = killed_rsync(&cluster, "a");
        for name in hosts {
            cluster.start_host_as(name, 1, &json!({}), |mut command| {
                let path = std::env::var("PATH").unwrap();
                command.env("PATH", format!("{}:{path}", tools.display()));
                command
            });
            cluster.wait_for_listener(name);
        }
        let gate = Gate::open(cluster.home());
        let project = Project::of(cluster.home(), &[GATED]);
        gate.write_into(&project);
        let run = cluster.begin(&project, &["spec"]);
        // Else the other might be done before this one has tried for the last time.
        run.event("end of a", |event| {
            event["event"] == "host_left"
                && event["hostname"] == "a"
                && event["reason"] == "sync_failed"
        });
        let run = gate.open_until_finished(run);
        run.exited(status).says(&["rsync", "SIGKILL"]);
        if status == 0 {
            run.verdict(GATED.0, "passed");
        }
        let killed = fs::read_to_string(tools.join("killed")).unwrap();
        let killed = killed.lines().count();
        println!("{killed} rsyncs killed, {status}: {:?}", run.took);
        cluster.assert_nothing_left();
    }
}

#[test]
fn an_rsync_that_is_killed_in_mid_pull_costs_the_job_nothing() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    let project = large(&cluster);
    let run = cluster.begin(&project, &["spec"]);
    until("an rsync that pulls to a", secs(30), || {
        if kill_pulls(&cluster, "a") > 0 {
            Ok(())
        } else {
            Err(())
        }
    });
    let run = run.finished(secs(90));
    run.exited(0).verdict(GREEN.0, "passed");
    println!("an rsync killed: {:?}", run.took);
    cluster.assert_nothing_left();
}

/// The other four begin a job, and end it: `callbacks.rs`.
#[test]
fn a_callback_of_the_end_that_never_returns_is_ended_at_its_limit() {
    let home = Home::new();
    // It is the limit of those too that do nothing, and of Ruby's start for them.
    let config = r#"{ "files": ["spec/*_spec.rb"], "callback_timeout": 5,
      "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } } }"#;
    for (name, status, said) in [
        ("after_complete", 1, "it did not end within 5 s"),
        (
            "after_creating_workers",
            0,
            "took longer than its limit of 5 s",
        ),
        ("after_job_finishes", 0, "was killed after 5 s"),
    ] {
        let class = format!(
            "class C < Gorgon::DefaultCallbacks\n  def {name}; sleep 300; end\nend\nGorgon.callbacks = C.new\n"
        );
        let files = [("gorgon.json", config), ("callbacks.rb", &class), GREEN];
        let run = run::run(&home, &Project::of(&home, &files), &["--local=1"]);
        run.exited(status)
            .says(&[name, said])
            .verdict(GREEN.0, "passed");
        // Where it was is shown, and nothing of ours.
        assert!(!run.stdout.contains("child.rb"), "{}", run.stdout);
        println!("{name} without end, limit 5 s: {:?}", run.took);
        home.assert_nothing_left();
    }
}
