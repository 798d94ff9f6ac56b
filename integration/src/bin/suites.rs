//! Holds real suites against their truth: `suites [--slots N] [NAME…]`, all of them without a name.
//!
//! A line for each suite, a line for each file that differs; exit 1 when anything does.
#![expect(clippy::print_stdout, reason = "its table is what it is for")]

use std::process::ExitCode;

use integration::suite::{ALL, Suite};
use integration::suite_run::run_suite;

fn main() -> ExitCode {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    let mut slots = "2".to_owned();
    if let Some(at) = names.iter().position(|n| n == "--slots") {
        slots = names.get(at + 1).cloned().unwrap_or(slots);
        names.drain(at..(at + 2).min(names.len()));
    }
    if names.is_empty() {
        names = ALL.map(str::to_owned).to_vec();
    }
    println!(
        "{:<14} {:>6} {:>6} {:>9} {:>5}  differences",
        "suite", "files", "tests", "seconds", "exit"
    );
    let mut right = true;
    for name in &names {
        match check(name, &slots) {
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

fn check(name: &str, slots: &str) -> Result<bool, String> {
    let suite = Suite::fetch(name)?;
    let directory = tempfile::tempdir().map_err(|e| e.to_string())?;
    let run = run_suite(&suite, directory.path(), &[&format!("--local={slots}")])?;
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
    let is_right = run.is_right(&suite);
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
