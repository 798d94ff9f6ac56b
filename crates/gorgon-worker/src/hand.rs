//! Items from the command line, in place of a queue: given one after another, confirmed at once,
//! their replies printed.

use std::collections::VecDeque;
use std::io::{self, Write};

use gorgon_proto::item::WorkItem;
use gorgon_proto::message::{self, Reply};
use gorgon_proto::outcome::FinishType;

use crate::event::{Delivered, Event};

/// The items that are left, and whether all went well.
#[derive(Debug)]
pub struct Hand {
    items: VecDeque<WorkItem>,
    given: u64,
    passed: bool,
}

impl Hand {
    /// Makes a source of these items.
    #[must_use]
    pub fn new(items: Vec<WorkItem>) -> Self {
        Self {
            items: items.into(),
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
                    item,
                    redelivered: false,
                })
            }
            None => Event::ConsumerEnded { missing: false },
        }
    }

    /// Prints a reply and remembers whether it is good news.
    ///
    /// # Errors
    /// When nobody reads our stdout any more.
    pub fn tell(&mut self, reply: &Reply) -> io::Result<()> {
        self.passed &= is_good(reply);
        print(reply)
    }

    /// Returns whether everything told was good news.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.passed && self.items.is_empty()
    }
}

/// Prints a reply as a line of JSON, with one write.
///
/// # Errors
/// When nobody reads our stdout any more.
pub fn print(reply: &Reply) -> io::Result<()> {
    let mut line = message::write(reply);
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
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
        | Reply::Warning(_)
        | Reply::WorkerDied(_)
        | Reply::HostLeft(_) => true,
    }
}
