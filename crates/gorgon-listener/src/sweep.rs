//! Workspaces that an earlier listener of this host has left.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use gorgon_sync::workspace::{remove_when_free, sweep};
use log::{info, warn};

/// Removes what was left below this directory. What a dying job still works in is waited for by
/// threads, one for each; they end with the workers there, which have no listener any more.
///
/// # Errors
/// When a thread cannot be started.
pub(crate) fn begin(workspaces: &Path) -> io::Result<()> {
    let swept = sweep(workspaces);
    for path in swept.removed {
        removed(&path);
    }
    for path in swept.held {
        thread::Builder::new()
            .name("sweep".to_owned())
            .spawn(move || wait(path))?;
    }
    Ok(())
}

fn wait(path: PathBuf) {
    match remove_when_free(&path) {
        Ok(true) => removed(&path),
        // Another listener of this directory has removed its own.
        Ok(false) => {}
        Err(error) => {
            warn!(target: "gorgon::listener", path:% = path.display(), cause:% = error;
                "a workspace that was left cannot be removed");
        }
    }
}

fn removed(path: &Path) {
    info!(target: "gorgon::listener", path:% = path.display(); "swept a workspace that was left");
}
