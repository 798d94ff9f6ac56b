//! The configuration of the project, read from its files and the environment.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use gorgon_broker::Target;
use gorgon_process::exit::Hint;
use gorgon_process::patient;
use gorgon_proto::config::{
    BROKER_URL_VARIABLE, ConfigError, Connection, ProjectConfig, Text, project,
};

use gorgon_ruby::RubySettings;

use crate::glob::Tree;
use crate::select::Suite;
use crate::usual::Usual;

/// Name of the configuration unless another one is given.
const MAIN: &str = "gorgon.json";
/// Name of the file that is merged over it.
const SECRET: &str = "gorgon_secret.json";

/// A project and its configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The working directory.
    pub root: PathBuf,
    /// What its files say.
    pub config: ProjectConfig,
    /// `env` of the configuration without what its secrets name.
    pub shown_env: BTreeMap<String, Option<String>>,
    /// Lines for the user.
    pub warnings: Vec<String>,
    /// Whether there is a configuration file.
    pub configured: bool,
}

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no working directory.
    #[error("find the working directory")]
    NoDirectory(#[source] io::Error),
    /// What a file holds is wrong.
    #[error("the configuration cannot be used")]
    Wrong(#[from] ConfigError),
}

impl Hint for SettingsError {}

fn read(path: &Path, needed: bool) -> Result<Option<String>, SettingsError> {
    match patient::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !needed => Ok(None),
        Err(source) => Err(SettingsError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

impl Settings {
    /// Reads the configuration of the working directory. `broker_url` wins over `connection`.
    ///
    /// # Errors
    /// A file that is named or there but cannot be read, or holds what it must not.
    pub fn load(config: Option<&Path>, broker_url: Option<&str>) -> Result<Self, SettingsError> {
        let root = std::env::current_dir().map_err(SettingsError::NoDirectory)?;
        let main = config.unwrap_or(Path::new(MAIN));
        let secret = main.parent().unwrap_or(Path::new("")).join(SECRET);
        let main_text = read(main, config.is_some())?;
        let secret_text = read(&secret, false)?;
        let (main, secret) = (main.to_string_lossy(), secret.to_string_lossy());
        let text = |file, text| Text { file, text };
        let read = project::read(
            main_text.as_deref().map(|it| text(&main, it)),
            secret_text.as_deref().map(|it| text(&secret, it)),
        )?;
        let mut config = read.config;
        let mut shown_env = config.env.clone();
        if secret_text.is_some() {
            let open = project::read(main_text.as_deref().map(|it| text(&main, it)), None)?;
            shown_env.retain(|name, value| open.config.env.get(name) == Some(value));
        }
        if let Some(url) = broker_url {
            config.connection = Connection::from_url(url, BROKER_URL_VARIABLE)?;
        }
        Ok(Self {
            root,
            config,
            shown_env,
            warnings: read.warnings,
            configured: main_text.is_some(),
        })
    }

    /// Returns how the broker is reached.
    #[must_use]
    pub fn target(&self) -> Target {
        Target::from(&self.config.connection)
    }

    /// Returns where a job is offered, in words: the broker, and what keeps listeners there apart.
    #[must_use]
    pub fn place(&self, cluster: Option<&str>) -> String {
        let (address, vhost) = (self.target().address(), &self.config.connection.vhost);
        match cluster {
            Some(cluster) => format!("{address}, vhost {vhost}, cluster id {cluster}"),
            None => format!("{address}, vhost {vhost}, without a cluster id"),
        }
    }

    /// Returns how Ruby starts in this project.
    #[must_use]
    pub fn ruby(&self) -> RubySettings {
        RubySettings {
            ruby: self.config.ruby.clone(),
            env: self.config.env.clone(),
            ..RubySettings::in_place(&self.root)
        }
    }

    /// Returns the files to run if the command line names none; `options` are its options of the framework.
    #[must_use]
    pub fn suite(&self, tree: &Tree, options: &[String]) -> Suite {
        match &self.config.files {
            Some(globs) => Suite::Globs(globs.clone()),
            None => Suite::Usual(Box::new(Usual::of(tree, &self.ruby(), options))),
        }
    }

    /// Returns the name of this host.
    #[must_use]
    pub fn host_name(&self) -> String {
        self.config
            .host_name
            .clone()
            .unwrap_or_else(gorgon_process::host::hostname)
    }
}
