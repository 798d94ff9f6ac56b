//! RSpec keeps its meaning when the files of a child are loaded one at a time.

use gorgon_proto::item::{ItemId, WorkItem};

use crate::project::Project;

const GOOD: (&str, &str) = (
    "spec/good_spec.rb",
    "RSpec.describe('good') { it('works') { expect(1).to eq 1 } }",
);

#[test]
fn errors_outside_examples_fail_their_own_file_and_no_other() {
    let project = Project::new(&[
        GOOD,
        ("spec/load_spec.rb", "raise 'no price list'"),
        ("spec/syntax_spec.rb", "RSpec.describe('x') do"),
        (
            "spec/all_spec.rb",
            "RSpec.describe('all') { after(:all) { raise 'late' }; it('works') {} }",
        ),
    ]);
    let mut running = project.start();
    assert_eq!(
        running.run("spec/load_spec.rb").errors,
        ["load: Failure/Error: raise 'no price list'\n\nRuntimeError:\n  no price list"]
    );
    let syntax = running.run("spec/syntax_spec.rb");
    assert!(syntax.errors[0].contains("syntax_spec.rb"), "{syntax:?}");
    let all = running.run("spec/all_spec.rb");
    assert_eq!(
        (&all.tests[..], all.errors.len()),
        (&["passed all works".to_owned()][..], 1)
    );
    assert!(all.errors[0].starts_with("after(:all): "), "{all:?}");
    assert!(all.errors[0].ends_with("RuntimeError:\n  late"), "{all:?}");
    let good = running.run("spec/good_spec.rb");
    assert_eq!(
        (good.tests.len(), good.errors.len(), good.spent),
        (1, 0, false)
    );
}

#[test]
fn a_library_that_an_option_requires_is_missing_in_every_file() {
    let project = Project::new(&[GOOD, (".rspec", "--require no_such_helper")]);
    let mut running = project.start();
    for _ in 0..2 {
        let seen = running.run("spec/good_spec.rb");
        assert_eq!(seen.tests, [""; 0]);
        assert!(
            seen.errors[0].contains("cannot load such file -- no_such_helper"),
            "{seen:?}"
        );
        assert!(seen.spent);
    }
}

#[test]
fn a_file_that_cannot_be_loaded_is_told_without_what_rspec_takes_to_be_meant() {
    let bad = "require 'no_such_helper'\n";
    let project = Project::new(&[("spec/ship_spec.rb", bad), ("spec/shop_spec.rb", bad)]);
    let seen = project.start().run("spec/ship_spec.rb");
    assert!(
        seen.errors[0].starts_with("load: Failure/Error: require 'no_such_helper'"),
        "{seen:?}"
    );
}

#[test]
fn suite_hooks_run_once_and_before_the_file_that_registers_them() {
    let log = |text: &str| format!("File.open('log', 'a') {{ |f| f.puts '{text}' }}");
    let file = |name: &str| {
        let [before, after] = ["before", "after"].map(|at| log(&format!("{at} {name}")));
        let runs = log(name);
        format!(
            "RSpec.configure {{ |c| c.before(:suite) {{ {before} }}; c.after(:suite) {{ {after} }} }}
             RSpec.describe('{name}') {{ it('runs') {{ {runs} }} }}"
        )
    };
    let project = Project::new(&[
        ("spec/a_spec.rb", &file("a")),
        ("spec/b_spec.rb", &file("b")),
    ]);
    let mut running = project.start();
    for path in ["spec/a_spec.rb", "spec/b_spec.rb", "spec/a_spec.rb"] {
        let seen = running.run(path);
        assert_eq!(seen.tests.len(), 1, "{seen:?}");
    }
    assert!(running.finish().finished);
    // A file that is loaded twice registers twice, as it would in plain RSpec.
    assert_eq!(
        project.read("log").lines().collect::<Vec<_>>(),
        [
            "before a", "a", "before b", "b", "before a", "a", "after a", "after b", "after a"
        ]
    );
}

#[test]
fn a_suite_hook_that_raises_is_told() {
    let project = Project::new(&[
        (
            "spec/before_spec.rb",
            "RSpec.configure { |c| c.before(:suite) { raise 'no database' } }
             RSpec.describe('x') { it('never runs') {} }",
        ),
        (
            "spec/after_spec.rb",
            "RSpec.configure { |c| c.after(:suite) { raise 'cannot clean up' } }
             RSpec.describe('x') { it('runs') {} }",
        ),
    ]);
    let mut running = project.start();
    let before = running.run("spec/before_spec.rb");
    assert_eq!((before.tests.len(), before.spent), (0, true));
    let [error] = &before.errors[..] else {
        panic!("{before:?}")
    };
    assert!(error.starts_with("before(:suite): "), "{error}");
    assert!(error.ends_with("RuntimeError:\n  no database"), "{error}");
    running.finish();
    running.again();
    assert_eq!(running.run("spec/after_spec.rb").tests, ["passed x runs"]);
    let [error] = &running.finish().errors[..] else {
        panic!("one error")
    };
    assert!(error.starts_with("after(:suite): "), "{error}");
    assert!(error.contains("cannot clean up"), "{error}");
}

#[test]
fn what_one_file_focuses_or_filters_silences_no_other() {
    let two = "{ it('a') {}; it('b') {} }";
    let group = format!("RSpec.describe('plain') {two}");
    let helper =
        "RSpec.configure { |c| c.filter_run_when_matching :focus; c.filter_run_excluding :slow }";
    let project = Project::new(&[
        (".rspec", "--require spec_helper"),
        ("spec/spec_helper.rb", helper),
        ("spec/plain_spec.rb", &group),
        (
            "spec/focus_spec.rb",
            "RSpec.describe('f') { fit('a') {}; it('b') {} }",
        ),
        (
            "spec/own_spec.rb",
            &format!("RSpec.configure {{ |c| c.filter_run :focus }}\n{group}"),
        ),
        (
            "spec/slow_spec.rb",
            "RSpec.describe('s') { it('a') {}; it('b', :slow) {} }",
        ),
    ]);
    let mut running = project.start();
    for _ in 0..2 {
        let focus = running.run("spec/focus_spec.rb");
        assert_eq!(focus.tests, ["passed f a"]);
        assert_eq!(
            focus.warnings,
            ["a focus filter was active in spec/focus_spec.rb: 1 example was left out"]
        );
        assert_eq!(running.run("spec/plain_spec.rb").tests.len(), 2);
    }
    let own = running.run("spec/own_spec.rb");
    assert_eq!((own.tests.len(), own.warnings.len()), (0, 1), "{own:?}");
    assert_eq!(running.run("spec/plain_spec.rb").tests.len(), 2);
    // A filter of the helper is for all files.
    assert_eq!(running.run("spec/slow_spec.rb").tests, ["passed s a"]);
}

#[test]
fn tests_are_chosen_by_id_and_by_line() {
    let project = Project::new(&[(
        "spec/odd [1]_spec.rb",
        "RSpec.describe('x') do\n  it('a') {}\n  it('b', :slow) {}\n  context('in') do\n    it('c') {}\n  end\nend\n",
    )]);
    let mut running = project.start();
    let whole = WorkItem::whole(ItemId(1), "spec/odd [1]_spec.rb");
    let by_id = WorkItem {
        tests: vec!["1:2".into(), "1:3:1".into()],
        ..whole.clone()
    };
    assert_eq!(running.run_item(&by_id).ids, ["1:2", "1:3:1"]);
    let by_line = WorkItem {
        lines: vec![4],
        ..whole.clone()
    };
    assert_eq!(running.run_item(&by_line).ids, ["1:3:1"]);
    assert_eq!(running.run_item(&whole).ids, ["1:1", "1:2", "1:3:1"]);
}

#[test]
fn options_of_the_project_hold_but_for_those_of_one_process() {
    let mut project = Project::new(&[
        (
            ".rspec",
            "--require ./spec/helper --format json --out report.json --fail-fast --dry-run",
        ),
        (
            "spec/helper.rb",
            "RSpec.configure { |c| c.add_setting :seen, default: 1; c.add_formatter 'doc' }",
        ),
        (
            "spec/a_spec.rb",
            "RSpec.describe('a') { it('1') { raise 'x' }; it('2') { expect(RSpec.configuration.seen).to eq 1 }; it('3', :slow) {} }",
        ),
    ]);
    project.settings.options = vec!["--tag".into(), "~slow".into()];
    let mut running = project.start();
    let seen = running.run("spec/a_spec.rb");
    assert_eq!(seen.tests, ["failed a 1", "passed a 2"]);
    assert_eq!(seen.warnings.len(), 2, "{seen:?}");
    assert_eq!(seen.output, "");
    running.finish();
    let report = project.read("report.json");
    assert!(report.contains("2 examples, 1 failure"), "{report}");
}

#[test]
fn a_seed_orders_only_what_asked_for_a_random_order() {
    let group = "RSpec.describe('x') { 20.times { |i| it(i.to_s) {} } }";
    let ids = |options: &str, seed| {
        let mut project = Project::new(&[(".rspec", options), ("spec/a_spec.rb", group)]);
        project.settings.seed = seed;
        project.start().run("spec/a_spec.rb").ids
    };
    let defined = ids("", 1);
    assert_eq!(defined[19], "1:20");
    assert_eq!(ids("", 2), defined);
    assert_ne!(ids("--order rand", 1), defined);
    assert_ne!(ids("--order rand", 1), ids("--order rand", 2));
    assert_eq!(ids("--order rand", 7), ids("--order rand", 7));
}

#[test]
fn failures_are_told_whole_and_within_limits() {
    let project = Project::new(&[(
        "spec/a_spec.rb",
        "RSpec.describe('a') do
           it('many', :aggregate_failures) { expect(1).to eq 10; expect(2).to eq 20 }
           it('big') { raise 'START ' + ('x' * 100 + \"\\n\") * 50_000 + ' STOP' }
           it('bytes') { puts \"\\xff\"; raise \"\\xff\\xfe\" }
           pending('fixed') { 1 }
           20.times { |i| it(\"big #{i}\") { puts 'y' * 100_000; raise 'z' * 100_000 } }
         end",
    )]);
    let mut running = project.start();
    let seen = running.run("spec/a_spec.rb");
    assert!(seen.messages[0].contains("expected: 10") && seen.messages[0].contains("expected: 20"));
    assert!(seen.messages[1].contains("START") && seen.messages[1].contains("STOP"));
    assert!(seen.messages[1].contains("bytes left out"));
    assert!(seen.printed[0].contains('\u{fffd}'));
    assert!(seen.messages[3].contains("Expected pending"));
    let odd: Vec<_> = seen
        .tests
        .iter()
        .filter(|test| !test.starts_with("failed"))
        .collect();
    assert_eq!(odd, [""; 0]);
    let bytes: usize = seen
        .messages
        .iter()
        .chain(&seen.printed)
        .map(String::len)
        .sum();
    assert!(bytes < 700_000, "{bytes}");
}

#[test]
fn a_file_that_makes_rspec_quit_has_not_passed() {
    let project = Project::new(&[
        GOOD,
        (
            "spec/quit_spec.rb",
            "RSpec.describe('x') { it('quits') { RSpec.world.wants_to_quit = true }; it('never runs') { raise } }",
        ),
    ]);
    let mut running = project.start();
    let seen = running.run("spec/quit_spec.rb");
    assert_eq!(seen.tests, ["passed x quits"]);
    assert_eq!(
        seen.errors,
        ["quit: RSpec was told to quit (wants_to_quit): 1 of 2 examples did not run"]
    );
    assert_eq!(running.run("spec/good_spec.rb").tests.len(), 1);
}

#[test]
fn a_test_that_a_hook_of_the_end_runs_counts_only_when_it_fails() {
    let hook = |outcome: &str| {
        format!(
            "RSpec.configure {{ |c| c.after(:suite) {{
               group = RSpec.describe('coverage') {{ it('suffices') {{ expect(1).to eq {outcome} }} }}
               group.run(RSpec.configuration.reporter) }} }}
             RSpec.describe('x') {{ it('works') {{}} }}"
        )
    };
    let project = Project::new(&[
        ("spec/a_spec.rb", &hook("1")),
        ("spec/b_spec.rb", &hook("2")),
    ]);
    let mut running = project.start();
    running.run("spec/a_spec.rb");
    let end = running.finish();
    assert_eq!((end.tests.len(), end.errors.len()), (0, 0), "{end:?}");
    running.again();
    running.run("spec/b_spec.rb");
    let end = running.finish();
    assert_eq!((end.tests.len(), end.errors.len()), (0, 1), "{end:?}");
    assert!(end.errors[0].starts_with("coverage suffices: "), "{end:?}");
}

#[test]
fn what_an_ordering_leaves_out_does_not_excuse_what_ended_early() {
    let project = Project::new(&[
        (
            "spec/quit_spec.rb",
            "RSpec.configure { |c| c.register_ordering(:short) { |items| items.first(2) } }
             RSpec.describe('quit', order: :short) do
               it('quits') { RSpec.world.wants_to_quit = true }
               it('two') {}
               it('three') {}
             end",
        ),
        (
            "spec/orders_spec.rb",
            "RSpec.describe('orders', order: :short) { 3.times { |n| it(\"runs #{n}\") {} } }",
        ),
        (
            "spec/set_spec.rb",
            "require 'set'
             RSpec.configure { |c| c.register_ordering(:set) { |items| Set.new(items.first(2)) } }
             RSpec.describe('set', order: :set) { 3.times { |n| it(\"runs #{n}\") {} } }",
        ),
    ]);
    let mut running = project.start();
    let quit = running.run("spec/quit_spec.rb");
    assert_eq!(quit.tests, ["passed quit quits"]);
    let error = "quit: RSpec was told to quit (wants_to_quit): 1 of 3 examples did not run";
    assert_eq!(quit.errors, [error]);
    let orders = running.run("spec/orders_spec.rb");
    assert_eq!(
        orders.tests,
        ["passed orders runs 0", "passed orders runs 1"]
    );
    assert_eq!(orders.errors, [""; 0]);
    let set = running.run("spec/set_spec.rb");
    assert_eq!((set.tests.len(), set.errors), (2, vec![]));
}

#[test]
fn an_ordering_that_leaves_examples_out_may_be_any_object() {
    let project = Project::new(&[
        (
            "spec/kinds_spec.rb",
            "module Of; def self.order(items) = items.first(2); end
             class Frozen; def order(items) = items.first(1); end
             single = Object.new
             def single.order(items) = items.reverse
             class Bare < BasicObject; def order(items) = items.first(0); end
             RSpec.configure do |c|
               { module: Of, frozen: Frozen.new.freeze, single: single, bare: Bare.new }.each { |kind, it| c.register_ordering(kind, it) }
             end
             %i[module frozen single bare].each do |kind|
               RSpec.describe(kind.to_s, order: kind) { 3.times { |n| it(n.to_s) {} } }
             end",
        ),
        (
            "spec/seen_spec.rb",
            "RSpec.describe('the ordering') do
               it('is what the suite registered') do
                 registry = RSpec.configuration.ordering_registry
                 expect(registry.fetch(:module)).to eq Of
                 expect(registry.fetch(:frozen)).to be_a(Frozen).and be_frozen
                 expect(registry.fetch(:single).instance_variables).to eq []
               end
             end",
        ),
    ]);
    let mut running = project.start();
    let kinds = running.run("spec/kinds_spec.rb");
    let ran = [
        "passed module 0",
        "passed module 1",
        "passed frozen 0",
        "passed single 2",
        "passed single 1",
        "passed single 0",
    ];
    assert_eq!(kinds.tests, ran);
    assert_eq!(kinds.errors, [""; 0]);
    let seen = running.run("spec/seen_spec.rb");
    assert_eq!(
        seen.tests,
        ["passed the ordering is what the suite registered"]
    );
}
