//! Every fixture gives what its `expected.json` says, in place and over RabbitMQ.

use gorgon_process::{
    child::End,
    command::{self, Bounds},
};
use integration::{
    cluster::Cluster, expected, expected::Expected, home::Home, project::Project, run,
};
use serde_json::Value;

fn check(
    how: &str,
    home: &Home,
    run: impl Fn(&Project, &[&str]) -> run::Finished,
    wanted: impl Fn(&Expected) -> bool,
) {
    let mut wrong = Vec::new();
    for name in expected::all() {
        let first = Expected::of(&name);
        if !wanted(&first) {
            continue;
        }
        let project = Project::fixture(home, &name);
        for expected in [&first].into_iter().chain(&first.then) {
            let arguments: Vec<_> = expected.arguments.iter().map(String::as_str).collect();
            let finished = run(&project, &arguments);
            let differences = expected.differences(&name, &project, &finished);
            if !differences.is_empty() {
                let differences = differences.join("\n  ");
                wrong.push(format!("{name} {arguments:?}, {how}:\n  {differences}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// One worker runs all files of a fixture, one after the other, with neither broker nor originator.
#[test]
fn every_fixture_gives_its_outcomes_by_hand() {
    let home = Home::new();
    let mut wrong = Vec::new();
    for name in expected::all() {
        let expected = Expected::of(&name);
        if expected.tries_again {
            continue;
        }
        let project = Project::fixture(&home, &name);
        let mut command = home.command("gorgon-worker");
        command
            .args(["--workspace", "."])
            .current_dir(project.path());
        command.args(expected.files.keys().flat_map(|file| ["--file", file]));
        let (end, said) = match command::run_bounded(
            command,
            &Bounds {
                keep_bytes: 64 << 20,
                ..Bounds::within(run::RUN_LIMIT)
            },
            b"",
        ) {
            Ok(finished) => (Some(End::Exited(0)), finished.stdout),
            Err(error) => (
                error.end(),
                error
                    .said()
                    .map(|said| said.stdout.clone())
                    .unwrap_or_default(),
            ),
        };
        if end != Some(End::Exited(expected.exit)) {
            wrong.push(format!(
                "{name}: ended with {end:?}, right is {}",
                expected.exit
            ));
        }
        let longest = said.lines().map(str::len).max().unwrap_or_default();
        if expected.message_limit_bytes.is_some_and(|n| longest > n) {
            wrong.push(format!("{name}: a message has {longest} bytes"));
        }
        let messages = said
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let finishes: Vec<_> = messages
            .filter(|message| message["action"] == "finish")
            .collect();
        for (file, right) in &expected.files {
            let of_file: Vec<_> = finishes
                .iter()
                .filter(|finish| finish["filename"] == **file)
                .collect();
            let count = |outcome: &str| {
                let tests = of_file
                    .iter()
                    .flat_map(|finish| finish["tests"].as_array().into_iter().flatten());
                tests.filter(|test| test["outcome"] == outcome).count()
            };
            let faults: usize = of_file
                .iter()
                .map(|finish| finish["errors"].as_array().map_or(0, Vec::len))
                .sum();
            let seen = [
                count("passed"),
                count("failed"),
                count("errored") + faults,
                count("skipped"),
            ];
            if of_file.len() != 1 || right.map(|count| count as usize) != seen {
                wrong.push(format!(
                    "{name}: {file}: {} times, {seen:?}, right is {right:?}",
                    of_file.len()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    home.assert_nothing_left();
}

#[test]
fn every_fixture_gives_its_outcomes_in_place() {
    let home = Home::new();
    let run = |project: &Project, arguments: &[&str]| {
        run::run(&home, project, &[&["--local=2"], arguments].concat())
    };
    check("--local=2", &home, run, |_| true);
    home.assert_nothing_left();
}

#[test]
fn every_fixture_gives_its_outcomes_on_two_hosts() {
    let cluster = Cluster::start(&[("a", 2), ("b", 1)]);
    let run = |project: &Project, arguments: &[&str]| cluster.run(project, arguments);
    check("over RabbitMQ", cluster.home(), run, |expected| {
        !expected.local_only
    });
    cluster.assert_nothing_left();
}

#[test]
fn a_rehearsal_copies_the_project_and_leaves_it_as_it_was() {
    let home = Home::new();
    let project = Project::of(
        &home,
        &[(
            "spec/a_spec.rb",
            "RSpec.describe('a') { it('writes') { File.write('made_here', Dir.pwd) } }\n",
        )],
    );
    run::run(&home, &project, &["--local=1", "--sync"])
        .exited(0)
        .reported(&["spec/a_spec.rb"]);
    assert_eq!(project.read("made_here"), "");
    home.assert_nothing_left();
}
