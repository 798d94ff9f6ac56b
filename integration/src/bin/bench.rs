//! Ratios against the plain frameworks: `bench [--runs N]`, medians of N runs of each, in turn.
//!
//! Timings live here and in no test: a shared machine is no judge of right and wrong.
#![expect(clippy::print_stdout, reason = "its table is what it is for")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use integration::binaries;
use integration::suite::Suite;

/// A figure with a budget: our command against another.
struct Ratio {
    what: &'static str,
    against: &'static str,
    ratio: f64,
    budget: Option<f64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runs = match arguments.as_slice() {
        [flag, n] if flag == "--runs" => n.parse().unwrap_or(9),
        _ => 9,
    };
    match measure(runs) {
        Ok(ratios) => {
            println!(
                "\n{:<34} {:<20} {:>6} {:>7}  verdict",
                "ours", "against", "ratio", "budget"
            );
            for r in ratios {
                let verdict = match r.budget {
                    Some(budget) if r.ratio <= budget => "met",
                    Some(_) => "missed",
                    None => "",
                };
                let budget = r.budget.map_or(String::new(), |b| format!("{b:.2}"));
                println!(
                    "{:<34} {:<20} {:>6.2} {budget:>7}  {verdict}",
                    r.what, r.against, r.ratio
                );
            }
            ExitCode::SUCCESS
        }
        Err(what) => {
            println!("bench: {what}");
            ExitCode::FAILURE
        }
    }
}

fn measure(runs: usize) -> Result<Vec<Ratio>, String> {
    let home = tempfile::tempdir().map_err(|e| e.to_string())?;
    let gorgon = binaries::path("gorgon-originator").display().to_string();
    let mut ratios = Vec::new();

    let trivial = home.path().join("trivial");
    write_trivial(&trivial, 300).map_err(|e| e.to_string())?;
    let ours = vec![gorgon.clone(), "--local=2".into(), "-q".into()];
    let parallel = ["parallel_rspec", "-n", "2", "spec"]
        .map(String::from)
        .to_vec();
    let plain = ["rspec", "spec"].map(String::from).to_vec();
    let medians = in_turn(runs, &trivial, home.path(), &[&ours, &plain, &parallel])?;
    println!(
        "300 trivial spec files: ours {:.3} s, rspec {:.3} s, parallel_rspec {:.3} s",
        medians[0], medians[1], medians[2]
    );
    ratios.push(Ratio {
        what: "300 trivial files, --local=2",
        against: "rspec",
        ratio: medians[0] / medians[1],
        budget: Some(1.0),
    });
    ratios.push(Ratio {
        what: "",
        against: "parallel_rspec -n 2",
        ratio: medians[0] / medians[2],
        budget: Some(0.6),
    });

    let one = home.path().join("one");
    write_trivial(&one, 1).map_err(|e| e.to_string())?;
    let ours = vec![gorgon.clone(), "--local".into(), "-q".into()];
    let medians = in_turn(runs, &one, home.path(), &[&ours, &plain])?;
    println!(
        "1 spec file: ours {:.3} s, rspec {:.3} s",
        medians[0], medians[1]
    );
    ratios.push(Ratio {
        what: "1 spec file, --local",
        against: "rspec",
        ratio: medians[0] / medians[1],
        budget: None,
    });

    let facter = home.path().join("facter");
    Suite::fetch("facter")?.copy_to(&facter)?;
    let ours = vec![gorgon, "--local=2".into(), "-q".into()];
    let plain = "ruby -I.stub -Ilib -Ispec -r webmock/rspec -S rspec"
        .split(' ')
        .map(str::to_owned)
        .collect();
    let medians = in_turn(runs.min(3), &facter, home.path(), &[&ours, &plain])?;
    println!(
        "facter, 891 files: ours {:.2} s, rspec {:.2} s",
        medians[0], medians[1]
    );
    ratios.push(Ratio {
        what: "facter, --local=2",
        against: "rspec",
        ratio: medians[0] / medians[1],
        budget: Some(0.8),
    });
    Ok(ratios)
}

fn write_trivial(directory: &Path, files: usize) -> std::io::Result<()> {
    std::fs::create_dir_all(directory.join("spec"))?;
    for n in 0..files {
        let text = format!("RSpec.describe('{n}') {{ it('adds') {{ expect(1 + 1).to eq(2) }} }}\n");
        std::fs::write(directory.join(format!("spec/t{n:03}_spec.rb")), text)?;
    }
    Ok(())
}

/// Runs each command once unmeasured, then `runs` times in turn; returns the median seconds of each.
fn in_turn(
    runs: usize,
    directory: &Path,
    home: &Path,
    commands: &[&Vec<String>],
) -> Result<Vec<f64>, String> {
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); commands.len()];
    for round in 0..=runs {
        for (command, times) in commands.iter().zip(&mut times) {
            let took = time(command, directory, home)?;
            if round > 0 {
                times.push(took.as_secs_f64());
            }
        }
    }
    Ok(times.into_iter().map(median).collect())
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a whole command is what is timed"
)]
fn time(command: &[String], directory: &Path, home: &Path) -> Result<Duration, String> {
    let (program, arguments) = command.split_first().ok_or("an empty command")?;
    let started = Instant::now();
    let status = Command::new(PathBuf::from(program))
        .args(arguments)
        .current_dir(directory)
        .env("HOME", home)
        .env("XDG_CACHE_HOME", home.join("cache"))
        .env("PARALLEL_TESTS_EXECUTABLE", "rspec")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|e| format!("{program}: {e}"))?;
    if status.success() {
        Ok(started.elapsed())
    } else {
        Err(format!("{program}: {status}"))
    }
}
