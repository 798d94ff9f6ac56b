//! gorgon.json with gorgon_secret.json: the configuration of a project, of both generations.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::connection::{Connection, Secret};
use super::json::parse;
use super::node::{ConfigError, Node, Value, merge};
use super::{Read, Text, keys};
use crate::job::{Callbacks, Isolation, WorkspaceMode};

/// The configuration of a project. Paths are as the file has them, relative to the project.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectConfig {
    /// How the broker is reached; the default when no file says so.
    pub connection: Connection,
    /// Globs with the meaning of Ruby's `Dir[]`, in order of priority; absent when not configured.
    pub files: Option<Vec<String>>,
    /// The user's callbacks, in either layout.
    pub callbacks: Callbacks,
    /// rsync patterns of what is not synced; absent when not configured.
    pub exclude: Option<Vec<String>>,
    /// `ssh`, or anything else for the rsync protocol; absent when not configured.
    pub rsync_transport: Option<String>,
    /// An rsync source that listeners pull from; nothing is pushed then.
    pub source_tree_path: Option<String>,
    /// Host of a file server: the source is pushed there once and pulled from there.
    pub file_server: Option<String>,
    /// Where the names of failed files are written.
    pub failed_files: Option<PathBuf>,
    /// Where the seconds of files are written, in the original's format; also read.
    pub runtime_file: Option<PathBuf>,
    /// Where the originator logs; `-` is stdout.
    pub originator_log_file: Option<PathBuf>,
    /// Names the listeners that take part.
    pub cluster_id: Option<String>,
    /// The command that starts Ruby; decided on the host when absent.
    pub ruby: Option<Vec<String>>,
    /// A Ruby child for each worker, or for each file.
    pub isolation: Isolation,
    /// Whether the coverage of all Ruby processes becomes one report of SimpleCov; if absent, it does in a Rails
    /// application.
    pub coverage: Option<bool>,
    /// The application stays loaded for the next run in place.
    pub warm: bool,
    /// How long it stays without use.
    pub warm_limit: Duration,
    /// A directory for the job, or for each slot.
    pub workspace: WorkspaceMode,
    /// Limit of one item, load and tests.
    pub file_timeout: Option<Duration>,
    /// Limit of one callback.
    pub callback_timeout: Duration,
    /// How often a failed test is tried again.
    pub retries: u32,
    /// Files that took longer are split; absent: decided by the plan; zero: never.
    pub split_over: Option<Duration>,
    /// Environment of everything Ruby; none unsets.
    pub env: BTreeMap<String, Option<String>>,
    /// Globs of what is brought back from hosts.
    pub artifacts: Vec<String>,
    /// Where listeners reach this machine, instead of its own addresses.
    pub advertise: Vec<String>,
    /// Name of this host, instead of the kernel's.
    pub host_name: Option<String>,
    /// What job definitions are signed with.
    pub job_secret: Option<Secret>,
}

/// Limit of one callback unless configured.
pub const CALLBACK_LIMIT: Duration = Duration::from_secs(600);

/// How long an application stays loaded without use unless configured.
pub const WARM_LIMIT: Duration = Duration::from_secs(600);

impl Default for ProjectConfig {
    fn default() -> Self {
        Self {
            connection: Connection::default(),
            files: None,
            callbacks: Callbacks::default(),
            exclude: None,
            rsync_transport: None,
            source_tree_path: None,
            file_server: None,
            failed_files: None,
            runtime_file: None,
            originator_log_file: None,
            cluster_id: None,
            ruby: None,
            isolation: Isolation::default(),
            coverage: None,
            warm: false,
            warm_limit: WARM_LIMIT,
            workspace: WorkspaceMode::default(),
            file_timeout: None,
            callback_timeout: CALLBACK_LIMIT,
            retries: 0,
            split_over: None,
            env: BTreeMap::new(),
            artifacts: Vec::new(),
            advertise: Vec::new(),
            host_name: None,
            job_secret: None,
        }
    }
}

/// Reads a project's configuration; `secret` is laid over `main`. Without either, all is default.
///
/// # Errors
/// A text that is no JSON, or a value of the wrong type.
pub fn read(
    main: Option<Text<'_>>,
    secret: Option<Text<'_>>,
) -> Result<Read<ProjectConfig>, ConfigError> {
    let mut warnings = Vec::new();
    let mut root: Option<Node> = None;
    for text in [main, secret].into_iter().flatten() {
        let node = parse(text)?;
        node.entries()?;
        keys::check(&node, keys::PROJECT, &mut warnings);
        root = Some(match root {
            Some(base) => merge(base, node),
            None => node,
        });
    }
    let config = match root {
        Some(root) => project(&root)?,
        None => ProjectConfig::default(),
    };
    Ok(Read { config, warnings })
}

fn project(root: &Node) -> Result<ProjectConfig, ConfigError> {
    let mut config = ProjectConfig::default();
    if let Some(node) = root.get("connection")? {
        config.connection = Connection::from_node(node)?;
    }
    config.files = root.get("files")?.map(Node::strings).transpose()?;
    if let Some(job) = root.get("job")? {
        apply_job(&mut config, job)?;
    }
    if let Some(server) = root.get("file_server")? {
        config.file_server = text_of(server, &["host"])?;
    }
    config.failed_files = text_of(root, &["failed_files"])?.map(PathBuf::from);
    config.runtime_file =
        text_of(root, &["recorded_specs_list_file", "runtime_file"])?.map(PathBuf::from);
    config.originator_log_file = text_of(root, &["originator_log_file"])?.map(PathBuf::from);
    config.cluster_id = text_of(root, &["cluster_id"])?;
    config.ruby = root.get("ruby")?.map(words).transpose()?;
    if let Some(node) = root.get("isolation")? {
        config.isolation = one_of(
            node,
            &[("worker", Isolation::Worker), ("file", Isolation::File)],
        )?;
    }
    config.coverage = flag_of(root, "coverage")?;
    config.warm = flag_of(root, "warm")?.unwrap_or_default();
    if let Some(limit) = seconds_of(root, "warm_limit")? {
        config.warm_limit = limit;
    }
    if let Some(node) = root.get("workspace")? {
        config.workspace = one_of(
            node,
            &[("job", WorkspaceMode::Job), ("slot", WorkspaceMode::Slot)],
        )?;
    }
    config.file_timeout = seconds_of(root, "file_timeout")?.filter(|limit| !limit.is_zero());
    if let Some(limit) = seconds_of(root, "callback_timeout")? {
        config.callback_timeout = limit;
    }
    if let Some(node) = root.get("retries")? {
        config.retries = node.integer(0, 100)?.try_into().expect("the limit fits");
    }
    config.split_over = seconds_of(root, "split_over")?;
    if let Some(node) = root.get("env")? {
        config.env = environment(node)?;
    }
    if let Some(node) = root.get("artifacts")? {
        config.artifacts = node.strings()?;
    }
    if let Some(node) = root.get("advertise")? {
        config.advertise = match &node.value {
            Value::String(address) => vec![address.clone()],
            _ => node.strings()?,
        };
    }
    config.host_name = text_of(root, &["host_name"])?;
    config.job_secret = text_of(root, &["job_secret"])?.map(Secret);
    Ok(config)
}

fn apply_job(config: &mut ProjectConfig, job: &Node) -> Result<(), ConfigError> {
    if let Some(node) = job.get("callbacks")? {
        config.callbacks = Callbacks {
            callbacks_class_file: text_of(node, &["callbacks_class_file"])?,
            before_start: text_of(node, &["before_start"])?,
            after_complete: text_of(node, &["after_complete"])?,
            before_creating_workers: text_of(node, &["before_creating_workers"])?,
            after_sync: text_of(node, &["after_sync"])?,
            after_creating_workers: text_of(node, &["after_creating_workers"])?,
        };
    }
    if let Some(node) = job.get("sync_exclude")? {
        config.exclude = Some(node.strings()?);
    }
    config.source_tree_path = text_of(job, &["source_tree_path"])?;
    if let Some(sync) = job.get("sync")? {
        if let Some(node) = sync.get("exclude")? {
            config.exclude = Some(node.strings()?);
        }
        config.rsync_transport = text_of(sync, &["rsync_transport"])?;
        if let Some(path) = text_of(sync, &["source_tree_path"])? {
            config.source_tree_path = Some(path);
        }
    }
    Ok(())
}

/// Returns a string; none when it is absent or empty.
pub(super) fn text_of(node: &Node, keys: &[&str]) -> Result<Option<String>, ConfigError> {
    let text = node.get_any(keys)?.map(Node::string).transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

fn seconds_of(node: &Node, key: &str) -> Result<Option<Duration>, ConfigError> {
    node.get(key)?.map(Node::seconds).transpose()
}

fn flag_of(root: &Node, key: &str) -> Result<Option<bool>, ConfigError> {
    match root.get(key)?.map(|node| (node, &node.value)) {
        None => Ok(None),
        Some((_, Value::Bool(wanted))) => Ok(Some(*wanted)),
        Some((node, _)) => Err(node.expected("true or false")),
    }
}

fn one_of<T: Copy>(node: &Node, choices: &[(&str, T)]) -> Result<T, ConfigError> {
    let found = match &node.value {
        Value::String(text) => choices.iter().find(|(name, _)| name == text),
        _ => None,
    };
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<String> = choices
            .iter()
            .map(|(name, _)| format!("\"{name}\""))
            .collect();
        let what = names.join(" or ");
        match &node.value {
            Value::String(text) => ConfigError::new(
                &node.place,
                format!("expected {what} for \"{}\", found \"{text}\"", node.path),
            ),
            _ => node.expected(&what),
        }
    })
}

/// Reads a command: an array, or a string split into words as a shell does, with nothing expanded.
fn words(node: &Node) -> Result<Vec<String>, ConfigError> {
    let words = match &node.value {
        Value::String(text) => shell_words::split(text).map_err(|_| {
            ConfigError::new(
                &node.place,
                format!("a quote in \"{}\" is not closed", node.path),
            )
        })?,
        Value::Array(_) => node.strings()?,
        _ => return Err(node.expected("a string or an array of strings")),
    };
    if words.iter().all(String::is_empty) {
        return Err(ConfigError::new(
            &node.place,
            format!("\"{}\" names no command", node.path),
        ));
    }
    Ok(words)
}

fn environment(node: &Node) -> Result<BTreeMap<String, Option<String>>, ConfigError> {
    let mut variables = BTreeMap::new();
    for (name, node) in node.entries()? {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(ConfigError::new(
                &node.place,
                format!("{name:?} is no name of a variable"),
            ));
        }
        let value = match &node.value {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            // What a shell would make of `FOO=1` and `FOO=true`.
            Value::Number(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            _ => return Err(node.expected("a string or null")),
        };
        if value.as_ref().is_some_and(|value| value.contains('\0')) {
            return Err(ConfigError::new(
                &node.place,
                format!("the value of \"{}\" holds a zero byte", node.path),
            ));
        }
        variables.insert(name.clone(), value);
    }
    Ok(variables)
}
