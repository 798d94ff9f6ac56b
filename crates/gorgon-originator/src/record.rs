//! What a job leaves for the next one: the history, and the files of the original.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use gorgon_process::exit;
use gorgon_proto::config::ProjectConfig;
use gorgon_proto::outcome::Verdict;

use crate::history::original::{write_failed_files, write_runtime_file};
use crate::history::{Ran, Stamp, Store, TestRecord};
use crate::ledger::Ending;
use crate::report::Results;
use crate::report::files::{Share, Whole};
use crate::report::status::{Strict, lacks_tests};
use crate::report::visible::one_line;
use crate::select::Selected;

/// What of the command line decides what is kept.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// The whole suite was to run.
    pub whole_suite: bool,
    /// Options for the framework may have left tests out.
    pub filtered: bool,
    /// What has failed the job besides failures.
    pub strict: Strict,
    /// It ran on listeners, not on this machine alone.
    pub distributed: bool,
}

/// Says of one file what the history keeps.
fn ran(file: &Whole<'_>, results: &Results, stamp: Option<Stamp>, rules: &Kept) -> Option<Ran> {
    let tests: Vec<TestRecord> = file
        .tests()
        .into_iter()
        .map(|tried| TestRecord {
            id: tried.test.id().to_owned(),
            seconds: tried.test.seconds(),
            group: tried.test.group().map(str::to_owned),
            failed: tried.is_bad() || (rules.strict.flaky && tried.is_flaky()),
        })
        .collect();
    let parted = file.first().share != Share::All;
    let cut = parted && !results.is_settled(file);
    let unjudged = results.is_unjudged(file);
    let part_is_open = file.items().len() > 1 && file.is_open();
    match file.verdict()? {
        // Parts that ran say what they can.
        Verdict::NotRun if part_is_open && !tests.is_empty() => Some(Ran::Some {
            tests,
            cut,
            unjudged,
        }),
        Verdict::NotRun => None,
        Verdict::Crashed | Verdict::TimedOut | Verdict::Lost => Some(Ran::Broken {
            tests,
            cut,
            unjudged: false,
        }),
        Verdict::Passed | Verdict::Flaky | Verdict::Failed => {
            // All parts of a file are all of it.
            let first = file.first();
            let whole = parted || first.asked.is_empty();
            let left_out_whole = tests.is_empty() && file.left_out() > 0;
            Some(match (file.errors().is_empty(), whole && !part_is_open) {
                (false, _) => Ran::Broken {
                    tests,
                    cut,
                    unjudged,
                },
                (true, true) if rules.filtered || left_out_whole => Ran::Filtered {
                    seconds: file.time(),
                    stamp,
                    tests,
                },
                (true, true) => Ran::Whole {
                    seconds: file.time(),
                    stamp,
                    tests,
                    divisible: file.divisible(),
                    cut,
                    relies: results.relies(file),
                    unjudged,
                    flaky: file.tests().iter().any(|tried| tried.is_flaky()),
                },
                (true, false) => Ran::Some {
                    tests,
                    cut,
                    unjudged,
                },
            })
        }
    }
}

/// Returns whether something is known to fail the suite that belongs to no file, or not to: its hooks, or that no test
/// ran; none when the job does not tell.
fn hooks_failed(results: &Results, rules: &Kept, ending: &Ending) -> Option<bool> {
    let lacks_tests = *ending == Ending::Complete && lacks_tests(results);
    if results.suite_hooks.is_empty() && !lacks_tests {
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
    let stamps: HashMap<&str, Option<Stamp>> = selected
        .iter()
        .map(|(selected, stamp)| (selected.file.as_str(), *stamp))
        .collect();
    let files = results.by_file();
    for file in &files {
        let name = &file.first().filename;
        let stamp = stamps.get(name.as_str()).copied().flatten();
        if let Some(ran) = ran(file, results, stamp, rules) {
            all.insert(name.clone(), ran);
        }
    }
    let mut known: Vec<(String, f64)> = Vec::new();
    if let Some(store) = Store::of(root) {
        let slots = rules.distributed.then_some(results.most_slots);
        let slots = slots.filter(|slots| *slots > 0);
        match store.merge(&all, hooks_failed(results, rules, ending), slots) {
            Ok(history) => {
                for name in all.keys() {
                    if history.files.get(name).is_some_and(|record| record.doubted) {
                        let name = one_line(name);
                        warnings.push(format!(
                            "{name} ran in parts, and other tests failed than before: the next run is whole, and shows whether its tests rely on each other, or disturb each other"
                        ));
                    }
                }
                let seconds = |(file, record): (String, crate::history::FileRecord)| {
                    record.seconds.map(|seconds| (file, seconds))
                };
                if config.runtime_file.is_some() {
                    known = history.files.into_iter().filter_map(seconds).collect();
                }
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
            known = files
                .iter()
                .map(|file| (file.first().filename.clone(), file.time()))
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
            rules.strict.flaky && !file.is_bad() && file.tests().any(|tried| tried.is_flaky())
        });
        let depends = results.order_dependent.iter().map(|it| &it.first);
        let depends = depends.filter(|_| rules.strict.order_dependent);
        let mut seen = HashSet::new();
        let names: Vec<String> = bad
            .chain(flaky)
            .chain(depends)
            .chain(results.unfinished())
            .map(|file| file.filename.clone())
            .filter(|name| seen.insert(name.clone()))
            .collect();
        if let Err(error) = write_failed_files(&root.join(path), &names) {
            warnings.push(exit::chain(&error));
        }
    }
    warnings
}
