//! gorgon_listener.json: the configuration of a listener, and of what it starts.

use std::path::PathBuf;

use super::connection::{Connection, Secret, beside};
use super::json::parse;
use super::node::{ConfigError, Node, Value};
use super::project::text_of;
use super::{Read, Text, keys};

/// The configuration of a listener. Paths are relative to the directory of its file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListenerConfig {
    /// How the broker is reached.
    pub connection: Connection,
    /// How many workers run at once; as many as there are cores when absent.
    pub worker_slots: Option<u32>,
    /// Where the listener logs: stderr when absent, stdout for `-`.
    pub log_file: Option<PathBuf>,
    /// Takes part in jobs of this cluster alone.
    pub cluster_id: Option<String>,
    /// Where directories of running jobs are made.
    pub workspace_dir: Option<PathBuf>,
    /// Where copies of projects are kept.
    pub cache_dir: Option<PathBuf>,
    /// How much the kept copies may take up, in bytes.
    pub cache_limit_bytes: Option<u64>,
    /// Name of this host, instead of the kernel's.
    pub host_name: Option<String>,
    /// With it, only job definitions signed with it are run.
    pub job_secret: Option<Secret>,
}

/// Most slots of one listener.
pub const MOST_SLOTS: u64 = 10_000;

/// Reads a listener's configuration.
///
/// # Errors
/// A text that is no JSON, or a value of the wrong type.
pub fn read(text: Text<'_>) -> Result<Read<ListenerConfig>, ConfigError> {
    let root = parse(text)?;
    root.entries()?;
    let mut warnings = Vec::new();
    keys::check(&root, keys::LISTENER, &mut warnings);
    let mut config = ListenerConfig::default();
    if let Some(node) = root.get("connection")? {
        config.connection = Connection::from_node(node)?;
    }
    if let Some(node) = root.get("worker_slots")? {
        let slots = node.integer(1, MOST_SLOTS)?;
        config.worker_slots = Some(slots.try_into().expect("the limit fits"));
    }
    config.log_file = path_of(&root, "log_file")?;
    config.cluster_id = text_of(&root, &["cluster_id"])?;
    config.workspace_dir = path_of(&root, "workspace_dir")?;
    config.cache_dir = path_of(&root, "cache_dir")?;
    config.cache_limit_bytes = root.get("cache_limit")?.map(bytes).transpose()?;
    config.host_name = text_of(&root, &["host_name"])?;
    config.job_secret = text_of(&root, &["job_secret"])?.map(Secret);
    Ok(Read { config, warnings })
}

impl ListenerConfig {
    /// Writes the text that [`read`] reads: the file that an originator gives to its own listener,
    /// and a listener to its managers. Keys without a value are left out.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut object = serde_json::json!({ "connection": self.connection.to_json() });
        let mut put = |key: &str, value: serde_json::Value| {
            if !value.is_null() {
                object[key] = value;
            }
        };
        put("worker_slots", serde_json::json!(self.worker_slots));
        put("log_file", serde_json::json!(self.log_file));
        put("cluster_id", serde_json::json!(self.cluster_id));
        put("workspace_dir", serde_json::json!(self.workspace_dir));
        put("cache_dir", serde_json::json!(self.cache_dir));
        put("cache_limit", serde_json::json!(self.cache_limit_bytes));
        put("host_name", serde_json::json!(self.host_name));
        put(
            "job_secret",
            serde_json::json!(self.job_secret.as_ref().map(|secret| &secret.0)),
        );
        object.to_string()
    }
}

fn path_of(root: &Node, key: &str) -> Result<Option<PathBuf>, ConfigError> {
    let Some(node) = root.get(key)? else {
        return Ok(None);
    };
    let path = node.string()?;
    Ok(match path.as_str() {
        "" => None,
        "-" => Some(PathBuf::from("-")),
        path => Some(beside(node, path)),
    })
}

/// Reads a size: bytes as a number, or a string such as `20G`.
fn bytes(node: &Node) -> Result<u64, ConfigError> {
    const WHAT: &str = "bytes, as a number or as a string such as \"20G\" or \"500M\"";
    let text = match &node.value {
        Value::Number(text) | Value::String(text) => text.trim(),
        _ => return Err(node.expected(WHAT)),
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: Option<u64> = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => Some(1),
        "K" | "KB" | "KIB" => Some(1 << 10),
        "M" | "MB" | "MIB" => Some(1 << 20),
        "G" | "GB" | "GIB" => Some(1 << 30),
        "T" | "TB" | "TIB" => Some(1 << 40),
        _ => None,
    };
    digits
        .trim_end()
        .parse::<u64>()
        .ok()
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .ok_or_else(|| {
            ConfigError::new(
                &node.place,
                format!("expected {WHAT} for \"{}\"", node.path),
            )
        })
}
