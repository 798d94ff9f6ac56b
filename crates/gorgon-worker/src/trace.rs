//! Where a worker's time goes: its connection, the forks and ends of its Ruby children, its items.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use gorgon_proto::message::Reply;
use gorgon_proto::trace::Trace;
use gorgon_ruby::ChildEvent;

use crate::children::ChildNo;
use crate::event::{Effect, Event};

/// Maximum number of a trace's steps about children: with a child for each file they would crowd out all others.
const MOST_OF_CHILDREN: usize = 32;

/// The steps so far, and when those that are under way began.
#[derive(Debug)]
pub(crate) struct WorkTrace {
    own: Trace,
    began: Instant,
    /// Children that are not ready yet, and those that were told to finish.
    starting: BTreeMap<ChildNo, Instant>,
    ending: BTreeMap<ChildNo, Instant>,
    /// From the first item's start to the last one's finish.
    items: Option<(Instant, Instant)>,
}

impl WorkTrace {
    /// The worker began then.
    pub(crate) fn begin(began: Instant) -> Self {
        let now = Instant::now();
        let mut own = Trace::begin("worker", now, SystemTime::now());
        own.note("connect", began, now);
        Self {
            own,
            began,
            starting: BTreeMap::new(),
            ending: BTreeMap::new(),
            items: None,
        }
    }

    /// Something is done; to the worker's last word all steps are added.
    pub(crate) fn performs(&mut self, now: Instant, effect: &mut Effect) {
        match effect {
            Effect::Fork(no, ..) => {
                self.starting.insert(*no, now);
            }
            Effect::Finish(no, _) => {
                self.ending.insert(*no, now);
            }
            Effect::Note(Some(_)) => {
                self.items.get_or_insert((now, now));
            }
            Effect::Publish(_, replies) | Effect::PublishThenAck(_, replies, _) => {
                for reply in replies {
                    self.tells(now, reply);
                }
            }
            _ => {}
        }
    }

    fn tells(&mut self, now: Instant, reply: &mut Reply) {
        match reply {
            Reply::Finish(_) => {
                if let Some((_, ended)) = &mut self.items {
                    *ended = now;
                }
            }
            Reply::WorkerEnded(ended) => {
                if let Some((began, ended)) = self.items {
                    self.own.note("items", began, ended);
                }
                self.own.note("job", self.began, now);
                ended.trace = self.own.steps().to_vec();
            }
            _ => {}
        }
    }

    /// Something has happened.
    pub(crate) fn hears(&mut self, now: Instant, event: &Event) {
        let (step, began) = match event {
            Event::Child(no, ChildEvent::Ready) => ("fork", self.starting.remove(no)),
            Event::Child(no, ChildEvent::Ended { .. }) => ("end", self.ending.remove(no)),
            _ => return,
        };
        if let Some(began) = began
            && self.own.steps().len() < MOST_OF_CHILDREN
        {
            self.own.note(step, began, now);
        }
    }
}
