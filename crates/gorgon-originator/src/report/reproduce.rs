//! The command under a failure that shows it again.

use gorgon_proto::item::ItemId;

use super::Results;
use super::results::FileResult;

/// So many files stand on a reproduce line; more are named by a file.
pub const REPRODUCE_LIMIT: usize = 20;
/// Returns the command that runs in one process what the Ruby child had run up to this failure.
#[must_use]
pub fn reproduce(
    results: &Results,
    file: &FileResult,
    seed: u32,
    keep_list: &dyn Fn(&[&str]) -> Option<String>,
) -> String {
    let mut names: Vec<&str> = Vec::new();
    for ItemId(place) in &file.ran_in_child {
        if let Some(ran) = results.files.get(*place as usize) {
            names.push(&ran.filename);
        }
    }
    if names.is_empty() {
        names.push(&file.filename);
    }
    let start = format!("gorgon-worker --workspace . --seed {seed}");
    if names.len() > REPRODUCE_LIMIT
        && let Some(path) = keep_list(&names)
    {
        return format!("{start} --files-from {}", shell_words::quote(&path));
    }
    names.iter().fold(start, |line, name| {
        format!("{line} --file {}", quoted(name))
    })
}

/// A file name for a shell; one with control characters is given in the shell's own notation.
pub(super) fn quoted(name: &str) -> String {
    if name.chars().any(char::is_control) {
        let escaped: String = name.chars().flat_map(char::escape_default).collect();
        format!("$'{}'", escaped.replace('\'', "\\'"))
    } else {
        shell_words::quote(name).into_owned()
    }
}
