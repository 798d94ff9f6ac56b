//! Where Bundler finds its file, Ruby starts under Bundler.

use integration::{home::Home, project::Project, run};

const SPEC: (&str, &str) = (
    "spec/a_spec.rb",
    "RSpec.describe('a') { it('is bundled') { expect(Bundler.default_gemfile.read).to include 'ours' } }\n",
);
const GEMFILE: &str = "# ours
source 'https://rubygems.org'
gem 'rspec-core'
gem 'rspec-expectations'
gem 'rspec-mocks'
";

#[test]
fn bundlers_file_has_other_names_and_places_too() {
    let named = r#"{ "env": { "BUNDLE_GEMFILE": "gemfiles/a.gemfile" } }"#;
    let config = "---\nBUNDLE_GEMFILE: \"gemfiles/a.gemfile\"\n";
    let other = ("gemfiles/a.gemfile", GEMFILE);
    for (files, variable) in [
        (&[("Gemfile", GEMFILE)][..], None),
        (&[("gems.rb", GEMFILE)], None),
        (&[other, ("gorgon.json", named)], None),
        (&[other, (".bundle/config", config)], None),
        (&[other], Some("gemfiles/a.gemfile")),
    ] {
        let home = Home::new();
        let project = Project::of(&home, &[&[SPEC], files].concat());
        let arguments = ["--local=1"];
        let run = run::start_with(&home, &project, &arguments, |command| {
            command.envs(variable.map(|value| ("BUNDLE_GEMFILE", value)));
        });
        let run = run.finished(run::RUN_LIMIT);
        run.exited(0).says(&["1 test: 1 passed"]);
        home.assert_nothing_left();
    }
}

#[test]
fn a_gemfile_above_the_project_counts_where_the_project_is_no_repository_of_its_own() {
    let home = Home::new();
    let above = Project::of(&home, &[("Gemfile", GEMFILE)]);
    let project = Project::at(above.path().join("engine"));
    project.write(SPEC.0, SPEC.1);
    run::run(&home, &project, &["--local=1"])
        .exited(0)
        .says(&["1 test: 1 passed"]);
    project.write(".git/HEAD", "");
    run::run(&home, &project, &["--local=1"])
        .exited(1)
        .says(&["uninitialized constant Bundler"]);
    home.assert_nothing_left();
}

#[test]
fn a_bundle_without_rspec_is_named_without_frames_of_ours() {
    let home = Home::new();
    let project = Project::of(&home, &[SPEC, ("gems.rb", "gem 'rake'\n")]);
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(3)
        .says(&["rspec-core is not in the gems.rb: cannot load such file"]);
    assert!(!run.stdout.contains("frameworks/"), "{}", run.stdout);
    assert!(!run.stdout.contains("callback"), "{}", run.stdout);
    home.assert_nothing_left();
}
