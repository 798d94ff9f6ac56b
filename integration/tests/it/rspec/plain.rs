//! The same tests by the same names with the same outcomes as in a plain run of RSpec.

use std::collections::BTreeMap;
use std::process::Command;

use gorgon_process::command;
use integration::{expected, expected::Expected, home::Home, project::Project, run};
use serde_json::Value;

/// Fixtures in which the two differ, and why.
const DIFFER: [(&str, &str); 15] = [
    (
        "chdir",
        "a plain run lets one file's working directory reach the next",
    ),
    ("crash-once", "a plain run ends with the crash"),
    ("exit-in-example", "a plain run ends with the exit"),
    (
        "files-to-run-required",
        "a plain run does not have the odd file",
    ),
    ("flaky-names", "the names differ from run to run"),
    ("focus", "a plain run silences the files without a focus"),
    (
        "cause-of-a-failure",
        "a plain run runs nothing when one file cannot be loaded",
    ),
    (
        "load-error",
        "a plain run runs nothing when one file cannot be loaded",
    ),
    ("raising-listener", "a plain run ends with the listener"),
    ("rspec-reset", "a plain run forgets its examples"),
    ("segfault", "a plain run ends with the crash"),
    (
        "deprecations-that-raise",
        "in a plain run the helper of one file is there before the others run",
    ),
    ("signals-to-the-parent", "a plain run's parent is this test"),
    ("leaked-process", "what a plain run leaves nobody ends"),
    ("strange-exceptions", "a plain run ends when it prints them"),
];

/// How often there was a test of this name with this outcome.
type Outcomes = BTreeMap<(String, String), usize>;

fn plainly(home: &Home, project: &Project) -> Option<Outcomes> {
    let report = home.path().join("plain.json");
    let mut command = Command::new("rspec");
    command
        .env_clear()
        .envs(home.environment())
        .args(["--format", "json", "--out"])
        .arg(&report)
        .current_dir(project.path());
    // A failure is no fault here.
    let _ = command::run(command, run::RUN_LIMIT, b"");
    let text = std::fs::read_to_string(report).ok()?;
    let report: Value = serde_json::from_str(&text).ok()?;
    let mut outcomes = Outcomes::new();
    for example in report["examples"].as_array()? {
        let name = example["full_description"].as_str()?.to_owned();
        let outcome = match example["status"].as_str()? {
            "pending" => "skipped",
            other => other,
        };
        *outcomes.entry((name, outcome.to_owned())).or_default() += 1;
    }
    Some(outcomes)
}

fn by_us(home: &Home, project: &Project) -> Outcomes {
    let run = run::run(home, project, &["--local=2"]);
    let mut outcomes = Outcomes::new();
    // One that failed after other files runs once more.
    let first = |it: &&Value| it["review"].is_null();
    for finished in run.events("item_finished").into_iter().filter(first) {
        for test in finished["tests"].as_array().into_iter().flatten() {
            let said = |field: &str| test[field].as_str().unwrap_or_default().to_owned();
            *outcomes.entry((said("name"), said("outcome"))).or_default() += 1;
        }
    }
    outcomes
}

/// Whether a plain run needs nothing that only we give.
fn is_rspec_alone(project: &Project) -> bool {
    let config = project.path().join("gorgon.json");
    let config = std::fs::read_to_string(config).unwrap_or_default();
    project.path().join("spec").is_dir()
        && !project.path().join("test").is_dir()
        && !["callbacks", "env", "isolation"]
            .iter()
            .any(|key| config.contains(key))
}

#[test]
fn fixtures_give_the_names_and_outcomes_of_a_plain_run() {
    let home = Home::new();
    let mut wrong = Vec::new();
    let mut compared = 0;
    for name in expected::all() {
        if DIFFER.iter().any(|(fixture, _)| *fixture == name)
            || Expected::of(&name).tries_again
            || !is_rspec_alone(&Project::fixture(&home, &name))
        {
            continue;
        }
        let plain = plainly(&home, &Project::fixture(&home, &name));
        let Some(plain) = plain else {
            wrong.push(format!("{name}: a plain run has no report"));
            continue;
        };
        compared += 1;
        let ours = by_us(&home, &Project::fixture(&home, &name));
        if plain != ours {
            wrong.push(format!("{name}: plain {plain:#?}\nours {ours:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    assert!(compared > 10, "{compared} fixtures");
}
