//! Job after job on one listener, some of them killed at a random point: nothing may grow.

use std::time::{Duration, Instant};

use gorgon_process::signals::Signal;

use crate::{
    cluster::Cluster,
    processes::Process,
    run::RUN_LIMIT,
    soak::{self, dice::Dice, figures::Figures},
};

/// Jobs before the first look: caches are filled and the allocator has its arenas.
const WARM_UP: u32 = 5;
const FILES: u32 = 8;
const FILE_MS: u32 = 20;
/// A job begins, runs and ends within about this.
const JOB_MS: u64 = 900;

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    /// After the warm-up.
    pub before: Figures,
    /// At the end.
    pub after: Figures,
    /// Who was killed in which job, and how the job ended.
    pub killed: Vec<String>,
    /// What took it.
    pub took: Duration,
}

/// Runs `jobs` jobs, of which `kills` lose a process.
///
/// # Panics
/// When a job that nobody disturbed is not green, or something is left of one.
pub fn run(jobs: u32, kills: u32, seed: u64) -> Seen {
    let started = Instant::now();
    let mut dice = Dice::new(seed);
    let cluster = Cluster::start(&[("a", 2)]);
    let project = soak::project(cluster.home(), FILES, FILE_MS);
    let whole = || {
        cluster.run(&project, &[]).exited(0);
    };
    (0..WARM_UP).for_each(|_| whole());
    cluster.assert_nothing_left();
    let before = Figures::of(&cluster, "a");
    let mut killed = Vec::new();
    let every = jobs.checked_div(kills).unwrap_or(u32::MAX).max(1);
    for job in 0..jobs {
        let last_kill = u32::try_from(killed.len()).unwrap_or(u32::MAX) >= kills;
        if last_kill || job % every != every - 1 {
            whole();
        } else {
            killed.push(format!(
                "job {job}: {}",
                kill_one(&cluster, &project, &mut dice)
            ));
            cluster.assert_nothing_left();
        }
    }
    cluster.assert_nothing_left();
    Seen {
        before,
        after: Figures::of(&cluster, "a"),
        killed,
        took: started.elapsed(),
    }
}

/// Ends one process of a job, or the job as a user does.
fn kill_one(cluster: &Cluster, project: &crate::project::Project, dice: &mut Dice) -> String {
    let run = cluster.begin(project, &[]);
    let listener = cluster.host("a").pid();
    let ended = !run.runs_for(Duration::from_millis(dice.roll(JOB_MS)));
    let victims: Vec<Process> = cluster
        .home()
        .processes()
        .into_iter()
        .filter(|process| process.pid != listener)
        .collect();
    let who = match (ended, dice.roll(4)) {
        (true, _) => "nobody, it was over".to_owned(),
        (false, 0) => {
            run.signal(Signal::Int);
            "Ctrl-C".to_owned()
        }
        (false, _) => match dice.pick(&victims) {
            Some(victim) => {
                // It may end by itself just now.
                let _ = std::panic::catch_unwind(|| victim.kill_9());
                victim.program.clone()
            }
            None => "nobody was there".to_owned(),
        },
    };
    let end = run.finished(RUN_LIMIT).end;
    // A killed Ruby child is a crash of its file, a killed rsync a host that failed to sync.
    format!("{who}: {end}")
}
