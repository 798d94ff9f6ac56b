//! Items from the command line, in place of a queue: given one after another, confirmed at once.

use std::collections::VecDeque;

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::message::Reply;
use gorgon_proto::outcome::FinishType;

use crate::event::{Delivered, Event};

/// The items that are left, and whether all went well.
#[derive(Debug)]
pub struct Hand {
    items: VecDeque<WorkItem>,
    /// Items that have not run. After a cancel the rest is given, and does not begin.
    waiting: Vec<(ItemId, String)>,
    /// The item that runs, or ran last.
    running: Option<(ItemId, String)>,
    given: u64,
    passed: bool,
}

impl Hand {
    /// Makes a source of these items.
    #[must_use]
    pub fn new(items: Vec<WorkItem>) -> Self {
        Self {
            waiting: items
                .iter()
                .map(|it| (it.item, it.filename.clone()))
                .collect(),
            items: items.into(),
            running: None,
            given: 0,
            passed: true,
        }
    }

    /// Returns the next item, or that there is none.
    pub fn give(&mut self) -> Event {
        match self.items.pop_front() {
            Some(item) => {
                self.given += 1;
                Event::Delivered(Delivered {
                    delivery: self.given,
                    items: vec![item],
                    redelivered: false,
                })
            }
            None => Event::ConsumerEnded { missing: false },
        }
    }

    /// Remembers which items have run, and whether a reply is good news.
    pub fn note(&mut self, reply: &Reply) {
        if let Reply::Start(start) = reply {
            self.waiting.retain(|(item, _)| *item != start.item);
            self.running = Some((start.item, start.filename.clone()));
        }
        // There is no queue that could take it.
        if let Reply::HandedBack(note) = reply
            && let Some(running) = self.running.take_if(|(item, _)| *item == note.item)
        {
            self.waiting.insert(0, running);
        }
        self.passed &= is_good(reply);
    }

    /// Returns the files of the items that have not run.
    pub fn left(&self) -> impl Iterator<Item = &str> {
        self.waiting.iter().map(|(_, file)| file.as_str())
    }

    /// Returns whether everything told was good news.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.passed && self.items.is_empty()
    }
}

fn is_good(reply: &Reply) -> bool {
    match reply {
        Reply::Finish(finish) => finish.kind == FinishType::Pass,
        Reply::WorkerEnded(ended) => ended.error.is_none(),
        Reply::SuiteHookFailed(_)
        | Reply::HandedBack(_)
        | Reply::GivenUp(_)
        | Reply::Returned(_)
        | Reply::Declined(_) => false,
        Reply::HostAnswered(_)
        | Reply::HostJoined(_)
        | Reply::HostSlots(_)
        | Reply::Start(_)
        | Reply::Holds(_)
        | Reply::Idle(_)
        | Reply::Coverage(_)
        | Reply::Warning(_)
        | Reply::StartFailed(_)
        | Reply::WorkerDied(_)
        | Reply::HostLeft(_) => true,
    }
}
