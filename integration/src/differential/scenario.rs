//! A scenario as what can be done twice: files to write, and runs of RSpec.

use super::{
    feature::{Scenario, Step},
    words::words,
};

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Write a file.
    Write {
        /// Its path in the project.
        path: String,
        /// Its text.
        text: String,
    },
    /// Replace a text in a file that was written before.
    Replace {
        /// The file.
        path: String,
        /// What is in it.
        from: String,
        /// What is to be in its place.
        to: String,
    },
    /// Run `rspec` with these arguments.
    Rspec(Vec<String>),
    /// Run files of Minitest or Test::Unit.
    Ruby {
        /// `ruby` and what follows it before the files.
        ruby: Vec<String>,
        /// The files.
        files: Vec<String>,
        /// What follows the files.
        options: Vec<String>,
    },
}

/// What keeps a scenario from being run both ways.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotApplicable(pub String);

/// Options of RSpec that make something else of a run than running.
const OTHER_RUNS: [(&str, &str); 8] = [
    ("--bisect", "bisect is a command of its own"),
    ("--init", "init is a command of its own"),
    ("--dry-run", "dry runs run nothing; ours says so"),
    ("--version", "prints and ends"),
    ("--help", "prints and ends"),
    ("-v", "prints and ends"),
    ("-h", "prints and ends"),
    ("--drb", "needs a server"),
];

/// Makes a plan of a scenario.
///
/// # Errors
/// Why it cannot be run both ways.
pub fn plan(scenario: &Scenario) -> Result<Vec<Act>, NotApplicable> {
    let mut acts = Vec::new();
    for step in &scenario.steps {
        if let Some(act) = act(step)? {
            acts.push(act);
        }
    }
    if acts.iter().any(|act| !matches!(act, Act::Write { .. })) {
        Ok(acts)
    } else {
        Err(NotApplicable("runs nothing".into()))
    }
}

fn act(step: &Step) -> Result<Option<Act>, NotApplicable> {
    let words_of = step.words.as_str();
    let quoted: Vec<&str> = words_of.split('"').skip(1).step_by(2).collect();
    let ticked: Vec<&str> = words_of.split('`').skip(1).step_by(2).collect();
    let begins = |start: &str| words_of.starts_with(start);
    if (begins("a file named ") || begins("I create ")) && quoted.len() == 1 {
        return Ok(Some(Act::Write {
            path: quoted[0].to_owned(),
            text: step.text.clone().unwrap_or_default(),
        }));
    }
    if begins("I run `") || begins("I have run `") {
        if words_of.contains("ctrl-c") {
            return Err(NotApplicable("is interrupted".into()));
        }
        return run(ticked[0]).map(Some);
    }
    if begins("I fix ") && quoted.len() == 3 {
        return Ok(Some(Act::Replace {
            path: quoted[0].to_owned(),
            from: quoted[1].to_owned(),
            to: quoted[2].to_owned(),
        }));
    }
    if begins("I have changed ") && ticked.len() == 2 && quoted.len() == 1 {
        return Ok(Some(Act::Replace {
            path: quoted[0].to_owned(),
            from: ticked[0].to_owned(),
            to: ticked[1].to_owned(),
        }));
    }
    let unknown = [
        "rspec-expectations is not installed",
        "only rspec-core is installed",
        "a vendored gem",
        "files ",
        "I have a brand new project",
        "I accept the recommended",
        "I have not configured",
    ];
    match unknown.into_iter().find(|start| begins(start)) {
        // These change nothing that is there.
        Some("I have a brand new project" | "I have not configured") | None => Ok(None),
        Some(start) => Err(NotApplicable(format!("needs a step of its own: {start}"))),
    }
}

fn run(line: &str) -> Result<Act, NotApplicable> {
    let words = words(line);
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| NotApplicable("runs nothing".into()))?;
    if program == "ruby" {
        return ruby(&words);
    }
    if program != "rspec" {
        return Err(NotApplicable(format!("runs {program}")));
    }
    for argument in arguments {
        for (option, why) in OTHER_RUNS {
            if argument == option || argument.starts_with(&format!("{option}=")) {
                return Err(NotApplicable(format!("{option}: {why}")));
            }
        }
    }
    Ok(Act::Rspec(arguments.to_vec()))
}

/// Reads `ruby -Itest test/a_test.rb test/b_test.rb --seed 1`.
fn ruby(words: &[String]) -> Result<Act, NotApplicable> {
    let is_option = |word: &&String| word.starts_with('-');
    let first = 1 + words[1..].iter().take_while(is_option).count();
    let (ruby, rest) = words.split_at(first);
    let files = rest.iter().take_while(|word| !is_option(word)).count();
    let (files, options) = rest.split_at(files);
    if ruby.iter().any(|word| word == "-e") || files.is_empty() {
        return Err(NotApplicable("runs a script of its own".into()));
    }
    if !files
        .iter()
        .all(|file| file.ends_with("_test.rb") || file.contains("test_"))
    {
        return Err(NotApplicable("runs a script of its own".into()));
    }
    Ok(Act::Ruby {
        ruby: ruby.to_vec(),
        files: files.to_vec(),
        options: options.to_vec(),
    })
}

/// RSpec's options that take the next word.
const WITH_VALUE: [&str; 26] = [
    "-I",
    "-r",
    "--require",
    "-O",
    "--options",
    "--order",
    "--seed",
    "--failure-exit-code",
    "--error-exit-code",
    "-f",
    "--format",
    "-o",
    "--out",
    "--deprecation-out",
    "-P",
    "--pattern",
    "--exclude-pattern",
    "-e",
    "--example",
    "-E",
    "--example-matches",
    "-t",
    "--tag",
    "--default-path",
    "--default_path",
    "--only",
];

/// Options that we have ourselves: RSpec knows only its own process.
const OURS: [&str; 2] = ["--fail-fast", "--only-failures"];

/// Parts RSpec's arguments into what we take ourselves, files first, and options, as a user of ours does who puts
/// `--` between them.
#[must_use]
pub fn files_and_options(arguments: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut files, mut options) = (Vec::new(), Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if WITH_VALUE.contains(&argument.as_str()) {
            options.push(argument.clone());
            options.extend(rest.next().cloned());
        } else if argument == "--profile" {
            options.push(argument.clone());
            let number = rest.as_slice().first();
            if number.is_some_and(|word| word.parse::<u32>().is_ok()) {
                options.extend(rest.next().cloned());
            }
        } else if argument
            .split('=')
            .next()
            .is_some_and(|word| OURS.contains(&word))
        {
            files.push(argument.clone());
        } else if argument.starts_with('-') {
            options.push(argument.clone());
        } else {
            files.push(argument.clone());
        }
    }
    (files, options)
}

fn chooses_formatter(argument: &str) -> bool {
    let is_long = argument.starts_with("--");
    argument.starts_with("--format=")
        || argument.starts_with("--out=")
        || (!is_long && argument.starts_with("-f"))
}

/// Takes options away that choose formatters and their files.
#[must_use]
pub fn without_formatters(arguments: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if ["-f", "--format", "-o", "--out"].contains(&argument.as_str()) {
            rest.next();
        } else if !chooses_formatter(argument) {
            kept.push(argument.clone());
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(words: &str) -> Step {
        Step {
            words: words.to_owned(),
            text: Some("x\n".to_owned()),
        }
    }

    #[test]
    fn a_run_of_rspec_is_one_and_a_run_of_rake_is_not() {
        let write = Act::Write {
            path: "a_spec.rb".into(),
            text: "x\n".into(),
        };
        assert_eq!(
            act(&step("a file named \"a_spec.rb\" with:")),
            Ok(Some(write))
        );
        let run = Act::Rspec(vec!["a_spec.rb".into(), "-fd".into()]);
        assert_eq!(act(&step("I run `rspec a_spec.rb -fd`")), Ok(Some(run)));
        assert_eq!(
            act(&step("I run `rake`")),
            Err(NotApplicable("runs rake".into()))
        );
        let files = ["a_test.rb", "b_test.rb"].map(String::from).to_vec();
        assert_eq!(
            act(&step("I run `ruby -Itest a_test.rb b_test.rb -n /x/`")),
            Ok(Some(Act::Ruby {
                ruby: vec!["ruby".into(), "-Itest".into()],
                files,
                options: vec!["-n".into(), "/x/".into()],
            }))
        );
        assert_eq!(act(&step("the output should contain \"x\"")), Ok(None));
    }

    #[test]
    fn files_and_options_are_told_apart() {
        let line = words(". --tag ~slow --profile 2 a_spec.rb -fdoc --seed 3 --fail-fast=2");
        let (files, options) = files_and_options(&line);
        assert_eq!(files, [".", "a_spec.rb", "--fail-fast=2"]);
        assert_eq!(
            options,
            ["--tag", "~slow", "--profile", "2", "-fdoc", "--seed", "3"]
        );
        assert_eq!(
            without_formatters(&options),
            ["--tag", "~slow", "--profile", "2", "--seed", "3"]
        );
    }
}
