//! The Ruby children of one worker: at most one a framework, and one that only runs after_complete
//! in place of a child that died.

use std::collections::BTreeMap;
use std::time::Instant;

use gorgon_process::child::End;
use gorgon_process::signals::Signal;
use gorgon_process::stop::{Ladder, Rung};
use gorgon_proto::item::ItemId;
use gorgon_proto::job::Framework;
use gorgon_ruby::Purpose;

/// Names a Ruby child of this worker, from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildNo(pub u32);

/// Where in its life a child is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Forked; before_start runs.
    Starting,
    /// Between items.
    Idle,
    /// Runs the item.
    Busy,
    /// Told to finish: suite hooks, after_complete, at_exit.
    Ending,
}

/// A Ruby child.
#[derive(Debug)]
pub struct Child {
    /// The framework that it serves.
    pub framework: Framework,
    /// What it is for.
    pub purpose: Purpose,
    /// Where in its life it is.
    pub stage: Stage,
    /// The items that it ran, with their files, in order.
    pub ran: Vec<(ItemId, String)>,
    /// Whether a test ran in it.
    pub tested: bool,
    /// Whether it is the second try, as the first one could not be forked.
    pub again: bool,
    /// Whether before_start has run in it.
    pub started: bool,
    /// Whether it said that its hooks and after_complete have run.
    pub finished: bool,
    /// The status with which SimpleCov has it exit, for the coverage of this process alone.
    pub coverage: Option<i32>,
    /// Whether its after_complete has begun.
    pub after_complete: bool,
    /// Set while it is being stopped.
    pub stop: Option<Ladder>,
    /// Whether it was told to stop in a file: the signal may reach it only after the end of that file.
    pub stopped: bool,
    /// When its stage has taken too long.
    pub limit_at: Option<Instant>,
    /// Once it was killed: when its end has to be told.
    pub gone_at: Option<Instant>,
    /// Whether it gave up a file in the middle.
    pub interrupted: bool,
    /// Whether it is stopped because its stage took too long.
    pub overdue: bool,
    /// Why a line of it cannot be read. It is stopped, and the file of that line fails. What it says of later files of
    /// its bundle before it stops is believed.
    pub unread: Option<String>,
}

impl Child {
    /// Returns the items that it ran, in order.
    #[must_use]
    pub fn ran_items(&self) -> Vec<ItemId> {
        self.ran.iter().map(|(item, _)| *item).collect()
    }

    /// Returns the last file that it ran.
    #[must_use]
    pub fn last_file(&self) -> Option<&str> {
        self.ran.last().map(|(_, file)| file.as_str())
    }

    /// Returns why a line of it could not be read, if it was ended for that. Whatever ends in the middle of a line leaves
    /// one that cannot be read, too.
    #[must_use]
    pub fn ended_as_unread(&self, end: End) -> Option<&str> {
        let ladder = self.stop.as_ref()?;
        let by_us = ladder.rung() == Rung::Kill || end == End::Signaled(Signal::Term.number());
        self.unread.as_deref().filter(|_| by_us)
    }

    /// Returns whether its after_complete has begun and not ended.
    #[must_use]
    pub fn in_after_complete(&self) -> bool {
        self.after_complete && !self.finished
    }
}

/// All children that have not ended.
#[derive(Debug, Default)]
pub struct Children {
    living: BTreeMap<ChildNo, Child>,
    forked: u32,
}

impl Children {
    /// Adds a child that is being forked; its start may take until `limit_at`.
    pub fn fork(&mut self, framework: Framework, purpose: Purpose, limit_at: Instant) -> ChildNo {
        self.forked += 1;
        let no = ChildNo(self.forked);
        let child = Child {
            framework,
            purpose,
            stage: match purpose {
                Purpose::Items => Stage::Starting,
                Purpose::AfterComplete => Stage::Ending,
            },
            ran: Vec::new(),
            tested: false,
            again: false,
            started: false,
            finished: false,
            stop: None,
            stopped: false,
            limit_at: Some(limit_at),
            gone_at: None,
            interrupted: false,
            overdue: false,
            unread: None,
            coverage: None,
            after_complete: false,
        };
        self.living.insert(no, child);
        no
    }

    /// Returns a child that has not ended.
    pub fn get_mut(&mut self, no: ChildNo) -> Option<&mut Child> {
        self.living.get_mut(&no)
    }

    /// Returns a child that has not ended.
    #[must_use]
    pub fn get(&self, no: ChildNo) -> Option<&Child> {
        self.living.get(&no)
    }

    /// Takes out a child that ended.
    pub fn ended(&mut self, no: ChildNo) -> Option<Child> {
        self.living.remove(&no)
    }

    /// Forgets all of them: their preloader died, and they with it.
    pub fn clear(&mut self) {
        self.living.clear();
    }

    /// Returns whether none is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.living.is_empty()
    }

    /// Returns whether one is on its way out, so that nothing new may begin in this slot.
    #[must_use]
    pub fn any_leaving(&self) -> bool {
        self.living
            .values()
            .any(|c| c.stage == Stage::Ending || c.stop.is_some())
    }

    /// Returns whether one that has run files is being ended, and the hooks of its suite are not done.
    #[must_use]
    pub fn any_ends_files(&self) -> bool {
        let ends = |child: &Child| {
            child.stage == Stage::Ending && !child.finished && !child.ran.is_empty()
        };
        self.living.values().any(ends)
    }

    /// Returns the child that serves a framework.
    #[must_use]
    pub fn of(&self, framework: Framework) -> Option<ChildNo> {
        self.living
            .iter()
            .find(|(_, c)| c.framework == framework && c.purpose == Purpose::Items)
            .map(|(no, _)| *no)
    }

    /// Returns those that wait between items.
    #[must_use]
    pub fn idle(&self) -> Vec<ChildNo> {
        self.living
            .iter()
            .filter(|(_, c)| c.stage == Stage::Idle && c.stop.is_none())
            .map(|(no, _)| *no)
            .collect()
    }

    /// Returns those that can still be stopped.
    #[must_use]
    pub fn numbers(&self) -> Vec<ChildNo> {
        self.living.keys().copied().collect()
    }

    /// Tells a child's stage to be `Ending` until `limit_at` at most.
    pub fn end(&mut self, no: ChildNo, limit_at: Instant) {
        if let Some(child) = self.living.get_mut(&no) {
            child.stage = Stage::Ending;
            child.limit_at = Some(limit_at);
        }
    }

    /// Returns when the next limit or rung is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let of = |c: &Child| match &c.stop {
            Some(ladder) => ladder.deadline().or(c.gone_at),
            None => c.limit_at,
        };
        self.living.values().filter_map(of).min()
    }
}
