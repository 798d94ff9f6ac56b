//! The battery: inputs run plainly and by us, compared test by test.
//!
//! `differential features [NAME=]DIR…` all scenarios of RSpec's cucumber features; `differential own` those of ours;
//! `differential fixtures [NAME…]` each fixture; `differential suites [NAME…]` whole suites. A line for each input that
//! differs, a line for each difference, at the end a line for the table; exit 1 when a difference is not explained.
//!
//! `--only TEXT` takes the inputs whose name has this text, `--zero` runs suites once more without a gorgon.json,
//! `--user NUMBER` has suites run as another user, `--binaries DIR` takes ours from there. $GORGON_SOURCES names a
//! directory with sources that are not to be fetched.
#![expect(clippy::print_stdout, reason = "its table is what it is for")]

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use integration::{
    binaries,
    differential::{
        both::{both, features},
        compare::Difference,
        explained::{self, Explained},
        feature, inputs,
        place::Place,
        plain, scenario,
        suites::{Bench, Suite},
    },
};

/// Differences of one input that are told; a suite that cannot be loaded has hundreds.
const SHOWN: usize = 12;

#[derive(Debug, Default)]
struct Arguments {
    words: Vec<String>,
    only: String,
    zero: bool,
    user: Option<u32>,
    binaries: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Counts {
    inputs: usize,
    not_applicable: usize,
    differ: usize,
    tests: usize,
    differences: usize,
    explained: usize,
    faults: usize,
}

fn main() -> ExitCode {
    let arguments = match read_arguments(env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => return fail(&error),
    };
    match run(&arguments) {
        Ok(counts) => {
            println!(
                "{}: {} inputs, {} not applicable, {} tests compared, {} inputs differ, {} differences, {} explained, {} known faults",
                arguments.words.join(" "),
                counts.inputs,
                counts.not_applicable,
                counts.tests,
                counts.differ,
                counts.differences,
                counts.explained,
                counts.faults
            );
            ExitCode::from(u8::from(counts.differences > counts.explained))
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &io::Error) -> ExitCode {
    println!("differential: {error}");
    ExitCode::from(2)
}

fn read_arguments(mut words: impl Iterator<Item = String>) -> io::Result<Arguments> {
    let mut arguments = Arguments::default();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| io::Error::other("a value is missing"))
        };
        match word.as_str() {
            "--only" => arguments.only = value()?,
            "--zero" => arguments.zero = true,
            "--user" => arguments.user = Some(value()?.parse().map_err(io::Error::other)?),
            "--binaries" => arguments.binaries = Some(value()?.into()),
            _ => arguments.words.push(word),
        }
    }
    Ok(arguments)
}

fn run(arguments: &Arguments) -> io::Result<Counts> {
    let explained = Explained::read()?;
    let directory = tempfile::Builder::new().prefix("differential-").tempdir()?;
    let mut place = Place::new(directory.path())?;
    if let Some(user) = arguments.user {
        place = place.with_user(user);
    }
    let binaries = arguments
        .binaries
        .clone()
        .unwrap_or_else(binaries::directory);
    let binaries = place.with_binaries(&binaries)?;
    if arguments.words.first().is_some_and(|kind| kind == "suites") {
        let stubs = place.own("stub").display().to_string();
        place = place.with_environment(&[("RUBYLIB".to_owned(), stubs)]);
    }
    let mut counts = Counts::default();
    let (kind, rest) = arguments
        .words
        .split_first()
        .ok_or_else(|| io::Error::other("features, own, fixtures or suites?"))?;
    match kind.as_str() {
        "features" => {
            for word in rest {
                let (name, directory) = word.split_once('=').unwrap_or(("", word));
                scenarios(
                    arguments,
                    &place,
                    &binaries,
                    (name, Path::new(directory)),
                    &explained,
                    &mut counts,
                )?;
            }
        }
        "own" => {
            let own = plain::data().join("features");
            scenarios(
                arguments,
                &place,
                &binaries,
                ("own", &own),
                &explained,
                &mut counts,
            )?;
        }
        "fixtures" => suites(
            arguments,
            &place,
            &binaries,
            inputs::fixtures()?,
            &explained,
            &mut counts,
        )?,
        "suites" => suites(
            arguments,
            &place,
            &binaries,
            inputs::suites()?,
            &explained,
            &mut counts,
        )?,
        other => return Err(io::Error::other(format!("{other} is no kind of input"))),
    }
    Ok(counts)
}

fn scenarios(
    arguments: &Arguments,
    place: &Place,
    binaries: &Path,
    (prefix, directory): (&str, &Path),
    explained: &Explained,
    counts: &mut Counts,
) -> io::Result<()> {
    for path in features(directory) {
        let below = path.strip_prefix(directory).unwrap_or(&path).display();
        for scenario in feature::scenarios(&fs::read_to_string(&path)?) {
            let name = format!("{prefix}/{below}:{}", scenario.line);
            if !name.contains(&arguments.only) {
                continue;
            }
            counts.inputs += 1;
            let acts = match scenario::plan(&scenario) {
                Ok(acts) => acts,
                Err(why) => {
                    counts.not_applicable += 1;
                    println!("not applicable\t{name}\t{}", why.0);
                    continue;
                }
            };
            let compared = both(place, binaries, &acts)?;
            counts.tests += compared.tests;
            let differences = compared.differences.iter();
            let differences = differences.map(|it| (String::new(), it.clone())).collect();
            say(&name, &scenario.name, differences, explained, counts);
        }
    }
    Ok(())
}

fn suites(
    arguments: &Arguments,
    place: &Place,
    binaries: &Path,
    suites: Vec<Suite>,
    explained: &Explained,
    counts: &mut Counts,
) -> io::Result<()> {
    let names = &arguments.words[1..];
    for suite in suites {
        if !names.is_empty() && !names.contains(&suite.name) {
            continue;
        }
        if !suite.name.contains(&arguments.only) {
            continue;
        }
        counts.inputs += 1;
        let bench = Bench {
            place,
            binaries,
            suite: &suite,
        };
        match bench.run(arguments.zero) {
            Ok(report) => {
                counts.tests += report.tests;
                println!("{}\t{report}", suite.name);
                say(&suite.name, "", report.differences, explained, counts);
            }
            Err(error) => {
                counts.not_applicable += 1;
                println!("not applicable\t{}\t{error}", suite.name);
            }
        }
    }
    Ok(())
}

fn say(
    name: &str,
    title: &str,
    differences: Vec<(String, Difference)>,
    explained: &Explained,
    counts: &mut Counts,
) {
    if differences.is_empty() {
        return;
    }
    counts.differ += 1;
    println!("differs\t{name}\t{title}");
    let mut shown = 0;
    let mut last = "";
    for (part, difference) in differences {
        counts.differences += 1;
        let input = if part.is_empty() {
            name.to_owned()
        } else {
            format!("{name}/{part}")
        };
        match explained.reason(&input, &difference) {
            Some(reason) => {
                if reason.starts_with(explained::FAULT) {
                    counts.faults += 1;
                } else {
                    counts.explained += 1;
                }
                // A reason is often that of many.
                if reason != last {
                    println!("\t({reason}) {part} {difference}");
                }
                last = reason;
            }
            None => {
                shown += 1;
                if shown <= SHOWN {
                    println!("\t{part} {difference}");
                }
            }
        }
    }
    if shown > SHOWN {
        println!("\t… and {} more", shown - SHOWN);
    }
}
