//! The coverage of a job: the shares of all Ruby children, and the report that SimpleCov makes of them.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::PathBuf;
use std::time::Duration;

use crossbeam_channel::Receiver;
use gorgon_process::Signal;
use gorgon_process::exit::{self, CANCELLED, ERROR, FAILED, OK};
use gorgon_proto::job::Coverage;
use gorgon_proto::message::CoverageShare;
use gorgon_ruby::{CollateError, Collated, RubySettings, Verdict, Waiting, collate};
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
            let said =
                format!("coverage: the results of the Ruby processes cannot be kept: {error}");
            return Some(not_judged(settings.coverage, vec![said], ERROR));
        }
        let file = self.file?;
        // Ruby opens it anew, from its beginning.
        let path = PathBuf::from(format!(
            "/proc/{}/fd/{}",
            std::process::id(),
            file.as_raw_fd()
        ));
        let (wanted, settings) = (settings.coverage, settings.clone());
        let collated = beside(signals, "coverage", move |cancel| {
            collate(&settings, &path, tests_failed, &Waiting { limit, cancel })
        });
        drop(file);
        Some(judged(collated, wanted, tests_failed))
    }
}

/// What is said of coverage that nobody judges and nobody asked for.
const NOT_ASKED: &str = "coverage: it is not judged, and fails no run, as gorgon.json does not ask for it: \"coverage\": true does, false switches it off";

/// Nobody has judged the coverage. That fails the run only if the user asked for coverage.
fn not_judged(coverage: Coverage, mut said: Vec<String>, status: u8) -> Judged {
    let asked = coverage == Coverage::Asked;
    if !asked {
        said.push(NOT_ASKED.to_owned());
    }
    Judged {
        said,
        status: if asked { status } else { OK },
        ..Judged::default()
    }
}

fn judged(
    collated: Option<Result<Collated, CollateError>>,
    coverage: Coverage,
    tests_failed: bool,
) -> Judged {
    let collated = match collated {
        None => {
            return Judged {
                said: vec!["coverage: the report was ended by a signal".to_owned()],
                status: CANCELLED,
                ..Judged::default()
            };
        }
        Some(Err(error)) => return not_judged(coverage, vec![exit::chain(&error)], ERROR),
        Some(Ok(collated)) => collated,
    };
    let mut said: Vec<String> = collated.stderr.lines().map(str::to_owned).collect();
    let judged = match collated.verdict {
        Verdict::NotJudged(status) if !tests_failed => {
            said.push(format!(
                "coverage: its report was not made, as Ruby ended with exit status {status}"
            ));
            not_judged(coverage, said, FAILED)
        }
        Verdict::Refused if !tests_failed => Judged {
            said,
            status: FAILED,
            ..Judged::default()
        },
        Verdict::Passed | Verdict::Refused | Verdict::NotJudged(_) => Judged {
            said,
            ..Judged::default()
        },
    };
    Judged {
        report: collated.stdout,
        ..judged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use Coverage::{Asked, ByDefault};
    use Verdict::{NotJudged, Passed, Refused};

    fn check(verdict: Verdict, coverage: Coverage, tests_failed: bool, expected: (&str, u8)) {
        let collated = Collated {
            verdict,
            stdout: "report\n".to_owned(),
            stderr: "too small\n".to_owned(),
        };
        let judged = judged(Some(Ok(collated)), coverage, tests_failed);
        assert_eq!((judged.said.join("|").as_str(), judged.status), expected);
        assert_eq!(judged.report, "report\n");
    }

    #[test]
    fn simplecov_fails_a_run_whose_tests_passed() {
        let broken =
            "too small|coverage: its report was not made, as Ruby ended with exit status 1";
        let by_default = format!("{broken}|{NOT_ASKED}");
        for (coverage, not_judged) in [(Asked, (broken, FAILED)), (ByDefault, (&*by_default, OK))] {
            check(Passed, coverage, false, ("too small", OK));
            check(Refused, coverage, false, ("too small", FAILED));
            check(NotJudged(1), coverage, false, not_judged);
            check(NotJudged(1), coverage, true, ("too small", OK));
            check(Refused, coverage, true, ("too small", OK));
            let cancelled = super::judged(None, coverage, false);
            assert_eq!(cancelled.status, CANCELLED);
        }
        let shares = Shares::default();
        let settings = RubySettings::in_place(".");
        let signals = crossbeam_channel::never();
        assert_eq!(
            shares.judge(&settings, false, Duration::ZERO, &signals),
            None
        );
    }

    #[test]
    fn results_that_cannot_be_kept_fail_a_run_that_asked_for_them() {
        for (coverage, status) in [(Asked, ERROR), (ByDefault, OK)] {
            let shares = Shares {
                fault: Some(io::ErrorKind::StorageFull.into()),
                ..Shares::default()
            };
            let settings = RubySettings {
                coverage,
                ..RubySettings::in_place(".")
            };
            let signals = crossbeam_channel::never();
            let judged = shares.judge(&settings, false, Duration::ZERO, &signals);
            assert_eq!(judged.unwrap().status, status);
        }
    }
}
