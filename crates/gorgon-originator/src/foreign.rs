//! What holds of our readers and writers whatever they are given; see `gorgon-garble`.

use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

use gorgon_proto::item::{ItemId, WorkItem};
use gorgon_proto::message;
use gorgon_proto::outcome::TestResult;
use gorgon_proto::text::shell::quoted;

use crate::glob;
use crate::history::Store;
use crate::ledger::Kept;
use crate::ledger::{Effect, Ending, Event, Ledger, Rules};
use crate::plan::{self, Candidate, Order};
use crate::report::junit::{self, JobFacts};
use crate::report::progress::{self, Detail};
use crate::report::visible::{Colours, one_line, visible, xml, xml_attribute};
use crate::report::{FileResult, Results, json, summary};
use crate::split::Splitting;

/// Items of the job that is played.
const ITEMS: u32 = 9;

/// Makes the files that globs are to find, below an empty directory.
///
/// # Panics
/// When they cannot be made.
pub fn make_tree(root: &Path) {
    for file in [
        "spec/a_spec.rb",
        "spec/b/x_spec.rb",
        "spec/b/y1.rb",
        "test/test_a.rb",
        "a*b/{c/d.rb",
        ".h/i.rb",
    ] {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap_or(root)).expect("a directory");
        std::fs::write(path, "").expect("a file");
    }
}

/// A glob finds files of [`make_tree`] that are there, each once, and no more than there are; a list of globs that exclude
/// each other ends.
///
/// # Panics
/// When that does not hold.
pub fn globs(root: &Path, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let globs = text
        .lines()
        .map(|line| line.chars().take(250).collect::<String>());
    // A glob may lead out of the tree; what the machine holds there is nobody's business here.
    let leads_out = |glob: &String| {
        glob::pattern::expand(&glob.replace('\\', ""))
            .iter()
            .any(|glob| glob.starts_with('/') || glob.contains(".."))
    };
    let globs: Vec<String> = globs.filter(|glob| !leads_out(glob)).take(4).collect();
    let found = glob::expand(root, &globs);
    assert!(found.files.len() <= 6, "{found:?}");
    for file in &found.files {
        assert!(root.join(file).is_file(), "{file}");
        assert!(!file.starts_with('/') && !file.contains("//"), "{file}");
    }
    assert!(found.warnings.len() <= 6 * globs.len());
}

/// A history, or a `runtime_file`, is read or begins anew; with either there is a plan of all files.
///
/// # Panics
/// When that does not hold.
pub fn history(cache: &Path, bytes: &[u8]) {
    let store = Store::below(cache, Path::new("/home/me/app"));
    store.make_directory().expect("a directory");
    let path = store.directory().join("history.json");
    std::fs::write(&path, bytes).expect("a file");
    let history = store.load();
    for failure in history.failures() {
        assert!(!failure.file.is_empty() || history.files.contains_key(""));
    }
    let candidates = |seconds: &dyn Fn(&str) -> Option<f64>| {
        let names = ["spec/a_spec.rb", "test/cart_test.rb", "new.rb"];
        names
            .map(|name| Candidate::whole(name, 100, seconds(name)))
            .to_vec()
    };
    assert_eq!(
        plan::plan(
            candidates(&|name| history.seconds(name)),
            Order::LongestFirst,
            Splitting::Automatic { slots: 3 }
        )
        .len(),
        3
    );
    let runtime = crate::history::original::read_runtime_file(&path);
    if let Ok(known) = runtime {
        let seconds = |name: &str| {
            known
                .files
                .iter()
                .find(|(file, _)| file == name)
                .and_then(|(_, s)| *s)
        };
        assert_eq!(
            plan::plan(
                candidates(&seconds),
                Order::LongestFirst,
                Splitting::Over(1.0)
            )
            .len(),
            3
        );
    }
}

/// Text that a test printed drives nothing: no control sequence but colours gets through, and no output grows beyond
/// eight times what was printed.
///
/// # Panics
/// When that does not hold.
pub fn shown(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let harmless = |text: &str| !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t');
    let plain = visible(&text, Colours::Drop);
    assert!(harmless(&plain), "{plain:?}");
    let coloured = visible(&text, Colours::Keep);
    let without = without_colours(&coloured);
    assert_eq!(without, plain, "colours are all that differs");
    for line in coloured.split('\n').filter(|line| line.contains("\u{1b}[")) {
        assert!(
            line.ends_with("\u{1b}[0m"),
            "a colour leaves its line: {line:?}"
        );
    }
    let line = one_line(&text);
    assert!(!line.contains(char::is_control), "{line:?}");
    for out in [&plain, &coloured, &line, &xml(&text), &xml_attribute(&text)] {
        assert!(
            out.len() <= 8 * text.len() + 8,
            "{} of {}",
            out.len(),
            text.len()
        );
    }
}

/// Takes out `ESC [ digits m`, as a terminal would that knows nothing else.
fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part
            .find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')
            .expect("a colour has an end");
        let rest = part[end..]
            .strip_prefix('m')
            .expect("nothing but colours gets through");
        out.push_str(rest);
    }
    out
}

/// Plays a job to which the lines of `bytes` come as replies, and returns its results.
fn played(bytes: &[u8]) -> Results {
    let names = ["spec/a_spec.rb", "spec/b c_spec.rb", "-x_spec.rb"];
    let name = |id: u32| names[id as usize % names.len()];
    let work: Vec<WorkItem> = (0..ITEMS)
        .map(|id| WorkItem::whole(ItemId(id), name(id)))
        .collect();
    let rules = Rules {
        retries: 2,
        fail_fast: Some(5),
        gone_run_whole: true,
        local: false,
        wait_limit: Duration::from_secs(60),
        callback_limit: Duration::from_secs(600),
        cancel_limit: Duration::from_secs(1),
    };
    let mut results = Results::new(&work);
    let mut ledger = Ledger::new(rules, work);
    let start = Instant::now();
    let mut now = start;
    let mut step = |now: Instant, event| {
        let effects = ledger.step(now, event);
        // An event decides about each item a few times at most, and about each host that is known.
        assert!(effects.len() < 10_000, "{} effects", effects.len());
        for effect in effects {
            if let Effect::Tell(happening) = effect {
                let at = now - start;
                results.take(at, &happening);
                let line = json::happened(at, &happening);
                assert!(line.is_none_or(|line| line.trim_end().lines().count() == 1));
                let said = progress::said(&happening, &results, Detail::Verbose, false);
                said.iter().for_each(|said| is_harmless(said));
                is_harmless(&progress::line(&results, at));
            }
        }
        ledger.deadline()
    };
    step(now, Event::Offered);
    for line in bytes.split(|byte| *byte == b'\n').take(300) {
        now += Duration::from_millis(line.len() as u64 * 5);
        let due = match message::read_reply(line) {
            Ok(reply) => step(now, Event::Reply(Box::new(reply))),
            Err(_) => match line.first().map(|byte| byte % 8) {
                Some(0) => step(now, Event::BrokerLost),
                Some(1) => step(
                    now,
                    Event::BrokerBack {
                        files: [Kept::All, Kept::Queue, Kept::Nothing][line.len() % 3],
                    },
                ),
                Some(2) => step(now, Event::FileQueueMissing),
                _ => step(now, Event::DeadlinePassed),
            },
        };
        if let Some(due) = due {
            // A deadline that has passed and stays would be a shell that spins.
            let again = step(now.max(due), Event::DeadlinePassed);
            assert!(
                again.is_none_or(|again| again > now.max(due)),
                "a deadline that stays"
            );
        }
    }
    results.close(&Ending::Complete);
    results
}

/// Colours alone may drive a terminal.
#[track_caller]
fn is_harmless(text: &str) {
    let text = without_colours(text);
    assert!(
        !text.contains(|c: char| c.is_control() && c != '\n' && c != '\t'),
        "{text:?}"
    );
}

/// Whatever hosts reply, the ledger takes it, the reports can be written, and a JUnit file is well-formed XML.
///
/// # Panics
/// When that does not hold.
pub fn replies(bytes: &[u8]) {
    let results = played(bytes);
    let facts = JobFacts {
        started: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        elapsed: Duration::from_secs(9),
        seed: 7,
    };
    let report = junit::write(&results, &facts);
    assert!(
        report.len() <= 100_000 + 100 * bytes.len(),
        "{} of {}",
        report.len(),
        bytes.len()
    );
    #[cfg(test)]
    roxmltree::Document::parse(&report).expect("well-formed XML");
    for colour in [false, true] {
        let rerun = |file: &FileResult, _: Option<&TestResult>| Some(quoted(&file.filename));
        let facts = summary::Facts {
            rerun: &rerun,
            ending: &Ending::Complete,
            job: &facts,
            colour,
            quiet: false,
            strict: crate::report::status::Strict {
                flaky: true,
                order_dependent: true,
            },
            keep_list: &|_| None,
        };
        let text = summary::write(&results, &facts);
        is_harmless(&text);
        assert!(
            text.len() <= 100_000 + 100 * bytes.len(),
            "{} of {}",
            text.len(),
            bytes.len()
        );
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use gorgon_garble::{Corpus, cases};

    use super::quoted;

    #[test]
    fn any_glob_comes_to_an_end() {
        let root = tempfile::tempdir().unwrap();
        super::make_tree(root.path());
        let check = move |bytes: &[u8]| super::globs(root.path(), bytes);
        cases(Corpus::read("glob"), 500, check);
    }

    #[test]
    fn any_history_leaves_a_plan() {
        let cache = tempfile::tempdir().unwrap();
        let check = move |bytes: &[u8]| super::history(cache.path(), bytes);
        cases(Corpus::read("history"), 1000, check);
    }

    #[test]
    fn no_control_sequence_gets_through() {
        cases(Corpus::read("shown"), 3000, super::shown);
    }

    #[test]
    fn whatever_hosts_reply_there_is_a_report() {
        cases(Corpus::read("ledger"), 1000, super::replies);
    }

    /// All names in one script: the shell says what each of them is to it.
    #[test]
    fn a_shell_reads_a_quoted_name_as_it_is() {
        // Only bash, zsh and ksh read `$'…'`, which stands for names with control characters.
        for (shell, controls) in [("/bin/sh", false), ("bash", true)] {
            let names = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
            let kept = std::sync::Arc::clone(&names);
            cases(Corpus::read("shown"), 1000, move |bytes| {
                let name = String::from_utf8_lossy(bytes).replace('\0', "");
                let name: String = name
                    .chars()
                    .filter(|c| controls || !c.is_control())
                    .take(2000)
                    .collect();
                let line = quoted(&name);
                assert!(!line.contains(char::is_control), "{line:?}");
                // A name with marks of direction is in the larger notation too.
                if controls || !line.starts_with('$') {
                    kept.lock().unwrap().push((name, line));
                }
            });
            let names = names.lock().unwrap();
            let script: String = names
                .iter()
                .map(|(_, line)| format!("printf '%s\\0' {line}\n"))
                .collect();
            let mut child = Command::new(shell);
            let child = child.stdin(Stdio::piped()).stdout(Stdio::piped());
            #[expect(clippy::disallowed_methods, reason = "a shell for a moment")]
            let mut child = child.spawn().unwrap();
            let mut stdin = child.stdin.take().unwrap();
            let writer = std::thread::Builder::new();
            let writer = writer
                .spawn(move || stdin.write_all(script.as_bytes()))
                .unwrap();
            let out = child.wait_with_output().unwrap();
            writer.join().unwrap().unwrap();
            let read = String::from_utf8(out.stdout).unwrap();
            let mut read = read.split('\0');
            for (name, line) in names.iter() {
                assert_eq!(read.next(), Some(name.as_str()), "{shell}: {line}");
            }
        }
    }
}
