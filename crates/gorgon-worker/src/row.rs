//! Items that run once more in one Ruby child before another item, in the core. The originator asks for that to find out
//! whether the other item fails only after them.

use std::time::Instant;

use gorgon_proto::item::ItemId;
use gorgon_proto::outcome::FileError;

use crate::children::ChildNo;
use crate::event::Effect;
use crate::record::How;
use crate::work::{Phase, Work};

impl Work {
    /// One of the files before the item came to its end: the next one follows in the same child.
    pub(crate) fn earlier_ended(
        &mut self,
        now: Instant,
        no: ChildNo,
        item: ItemId,
        spent: bool,
        out: &mut Vec<Effect>,
    ) {
        let Phase::Running(running) = &mut self.phase else {
            return;
        };
        running.record.earlier_ended(item);
        running.earlier += 1;
        running.child = None;
        running.limit_at = None;
        if spent {
            self.end_child(now, no, out);
            let error = broken_row(
                "after one of these files its Ruby process can run no other file, so nothing tells whether the order matters",
            );
            self.finish_item(now, How::Refused(error), out);
        }
    }
}

/// Returns the error that the files before an item cannot be run once more.
pub(crate) fn broken_row(why: &str) -> FileError {
    FileError {
        what: FileError::ROW_BROKEN.to_owned(),
        exception: None,
        message: format!("what ran before the file could not be run once more: {why}"),
        backtrace: Vec::new(),
        test: None,
    }
}
