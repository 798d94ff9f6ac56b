//! What tests print, and what their names hold, reaches the reports unharmed and harms nobody.

use std::process::Stdio;

use integration::{home::Home, project::Project, run};

#[test]
fn output_of_a_failed_file_is_kept_and_that_of_others_is_not() {
    let home = Home::new();
    let project = Project::of(
        &home,
        &[
            (
                "spec/a_spec.rb",
                "RSpec.describe('a') { it('fails') { puts 'seen of a'; system('echo from below'); expect(1).to eq 2 } }\n",
            ),
            (
                "spec/b_spec.rb",
                "RSpec.describe('b') { it('holds') { puts 'unseen of b'; $stderr.puts 'unseen too' } }\n",
            ),
        ],
    );
    let run = run::run(&home, &project, &["--local=2"]);
    run.exited(1).says(&["seen of a", "from below"]);
    assert!(
        !run.stdout.contains("unseen") && !run.stderr.contains("unseen"),
        "{}{}",
        run.stdout,
        run.stderr
    );
}

#[test]
fn streams_that_a_test_changes_or_closes_take_no_verdict_away() {
    let home = Home::new();
    let changed = "require 'minitest/autorun'\nclass IO; def syswrite(text) text.size; end; def pwrite(*) 0; end; end\n\
                   class ATest < Minitest::Test\n  def test_a; end\n  def test_b; flunk; end\nend\n";
    let project = Project::of(&home, &[("test/a_test.rb", changed)]);
    run::run(&home, &project, &["--local=1"])
        .exited(1)
        .says(&["2 tests: 1 passed, 1 failed\n"]);
    // The framework's own report would raise.
    let closes = "RSpec.describe('a') { it('closes') { STDOUT.close } }\n";
    let project = Project::of(&home, &[("spec/a_spec.rb", closes)]);
    run::run(&home, &project, &["--local=1"])
        .exited(1)
        .says(&["to STDOUT, which a test has closed"]);
    home.assert_nothing_left();
}

#[test]
fn endless_output_is_cut_in_the_middle_and_bytes_that_are_no_text_pass() {
    let home = Home::new();
    let spec = r"RSpec.describe('a') { it('shouts') {
      $stdout.write('BEGIN'); 200_000.times { |i| puts 'line ' + i.to_s }; $stdout.write('END')
      $stdout.write([255, 254, 0, 128].pack('C*')); raise 'stop' } }
";
    let project = Project::of(&home, &[("spec/a_spec.rb", spec)]);
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(1).says(&["BEGIN", "END", "stop"]);
    assert!(run.stdout.len() < 1_000_000, "{} bytes", run.stdout.len());
    assert_eq!(run.junit().counts()["spec/a_spec.rb"].failed, 1);
}

#[test]
fn what_a_test_says_cannot_drive_the_terminal_or_the_xml() {
    let home = Home::new();
    let spec = "RSpec.describe(\"a \\e]0;title\\a <b>&\") { it(\"rings \\a \\e[2J\") { raise \"]]> \\0 \\e[2J red\" } }\n";
    let project = Project::of(&home, &[("spec/a_spec.rb", spec)]);
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(1).says(&["red"]);
    for text in [&run.stdout, &run.stderr] {
        for bad in ["\u{7}", "\u{1b}]", "\u{1b}[2J", "\0"] {
            assert!(!text.contains(bad), "{bad:?} in {text:?}");
        }
    }
    assert_eq!(run.junit().counts()["spec/a_spec.rb"].failed, 1);
    assert!(run.junit().file("spec/a_spec.rb")[0].text.contains("red"));
}

#[test]
fn a_report_on_stdout_stands_there_alone() {
    let home = Home::new();
    let project = Project::of(
        &home,
        &[(
            "spec/a_spec.rb",
            "RSpec.describe('a') { it('holds') { expect(1).to eq 1 } }\n",
        )],
    );
    let mut command = home.command("gorgon-originator");
    command
        .args(["--local=1", "--json", "-"])
        .current_dir(project.path())
        .stdin(Stdio::null());
    let finished = gorgon_process::command::run(command, run::RUN_LIMIT, b"").expect("a green run");
    let events: Vec<serde_json::Value> = finished
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("nothing but JSON lines"))
        .collect();
    assert_eq!(events.first().expect("events")["event"], "job_started");
    assert_eq!(events.last().expect("events")["event"], "job_finished");
    assert!(
        finished.stderr.contains('1'),
        "the summary goes to stderr: {}",
        finished.stderr
    );
}

/// On others' queues nobody knew what had run before: <https://github.com/Shopify/ci-queue/issues/98>,
/// <https://github.com/skroutz/rspecq/issues/45>, <https://github.com/tmm1/test-queue/issues/93>.
/// Returns what a line prints that a user pastes into a shell, and that fails as a test does.
fn pasted(home: &Home, project: &Project, line: &str) -> String {
    let binary = home.command("gorgon-worker");
    let directory = std::path::Path::new(binary.get_program()).parent().unwrap();
    let mut shell = std::process::Command::new("sh");
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    shell
        .args(["-c", line])
        .current_dir(project.path())
        .env_clear();
    shell.envs(home.environment()).env("PATH", path);
    let error = gorgon_process::command::run(shell, run::RUN_LIMIT, b"").expect_err("it fails");
    let end = error.end();
    let said = error.said().unwrap();
    assert_eq!(
        end,
        Some(gorgon_process::child::End::Exited(1)),
        "{}",
        said.stderr
    );
    said.stdout.clone()
}

#[test]
fn a_name_that_looks_like_an_option_is_a_file_in_the_line_that_shows_its_failure_again() {
    let home = Home::new();
    let spec = "RSpec.describe('x') { it('fails') { raise 'on purpose' } }\n";
    let config = r#"{ "files": ["*_spec.rb"] }"#;
    let project = Project::of(&home, &[("gorgon.json", config), ("-x_spec.rb", spec)]);
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(1).reported(&["-x_spec.rb"]);
    let mut lines = run.stdout.lines();
    let line = lines.find_map(|line| line.trim().strip_prefix("reproduce: "));
    let said = pasted(&home, &project, line.unwrap());
    assert!(said.contains("on purpose"), "{said}");
    home.assert_nothing_left();
}

#[test]
fn a_failure_tells_how_to_see_it_again() {
    let home = Home::new();
    let project = Project::fixture(&home, "order-dependent");
    let files = ["spec/a_spec.rb", "spec/b_spec.rb"];
    let arguments = [&["--local=1", "--seed", "4711"], &files[..]].concat();
    let run = run::run(&home, &project, &arguments);
    run.exited(0).says(&["seed 4711"]);
    let counts = run.junit().counts();
    assert_eq!((counts[files[0]].passed, counts[files[1]].passed), (1, 1));
    let right = "gorgon-worker --workspace . --seed 4711 --worker-id 1 --file spec/a_spec.rb --file spec/b_spec.rb";
    let line = run
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("reproduce: "));
    assert_eq!(line, Some(right), "{}", run.stdout);
    run.says(&["spec/b_spec.rb passes alone and fails after spec/a_spec.rb"]);

    // Pasted into a shell it fails in the same way.
    let said = pasted(&home, &project, right);
    assert!(
        said.contains("reader starts empty") && said.contains("expected `[1].empty?` to be truthy"),
        "{said}"
    );

    // With a process for each file there is nothing to see.
    project.write("gorgon.json", r#"{ "isolation": "file" }"#);
    let run = run::run(&home, &project, &arguments);
    run.exited(0).reported(&files);
    home.assert_nothing_left();
}

#[test]
fn the_mark_of_a_cut_text_tells_how_much_of_the_whole_is_gone() {
    let home = Home::new();
    let spec = "RSpec.describe('a') { it('is long') { raise \"BEGIN#{'x' * (8 << 20)}END\" } }\n";
    let project = Project::of(&home, &[("spec/a_spec.rb", spec)]);
    run::run(&home, &project, &["--local=1"])
        .exited(1)
        .says(&["[… 7 MiB left out; --junit and --json have more …]"]);
}

#[test]
fn the_message_in_junit_is_the_exceptions_own_whatever_source_and_message_look_like() {
    let home = Home::new();
    let spec = "RSpec.describe('a') do
  it('has an empty line in its source') do
    expect([1,

            2]).to eq [3]
  end

  it('has several faults', :aggregate_failures) do
    expect([1,

            2]).to eq [4]
    raise \"1) Failure/Error:\\n\\n  foo\"
  end

  it('fails with such a text') { raise \"Failure/Error: inner\\n\\nKeyError:\\n  more\" }
end
";
    let project = Project::of(&home, &[("spec/a_spec.rb", spec)]);
    let run = run::run(&home, &project, &["--local=1"]);
    run.exited(1);
    let report = &run.junit().source;
    let messages: Vec<&str> = report
        .split(" message=\"")
        .skip(1)
        .map(|rest| rest.split_once('"').unwrap().0)
        .collect();
    let expected = [
        "expected: [3]",
        "expected: [4]; 1) Failure/Error:",
        "Failure/Error: inner",
    ];
    assert_eq!(messages, expected, "{report}");
}
