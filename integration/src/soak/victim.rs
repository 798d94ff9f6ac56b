//! Whom to kill in a job.

use std::fmt;

use gorgon_process::signals::Signal;

use crate::{cluster::Cluster, processes::Process, run::Run, soak::dice::Dice};

/// What a job consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// The originator, by INT: a user's Ctrl-C.
    CtrlC,
    /// The originator, by KILL as all below.
    Originator,
    /// The worker manager.
    Manager,
    /// A worker.
    Worker,
    /// The Ruby process that the manager has started.
    Preloader,
    /// A fork of it with the framework loaded.
    Branch,
    /// A fork of that, which runs the files.
    RubyChild,
}

/// All of them.
const ALL: [Victim; 7] = [
    Victim::CtrlC,
    Victim::Originator,
    Victim::Manager,
    Victim::Worker,
    Victim::Preloader,
    Victim::Branch,
    Victim::RubyChild,
];

impl Victim {
    /// Chooses one.
    pub fn pick(dice: &mut Dice) -> Self {
        *dice.pick(&ALL).unwrap_or(&Self::CtrlC)
    }

    /// Kills one of that kind on a host; tells whether one lived.
    pub fn strike(self, cluster: &Cluster, host: &str, run: &Run, dice: &mut Dice) -> bool {
        if self == Self::CtrlC {
            run.signal(Signal::Int);
            return true;
        }
        let there = cluster.home().processes();
        let listener = cluster.host(host).pid();
        let is_manager = |pid: u32| {
            there
                .iter()
                .any(|other| other.pid == pid && other.parent == listener && is_ours(other))
        };
        let parent_of = |process: &Process| there.iter().find(|other| other.pid == process.parent);
        let is_preloader = |process: &Process| !is_ours(process) && is_manager(process.parent);
        let is_branch =
            |process: &Process| !is_ours(process) && parent_of(process).is_some_and(is_preloader);
        let lives: Vec<&Process> = there
            .iter()
            .filter(|process| match self {
                Self::CtrlC => false,
                // Before a host has its job nobody else knows of its queues: they would expire after 10 minutes.
                Self::Originator => {
                    process.pid == run.pid() && there.iter().any(|other| is_manager(other.pid))
                }
                Self::Manager => is_manager(process.pid),
                Self::Worker => process.program == "gorgon-worker",
                Self::Preloader => is_preloader(process),
                Self::Branch => is_branch(process),
                Self::RubyChild => !is_ours(process) && parent_of(process).is_some_and(is_branch),
            })
            .collect();
        dice.pick(&lives).is_some_and(|process| {
            // It may have ended by itself just now.
            std::panic::catch_unwind(|| process.kill_9()).is_ok()
        })
    }
}

/// Tells whether its program is one of Gorgon's.
fn is_ours(process: &Process) -> bool {
    process.program.starts_with("gorgon-")
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CtrlC => "Ctrl-C",
            Self::Originator => "originator",
            Self::Manager => "manager",
            Self::Worker => "worker",
            Self::Preloader => "preloader",
            Self::Branch => "branch of the preloader",
            Self::RubyChild => "Ruby child",
        })
    }
}
