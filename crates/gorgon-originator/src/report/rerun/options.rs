//! Which options of the framework a command that names its tests itself still needs.

use gorgon_proto::job::Framework;

/// Options that select tests or set the seed, and those that we ignore in a run, too. With a value.
const RSPEC: &[&str] = &[
    "-e",
    "--example",
    "-E",
    "--example-matches",
    "-t",
    "--tag",
    "-P",
    "--pattern",
    "--exclude-pattern",
    "--seed",
    "-f",
    "--format",
    "--formatter",
    "-o",
    "--out",
    "--drb-port",
];
/// The same, without one.
const RSPEC_ALONE: &[&str] = &[
    "--fail-fast",
    "--no-fail-fast",
    "--dry-run",
    "--only-failures",
    "-n",
    "--next-failure",
    "--bisect",
    "-X",
    "--drb",
];
const MINITEST: &[&str] = &[
    "-n",
    "--name",
    "-i",
    "--include",
    "-e",
    "-x",
    "--exclude",
    "-s",
    "--seed",
];
const TEST_UNIT: &[&str] = &[
    "-n",
    "--name",
    "--ignore-name",
    "-t",
    "--testcase",
    "--ignore-testcase",
    "--location",
    "--attribute",
    "-e",
    "--exclude",
    "-s",
    "--seed",
];
const TEST_UNIT_ALONE: &[&str] = &["--stop-on-failure", "--parallel"];
const SEEDS: &[&str] = &["-s", "--seed"];

/// Returns the options that are left.
pub(super) fn kept(framework: Framework, options: &[String]) -> Vec<String> {
    let (with_value, alone) = match framework {
        Framework::Rspec => (RSPEC, RSPEC_ALONE),
        Framework::Minitest => (MINITEST, &[][..]),
        Framework::TestUnit => (TEST_UNIT, TEST_UNIT_ALONE),
    };
    let mut kept = Vec::new();
    let mut words = options.iter();
    while let Some(word) = words.next() {
        if is_one_of(alone, word).is_some() {
            continue;
        }
        match is_one_of(with_value, word) {
            Some(Value::Here(_)) => {}
            Some(Value::Next) => {
                words.next();
            }
            None => kept.push(word.clone()),
        }
    }
    kept
}

/// Returns the seed that the options name.
pub(super) fn seed(options: &[String]) -> Option<String> {
    let mut words = options.iter();
    let mut seed = None;
    while let Some(word) = words.next() {
        match is_one_of(SEEDS, word) {
            Some(Value::Here(value)) => seed = Some(value.to_owned()),
            Some(Value::Next) => seed = words.next().cloned(),
            None => {}
        }
    }
    seed
}

/// Where the value of an option is.
enum Value<'a> {
    Here(&'a str),
    Next,
}

/// `--name`, `--name=VALUE`, `-n` or `-nVALUE`, if that is one of these options.
fn is_one_of<'a>(names: &[&str], word: &'a str) -> Option<Value<'a>> {
    names.iter().find_map(|name| {
        let rest = word.strip_prefix(name)?;
        match rest.strip_prefix('=') {
            _ if rest.is_empty() => Some(Value::Next),
            Some(value) if name.starts_with("--") => Some(Value::Here(value)),
            _ if name.starts_with("--") => None,
            _ => Some(Value::Here(rest)),
        }
    })
}
