//! The reports of a run that ended before its job began. A program that waits for a report gets one.

use std::path::Path;
use std::time::{Duration, SystemTime};

use gorgon_process::exit;
use gorgon_proto::item::WorkItem;

use crate::cli::StartArgs;
use crate::destinations;
use crate::ledger::Ending;
use crate::report::junit::JobFacts;
use crate::report::{Results, json, junit};
use crate::screen::{self, ReportError, Stream};

/// How a run ended that had no job.
#[derive(Debug)]
pub(crate) struct Unbegun<'a> {
    /// The options, which name the reports.
    pub(crate) args: &'a StartArgs,
    /// How it ended.
    pub(crate) ending: Ending,
    /// Why, where that is an error.
    pub(crate) why: Option<String>,
    /// The exit status.
    pub(crate) status: u8,
    /// When the run started, and how long it took.
    pub(crate) started: SystemTime,
    pub(crate) took: Duration,
}

impl Unbegun<'_> {
    /// Writes the reports that are asked for, with the items that were chosen. `stream`: the event
    /// stream, where it is open. A report that would replace something else is left alone: nobody may
    /// have looked yet at where it goes.
    pub(crate) fn report(&self, stream: Option<&mut Stream>, work: &[WorkItem]) {
        let mut results = Results::new(work);
        results.warnings.extend(self.why.clone());
        results.close(&self.ending);
        let free = |path: &Path| stream.is_some() || destinations::is_free(path);
        let junit = self.args.junit.as_deref().filter(|path| free(path));
        let json = self.args.json.as_deref().filter(|path| free(path));
        let line = json::job_finished(self.took, &self.ending, &results, self.status, &[]);
        match (stream, json) {
            (Some(stream), _) => stream.write(&line),
            (None, Some(path)) => match Stream::open(Some(path)) {
                Ok(mut stream) => stream.write(&line),
                Err(error) => tell(&error),
            },
            (None, None) => {}
        }
        if let Some(path) = junit {
            let facts = JobFacts {
                started: self.started,
                elapsed: self.took,
                seed: self.args.seed.unwrap_or(0),
            };
            let report = junit::not_begun(self.why.as_deref(), &facts);
            if let Err(error) = screen::write_report(path, &report) {
                tell(&error);
            }
        }
    }
}

fn tell(error: &ReportError) {
    screen::to_stderr(&exit::describe("gorgon-originator", error, None));
}
