//! A slot in which every file fails alike that passes in another one: it is found out, leaves the job, and costs nothing.

use std::collections::BTreeSet;
use std::fs;

use integration::{
    cluster::Cluster,
    gate::{Gate, Visit},
    home::Home,
    project::Project,
    run::{self, Finished, RUN_LIMIT, Run},
};

const FILES: u32 = 8;

/// Until the test has opened the way, whoever loads a file waits at the gate.
const STAGE: &str = r#"require_relative 'gate'
module Stage
  SLOT = ENV.fetch('GORGON_WORKER_ID')

  def self.way_is_open
    open = File.exist?(File.join(Dir.home, 'open'))
    Gate.pass(SLOT) unless open
    open
  end
end
"#;

/// The database of slot 2 is broken.
const NEEDS_TABLE: &str = "Stage.way_is_open\nraise 'no such table: users' if ENV['TEST_ENV_NUMBER'] == '2' && !File.exist?(File.join(Dir.home, 'mended'))";
/// All files are broken but for those that wait.
const BROKEN: &str = "raise 'broken' if Stage.way_is_open";

fn name(number: u32) -> String {
    format!("spec/f{number}_spec.rb")
}

fn project(home: &Home, gate: &Gate, body: &str) -> Project {
    let project = Project::of(home, &[("stage.rb", STAGE)]);
    for number in 1..=FILES {
        let spec = format!(
            "require_relative '../stage'\n{body}\nRSpec.describe('f{number}') {{ it('works') {{}} }}\n"
        );
        project.write(&name(number), &spec);
    }
    gate.write_into(&project);
    project
}

/// Waits until each slot has its first file, opens the way for further ones, and lets slot 2 go on until all others have
/// ended there. Then slot 1 goes on.
fn play(home: &Home, gate: &Gate, run: &Run) {
    let mut first = [gate.next(), gate.next()];
    first.sort_by_key(|visit| visit.who.name.clone());
    let [one, two]: [Visit; 2] = first;
    assert_eq!((one.who.name.as_str(), two.who.name.as_str()), ("1", "2"));
    fs::write(home.path().join("home/open"), "").unwrap();
    let start = run.event("a start in slot 1", |event| {
        event["event"] == "item_started" && event["worker_id"] == 1
    });
    two.release();
    for file in (1..=FILES)
        .map(name)
        .filter(|file| start["filename"] != **file)
    {
        run.event(&format!("finish of {file}"), |event| {
            event["event"] == "item_finished" && event["filename"] == file.as_str()
        });
    }
    one.release();
}

/// Slot 2 has failed seven files, which passed in slot 1.
fn is_found_out(run: &Finished, hostname: &str) {
    run.exited(0).says(&[
        "is sick and leaves: 7 of 7 files failed there, 0 of 1 elsewhere; 3 of the 7 passed elsewhere",
        &format!("Slot 2 of host '{hostname}' is sick and was sent away: 7 of 7 files failed there, 0 of 1 elsewhere"),
        "The 7 files ran again elsewhere: 7 passed",
        "Its files failed there with RuntimeError: no such table: users (TEST_ENV_NUMBER: 2)",
        "8 files: 8 passed",
    ]);
    // Each file has one result in the end.
    for file in (1..=FILES).map(name) {
        let cases = run.junit().file(&file);
        assert_eq!(cases.len(), 1, "{cases:#?}");
        assert_eq!(cases[0].outcome, "passed");
    }
    // No failure is judged again.
    assert!(!run.stdout.contains("depends on"), "{}", run.stdout);

    let probed = run.events("slot_probed");
    assert_eq!(probed.len(), 1, "{probed:#?}");
    assert_eq!(probed[0]["worker_id"], 2);
    assert_eq!(probed[0]["sick"], true);
    assert_eq!(probed[0]["error"], "RuntimeError: no such table: users");
    assert_eq!(probed[0]["probes"].as_array().unwrap().len(), 3);
    assert_eq!(probed[0]["again"].as_array().unwrap().len(), 4);
    assert_eq!(probed[0]["failed_again"], true);
    assert_eq!(probed[0]["test_env_number"], 2);
    let finishes = run.events("item_finished");
    let there = finishes.iter().filter(|it| it["confirms"].is_u64());
    let there: Vec<_> = there.map(|it| it["worker_id"].as_u64()).collect();
    assert_eq!(there, [Some(2)], "one failed there once more");
    let replaced = finishes.iter().filter(|it| it["replaces"].is_u64());
    let slots: Vec<_> = replaced.map(|it| it["worker_id"].as_u64()).collect();
    assert_eq!(slots, [Some(1); 7]);
    let ended = run.events("worker_ended");
    let ended: BTreeSet<_> = ended.iter().map(|it| it["worker_id"].as_u64()).collect();
    assert_eq!(ended, BTreeSet::from([Some(1), Some(2)]));
    // The host has not failed.
    let left = run.events("host_left");
    assert_eq!(left[0]["reason"], "done");
    assert!(left[0]["error"].is_null(), "{left:#?}");
    let finished = run.events("job_finished")[0];
    assert_eq!(finished["sick_slots"][0]["worker_id"], 2);
    assert_eq!(finished["sick_hosts"].as_array().unwrap().len(), 0);
}

#[test]
fn a_sick_slot_of_this_machine_leaves_and_what_failed_there_passes_in_another() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let project = project(&home, &gate, NEEDS_TABLE);
    let run = run::start(&home, &project, &["--local=2"]);
    play(&home, &gate, &run);
    let run = run.finished(RUN_LIMIT);
    let host = run.events("host_joined")[0]["hostname"].clone();
    is_found_out(&run, host.as_str().unwrap());
    home.assert_nothing_left();
}

#[test]
fn a_sick_slot_of_a_host_leaves_one_job_and_serves_the_next() {
    let cluster = Cluster::start(&[("a", 2)]);
    let gate = Gate::open(cluster.home());
    let project = project(cluster.home(), &gate, NEEDS_TABLE);
    let run = cluster.begin(&project, &[]);
    play(cluster.home(), &gate, &run);
    is_found_out(&run.finished(RUN_LIMIT), "a");

    let directory = cluster.home().path().join("home");
    fs::write(directory.join("mended"), "").unwrap();
    fs::remove_file(directory.join("open")).unwrap();
    let run = cluster.begin(&project, &[]);
    play(cluster.home(), &gate, &run);
    let run = run.finished(RUN_LIMIT);
    run.exited(0).says(&["8 files: 8 passed"]);
    assert!(run.events("slot_probed").is_empty(), "{}", run.stdout);
    cluster.assert_nothing_left();
}

#[test]
fn files_that_no_slot_can_load_cost_a_slot_three_probes_and_not_its_job() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let project = project(&home, &gate, BROKEN);
    let run = run::start(&home, &project, &["--local=2"]);
    play(&home, &gate, &run);
    let run = run.finished(RUN_LIMIT);
    run.exited(1).says(&["8 files: 2 passed, 6 failed"]);
    assert!(!run.stdout.contains("is sick"), "{}", run.stdout);
    let probed = run.events("slot_probed");
    assert_eq!(probed.len(), 1, "{probed:#?}");
    assert_eq!(probed[0]["sick"], false);
    let finishes = run.events("item_finished");
    let again = finishes.iter().filter(|it| it["replaces"].is_u64()).count();
    assert!((1..=3).contains(&again), "probes, and no more: {again}");
    home.assert_nothing_left();
}

/// Slot 2 fails each file at once, from the moment at which a file has passed in slot 1, and slot 1 takes its time.
const QUICK_TO_FAIL: &str =
    "Stage.way_is_open\nraise 'no such table: users' if ENV['TEST_ENV_NUMBER'] == '2'\nsleep 0.05";

#[test]
fn a_sick_slot_that_is_quicker_than_the_others_gets_few_files() {
    const MANY: u32 = 80;
    for options in [&["--local=2"][..], &["--local=2", "--fail-fast=60"]] {
        let home = Home::new();
        let gate = Gate::open(&home);
        let project = project(&home, &gate, QUICK_TO_FAIL);
        for number in FILES + 1..=MANY {
            let spec = format!(
                "require_relative '../stage'\n{QUICK_TO_FAIL}\nRSpec.describe('f{number}') {{ it('works') {{}} }}\n"
            );
            project.write(&name(number), &spec);
        }
        let run = run::start(&home, &project, options);
        let mut first = [gate.next(), gate.next()];
        first.sort_by_key(|visit| visit.who.name.clone());
        let [one, two]: [Visit; 2] = first;
        fs::write(home.path().join("home/open"), "").unwrap();
        one.release();
        run.event("a finish in slot 1", |event| {
            event["event"] == "item_finished" && event["worker_id"] == 1
        });
        two.release();
        let run = run.finished(RUN_LIMIT);
        run.exited(0).says(&["80 files: 80 passed"]);
        let probed = run.events("slot_probed");
        assert_eq!(probed[0]["sick"], true);
        // What lay ahead for two slots, and a few more.
        let failed = probed[0]["failed"].as_u64().unwrap();
        assert!(failed <= 30, "{failed} files failed there first");
        home.assert_nothing_left();
    }
}
