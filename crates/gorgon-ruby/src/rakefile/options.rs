//! What is said of Ruby's command line: `-I` and `-r`, in options, and what a script that runs the tests does instead.

use gorgon_proto::job::Warnings;

use super::tokens::{Token, tokens};
use super::words::cut;

/// Options of Ruby that its tests need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RubyOptions {
    /// Directories on the load path.
    pub(super) directories: Vec<String>,
    /// What is loaded first.
    pub(super) requires: Vec<String>,
    /// How much Ruby warns.
    pub(super) warnings: Option<Warnings>,
    /// Others, which have no effect here.
    pub(super) others: Vec<String>,
}

/// Options of a framework that change what is printed alone.
const OF_LOOKS: [&str; 6] = ["-v", "--verbose", "-p", "--pride", "--color", "--no-color"];

impl RubyOptions {
    /// Reads options up to the first word that is none, and returns that.
    pub(super) fn take<'a>(&mut self, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
        let mut words = words;
        while let Some(word) = words.next() {
            let mut value = |rest: &'a str| {
                let here = Some(rest).filter(|it| !it.is_empty());
                here.or_else(|| words.next()).unwrap_or_default()
            };
            if let Some(rest) = word.strip_prefix("-I") {
                let named = value(rest).split(':');
                self.directories.extend(named.map(str::to_owned));
            } else if let Some(rest) = word.strip_prefix("-r") {
                self.requires.push(value(rest).to_owned());
            } else if !word.starts_with('-') {
                return Some(word);
            } else if let Some(level) = level(word) {
                self.warnings = Some(level);
            } else {
                self.others.push(word.to_owned());
            }
        }
        None
    }

    /// Reads the options that a list of texts has.
    pub(super) fn of_texts(words: &[&Token]) -> Self {
        let mut options = Self::default();
        let texts = words.iter().filter_map(|it| match it {
            Token::Text(text, true) => Some(text.as_str()),
            _ => None,
        });
        let mut said = texts.flat_map(str::split_whitespace);
        while options.take(&mut said).is_some() {}
        options
    }

    pub(super) fn add(&mut self, more: Self) {
        self.directories.extend(more.directories);
        self.requires.extend(more.requires);
        self.warnings = more.warnings.or(self.warnings);
        self.others.extend(more.others);
    }
}

/// How much Ruby warns by this option; none for other options.
fn level(option: &str) -> Option<Warnings> {
    match option {
        "-w" | "-W" | "-W2" => Some(Warnings::Verbose),
        "-W1" => Some(Warnings::Usual),
        "-W0" => Some(Warnings::Silent),
        _ => None,
    }
}

/// Returns options of a framework that choose tests or change how they run.
pub(super) fn telling(options: &str) -> Option<String> {
    let others = options.split_whitespace().any(|it| !OF_LOOKS.contains(&it));
    others.then(|| options.trim().to_owned())
}

/// Tells whether a value has options whose directory or library is computed.
pub(super) fn is_vague(words: &[&Token]) -> bool {
    words.iter().any(|it| match it {
        Token::Text(text, false) => text.starts_with("-I") || text.starts_with("-r"),
        _ => false,
    })
}

/// What a text of Ruby requires outside of all blocks.
pub(super) fn required(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let (mut found, mut indent) = (Vec::new(), 0);
    for words in cut(&tokens) {
        match words {
            [Token::Line(next)] => indent = *next,
            [Token::Name(require), Token::Text(name, true)]
            | [
                Token::Name(require),
                Token::Sign("("),
                Token::Text(name, true),
                Token::Sign(")"),
            ] if indent == 0 && require == "require" => {
                found.push(name.clone());
            }
            _ => {}
        }
    }
    found
}
