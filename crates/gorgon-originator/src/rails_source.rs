//! What of a Rails application is synced where the configuration does not say it.

use std::path::Path;

use gorgon_ruby::is_rails;

/// Directories that the next job on a host finds as the last one left them. What Bootsnap keeps there makes the
/// application load in a third of the time.
const KEPT: [&str; 1] = ["tmp/cache"];

/// Returns the directories of this project that a host keeps from job to job.
pub(crate) fn kept_paths(root: &Path) -> Vec<String> {
    if is_rails(root) {
        KEPT.map(str::to_owned).to_vec()
    } else {
        Vec::new()
    }
}
