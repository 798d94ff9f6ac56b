//! When a slot whose workers die again and again leaves the job. Pure.

use std::collections::BTreeSet;

use gorgon_proto::item::ItemId;

/// So many deaths, on different items or before any item, and the slot leaves the job.
pub const DEATHS: usize = 3;

/// The delivery that a worker had begun last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BegunLast {
    /// This item alone.
    Item(ItemId),
    /// A bundle. Nobody knows which item of it ran. They come back one by one.
    Bundle,
}

/// The deaths of one slot's workers.
#[derive(Debug, Default)]
pub struct Deaths {
    on: BTreeSet<ItemId>,
    before_any: usize,
}

impl Deaths {
    /// Notes a death, and what the worker had begun last, if anything; returns whether the slot leaves the job. A death in
    /// a bundle does not count: if an item of it is at fault, that one would count twice.
    pub fn note(&mut self, began: Option<BegunLast>) -> bool {
        match began {
            Some(BegunLast::Item(item)) => {
                self.on.insert(item);
            }
            Some(BegunLast::Bundle) => {}
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
        let some = |n| Some(BegunLast::Item(ItemId(n)));
        let bundle = Some(BegunLast::Bundle);
        for (deaths, leaves) in [
            (&[some(1), some(1), some(1), some(1)][..], false),
            (&[some(1), some(2), some(3)], true),
            (&[None, None], false),
            (&[None, None, None], true),
            (&[None, some(1), None, some(2)], false),
            (&[bundle, some(1), bundle, some(2), bundle], false),
            (&[bundle, some(1), some(2), bundle, some(3)], true),
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
