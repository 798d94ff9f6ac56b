//! The configuration: text in, typed values and warnings out. No file is opened here.
//!
//! Both generations of the original's files are read, with comments and trailing commas. Keys that
//! are not known are warnings that name the nearest known one; everything else that is wrong is one
//! line with file, line, column and key.

pub mod connection;
pub mod json;
pub mod keys;
pub mod listener;
pub mod node;
pub mod project;
#[cfg(test)]
mod tests;

pub use connection::{Connection, Secret, Tls};
pub use listener::{ListenerConfig, MOST_SLOTS};
pub use node::ConfigError;
pub use project::ProjectConfig;

/// One text to be read, and the name of the file that it came from.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// Name of the file, as messages show it; relative paths inside are relative to its directory.
    pub file: &'a str,
    /// What the file holds.
    pub text: &'a str,
}

/// What a text was read to.
#[derive(Debug, Clone, PartialEq)]
pub struct Read<T> {
    /// The configuration.
    pub config: T,
    /// Lines for the user: keys that are not known, and the like.
    pub warnings: Vec<String>,
}

/// The environment variable with the URL of a broker; it wins over `connection`. Who reads it takes
/// it out of the environment of everything below, since it holds a password.
pub const BROKER_URL_VARIABLE: &str = "GORGON_BROKER_URL";
