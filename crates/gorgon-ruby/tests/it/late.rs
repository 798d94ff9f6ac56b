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
    assert_eq!(running.run("spec/c_spec.rb").tests, ["passed A is late"]);
    assert_eq!(running.finish().errors, [""; 0]);
}

#[test]
fn examples_run_with_the_file_by_whatever_words_it_gives_them() {
    let project = Project::new(&[
        (
            "spec/a_spec.rb",
            "GROUP = RSpec.describe('A') { it('is first') {} }",
        ),
        (
            "spec/b_spec.rb",
            "RSpec.configure { |c| c.alias_example_to :scenario }
             GROUP.scenario('is one') {}
             GROUP&.it('is two') {}
             GROUP.module_eval { it('is three') {} }
             class GROUP; it('is four') {}; end
             GROUP.example_group('inner') { specify('is five') {} }
             GROUP.__send__(:it, 'is six') { raise }",
        ),
        ("spec/c_spec.rb", "GROUP.focus('is seven') {}"),
        GOOD,
    ]);
    let mut running = project.start();
    running.run("spec/a_spec.rb");
    let late = [
        "passed A is one",
        "passed A is two",
        "passed A is three",
        "passed A is four",
        "failed A is six",
        "passed A inner is five",
    ];
    assert_eq!(running.run("spec/b_spec.rb").tests, late);
    assert_eq!(running.run("spec/c_spec.rb").tests, ["passed A is seven"]);
    let good = running.run("spec/good_spec.rb").tests;
    assert_eq!(good, ["passed good works"]);
    assert_eq!(running.finish().errors, [""; 0]);
}

/// In a plain run the group has run by then.
#[test]
fn an_example_that_a_test_gives_to_a_group_of_an_earlier_file_does_not_run() {
    let project = Project::new(&[
        (
            "spec/a_spec.rb",
            "GROUP = RSpec.describe('A') { it('is first') {} }",
        ),
        (
            "spec/b_spec.rb",
            "RSpec.describe('B') do
               it('gives') { GROUP.it('is too late') { raise }; GROUP.describe('inner') { it('too') { raise } } }
             end",
        ),
        ("spec/c_spec.rb", "GROUP.it('is late') {}"),
    ]);
    let mut running = project.start();
    running.run("spec/a_spec.rb");
    assert_eq!(running.run("spec/b_spec.rb").tests, ["passed B gives"]);
    assert_eq!(running.run("spec/c_spec.rb").tests, ["passed A is late"]);
    assert_eq!(running.finish().errors, [""; 0]);
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
