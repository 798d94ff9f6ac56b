//! One job on two hosts while somebody kills a worker, a manager or a listener every second.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    cluster::Cluster,
    run::Finished,
    soak::{self, dice::Dice},
};

const HOSTS: [&str; 2] = ["a", "b"];
const SLOTS: u32 = 2;
/// Time of a file: a job of 1,000 outlasts a minute of kills.
const FILE_MS: u32 = 170;
const LISTENER: &str = "gorgon-listener";
const VICTIMS: [&str; 3] = ["gorgon-worker", "gorgon-worker-manager", LISTENER];
/// How long the job may take in all.
const JOB_LIMIT: Duration = Duration::from_secs(600);

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    /// The job.
    pub finished: Finished,
    /// How often each kind of process was killed.
    pub killed: BTreeMap<&'static str, u32>,
    /// Verdicts by name, over all files.
    pub verdicts: BTreeMap<String, u32>,
    /// Files with other than one verdict.
    pub wrong: Vec<String>,
    /// Files that needed more than one attempt.
    pub moved: usize,
}

/// Runs a job of `items` files; for `time` a process is killed every second.
///
/// # Panics
/// When the job does not end, or something is left of it.
pub fn run(items: u32, time: Duration, seed: u64) -> Seen {
    let mut dice = Dice::new(seed);
    let mut cluster = Cluster::start(&HOSTS.map(|name| (name, SLOTS)));
    let project = soak::project(cluster.home(), items, FILE_MS);
    let run = cluster.begin(&project, &[]);
    let until = Instant::now() + time;
    let mut killed = BTreeMap::new();
    while Instant::now() < until && run.runs_for(Duration::from_secs(1)) {
        // Where nobody of its kind lives just now it is the turn of the next.
        let turn = usize::try_from(dice.roll(3)).unwrap_or(0);
        let turns = VICTIMS.iter().cycle().skip(turn).take(VICTIMS.len());
        let Some(victim) = turns
            .copied()
            .find(|it| strike(it, &mut cluster, &mut dice))
        else {
            continue;
        };
        *killed.entry(victim).or_insert(0) += 1;
    }
    let finished = run.finished(JOB_LIMIT);
    cluster.assert_nothing_left();
    let mut of_file: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut moved = 0;
    for event in finished.events("item_finished") {
        let text = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
        of_file
            .entry(text("filename"))
            .or_default()
            .push(text("verdict"));
        moved += usize::from(event["attempts"].as_u64().unwrap_or(1) > 1);
    }
    let mut verdicts = BTreeMap::new();
    for verdict in of_file.values().flatten() {
        *verdicts.entry(verdict.clone()).or_insert(0) += 1;
    }
    let wrong = (0..items)
        .map(soak::name)
        .filter(|file| of_file.get(file).map_or(0, Vec::len) != 1)
        .collect();
    Seen {
        finished,
        killed,
        verdicts,
        wrong,
        moved,
    }
}

/// Kills one of that kind, and starts it again if it is a listener; tells whether one lived.
fn strike(victim: &str, cluster: &mut Cluster, dice: &mut Dice) -> bool {
    if victim == LISTENER {
        let host = dice.pick(&HOSTS);
        host.iter().for_each(|host| cluster.restart_host(host));
        return host.is_some();
    }
    let mut there = cluster.home().processes();
    there.retain(|process| process.program == victim);
    dice.pick(&there).is_some_and(|process| {
        // It may have ended by itself just now.
        std::panic::catch_unwind(|| process.kill_9()).is_ok()
    })
}
