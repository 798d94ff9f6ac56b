//! Items of which it is not known whether their workers still run them.

use std::time::Instant;

use gorgon_proto::item::ItemId;

use super::{Items, Phase};

impl Items {
    /// The broker gave a delivery back, or its worker says that it runs nothing.
    pub(in crate::ledger) fn doubt(
        &mut self,
        id: ItemId,
        attempt: u32,
        until: Instant,
        costs: bool,
    ) {
        let Some(item) = self.get(id) else { return };
        if attempt != item.work.attempt {
            return;
        }
        let holders = match &item.phase {
            Phase::Waiting | Phase::Parked | Phase::Settled(_) | Phase::Doubtful { .. } => return,
            Phase::Queued => Vec::new(),
            Phase::Started(holders) => holders.clone(),
        };
        self.set_phase(
            id,
            Phase::Doubtful {
                holders,
                until,
                costs,
            },
        );
    }

    /// A broker outage is no fault of an item: doubts wait for the workers' word and cost nothing.
    pub(in crate::ledger) fn excuse_doubts(&mut self, until: Instant) {
        for id in self.doubtful.clone() {
            if let Phase::Doubtful {
                until: end, costs, ..
            } = &mut self.item(id).phase
            {
                *end = until;
                *costs = false;
            }
        }
    }
}
