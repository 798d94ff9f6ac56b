//! Values of a configuration that know where they stand, and the errors about them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::shown::{MOST_OF_LINE, shown};

/// Where a value stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Name of the file.
    pub file: Arc<str>,
    /// Line, from 1 on; 0 when the value did not come from a file.
    pub line: usize,
    /// Column in characters, from 1 on.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str(&self.file)
        } else {
            write!(f, "{}:{}:{}", self.file, self.line, self.column)
        }
    }
}

/// A configuration that cannot be used: one line, with the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// What is wrong there.
    pub message: String,
}

impl ConfigError {
    /// Makes an error about `place`.
    #[must_use]
    pub fn new(place: &Place, message: impl Into<String>) -> Self {
        Self {
            place: place.clone(),
            message: shown(&message.into(), MOST_OF_LINE),
        }
    }

    /// Makes an error about a value that came from no file, such as a variable.
    #[must_use]
    pub fn outside(what: &str, message: impl Into<String>) -> Self {
        let place = Place {
            file: what.into(),
            line: 0,
            column: 0,
        };
        Self::new(&place, message)
    }
}

/// A value, where it stands, and which key led to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it stands; for a value of an object, where its key stands.
    pub place: Place,
    /// The keys that lead to it, joined by dots; empty at the root.
    pub path: String,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as it was written.
    Number(String),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Node>),
    /// Keys and values in the order of the text.
    Object(Vec<(String, Node)>),
}

impl Value {
    fn name(&self) -> String {
        match self {
            Self::Null => "null".into(),
            Self::Bool(value) => value.to_string(),
            Self::Number(text) => format!("the number {text}"),
            Self::String(_) => "a string".into(),
            Self::Array(_) => "an array".into(),
            Self::Object(_) => "an object".into(),
        }
    }
}

/// Lays `over` on `base`: objects merge, everything else is replaced. What comes from `over` stands
/// last, and keeps its place in its own file.
#[must_use]
pub fn merge(base: Node, over: Node) -> Node {
    let Node { value, place, path } = base;
    match (value, over.value) {
        (Value::Object(mut entries), Value::Object(overs)) => {
            for (key, node) in overs {
                let node = match entries.iter().position(|(name, _)| *name == key) {
                    Some(index) => merge(entries.remove(index).1, node),
                    None => node,
                };
                entries.push((key, node));
            }
            Node {
                value: Value::Object(entries),
                place,
                path,
            }
        }
        (_, value) => Node {
            value,
            place: over.place,
            path: over.path,
        },
    }
}

impl Node {
    /// Makes an error that says what was expected of this value.
    #[must_use]
    pub fn expected(&self, what: &str) -> ConfigError {
        let key = if self.path.is_empty() {
            "the file".into()
        } else {
            format!("\"{}\"", self.path)
        };
        ConfigError::new(
            &self.place,
            format!("expected {what} for {key}, found {}", self.value.name()),
        )
    }

    /// Returns the entries of an object.
    ///
    /// # Errors
    /// It is none.
    pub fn entries(&self) -> Result<&[(String, Node)], ConfigError> {
        match &self.value {
            Value::Object(entries) => Ok(entries),
            _ => Err(self.expected("an object")),
        }
    }

    /// Returns the value of a key; the last one if it is given twice; none for `null`.
    ///
    /// # Errors
    /// This is no object.
    pub fn get(&self, key: &str) -> Result<Option<&Node>, ConfigError> {
        self.get_any(&[key])
    }

    /// Returns the value of whichever of these keys stands last; none for `null`.
    ///
    /// # Errors
    /// This is no object.
    pub fn get_any(&self, keys: &[&str]) -> Result<Option<&Node>, ConfigError> {
        Ok(self
            .entries()?
            .iter()
            .rfind(|(name, _)| keys.contains(&name.as_str()))
            .map(|(_, node)| node)
            .filter(|node| node.value != Value::Null))
    }

    /// Returns a string.
    ///
    /// # Errors
    /// It is none.
    pub fn string(&self) -> Result<String, ConfigError> {
        match &self.value {
            Value::String(text) => Ok(text.clone()),
            _ => Err(self.expected("a string")),
        }
    }

    /// Returns an array of strings.
    ///
    /// # Errors
    /// It is none, or one of its elements is something else.
    pub fn strings(&self) -> Result<Vec<String>, ConfigError> {
        match &self.value {
            Value::Array(elements) => elements.iter().map(Self::string).collect(),
            _ => Err(self.expected("an array of strings")),
        }
    }

    /// Returns a whole number between `least` and `most`.
    ///
    /// # Errors
    /// It is none.
    pub fn integer(&self, least: u64, most: u64) -> Result<u64, ConfigError> {
        let what = || match most {
            u64::MAX => format!("a whole number from {least} on"),
            _ => format!("a whole number from {least} to {most}"),
        };
        match &self.value {
            Value::Number(text) => text
                .parse::<u64>()
                .ok()
                .filter(|number| (least..=most).contains(number))
                .ok_or_else(|| self.expected(&what())),
            _ => Err(self.expected(&what())),
        }
    }

    /// Returns a number of seconds, at most a hundred years.
    ///
    /// # Errors
    /// It is none.
    pub fn seconds(&self) -> Result<Duration, ConfigError> {
        const MOST_S: f64 = 100.0 * 366.0 * 86_400.0;
        match &self.value {
            Value::Number(text) => text
                .parse::<f64>()
                .ok()
                .filter(|number| (0.0..=MOST_S).contains(number))
                .map(Duration::from_secs_f64)
                .ok_or_else(|| self.expected("a number of seconds from 0 on")),
            _ => Err(self.expected("a number of seconds")),
        }
    }
}
