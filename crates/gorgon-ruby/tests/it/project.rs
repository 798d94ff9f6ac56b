//! A Ruby project in a temporary directory, its preloader, and a child of it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::Duration;

use gorgon_process::child::End;
use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::job::{Callbacks, Framework};
use gorgon_ruby::{
    ChildEvent, ForkRequest, Preloader, PreloaderEvent, PreloaderLink, Purpose, RubyChild,
    RubySettings,
};
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A body for a test: it tells [`Project::wait_for_sleeper`] that it runs, and does not end.
pub(crate) const SLEEP: &str =
    "require 'socket'; Socket.new(:UNIX, :DGRAM).send('x', 0, Socket.sockaddr_un('runs')); sleep";

pub(crate) struct Project {
    pub(crate) settings: RubySettings,
    directory: TempDir,
    sockets: TempDir,
    sleeper: UnixDatagram,
}

impl Project {
    /// Makes a project of these files: path and content.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut settings = RubySettings::in_place(directory.path());
        settings.frameworks = vec![Framework::Rspec];
        settings.job = Some("job-of-a-test".to_owned());
        // The user's own options are no part of these tests.
        settings
            .env
            .insert("HOME".to_owned(), Some("/nonexistent".to_owned()));
        let project = Self {
            settings,
            sleeper: UnixDatagram::bind(directory.path().join("runs")).unwrap(),
            directory,
            sockets: tempfile::tempdir().unwrap(),
        };
        for (path, content) in files {
            project.write(path, content);
        }
        project
    }

    /// Waits until a test runs whose body is [`SLEEP`]: its events come with its end.
    pub(crate) fn wait_for_sleeper(&self) {
        self.sleeper.set_read_timeout(Some(LIMIT)).unwrap();
        self.sleeper.recv(&mut [0]).unwrap();
    }

    /// Adds a callbacks file whose class has this body.
    pub(crate) fn callbacks(mut self, body: &str) -> Self {
        let text = format!(
            "require 'gorgon'\nclass Own < Gorgon::DefaultCallbacks\n{body}\nend\nGorgon.callbacks = Own.new\n"
        );
        self.write("callbacks.rb", &text);
        self.settings.callbacks = Callbacks {
            callbacks_class_file: Some("callbacks.rb".to_owned()),
            ..Callbacks::default()
        };
        self
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.sockets.path().join("preloader")
    }

    pub(crate) fn preloader(&self) -> Preloader {
        Preloader::start(&self.settings, &self.socket()).unwrap()
    }

    /// Starts a preloader, and a child in it that is ready.
    pub(crate) fn start(&self) -> Running {
        let preloader = self.preloader();
        match preloader.events().recv_timeout(LIMIT).unwrap() {
            PreloaderEvent::Ready { .. } => {}
            other => panic!("{other:?}"),
        }
        let link = PreloaderLink::connect(&self.socket()).unwrap();
        let mut running = Running {
            child: fork(&link, Purpose::Items),
            pid: 0,
            link,
            preloader,
            said: RefCell::default(),
        };
        running.pid = forked(&running.child);
        assert_eq!(running.next(), ChildEvent::Ready);
        running
    }
}

/// Asks for a child.
pub(crate) fn fork(link: &PreloaderLink, purpose: Purpose) -> RubyChild {
    let request = ForkRequest {
        framework: Framework::Rspec,
        slot: 2,
        test_env_number: 2,
        purpose,
    };
    link.fork(&request).unwrap()
}

pub(crate) fn forked(child: &RubyChild) -> u32 {
    match child.events().recv_timeout(LIMIT).unwrap()[..] {
        [ChildEvent::Forked { pid }] => pid,
        ref other => panic!("{other:?}"),
    }
}

/// A preloader, a link to it, and a child.
pub(crate) struct Running {
    pub(crate) child: RubyChild,
    pub(crate) pid: u32,
    pub(crate) link: PreloaderLink,
    pub(crate) preloader: Preloader,
    /// What the child has said and nobody has asked for.
    said: RefCell<VecDeque<ChildEvent>>,
}

impl Running {
    pub(crate) fn next(&self) -> ChildEvent {
        let mut said = self.said.borrow_mut();
        while said.is_empty() {
            let events = self.child.events().recv_timeout(LIMIT);
            said.extend(events.expect("an event in time"));
        }
        said.pop_front().expect("it is not empty")
    }

    pub(crate) fn send(&mut self, path: &str) {
        self.child.run(&WorkItem::whole(ItemId(1), path), &[], &[]);
    }

    /// Runs a whole file.
    pub(crate) fn run(&mut self, path: &str) -> Seen {
        self.run_item(&WorkItem::whole(ItemId(1), path))
    }

    pub(crate) fn run_item(&mut self, item: &WorkItem) -> Seen {
        self.child.run(item, &[], &[]);
        self.rest()
    }

    /// Returns what happens until the file's end, or the child's.
    pub(crate) fn rest(&self) -> Seen {
        let mut seen = Seen::default();
        while !seen.take(self.next()) {}
        seen
    }

    /// Lets the child end, and returns all that it said.
    pub(crate) fn finish(&mut self) -> Seen {
        self.child.finish(false);
        self.rest_of_life()
    }

    /// Returns all that it says until its end.
    pub(crate) fn rest_of_life(&self) -> Seen {
        let mut seen = Seen::default();
        while seen.end.is_none() {
            seen.take(self.next());
        }
        seen
    }

    /// Replaces a child that has ended.
    pub(crate) fn again(&mut self) {
        self.child = fork(&self.link, Purpose::Items);
        self.pid = forked(&self.child);
        assert_eq!(self.next(), ChildEvent::Ready);
    }
}

/// What was seen of one file, in a form that is easy to compare.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// `outcome name`.
    pub(crate) tests: Vec<String>,
    /// `id` of each result.
    pub(crate) ids: Vec<String>,
    /// All texts of failures.
    pub(crate) messages: Vec<String>,
    /// `what: message` of errors outside tests, and of hooks of the end.
    pub(crate) errors: Vec<String>,
    pub(crate) warnings: Vec<String>,
    /// What failed tests printed.
    pub(crate) printed: Vec<String>,
    pub(crate) output: String,
    pub(crate) time: f64,
    pub(crate) spent: bool,
    pub(crate) finished: bool,
    pub(crate) interrupted: bool,
    /// The test that was running at the end.
    pub(crate) running: Option<String>,
    pub(crate) end: Option<End>,
    pub(crate) left: Vec<String>,
}

impl Seen {
    /// Takes one event; returns whether it was the last of the file, or of the child.
    fn take(&mut self, event: ChildEvent) -> bool {
        match event {
            ChildEvent::Loading => {}
            ChildEvent::TestStarted { name, .. } => self.running = Some(name),
            ChildEvent::TestFinished(result) => {
                let outcome = format!("{:?}", result.outcome).to_lowercase();
                self.tests.push(format!("{outcome} {}", result.name));
                self.ids.push(result.id);
                self.running = None;
                if !result.message.is_empty() {
                    self.messages.push(result.message);
                }
                if !result.output.is_empty() {
                    self.printed.push(result.output);
                }
            }
            ChildEvent::FileError(error) | ChildEvent::SuiteHookFailed { error, .. } => {
                self.errors
                    .push(format!("{}: {}", error.what, error.message));
            }
            ChildEvent::Unread(fault) => panic!("a line that cannot be read: {fault}"),
            ChildEvent::NeedsTests
            | ChildEvent::Divisible
            | ChildEvent::PlainRun(_)
            | ChildEvent::HasNoTests
            | ChildEvent::Defined(_)
            | ChildEvent::LeftOut(_) => {}
            ChildEvent::Warning(text) => self.warnings.push(text),
            ChildEvent::CallbackFailed(failure) => {
                self.errors
                    .push(format!("{}: {}", failure.what(), failure.message));
            }
            ChildEvent::FileFinished {
                time,
                output,
                spent,
                ..
            } => {
                (self.time, self.output, self.spent) = (time, output, spent);
                return true;
            }
            ChildEvent::Interrupted => self.interrupted = true,
            ChildEvent::AfterComplete => {}
            ChildEvent::Finished => self.finished = true,
            ChildEvent::Ended { end, output, left } => {
                (self.end, self.output, self.left) = (Some(end), output, left);
                return true;
            }
            other => panic!("{other:?}"),
        }
        false
    }
}
