//! The command under a failure that shows it again.

use gorgon_proto::item::ItemId;
use gorgon_proto::text::shell::quoted;

use super::Results;
use super::file::FileResult;
use super::retries::Retry;

/// Maximum number of files on a reproduce line; more are named by a file.
pub const REPRODUCE_LIMIT: usize = 20;
/// Maximum number of bytes of all names on a reproduce line: a part of a file may name many tests.
const BYTES_LIMIT: usize = 2000;

/// Returns the command that runs in one process what the Ruby child had run up to this failure.
#[must_use]
pub fn reproduce(
    results: &Results,
    file: &FileResult,
    seed: u32,
    keep_list: &dyn Fn(&[&str]) -> Option<String>,
) -> String {
    let place = (seed, file.worker_id);
    line(
        results,
        &file.ran_in_child,
        &file.filename,
        place,
        keep_list,
    )
}

/// Returns the same for a retry that failed, in a Ruby child of its own.
#[must_use]
pub fn reproduce_retry(
    results: &Results,
    file: &FileResult,
    retry: &Retry,
    seed: u32,
    keep_list: &dyn Fn(&[&str]) -> Option<String>,
) -> String {
    let slot = retry
        .ran
        .as_ref()
        .map_or(file.worker_id, |ran| ran.worker_id);
    line(
        results,
        &retry.ran_in_child,
        &file.filename,
        (seed, slot),
        keep_list,
    )
}

/// The seed and the slot: what a Ruby child draws follows from both.
fn line(
    results: &Results,
    ran: &[ItemId],
    file: &str,
    (seed, slot): (u32, u32),
    keep_list: &dyn Fn(&[&str]) -> Option<String>,
) -> String {
    let names: Vec<String> = ran.iter().filter_map(|id| results.name_of(*id)).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    if names.is_empty() {
        names.push(file);
    }
    let start = format!("gorgon-worker --workspace . --seed {seed} --worker-id {slot}");
    let bytes: usize = names.iter().map(|name| name.len()).sum();
    if (names.len() > REPRODUCE_LIMIT || bytes > BYTES_LIMIT)
        && let Some(path) = keep_list(&names)
    {
        return format!("{start} --files-from {}", quoted(&path));
    }
    names.iter().fold(start, |line, name| {
        // Else it would be an option.
        let between = if name.starts_with('-') { '=' } else { ' ' };
        format!("{line} --file{between}{}", quoted(name))
    })
}
