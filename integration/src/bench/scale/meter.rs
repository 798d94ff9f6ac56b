//! What a process has used by now, and what it shows on its terminal.

use std::fs;
use std::io::Read;
use std::time::{Duration, Instant};

/// What a process has used by now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Used {
    /// Seconds of processor, of all its threads.
    pub(super) cpu: f64,
    /// MB resident now.
    pub(super) resident: f64,
    /// MB resident at most.
    pub(super) peak: f64,
    /// Its threads.
    pub(super) threads: u32,
}

impl Used {
    /// Looks at a process; nothing when it has ended.
    pub(super) fn by(pid: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<f64>().ok()
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        let ticks: f64 = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<f64>().ok())
            .sum();
        Some(Self {
            // A tick is a hundredth of a second on every Linux that we run on.
            cpu: ticks / 100.0,
            resident: number("VmRSS:")? / 1000.0,
            peak: number("VmHWM:")? / 1000.0,
            threads: number("Threads:")? as u32,
        })
    }
}

/// How a bar moved.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moved {
    /// How often it showed another number of files.
    pub(super) times: usize,
    /// How long it stood still at most, between the first and the last file.
    pub(super) longest: Duration,
}

/// Reads a terminal to its end, and watches `N/total` on it.
pub(super) fn watch(mut terminal: impl Read, total: usize) -> Moved {
    let mut moved = Moved::default();
    let mut shown = 0;
    let mut at = Instant::now();
    let mut text = String::new();
    let mut bytes = [0; 4096];
    let end = format!("/{total} Time");
    while let Ok(1..) = terminal.read(&mut bytes).inspect(|&n| {
        text.push_str(&String::from_utf8_lossy(&bytes[..n]));
    }) {
        let Some(place) = text.rfind(&end) else {
            continue;
        };
        let before = text[..place].trim_end_matches(|c: char| c.is_ascii_digit());
        let done: usize = text[before.len()..place].parse().unwrap_or(0);
        text.drain(..place + end.len());
        if done != shown {
            if shown > 0 && done < total {
                moved.longest = moved.longest.max(at.elapsed());
            }
            moved.times += 1;
            (shown, at) = (done, Instant::now());
        }
    }
    moved
}
