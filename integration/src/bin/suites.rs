//! Holds real suites against their truth: `suites [--rabbitmq] [--slots N] [--again] [NAME…]`, all of them
//! without a name. `--rabbitmq`: over a private RabbitMQ with two listeners, default sync. `--again`: once more,
//! with the history of the first time, and every file that took a while in parts.
//!
//! A line for each suite, a line for each file that differs; exit 1 when anything does.
#![expect(clippy::print_stdout, reason = "its table is what it is for")]

use std::process::ExitCode;

use integration::cluster::Cluster;
use integration::suite::{ALL, Suite};
use integration::suite_run::{Place, cut_all, run_suite};

fn main() -> ExitCode {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    let mut slots: u32 = 2;
    if let Some(at) = names.iter().position(|n| n == "--slots") {
        slots = names
            .get(at + 1)
            .and_then(|n| n.parse().ok())
            .unwrap_or(slots);
        names.drain(at..(at + 2).min(names.len()));
    }
    let mut cluster = None;
    if let Some(at) = names.iter().position(|n| n == "--rabbitmq") {
        names.remove(at);
        cluster = Some(Cluster::start(&[
            ("one", slots.div_ceil(2)),
            ("two", (slots / 2).max(1)),
        ]));
    }
    let mut again = false;
    if let Some(at) = names.iter().position(|n| n == "--again") {
        names.remove(at);
        again = true;
    }
    let url = cluster.as_ref().map(Cluster::url);
    let place = url.as_deref().map_or(Place::Local(slots), Place::Broker);
    if names.is_empty() {
        names = ALL.map(str::to_owned).to_vec();
    }
    println!(
        "{:<14} {:>6} {:>6} {:>9} {:>5}  differences",
        "suite", "files", "tests", "seconds", "exit"
    );
    let mut right = true;
    for name in &names {
        match check(name, place, again) {
            Ok(ok) => right &= ok,
            Err(what) => {
                right = false;
                println!("{name:<14} {what}");
            }
        }
    }
    if right {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn check(name: &str, place: Place<'_>, again: bool) -> Result<bool, String> {
    let suite = Suite::fetch(name)?;
    let directory = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut right = one_run(&suite, directory.path(), place)?;
    if again {
        cut_all(&suite, directory.path())?;
        right &= one_run(&suite, directory.path(), place)?;
    }
    Ok(right)
}

fn one_run(suite: &Suite, directory: &std::path::Path, place: Place<'_>) -> Result<bool, String> {
    let name = &suite.name;
    let run = run_suite(suite, directory, place)?;
    let tests: u32 = suite.truth.values().map(|c| c[0].total()).sum();
    let status = run.status.map_or("-".to_owned(), |s| s.to_string());
    println!(
        "{name:<14} {:>6} {tests:>6} {:>9.1} {status:>5}  {}",
        suite.truth.len(),
        run.took.as_secs_f64(),
        run.differences.len()
    );
    for difference in &run.differences {
        println!("  {difference}");
    }
    let is_right = run.is_right();
    if !is_right {
        for line in run
            .stderr
            .lines()
            .rev()
            .take(15)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            println!("  | {line}");
        }
    }
    Ok(is_right)
}
