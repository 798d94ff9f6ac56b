//! JSON with comments and trailing commas, as values that know where they stand.

use std::fmt;
use std::sync::Arc;

use jsonc_parser::ast;
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::Text;

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
    hint: Option<String>,
}

impl ConfigError {
    /// Makes an error about `place`.
    #[must_use]
    pub fn new(place: &Place, message: impl Into<String>) -> Self {
        Self {
            place: place.clone(),
            message: message.into(),
            hint: None,
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
        Self {
            place,
            message: message.into(),
            hint: None,
        }
    }

    /// Returns what the user can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        self.hint.clone()
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

/// Reads one text.
///
/// # Errors
/// The first place where it is no JSON, in words that say what is missing there.
pub fn parse(text: Text<'_>) -> Result<Node, ConfigError> {
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let source = Source {
        file: text.file.into(),
        // An editor may have left a byte order mark.
        text: text.text.strip_prefix('\u{feff}').unwrap_or(text.text),
    };
    match parse_to_ast(source.text, &CollectOptions::default(), &options) {
        Ok(parsed) => match parsed.value {
            Some(value) => Ok(source.node(value, None, String::new())),
            None => Err(ConfigError::new(
                &source.place(0),
                "expected an object, found nothing but blanks and comments",
            )),
        },
        Err(error) => Err(source.explain(&error)),
    }
}

struct Source<'a> {
    file: Arc<str>,
    text: &'a str,
}

impl Source<'_> {
    fn place(&self, offset: usize) -> Place {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            file: self.file.clone(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    fn node(&self, value: ast::Value<'_>, key: Option<Range>, path: String) -> Node {
        let place = self.place(key.unwrap_or(value.range()).start);
        let value = match value {
            ast::Value::NullKeyword(_) => Value::Null,
            ast::Value::BooleanLit(literal) => Value::Bool(literal.value),
            ast::Value::NumberLit(literal) => Value::Number(literal.value.to_owned()),
            ast::Value::StringLit(literal) => Value::String(literal.value.into_owned()),
            ast::Value::Array(array) => Value::Array(
                array
                    .elements
                    .into_iter()
                    .enumerate()
                    .map(|(index, element)| self.node(element, None, format!("{path}[{index}]")))
                    .collect(),
            ),
            ast::Value::Object(object) => Value::Object(
                object
                    .properties
                    .into_iter()
                    .map(|property| {
                        let at = property.name.range();
                        let name = property.name.into_string();
                        let path = join(&path, &name);
                        let node = self.node(property.value, Some(at), path);
                        (name, node)
                    })
                    .collect(),
            ),
        };
        Node { value, place, path }
    }

    fn explain(&self, error: &ParseError) -> ConfigError {
        let at = error.range().start;
        match error.kind() {
            ParseErrorKind::ExpectedComma => {
                // The parser names the token after the gap; what a person has to change is the end
                // of the value before it.
                let gap = self.end_of_value_before(at);
                let next = self.place(at);
                let mut message = format!("a comma is missing here, before {}", self.word_at(at));
                if next.line != self.place(gap).line {
                    message += &format!(" on line {}", next.line);
                }
                ConfigError::new(&self.place(gap), message)
            }
            ParseErrorKind::UnterminatedObject => ConfigError::new(
                &self.place(at),
                "the object that begins here is not closed by }",
            ),
            ParseErrorKind::UnterminatedArray => ConfigError::new(
                &self.place(at),
                "the array that begins here is not closed by ]",
            ),
            ParseErrorKind::UnterminatedCommentBlock => ConfigError::new(
                &self.place(at),
                "the comment that begins here is not closed by */",
            ),
            ParseErrorKind::ExpectedStringObjectProperty
            | ParseErrorKind::UnexpectedTokenInObject => ConfigError::new(
                &self.place(at),
                format!(
                    "expected a key in double quotes, found {}",
                    self.word_at(at)
                ),
            ),
            ParseErrorKind::MultipleRootJsonValues => ConfigError::new(
                &self.place(at),
                format!("expected the end of the file, found {}", self.word_at(at)),
            ),
            kind => {
                let text = kind.to_string();
                let mut message = text[..1].to_lowercase();
                message += &text[1..];
                ConfigError::new(&self.place(at), message.trim_end_matches('.'))
            }
        }
    }

    fn word_at(&self, at: usize) -> String {
        let rest = self.text.get(at..).unwrap_or_default();
        if rest.is_empty() {
            return "the end of the file".into();
        }
        let mut end = rest
            .find([',', ':', '\n', '{', '}', '[', ']'])
            .unwrap_or(rest.len());
        if end == 0 {
            end = rest.chars().next().map_or(0, char::len_utf8);
        }
        rest[..end].trim_end().chars().take(40).collect()
    }

    fn end_of_value_before(&self, at: usize) -> usize {
        // Comments between the value and `at` hold no token, so scanning the text before as tokens
        // finds the last of them.
        let options = CollectOptions {
            tokens: true,
            ..CollectOptions::default()
        };
        let before = self.text.get(..at).unwrap_or_default();
        // `before` is an object or array that is cut off, so read it as the inside of an array of
        // anything: only its tokens matter, and those stand in front of the error.
        let mut end = before.trim_end().len();
        let mut closed = String::with_capacity(before.len() + 8);
        closed.push_str(before);
        for closer in unclosed(before).chars() {
            closed.push(closer);
        }
        if let Ok(parsed) = parse_to_ast(&closed, &options, &ParseOptions::default())
            && let Some(tokens) = parsed.tokens
            && let Some(last) = tokens.iter().rfind(|token| token.range.end <= at)
        {
            end = last.range.end;
        }
        end
    }
}

/// Returns the brackets that close what `text` leaves open, innermost first.
fn unclosed(text: &str) -> String {
    let mut open = Vec::new();
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                while let Some(inside) = characters.next() {
                    match inside {
                        '\\' => {
                            characters.next();
                        }
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '/' if characters.peek() == Some(&'/') => {
                characters
                    .by_ref()
                    .take_while(|&inside| inside != '\n')
                    .for_each(drop);
            }
            '/' if characters.peek() == Some(&'*') => {
                characters.next();
                let mut last = ' ';
                for inside in characters.by_ref() {
                    if last == '*' && inside == '/' {
                        break;
                    }
                    last = inside;
                }
            }
            '{' => open.push('}'),
            '[' => open.push(']'),
            '}' | ']' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.into_iter().rev().collect()
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
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
    pub fn seconds(&self) -> Result<std::time::Duration, ConfigError> {
        const MOST_S: f64 = 100.0 * 366.0 * 86_400.0;
        match &self.value {
            Value::Number(text) => text
                .parse::<f64>()
                .ok()
                .filter(|number| (0.0..=MOST_S).contains(number))
                .map(std::time::Duration::from_secs_f64)
                .ok_or_else(|| self.expected("a number of seconds from 0 on")),
            _ => Err(self.expected("a number of seconds")),
        }
    }
}
