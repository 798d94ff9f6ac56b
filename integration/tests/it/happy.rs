//! Every fixture gives what its `expected.json` says, in place and over RabbitMQ.

use integration::{
    cluster::Cluster, expected, expected::Expected, home::Home, project::Project, run,
};

fn check(
    how: &str,
    run: impl Fn(&str, &[&str]) -> run::Finished,
    wanted: impl Fn(&Expected) -> bool,
) {
    let mut wrong = Vec::new();
    for name in expected::all() {
        let expected = Expected::of(&name);
        if !wanted(&expected) {
            continue;
        }
        let arguments: Vec<_> = expected.arguments.iter().map(String::as_str).collect();
        let finished = run(&name, &arguments);
        let differences = expected.differences(&finished);
        if !differences.is_empty() {
            wrong.push(format!("{name}, {how}:\n  {}", differences.join("\n  ")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_fixture_gives_its_outcomes_in_place() {
    let home = Home::new();
    let run = |name: &str, arguments: &[&str]| {
        let project = Project::fixture(&home, name);
        run::run(&home, &project, &[&["--local=2"], arguments].concat())
    };
    check("--local=2", run, |_| true);
    home.assert_nothing_left();
}

#[test]
fn every_fixture_gives_its_outcomes_on_two_hosts() {
    let cluster = Cluster::start(&[("a", 2), ("b", 1)]);
    let run = |name: &str, arguments: &[&str]| {
        cluster.run(&Project::fixture(cluster.home(), name), arguments)
    };
    check("over RabbitMQ", run, |expected| !expected.local_only);
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
