//! `list`, and the files of a run: chosen, planned, and what they looked like.

use std::collections::{BTreeMap, HashMap};

use gorgon_process::exit;
use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::Way;
use gorgon_ruby::asked_ways;

use crate::cli::{Slots, StartArgs};
use crate::glob::Tree;
use crate::history::original::{Runtimes, read_runtime_file};
use crate::history::{History, Stamp, Store};
use crate::ledger::LastFailed;
use crate::plan::{Candidate, Order, Part, Planned, Seconds, plan, put_failed_first};
use crate::report::summary::counted;
use crate::report::visible::one_line;
use crate::run::RunError;
use crate::screen;
use crate::select::{Selected, Suite, select};
use crate::settings::Settings;
use crate::split::Splitting;

/// Why `--only-failures` runs more than the tests that failed.
const HOOKS_FAILED: &str = "an earlier run failed by what belongs to no file (a suite hook, or that no test ran): all files run";

/// The files of a run, in order, each with what it looked like.
pub struct Files {
    /// The items, with what is known of them.
    pub planned: Vec<Planned>,
    /// How many slots the job will have; 0: unknown.
    pub slots: usize,
    /// What was asked of each file, and what it looked like.
    pub selected: Vec<(Selected, Option<Stamp>)>,
    /// Lines for the user.
    pub warnings: Vec<String>,
    /// What the project's own command does besides: lines for the user, and for the report.
    pub beside: Vec<String>,
    /// By file: what failed when it last ran.
    pub failing: BTreeMap<String, LastFailed>,
    /// Lines for the user that `-q` leaves out.
    pub hints: Vec<String>,
    /// The whole suite, not a part of it.
    pub whole: bool,
    /// What they were looked for by, where nothing was named.
    pub globs: Vec<String>,
    /// How Ruby starts for them, where Rake was asked.
    pub ways: Vec<Way>,
    /// Options of the framework, without those that have chosen the files.
    pub framework_options: Vec<String>,
}

impl Files {
    /// Returns the names of the files, in the order in which they begin.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.selected
            .iter()
            .map(|(it, _)| it.file.clone())
            .collect()
    }

    /// Returns how many items are queued.
    #[must_use]
    pub fn queued(&self) -> usize {
        let queued = |planned: &&Planned| !matches!(planned.part, Part::Rest(_));
        self.planned.iter().filter(queued).count()
    }
}

/// How many workers run here unless the user says it: one a core.
#[must_use]
pub fn local_slots(slots: Slots) -> u32 {
    match slots {
        Slots::Cores => std::thread::available_parallelism()
            .map_or(1, std::num::NonZero::get)
            .try_into()
            .unwrap_or(1),
        Slots::Number(slots) => slots.get(),
    }
}

/// Returns when files are split: never where only some of their tests are wanted.
fn splitting(settings: &Settings, args: &StartArgs, history: &History) -> Splitting {
    if args.selection.only_failures || !args.framework_options.is_empty() {
        return Splitting::Never;
    }
    match settings.config.split_over {
        Some(limit) if limit.is_zero() => Splitting::Never,
        Some(limit) => Splitting::Over(limit.as_secs_f64()),
        None => Splitting::Automatic {
            slots: expected_slots(args, history),
        },
    }
}

/// How many slots the job will have: known with `--local`, else those that the last job had.
fn expected_slots(args: &StartArgs, history: &History) -> usize {
    match args.local {
        Some(slots) => {
            let most = args.slots.unwrap_or(u32::MAX);
            local_slots(slots).min(most) as usize
        }
        None => history.slots,
    }
}

/// Chooses and plans the files.
///
/// # Errors
/// A word of the command line that means nothing.
pub fn choose(settings: &Settings, start: &StartArgs) -> Result<Files, RunError> {
    let args = &start.selection;
    let root = &settings.root;
    let tree = Tree::new(root);
    let suite = settings.suite(&tree, &start.framework_options);
    let mut selection = select(&tree, &args.what, &suite)?;
    let history = Store::of(root)
        .map(|store| store.load())
        .unwrap_or_default();
    let mut whole = args.what.is_empty();
    let mut warnings = selection.warnings.clone();
    if args.only_failures && history.hooks_failed {
        warnings.push(HOOKS_FAILED.to_owned());
    } else if args.only_failures {
        whole = false;
        let mut failures = Vec::new();
        for failure in history.failures() {
            let known = selection
                .files
                .iter()
                .any(|selected| selected.file == failure.file);
            if !known {
                if args.what.is_empty() {
                    let file = one_line(&failure.file);
                    warnings.push(format!(
                        "{file} failed in an earlier run and is none of the suite's files any more"
                    ));
                }
                continue;
            }
            // Ids of a file that was changed since may name other tests by now.
            let unchanged = history.unchanged(root, &failure.file).is_some();
            let tests = if unchanged { failure.tests } else { Vec::new() };
            failures.push(Selected {
                file: failure.file,
                lines: Vec::new(),
                tests,
            });
        }
        selection.files = failures;
    }
    let runtimes = match settings.config.runtime_file.as_ref() {
        Some(path) => read_runtime_file(&root.join(path)).unwrap_or_else(|error| {
            warnings.push(exit::chain(&error));
            Runtimes::default()
        }),
        None => Runtimes::default(),
    };
    warnings.extend(runtimes.warning);
    let runtimes: HashMap<_, _> = runtimes.files.into_iter().collect();
    let splitting = splitting(settings, start, &history);
    let mut stamps = HashMap::new();
    let mut failing = BTreeMap::new();
    let candidates = selection
        .files
        .iter()
        .map(|selected| {
            let file = &selected.file;
            let stamp = Stamp::of(&root.join(file));
            stamps.insert(file.clone(), (selected.clone(), stamp));
            let all = selected.tests.is_empty() && selected.lines.is_empty();
            let known = history.files.get(file).filter(|record| {
                all && splitting != Splitting::Never && stamp.is_some() && record.stamp == stamp
            });
            let mut unsure = false;
            if let Some(record) = history.files.get(file) {
                let changed = stamp.is_none() || record.stamp != stamp;
                let last = record.last_failed(changed);
                unsure = changed || last.is_some();
                failing.extend(last.map(|last| (file.clone(), last)));
            }
            Candidate {
                pieces: known.and_then(|record| record.pieces()),
                filename: file.clone(),
                size_bytes: stamp.map_or(0, |stamp| stamp.bytes),
                seconds: history
                    .seconds(file)
                    .or_else(|| runtimes.get(file).copied().flatten()),
                unsure,
                tests: selected.tests.clone(),
                lines: selected.lines.clone(),
            }
        })
        .collect();
    let mut planned = plan(candidates, selection.order(), splitting);
    if start.fail_fast.is_some() && selection.order() == Order::LongestFirst {
        put_failed_first(&mut planned, |file| failing.contains_key(file));
    }
    let selected = planned
        .iter()
        .filter_map(|p| stamps.remove(&p.candidate.filename))
        .collect();
    Ok(Files {
        planned,
        slots: expected_slots(start, &history),
        selected,
        warnings,
        beside: match &suite {
            Suite::Usual(usual) if args.what.is_empty() => usual.beside().to_vec(),
            Suite::Usual(_) | Suite::Globs(_) => Vec::new(),
        },
        hints: selection.hints,
        failing,
        whole,
        ways: match &suite {
            Suite::Usual(usual) => usual.ways().to_vec(),
            Suite::Globs(_) => asked_ways(&settings.ruby()),
        },
        framework_options: match &suite {
            Suite::Usual(usual) if !selection.named => usual.options_left(&start.framework_options),
            Suite::Usual(_) | Suite::Globs(_) => start.framework_options.clone(),
        },
        globs: suite.globs().to_vec(),
    })
}

/// Says that nothing is found.
#[must_use]
pub fn no_files(files: &Files, start: &StartArgs) -> RunError {
    let what = &start.selection.what;
    let words = if what.is_empty() { &files.globs } else { what };
    RunError::NoFiles(match words.as_slice() {
        [] => "`files` in gorgon.json is an empty list".to_owned(),
        words => format!("nothing is found by {}", words.join(", ")),
    })
}

/// `list`: the items in the order in which they would be queued.
///
/// # Errors
/// Why they cannot be told.
pub fn list(start: &StartArgs, broker_url: Option<&str>) -> Result<u8, RunError> {
    let args = &start.selection;
    let settings = Settings::load(args.config.as_deref(), broker_url)?;
    let files = choose(&settings, start)?;
    let warnings = settings.warnings.iter().chain(&files.warnings);
    for warning in warnings.chain(&files.beside) {
        screen::to_stderr(&format!("warning: {warning}\n"));
    }
    for hint in &files.hints {
        screen::to_stderr(&format!("{hint}\n"));
    }
    if files.planned.is_empty() && !args.only_failures {
        return Err(no_files(&files, start));
    }
    let mut text = String::new();
    for planned in &files.planned {
        let seconds = match planned.seconds {
            Seconds::Known(seconds) => format!("{seconds:.2}"),
            Seconds::Estimated(seconds) => format!("~{seconds:.2}"),
            Seconds::Unknown => "?".to_owned(),
        };
        let name = one_line(&planned.candidate.filename);
        let part = match &planned.part {
            Part::Whole => String::new(),
            Part::Tests(tests) => format!(" ({})", counted(tests.len(), "test")),
            Part::Rest(_) => continue,
        };
        text.push_str(&format!("{seconds:>9}  {name}{part}\n"));
    }
    screen::to_stdout(&text)?;
    Ok(exit::OK)
}

/// Numbers the items. The plan is of no use after that, and large.
#[must_use]
pub fn work_of(planned: Vec<Planned>) -> Vec<WorkItem> {
    (0u32..)
        .zip(planned)
        .map(|(n, planned)| {
            let candidate = planned.candidate;
            let whole = WorkItem::whole(ItemId(n), candidate.filename);
            match planned.part {
                Part::Whole => WorkItem {
                    tests: candidate.tests,
                    lines: candidate.lines,
                    ..whole
                },
                Part::Tests(tests) => WorkItem {
                    part: true,
                    tests,
                    ..whole
                },
                Part::Rest(given) => WorkItem {
                    part: true,
                    except: given,
                    ..whole
                },
            }
        })
        .collect()
}
