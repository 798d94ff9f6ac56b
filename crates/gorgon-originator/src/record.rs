//! What a job leaves for the next one: the history, and the files of the original.

use std::collections::BTreeMap;
use std::path::Path;

use gorgon_process::exit;
use gorgon_proto::config::ProjectConfig;
use gorgon_proto::outcome::Verdict;

use crate::history::original::{write_failed_files, write_runtime_file};
use crate::history::{Ran, Stamp, Store, TestRecord};
use crate::ledger::Ending;
use crate::report::{FileResult, Results};
use crate::select::Selected;

/// What of the command line decides what is kept.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// The whole suite was to run.
    pub whole_suite: bool,
    /// Options for the framework may have left tests out.
    pub filtered: bool,
    /// A test that passed on a retry has failed the job.
    pub flaky_fails: bool,
}

/// Says of one file what the history keeps.
fn ran(file: &FileResult, stamp: Option<Stamp>, rules: &Kept) -> Option<Ran> {
    let tests: Vec<TestRecord> = file
        .tests()
        .map(|tried| TestRecord {
            id: tried.test.id.clone(),
            seconds: tried.test.seconds,
            failed: tried.is_bad() || (rules.flaky_fails && tried.is_flaky()),
        })
        .collect();
    match file.verdict? {
        Verdict::NotRun => None,
        Verdict::Crashed | Verdict::TimedOut | Verdict::Lost => Some(Ran::Broken { tests }),
        Verdict::Passed | Verdict::Flaky | Verdict::Failed => {
            let whole = file.asked.is_empty();
            Some(match (file.errors.is_empty(), whole) {
                (false, _) => Ran::Broken { tests },
                (true, true) if rules.filtered => Ran::Filtered {
                    seconds: file.time,
                    stamp,
                    tests,
                },
                (true, true) => Ran::Whole {
                    seconds: file.time,
                    stamp,
                    tests,
                },
                (true, false) => Ran::Some { tests },
            })
        }
    }
}

/// Returns whether suite hooks are known to raise, or not to; none when the job does not tell.
fn hooks_failed(results: &Results, rules: &Kept, ending: &Ending) -> Option<bool> {
    if results.suite_hooks.is_empty() {
        (rules.whole_suite && *ending == Ending::Complete).then_some(false)
    } else {
        Some(true)
    }
}

/// Keeps what the job says. Returns warnings: nothing here makes a job fail.
#[must_use]
pub fn keep(
    root: &Path,
    config: &ProjectConfig,
    results: &Results,
    selected: &[(Selected, Option<Stamp>)],
    rules: &Kept,
    ending: &Ending,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut all = BTreeMap::new();
    for (file, (_, stamp)) in results.files.iter().zip(selected) {
        if let Some(ran) = ran(file, *stamp, rules) {
            all.insert(file.filename.clone(), ran);
        }
    }
    let mut known: Vec<(String, f64)> = Vec::new();
    if let Some(store) = Store::of(root) {
        match store.merge(&all, hooks_failed(results, rules, ending)) {
            Ok(history) => {
                let seconds = |(file, record): (String, crate::history::FileRecord)| {
                    record.seconds.map(|seconds| (file, seconds))
                };
                known = history.files.into_iter().filter_map(seconds).collect();
            }
            Err(error) => warnings.push(exit::chain(&error)),
        }
    }
    if let Some(path) = config
        .runtime_file
        .as_ref()
        .filter(|_| *ending == Ending::Complete)
    {
        if rules.whole_suite {
            known = results
                .files
                .iter()
                .map(|f| (f.filename.clone(), f.time))
                .collect();
        }
        if let Err(error) = write_runtime_file(&root.join(path), &known) {
            warnings.push(exit::chain(&error));
        }
    }
    if let Some(path) = &config.failed_files {
        let bad = results
            .bad
            .iter()
            .filter_map(|id| results.files.get(id.0 as usize));
        let flaky = results.files.iter().filter(|file| {
            rules.flaky_fails && !file.is_bad() && file.tests().any(|tried| tried.is_flaky())
        });
        let names: Vec<String> = bad
            .chain(flaky)
            .chain(results.unfinished())
            .map(|file| file.filename.clone())
            .collect();
        if let Err(error) = write_failed_files(&root.join(path), &names) {
            warnings.push(exit::chain(&error));
        }
    }
    warnings
}
