use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;

/// A project of files (with their text behind `=`) and links (`from -> to`).
fn project(entries: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for entry in entries {
        let (path, link, text) = match (entry.split_once(" -> "), entry.split_once('=')) {
            (Some((path, to)), _) => (path, Some(to), ""),
            (None, Some((path, text))) => (path, None, text),
            (None, None) => (*entry, None, ""),
        };
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match link {
            Some(to) => symlink(to, path).unwrap(),
            None => fs::write(path, text).unwrap(),
        }
    }
    directory
}

/// The files that are meant, and after a bar what hints are about.
#[track_caller]
fn check(entries: &[&str], expected: &[&str], hints: &[&str]) {
    let project = project(entries);
    let usual = Usual::of(
        &Tree::new(project.path()),
        &gorgon_ruby::RubySettings::in_place(project.path()),
        &[],
    );
    let found = usual.files(&Tree::new(project.path()));
    assert_eq!(found.files, expected, "{entries:?}");
    let said = usual.hints(&Tree::new(project.path()), &found.files);
    assert_eq!(said.len(), hints.len(), "{entries:?}: {said:?}");
    for (said, hint) in said.iter().zip(hints) {
        assert!(said.contains(hint), "{entries:?}: {said}");
    }
}

#[test]
fn a_pattern_on_the_command_line_is_that_of_rspec_alone() {
    let project = project(&[
        ".rspec=--pattern spec/**/*_spec.rb",
        "spec/a_spec.rb",
        "spec/a_test.rb",
        "spec/deep/b_check.rb",
        "test/c_test.rb",
    ]);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    for (options, expected) in [
        ("-P **/*_test.rb", &["spec/a_test.rb"][..]),
        ("--tag x --pattern=**/*_check.rb", &["spec/deep/b_check.rb"]),
        ("--exclude-pattern **/a_*.rb", &["test/c_test.rb"]),
    ] {
        let usual = Usual::of(
            &Tree::new(project.path()),
            &gorgon_ruby::RubySettings::in_place(project.path()),
            &words(options),
        );
        assert_eq!(
            usual.files(&Tree::new(project.path())).files,
            expected,
            "{options}"
        );
    }
}

#[test]
fn a_helper_that_rspec_loads_first_may_set_the_pattern() {
    for (said, expected) in [
        ("config.pattern = '**/*_check.rb'", &["spec/b_check.rb"][..]),
        (
            "  c.pattern += \",**/*_check.rb\"",
            &["spec/a_spec.rb", "spec/b_check.rb"],
        ),
        ("  c.exclude_pattern = '**/a_*'", &[]),
        (
            "pattern = '**/*_check.rb'\nc.patterns = 'x'",
            &["spec/a_spec.rb"],
        ),
    ] {
        let helper = format!("spec/spec_helper.rb={said}");
        let project = project(&[&helper, "spec/a_spec.rb", "spec/b_check.rb"]);
        for options in [&["-rspec_helper"][..], &["--require", "spec_helper"]] {
            let options: Vec<_> = options.iter().map(|it| (*it).to_owned()).collect();
            let usual = Usual::of(
                &Tree::new(project.path()),
                &gorgon_ruby::RubySettings::in_place(project.path()),
                &options,
            );
            assert_eq!(
                usual.files(&Tree::new(project.path())).files,
                expected,
                "{said}"
            );
        }
        let unread = Usual::of(
            &Tree::new(project.path()),
            &gorgon_ruby::RubySettings::in_place(project.path()),
            &[],
        );
        assert_eq!(
            unread.files(&Tree::new(project.path())).files,
            ["spec/a_spec.rb"]
        );
    }
}

#[test]
fn rspec_follows_one_link_to_a_directory_and_rake_none() {
    check(
        &[
            "parts/models/spec/keel_spec.rb",
            "parts/models/deep/down/rib_spec.rb",
            "spec/mast_spec.rb",
            "spec/models -> ../parts/models/spec",
            "spec/deep/a -> ../../parts/models/deep",
            "test/deck_test.rb",
            "test/models -> ../parts/models/spec",
        ],
        &[
            "test/deck_test.rb",
            "spec/mast_spec.rb",
            "spec/deep/a/down/rib_spec.rb",
            "spec/models/keel_spec.rb",
        ],
        &[],
    );
}

#[test]
fn beside_test_tasks_rspec_runs_where_the_project_speaks_of_it() {
    let rakefile = "Rakefile=Rake::TestTask.new { |t| t.pattern = 'test/**/*_test.rb' }\n";
    let files = ["test/a_test.rb", "spec/b_spec.rb"];
    check(
        &[rakefile, files[0], files[1]],
        &files[..1],
        &["spec/b_spec.rb"],
    );
    for speaks in [
        ".rspec=",
        "Gemfile=gem 'rspec'\n",
        "fleet.gemspec=s.add_development_dependency 'rspec'\n",
        "spec/spec_helper.rb=RSpec.configure {}\n",
    ] {
        check(&[rakefile, files[0], files[1], speaks], &files, &[]);
    }
    let of_both = format!("{rakefile}RSpec::Core::RakeTask.new\n");
    check(&[&of_both, files[0], files[1]], &files, &[]);
}

#[test]
fn where_rspec_finds_nothing_the_rakefile_may_name_its_files() {
    let rakefile =
        "Rakefile=RSpec::Core::RakeTask.new do |t|\n  t.pattern = 'specs/**/*_spec.rb'\nend\n";
    let specs = ["specs/a_spec.rb", "specs/deep/b_spec.rb"];
    check(&[rakefile, specs[0], specs[1]], &specs, &[]);
    // `rspec` finds its own.
    check(
        &[rakefile, specs[0], "spec/c_spec.rb"],
        &["spec/c_spec.rb"],
        &[],
    );
}

#[test]
fn options_of_rspec_for_all_projects_choose_files_too() {
    let home = project(&[
        ".rspec=--pattern **/*_check.rb",
        "config/rspec/options=--default-path checks",
    ]);
    let project = project(&[".rspec="]);
    let files = |variables: &[(&str, &str)], options: &[&str]| {
        let options: Vec<String> = options.iter().map(|it| (*it).to_owned()).collect();
        let variable = |name: &str| {
            let (_, value) = variables.iter().find(|it| it.0 == name)?;
            Some(home.path().join(value).into_os_string())
        };
        let found = rspec::option_files(project.path(), &options, &variable);
        let roots = [home.path(), project.path()];
        let inside = |path: &Path| {
            roots
                .iter()
                .find_map(|it| path.strip_prefix(it).ok().map(Path::to_owned))
        };
        let names = found.iter().filter_map(|path| inside(path));
        names
            .map(|it| it.display().to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(files(&[("HOME", "")], &[]), ".rspec .rspec .rspec-local");
    assert_eq!(
        files(&[("HOME", ""), ("XDG_CONFIG_HOME", "config")], &[]),
        "config/rspec/options .rspec .rspec-local"
    );
    assert_eq!(files(&[], &[]), ".rspec .rspec-local");
    assert_eq!(files(&[("HOME", "")], &["--options", "own"]), "own");
}

#[test]
fn patterns_that_have_chosen_files_are_no_options_of_their_runs() {
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let given = words("-P a --tag x --exclude-pattern=b --pattern c -Pd -b");
    for (file, left) in [
        ("spec/a_spec.rb", words("--tag x -b")),
        ("test/a_test.rb", given.clone()),
    ] {
        let project = project(&[file]);
        let usual = Usual::of(
            &Tree::new(project.path()),
            &gorgon_ruby::RubySettings::in_place(project.path()),
            &given,
        );
        assert_eq!(usual.options_left(&given), left, "{file}");
    }
}

#[test]
fn a_directory_that_is_named_is_searched_as_rspec_does() {
    let project = project(&[
        "parts/a_spec.rb",
        "parts/more/b_spec.rb",
        "spec/x/link/c_spec.rb",
        "spec/x/one -> ../../parts",
        "spec/x/one/.keep",
    ]);
    let usual = Usual::of(
        &Tree::new(project.path()),
        &gorgon_ruby::RubySettings::in_place(project.path()),
        &[],
    );
    let below = |directory: &str| usual.below(&Tree::new(project.path()), directory).files;
    let all = [
        "spec/x/link/c_spec.rb",
        "spec/x/one/a_spec.rb",
        "spec/x/one/more/b_spec.rb",
    ];
    assert_eq!(below("spec"), all);
    assert_eq!(below("spec/x"), all);
    assert_eq!(below("spec/x/one"), all[1..]);
    assert_eq!(below("spec/x/link"), all[..1]);
}

#[test]
fn dot_rspec_says_where_the_specs_are() {
    check(
        &[
            ".rspec=--default-path behavior\n",
            "behavior/a_spec.rb",
            "spec/b_spec.rb",
        ],
        &["behavior/a_spec.rb"],
        &["spec/b_spec.rb"],
    );
    check(
        &[
            ".rspec=--color\n-P '**/*_example.rb , **/*.spec.rb'",
            "spec/deep/a_example.rb",
            "spec/b.spec.rb",
            "spec/c_spec.rb",
        ],
        &["spec/deep/a_example.rb", "spec/b.spec.rb"],
        &["as RSpec's pattern does not name them: spec/c_spec.rb"],
    );
    check(
        &[
            ".rspec=--pattern=spec/unit/**/*_spec.rb",
            "spec/unit/a_spec.rb",
            "spec/slow/b_spec.rb",
        ],
        &["spec/unit/a_spec.rb"],
        &["spec/slow/b_spec.rb"],
    );
    check(
        &[
            ".rspec=--exclude-pattern \"**/slow/*_spec.rb\"",
            "spec/unit/a_spec.rb",
            "spec/slow/b_spec.rb",
        ],
        &["spec/unit/a_spec.rb"],
        &["spec/slow/b_spec.rb"],
    );
}

#[test]
fn a_pattern_of_rspec_is_looked_for_below_the_project_too() {
    check(
        &[
            ".rspec=--pattern checks/**/*_check.rb",
            "checks/deep/a_check.rb",
            "spec/checks/b_check.rb",
            "spec/c_spec.rb",
        ],
        &["spec/checks/b_check.rb", "checks/deep/a_check.rb"],
        &["spec/c_spec.rb"],
    );
    // With `**` at its beginning only below the default path.
    check(
        &[".rspec=-P **/*_check.rb", "spec/a_check.rb", "b_check.rb"],
        &["spec/a_check.rb"],
        &[],
    );
    // One that begins with the letters of the default path is taken as it is.
    check(
        &[
            ".rspec=-P specs/*_spec.rb",
            "specs/a_spec.rb",
            "spec/specs/b_spec.rb",
        ],
        &["specs/a_spec.rb"],
        &["spec/specs/b_spec.rb"],
    );
}

#[test]
fn usual_names_are_found_and_helpers_are_none() {
    check(
        &[
            "test/a_test.rb",
            "test/deep/test_b.rb",
            "test/spec_c.rb",
            "test/d_spec.rb",
            "test/test-e.rb",
            "tests/units/test_f.rb",
            "tests/all_tests.rb",
            "test/test_helper.rb",
            "tests/test_helper.rb",
            "spec/spec_helper.rb",
            "spec/g_spec.rb",
            "test/run-test.rb",
            "test/fixtures/h_test.rb",
            "lib/test_i.rb",
        ],
        &[
            "test/a_test.rb",
            "test/d_spec.rb",
            "test/deep/test_b.rb",
            "test/spec_c.rb",
            "tests/units/test_f.rb",
            "test/test-e.rb",
            "spec/g_spec.rb",
        ],
        &[],
    );
}

#[test]
fn a_rakefile_that_can_be_read_chooses() {
    check(
        &[
            "Rakefile=Rake::TestTask.new do |t|\n  t.test_files = FileList['test/unit/*test.rb'] - FileList['test/unit/slow*']\nend\n",
            "test/unit/atest.rb",
            "test/unit/slow_test.rb",
            "test/other/b_test.rb",
        ],
        &["test/unit/atest.rb"],
        &[
            "as the Rakefile's test task does not name them: test/other/b_test.rb, test/unit/slow_test.rb;",
        ],
    );
    // One that cannot be read, or names nothing that is there, leaves the usual names.
    check(
        &[
            "Rakefile=Rake::TestTask.new { |t| t.pattern = ENV['FILES'] }\n",
            "test/a_test.rb",
        ],
        &["test/a_test.rb"],
        &["cannot be told from the Rakefile (rake does not load it: NameError"],
    );
    check(
        &["Rakefile=Rake::TestTask.new\n", "test/deep/a_test.rb"],
        &["test/deep/a_test.rb"],
        &[],
    );
}

#[test]
fn options_of_the_rakefile_that_have_no_effect_are_named() {
    let project = project(&[
        "Rakefile=Rake::TestTask.new { |t| t.options = '--name=/x/'; t.ruby_opts << '-Eutf-8' }\n",
        "test/test_a.rb",
    ]);
    let mut ruby = RubySettings::in_place(project.path());
    let hint = |ruby: &RubySettings, options: &[String]| {
        Usual::of(&Tree::new(&ruby.directory), ruby, options)
            .without_effect()
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(
        hint(&ruby, &[]),
        "hint: options of the Rakefile's test task without effect here: --name=/x/ (give them behind --), -Eutf-8 (name them in `ruby` of gorgon.json)"
    );
    ruby.ruby = Some(vec!["ruby".to_owned()]);
    assert_eq!(hint(&ruby, &["-n".to_owned()]), "");
}

#[test]
fn a_rails_application_is_chosen_from_as_rails_does() {
    check(
        &[
            "config/application.rb=class Application < Rails::Application",
            "Rakefile=Rails.application.load_tasks\n",
            "test/models/a_test.rb",
            "test/test_helper.rb",
            "test/models/test_b.rb",
            "test/system/c_test.rb",
            "test/fixtures/files/d_test.rb",
            "spec/e_spec.rb",
        ],
        &["test/models/a_test.rb", "spec/e_spec.rb"],
        &["1 of test/system left out", "test/models/test_b.rb"],
    );
}
