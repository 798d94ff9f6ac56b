//! When a slot whose workers die again and again leaves the job. Pure.

use std::collections::BTreeSet;

use gorgon_proto::item::ItemId;

/// So many deaths, on different items or before any item, and the slot leaves the job.
pub const DEATHS: usize = 3;

/// The deaths of one slot's workers.
#[derive(Debug, Default)]
pub struct Deaths {
    on: BTreeSet<ItemId>,
    before_any: usize,
}

impl Deaths {
    /// Notes a death, on the item that the worker had begun last, if any; returns whether the slot
    /// leaves the job.
    pub fn note(&mut self, item: Option<ItemId>) -> bool {
        match item {
            Some(item) => {
                self.on.insert(item);
            }
            None => self.before_any += 1,
        }
        self.on.len() >= DEATHS || self.before_any >= DEATHS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_different_items_or_three_before_any() {
        let some = |n| Some(ItemId(n));
        for (deaths, leaves) in [
            (&[some(1), some(1), some(1), some(1)][..], false),
            (&[some(1), some(2), some(3)], true),
            (&[None, None], false),
            (&[None, None, None], true),
            (&[None, some(1), None, some(2)], false),
        ] {
            let mut count = Deaths::default();
            let mut last = None;
            for item in deaths {
                last = Some(count.note(*item));
            }
            assert_eq!(last, Some(leaves), "{deaths:?}");
        }
    }
}
