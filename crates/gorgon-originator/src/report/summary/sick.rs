//! Hosts and slots that were found sick: on what grounds, and what became of what had failed there.

use std::fmt::Write as _;

use super::super::Results;
use super::super::progress::attempts::grounds;
use super::super::visible::one_line;
use super::{Paint, counted};

/// Names each sick host or slot, and how what failed there ended elsewhere.
pub(super) fn push(out: &mut String, results: &Results, paint: &Paint) {
    for sick in &results.sick {
        let probed = &sick.probed;
        let host = one_line(&probed.hostname);
        let place = match probed.place.slot() {
            None => format!("Host '{host}'"),
            Some(slot) => format!("Slot {slot} of host '{host}'"),
        };
        let head = format!("{place} is sick and was sent away: {}", grounds(probed));
        let _ = writeln!(out, "{}", paint.yellow(&head));
        let (passed, failed, open) = results.ended_elsewhere(probed);
        let parts: Vec<String> = [
            (passed, "passed"),
            (failed, "failed"),
            (open, "not run again"),
        ]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
        let files = counted(probed.failed, "file");
        let _ = writeln!(
            out,
            "  The {files} ran again elsewhere: {}",
            parts.join(", ")
        );
        if let Some(error) = &probed.error {
            // As its tests see it.
            let number = match probed.test_env_number {
                None => String::new(),
                Some(1) => " (TEST_ENV_NUMBER: empty)".to_owned(),
                Some(number) => format!(" (TEST_ENV_NUMBER: {number})"),
            };
            let error = one_line(error);
            let _ = writeln!(out, "  Its files failed there with {error}{number}");
        } else if let Some((file, why)) = &sick.first {
            let (file, why) = (one_line(file), one_line(why));
            let _ = writeln!(out, "  The first to fail there was {file}: {why}");
        }
        out.push('\n');
    }
}
