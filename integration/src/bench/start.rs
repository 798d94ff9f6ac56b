//! From `gorgon-originator` to its first test over RabbitMQ, on a warm host: of an unchanged tree, of one with a
//! changed line, and of an unchanged one with a workspace for each of two slots.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{Bench, figure::Figure, timing::median};
use crate::cluster::Cluster;
use crate::project::Project;
use crate::wait::until;

/// Sizes of trees, and their budgets (ms).
const BUDGETS: [(usize, f64); 2] = [(2_000, 300.0), (20_000, 1_000.0)];
const SPEC: &str = "RSpec.describe('a') { it('adds') { expect(1 + 1).to eq(2) } }\n";
/// Files in a directory, as projects have them.
const TOGETHER: usize = 50;

/// Milliseconds until the first file is started.
///
/// # Errors
/// None: a run that fails panics.
pub fn rows(bench: &Bench) -> Result<Vec<Figure>, String> {
    let sizes = BUDGETS.into_iter();
    Ok(sizes
        .flat_map(|(files, budget)| measure(files, budget, bench.runs))
        .collect())
}

fn measure(files: usize, budget: f64, runs: usize) -> Vec<Figure> {
    let cluster = Cluster::start(&[("a", 2)]);
    let project = tree(&cluster, files);
    let mut rows = vec![("unchanged", Vec::new()), ("one line changed", Vec::new())];
    rows.push(("unchanged, workspace: slot", Vec::new()));
    // The first two runs fill cache and kept workspaces.
    for round in 0..runs + 2 {
        for (what, times) in &mut rows {
            match *what {
                "one line changed" => project.write("lib/d0/f0.rb", &format!("ONE = {round}\n")),
                "unchanged" => project.write("gorgon.json", r#"{ "files": ["spec/*_spec.rb"] }"#),
                _ => project.write(
                    "gorgon.json",
                    r#"{ "files": ["spec/*_spec.rb"], "workspace": "slot" }"#,
                ),
            }
            // What is younger than the filesystem's clock ticks is looked at again by the next job.
            let _ = crossbeam_channel::after(Duration::from_millis(100)).recv();
            if *what != "one line changed" {
                // Its own change is not what is measured.
                run(&cluster, &project);
            }
            let took = run(&cluster, &project);
            if round >= 2 {
                times.push(took.as_secs_f64() * 1000.0);
            }
        }
    }
    let rows = rows.into_iter().enumerate();
    rows.map(|(nth, (what, times))| {
        let what = format!("to the first test, {files} files, {what}");
        Figure::new(what, "ms", median(times), (nth == 0).then_some(budget))
    })
    .collect()
}

fn tree(cluster: &Cluster, files: usize) -> Project {
    let project = Project::of(
        cluster.home(),
        &[("spec/a_spec.rb", SPEC), ("spec/b_spec.rb", SPEC)],
    );
    let text = "# A line of source code, as there are many.\n".repeat(40);
    for n in 0..files {
        project.write(
            &format!("lib/d{}/f{}.rb", n / TOGETHER, n % TOGETHER),
            &text,
        );
    }
    project
}

/// Runs the job to its end, and until the host is rid of it; returns when its first file was started.
#[expect(
    clippy::disallowed_methods,
    reason = "the time from spawn to a line is what is measured"
)]
fn run(cluster: &Cluster, project: &Project) -> Duration {
    let begun = Instant::now();
    let mut command = cluster.home().command("gorgon-originator");
    let mut child = command
        .args(["-q", "--json", "-"])
        .env("GORGON_BROKER_URL", cluster.url())
        .current_dir(project.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the originator beside us");
    let stdout = child.stdout.take().expect("it was piped");
    let mut first = None;
    for line in BufReader::new(stdout).lines() {
        let line = line.expect("its events are text");
        if first.is_none() && line.contains("\"event\":\"item_started\"") {
            first = Some(begun.elapsed());
        }
    }
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{status}: {:?}", cluster.logs());
    until(
        "the end of the workspaces",
        Duration::from_secs(300),
        || {
            let left = cluster.host("a").workspaces();
            if left.is_empty() { Ok(()) } else { Err(left) }
        },
    );
    first.expect("a file was started")
}
