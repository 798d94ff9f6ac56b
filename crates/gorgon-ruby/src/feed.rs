//! What a Ruby child says, on its way to the worker. Each line comes once. Lines that need no answer wait for the next one
//! that does, so that the worker wakes once for all of them.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crossbeam_channel::Sender;
use gorgon_process::child::End;
use gorgon_proto::message;

use crate::child::ChildEvent;
use crate::lines::number_of;
use crate::protocol::FromChild;

/// Maximum number of events that are kept until one comes that may not wait.
const MOST_KEPT: usize = 63;
/// Maximum number of bytes that are read of what a child holds back; it sends when there are more than 16 KiB.
const MOST_BYTES: u64 = 1 << 20;

/// The lines of one child.
#[derive(Debug)]
pub(crate) struct Feed {
    told: Told,
    kept: Vec<ChildEvent>,
    /// The number of the latest line of the child. What it had held back when it was interrupted or killed may come twice.
    latest: u64,
    /// The file in which it holds lines back.
    drafts: Option<PathBuf>,
    /// Absent after the last event.
    sender: Option<Sender<Vec<ChildEvent>>>,
}

impl Feed {
    pub(crate) fn new(sender: Sender<Vec<ChildEvent>>) -> Self {
        Self {
            told: Told::default(),
            kept: Vec::new(),
            latest: 0,
            drafts: None,
            sender: Some(sender),
        }
    }

    /// Takes a line; false when nobody listens any more, or nothing can follow.
    pub(crate) fn line(&mut self, line: FromChild, number: Option<u64>, follows: bool) -> bool {
        if let Some(number) = number {
            if number <= self.latest {
                return true;
            }
            self.latest = number;
        }
        if let FromChild::Forked { drafts, .. } = &line {
            self.drafts.clone_from(drafts);
        }
        let event = self.told.event(line);
        self.event(event, follows)
    }

    /// Takes an event; false when nobody listens any more, or nothing can follow.
    pub(crate) fn event(&mut self, event: ChildEvent, follows: bool) -> bool {
        let waits = event.may_wait(follows) && self.kept.len() < MOST_KEPT;
        let last = matches!(
            event,
            ChildEvent::Ended { .. } | ChildEvent::ForkFailed(_) | ChildEvent::PreloaderLost
        );
        self.kept.push(event);
        if waits {
            return true;
        }
        let events = std::mem::take(&mut self.kept);
        let sent = self
            .sender
            .as_ref()
            .is_some_and(|to| to.send(events).is_ok());
        if last || !sent {
            self.sender = None;
        }
        self.sender.is_some()
    }

    /// Delivers the lines that the child holds back. Of these the first has the number after the latest one, unless
    /// something is on its way that comes before them: then that is waited for.
    pub(crate) fn look(&mut self) {
        // The worker that looks is who empties the channel.
        let Some(sender) = self.sender.as_ref().filter(|to| to.is_empty()) else {
            return;
        };
        let Some(path) = &self.drafts else {
            return;
        };
        // Of a line that is being written there is a part. Read twice it is the same only if nobody writes.
        let (Ok(text), Ok(again)) = (read(path), read(path)) else {
            return;
        };
        let first = drafted(&text).next().map(|(_, number)| number);
        if text != again || first.is_none_or(|first| first > self.latest + 1) {
            return;
        }
        for (line, number) in drafted(&text) {
            let Ok(line) = message::read::<FromChild>(line) else {
                break;
            };
            if number > self.latest {
                self.latest = number;
                let event = self.told.event(line);
                self.kept.push(event);
            }
        }
        if !self.kept.is_empty() {
            // It was empty, and nobody else sends.
            let _ = sender.try_send(std::mem::take(&mut self.kept));
        }
    }
}

/// Reads a file of drafts. A test may have put something else in its place, which must not block.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if fs::symlink_metadata(path)?.is_file() {
        let file = fs::File::open(path)?;
        file.take(MOST_BYTES).read_to_end(&mut text)?;
    }
    Ok(text)
}

/// Returns the whole lines of a file of drafts, with their numbers: what follows them remains of older ones.
fn drafted(text: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    let whole = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    let mut latest = 0;
    text[..whole]
        .split(|byte| *byte == b'\n')
        .map_while(move |line| {
            let number = number_of(line)?;
            let follows = number > latest;
            latest = number;
            follows.then_some((line, number))
        })
}

/// Processes left behind that were reported, by process id: each is reported once.
#[derive(Debug, Default)]
struct Told(Vec<u32>);

impl Told {
    fn event(&mut self, line: FromChild) -> ChildEvent {
        match line {
            FromChild::LeftBehind { file, pid, command } => {
                self.0.push(pid);
                ChildEvent::Warning(format!("{file} left a process behind: {command}"))
            }
            FromChild::Ended {
                status,
                signal,
                output,
                left,
            } => ChildEvent::Ended {
                end: match (status, signal) {
                    (_, Some(signal)) => End::Signaled(signal),
                    (status, None) => End::Exited(status.unwrap_or(-1)),
                },
                output,
                left: left
                    .into_iter()
                    .filter(|process| !self.0.contains(&process.pid))
                    .map(|process| process.command)
                    .collect(),
            },
            FromChild::Forked { pid, .. } => ChildEvent::Forked { pid },
            FromChild::ForkFailed { message } => ChildEvent::ForkFailed(message),
            FromChild::Ready => ChildEvent::Ready,
            FromChild::CallbackFailed(failure) => ChildEvent::CallbackFailed(failure),
            FromChild::Refused(refusal) => ChildEvent::Refused(refusal),
            FromChild::CallbackDone => ChildEvent::CallbackDone,
            FromChild::OtherFramework { framework, loaded } => {
                ChildEvent::OtherFramework { framework, loaded }
            }
            FromChild::Loading => ChildEvent::Loading,
            FromChild::TestStarted { id, name } => ChildEvent::TestStarted { id, name },
            FromChild::TestFinished(result) => ChildEvent::TestFinished(result),
            FromChild::FileError(error) => ChildEvent::FileError(error),
            FromChild::Defined { ids } => ChildEvent::Defined(ids),
            FromChild::Divisible => ChildEvent::Divisible,
            FromChild::PlainRun(plain) => ChildEvent::PlainRun(plain),
            FromChild::HasNoTests => ChildEvent::HasNoTests,
            FromChild::NeedsTests => ChildEvent::NeedsTests,
            FromChild::LeftOut(left) => ChildEvent::LeftOut(left),
            FromChild::Warning { message } => ChildEvent::Warning(message),
            FromChild::FileFinished {
                time,
                told,
                output,
                spent,
                more,
            } => ChildEvent::FileFinished {
                time,
                told,
                output,
                spent,
                more,
            },
            FromChild::Interrupted => ChildEvent::Interrupted,
            FromChild::SuiteHookFailed { error, output } => {
                ChildEvent::SuiteHookFailed { error, output }
            }
            FromChild::AfterComplete => ChildEvent::AfterComplete,
            FromChild::Finished => ChildEvent::Finished,
            FromChild::Coverage(piece) => ChildEvent::Coverage(piece),
            FromChild::CoverageFailed { status } => ChildEvent::CoverageFailed(status),
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::*;

    fn names(events: &[ChildEvent]) -> Vec<&str> {
        let name = |event: &ChildEvent| match event {
            ChildEvent::Loading => "loading",
            ChildEvent::FileFinished { .. } => "finished",
            ChildEvent::Divisible => "divisible",
            _ => "?",
        };
        events.iter().map(name).map(|name| name as &str).collect()
    }

    #[test]
    fn what_is_held_back_comes_once_and_what_remains_of_older_lines_does_not() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("drafts");
        let (sender, events) = bounded(64);
        let mut feed = Feed::new(sender);
        feed.drafts = Some(path.clone());
        let line = |n: u64, text: &str| format!("{{\"n\":{n},{text}}}\n");
        let loading = |n| line(n, r#""event":"loading""#);
        let finished = |n| line(n, r#""event":"file_finished","time":0.1,"more":true"#);
        let drafts = [
            finished(4),
            loading(5),
            "2,\"event\":\"loading\"}\n".to_owned(),
        ]
        .concat();
        fs::write(&path, drafts).unwrap();
        feed.latest = 3;
        feed.look();
        assert_eq!(names(&events.try_recv().unwrap()), ["finished", "loading"]);
        feed.look();
        assert!(events.try_recv().is_err(), "nothing is new");
        // The child sends it all the same.
        let again: FromChild = message::read(loading(5).as_bytes()).unwrap();
        assert!(feed.line(again, Some(5), false));
        let divisible: FromChild = message::read(br#"{"event":"divisible"}"#).unwrap();
        feed.line(divisible, Some(6), false);
        fs::write(
            &path,
            [finished(7), r#"{"n":8,"event":"load"#.to_owned()].concat(),
        )
        .unwrap();
        feed.look();
        assert_eq!(
            names(&events.try_recv().unwrap()),
            ["divisible", "finished"]
        );
        fs::write(&path, "").unwrap();
        feed.look();
        assert!(events.try_recv().is_err());
    }
}
