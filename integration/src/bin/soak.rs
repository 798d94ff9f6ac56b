//! Long runs: `soak jobs [N [KILLS]]`, `soak storm [ITEMS [SECONDS]]`, `soak seeds [N [all]]`; `--seed N` plays
//! another history, or begins with it. With `all` seeds go on after one that went wrong, and are listed.
#![expect(clippy::print_stdout, reason = "its figures are what it is for")]

use std::{
    collections::BTreeMap,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use integration::soak::{jobs, seeds, storm};

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let seed = match words.iter().position(|word| word == "--seed") {
        Some(at) if at + 1 < words.len() => {
            words.drain(at..at + 2).nth(1).and_then(|n| n.parse().ok())
        }
        _ => None,
    };
    let seed = seed.unwrap_or_else(|| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        now.as_secs() % 1_000_000
    });
    let number = |at: usize, default: u32| {
        words
            .get(at)
            .and_then(|n| n.parse().ok())
            .unwrap_or(default)
    };
    println!("seed {seed}");
    let good = match words.first().map(String::as_str) {
        Some("jobs") => soak_jobs(number(1, 200), number(2, 20), seed),
        Some("storm") => soak_storm(number(1, 1000), number(2, 60), seed),
        Some("seeds") => {
            let all = words.get(2).is_some_and(|word| word == "all");
            soak_seeds(number(1, 100_000), seed, all)
        }
        _ => {
            println!(
                "usage: soak jobs [N [KILLS]] | storm [ITEMS [SECONDS]] | seeds [N [all]]  [--seed N]"
            );
            return ExitCode::from(3);
        }
    };
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn soak_jobs(count: u32, kills: u32, seed: u64) -> bool {
    let seen = jobs::run(count, kills, seed);
    println!(
        "{count} jobs on one listener in {:.0} s",
        seen.took.as_secs_f64()
    );
    let mut of_kind: BTreeMap<String, u32> = BTreeMap::new();
    for killed in &seen.killed {
        let victim = killed.victim.map_or_else(
            || "nobody, it was over".to_owned(),
            |victim| victim.to_string(),
        );
        println!(
            "  job {}: {victim} after {:.1} s: {}",
            killed.job,
            killed.after.as_secs_f64(),
            killed.end
        );
        *of_kind.entry(victim).or_insert(0) += 1;
    }
    println!("killed: {of_kind:?}");
    println!("memory after so many jobs, KiB: {:?}", seen.memory_kib);
    println!("before: {}\nafter:  {}", seen.before, seen.after);
    let mut grown = seen.after.grown_since(&seen.before);
    let (half, end, too_much) = seen.second_half_kib();
    println!(
        "memory after half of the jobs and after all of them, which is compared: {half} and {end} KiB"
    );
    grown.extend(too_much.then_some("memory"));
    println!(
        "{}",
        if grown.is_empty() {
            "nothing has grown".to_owned()
        } else {
            format!("grown: {}", grown.join(", "))
        }
    );
    grown.is_empty()
}

fn soak_storm(items: u32, seconds: u32, seed: u64) -> bool {
    let seen = storm::run(items, Duration::from_secs(seconds.into()), seed);
    println!(
        "{items} items on two hosts, {:.0} s, killed: {:?}",
        seen.finished.took.as_secs_f64(),
        seen.killed
    );
    println!(
        "verdicts: {:?}, more than one attempt: {}",
        seen.verdicts, seen.moved
    );
    println!("files with other than one verdict: {:?}", seen.wrong);
    println!("end: {}", seen.finished.end);
    let good = seen.finished.end.is_success() && seen.wrong.is_empty();
    if !good {
        println!("{}\n{}", seen.finished.stdout, seen.finished.stderr);
    }
    good
}

fn soak_seeds(count: u32, first: u64, all: bool) -> bool {
    let seen = seeds::run_on(first, count.into(), Duration::MAX, |wrong| {
        if all {
            println!("seed {}: {}", wrong.seed, wrong.what);
        }
        all
    });
    let minutes = seen.took.as_secs_f64() / 60.0;
    println!(
        "{} seeds from {first} on in {:.0} s, {:.0} a minute",
        seen.seeds,
        seen.took.as_secs_f64(),
        f64::from(u32::try_from(seen.seeds).unwrap_or(u32::MAX)) / minutes
    );
    match &seen.wrong {
        Some(_) if all => println!("these seeds went wrong"),
        Some(wrong) => println!("{wrong}"),
        None => println!("nothing is wrong"),
    }
    seen.wrong.is_none()
}
