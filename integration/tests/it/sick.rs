//! A host on which everything fails that passes elsewhere: it is found out, sent away, and costs nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use integration::{
    cluster::Cluster,
    gate::{Gate, Visit},
    home::Home,
    project::Project,
    run::{Finished, RUN_LIMIT},
};
use serde_json::Value;

const FILES: u32 = 12;

/// Until the test has opened the way, whoever is told so by its host waits at the gate.
const STAGE: &str = r#"require_relative 'gate'
module Stage
  HOST = Dir.pwd[%r{/run/(\w+)/}, 1]

  def self.way_is_open
    open = File.exist?(File.join(Dir.home, 'open'))
    Gate.pass(HOST) unless open
    open
  end

  # What was installed on this host, and perhaps not on another.
  def self.tool
    File.read(Dir.pwd[%r{.*/run/\w+/}] + 'tool')
  end
end
"#;

/// Needs the tool of the host that it runs on.
const NEEDS_TOOL: &str = "Stage.way_is_open\n    Stage.tool";
/// Is broken, and fails on each host; but the first one of a host that has the tool passes.
const BROKEN: &str =
    "open = Stage.way_is_open\n    Stage.tool unless open\n    raise 'broken' if open";

const CALLBACKS: &str = r#"class C < Gorgon::DefaultCallbacks
  def after_creating_workers
    host = Dir.pwd[%r{/run/(\w+)/}, 1]
    File.write(File.join(Dir.home, 'ended'), host + "\n", mode: 'a')
  end
end
Gorgon.callbacks = C.new
"#;

const CONFIG: &str = r#"{
  "files": ["spec/*_spec.rb"],
  "failed_files": "failed.json",
  "job": { "callbacks": { "callbacks_class_file": "callbacks.rb" } }
}"#;

fn name(number: u32) -> String {
    format!("spec/f{number:02}_spec.rb")
}

/// Twelve files, each with a test of this body.
fn project(home: &Home, gate: &Gate, body: &str) -> Project {
    let project = Project::of(
        home,
        &[
            ("gorgon.json", CONFIG),
            ("callbacks.rb", CALLBACKS),
            ("stage.rb", STAGE),
        ],
    );
    for number in 1..=FILES {
        let spec = format!(
            "require_relative '../stage'\nRSpec.describe 'f{number}' do\n  it 'works' do\n    {body}\n  end\nend\n"
        );
        project.write(&name(number), &spec);
    }
    gate.write_into(&project);
    project
}

/// Host a with one slot, and b with so many; only a has the tool.
fn cluster(slots_of_b: u32) -> Cluster {
    let cluster = Cluster::start(&[("a", 1), ("b", slots_of_b)]);
    fs::write(cluster.host("a").directory().join("tool"), "").unwrap();
    cluster
}

fn in_home(cluster: &Cluster, file: &str) -> PathBuf {
    cluster.home().path().join("home").join(file)
}

/// Waits until each slot has its first file, opens the way for further ones, and lets b go on.
/// Returns the file of a, which waits.
fn stage(cluster: &Cluster, gate: &Gate, slots_of_b: u32) -> Visit {
    let mut visits: Vec<Visit> = (0..=slots_of_b).map(|_| gate.next()).collect();
    fs::write(in_home(cluster, "open"), "").unwrap();
    visits.sort_by_key(|visit| visit.who.name.clone());
    let names: Vec<_> = visits.iter().map(|it| it.who.name.clone()).collect();
    assert_eq!(names[0], "a", "each host has a file: {names:?}");
    assert_eq!(names[1], "b", "each host has a file: {names:?}");
    let a = visits.remove(0);
    for b in visits {
        b.release();
    }
    a
}

fn finishes<'a>(run: &'a Finished, host: &str) -> Vec<&'a Value> {
    let mut finishes = run.events("item_finished");
    finishes.retain(|finish| finish["hostname"] == host);
    finishes
}

fn left(run: &Finished, host: &str) -> Value {
    let mut left = run.events("host_left");
    left.retain(|event| event["hostname"] == host);
    assert_eq!(left.len(), 1, "{left:#?}");
    left[0]["reason"].clone()
}

#[test]
fn a_sick_host_is_sent_away_and_what_failed_there_passes_elsewhere() {
    let cluster = cluster(2);
    let gate = Gate::open(cluster.home());
    let project = project(cluster.home(), &gate, NEEDS_TOOL);
    // When all has failed at b one of its slots is busy with one more.
    let last = "require_relative '../stage'\nRSpec.describe('z') { it('holds') { Gate.pass('z') if Stage::HOST == 'b' } }\n";
    project.write("spec/z_spec.rb", last);
    let run = cluster.begin(&project, &["--retries", "2"]);
    let waits = stage(&cluster, &gate, 2);
    let held = gate.next();
    assert_eq!(held.who.name, "z");
    let start = run.event("a start at a", |event| {
        event["event"] == "item_started" && event["hostname"] == "a"
    });
    for file in (1..=FILES).map(name).filter(|it| start["filename"] != **it) {
        run.event(&format!("finish of {file}"), |event| {
            event["event"] == "item_finished" && event["filename"] == file.as_str()
        });
    }
    waits.release();
    // What the sick host still ran is handed back.
    held.closed_within(Duration::from_secs(20));
    let run = run.finished(RUN_LIMIT);
    run.exited(0).says(&[
        "b is sick and leaves: 11 of 11 files failed there, 0 of 1 elsewhere; 3 of the 11 passed elsewhere",
        "Host 'b' is sick and was sent away: 11 of 11 files failed there, 0 of 1 elsewhere",
        "The 11 files ran again elsewhere: 11 passed",
        "No such file or directory",
        "13 tests: 13 passed",
        "13 files: 13 passed",
    ]);
    assert!(!run.stdout.contains("reproduce:"), "{}", run.stdout);

    // Each file has one result in the end: that of a.
    let mut files: Vec<String> = (1..=FILES).map(name).collect();
    files.push("spec/z_spec.rb".to_owned());
    run.reported(&files.iter().map(String::as_str).collect::<Vec<_>>());
    for file in &files {
        let cases = run.junit().file(file);
        assert_eq!(cases.len(), 1, "{cases:#?}");
        assert_eq!(cases[0].outcome, "passed");
    }
    assert_eq!(project.read("failed.json").trim(), "[]");

    // The stream tells the grounds, and which finish takes the place of which.
    let probed = run.events("host_probed");
    assert_eq!(probed.len(), 1, "{probed:#?}");
    assert_eq!(probed[0]["hostname"], "b");
    assert_eq!(probed[0]["sick"], true);
    assert_eq!(probed[0]["failed"], 11);
    assert_eq!(probed[0]["probes"].as_array().unwrap().len(), 3);
    assert_eq!(probed[0]["again"].as_array().unwrap().len(), 8);
    assert_eq!(probed[0]["failed_again"], true);
    let there = finishes(&run, "b");
    let (again, there): (Vec<&Value>, Vec<&Value>) =
        there.into_iter().partition(|it| it["confirms"].is_u64());
    assert_eq!(again.len(), 1, "one failed there once more: {again:#?}");
    let failed: BTreeSet<u64> = there
        .iter()
        .map(|finish| finish["item"].as_u64().unwrap())
        .collect();
    let replaced: Vec<u64> = finishes(&run, "a")
        .iter()
        .filter_map(|finish| finish["replaces"].as_u64())
        .collect();
    assert_eq!(replaced.len(), 11, "each once");
    assert_eq!(replaced.into_iter().collect::<BTreeSet<_>>(), failed);
    assert_eq!(left(&run, "b"), "sick");
    assert_eq!(left(&run, "a"), "done");
    let started = run.events("item_started");
    let tried = started.iter().filter(|start| start["retry"].is_u64());
    assert_eq!(
        tried.count(),
        0,
        "what failed on a sick host is not retried"
    );
    let finished = run.events("job_finished")[0];
    assert_eq!(finished["sick_hosts"][0]["hostname"], "b");
    assert_eq!(
        (&finished["passed"], &finished["files_passed"]),
        (&13.into(), &13.into())
    );

    // The host ended as any other, and serves the next job.
    let ended = fs::read_to_string(in_home(&cluster, "ended")).unwrap();
    let ended: BTreeSet<&str> = ended.lines().collect();
    assert_eq!(ended, BTreeSet::from(["a", "b"]));
    cluster
        .run(&project, &["--only-failures"])
        .exited(0)
        .says(&["no failure is recorded"]);
    fs::write(cluster.host("b").directory().join("tool"), "").unwrap();
    fs::remove_file(in_home(&cluster, "open")).unwrap();
    project.write("spec/z_spec.rb", &last.replace("== 'b'", "== 'c'"));
    let run = cluster.begin(&project, &[]);
    stage(&cluster, &gate, 2).release();
    let run = run.finished(RUN_LIMIT);
    run.exited(0).says(&["13 files: 13 passed"]);
    assert!(!finishes(&run, "b").is_empty(), "b takes part again");
    cluster.assert_nothing_left();
}

#[test]
fn a_suite_that_is_broken_everywhere_costs_no_host_its_job() {
    let cluster = cluster(1);
    let gate = Gate::open(cluster.home());
    let project = project(cluster.home(), &gate, BROKEN);
    let run = cluster.begin(&project, &[]);
    let waits = stage(&cluster, &gate, 1);
    let start = run.event("a start at a", |event| {
        event["event"] == "item_started" && event["hostname"] == "a"
    });
    for file in (1..=FILES)
        .map(name)
        .filter(|file| start["filename"] != **file)
    {
        run.event(&format!("finish of {file}"), |event| {
            event["event"] == "item_finished" && event["filename"] == file.as_str()
        });
    }
    waits.release();
    let run = run.finished(RUN_LIMIT);
    run.exited(1).says(&["12 files: 1 passed, 11 failed"]);
    assert!(!run.stdout.contains("sick"), "{}", run.stdout);
    let probed = run.events("host_probed");
    assert_eq!(probed.len(), 1, "{probed:#?}");
    assert_eq!(probed[0]["sick"], false);
    // The first results stand, with where they are from.
    let first = run.stdout.matches("failed at 'b:1'").count();
    assert_eq!(first, 11, "{}", run.stdout);
    let again = finishes(&run, "a");
    let again = again.iter().filter(|finish| finish["replaces"].is_u64());
    assert!((1..=3).contains(&again.count()), "probes, and no more");
    assert_eq!(left(&run, "b"), "done");
    cluster.assert_nothing_left();
}

#[test]
fn the_only_host_is_not_sent_away_however_sick() {
    let cluster = Cluster::start(&[("b", 2)]);
    let gate = Gate::open(cluster.home());
    let project = project(cluster.home(), &gate, NEEDS_TOOL);
    fs::write(in_home(&cluster, "open"), "").unwrap();
    let run = cluster.run(&project, &[]);
    run.exited(1).says(&["12 files: 12 failed"]);
    assert!(run.events("host_probed").is_empty(), "{}", run.stderr);
    assert_eq!(run.events("item_finished").len(), 12);
    cluster.assert_nothing_left();
}
