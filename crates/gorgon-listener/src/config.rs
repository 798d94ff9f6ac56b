//! Finding and reading the configuration.

use std::path::{Path, PathBuf};
use std::{fs, io};

use gorgon_process::exit::Hint;
use gorgon_process::patient;
use gorgon_proto::config::{
    self, BROKER_URL_VARIABLE, ConfigError, Connection, ListenerConfig, Text,
};

/// The file's name wherever it is looked for.
pub const FILE: &str = "gorgon_listener.json";
/// What the kept copies of projects may take up unless configured, in bytes.
pub const CACHE_LIMIT_BYTES: u64 = 10 << 30;

/// There is no configuration to go by.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// None was found.
    #[error("find {FILE} in {}", looked.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(", "))]
    Missing {
        /// The directories.
        looked: Vec<PathBuf>,
    },
    /// It cannot be read.
    #[error("read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It does not say what it should.
    #[error("{0}")]
    Wrong(#[from] ConfigError),
}

impl Hint for LoadError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { .. } => Some(
                "write one ({} is enough for a RabbitMQ on this machine), or name it: --config PATH"
                    .to_owned(),
            ),
            Self::Unreadable { .. } | Self::Wrong(_) => None,
        }
    }
}

/// A configuration, and where it came from.
#[derive(Debug)]
pub struct Loaded {
    /// What it says.
    pub config: ListenerConfig,
    /// Lines for the log.
    pub warnings: Vec<String>,
    /// The file, absolute; none when the broker's URL was enough.
    pub path: Option<PathBuf>,
}

/// Loads the named configuration, or the first one found. `broker_url` wins over its `connection`,
/// and is enough where there is none.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn load(named: Option<&Path>, broker_url: Option<&str>) -> Result<Loaded, LoadError> {
    let path = match (named, find()) {
        (Some(path), _) => Some(path.to_owned()),
        (None, Ok(path)) => Some(path),
        (None, Err(_)) if broker_url.is_some() => None,
        (None, Err(missing)) => return Err(missing),
    };
    let mut loaded = match path {
        Some(path) => read(&path)?,
        None => Loaded {
            config: ListenerConfig::default(),
            warnings: Vec::new(),
            path: None,
        },
    };
    if let Some(url) = broker_url {
        loaded.config.connection = Connection::from_url(url, BROKER_URL_VARIABLE)?;
    }
    Ok(loaded)
}

fn read(path: &Path) -> Result<Loaded, LoadError> {
    let unreadable = |source| LoadError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let text = patient::read_to_string(path).map_err(unreadable)?;
    let absolute = fs::canonicalize(path).map_err(unreadable)?;
    let file = path.to_string_lossy();
    let read = config::listener::read(Text {
        file: &file,
        text: &text,
    })?;
    let mut config = read.config;
    if let Some(tls) = &mut config.connection.tls {
        // A manager reads them from another directory.
        for path in [&mut tls.ca, &mut tls.cert, &mut tls.key]
            .into_iter()
            .flatten()
        {
            *path = std::path::absolute(&*path).map_err(unreadable)?;
        }
    }
    Ok(Loaded {
        config,
        warnings: read.warnings,
        path: Some(absolute),
    })
}

fn find() -> Result<PathBuf, LoadError> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let looked: Vec<PathBuf> = [
        Some(PathBuf::from(".")),
        home.map(|h| h.join(".gorgon")),
        Some(PathBuf::from("/etc/gorgon")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let found = looked
        .iter()
        .map(|d| d.join(FILE))
        .find(|path| path.exists());
    found.ok_or(LoadError::Missing { looked })
}

/// Returns where running jobs lie and where copies are kept, as configured or below `~/.gorgon`.
#[must_use]
pub fn directories(config: &ListenerConfig) -> (PathBuf, PathBuf) {
    let home =
        std::env::var_os("HOME").map_or_else(|| PathBuf::from("/var/lib/gorgon"), PathBuf::from);
    let below = |name: &str| home.join(".gorgon").join(name);
    (
        config
            .workspace_dir
            .clone()
            .unwrap_or_else(|| below("workspaces")),
        config.cache_dir.clone().unwrap_or_else(|| below("cache")),
    )
}
