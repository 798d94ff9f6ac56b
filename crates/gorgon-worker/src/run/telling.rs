//! What the worker says: its replies, and the note of what it does.

use std::io;
use std::path::Path;

use gorgon_proto::local::{Began, WorkerLine};
use gorgon_proto::message::Reply;
use log::{info, warn};

use super::{Shell, Source};
use crate::event::Event;
use crate::manager::{self, Reader};
use crate::note::Note;

/// Makes the note.
pub(super) fn note(socket: &Path) -> Option<Note> {
    let made = Note::make(socket);
    let told = |error: &io::Error| {
        warn!(target: "gorgon::worker", error:%; "what it runs cannot be written down: the manager is told of each delivery");
    };
    made.inspect_err(told).ok()
}

impl Shell {
    pub(super) fn publish(&mut self, tag: u64, replies: &[Reply], then_ack: Option<u64>) {
        for reply in replies {
            match reply {
                Reply::Start(start) => {
                    info!(target: "gorgon::worker", item = start.item.0, file:% = start.filename, attempt = start.attempt; "item started");
                }
                Reply::Finish(finish) => {
                    info!(target: "gorgon::worker", item = finish.item.0, file:% = finish.filename, kind:? = finish.kind, tests = finish.tests.len(); "item finished");
                }
                _ => {}
            }
        }
        match &mut self.source {
            Source::Queue(queue) => queue.publish(tag, replies, then_ack),
            Source::Hand(_) => self.caused.push_back(Event::Confirmed(tag)),
        }
        for reply in replies {
            if self.print(reply).is_err() && !self.broken_pipe {
                // Who read our lines has seen enough. What has not run then has not passed.
                self.broken_pipe = true;
                self.caused.push_back(Event::Cancelled);
            }
        }
    }

    /// Shows a reply to whoever runs a worker by hand.
    fn print(&mut self, reply: &Reply) -> io::Result<()> {
        match &mut self.source {
            Source::Queue(_) if self.managed => Ok(()),
            Source::Queue(_) => self.printer.print(reply),
            Source::Hand(hand) => {
                hand.note(reply);
                // A person is told at the end which files have not run.
                let is_told_later = matches!(reply, Reply::HandedBack(_));
                if is_told_later && self.printer.is_for_a_person() {
                    Ok(())
                } else {
                    self.printer.print(reply)
                }
            }
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
    pub(super) fn note_delivery(&mut self, began: Option<Began>) {
        self.noted.began = began;
        let written = self.write_note();
        let Some(began) = &self.noted.began else {
            return;
        };
        if !self.managed {
            return;
        }
        let line = WorkerLine::Item {
            item: began.start.item,
            in_bundle: began.in_bundle,
        };
        let was_idle = self.idle.runs();
        if was_idle || !written {
            manager::tell(&line);
        }
    }

    /// Has the manager know whether a child that has run files is being ended, if we die.
    pub(super) fn note_end(&mut self, ends: bool) {
        self.noted.ends_child = ends;
        self.write_note();
    }

    /// Returns whether the manager can find it.
    fn write_note(&self) -> bool {
        let note = self.note.as_ref().filter(|_| self.managed);
        note.is_some_and(|note| note.write(&self.noted).is_ok())
    }

    /// Returns who reads what it prints on stdout.
    pub(super) fn reader(&self) -> Reader {
        match self.managed {
            true => Reader::Manager,
            false if self.printer.is_for_a_person() => Reader::Person,
            false => Reader::Program,
        }
    }
}
