//! Several small files in one delivery: each keeps its own result, whatever happens to the others.

use std::collections::BTreeSet;

use gorgon_process::signals::Signal;
use integration::cluster::Cluster;
use integration::gate::Gate;
use integration::home::Home;
use integration::project::Project;
use integration::run::{self, Finished};
use integration::wait::secs;

/// The first twelve of them share a message, in this order.
const COUNT: usize = 24;
const UNLIMITED: &str = r#"{"runtime_file": "times.json"}"#;

fn name(n: usize) -> String {
    format!("spec/f{n:02}_spec.rb")
}

fn names() -> Vec<String> {
    (0..COUNT).map(name).collect()
}

/// A project of files of which it is known that they are small. The second one does something all the same.
fn project(home: &Home, act: &str) -> Project {
    let project = Project::empty(home);
    let times: Vec<String> = names()
        .iter()
        .map(|file| format!("{file:?}: 0.001"))
        .collect();
    project.write("times.json", &format!("{{{}}}", times.join(",")));
    project.write(
        "gorgon.json",
        r#"{"runtime_file": "times.json", "file_timeout": 2}"#,
    );
    for (n, file) in names().iter().enumerate() {
        let act = if n == 1 { act } else { "" };
        let text = format!(
            "RSpec.describe('f{n}') do\n  it('one') {{}}\n  it('two') {{ {act} }}\n  it('three') {{}}\nend\n"
        );
        project.write(file, &text);
    }
    project
}

/// Asserts that all files passed but the second, which ended so.
#[track_caller]
fn only_the_second(run: &Finished, verdict: &str) {
    for file in names() {
        let verdict = if file == name(1) { verdict } else { "passed" };
        // What failed after other files runs once more, to find out whether that matters.
        let first = run
            .events("item_finished")
            .into_iter()
            .find(|event| event["filename"] == *file)
            .unwrap_or_else(|| panic!("no finish of {file}"));
        assert_eq!(first["verdict"], verdict, "{first:#}");
    }
    let files: Vec<String> = run.junit().counts().keys().cloned().collect();
    assert_eq!(files, names());
}

/// Files that came back when what held them was lost: more than one, if they had come together.
fn came_back(run: &Finished) -> BTreeSet<String> {
    let events = run.events("item_redelivered");
    // A review is queued by an event of the same name.
    let lost = events.iter().filter(|event| event["review"].is_null());
    let files = lost.filter_map(|event| event["filename"].as_str());
    files.map(str::to_owned).collect()
}

#[test]
fn whatever_ends_one_of_its_files_is_that_files_alone() {
    for (act, verdict, text) in [
        ("Process.kill(:KILL, $$)", "crashed", "SIGKILL"),
        ("exit!(3)", "crashed", "exit status 3"),
        ("raise 'unlucky'", "failed", "unlucky"),
        ("sleep", "timed_out", "longer than its limit of 2 s"),
    ] {
        let home = Home::new();
        let project = project(&home, act);
        let run = run::run(&home, &project, &["--local=1"]);
        run.exited(1).says(&[text]);
        only_the_second(&run, verdict);
        // What ran before it in its process is named, also of the same delivery.
        if verdict == "failed" {
            run.says(&["--file spec/f00_spec.rb --file spec/f01_spec.rb"]);
        }
        assert_eq!(came_back(&run), BTreeSet::new());
        home.assert_nothing_left();
    }
}

#[test]
fn a_bundle_whose_worker_dies_comes_back_as_single_files() {
    let home = Home::new();
    let project = project(&home, "require_relative '../gate'; Gate.pass('f1')");
    let gate = Gate::open(&home);
    gate.write_into(&project);
    project.write("gorgon.json", UNLIMITED);
    let run = run::start(&home, &project, &["--local=1"]);
    let visit = gate.next();
    // The file before it ended a moment ago, and its child says nothing now.
    run.item_started(&name(1));
    home.process("gorgon-worker").kill_9();
    visit.closed();
    let run = gate.open_until_finished(run);
    run.exited(0);
    only_the_second(&run, "passed");
    // The first file may have been told as passed before.
    let together: BTreeSet<String> = (1..12).map(name).collect();
    assert!(
        came_back(&run).is_superset(&together),
        "{:?}",
        came_back(&run)
    );
    home.assert_nothing_left();
}

/// The lines that a child holds back lie over older, longer ones. What remains of these may begin inside a character.
#[test]
fn names_of_tests_in_any_script_disturb_nothing() {
    let home = Home::new();
    let project = project(&home, "Process.kill(:KILL, $$)");
    for n in [0, 2, 4, 6, 8, 10] {
        let tests: String = (0..30)
            .map(|it| format!("  it('проверяет {it} — «{}»') {{}}\n", "щ".repeat(40 - it)))
            .collect();
        let text = format!("RSpec.describe('файл {n}') do\n{tests}end\n");
        project.write(&name(n), &text);
        for size in 0..2 {
            let text = format!(
                "RSpec.describe('x') {{ it('{}') {{}} }}\n",
                "x".repeat(n + size)
            );
            project.write(&name(n + 12 + size), &text);
        }
    }
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(1);
    assert_eq!(
        run.events("warning").len(),
        0,
        "{:#?}",
        run.events("warning")
    );
    assert_eq!(came_back(&run), BTreeSet::new());
    only_the_second(&run, "crashed");
    home.assert_nothing_left();
}

#[test]
fn a_cancel_stops_between_its_files_and_leaves_the_rest_not_run() {
    let home = Home::new();
    let project = project(&home, "require_relative '../gate'; Gate.pass('f1')");
    let gate = Gate::open(&home);
    gate.write_into(&project);
    let run = run::start(&home, &project, &["--local=1"]);
    let visit = gate.next();
    run.signal(Signal::Int);
    visit.closed();
    let run = run.finished(secs(30));
    run.exited(130).says(&["not run"]);
    let events = run.events("item_finished");
    let finished: Vec<&str> = events
        .iter()
        .filter_map(|it| it["filename"].as_str())
        .collect();
    assert!(finished.len() <= 1, "{finished:?}");
    home.assert_nothing_left();
}

#[test]
fn a_host_that_stops_hands_back_what_has_not_ended() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    let project = project(
        cluster.home(),
        "require_relative '../gate'; Gate.pass('f1')",
    );
    let gate = Gate::open(cluster.home());
    gate.write_into(&project);
    project.write("gorgon.json", UNLIMITED);
    let run = cluster.begin(&project, &[]);
    let visit = gate.next();
    let started = run.item_started(&name(0));
    let host = started["hostname"].as_str().unwrap_or_default();
    cluster.host(host).signal(Signal::Term);
    visit.closed();
    let run = gate.open_until_finished(run);
    run.exited(0);
    only_the_second(&run, "passed");
    assert!(came_back(&run).len() > 1, "{:?}", came_back(&run));
    assert_ne!(run.file(&name(1))["hostname"], host);
    cluster.assert_nothing_left();
}
