//! Where listeners get the source from.

use std::net::IpAddr;

use gorgon_process::exit::Hint;
use gorgon_proto::job::{Source, SourceKind};

use crate::settings::Settings;

/// The source cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// No way is configured that is there.
    #[error("offer the source")]
    NoWay,
}

impl Hint for SourceError {}

/// The source, as long as it is served.
#[derive(Debug)]
pub struct Served {
    /// What listeners are told.
    pub source: Source,
    /// Lines for the user.
    pub hints: Vec<String>,
}

/// Begins to serve the source, in the way that the configuration asks for. `own`: files that we
/// write ourselves; `local`: where the hosts of the broker can probably reach us.
///
/// # Errors
/// It cannot be served or pushed.
pub fn offer(
    settings: &Settings,
    _own: &[String],
    _local: Option<IpAddr>,
) -> Result<Served, SourceError> {
    let config = &settings.config;
    let exclude = config.exclude.clone();
    let rsync_transport = config.rsync_transport.clone();
    if let Some(path) = &config.source_tree_path {
        let source = Source {
            kind: SourceKind::Path,
            source_tree_path: Some(path.clone()),
            rsync_transport,
            exclude,
            ..Source::default()
        };
        return Ok(Served {
            source,
            hints: Vec::new(),
        });
    }
    Err(SourceError::NoWay)
}
