//! Two jobs at once on one listener of four slots, over RabbitMQ: how much longer they take than what their files took
//! divided by the slots, from the first start to the last finish. Files that sleep cost no core, so any machine will do.

use std::time::{Duration, Instant};

use super::{Bench, figure::Figure};
use crate::cluster::Cluster;
use crate::home::Home;
use crate::project::Project;
use crate::run::{Finished, Run};

const SLOTS: u32 = 4;
/// What a file sleeps.
const FILE_S: f64 = 0.4;
const BUDGET: f64 = 1.05;
const LIMIT: Duration = Duration::from_secs(120);

/// The time of two jobs, of several sizes, against the least that their files need on the slots.
///
/// # Errors
/// None: a run that fails panics.
pub fn rows(_: &Bench) -> Result<Vec<Figure>, String> {
    let cluster = Cluster::start(&[("bench", SLOTS)]);
    let row = |(what, files, comes)| {
        let what = format!("two jobs on {SLOTS} slots, {what}");
        let ratio = measure(&cluster, files, comes);
        Figure::new(what, "best makespan", ratio, BUDGET)
    };
    let cases = [
        ("100 and 100 files, together", [100, 100], false),
        ("160 and 40 files, together", [160, 40], false),
        ("190 and 10 files, together", [190, 10], false),
        ("100 and 100 files, one later", [100, 100], true),
        ("40 and 160 files, one later", [40, 160], true),
    ];
    Ok(cases.map(row).into())
}

fn project(home: &Home, files: usize) -> Project {
    let project = Project::empty(home);
    project.write("gorgon.json", r#"{ "files": ["spec/*_spec.rb"] }"#);
    for nth in 0..files {
        let text = format!("RSpec.describe('{nth}') {{ it('takes') {{ sleep {FILE_S} }} }}\n");
        project.write(&format!("spec/s{nth:03}_spec.rb"), &text);
    }
    project
}

/// First start and last finish of a run, in seconds since its begin, and the seconds of its files.
fn span(run: &Finished) -> (f64, f64, f64) {
    let at = |event: &&serde_json::Value| event["at"].as_f64().unwrap_or_default();
    let runtime = |event: &&serde_json::Value| event["runtime"].as_f64().unwrap_or_default();
    let started = run.events("item_started");
    let finished = run.events("item_finished");
    let first = started.iter().map(at).fold(f64::INFINITY, f64::min);
    let last = finished.iter().map(at).fold(0.0, f64::max);
    (first, last, finished.iter().map(runtime).sum())
}

fn measure(cluster: &Cluster, files: [usize; 2], second_comes: bool) -> f64 {
    let projects = files.map(|files| project(cluster.home(), files));
    let begun = Instant::now();
    let first = cluster.begin(&projects[0], &["-q"]);
    if second_comes {
        let quarter = files[0] / 4;
        first.item_started(&format!("spec/s{quarter:03}_spec.rb"));
    }
    let offset = begun.elapsed().as_secs_f64();
    let second = cluster.begin(&projects[1], &["-q"]);
    let end = |run: Run| {
        let run = run.finished(LIMIT);
        run.exited(0);
        span(&run)
    };
    let (one, two) = (end(first), end(second));
    let start = one.0.min(offset + two.0);
    let took = one.1.max(offset + two.1) - start;
    took / ((one.2 + two.2) / f64::from(SLOTS))
}
