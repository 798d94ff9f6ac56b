//! Tests that were asked for by id and that their file does not have any more: the whole file runs.

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::message::Finish;
use gorgon_proto::outcome::FinishType;

use super::Ledger;
use super::event::{Effect, Happening};
use super::sick::{Repeat, Why};

impl Ledger {
    /// An item of the plan came to its end without some tests that failed in an earlier job: they
    /// may have other ids by now, so their file runs as a whole in the place of the item. Returns
    /// whether it does.
    pub(super) fn run_whole(&mut self, finish: &Finish, out: &mut Vec<Effect>) -> bool {
        let ended = matches!(finish.kind, FinishType::Pass | FinishType::Fail);
        let faultless = ended && finish.errors.is_empty();
        if !self.rules.gone_run_whole || !faultless || !self.publishes() {
            return false;
        }
        let gone = self.gone(finish);
        if gone.is_empty() {
            return false;
        }
        let repeat = Repeat {
            item: finish.item,
            why: Why::Instead,
        };
        let work = WorkItem {
            fresh: true,
            ..WorkItem::whole(ItemId(0), finish.filename.clone())
        };
        let item = self.items.add_in_place_of(work, repeat);
        out.push(Effect::Tell(Happening::WholeQueued {
            item: item.clone(),
            repeat,
            gone,
        }));
        out.push(Effect::Publish(item));
        true
    }

    fn gone(&self, finish: &Finish) -> Vec<String> {
        let item = self.items.get(finish.item);
        let asked = item.map_or(&[][..], |item| &item.work.tests);
        let ran = |id: &&String| finish.tests.iter().any(|test| test.id == **id);
        asked.iter().filter(|id| !ran(id)).cloned().collect()
    }

    /// Returns whether an execution is of a whole file in the place of some of its tests.
    pub(super) fn is_whole(&self, id: ItemId, repeat: Repeat) -> bool {
        let tests = |id| self.items.get(id).map_or(0, |item| item.work.tests.len());
        !repeat.is_trial() && tests(id) == 0 && tests(repeat.item) > 0
    }
}
