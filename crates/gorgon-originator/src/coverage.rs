//! The coverage of a job: the shares of all Ruby children, and the report that SimpleCov makes of them.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::Receiver;
use gorgon_process::Signal;
use gorgon_process::exit::{self, CANCELLED, ERROR, FAILED, OK};
use gorgon_proto::message::CoverageShare;
use gorgon_ruby::{CollateError, Collated, RubySettings, Waiting, collate};
use serde::Serialize;

use crate::callbacks::beside;

/// What has come from Ruby children. It lies in a file without a name: nothing is left of it, however we end.
#[derive(Debug, Default)]
pub struct Shares {
    file: Option<File>,
    fault: Option<io::Error>,
}

/// A line of the file.
#[derive(Serialize)]
struct Line<'a> {
    from: String,
    piece: u32,
    pieces: u32,
    text: &'a str,
}

/// What the user is told of the coverage.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Judged {
    /// For stdout: what SimpleCov printed.
    pub report: String,
    /// For stderr, line by line.
    pub said: Vec<String>,
    /// The least exit status that the run has now.
    pub status: u8,
}

impl Shares {
    /// Keeps a piece. One that comes twice replaces itself.
    pub fn take(&mut self, share: &CoverageShare) {
        if self.fault.is_none()
            && let Err(error) = self.keep(share)
        {
            self.fault = Some(error);
        }
    }

    fn keep(&mut self, share: &CoverageShare) -> io::Result<()> {
        let piece = &share.piece;
        let mut line = serde_json::to_vec(&Line {
            from: format!("{} {} {}", share.listener_id, share.worker_id, piece.share),
            piece: piece.piece,
            pieces: piece.pieces,
            text: &piece.text,
        })?;
        line.push(b'\n');
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile()?),
        };
        file.write_all(&line)
    }

    /// Has SimpleCov write its report of all shares, and judge it; none if there is no share. A signal ends that.
    pub fn judge(
        self,
        settings: &RubySettings,
        tests_failed: bool,
        limit: Duration,
        signals: &Receiver<Signal>,
    ) -> Option<Judged> {
        if let Some(error) = self.fault {
            return Some(Judged {
                said: vec![format!(
                    "coverage: the results of the Ruby processes cannot be kept: {error}"
                )],
                status: ERROR,
                ..Judged::default()
            });
        }
        let file = self.file?;
        // Ruby opens it anew, from its beginning.
        let path = PathBuf::from(format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            file.as_raw_fd()
        ));
        let settings = settings.clone();
        let collated = beside(signals, "coverage", move |cancel| {
            collate(&settings, &path, tests_failed, &Waiting { limit, cancel })
        });
        drop(file);
        Some(judged(collated, tests_failed))
    }
}

fn judged(collated: Option<Result<Collated, CollateError>>, tests_failed: bool) -> Judged {
    match collated {
        None => Judged {
            said: vec!["coverage: the report was ended by a signal".to_owned()],
            status: CANCELLED,
            ..Judged::default()
        },
        Some(Err(error)) => Judged {
            said: vec![exit::chain(&error)],
            status: ERROR,
            ..Judged::default()
        },
        Some(Ok(collated)) => {
            let mut said: Vec<String> = collated.stderr.lines().map(str::to_owned).collect();
            let refused = collated.status != 0 && !tests_failed;
            if refused {
                said.push(format!(
                    "coverage: the run fails, as SimpleCov ended with exit status {}",
                    collated.status
                ));
            }
            Judged {
                report: collated.stdout,
                said,
                status: if refused { FAILED } else { OK },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: i32, tests_failed: bool, expected: (&str, u8)) {
        let collated = Collated {
            status,
            stdout: "report\n".to_owned(),
            stderr: "too small\n".to_owned(),
        };
        let judged = judged(Some(Ok(collated)), tests_failed);
        assert_eq!((judged.said.join("|").as_str(), judged.status), expected);
        assert_eq!(judged.report, "report\n");
    }

    #[test]
    fn simplecov_fails_a_run_whose_tests_passed() {
        check(0, false, ("too small", OK));
        check(1, true, ("too small", OK));
        let refused = "too small|coverage: the run fails, as SimpleCov ended with exit status 2";
        check(2, false, (refused, FAILED));
        let cancelled = super::judged(None, false);
        assert_eq!(cancelled.status, CANCELLED);
        let shares = Shares::default();
        let settings = RubySettings::in_place(".");
        let signals = crossbeam_channel::never();
        assert_eq!(
            shares.judge(&settings, false, Duration::ZERO, &signals),
            None
        );
    }
}
