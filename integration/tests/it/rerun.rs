//! The line under a failure that people of the framework know: pasted into a shell it runs the same test, and no other.

mod minitest;
mod rspec;
mod test_unit;

use std::process::{Command, Stdio};

use gorgon_process::command::{self, CommandError};
use integration::{
    home::Home,
    project::Project,
    run::{self, Finished},
};

/// Each test notes that it runs, and fails.
const NOTES: &str = "def noted(name)
  File.write('ran.log', \"#{name}\\n\", mode: 'a')
  raise \"#{name} fails\"
end
";

/// What a line said when it was pasted into a shell.
struct Pasted {
    /// It succeeded.
    good: bool,
    /// The tests that ran.
    ran: Vec<String>,
    /// All that was printed.
    said: String,
}

/// Makes a project in which [`NOTES`] can be required.
fn project(home: &Home, files: &[(&str, &str)]) -> Project {
    let project = Project::of(home, files);
    project.write("notes.rb", NOTES);
    project
}

/// Returns the lines of a summary that begin with this word.
fn lines<'a>(run: &'a Finished, word: &str) -> Vec<&'a str> {
    let lines = run.stdout.lines();
    lines
        .filter_map(|line| line.trim().strip_prefix(word))
        .collect()
}

fn paste(home: &Home, project: &Project, line: &str) -> Pasted {
    project.write("ran.log", "");
    let mut shell = Command::new("bash");
    shell
        .args(["-c", line])
        .current_dir(project.path())
        .env_clear()
        .envs(home.environment())
        .stdin(Stdio::null());
    let (good, said) = match command::run(shell, run::RUN_LIMIT, b"") {
        Ok(ended) => (true, format!("{}{}", ended.stdout, ended.stderr)),
        Err(CommandError::Ended { source, .. }) => {
            (false, format!("{}{}", source.stdout, source.stderr))
        }
        Err(error) => panic!("{line}: {error}"),
    };
    Pasted {
        good,
        ran: project.read("ran.log").lines().map(str::to_owned).collect(),
        said,
    }
}

/// Runs a project, whose failures are all noted, and checks that each line runs its test alone. `expected`: the names
/// that the tests note, in the order of the summary, and their lines.
#[track_caller]
fn check(
    project: &Project,
    home: &Home,
    arguments: &[&str],
    expected: &[(&str, &str)],
) -> Finished {
    let run = run::run(
        home,
        project,
        &[&["--local=1", "--seed", "7"], arguments].concat(),
    );
    run.exited(1);
    let found = noted_lines(&run);
    assert_eq!(found, expected, "{}\n{}", run.stdout, run.stderr);
    for (name, line) in found {
        let pasted = paste(home, project, line);
        assert_eq!(pasted.ran, [name], "{line}\n{}", pasted.said);
        assert!(!pasted.good, "{line}\n{}", pasted.said);
        assert!(
            pasted.said.contains(&format!("{name} fails")),
            "{}",
            pasted.said
        );
    }
    home.assert_nothing_left();
    run
}

/// Returns each line that runs a test again, with the name that the failure above it has noted. Other text may have names,
/// too: where Rails is installed, its plugin of Minitest prints each failure once more.
fn noted_lines(run: &Finished) -> Vec<(&str, &str)> {
    let mut name = "";
    let mut found = Vec::new();
    for line in run.stdout.lines() {
        name = noted_name(line).unwrap_or(name);
        if let Some(line) = line.trim().strip_prefix("rerun: ") {
            found.push((name, line));
        }
    }
    found
}

/// `    NAME fails` or `    RuntimeError: NAME fails` of a message.
fn noted_name(line: &str) -> Option<&str> {
    let said = line.strip_prefix("    ")?.trim_start();
    let said = said.strip_prefix("RuntimeError: ").unwrap_or(said);
    let name = said.strip_suffix(" fails")?;
    (!name.contains(' ')).then_some(name)
}
