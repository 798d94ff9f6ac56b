//! Where reports go, and what must not come to harm there.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    process::Command,
};

use integration::{binaries, home::Home, project::Project, run::RUN_LIMIT};

const GREEN: (&str, &str) = (
    "spec/a_spec.rb",
    "RSpec.describe('a') { it('holds') { expect(1).to eq 1 } }\n",
);

/// Runs the suite with nothing but these arguments; returns exit status, stdout and stderr.
fn say(home: &Home, project: &Project, arguments: &[&str]) -> (i32, String, String) {
    let script = r#"exec "$0" --local=1 "$@""#;
    shell(home, project, script, arguments)
}

/// Runs a shell in whose `$0` the originator stands.
fn shell(home: &Home, project: &Project, script: &str, more: &[&str]) -> (i32, String, String) {
    let mut command = Command::new("bash");
    command
        .args(["-c", script])
        .arg(binaries::path("gorgon-originator"))
        .args(more)
        .env_clear()
        .envs(home.environment())
        .current_dir(project.path());
    match gorgon_process::command::run(command, RUN_LIMIT, b"") {
        Ok(said) => (0, said.stdout, said.stderr),
        Err(error) => match (error.end(), error.said()) {
            (Some(gorgon_process::child::End::Exited(status)), Some(said)) => {
                (status, said.stdout.clone(), said.stderr.clone())
            }
            _ => panic!("{error}"),
        },
    }
}

/// <https://github.com/torch-spyre/torch-spyre/pull/1786>: one report silently took another's place.
#[test]
fn two_reports_cannot_go_to_one_place_however_it_is_called() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN, ("old.xml", "old")]);
    symlink("old.xml", project.path().join("link.xml")).expect("a link");
    fs::create_dir(project.path().join("out")).expect("a directory");
    for (junit, json) in [
        ("new", "new"),
        ("new", "./new"),
        ("out/new", "out/../out/new"),
        ("old.xml", "link.xml"),
        ("-", "/dev/stdout"),
    ] {
        let (status, _, stderr) = say(&home, &project, &["--junit", junit, "--json", json]);
        assert_eq!(status, 3, "{junit} {json}: {stderr}");
        assert!(stderr.contains("goes there as well"), "{stderr}");
    }
    assert_eq!(project.read("old.xml"), "old");
    // The first of the two says why there was no job.
    assert!(project.read("new").contains("goes there as well"));
    let nowhere = ["--junit", "/dev/null", "--json", "/dev/null"];
    assert_eq!(say(&home, &project, &nowhere).0, 0);
}

/// A forgotten path makes the file that follows the report: its text must live.
#[test]
fn a_report_does_not_go_over_a_ruby_file() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN, ("spec/spec_helper.rb", "# helps\n")]);
    for option in ["--junit", "--json"] {
        for (file, text) in [(GREEN.0, GREEN.1), ("spec/spec_helper.rb", "# helps\n")] {
            let (status, _, stderr) = say(&home, &project, &[option, file]);
            assert_eq!(status, 3, "{option} {file}: {stderr}");
            assert!(stderr.contains("would replace"), "{stderr}");
            assert_eq!(project.read(file), text);
        }
    }
}

/// `--junit gorgon.json` took the configuration, `--junit Gemfile` the Gemfile.
#[test]
fn a_report_does_not_go_over_a_file_that_makes_the_project() {
    let home = Home::new();
    let files = [
        ("gorgon.json", r#"{ "files": ["spec/*_spec.rb"] }"#),
        ("ci/other.json", r#"{ "files": ["spec/*_spec.rb"] }"#),
        ("ci/gorgon_secret.json", "{}"),
        ("engines/a/Gemfile", "# none\n"),
        ("Gemfile", "# none\n"),
        ("Gemfile.lock", "GEM\n"),
        ("a.gemspec", "# none\n"),
        ("Rakefile", "# none\n"),
        (".rspec", "--order defined\n"),
    ];
    let project = Project::of(&home, &files);
    project.write(GREEN.0, GREEN.1);
    symlink("gorgon.json", project.path().join("report.xml")).expect("a link");
    let refused = |more: &[&str], option: &str, file: &str| {
        let arguments = [more, &[option, file, GREEN.0]].concat();
        let (status, stdout, stderr) = say(&home, &project, &arguments);
        assert_eq!(status, 3, "{option} {file}: {stderr}");
        assert!(stderr.contains("would replace"), "{stderr}");
        assert_eq!(stdout, "", "nothing ran");
    };
    for option in ["--junit", "--json"] {
        for (file, _) in files {
            if !file.starts_with("ci/") {
                refused(&[], option, file);
            }
        }
        refused(&[], option, "report.xml");
        refused(&["--config", "ci/other.json"], option, "./ci/other.json");
        refused(
            &["--config", "ci/other.json"],
            option,
            "ci/gorgon_secret.json",
        );
    }
    for (file, text) in files {
        assert_eq!(project.read(file), text);
    }
    // A report over a report is none of them, wherever it lies.
    let project = Project::of(&home, &[GREEN]);
    for option in ["--junit", "--json"] {
        for file in [".report", "report", ".report"] {
            let (status, _, stderr) = say(&home, &project, &[option, file, GREEN.0]);
            assert_eq!(status, 0, "{option} {file}: {stderr}");
        }
    }
    home.assert_nothing_left();
}

#[test]
fn links_that_lead_round_are_told_before_the_suite_runs() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN]);
    symlink("l2", project.path().join("l1")).expect("a link");
    symlink("l1", project.path().join("l2")).expect("a link back");
    for option in ["--junit", "--json"] {
        let (status, stdout, stderr) = say(&home, &project, &[option, "l1"]);
        assert_eq!(status, 3, "{option}: {stderr}");
        assert!(stderr.contains("its links lead round"), "{stderr}");
        assert_eq!(stdout, "", "nothing ran");
    }
}

/// A report's place may be a link into a directory of artifacts.
#[test]
fn a_report_is_written_through_a_link() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN]);
    fs::create_dir(project.path().join("artifacts")).expect("a directory");
    let link = project.path().join("report.xml");
    symlink("artifacts/junit.xml", &link).expect("a link that leads nowhere yet");
    for _ in 0..2 {
        let (status, ..) = say(&home, &project, &["--junit", "report.xml"]);
        assert_eq!(status, 0);
        assert!(link.is_symlink());
        assert!(project.read("artifacts/junit.xml").contains("<testcase"));
    }
}

/// <https://github.com/pytest-dev/pytest/issues/173>: a report that cannot be written. Green with half a
/// report would be believed.
#[test]
fn a_report_that_cannot_be_written_is_an_error_wherever_it_goes() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN]);
    for script in [
        r#""$0" --local=1 --junit /dev/full"#,
        r#""$0" --local=1 --json /dev/full"#,
        r#""$0" --local=1 --junit - >/dev/full"#,
        r#""$0" --local=1 --json - >/dev/full"#,
        r#""$0" --local=1 >/dev/full"#,
        r#""$0" list >/dev/full"#,
        r#"ulimit -f 0; "$0" --local=1 --junit junit.xml"#,
    ] {
        let (status, _, stderr) = shell(&home, &project, script, &[]);
        assert_eq!(status, 3, "{script}: {stderr}");
        let told = stderr.contains("No space left") || stderr.contains("File too large");
        assert!(told, "{script}: {stderr}");
    }
    for script in [
        r#"set -o pipefail; "$0" --local=1 | true"#,
        r#"set -o pipefail; "$0" --local=1 --json - | head -1"#,
        r#""$0" --local=1 >&- 2>&- <&-"#,
        r#""$0" --local=1 2>/dev/full"#,
    ] {
        let (status, _, stderr) = shell(&home, &project, script, &[]);
        assert_eq!(status, 0, "{script}: {stderr}");
    }
    home.assert_nothing_left();
}

/// <https://github.com/e2b-dev/infra/issues/3619>: a lock that nobody gives free.
#[test]
fn a_lock_that_others_hold_is_not_waited_for_without_end() {
    let home = Home::new();
    let project = Project::of(&home, &[GREEN]);
    assert_eq!(say(&home, &project, &[]).0, 0);
    let kept = home.path().join("cache/gorgon");
    let store = fs::read_dir(&kept)
        .expect("our cache")
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.join("history.json").exists())
        .expect("a history");
    let lock = File::create(store.join("history.lock")).expect("a lock");
    lock.lock().expect("nobody has it");
    let (status, _, stderr) = say(&home, &project, &[]);
    assert_eq!(status, 0, "{stderr}");
    assert!(stderr.contains("cannot write the history"), "{stderr}");
}
