//! An item in execution, and what is known of its way through Ruby children, in the core.

use std::collections::VecDeque;
use std::time::Instant;

use gorgon_proto::item::WorkItem;
use gorgon_proto::job::Framework;

use crate::children::ChildNo;
use crate::record::Record;
use crate::settling::InHand;

/// An item in execution.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) hand: InHand,
    pub(crate) record: Record,
    /// Items of its bundle that follow.
    pub(crate) rest: VecDeque<WorkItem>,
    /// How many of them its child was given.
    pub(crate) given: usize,
    /// The child that has it.
    pub(crate) child: Option<ChildNo>,
    pub(crate) framework: Framework,
    /// Frameworks whose children said that the file is not theirs. A framework that is asked again runs it.
    pub(crate) asked: Vec<Framework>,
    /// Whether its child has begun to load it.
    pub(crate) loading: bool,
    /// Children that died before they began to load it.
    pub(crate) tries: u32,
    /// How many of the files that are to run before it have run.
    pub(crate) earlier: usize,
    /// The file could not be loaded, or brought no test, in a child that had run other tests; it has a fresh child now.
    pub(crate) again: bool,
    /// The file was loaded in that child, and brought no test.
    pub(crate) without_tests: bool,
    /// The warning to give if the file can be loaded there, and brings tests.
    pub(crate) told_if_loaded: Option<String>,
    /// When the lines are read that its child holds back. By now the child may run a later file of the bundle.
    pub(crate) look_at: Option<Instant>,
    pub(crate) limit_at: Option<Instant>,
    pub(crate) timed_out: bool,
    /// Its child was told to stop for the file before it, and had gone on: it is no fault of this one.
    pub(crate) spared: bool,
    /// Its child was interrupted in the middle of it.
    pub(crate) interrupted: bool,
}

impl Running {
    /// Makes an item that no child has yet.
    pub(crate) fn new(
        hand: InHand,
        record: Record,
        framework: Framework,
        rest: VecDeque<WorkItem>,
    ) -> Self {
        Self {
            hand,
            record,
            rest,
            given: 0,
            child: None,
            framework,
            asked: Vec::new(),
            loading: false,
            tries: 0,
            earlier: 0,
            again: false,
            without_tests: false,
            told_if_loaded: None,
            look_at: None,
            limit_at: None,
            timed_out: false,
            spared: false,
            interrupted: false,
        }
    }

    /// Another child is to run it from its beginning.
    pub(crate) fn give_anew(&mut self) {
        self.child = None;
        self.given = 0;
        self.loading = false;
        self.look_at = None;
        self.limit_at = None;
        self.timed_out = false;
        self.spared = false;
        self.interrupted = false;
    }

    /// Returns whether files that ran before in its child may be the cause that it could not be loaded, or brought no
    /// test: two files may name their class alike, and include the same module. RSpec's groups are new with each file.
    pub(crate) fn is_doubtful(&self) -> bool {
        let brought_no_test = self.framework != Framework::Rspec && self.record.lacks_tests();
        !self.again && (self.record.load_error().is_some() || brought_no_test)
    }

    /// Warns when only the fresh child could load it, or brought its tests.
    pub(crate) fn tell_of_loading(&mut self) {
        let none_again = self.without_tests && !self.record.any_test();
        if self.record.load_error().is_none()
            && !none_again
            && let Some(told) = self.told_if_loaded.take()
        {
            self.record.warning(told);
        }
    }
}
