//! A suite of which one file is two thirds: how close its makespan comes to the best one, with history.

use std::fmt::Write as _;

use serde_json::Value;

use super::{Bench, figure::Figure, timing::median};
use crate::home::Home;
use crate::project::Project;
use crate::run;

/// Workers.
const SLOTS: u32 = 4;
/// Examples of the giant file, which sleep so that a machine of few cores can be measured too.
const GIANT: usize = 400;
/// Small files, and their examples.
const SMALL: (usize, usize) = (50, 4);
/// What an example sleeps.
const SECONDS: &str = "0.02";
/// No more runs than this.
const MOST_RUNS: usize = 5;

/// The makespan, first start to last finish, against the seconds of all tests through the slots.
///
/// # Errors
/// None: a run that fails panics.
pub fn rows(bench: &Bench) -> Result<Vec<Figure>, String> {
    let home = Home::new();
    let project = project(&home);
    once(&home, &project);
    let runs = bench.runs.clamp(1, MOST_RUNS);
    let ratios = (0..runs).map(|_| once(&home, &project)).collect();
    let what = format!("one file of two thirds, --local={SLOTS}, with history");
    Ok(vec![Figure::new(
        what,
        "best makespan",
        median(ratios),
        1.03,
    )])
}

fn project(home: &Home) -> Project {
    let spec = |examples: usize| {
        let mut text = "RSpec.describe('s') do\n".to_owned();
        for n in 0..examples {
            let _ = writeln!(text, "  it('{n}') {{ sleep {SECONDS} }}");
        }
        text + "end\n"
    };
    let project = Project::empty(home);
    project.write("spec/giant_spec.rb", &spec(GIANT));
    let (files, examples) = SMALL;
    for n in 0..files {
        project.write(&format!("spec/s{n:02}_spec.rb"), &spec(examples));
    }
    project
}

fn once(home: &Home, project: &Project) -> f64 {
    let run = run::run(home, project, &[&format!("--local={SLOTS}")]);
    run.exited(0);
    let at = |event: &&Value| event["at"].as_f64().unwrap_or(f64::NAN);
    let starts = run.events("item_started");
    let finishes = run.events("item_finished");
    let begun = starts.iter().map(at).fold(f64::INFINITY, f64::min);
    let ended = finishes.iter().map(at).fold(0.0, f64::max);
    let tests = finishes
        .iter()
        .filter_map(|event| event["tests"].as_array());
    let spent: f64 = tests
        .flatten()
        .filter_map(|test| test["seconds"].as_f64())
        .sum();
    (ended - begun) / (spent / f64::from(SLOTS))
}
