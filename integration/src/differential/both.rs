//! A scenario run plainly, plainly in silence, and by us.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    compare::{self, Difference},
    observed::Observed,
    ours::{self, Ours},
    place::Place,
    plain::{self, Framework, Reporters},
    scenario::{self, Act},
};

/// When a run of a small input is killed.
pub const LIMIT: Duration = Duration::from_secs(60);

/// What a comparison gave.
#[derive(Debug, Clone, Default)]
pub struct Compared {
    /// Tests that ran plainly.
    pub tests: usize,
    /// What differs.
    pub differences: Vec<Difference>,
}

/// Does all acts each way and compares each run.
///
/// # Errors
/// What cannot be written or started.
pub fn both(place: &Place, binaries: &Path, acts: &[Act]) -> io::Result<Compared> {
    let own = all(place, acts, |act| plainly(place, act, Reporters::Own))?;
    let silent = all(place, acts, |act| plainly(place, act, Reporters::Silent))?;
    let ours = all(place, acts, |act| by_us(place, binaries, act))?;
    let mut compared = Compared::default();
    for (((framework, own), (_, silent)), ours) in own.iter().zip(&silent).zip(&ours) {
        compared.tests += own.tests.len();
        let differences = compare::compare(*framework, own, &ours.observed);
        compared.differences.extend(differences);
        // What passed is not shown, and so is what it printed; who printed what cannot be told plainly.
        if ours.verdicts.values().flatten().all(|it| it != "passed") {
            let printed = compare::printed(silent, &ours.observed);
            compared.differences.extend(printed);
        }
    }
    Ok(compared)
}

/// Does all acts in a fresh project; `run` does those that run something.
fn all<T>(place: &Place, acts: &[Act], run: impl Fn(&Act) -> io::Result<T>) -> io::Result<Vec<T>> {
    place.fresh(|_| Ok(()))?;
    let mut seen = Vec::new();
    for act in acts {
        match act {
            Act::Write { path, text } => {
                let path = place.project().join(path);
                if let Some(directory) = path.parent() {
                    fs::create_dir_all(directory)?;
                }
                fs::write(path, text)?;
            }
            Act::Replace { path, from, to } => {
                let path = place.project().join(path);
                let text = fs::read_to_string(&path)?;
                fs::write(path, text.replace(from, to))?;
            }
            Act::Rspec(_) | Act::Ruby { .. } => seen.push(run(act)?),
        }
    }
    Ok(seen)
}

fn plainly(place: &Place, act: &Act, reporters: Reporters) -> io::Result<(Framework, Observed)> {
    let (framework, ruby, arguments) = match act {
        Act::Ruby {
            ruby,
            files,
            options,
        } => {
            let separator = ["--".to_owned()];
            let arguments: Vec<String> = [files, &separator[..], options].concat();
            (Framework::Minitest, ruby.clone(), arguments)
        }
        Act::Rspec(arguments) => (Framework::Rspec, vec!["ruby".to_owned()], arguments.clone()),
        Act::Write { .. } | Act::Replace { .. } => unreachable!("nothing to run"),
    };
    let run = plain::Run {
        framework,
        ruby: &ruby,
        arguments: &arguments,
        reporters,
        limit: LIMIT,
    };
    Ok((framework, plain::run(place, &place.project(), &run)?))
}

fn by_us(place: &Place, binaries: &Path, act: &Act) -> io::Result<Ours> {
    let (files, options) = match act {
        Act::Rspec(arguments) => scenario::files_and_options(arguments),
        Act::Ruby { files, options, .. } => (files.clone(), options.clone()),
        Act::Write { .. } | Act::Replace { .. } => unreachable!("nothing to run"),
    };
    let mut arguments = vec!["--local=2".to_owned()];
    arguments.extend(files);
    if !options.is_empty() {
        arguments.push("--".to_owned());
        arguments.extend(options);
    }
    let run = ours::Run {
        binaries,
        arguments: &arguments,
        limit: LIMIT,
    };
    ours::run(place, &place.project(), &run)
}

/// Returns the features below a directory.
#[must_use]
pub fn features(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(features(&path));
        } else if path.extension().is_some_and(|it| it == "feature") {
            found.push(path);
        }
    }
    found.sort();
    found
}
