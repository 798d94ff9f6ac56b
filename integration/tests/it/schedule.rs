//! Which file when: history, fail-fast, no worker too many.

use integration::{home::Home, project::Project, run, run::Finished};

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
    let slow = "RSpec.describe('s') { it('takes its time') { sleep 0.4 } }\n";
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

#[test]
fn fail_fast_leaves_the_rest_and_never_calls_it_passed() {
    let home = Home::new();
    let project = Project::of(
        &home,
        &[(
            "spec/a_spec.rb",
            "RSpec.describe('a') { it('fails') { expect(1).to eq 2 } }\n",
        )],
    );
    for number in 0..12 {
        project.write(
            &format!("spec/s{number:02}_spec.rb"),
            "RSpec.describe('s') { it('sleeps') { sleep 0.3 } }\n",
        );
    }
    let run = run::run(&home, &project, &["--local=2", "--fail-fast"]);
    run.exited(1);
    let finished = run.events("item_finished").len();
    assert!(finished <= 6, "{finished} files were finished");
    assert_eq!(run.junit().counts()["spec/a_spec.rb"].failed, 1);
    run.says(&["spec/s11_spec.rb"]);
    home.assert_nothing_left();
}

#[test]
fn a_second_run_in_the_same_place_has_numbers_of_its_own() {
    let home = Home::new();
    let gate = integration::gate::Gate::open(&home);
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
    second.finished(run::RUN_LIMIT).exited(0);
    home.assert_nothing_left();
}
