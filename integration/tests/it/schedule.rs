//! Which file when: history, fail-fast, no worker too many.

use std::time::Duration;

use integration::{
    cluster::Cluster,
    gate::{Gate, Visit},
    home::Home,
    project::Project,
    run,
    run::{Finished, Run},
};

const QUICK: &str = "RSpec.describe('q') { it('holds') { expect(1).to eq 1 } }\n";

fn order(run: &Finished) -> Vec<String> {
    run.events("item_started")
        .iter()
        .map(|event| event["filename"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn without_history_files_come_in_the_order_of_the_globs_and_names() {
    let home = Home::new();
    let project = Project::of(
        &home,
        &[(
            "gorgon.json",
            r#"{ "files": ["spec/z/*_spec.rb", "spec/**/*_spec.rb"] }"#,
        )],
    );
    for name in ["b", "a", "z/c"] {
        project.write(&format!("spec/{name}_spec.rb"), QUICK);
    }
    let run = run::run(&home, &project, &["--local=1"]);
    assert_eq!(
        order(run.exited(0)),
        ["spec/z/c_spec.rb", "spec/a_spec.rb", "spec/b_spec.rb"]
    );
    // What the command line names keeps its order, whatever is known of it.
    let run = run::run(
        &home,
        &project,
        &["--local=1", "spec/b_spec.rb", "spec/a_spec.rb"],
    );
    assert_eq!(order(run.exited(0)), ["spec/b_spec.rb", "spec/a_spec.rb"]);
}

#[test]
fn a_runtime_file_out_of_date_still_puts_the_longest_first_and_is_brought_up_to_date() {
    let home = Home::new();
    let history =
        r#"{ "spec/gone_spec.rb": 99.0, "spec/slow_spec.rb": 1.2, "spec/a_spec.rb": 0.5 }"#;
    let config = r#"{ "files": ["spec/**/*_spec.rb"], "runtime_file": "runtime.json" }"#;
    let project = Project::of(&home, &[("gorgon.json", config), ("runtime.json", history)]);
    for name in ["new", "a", "slow"] {
        project.write(&format!("spec/{name}_spec.rb"), QUICK);
    }
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(0)
        .reported(&["spec/a_spec.rb", "spec/new_spec.rb", "spec/slow_spec.rb"]);
    assert_eq!(order(&run)[0], "spec/slow_spec.rb");
    let kept: serde_json::Value = serde_json::from_str(&project.read("runtime.json")).unwrap();
    let mut names: Vec<_> = kept.as_object().unwrap().keys().cloned().collect();
    names.sort();
    assert_eq!(
        names,
        ["spec/a_spec.rb", "spec/new_spec.rb", "spec/slow_spec.rb"]
    );
}

#[test]
fn with_history_the_longest_file_goes_first() {
    let home = Home::new();
    // Longer than all that went before, however long the machine took for that.
    let slow =
        "RSpec.describe('s') { it('takes its time') { sleep(Time.now - File.mtime(__FILE__)) } }\n";
    let project = Project::of(
        &home,
        &[
            ("spec/a_spec.rb", QUICK),
            ("spec/b_spec.rb", QUICK),
            ("spec/c_spec.rb", slow),
        ],
    );
    run::run(&home, &project, &["--local=1"]).exited(0);
    let run = run::run(&home, &project, &["--local=1"]);
    assert_eq!(order(run.exited(0))[0], "spec/c_spec.rb");
}

/// One file fails while another waits at the gate, before twelve that nobody is to reach.
///
/// Others let one worker stop and the rest run on: <https://github.com/rails/rails/issues/41336>,
/// <https://github.com/grosser/parallel_tests/issues/311>.
fn fail_fast(home: &Home, begin: impl Fn(&Project, &[&str]) -> Run) {
    let gate = Gate::open(home);
    let fails = "RSpec.describe('a') { it('fails') { Gate.pass('a'); expect(1).to eq 2 } }\n";
    let project = Project::of(home, &[]);
    gate.write_into(&project);
    let gated = |text: &str| format!("require_relative '../gate'\n{text}");
    project.write("spec/a_spec.rb", &gated(fails));
    // A second in which the word that ends the job would cut it off.
    let waits =
        "RSpec.describe('b') { it('waits') { Gate.pass('b'); sleep 1; expect(1).to eq 1 } }\n";
    project.write("spec/b_spec.rb", &gated(waits));
    // Whoever is free may take some before the word comes; at the gate none of these ends before it.
    let others =
        "RSpec.describe('s') { it('is one of many') { Gate.pass(File.basename(__FILE__)) } }\n";
    for number in 0..12 {
        project.write(&format!("spec/s{number:02}_spec.rb"), &gated(others));
    }
    let run = begin(&project, &["--fail-fast", "spec"]);
    let (mut first, mut second) = (gate.next(), gate.next());
    if first.who.name == "b" {
        std::mem::swap(&mut first, &mut second);
    }
    first.release();
    run.event("finish of a", |event| event["event"] == "item_finished");
    second.release();
    // The originator that tells of one of these has given that word before.
    while run.runs_for(Duration::ZERO) {
        if let Some(visit) = gate.next_within(Duration::from_millis(50)) {
            run.item_started(&format!("spec/{}", visit.who.name));
            visit.release();
        }
    }
    let run = run.finished(run::RUN_LIMIT);
    run.exited(1);
    run.verdict("spec/a_spec.rb", "failed")
        .verdict("spec/b_spec.rb", "passed");
    let counts = run.junit().counts();
    let last = run.events.last().expect("a last event");
    assert_eq!(last["ending"], "fail_fast", "{last}");
    assert_eq!(last["unfinished"], serde_json::json!([]), "{last}");
    let not_run = last["not_run"].as_array().expect("files not run").len();
    assert!((8..=12).contains(&not_run), "{last}");
    assert_eq!(counts.len() + not_run, 14, "{counts:?}");
    assert_eq!(counts["spec/a_spec.rb"].failed, 1);
    run.says(&["Files not run", "spec/s11_spec.rb"]);
}

#[test]
fn fail_fast_lets_running_files_end_leaves_the_rest_and_never_calls_it_passed() {
    let home = Home::new();
    fail_fast(&home, |project, arguments| {
        run::start(&home, project, &[&["--local=2"], arguments].concat())
    });
    home.assert_nothing_left();
}

#[test]
fn fail_fast_does_the_same_over_rabbitmq() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    fail_fast(cluster.home(), |project, arguments| {
        cluster.begin(project, arguments)
    });
    cluster.assert_nothing_left();
}

#[test]
fn a_second_run_in_the_same_place_has_numbers_of_its_own() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let spec =
        "require_relative '../gate'\nRSpec.describe('n') { it('waits') { Gate.pass('n') } }\n";
    let project = Project::of(&home, &[("spec/a_spec.rb", spec)]);
    gate.write_into(&project);
    let first = run::start(&home, &project, &["--local=1"]);
    let one = gate.next();
    let second = run::start(&home, &project, &["--local=1"]);
    let two = gate.next();
    assert_eq!(
        (
            one.who.test_env_number.as_str(),
            two.who.test_env_number.as_str()
        ),
        ("", "2")
    );
    one.release();
    two.release();
    first.finished(run::RUN_LIMIT).exited(0);
    second
        .finished(run::RUN_LIMIT)
        .exited(0)
        .says(&["TEST_ENV_NUMBER of slot 1 is 2"]);
    home.assert_nothing_left();
}

/// Two checkouts of one application have the same databases.
#[test]
fn runs_of_two_projects_have_numbers_of_their_own_unless_they_are_told_apart() {
    let home = Home::new();
    let gate = Gate::open(&home);
    let spec =
        "require_relative '../gate'\nRSpec.describe('n') { it('waits') { Gate.pass('n') } }\n";
    let projects = [(); 3].map(|()| {
        let project = Project::of(&home, &[("spec/a_spec.rb", spec)]);
        gate.write_into(&project);
        project
    });
    let [first, second, third] = &projects;
    let first = run::start(&home, first, &["--local=1"]);
    let one = gate.next();
    let second = run::start(&home, second, &["--local=1"]);
    let two = gate.next();
    let third = run::start_with(&home, third, &["--local=1"], |command| {
        let scope = home.path().join("third");
        command.env("GORGON_NUMBERS", scope);
    });
    let three = gate.next();
    let visits = [one, two, three];
    let numbers = visits.each_ref().map(|visit| &visit.who.test_env_number);
    assert_eq!(numbers, ["", "2", ""]);
    visits.into_iter().for_each(Visit::release);
    first.finished(run::RUN_LIMIT).exited(0);
    second
        .finished(run::RUN_LIMIT)
        .exited(0)
        .says(&["TEST_ENV_NUMBER of slot 1 is 2"]);
    let third = third.finished(run::RUN_LIMIT);
    third.exited(0);
    assert!(
        !third.stdout.contains("TEST_ENV_NUMBER"),
        "{}",
        third.stdout
    );
    home.assert_nothing_left();
}

#[test]
fn two_listeners_of_one_machine_have_numbers_of_their_own() {
    let cluster = Cluster::start(&[("a", 1), ("b", 1)]);
    let gate = Gate::open(cluster.home());
    let spec = |name: &str| {
        format!(
            "require_relative '../gate'\nRSpec.describe('n') {{ it('waits') {{ Gate.pass('{name}') }} }}\n"
        )
    };
    let (one, two) = (spec("one"), spec("two"));
    let project = Project::of(
        cluster.home(),
        &[("spec/a_spec.rb", &one), ("spec/b_spec.rb", &two)],
    );
    gate.write_into(&project);
    let run = cluster.begin(&project, &[]);
    let visits = [gate.next(), gate.next()];
    let mut numbers = visits
        .each_ref()
        .map(|visit| visit.who.test_env_number.clone());
    numbers.sort();
    assert_eq!(numbers, ["", "2"]);
    visits.into_iter().for_each(Visit::release);
    run.finished(run::RUN_LIMIT).exited(0);
    cluster.assert_nothing_left();
}
