//! The end of a run: reports, records, and the exit status.

use std::cell::OnceCell;
use std::path::Path;

use gorgon_process::exit::{self, ERROR};
use gorgon_proto::job::JobId;
use gorgon_proto::outcome::Verdict;

use crate::choose::Files;
use crate::cli::FlakyResult;
use crate::coverage::Judged;
use crate::history::{Store, fnv1a};
use crate::ledger::Ending;
use crate::name_list::first_names;
use crate::record::{self, Kept};
use crate::report::files::Whole;
use crate::report::junit::JobFacts;
use crate::report::status::Strict;
use crate::report::summary::Facts;
use crate::report::visible::{Colours, one_line, visible};
use crate::report::{Results, json, junit, status, summary};
use crate::rerun;
use crate::run::Run;
use crate::screen::{self, ReportError};
use crate::settings::Settings;
use crate::usual::likely::has_tests;

impl Run<'_> {
    /// What makes the job fail besides failures.
    pub(crate) fn strict(&self) -> Strict {
        Strict {
            flaky: self.args.flaky_result == FlakyResult::Fail,
            order_dependent: self.args.order_dependent == FlakyResult::Fail,
        }
    }

    /// Writes all reports, and returns the exit status.
    pub(crate) fn report(
        &mut self,
        results: &Results,
        ending: &Ending,
        job: &JobFacts,
        files: &Files,
        coverage: Option<Judged>,
    ) -> u8 {
        let strict = self.strict();
        let mut status = status::of(ending, results, strict);
        let root = &self.settings.root;
        let config = &self.settings.config;
        let kept = record::keep(
            root,
            config,
            results,
            &files.selected,
            &Kept {
                whole_suite: files.whole,
                filtered: !self.args.framework_options.is_empty(),
                strict,
                distributed: self.args.local.is_none(),
            },
            ending,
        );
        let commands = OnceCell::new();
        let facts = Facts {
            ending,
            job,
            colour: self.screen.summary_colour(),
            quiet: self.args.quiet,
            strict,
            rerun: &|file, test| {
                let read = || rerun::read(self.settings, &files.ways, &self.args.framework_options);
                let commands = commands.get_or_init(read);
                match test {
                    Some(test) => commands.test(file, test, job.seed),
                    None => commands.file(file, job.seed),
                }
            },
            keep_list: &|names| keep_list(self.settings, &self.id, names),
        };
        let text = summary::write(results, &facts);
        self.screen.draw_last(results, job.elapsed);
        let mut failed: Vec<ReportError> = self.screen.summary(&text).err().into_iter().collect();
        for warning in &kept {
            self.screen.say(&format!("warning: {warning}"));
        }
        if let Some(coverage) = coverage {
            let report = visible(&coverage.report, Colours::Drop);
            failed.extend(self.screen.summary(&report).err());
            for line in &coverage.said {
                self.screen.say(&visible(line, Colours::Drop));
            }
            status = status.max(coverage.status);
        }
        if let Some(path) = &self.args.junit {
            failed.extend(screen::write_report(path, &junit::write(results, job)).err());
        }
        for error in &failed {
            self.screen
                .say(exit::describe("gorgon-originator", error, None).trim_end());
            status = status.max(ERROR);
        }
        if self.stream.is_broken() {
            status = status.max(ERROR);
        }
        if self.settings.config.ruby.is_none()
            && let Some(hint) = unloaded(results)
        {
            self.screen.say(&hint);
        }
        if *ending == Ending::Complete
            && files.whole
            && self.args.framework_options.is_empty()
            && let Some(hint) = without_tests(results, &self.settings.root)
        {
            self.screen.say(&hint);
        }
        if let Some((what, hint)) = explain(ending, results, &self.place) {
            self.screen
                .say(&format!("gorgon-originator: {what}\n  hint: {hint}"));
        }
        let line = json::job_finished(job.elapsed, ending, results, status, self.trace.steps());
        self.stream.write(&line);
        if self.stream.is_broken() {
            status = status.max(ERROR);
        }
        status
    }
}

/// Keeps the files of a Ruby child beside the history, for a reproduce line.
fn keep_list(settings: &Settings, job: &JobId, names: &[&str]) -> Option<String> {
    let store = Store::of(&settings.root)?;
    store.make_directory().ok()?;
    let directory = store.directory().join("reproduce");
    std::fs::create_dir_all(&directory).ok()?;
    let mut text = names.join("\n");
    text.push('\n');
    // Two of one length may be of different children.
    let path = directory.join(format!("{job}-{:016x}.files", fnv1a(text.as_bytes())));
    std::fs::write(&path, text).ok()?;
    path.to_str().map(str::to_owned)
}

/// Names files that passed without a test, though their text defines some: these may be there only for a suite that loads
/// all files in one process.
fn without_tests(results: &Results, root: &Path) -> Option<String> {
    let files = results.by_file();
    let brings_none = |file: &&Whole<'_>| {
        file.verdict() == Some(Verdict::Passed)
            && file.tests().is_empty()
            && file.left_out() == 0
            && has_tests(&root.join(&file.first().filename))
    };
    let none: Vec<&Whole<'_>> = files.iter().filter(brings_none).collect();
    if none.is_empty() || none.len() == files.len() {
        return None;
    }
    let names = first_names(&none, |file| one_line(&file.first().filename));
    Some(format!(
        "hint: no test ran in files that seem to have some: {names}"
    ))
}

/// Says what may be done where a file does not find what it requires. The project's own commands tell the load path of
/// most, and cannot tell that of all.
fn unloaded(results: &Results) -> Option<String> {
    const MISSING: &str = "cannot load such file -- ";
    let mut names = Vec::new();
    for file in &results.files {
        let mut texts = file.errors.iter().map(|error| error.message.as_str());
        let Some(name) = texts.find_map(|text| text.split_once(MISSING)?.1.lines().next()) else {
            continue;
        };
        if Path::new(name).ends_with(&file.filename) {
            let file = one_line(&file.filename);
            return Some(format!(
                "hint: Ruby cannot open {file} itself: it is a link that leads nowhere, or may not be read"
            ));
        }
        names.push(name);
    }
    let first = one_line(names.first()?);
    let files = match names.len() {
        1 => "1 file does".to_owned(),
        many => format!("{many} files do"),
    };
    Some(format!(
        "hint: {files} not find what is required ({first}): where it is the project's own, `ruby` in gorgon.json names its directory, as in \"ruby\": \"ruby -Ilib -Itest\""
    ))
}

/// Says why a job ended without all verdicts, and what may be done.
/// `broker`: where the job was offered, in words.
fn explain(ending: &Ending, results: &Results, broker: &str) -> Option<(String, String)> {
    match ending {
        Ending::Complete | Ending::FailFast | Ending::Cancelled | Ending::NotBegun => None,
        Ending::NoListener { refused, .. } if !refused.is_empty() => {
            let reasons: Vec<String> = refused
                .iter()
                .map(|(host, reason)| format!("{host}: {reason}"))
                .collect();
            Some((
                format!("every listener refused the job: {}", reasons.join("; ")),
                "the reasons are the listeners' own; their logs say more".to_owned(),
            ))
        }
        Ending::NoListener {
            had_hosts: false, ..
        } => Some((
            format!("no listener answered at {broker}"),
            "start gorgon-listener with the same connection (vhost too) and cluster_id; `gorgon-originator ping` shows who is there; or run without: gorgon-originator --local"
                .to_owned(),
        )),
        Ending::NoListener {
            had_hosts: true, ..
        } => Some((
            "no host is left".to_owned(),
            "start a listener: gorgon-listener; --wait sets how long one is waited for".to_owned(),
        )),
        Ending::HostsFailed { all_in_sync } => {
            let what = if *all_in_sync {
                "get the source"
            } else {
                "run the job"
            };
            let hosts = results.host_failures.len();
            Some((
                format!("no host could {what}"),
                if hosts > 0 {
                    "what each host says stands above"
                } else {
                    "see the hosts' logs"
                }
                .to_owned(),
            ))
        }
        Ending::LocalListenerDied { end } => Some((
            format!("the local listener died again and again, the last time with {end}"),
            "RUST_LOG=info gorgon-originator --local shows what it does".to_owned(),
        )),
        Ending::BrokerGone => Some((
            format!("the job cannot go on without the broker at {broker}"),
            "gorgon-originator --only-failures and a new run are the ways on".to_owned(),
        )),
        Ending::MessageTooLarge { what } => Some((
            format!(
                "the broker at {broker} takes no message of the size of one that the job needs: {what}"
            ),
            "a message may have 12 MiB, or fewer where max_message_size in its rabbitmq.conf is smaller"
                .to_owned(),
        )),
    }
}
