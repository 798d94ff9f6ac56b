//! The report of a run that ended before its job.

use gorgon_proto::outcome::FileError;

use super::{JobFacts, Suite, Tally, close_suite, error_case, whole_report};

/// Returns the report of a run that had no job: nothing ran, and why.
#[must_use]
pub fn not_begun(why: Option<&str>, job: &JobFacts) -> String {
    let mut suite = Suite {
        body: String::new(),
        tally: Tally::default(),
        hostname: String::new(),
        started: job.started,
        output: String::new(),
        order_dependent: None,
    };
    let mut body = String::new();
    if let Some(why) = why {
        let error = FileError {
            what: "no job".to_owned(),
            exception: None,
            message: why.to_owned(),
            backtrace: Vec::new(),
            test: None,
        };
        suite.tally = error_case(&mut suite.body, "(job)", "no job", &error, 0.0);
        close_suite(&mut body, "(job)", &suite, job.seed);
    }
    let mut total = suite.tally;
    total.seconds = job.elapsed.as_secs_f64();
    whole_report(total, &body, job)
}
