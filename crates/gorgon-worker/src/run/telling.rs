//! What the worker says: its replies, and the beginning of an item when that is due.

use std::path::Path;
use std::time::Instant;

use gorgon_proto::local::WorkerLine;
use gorgon_proto::message::Reply;
use log::{info, warn};

use super::{Shell, Source};
use crate::begun::Begun;
use crate::event::Event;
use crate::manager::{self, Reader};
use crate::note::Note;

/// Makes the note of the item that runs.
pub(super) fn note(socket: &Path) -> Option<Note> {
    let made = Note::make(socket);
    let told = |error: &std::io::Error| {
        warn!(target: "gorgon::worker", error:%; "the item that runs cannot be written down: the manager is told of each");
    };
    made.inspect_err(told).ok()
}

impl Shell {
    pub(super) fn publish(&mut self, tag: u64, reply: Box<Reply>, then_ack: Option<u64>) {
        match reply.as_ref() {
            Reply::Start(start) => {
                info!(target: "gorgon::worker", item = start.item.0, file:% = start.filename, attempt = start.attempt; "item started");
            }
            Reply::Finish(finish) => {
                info!(target: "gorgon::worker", item = finish.item.0, file:% = finish.filename, kind:? = finish.kind, tests = finish.tests.len(); "item finished");
            }
            _ => {}
        }
        if self.managed {
            self.note(&reply);
        }
        let reply = match Begun::of(Instant::now(), tag, reply) {
            Ok(begun) if self.managed => {
                self.begun = Some(begun);
                return;
            }
            Ok(begun) => begun.start.1,
            Err(reply) => reply,
        };
        let printed = match &mut self.source {
            Source::Queue(queue) => {
                let begun = self.begun.take();
                let start = begun.as_ref().map(|begun| (begun.start.0, &*begun.start.1));
                queue.publish(start, (tag, &reply), then_ack);
                if self.managed {
                    Ok(())
                } else {
                    self.printer.print(&reply)
                }
            }
            Source::Hand(hand) => {
                self.caused.push_back(Event::Confirmed(tag));
                hand.note(&reply);
                // A person is told at the end which files have not run.
                let is_told_later = matches!(*reply, Reply::HandedBack(_));
                if is_told_later && self.printer.is_for_a_person() {
                    Ok(())
                } else {
                    self.printer.print(&reply)
                }
            }
        };
        if printed.is_err() && !self.broken_pipe {
            // Who read our lines has seen enough. What has not run then has not passed.
            self.broken_pipe = true;
            self.caused.push_back(Event::Cancelled);
        }
    }

    /// Returns whether there is no queue, to which items could be handed back.
    pub(super) fn is_by_hand(&self) -> bool {
        matches!(self.source, Source::Hand(_))
    }

    /// Prints what is left to say to a person. Who has seen enough does not miss it.
    pub(super) fn print_end(&mut self) {
        if !self.broken_pipe {
            let left = match &self.source {
                Source::Hand(hand) => hand.left().collect(),
                Source::Queue(_) => Vec::new(),
            };
            let stopped = self.work.stopped_by_cancel();
            let _ = self.printer.not_run(stopped, &left);
        }
        let _ = self.printer.end();
    }

    /// Has the manager know on what we die, if we do.
    fn note(&mut self, reply: &Reply) {
        let written = self.note.as_ref().map(|note| note.write(reply));
        let Reply::Start(start) = reply else {
            return;
        };
        let was_idle = self.idle.runs();
        if was_idle || !matches!(written, Some(Ok(()))) {
            manager::tell(&WorkerLine::Item { item: start.item });
        }
    }

    /// Returns who reads what it prints on stdout.
    pub(super) fn reader(&self) -> Reader {
        match self.managed {
            true => Reader::Manager,
            false if self.printer.is_for_a_person() => Reader::Person,
            false => Reader::Program,
        }
    }

    /// Tells of the item that has begun, if that was not told.
    pub(super) fn tell_begun(&mut self) {
        let (Some(begun), Source::Queue(queue)) = (self.begun.take(), &mut self.source) else {
            return;
        };
        queue.publish(None, (begun.start.0, &begun.start.1), None);
    }
}
