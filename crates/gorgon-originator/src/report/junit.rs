//! The `--junit` report: one `testsuite` a file, with `file` everywhere, so that a CI can split by it.

mod not_begun;
mod retried;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use gorgon_proto::outcome::{FileError, Outcome, TestResult, Verdict};
use gorgon_proto::text::failure::hook_name;
use gorgon_proto::text::first_line::first_line;
use jiff::Timestamp;

pub use not_begun::not_begun;

use super::Results;
use super::file::FileResult;
use super::files::Whole;
use super::kept::Kept;
use super::retries::Retried;
use super::reviews::OrderDependent;
use super::visible::{one_line, xml, xml_attribute};

/// What the report says of the job as a whole.
#[derive(Debug, Clone)]
pub struct JobFacts {
    /// When the job started.
    pub started: SystemTime,
    /// How long it took.
    pub elapsed: Duration,
    /// The seed.
    pub seed: u32,
}

#[derive(Default, Clone, Copy)]
struct Tally {
    tests: usize,
    failures: usize,
    errors: usize,
    skipped: usize,
    seconds: f64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.tests += other.tests;
        self.failures += other.failures;
        self.errors += other.errors;
        self.skipped += other.skipped;
        self.seconds += other.seconds;
    }

    fn attributes(self) -> String {
        format!(
            "tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{:.6}\"",
            self.tests, self.failures, self.errors, self.skipped, self.seconds
        )
    }
}

/// Returns the instant as `2026-01-31T23:59:59`, in UTC, as JUnit's schema has it.
#[must_use]
pub fn timestamp(at: SystemTime) -> String {
    let at = Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

fn whole(message: &str, backtrace: &[String]) -> String {
    let mut text = message.to_owned();
    for line in backtrace {
        text.push('\n');
        text.push_str(line);
    }
    text
}

fn fault(out: &mut String, element: &str, kind: &str, message: &str, backtrace: &[String]) {
    let text = whole(message, backtrace);
    let _ = writeln!(
        out,
        "      <{element} type=\"{}\" message=\"{}\">{}</{element}>",
        xml_attribute(kind),
        xml_attribute(&first_line(kind, message)),
        xml(&text)
    );
}

fn open_case(out: &mut String, file: &str, classname: &str, name: &str, seconds: f64) {
    let _ = write!(
        out,
        "    <testcase file=\"{}\" classname=\"{}\" name=\"{}\" time=\"{seconds:.6}\"",
        xml_attribute(file),
        xml_attribute(&one_line(classname)),
        xml_attribute(&one_line(name)),
    );
}

fn classname<'a>(file: &'a str, test: &'a Kept) -> &'a str {
    match test.classname() {
        "" => file,
        name => name,
    }
}

fn test_case(out: &mut String, results: &Results, file: &str, tried: &Retried<'_>) -> Tally {
    if tried.is_flaky() {
        return retried::flaky_case(out, file, tried);
    }
    let test = tried.test;
    let classname = classname(file, test);
    open_case(out, file, classname, test.name(), test.seconds());
    let mut tally = Tally {
        tests: 1,
        seconds: test.seconds(),
        ..Tally::default()
    };
    let depends = results.order_dependence(tried.file.item, test.id());
    if let (Some((found, failed)), None | Some(Outcome::Passed)) =
        (depends, test.told().map(|test| test.outcome))
    {
        out.push_str(">\n");
        order_note(out, &found.after(), failed);
        out.push_str("    </testcase>\n");
        return tally;
    }
    let Some(test) = test.told() else {
        out.push_str("/>\n");
        return tally;
    };
    out.push_str(">\n");
    let kind = test.exception.as_deref().unwrap_or_default();
    match test.outcome {
        Outcome::Failed => {
            tally.failures = 1;
            fault(out, "failure", kind, &test.message, &test.backtrace);
        }
        Outcome::Errored => {
            tally.errors = 1;
            fault(out, "error", kind, &test.message, &test.backtrace);
        }
        Outcome::Skipped => {
            tally.skipped = 1;
            let _ = writeln!(
                out,
                "      <skipped message=\"{}\"/>",
                xml_attribute(&test.message)
            );
        }
        Outcome::Passed => {}
    }
    for retry in tried.retries {
        retried::further_failure(out, "rerun", retry);
    }
    if !test.output.is_empty() {
        let _ = writeln!(out, "      <system-out>{}</system-out>", xml(&test.output));
    }
    out.push_str("    </testcase>\n");
    tally
}

/// Says beside a test that passed alone how it fails after others: JUnit has no element for that.
fn order_note(out: &mut String, after: &str, failed: &TestResult) {
    let kind = failed.exception.as_deref().unwrap_or_default();
    let text = whole(&failed.message, &failed.backtrace);
    let note = format!("order-dependent: it passes alone and fails {after}\n{kind}: {text}\n");
    let _ = writeln!(
        out,
        "      <properties><property name=\"order-dependent\" value=\"{}\"/></properties>",
        xml_attribute(after)
    );
    let _ = writeln!(out, "      <system-out>{}</system-out>", xml(&note));
}

fn error_case(out: &mut String, file: &str, name: &str, error: &FileError, seconds: f64) -> Tally {
    open_case(out, file, file, name, seconds);
    out.push_str(">\n");
    let kind = error.exception.as_deref().unwrap_or(&error.what);
    let mut message = error.message.clone();
    if let Some(test) = &error.test {
        let _ = write!(message, "\nwhile this test was running: {test}");
    }
    fault(out, "error", kind, &message, &error.backtrace);
    out.push_str("    </testcase>\n");
    Tally {
        tests: 1,
        errors: 1,
        seconds,
        ..Tally::default()
    }
}

struct Suite {
    body: String,
    tally: Tally,
    hostname: String,
    started: SystemTime,
    output: String,
    /// After what the file fails, where it depends on that.
    order_dependent: Option<String>,
}

fn close_suite(out: &mut String, name: &str, suite: &Suite, seed: u32) {
    let _ = writeln!(
        out,
        "  <testsuite name=\"{name}\" file=\"{name}\" {} timestamp=\"{}\" hostname=\"{}\">",
        suite.tally.attributes(),
        timestamp(suite.started),
        xml_attribute(&suite.hostname),
        name = xml_attribute(name),
    );
    let depends = suite
        .order_dependent
        .as_ref()
        .map_or_else(String::new, |after| {
            let after = xml_attribute(after);
            format!("<property name=\"order-dependent\" value=\"{after}\"/>")
        });
    let _ = writeln!(
        out,
        "    <properties><property name=\"seed\" value=\"{seed}\"/>{depends}</properties>"
    );
    out.push_str(&suite.body);
    if !suite.output.is_empty() {
        let _ = writeln!(out, "    <system-out>{}</system-out>", xml(&suite.output));
    }
    out.push_str("  </testsuite>\n");
}

/// Returns the report. Files without a verdict are left out: they are neither passed nor failed.
#[must_use]
pub fn write(results: &Results, job: &JobFacts) -> String {
    let mut total = Tally::default();
    let mut body = String::new();
    // The items of one file are one suite, at the place of the first.
    let mut by_file: BTreeMap<&str, Vec<&FileResult>> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for file in &results.files {
        if !matches!(file.verdict, None | Some(Verdict::NotRun)) {
            let items = by_file.entry(&file.filename).or_default();
            if items.is_empty() {
                order.push(&file.filename);
            }
            items.push(file);
        }
    }
    for name in order {
        let items = &by_file[name];
        let first = items.first().expect("a file in the list has an item");
        let spent = items
            .iter()
            .map(|file| Duration::try_from_secs_f64(file.runtime).unwrap_or_default())
            .map(|spent| spent.min(first.ended_at));
        let began = first
            .ended_at
            .saturating_sub(spent.max().unwrap_or_default());
        let mut suite = Suite {
            body: String::new(),
            tally: Tally::default(),
            hostname: first.hostname.to_string(),
            started: job.started + began,
            output: String::new(),
            order_dependent: results
                .order_dependent
                .iter()
                .find(|it| it.first.filename == *name)
                .map(OrderDependent::after),
        };
        let whole = Whole::new(items.clone());
        for tried in whole.tests() {
            let case = test_case(&mut suite.body, results, name, &tried);
            suite.tally.add(case);
        }
        for error in whole.errors() {
            let seconds = whole.seconds_of_fault(error);
            suite.tally.add(error_case(
                &mut suite.body,
                name,
                &error.what,
                error,
                seconds,
            ));
        }
        for file in items {
            suite.output.push_str(&file.output);
        }
        total.add(suite.tally);
        close_suite(&mut body, name, &suite, job.seed);
    }
    let mut hooks: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for hook in &results.suite_hooks {
        let name = format!("(suite hooks) {}:{}", hook.hostname, hook.worker_id);
        hooks.entry(name).or_default().push(hook);
    }
    for (name, hooks) in hooks {
        let mut suite = Suite {
            body: String::new(),
            tally: Tally::default(),
            hostname: hooks[0].hostname.clone(),
            started: job.started,
            output: String::new(),
            order_dependent: None,
        };
        for hook in hooks {
            suite.tally.add(error_case(
                &mut suite.body,
                &name,
                hook_name(&hook.error),
                &hook.error,
                0.0,
            ));
            suite.output.push_str(&hook.output);
        }
        total.add(suite.tally);
        close_suite(&mut body, &name, &suite, job.seed);
    }
    total.seconds = job.elapsed.as_secs_f64();
    whole_report(total, &body, job)
}

fn whole_report(total: Tally, body: &str, job: &JobFacts) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"gorgon\" {} timestamp=\"{}\">\n{body}</testsuites>\n",
        total.attributes(),
        timestamp(job.started)
    )
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn timestamps_are_dates_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_400, "2000-02-29T00:00:00"),
            (1_709_251_199, "2024-02-29T23:59:59"),
            (1_709_251_200, "2024-03-01T00:00:00"),
            (1_798_761_600, "2027-01-01T00:00:00"),
        ] {
            assert_eq!(timestamp(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }
}
