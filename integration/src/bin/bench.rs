//! Figures and their budgets: `bench [--runs N] [SUBJECT…]`, medians of N runs of each command, in turn. What takes
//! minutes (the larger suites, `scale`, `wide`) runs only when it is named.
#![expect(clippy::print_stdout, reason = "its table is what it is for")]

use std::process::ExitCode;

use integration::bench::{self, Bench, figure::Figure};
use integration::home::Home;

fn main() -> ExitCode {
    let mut runs = 9;
    let mut wanted = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--runs" {
            runs = arguments
                .next()
                .and_then(|n| n.parse().ok())
                .unwrap_or(runs);
        } else {
            wanted.push(argument);
        }
    }
    let short = bench::all();
    let by_default = short.len();
    let subjects: Vec<_> = short.into_iter().chain(bench::long()).collect();
    if let Some(unknown) = wanted
        .iter()
        .find(|name| !subjects.iter().any(|(known, _)| known == name))
    {
        let known: Vec<_> = subjects.iter().map(|(name, _)| *name).collect();
        println!(
            "bench: no subject {unknown}; there are {}",
            known.join(", ")
        );
        return ExitCode::FAILURE;
    }
    let bench = Bench {
        runs,
        home: Home::new(),
    };
    println!("{}", Figure::head());
    let mut status = ExitCode::SUCCESS;
    for (place, (name, rows)) in subjects.into_iter().enumerate() {
        let named = wanted.iter().any(|it| it == name);
        if !named && (!wanted.is_empty() || place >= by_default) {
            continue;
        }
        match rows(&bench) {
            Ok(rows) => rows.iter().for_each(|row| println!("{row}")),
            Err(what) => {
                println!("{name}: {what}");
                status = ExitCode::FAILURE;
            }
        }
    }
    status
}
