//! What the statements of a Rakefile say of test tasks: their files, their load path, what they need.

use std::collections::HashMap;

use gorgon_proto::job::Variable;

use super::actions::defined;
use super::blocks::{Block, body, conditional};
use super::lists::{Files, postfix, sum};
use super::loads::Load;
use super::options::RubyOptions;
use super::tokens::{Token, tokens};

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    /// A test task begins.
    Task { name: String, minitest: bool },
    /// The name of the last test task.
    Name(String),
    /// Files of the last test task; `more`: besides those said before; `pattern`: as its pattern, which is added
    /// to its list of files.
    Files {
        files: Files,
        more: bool,
        pattern: bool,
    },
    /// Load path of the last test task; `first`: before what was said.
    Libs {
        libs: Files,
        more: bool,
        first: bool,
    },
    /// Options of Ruby for the last test task; `more`: besides those said before; `vague`: not all was understood.
    Options {
        options: RubyOptions,
        more: bool,
        vague: bool,
    },
    /// Options of the framework for the last test task; `more`: besides those said before.
    FrameworkOptions { options: String, more: bool },
    /// Ruby loads the files of the last test task by a text.
    Direct,
    /// Whether the last test task has Ruby warn of everything; none: it cannot be told.
    Warning(Option<bool>),
    /// What the last test task evaluates before its framework; none: it cannot be told.
    Prelude(Option<String>),
    /// What the last test task loads before its files; none: it cannot be told.
    Framework(Option<Vec<String>>),
    /// What this task runs cannot be told.
    Unsure(String),
    /// A task whose name is computed.
    Computed,
    /// A task needs others; `sometimes`: on a condition that cannot be told.
    Needs {
        name: String,
        needs: Vec<String>,
        sometimes: bool,
    },
    /// A plain task runs a file by `ruby`.
    Script {
        name: String,
        path: String,
        options: RubyOptions,
    },
    /// A variable of the environment is set, as the Rakefile is loaded or a plain task runs; none: it cannot be told
    /// which, or to what.
    Variable {
        task: Option<String>,
        variable: Option<Variable>,
    },
    /// This task does something that is no test.
    Acts(String),
    /// Other files are loaded with the Rakefile.
    Load(Load),
    /// Hoe makes the tasks.
    Hoe,
}

/// Reads the statements of a text.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    let tokens = tokens(text);
    let mut reader = Reader {
        files: HashMap::new(),
        paths: HashMap::new(),
        said: Vec::new(),
        block: None,
        plain: None,
        conditions: Vec::new(),
        uncertain: false,
        defined: defined(&tokens),
    };
    let mut indent = 0;
    for words in cut(&tokens) {
        match words {
            [Token::Line(next)] => indent = *next,
            words => reader.statement(words, indent),
        }
    }
    reader.said
}

/// Cuts words at the ends of statements: where a line ends outside of brackets, and does not go on.
pub(super) fn cut(tokens: &[Token]) -> Vec<&[Token]> {
    let mut found: Vec<&[Token]> = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Sign("(" | "[") => depth += 1,
            Token::Sign(")" | "]") => depth = depth.saturating_sub(1),
            Token::Sign(";") if depth == 0 => {
                found.push(&tokens[start..at]);
                start = at + 1;
            }
            Token::Line(_) => {
                let before = tokens[start..at]
                    .iter()
                    .rev()
                    .find(|it| !matches!(it, Token::Line(_)));
                let goes_on = matches!(
                    before,
                    Some(Token::Sign(
                        "+" | "-" | "," | "<<" | "=" | "+=" | "-=" | "=>" | "|" | "." | "&&" | "||"
                    ))
                );
                let after = tokens[at..].iter().find(|it| !matches!(it, Token::Line(_)));
                let follows = matches!(after, Some(Token::Sign("." | "&.")));
                // `do |t|` ends in a sign, and its line ends there.
                let block = ends_in_parameters(&tokens[start..at]);
                if depth == 0 && (block || !goes_on && !follows) {
                    found.push(&tokens[start..at]);
                    found.push(&tokens[at..=at]);
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    found.retain(|words| !words.is_empty());
    found
}

fn ends_in_parameters(words: &[Token]) -> bool {
    let Some(([.., Token::Name(_)], [Token::Sign("|")])) = words.split_last_chunk::<1>() else {
        return false;
    };
    words.len() >= 4
        && matches!(words[words.len() - 3], Token::Sign("|" | ","))
        && words
            .iter()
            .any(|it| matches!(it, Token::Name(name) if name == "do") || *it == Token::Sign("{"))
}

/// What was read, and where the reading is.
pub(super) struct Reader {
    /// Lists of files that have a name.
    pub(super) files: HashMap<String, Files>,
    /// Paths that have a name.
    pub(super) paths: HashMap<String, Vec<String>>,
    pub(super) said: Vec<Statement>,
    /// The block of a test task, with its parameter.
    pub(super) block: Option<Block>,
    /// The block of a plain task, with the name of the task.
    pub(super) plain: Option<Block>,
    /// How far each open `if` and its kind is indented.
    conditions: Vec<usize>,
    /// The statement holds only on a condition.
    pub(super) uncertain: bool,
    /// Methods of the Rakefile.
    pub(super) defined: Vec<String>,
}

impl Reader {
    fn statement(&mut self, words: &[Token], indent: usize) {
        let words: Vec<&Token> = words
            .iter()
            .filter(|it| !matches!(it, Token::Line(_)))
            .collect();
        // A block of one line, of several statements.
        if [&self.block, &self.plain]
            .iter()
            .any(|it| it.as_ref().is_some_and(|it| it.inline))
        {
            let (rest, closed) = body(&words);
            self.one(rest, indent);
            if closed {
                (self.block, self.plain) = (None, None);
            }
            return;
        }
        let closes = |open: &Option<Block>| open.as_ref().is_some_and(|it| indent <= it.indent);
        if matches!(words.first(), Some(Token::Name(name)) if name == "end")
            || matches!(words.first(), Some(Token::Sign("}")))
        {
            if closes(&self.block) {
                self.block = None;
            }
            if closes(&self.plain) {
                self.plain = None;
            }
            self.conditions.retain(|at| *at < indent);
            return;
        }
        let begins = matches!(words.first(), Some(Token::Name(name))
            if matches!(name.as_str(), "if" | "unless" | "case" | "while" | "until"));
        if begins && !matches!(words.last(), Some(Token::Name(name)) if name == "end") {
            self.conditions.push(indent);
        }
        self.one(&words, indent);
    }

    /// Reads one statement that closes no block.
    fn one(&mut self, words: &[&Token], indent: usize) {
        let condition = conditional(words);
        self.uncertain = condition.unknown || !self.conditions.is_empty();
        if !condition.skip {
            self.invoked(words);
            self.command(words);
            self.loaded(words);
            self.file_task(words);
            self.spec_task(words);
            self.environment(words, indent);
        }
        if self.test_task(words, indent)
            || condition.skip
            || self.enhanced(words, indent)
            || self.plain_task(words, indent)
        {
            return;
        }
        match words {
            [Token::Name(name), Token::Sign("."), Token::Name(spec), ..]
                if name == "Hoe" && spec == "spec" =>
            {
                self.said.push(Statement::Hoe);
            }
            [
                Token::Name(target),
                Token::Sign("."),
                Token::Name(attribute),
                rest @ ..,
            ] => {
                let block = self
                    .block
                    .as_ref()
                    .is_some_and(|block| block.word == *target);
                if block || target == "self" {
                    self.attribute(attribute, rest);
                } else if let Some(mut known) = self.files.remove(target) {
                    known = postfix(known, &words[1..], &self.files).0;
                    known.whole &= !self.uncertain;
                    self.files.insert(target.clone(), known);
                }
            }
            [
                Token::Name(name),
                Token::Sign(sign @ ("=" | "+=" | "-=")),
                rest @ ..,
            ] => {
                let mut value = sum(rest, &self.files);
                value.whole &= !self.uncertain;
                let is_list = !value.globs.is_empty() || !value.excludes.is_empty();
                match (*sign, self.files.get_mut(name)) {
                    ("=", _) if is_list => drop(self.files.insert(name.clone(), value)),
                    ("+=", Some(known)) => known.add(value),
                    ("-=", Some(known)) => {
                        known.whole &= value.whole;
                        known.excludes.extend(value.globs);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Notes a test task that begins here.
    fn test_task(&mut self, words: &[&Token], indent: usize) -> bool {
        let found = words.windows(3).position(|three| match three {
            [Token::Name(class), Token::Sign("."), Token::Name(new)] => {
                class.ends_with("TestTask") && matches!(new.as_str(), "new" | "create")
            }
            _ => false,
        });
        let Some(at) = found else {
            return false;
        };
        let minitest = matches!(words[at], Token::Name(class) if class.starts_with("Minitest") || class.starts_with("MiniTest"));
        let rest = &words[at + 3..];
        let opens = rest.iter().position(|it| opens(it));
        let arguments = &rest[..opens.unwrap_or(rest.len())];
        let said = arguments
            .iter()
            .find(|it| !matches!(it, Token::Sign("(" | ")")));
        let label = arguments
            .iter()
            .any(|it| matches!(it, Token::Sign(":" | "=>")));
        let name = match said {
            None => Some("test"),
            Some(Token::Name(_)) if !label => None,
            Some(said) => named(said),
        };
        self.said.push(Statement::Task {
            name: name.unwrap_or_default().to_owned(),
            minitest,
        });
        match name {
            None => self.said.push(Statement::Computed),
            Some(name) if self.uncertain => self.said.push(Statement::Unsure(name.to_owned())),
            Some(_) => {}
        }
        if let (Some(name), Some(at)) = (
            name,
            arguments
                .iter()
                .position(|it| matches!(it, Token::Sign(":" | "=>"))),
        ) {
            self.needs(name, &arguments[at..]);
        }
        if let Some(opens) = opens {
            let (parameter, body) = parameters(&rest[opens + 1..]);
            self.block = Some(Block::new(parameter, indent));
            if self.inline(body, indent) {
                self.block = None;
            } else if let Some(block) = &mut self.block {
                block.inline = !body.is_empty();
            }
        }
        true
    }

    /// Reads the body of a block that begins in its first line; true where it ends there, too.
    pub(super) fn inline(&mut self, words: &[&Token], indent: usize) -> bool {
        let (rest, closed) = body(words);
        if !rest.is_empty() {
            self.one(rest, indent + 1);
        }
        closed
    }
}

/// Tells whether a block begins here.
pub(super) fn opens(word: &Token) -> bool {
    matches!(word, Token::Name(name) if name == "do") || *word == Token::Sign("{")
}

/// Cuts the parameters of a block off: the first one, and what is behind them.
pub(super) fn parameters<'a, 'b>(words: &'b [&'a Token]) -> (String, &'b [&'a Token]) {
    match words {
        [Token::Sign("|"), Token::Name(parameter), rest @ ..] => {
            let end = rest.iter().position(|it| **it == Token::Sign("|"));
            (
                parameter.clone(),
                &rest[end.map_or(rest.len(), |end| end + 1)..],
            )
        }
        words => (String::new(), words),
    }
}

/// The name that a word is.
pub(super) fn named(token: &Token) -> Option<&str> {
    match token {
        Token::Text(name, true) | Token::Symbol(name) | Token::Name(name) => Some(name),
        _ => None,
    }
}
