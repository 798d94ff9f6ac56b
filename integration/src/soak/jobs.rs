//! Job after job on one listener, some of them killed at a random point: nothing may grow.

use std::time::{Duration, Instant};

use crate::{
    cluster::Cluster,
    run::RUN_LIMIT,
    soak::{self, dice::Dice, figures::Figures, victim::Victim},
    wait::{secs, until},
};

/// Jobs before the first look: caches are filled and the allocator has its arenas.
const WARM_UP: u32 = 5;
const FILES: u32 = 8;
const FILE_MS: u32 = 20;
/// Files of a job that is to be killed take longer, so that it lives when it is.
const LONG_FILE_MS: u32 = 400;
/// Such a job begins, runs and ends within about this.
const LONG_JOB_MS: u64 = 1500;
/// So often the listener's memory is noted.
const NOTES: u32 = 20;
/// The listener's memory may grow by so much in the second half of the jobs. Of 300 jobs the last 150 took 48 KiB; a
/// leak of 1 KiB a job is 100 KiB more in the second half of 200.
const SLACK_KIB: u64 = 128;

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    /// After the warm-up.
    pub before: Figures,
    /// At the end.
    pub after: Figures,
    /// Who was killed in which job, and how the job ended.
    pub killed: Vec<Killed>,
    /// The listener's memory on the way, KiB, by the number of jobs done.
    pub memory_kib: Vec<(u32, u64)>,
    /// What took it.
    pub took: Duration,
}

impl Seen {
    /// Returns the listener's memory after half of the jobs and after all, KiB, and whether it has grown.
    pub fn second_half_kib(&self) -> (u64, u64, bool) {
        let all = self.memory_kib.last().map_or(0, |(jobs, _)| *jobs);
        let half = self.memory_kib.iter().find(|(jobs, _)| *jobs >= all / 2);
        let half = half.map_or(0, |(_, kib)| *kib);
        let end = self.after.memory_kib;
        (half, end, end > half + SLACK_KIB)
    }
}

/// A job in which somebody was killed.
#[derive(Debug)]
pub struct Killed {
    /// Its number.
    pub job: u32,
    /// Who it was; none: the job had ended by itself.
    pub victim: Option<Victim>,
    /// How old the job was.
    pub after: Duration,
    /// How the originator ended.
    pub end: String,
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
    let long = soak::project(cluster.home(), FILES, LONG_FILE_MS);
    let whole = |project| {
        cluster.run(project, &[]).exited(0);
        // A job that comes while the workspace of the one before is put back makes another, to be kept as well.
        until("end of the workspace", secs(10), || {
            let left = cluster.host("a").workspaces();
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
    };
    whole(&long);
    (0..WARM_UP).for_each(|_| whole(&project));
    cluster.assert_nothing_left();
    let before = Figures::of(&cluster, "a");
    let mut memory_kib = vec![(0, before.memory_kib)];
    let mut killed = Vec::new();
    let every = jobs.checked_div(kills).unwrap_or(u32::MAX).max(1);
    for job in 0..jobs {
        let last_kill = u32::try_from(killed.len()).unwrap_or(u32::MAX) >= kills;
        if last_kill || job % every != every - 1 {
            whole(&project);
        } else {
            killed.push(kill_one(&cluster, &long, job, &mut dice));
            cluster.assert_nothing_left();
        }
        if (job + 1) % (jobs / NOTES).max(1) == 0 {
            memory_kib.push((job + 1, Figures::of(&cluster, "a").memory_kib));
        }
    }
    cluster.assert_nothing_left();
    Seen {
        before,
        after: Figures::of(&cluster, "a"),
        killed,
        memory_kib,
        took: started.elapsed(),
    }
}

/// Ends one process of a job, or the job as a user does.
fn kill_one(
    cluster: &Cluster,
    project: &crate::project::Project,
    job: u32,
    dice: &mut Dice,
) -> Killed {
    let begun = Instant::now();
    let run = cluster.begin(project, &[]);
    let wanted = Victim::pick(dice);
    let mut lives = run.runs_for(Duration::from_millis(dice.roll(LONG_JOB_MS)));
    let mut victim = None;
    while lives {
        if wanted.strike(cluster, "a", &run, dice) {
            victim = Some(wanted);
            break;
        }
        // It has not begun yet, or ended by itself just now.
        lives = run.runs_for(Duration::from_millis(20));
    }
    let after = begun.elapsed();
    // A killed Ruby child is a crash of its file.
    let end = run.finished(RUN_LIMIT).end.to_string();
    Killed {
        job,
        victim,
        after,
        end,
    }
}
