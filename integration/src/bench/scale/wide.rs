//! A real listener with 128 slots over RabbitMQ: files that sleep, so that few cores can run them all at once.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use super::meter::Used;
use crate::bench::{Bench, figure::Figure};
use crate::cluster::Cluster;
use crate::processes;
use crate::project::Project;

const SLOTS: u32 = 128;
const FILES: usize = 400;
const FILE_S: f64 = 0.2;
const LIMIT: Duration = Duration::from_secs(300);
/// To look at 300 processes costs something too.
const LOOK: Duration = Duration::from_millis(250);

/// All processes of a program at one moment.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    count: usize,
    resident: f64,
    threads: u32,
    files: usize,
}

/// What the host needs.
///
/// # Errors
/// When the run fails.
pub fn rows(_: &Bench) -> Result<Vec<Figure>, String> {
    let cluster = Cluster::start(&[("wide", SLOTS)]);
    let project = Project::empty(cluster.home());
    project.write("gorgon.json", r#"{ "files": ["spec/*_spec.rb"] }"#);
    for n in 0..FILES {
        let text = format!("RSpec.describe('{n}') {{ it('waits') {{ sleep {FILE_S} }} }}\n");
        project.write(&format!("spec/s{n:03}_spec.rb"), &text);
    }
    let run = cluster.begin(&project, &["-q"]);
    let began = Instant::now();
    let mut most: BTreeMap<String, Sum> = BTreeMap::new();
    let mut cpu: BTreeMap<u32, (String, f64)> = BTreeMap::new();
    let mut connections: usize = 0;
    while processes::runs(run.pid()) && began.elapsed() < LIMIT {
        let mut now: BTreeMap<String, Sum> = BTreeMap::new();
        for process in cluster.home().processes() {
            let Some(used) = Used::by(process.pid) else {
                continue;
            };
            let sum = now.entry(process.program.clone()).or_default();
            sum.count += 1;
            sum.resident += shared_out(process.pid).unwrap_or(used.resident);
            sum.threads += used.threads;
            let files = fs::read_dir(format!("/proc/{}/fd", process.pid));
            sum.files = sum.files.max(files.map_or(0, Iterator::count));
            cpu.insert(process.pid, (process.program, used.cpu));
        }
        for (program, sum) in now {
            let peak = most.entry(program).or_default();
            peak.count = peak.count.max(sum.count);
            peak.resident = peak.resident.max(sum.resident);
            peak.threads = peak.threads.max(sum.threads);
            peak.files = peak.files.max(sum.files);
        }
        // Only their number: some that begin and end meanwhile have no names yet.
        let count = cluster
            .node()
            .eval("length(rabbit_networking:connections()).");
        connections = connections.max(count.trim().parse().unwrap_or(0));
        run.runs_for(LOOK);
    }
    let run = run.finished(LIMIT);
    run.exited(0);
    let at = |event: &serde_json::Value| event["at"].as_f64().unwrap_or(f64::NAN);
    let (started, finished) = (run.events("item_started"), run.events("item_finished"));
    let first = started
        .iter()
        .map(|it| at(it))
        .fold(f64::INFINITY, f64::min);
    let last = finished.iter().map(|it| at(it)).fold(0.0, f64::max);
    let workers: std::collections::BTreeSet<u64> = started
        .iter()
        .filter_map(|it| it["worker_id"].as_u64())
        .collect();
    let mut rows = vec![
        Figure::new("128 slots: to the first file", "s", first, None),
        Figure::new(
            format!(
                "128 slots: {} files on {} workers",
                finished.len(),
                workers.len()
            ),
            "s",
            last - first,
            None,
        ),
        Figure::new(
            "128 slots: connections to the broker",
            "",
            connections as f64,
            None,
        ),
    ];
    for (program, sum) in &most {
        let spent: f64 = cpu
            .values()
            .filter(|(name, _)| name == program)
            .map(|(_, cpu)| cpu)
            .sum();
        let what = format!(
            "128 slots: {} of {program}, {} threads, {} descriptors at most, {spent:.1} s CPU",
            sum.count, sum.threads, sum.files
        );
        rows.push(Figure::new(what, "MB", sum.resident, None));
    }
    Ok(rows)
}

/// MB of a process, of what it shares with others its share.
fn shared_out(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kb: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kb / 1000.0)
}
