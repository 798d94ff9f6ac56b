//! Blocks and conditions: where a block of one line ends, and what holds only sometimes.

use super::tokens::Token;

/// A block that is open.
#[derive(Debug)]
pub(super) struct Block {
    /// Its parameter, or the name of its task.
    pub(super) word: String,
    /// How far its beginning is indented.
    pub(super) indent: usize,
    /// It has begun in the line of its task, and ends with the bracket that has no partner.
    pub(super) inline: bool,
}

impl Block {
    pub(super) fn new(word: String, indent: usize) -> Self {
        Self {
            word,
            indent,
            inline: false,
        }
    }
}

/// Returns what stands before the end of the block that these words are in, and whether it ends here.
pub(super) fn body<'a, 'b>(words: &'b [&'a Token]) -> (&'b [&'a Token], bool) {
    let mut depth = 0_usize;
    for (at, word) in words.iter().enumerate() {
        let is = |text: &str| matches!(word, Token::Name(name) if name == text);
        if **word == Token::Sign("{") || is("do") || is("begin") {
            depth += 1;
        } else if **word == Token::Sign("}") || is("end") {
            if depth == 0 {
                return (&words[..at], true);
            }
            depth -= 1;
        }
    }
    (words, false)
}

/// What a statement says behind `if` or `unless`.
#[derive(Debug, Default)]
pub(super) struct Condition {
    /// It does not hold.
    pub(super) skip: bool,
    /// It cannot be told.
    pub(super) unknown: bool,
}

/// Reads the condition behind a statement: whether a variable of the environment is set can be told.
pub(super) fn conditional(words: &[&Token]) -> Condition {
    let found = words
        .iter()
        .skip(1)
        .position(|it| matches!(it, Token::Name(name) if name == "if" || name == "unless"));
    let Some(at) = found else {
        return Condition::default();
    };
    let (when, condition) = (words[at + 1], &words[at + 2..]);
    let is_if = matches!(when, Token::Name(name) if name == "if");
    match condition {
        [
            Token::Name(variables),
            Token::Sign("["),
            Token::Text(name, true),
            Token::Sign("]"),
        ] if variables == "ENV" => Condition {
            skip: std::env::var_os(name).is_some() != is_if,
            unknown: false,
        },
        [Token::Name(variables), ..] if variables == "ENV" => Condition {
            // As a rule nothing is set.
            skip: is_if,
            unknown: true,
        },
        _ => Condition {
            skip: false,
            unknown: true,
        },
    }
}
