//! The keeper: a process of its own that keeps one application loaded, and forks a preloader of it for each job.
//!
//! ```text
//!  empty ─ want ─▶ booting ─ loaded ─▶ in use ─ job ended ─▶ idle ─ want, proven ─▶ in use
//!                     │ fails             │ unfit: it ends        │ want, differs ─▶ booting
//!                     ▼                   ▼                       ▼ limit, memory, stop
//!                   ended               ended                   ended
//! ```
//!
//! It serves one job at a time. It is the subreaper of all below it: what a job leaves behind is killed at the job's end.
//! What it has started dies with it, however it ends.

mod meet;
mod tell;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded, never, select_biased, tick};
use gorgon_process::exit::{self, Hint};
use gorgon_process::signals::{self, Signal};
use gorgon_process::surroundings::difference;
use gorgon_process::{End, orphan};
use gorgon_ruby::warm::{FromKeeper, Said, ToKeeper, Wanted};

use super::loaded::Loaded;
use super::{memory, surroundings};
use meet::Met;

/// How often the memory and the time without use are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long the last lines of a process that has ended are waited for: they are in the socket.
const LAST_LINES_LIMIT: Duration = Duration::from_millis(200);
/// So many lines wait for the loop, at most.
const LINES: usize = 64;

/// The keeper cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The system refuses something.
    #[error("{what}")]
    System {
        /// What was tried.
        what: &'static str,
        /// Why not.
        source: std::io::Error,
    },
}

impl Hint for KeepError {}

/// Keeps an application of this project until it was without use for `limit`. The listening socket is our stdin.
///
/// # Errors
/// When it cannot begin.
pub fn run(project: &Path, socket: &Path, limit: Duration) -> Result<u8, KeepError> {
    let system = |what| move |source| KeepError::System { what, source };
    let signals = signals::listen(&[Signal::Int, Signal::Term, Signal::Hup, Signal::Child])
        .map_err(system("listen to signals"))?;
    orphan::become_subreaper().map_err(system("become a subreaper"))?;
    let listener = std::os::fd::AsFd::as_fd(&std::io::stdin())
        .try_clone_to_owned()
        .map_err(system("take the socket"))?;
    let (met, events) = bounded(LINES);
    meet::listen(UnixListener::from(listener), met).map_err(system("start a thread"))?;
    let inode = fs::symlink_metadata(socket).map(|it| it.ino()).ok();
    let keeper = Keeper {
        project: project.to_owned(),
        socket: socket.to_owned(),
        inode,
        limit,
        process: surroundings::own(),
        hands_on: gorgon_process::surroundings::own(),
        streams: BTreeMap::new(),
        watchers: Vec::new(),
        loaded: None,
        phase: Phase::Empty,
        used_at: Instant::now(),
        jobs: 0,
    };
    Ok(keeper.run(&events, &signals))
}

/// A manager that wants a preloader.
#[derive(Debug)]
struct Asker {
    stream: u64,
    owner: PathBuf,
    output: PathBuf,
    job: String,
    environment: BTreeMap<String, String>,
}

#[derive(Debug)]
enum Phase {
    Empty,
    Booting(Asker),
    Idle,
    /// By the manager of this connection; false: it is not to be kept.
    InUse(u64, bool),
}

/// What is kept, for whom, and who listens.
struct Keeper {
    project: PathBuf,
    socket: PathBuf,
    inode: Option<u64>,
    limit: Duration,
    process: String,
    /// What it hands on to what it loads.
    hands_on: String,
    streams: BTreeMap<u64, UnixStream>,
    watchers: Vec<u64>,
    loaded: Option<Loaded>,
    phase: Phase,
    used_at: Instant,
    jobs: u32,
}

/// Whether the keeper goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Wait,
    End,
}

impl Keeper {
    fn run(mut self, events: &Receiver<(u64, Met)>, signals: &Receiver<Signal>) -> u8 {
        let look = tick(LOOK_INTERVAL);
        loop {
            let (says, ends) = match &self.loaded {
                Some(loaded) => (loaded.ruby.lines().clone(), loaded.ruby.end().clone()),
                None => (never(), never()),
            };
            let next = select_biased! {
                recv(signals) -> signal => match signal {
                    Ok(Signal::Child) => { orphan::reap_adopted(); Next::Wait }
                    Ok(_) | Err(_) => Next::End,
                },
                recv(events) -> event => match event {
                    Ok((stream, met)) => self.met(stream, met),
                    Err(_) => Next::End,
                },
                recv(says) -> said => match said {
                    Ok(said) => self.said(said),
                    // Its end comes next.
                    Err(_) => match ends.recv() {
                        Ok(end) => self.ended(end),
                        Err(_) => Next::End,
                    },
                },
                recv(ends) -> end => match end {
                    Ok(end) => self.ended_after(&says, end),
                    Err(_) => Next::End,
                },
                recv(look) -> _ => self.look(),
            };
            if next == Next::End {
                break;
            }
        }
        self.leave()
    }

    /// Ends what is kept, gives up the socket, and at last the connections: who waits for our end sees it by theirs.
    fn leave(mut self) -> u8 {
        let is_ours = || fs::symlink_metadata(&self.socket).map(|it| it.ino()).ok() == self.inode;
        if is_ours() {
            // Another keeper's is never removed; one that is just put there finds out that we do not answer.
            let _ = fs::remove_file(&self.socket);
        }
        drop(self.loaded.take());
        orphan::kill_adopted();
        exit::OK
    }

    fn look(&mut self) -> Next {
        let unused = matches!(self.phase, Phase::Empty | Phase::Idle);
        let short =
            || fs::read_to_string("/proc/meminfo").is_ok_and(|text| memory::is_short(&text));
        if unused && (self.used_at.elapsed() >= self.limit || short()) {
            Next::End
        } else {
            Next::Wait
        }
    }

    fn met(&mut self, stream: u64, met: Met) -> Next {
        match met {
            Met::New(connection) => {
                self.streams.insert(stream, connection);
            }
            Met::Gone => {
                self.streams.remove(&stream);
                self.watchers.retain(|it| *it != stream);
                return self.asker_gone(stream);
            }
            Met::Line(ToKeeper::Want {
                wanted,
                owner,
                output,
                job,
            }) => {
                let environment = wanted.apart.clone();
                return self.wanted(
                    *wanted,
                    Asker {
                        environment,
                        stream,
                        owner,
                        output,
                        job,
                    },
                );
            }
            Met::Line(ToKeeper::Signal { signal }) => return self.signal(stream, &signal),
            Met::Line(ToKeeper::Watch { process }) => {
                match difference(&self.process, &process) {
                    Some(what) if matches!(self.phase, Phase::Empty | Phase::Idle) => {
                        self.tell(stream, &FromKeeper::Differs { what });
                        return Next::End;
                    }
                    // It is in use; the manager is declined, as for any other reason.
                    _ => {
                        self.tell(stream, &FromKeeper::Welcome);
                        self.watchers.push(stream);
                    }
                }
            }
            Met::Line(ToKeeper::Status) => {
                let status = self.status();
                self.tell(stream, &FromKeeper::Status(status));
            }
            Met::Line(ToKeeper::Stop) => return Next::End,
        }
        Next::Wait
    }

    fn wanted(&mut self, wanted: Wanted, asker: Asker) -> Next {
        self.used_at = Instant::now();
        if matches!(self.phase, Phase::Booting(_) | Phase::InUse(..)) {
            self.explain(
                "the application that is kept is in use by another run: this one loads its own",
                true,
            );
            return self.decline(asker.stream, "it is in use");
        }
        // What we load inherits it from us, and we cannot change it.
        if let Some(what) = difference(&self.hands_on, &wanted.process) {
            let text = format!("reloading: {what} changed; this run loads its own");
            self.explain(&text, false);
            self.decline(asker.stream, &format!("{what} changed"));
            return Next::End;
        }
        if let Some(loaded) = &mut self.loaded {
            match loaded.difference(&wanted) {
                None => {
                    let text = format!(
                        "warm: {} paths proven unchanged in {:.0} ms",
                        loaded
                            .proof
                            .as_ref()
                            .map_or(0, gorgon_recorder::Proof::paths),
                        loaded.proof_took.as_secs_f64() * 1000.0
                    );
                    self.explain(&text, true);
                    self.fork(&asker, true);
                    return Next::Wait;
                }
                Some(difference) => {
                    self.explain(&format!("reloading: {difference}"), false);
                    self.loaded = None;
                }
            }
        }
        match Loaded::begin(wanted) {
            Ok(loaded) => {
                self.loaded = Some(loaded);
                self.phase = Phase::Booting(asker);
                Next::Wait
            }
            // The manager meets the same, and tells it.
            Err(error) => {
                self.phase = Phase::Empty;
                self.decline(asker.stream, &exit::chain(&error))
            }
        }
    }

    fn fork(&mut self, asker: &Asker, kept: bool) {
        if let Some(loaded) = &mut self.loaded {
            let Asker {
                owner,
                output,
                job,
                environment,
                ..
            } = asker;
            loaded.ruby.fork(owner, output, job, environment);
            self.phase = Phase::InUse(asker.stream, kept);
        }
    }

    fn said(&mut self, said: Said) -> Next {
        match said {
            Said::Kept { unfit, offset_s } => {
                let Phase::Booting(asker) = std::mem::replace(&mut self.phase, Phase::Empty) else {
                    return Next::End;
                };
                let why = self
                    .loaded
                    .as_mut()
                    .and_then(|loaded| loaded.seal(&unfit, offset_s));
                if let Some(why) = &why {
                    self.explain_once(why);
                }
                self.fork(&asker, why.is_none());
            }
            Said::NotLoaded => {
                self.loaded = None;
                if let Phase::Booting(asker) = std::mem::replace(&mut self.phase, Phase::Empty) {
                    return self.decline(asker.stream, "the application cannot be loaded");
                }
            }
            Said::CallbackFailed(mut failure) => {
                failure.output = self.output();
                self.tell_asker(&FromKeeper::CallbackFailed(failure));
            }
            Said::Refused(mut refusal) => {
                refusal.output = self.output();
                self.tell_asker(&FromKeeper::Refused(refusal));
            }
            Said::Forked { pid } => {
                self.jobs += 1;
                self.tell_asker(&FromKeeper::Forked { pid });
                // It may have gone meanwhile.
                if let Phase::InUse(stream, _) = self.phase
                    && !self.streams.contains_key(&stream)
                {
                    return self.asker_gone(stream);
                }
            }
            Said::ForkFailed { message } => {
                if let Phase::InUse(stream, _) = std::mem::replace(&mut self.phase, Phase::Idle) {
                    return self.decline(stream, &message);
                }
            }
            Said::JobEnded { status, signal } => {
                // What the tests have left behind ends with the job.
                orphan::kill_adopted();
                self.tell_asker(&FromKeeper::Ended { status, signal });
                self.used_at = Instant::now();
                let phase = std::mem::replace(&mut self.phase, Phase::Idle);
                if matches!(phase, Phase::InUse(_, false)) {
                    return Next::End;
                }
            }
        }
        Next::Wait
    }

    /// Its end may be seen before its last words: that it could not load the application, or that a callback raised.
    fn ended_after(&mut self, says: &Receiver<Said>, end: End) -> Next {
        let until = Instant::now() + LAST_LINES_LIMIT;
        while let Ok(said) = says.recv_deadline(until) {
            if self.said(said) == Next::End {
                return Next::End;
            }
        }
        match self.loaded {
            Some(_) => self.ended(end),
            None => Next::Wait,
        }
    }

    /// The kept process itself has ended, with all that it had forked.
    fn ended(&mut self, end: End) -> Next {
        let (status, signal) = match end {
            End::Exited(status) => (Some(status), None),
            End::Signaled(signal) => (None, Some(signal)),
        };
        orphan::kill_adopted();
        self.tell_asker(&FromKeeper::Ended { status, signal });
        Next::End
    }

    /// The preloader dies with the manager that wanted it; so does an application that it has asked for in vain.
    fn asker_gone(&mut self, stream: u64) -> Next {
        match &self.phase {
            Phase::Booting(asker) if asker.stream == stream => Next::End,
            Phase::InUse(user, _) if *user == stream => {
                if let Some(loaded) = &mut self.loaded {
                    loaded.ruby.signal_job("KILL");
                }
                Next::Wait
            }
            _ => Next::Wait,
        }
    }

    fn signal(&mut self, stream: u64, signal: &str) -> Next {
        let Some(loaded) = &mut self.loaded else {
            return Next::Wait;
        };
        match &self.phase {
            Phase::Booting(asker) if asker.stream == stream => {
                if signal == "INT" {
                    loaded.ruby.interrupt();
                    return Next::Wait;
                }
                Next::End
            }
            Phase::InUse(user, _) if *user == stream => {
                loaded.ruby.signal_job(signal);
                Next::Wait
            }
            _ => Next::Wait,
        }
    }
}
