//! From `gorgon-originator` to its first test over RabbitMQ, on a warm host: `bench_start [--runs N] [FILES]…`.
//!
//! Milliseconds until the first file is started, medians of N runs: of an unchanged tree, of one with a changed line,
//! and of an unchanged one with a workspace for each of two slots.
#![expect(clippy::print_stdout, reason = "its table is what it is for")]

use std::io::{BufRead as _, BufReader};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use integration::cluster::Cluster;
use integration::project::Project;
use integration::wait::until;

/// Sizes of trees, and their budgets (ms).
const BUDGETS: [(usize, u128); 2] = [(2_000, 300), (20_000, 1_000)];
const SPEC: &str = "RSpec.describe('a') { it('adds') { expect(1 + 1).to eq(2) } }\n";
/// Files in a directory, as projects have them.
const TOGETHER: usize = 50;

fn main() -> ExitCode {
    let mut runs = 7;
    let mut sizes = Vec::new();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let number = match word.as_str() {
            "--runs" => words.next().and_then(|n| n.parse().ok()),
            _ => word.parse().ok(),
        };
        match (word.as_str(), number) {
            ("--runs", Some(number)) => runs = number,
            (_, Some(number)) => sizes.push(number),
            (_, None) => {
                println!("usage: bench_start [--runs N] [FILES]…");
                return ExitCode::FAILURE;
            }
        }
    }
    if sizes.is_empty() {
        sizes.extend(BUDGETS.map(|(files, _)| files));
    }
    println!(
        "{:<34} {:>8} {:>8} {:>8}",
        "ms to the first test", "files", "median", "budget"
    );
    for files in sizes {
        measure(files, runs);
    }
    ExitCode::SUCCESS
}

fn measure(files: usize, runs: usize) {
    let cluster = Cluster::start(&[("a", 2)]);
    let project = tree(&cluster, files);
    let budget = BUDGETS.iter().find(|(size, _)| *size == files);
    let budget = budget.map_or(String::new(), |(_, budget)| budget.to_string());
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
                times.push(took.as_millis());
            }
        }
    }
    for (nth, (what, mut times)) in rows.into_iter().enumerate() {
        times.sort_unstable();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        let budget = if nth == 0 { budget.as_str() } else { "" };
        println!("{what:<34} {files:>8} {median:>8} {budget:>8}   {times:?}");
    }
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
