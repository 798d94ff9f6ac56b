//! What a file does to its child harms that file alone, and is told.

use gorgon_process::child::End;
use gorgon_process::signals::Signal;

use crate::project::{Project, SLEEP};

/// Runs a file with one example that passes and one that does this.
fn run(body: &str) -> (Project, crate::project::Running, crate::project::Seen) {
    let spec = format!(
        "RSpec.describe('x') {{ it('is fine') {{}}; it('falls') {{ puts 'last words'; {body} }} }}"
    );
    let project = Project::new(&[
        ("spec/bad_spec.rb", &spec),
        (
            "spec/good_spec.rb",
            "RSpec.describe('good') { it('works') { expect(1).to eq 1 } }",
        ),
    ]);
    let mut running = project.start();
    let seen = running.run("spec/bad_spec.rb");
    assert_eq!(seen.tests[0], "passed x is fine");
    (project, running, seen)
}

#[test]
fn the_end_of_a_child_names_how_and_the_test_that_was_running() {
    for (body, end) in [
        ("exit", End::Exited(0)),
        ("exit! true", End::Exited(0)),
        ("exit 3", End::Exited(3)),
        ("abort", End::Exited(1)),
        ("Process.kill(:KILL, $$); sleep", End::Signaled(9)),
        ("Process.kill(:TERM, $$); sleep", End::Signaled(15)),
        ("Process.kill(:SEGV, $$); sleep", End::Signaled(6)),
        (
            "ObjectSpace.each_object(IO) { |io| io.close unless io.closed? rescue nil }",
            End::Exited(1),
        ),
    ] {
        let (_project, mut running, seen) = run(body);
        assert_eq!(seen.end, Some(end), "{body}: {seen:?}");
        assert!(seen.output.starts_with("last words\n"), "{body}: {seen:?}");
        assert_eq!(seen.running.as_deref(), Some("x falls"), "{body}");
        running.again();
        assert_eq!(
            running.run("spec/good_spec.rb").tests,
            ["passed good works"]
        );
    }
}

#[test]
fn streams_traps_and_directories_are_put_back() {
    let body = "Dir.chdir('/'); File.umask(0o777); trap('TERM') {}; trap('CHLD', 'IGNORE'); $stdin = StringIO.new; STDOUT.close; $stderr.reopen('/dev/null'); $stdout = nil";
    let (project, mut running, seen) = run(body);
    // RSpec cannot print the second one's result.
    assert_eq!(seen.tests, ["passed x is fine"], "{seen:?}");
    project.write(
        "spec/next_spec.rb",
        "RSpec.describe('next') do
           it('starts clean') do
             puts 'to stdout'
             warn 'to stderr'
             system('echo from below; echo err from below >&2')
             expect([Dir.pwd, File.umask, trap('TERM', 'DEFAULT'), $stdin.read]).to eq [ENV['ROOT'], 0o22, 'DEFAULT', '']
             raise 'show the output'
           end
         end",
    );
    let text = project.read("spec/next_spec.rb");
    let root = project.settings.directory.canonicalize().unwrap();
    project.write(
        "spec/next_spec.rb",
        &text.replace("ENV['ROOT']", &format!("{:?}", root.display().to_string())),
    );
    let next = running.run("spec/next_spec.rb");
    assert!(next.messages[0].contains("show the output"), "{next:?}");
    assert_eq!(
        next.printed,
        ["to stdout\nto stderr\nfrom below\nerr from below\n"]
    );
    assert_eq!(next.output, next.printed[0]);
}

#[test]
fn output_without_end_is_cut_in_the_middle() {
    let (_project, _running, seen) = run("100_000.times { |i| puts \"line #{i}\" }; raise 'x'");
    assert!(seen.output.starts_with("last words\nline 0\n"));
    assert!(seen.output.contains("bytes left out"));
    assert!(seen.output.ends_with("line 99999\n"));
    assert!(seen.output.len() < 66_000);
}

#[test]
fn forks_inside_tests_report_nothing_and_run_nothing_again() {
    let body = "Process.wait(fork { }); Process.wait(fork { exit 4 }); pid = fork; Process.wait(pid) if pid";
    let (_project, mut running, seen) = run(body);
    assert_eq!(seen.tests, ["passed x is fine", "passed x falls"]);
    assert_eq!(
        running.run("spec/good_spec.rb").tests,
        ["passed good works"]
    );
    assert_eq!(running.finish().end, Some(End::Exited(0)));
}

#[test]
fn processes_left_behind_are_named_and_ended() {
    let body = "spawn('sleep 4711'); fork { Process.setsid; exec('sleep 4712') }; sleep 0.2";
    let (_project, mut running, seen) = run(body);
    assert_eq!(seen.tests.len(), 2);
    let end = running.finish();
    let mut warnings = end.warnings.clone();
    warnings.sort();
    assert_eq!(
        warnings,
        [
            "spec/bad_spec.rb left a process behind: sleep 4711",
            "spec/bad_spec.rb left a process behind: sleep 4712"
        ]
    );
    assert_eq!(end.left, [""; 0], "{end:?}");
    let value = running.pid.to_string();
    assert_eq!(
        gorgon_process::orphan::with_environment("GORGON_CHILD_ID", &value),
        [0; 0]
    );
}

#[test]
fn an_interrupted_child_runs_its_hooks() {
    let spec = format!(
        "RSpec.configure {{ |c| c.after(:suite) {{ File.write('hook', 'x') }} }}
         RSpec.describe('x') {{ it('sleeps') {{ {SLEEP} }} }}"
    );
    let project = Project::new(&[("spec/a_spec.rb", &spec)])
        .callbacks("def after_complete; File.write('complete', 'x'); end");
    let mut running = project.start();
    running.send("spec/a_spec.rb");
    project.wait_for_sleeper();
    running.link.signal(running.pid, Signal::Int).unwrap();
    let seen = running.rest();
    assert!(seen.interrupted && seen.finished, "{seen:?}");
    assert_eq!(
        (project.read("hook"), project.read("complete")),
        ("x".into(), "x".into())
    );
}

#[test]
fn an_interrupt_that_comes_after_its_file_cuts_no_hook_of_rspec() {
    let spec = "RSpec.configure { |c| c.after(:suite) { Process.kill('INT', $$); File.write('hook', 'x') } }
                RSpec.describe('x') { it('works') {} }";
    for stopped in [true, false] {
        let project = Project::new(&[("spec/a_spec.rb", spec)]);
        let mut running = project.start();
        running.run("spec/a_spec.rb");
        running.child.finish(stopped);
        let end = running.rest_of_life();
        let ran = project.path("hook").exists();
        assert_eq!((end.finished, ran), (true, true), "{end:?}");
    }
}

#[test]
fn a_child_that_ignores_signals_is_killed_by_the_preloader() {
    let (_project, mut running, _) = run("trap('INT') {}; trap('TERM') {}");
    running.send("spec/good_spec.rb");
    let pid = running.pid;
    for signal in [Signal::Int, Signal::Term, Signal::Kill] {
        running.link.signal(pid, signal).unwrap();
    }
    let mut end = running.rest().end;
    while end.is_none() {
        end = running.rest().end;
    }
    assert!(end.is_some());
    // A number that was reaped is left alone.
    running.link.signal(pid, Signal::Kill).unwrap();
    running.again();
}
