//! JSON with comments and trailing commas: text in, values with their places or one fault out.

use std::cell::Cell;
use std::sync::Arc;

use jsonc_parser::ast;
use jsonc_parser::common::{Range, Ranged};
use jsonc_parser::errors::{ParseError, ParseErrorKind};
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::Text;
use super::node::{ConfigError, Node, Place, Value};
use crate::shown::shown;

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
    // An editor may have left a byte order mark.
    let content = text.text.strip_prefix('\u{feff}').unwrap_or(text.text);
    let newlines = content.match_indices('\n').map(|(at, _)| at + 1);
    let source = Source {
        file: text.file.into(),
        text: content,
        lines: std::iter::once(0).chain(newlines).collect(),
        last: Cell::new((0, 1)),
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
    /// Where the lines begin.
    lines: Vec<usize>,
    /// The place asked for last, as an offset and its column: the next is mostly a little behind it.
    last: Cell<(usize, usize)>,
}

impl Source<'_> {
    fn place(&self, offset: usize) -> Place {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.lines.partition_point(|start| *start <= offset);
        let line_start = self.lines[line - 1];
        let (mut from, mut column) = self.last.get();
        if !(line_start..=offset).contains(&from) {
            (from, column) = (line_start, 1);
        }
        column += self.text[from..offset].chars().count();
        self.last.set((offset, column));
        Place {
            file: self.file.clone(),
            line,
            column,
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
                // The parser names the end of the value before the gap: where the comma belongs.
                let next = self.next_token(at);
                let mut message = format!("a comma is missing here, before {}", self.word_at(next));
                let line = self.place(next).line;
                if line != self.place(at).line {
                    message += &format!(" on line {line}");
                }
                ConfigError::new(&self.place(at), message)
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

    /// Returns where the first token from `at` on begins, past blanks and comments.
    fn next_token(&self, at: usize) -> usize {
        let whole = self.text.get(at..).unwrap_or_default();
        let mut rest = whole.trim_start();
        loop {
            let after = if let Some(comment) = rest.strip_prefix("//") {
                comment.split_once('\n').map_or("", |(_, after)| after)
            } else if let Some(comment) = rest.strip_prefix("/*") {
                comment.split_once("*/").map_or("", |(_, after)| after)
            } else {
                return at + (whole.len() - rest.len());
            };
            rest = after.trim_start();
        }
    }
}

/// A path is for people, and for comparison with known keys, which are short.
fn join(path: &str, key: &str) -> String {
    const MOST_OF_PATH: usize = 300;
    const MOST_OF_KEY: usize = 80;
    if path.is_empty() {
        shown(key, MOST_OF_KEY)
    } else if path.len() > MOST_OF_PATH {
        path.to_owned()
    } else {
        format!("{path}.{}", shown(key, MOST_OF_KEY))
    }
}
