//! A Ruby child as its worker sees it: files in, events out.

use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam_channel::{Receiver, bounded};
use gorgon_process::child::End;
use gorgon_proto::item::WorkItem;
use gorgon_proto::job::Framework;
use gorgon_proto::message::CoveragePiece;
use gorgon_proto::outcome::{FileError, LeftOut, PlainRun, TestResult};

use crate::feed::Feed;
use crate::lines::{self, Read, line_of};
use crate::protocol::{CallbackFailure, FromChild, Refusal, ToChild};

/// What a Ruby child tells, in this order of life: `Forked`, `Ready`, for each file `Loading` … to
/// `FileFinished`, then `Finished`, `Ended`. `Loading`, `TestStarted`, `TestFinished` and what is said of the file as a
/// whole come together with what follows them, at the latest with the end.
#[derive(Debug, Clone, PartialEq)]
pub enum ChildEvent {
    /// It exists: from now on it can be signalled by this number.
    Forked {
        /// Its process id, and its group's.
        pid: u32,
    },
    /// before_start has run; it can be given a file.
    Ready,
    /// A callback raised. After before_start the child ends; after after_complete it goes on.
    CallbackFailed(CallbackFailure),
    /// No file can run with this Ruby. It ends by itself.
    Refused(Refusal),
    /// after_complete has run in a child forked for that alone.
    CallbackDone,
    /// The file is for another framework: no test of it ran here, a child of that framework must run it.
    OtherFramework {
        /// The framework that it is for.
        framework: Framework,
        /// Whether the child has loaded it to see that.
        loaded: bool,
    },
    /// The file is being loaded.
    Loading,
    /// A test begins.
    TestStarted {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
    },
    /// A test has ended.
    TestFinished(Box<TestResult>),
    /// Something failed outside a test.
    FileError(FileError),
    /// It said something that cannot be read, and why: what it was may have been a failure.
    Unread(String),
    /// Something the user should know that fails nothing.
    Warning(String),
    /// All tests that a run of the whole file would have, of which this is a part.
    Defined(Vec<String>),
    /// Each test of the file can be told from every other.
    Divisible,
    /// What the framework's own command has to be told to run the file as it runs here.
    PlainRun(PlainRun),
    /// The classes of the file are all its own, and have no test: what ran before it took none away.
    HasNoTests,
    /// The file ran no test, and its configuration has it that a run without any fails.
    NeedsTests,
    /// The filters of the job left out tests of the file.
    LeftOut(LeftOut),
    /// The file has ended: nothing about it will follow.
    FileFinished {
        /// Seconds of load and tests, by a clock that tests cannot stub.
        time: f64,
        /// What the file printed, cut in the middle.
        output: String,
        /// How many results of tests it has told, and how many of them are bad.
        told: Option<(usize, usize)>,
        /// The child must not be given another file (a suite hook raised in it); it still has to
        /// be told to finish.
        spent: bool,
        /// The child goes on with the next file of its bundle. Otherwise it waits for an order.
        more: bool,
    },
    /// It was interrupted (INT) in the middle of a file, which has no end then; `Finished` follows.
    Interrupted,
    /// A hook of the suite's end raised.
    SuiteHookFailed {
        /// What raised.
        error: FileError,
        /// What was printed meanwhile, cut in the middle.
        output: String,
    },
    /// Suite hooks are done, after_complete begins.
    AfterComplete,
    /// Suite hooks and after_complete are done; handlers of at_exit follow.
    Finished,
    /// A piece of what SimpleCov measured in this process.
    Coverage(CoveragePiece),
    /// SimpleCov found the coverage of this one process too small, and has it exit with this status.
    CoverageFailed(i32),
    /// It could not be forked. The last event.
    ForkFailed(String),
    /// It has ended, and all of its group. The last event.
    Ended {
        /// How.
        end: End,
        /// What the file that was running, or the end, had printed, cut in the middle.
        output: String,
        /// Commands of processes that it left behind, which were killed.
        left: Vec<String>,
    },
    /// The preloader died, and the child with it. The last event.
    PreloaderLost,
}

impl ChildEvent {
    /// Returns whether nothing is to be done about it before the next event that may not wait: the
    /// worker is woken once a file, and not for each of its tests. `follows`: more has arrived already.
    pub(crate) fn may_wait(&self, follows: bool) -> bool {
        if let Self::FileFinished { more: true, .. } = self {
            return follows;
        }
        matches!(
            self,
            Self::Loading
                | Self::TestStarted { .. }
                | Self::TestFinished(_)
                | Self::Defined(_)
                | Self::Divisible
                | Self::PlainRun(_)
                | Self::HasNoTests
                | Self::NeedsTests
                | Self::LeftOut(_)
        )
    }
}

/// A Ruby child. Dropped, it ends as soon as it looks for its next line; use
/// [`crate::PreloaderLink::signal`] to end one that is busy.
#[derive(Debug)]
pub struct RubyChild {
    stream: UnixStream,
    events: Receiver<Vec<ChildEvent>>,
    feed: Arc<Mutex<Feed>>,
}

impl RubyChild {
    pub(crate) fn new(stream: UnixStream) -> io::Result<Self> {
        // A slow worker makes its child wait, which harms nobody.
        let (sender, events) = bounded(64);
        let feed = Arc::new(Mutex::new(Feed::new(sender)));
        let fed = Arc::clone(&feed);
        lines::read(
            stream.try_clone()?,
            "ruby child",
            move |read: Read<FromChild>, follows| {
                // A thread that panicked with it has left nothing half done.
                let mut feed = fed.lock().unwrap_or_else(PoisonError::into_inner);
                match read {
                    Read::Line(line, number) => feed.line(line, number, follows),
                    Read::Unread(fault) => feed.event(ChildEvent::Unread(fault), follows),
                    Read::End => feed.event(ChildEvent::PreloaderLost, false),
                }
            },
        )?;
        Ok(Self {
            stream,
            events,
            feed,
        })
    }

    /// Has what the child holds back come now, if it has nothing to say meanwhile: it may be in the middle of a file that
    /// takes long.
    pub fn look(&mut self) {
        // Who reads a line now hears of the child anyway.
        if let Ok(mut feed) = self.feed.try_lock() {
            feed.look();
        }
    }

    /// Returns where its events arrive, those together that the worker is woken for once.
    #[must_use]
    pub fn events(&self) -> &Receiver<Vec<ChildEvent>> {
        &self.events
    }

    /// Hands it a file, and tells which frameworks have said that it is not theirs. The files of `then` follow, whole,
    /// as long as each passes. A child that is gone has told so by its last event.
    pub fn run(&mut self, item: &WorkItem, asked: &[Framework], then: &[&str]) {
        self.tell(&ToChild::Run {
            file: &item.filename,
            tests: &item.tests,
            lines: &item.lines,
            part: item.part,
            except: &item.except,
            unfiltered: item.unfiltered,
            asked,
            then,
        });
    }

    /// Lets it end: suite hooks, after_complete, at_exit. `stopped`: an INT that was meant for its last
    /// file may reach it only now, and cuts none of them off.
    pub fn finish(&mut self, stopped: bool) {
        self.tell(&ToChild::Finish { stopped });
    }

    fn tell(&mut self, line: &ToChild<'_>) {
        // A child that is gone has told so by its last event.
        let _ = self.stream.write_all(&line_of(line));
    }
}

impl Drop for RubyChild {
    fn drop(&mut self) {
        // The threads that read from it end.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}
