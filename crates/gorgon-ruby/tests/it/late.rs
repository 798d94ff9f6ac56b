//! Examples that a file gives to groups of earlier files.

use gorgon_proto::item::{ItemId, WorkItem};

use crate::project::Project;

const GOOD: (&str, &str) = (
    "spec/good_spec.rb",
    "RSpec.describe('good') { it('works') { expect(1).to eq 1 } }",
);

/// A plain run loads all files first, so these run with their group.
#[test]
fn examples_that_a_file_gives_to_groups_of_earlier_files_run_with_the_file() {
    let first = (
        "spec/a_spec.rb",
        "GROUP = RSpec.describe('A') { it('is first') {} }",
    );
    let given = "GROUP.it('is late') { raise }\n\
                 GROUP.describe('inner') { it('is later') {} }\n\
                 RSpec.describe('B') { it('is own') {} }";
    let project = Project::new(&[first, ("spec/b_spec.rb", given), GOOD]);
    let mut running = project.start();
    assert_eq!(running.run("spec/a_spec.rb").tests, ["passed A is first"]);
    let late = [
        "passed B is own",
        "failed A is late",
        "passed A inner is later",
    ];
    assert_eq!(running.run("spec/b_spec.rb").tests, late);
    assert_eq!(
        running.run("spec/good_spec.rb").tests,
        ["passed good works"]
    );
    assert_eq!(running.finish().errors, [""; 0]);
    let hidden = ("spec/c_spec.rb", "load 'spec/give.rb'");
    let give = ("spec/give.rb", "GROUP.it('is late') {}");
    let project = Project::new(&[first, hidden, give]);
    let mut running = project.start();
    running.run("spec/a_spec.rb");
    assert_eq!(running.run("spec/c_spec.rb").tests, [""; 0]);
    let told = running.finish().errors;
    assert!(told[0].contains("did not run: A is late"), "{told:?}");
}

#[test]
fn groups_that_a_file_gives_to_earlier_ones_run_also_if_it_gives_no_example() {
    let project = Project::new(&[
        (
            "spec/a_spec.rb",
            "GROUP = RSpec.describe('A') { INNER = describe('inner') { it('is first') {} } }",
        ),
        (
            "spec/b_spec.rb",
            "GROUP.describe('late') { it('fails') { raise } }",
        ),
        (
            "spec/c_spec.rb",
            "INNER.describe('later') { it('works') {} }",
        ),
    ]);
    let mut running = project.start();
    running.run("spec/a_spec.rb");
    assert_eq!(running.run("spec/b_spec.rb").tests, ["failed A late fails"]);
    let later = ["passed A inner later works"];
    assert_eq!(running.run("spec/c_spec.rb").tests, later);
    assert_eq!(running.finish().errors, [""; 0]);
}

#[test]
fn examples_that_a_file_gives_to_earlier_groups_run_also_after_a_part_of_another_file() {
    let project = Project::new(&[
        (
            "spec/a_spec.rb",
            "GROUP = RSpec.describe('A') { it('is first') {} }",
        ),
        (
            "spec/b_spec.rb",
            "GROUP.it('is not asked for') {}\nRSpec.describe('B') do\nit('is asked for') {}\nend",
        ),
        ("spec/c_spec.rb", "GROUP.it('is late') {}"),
    ]);
    let mut running = project.start();
    running.run("spec/a_spec.rb");
    let item = WorkItem {
        lines: vec![3],
        ..WorkItem::whole(ItemId(1), "spec/b_spec.rb")
    };
    assert_eq!(running.run_item(&item).tests, ["passed B is asked for"]);
    assert_eq!(running.run("spec/c_spec.rb").tests, ["passed A is late"]);
    assert_eq!(running.finish().errors, [""; 0]);
}

#[test]
fn examples_that_a_file_gives_to_earlier_groups_count_when_it_ends_early() {
    let project = Project::new(&[
        (
            "spec/a_spec.rb",
            "GROUP = RSpec.describe('A') { it('is first') {} }",
        ),
        (
            "spec/b_spec.rb",
            "GROUP.it('is late') {}
             RSpec.describe('B') { it('quits') { RSpec.world.wants_to_quit = true } }",
        ),
    ]);
    let mut running = project.start();
    running.run("spec/a_spec.rb");
    let quit = running.run("spec/b_spec.rb");
    assert_eq!(quit.tests, ["passed B quits"]);
    let error = "quit: RSpec was told to quit (wants_to_quit): 1 of 2 examples did not run";
    assert_eq!(quit.errors, [error]);
}
