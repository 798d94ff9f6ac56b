//! A whole suite: plain all together, plain each file alone, by us first, with history, and with no gorgon.json.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use gorgon_process::command;
use serde_json::{Map, Value};

use super::{
    compare::{Difference, Kind},
    counted::{Counted, counted, minus},
    observed::Observed,
    ours::{self, Ours},
    place::Place,
    plain::{self, Framework, Reporters},
    together::Together,
};

/// When a run of a whole suite is killed.
pub const LIMIT: Duration = Duration::from_secs(300);

/// Seconds for all plain runs of single files; files after that are held against the run of all.
const ALONE_LIMIT: Duration = Duration::from_secs(150);

/// The seed of Minitest's order and of suites that are random already.
const SEED: &str = "4711";

/// A suite and how it is run.
#[derive(Debug, Clone)]
pub struct Suite {
    /// What it is called.
    pub name: String,
    /// Where it lies; never run in.
    pub source: PathBuf,
    /// The directory in it to run in; empty for its own.
    pub directory: String,
    /// The framework; as the event stream says for each file where it is unknown.
    pub framework: Option<Framework>,
    /// Ruby's words.
    pub ruby: Vec<String>,
    /// Its files, as Ruby's `Dir[]` takes them.
    pub globs: Vec<String>,
    /// Options for the framework.
    pub options: Vec<String>,
    /// Arguments for us alone.
    pub arguments: Vec<String>,
    /// Variables.
    pub environment: Vec<(String, String)>,
    /// A command for a shell, done in the copy first.
    pub prepare: Option<String>,
    /// Further keys of gorgon.json; `None` when the copy has its own.
    pub config: Option<Map<String, Value>>,
}

/// What the runs of a suite gave.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Files.
    pub files: usize,
    /// Tests that ran plainly: all files alone.
    pub tests: usize,
    /// Files that were as they are plainly, first and with history.
    pub same: [usize; 2],
    /// Exit statuses: plain together, ours first, with history.
    pub statuses: [Option<i32>; 3],
    /// Seconds of the same.
    pub seconds: [f64; 3],
    /// Files run in parts with history.
    pub parts: usize,
    /// Files that were as they are when all run together, and not as alone.
    pub as_together: usize,
    /// Whether no gorgon.json gave the same as ours; and tests of both.
    pub zero: Option<(bool, usize, usize)>,
    /// What differs: the file, and how.
    pub differences: Vec<(String, Difference)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = |it: Option<i32>| it.map_or("-".to_owned(), |it| it.to_string());
        write!(
            f,
            "files {} {} of {}, tests {}, exit {} {} {}, seconds {:.1} {:.1} {:.1}, parts {}, as together {}",
            self.same[0],
            self.same[1],
            self.files,
            self.tests,
            status(self.statuses[0]),
            status(self.statuses[1]),
            status(self.statuses[2]),
            self.seconds[0],
            self.seconds[1],
            self.seconds[2],
            self.parts,
            self.as_together,
        )?;
        match self.zero {
            Some((true, ..)) => write!(f, ", no gorgon.json: same"),
            Some((false, zero, all)) => write!(f, ", no gorgon.json: {zero} of {all} tests"),
            None => Ok(()),
        }
    }
}

/// One suite in its place.
#[derive(Debug)]
pub struct Bench<'a> {
    /// Where it runs.
    pub place: &'a Place,
    /// Our binaries.
    pub binaries: &'a Path,
    /// The suite.
    pub suite: &'a Suite,
}

impl Bench<'_> {
    /// Runs the suite all ways; `zero` also without a gorgon.json.
    ///
    /// # Errors
    /// What cannot be copied, written or started.
    pub fn run(&self, zero: bool) -> io::Result<Report> {
        let mut report = Report::default();
        if !self.suite.source.join(&self.suite.directory).is_dir() {
            let what = format!("{} is not there", self.suite.source.display());
            return Err(io::Error::other(what));
        }
        self.fresh()?;
        self.configure()?;
        let mut jobs = Vec::new();
        for at in [1, 2] {
            let started = Instant::now();
            jobs.push(self.ours(&self.suite.arguments)?);
            report.seconds[at] = started.elapsed().as_secs_f64();
            report.statuses[at] = jobs[at - 1].observed.status;
        }
        report.parts = jobs[1].parts;
        self.fresh()?;
        let files = self.files()?;
        report.files = files.len();
        let (alone, together) = self.plainly(&files, &jobs[0], &mut report)?;
        for (at, job) in jobs.iter().enumerate() {
            self.judge(at, job, &files, &alone, &together, &mut report);
        }
        self.judge_all(&jobs, &together, &mut report);
        if zero {
            self.fresh()?;
            let _ = fs::remove_file(self.directory().join("gorgon.json"));
            let job = self.ours(&[])?;
            let all = |job: &Ours| {
                let tests = job.observed.tests.iter();
                counted(tests.map(|it| (it.name.as_str(), it.outcome.as_str())))
            };
            let (ours, zero) = (all(&jobs[0]), all(&job));
            let same = ours == zero && job.observed.status == jobs[0].observed.status;
            let both: usize = zero
                .iter()
                .map(|(key, count)| *count.min(ours.get(key).unwrap_or(&0)))
                .sum();
            report.zero = Some((same, both, jobs[0].observed.tests.len()));
        }
        Ok(report)
    }

    fn directory(&self) -> PathBuf {
        self.place.project().join(&self.suite.directory)
    }

    fn fresh(&self) -> io::Result<()> {
        self.place.fresh(|project| {
            let mut copy = Command::new("cp");
            copy.args(["-a", "-T", "--"])
                .arg(&self.suite.source)
                .arg(project);
            command::run(copy, LIMIT, b"").map_err(io::Error::other)?;
            Ok(())
        })?;
        if self.suite.config.is_some() {
            for name in ["Gemfile", "Gemfile.lock"] {
                let _ = fs::remove_file(self.directory().join(name));
                let _ = fs::remove_file(self.place.project().join(name));
            }
        }
        if let Some(prepare) = &self.suite.prepare {
            let mut shell = Command::new("sh");
            shell.args(["-ec", prepare]).current_dir(self.directory());
            command::run(shell, LIMIT, b"").map_err(io::Error::other)?;
        }
        self.place.give_away()
    }

    fn configure(&self) -> io::Result<()> {
        let path = self.directory().join("gorgon.json");
        let Some(further) = &self.suite.config else {
            // A fixture that writes down what happens does so in its own directory.
            let text = fs::read_to_string(&path).unwrap_or_default();
            let here = self.directory().display().to_string();
            return fs::write(&path, text.replace("@HERE@", &here));
        };
        let mut config = further.clone();
        config.insert("files".into(), self.suite.globs.clone().into());
        config.insert("ruby".into(), self.suite.ruby.clone().into());
        if !self.suite.environment.is_empty() {
            let variables = self.suite.environment.iter();
            let variables: Map<_, _> = variables
                .map(|(k, v)| (k.clone(), v.as_str().into()))
                .collect();
            config.insert("env".into(), variables.into());
        }
        fs::write(path, Value::Object(config).to_string())
    }

    /// The files, by Ruby's own `Dir[]`.
    fn files(&self) -> io::Result<Vec<String>> {
        if self.suite.config.is_none() {
            return Ok(self.suite.globs.clone());
        }
        let mut ruby = Command::new("ruby");
        ruby.args([
            "-e",
            "puts ARGV.flat_map { |glob| Dir[glob].sort }.uniq",
            "--",
        ])
        .args(&self.suite.globs)
        .current_dir(self.directory());
        let listed = self.place.run_with(ruby, &[], LIMIT)?;
        Ok(listed.printed.lines().map(str::to_owned).collect())
    }

    fn ours(&self, own: &[String]) -> io::Result<Ours> {
        let mut arguments = vec!["--local=2".to_owned(), "--seed".into(), SEED.into()];
        arguments.extend(own.iter().cloned());
        if !self.suite.options.is_empty() {
            arguments.push("--".into());
            arguments.extend(self.suite.options.iter().cloned());
        }
        let run = ours::Run {
            binaries: self.binaries,
            arguments: &arguments,
            limit: LIMIT,
        };
        ours::run(self.place, &self.directory(), &run)
    }

    fn framework(&self, file: &str, job: &Ours) -> Framework {
        let by_name = || {
            if file.ends_with("_spec.rb") {
                Framework::Rspec
            } else {
                Framework::Minitest
            }
        };
        self.suite
            .framework
            .or_else(|| Framework::named(job.runners.get(file)?))
            .unwrap_or_else(by_name)
    }

    fn plain(&self, framework: Framework, files: &[String]) -> io::Result<Observed> {
        let mut arguments = files.to_vec();
        let options = &self.suite.options;
        match framework {
            Framework::Rspec => arguments.extend(options.iter().cloned()),
            Framework::Minitest | Framework::TestUnit => {
                arguments.push("--".into());
                arguments.extend(options.iter().cloned());
                if framework == Framework::Minitest {
                    arguments.extend(["--seed".to_owned(), SEED.to_owned()]);
                }
            }
        }
        let run = plain::Run {
            framework,
            ruby: &self.suite.ruby,
            arguments: &arguments,
            reporters: Reporters::Own,
            limit: LIMIT,
        };
        plain::run(self.place, &self.directory(), &run)
    }

    fn plainly(
        &self,
        files: &[String],
        job: &Ours,
        report: &mut Report,
    ) -> io::Result<(BTreeMap<String, Observed>, Observed)> {
        let mut frameworks: BTreeMap<Framework, Vec<String>> = BTreeMap::new();
        for file in files {
            let framework = self.framework(file, job);
            frameworks.entry(framework).or_default().push(file.clone());
        }
        let mut together = Observed {
            status: Some(0),
            ended: true,
            ..Observed::default()
        };
        let started = Instant::now();
        for (framework, files) in &frameworks {
            let seen = self.plain(*framework, files)?;
            together.tests.extend(seen.tests);
            together.outside.extend(seen.outside);
            together.ended &= seen.ended;
            if seen.status != Some(0) {
                together.status = seen.status;
            }
        }
        report.seconds[0] = started.elapsed().as_secs_f64();
        report.statuses[0] = together.status;
        self.fresh()?;
        let started = Instant::now();
        let mut alone = BTreeMap::new();
        for (framework, files) in &frameworks {
            for file in files {
                if started.elapsed() > ALONE_LIMIT {
                    break;
                }
                let seen = self.plain(*framework, std::slice::from_ref(file))?;
                report.tests += seen.tests.len();
                alone.insert(file.clone(), seen);
            }
        }
        Ok((alone, together))
    }

    fn judge(
        &self,
        at: usize,
        job: &Ours,
        files: &[String],
        alone: &BTreeMap<String, Observed>,
        together: &Observed,
        report: &mut Report,
    ) {
        let way = ["first", "with history"][at];
        let of = |seen: &Observed| {
            let tests = seen.tests.iter();
            counted(tests.map(|it| (it.name.as_str(), it.outcome.as_str())))
        };
        let together = Together::new(together, &job.observed);
        let mut by_file: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for test in &job.observed.tests {
            by_file
                .entry(&test.file)
                .or_default()
                .push((&test.name, &test.outcome));
        }
        let known = files.iter().map(String::as_str);
        let all: BTreeSet<&str> = known
            .chain(job.verdicts.keys().map(String::as_str))
            .collect();
        for file in all {
            let mut say = |kind, text: String| {
                let text = format!("{way}: {text}");
                report
                    .differences
                    .push((file.to_owned(), Difference { kind, text }));
            };
            let Some(verdicts) = job.verdicts.get(file) else {
                say(Kind::Tests, "the file is not reported".into());
                continue;
            };
            let seen = counted(by_file.get(file).into_iter().flatten().copied());
            let Some(plain) = alone.get(file) else {
                if files.iter().any(|it| it == file) {
                    let more = together.lacks(&seen);
                    if more.is_empty() {
                        report.same[at] += 1;
                    } else {
                        let text = format!("only ours {}, which none has together", more.len());
                        say(Kind::Tests, text);
                    }
                }
                continue;
            };
            let right = of(plain);
            let (more, less) = (minus(&seen, &right), minus(&right, &seen));
            let is_red = verdicts.iter().any(|it| it != "passed" && it != "flaky");
            if more.is_empty() && less.is_empty() {
                if is_red == (plain.status != Some(0)) {
                    report.same[at] += 1;
                } else {
                    say(
                        Kind::Exit,
                        format!("plain {:?}, ours {}", plain.status, verdicts.join(", ")),
                    );
                }
                continue;
            }
            if together.explains(&more, &less) {
                report.same[at] += 1;
                report.as_together += 1;
                continue;
            }
            let show = |found: &Counted| {
                let shown = found.iter().take(3);
                let shown: Vec<String> = shown.map(|((n, o), c)| format!("{n} {o} {c}")).collect();
                format!("{} [{}]", found.len(), shown.join("; "))
            };
            let faults = job.faults.get(file).and_then(|it| it.first());
            let fault = faults.map_or(String::new(), |it| {
                format!(", error {}", it.chars().take(160).collect::<String>())
            });
            say(
                Kind::Tests,
                format!(
                    "only ours {}, only plain {}{fault}",
                    show(&more),
                    show(&less)
                ),
            );
        }
    }

    /// Compares exit statuses of the whole.
    fn judge_all(&self, jobs: &[Ours], together: &Observed, report: &mut Report) {
        for (way, job) in ["first", "with history"].into_iter().zip(jobs) {
            if (job.observed.status == Some(0)) != (together.status == Some(0)) {
                let text = format!(
                    "{way}: all together: plain {:?}, ours {:?}",
                    together.status, job.observed.status
                );
                let kind = Kind::Exit;
                report
                    .differences
                    .push(("(all)".to_owned(), Difference { kind, text }));
            }
        }
    }
}
