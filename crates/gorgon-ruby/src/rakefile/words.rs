//! What the statements of a Rakefile say of test tasks: their files, their load path, what they need.

use std::collections::HashMap;

use super::lists::{Files, postfix, sum};
use super::options::{RubyOptions, required};
use super::tokens::{Token, tokens};

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    /// A test task begins.
    Task { name: String, minitest: bool },
    /// The name of the last test task.
    Name(String),
    /// Files of the last test task; `more`: besides those said before.
    Files { files: Files, more: bool },
    /// Load path of the last test task; `first`: before what was said.
    Libs {
        libs: Vec<String>,
        more: bool,
        first: bool,
    },
    /// Options of Ruby for the last test task; `more`: besides those said before.
    Options { options: RubyOptions, more: bool },
    /// A task needs others.
    Needs { name: String, needs: Vec<String> },
    /// A plain task runs a file by `ruby`.
    Script {
        name: String,
        path: String,
        options: RubyOptions,
    },
    /// Hoe makes the tasks.
    Hoe,
}

/// Reads the statements of a text.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    let tokens = tokens(text);
    let mut reader = Reader {
        files: HashMap::new(),
        said: Vec::new(),
        block: None,
        plain: None,
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

struct Reader {
    /// Lists of files that have a name.
    files: HashMap<String, Files>,
    said: Vec<Statement>,
    /// The block of a test task: its parameter, and how far its beginning is indented.
    block: Option<(String, usize)>,
    /// A plain task whose block may start others by name.
    plain: Option<(String, usize)>,
}

impl Reader {
    fn statement(&mut self, words: &[Token], indent: usize) {
        let words: Vec<&Token> = words
            .iter()
            .filter(|it| !matches!(it, Token::Line(_)))
            .collect();
        let closes =
            |open: &Option<(String, usize)>| open.as_ref().is_some_and(|(_, at)| indent <= *at);
        if matches!(words.first(), Some(Token::Name(name)) if name == "end")
            || matches!(words.first(), Some(Token::Sign("}")))
        {
            if closes(&self.block) {
                self.block = None;
            }
            if closes(&self.plain) {
                self.plain = None;
            }
            return;
        }
        if !asks_environment(&words) {
            self.invoked(&words);
            self.script(&words);
        }
        if self.test_task(&words, indent) {
            return;
        }
        if asks_environment(&words) || self.plain_task(&words, indent) {
            return;
        }
        match words.as_slice() {
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
                    .is_some_and(|(parameter, _)| parameter == target);
                if block || target == "self" {
                    self.attribute(attribute, rest);
                } else if let Some(mut known) = self.files.remove(target) {
                    known = postfix(known, &words[1..], &self.files).0;
                    self.files.insert(target.clone(), known);
                }
            }
            [
                Token::Name(name),
                Token::Sign(sign @ ("=" | "+=" | "-=")),
                rest @ ..,
            ] => {
                let value = sum(rest, &self.files);
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
        let opens = rest.iter().position(|it| {
            matches!(it, Token::Name(name) if name == "do") || **it == Token::Sign("{")
        });
        let arguments = &rest[..opens.unwrap_or(rest.len())];
        let name = arguments.iter().find_map(|it| named(it)).unwrap_or("test");
        self.said.push(Statement::Task {
            name: name.to_owned(),
            minitest,
        });
        let Some(opens) = opens else {
            return true;
        };
        let body = &rest[opens + 1..];
        let (parameter, body) = match body {
            [Token::Sign("|"), Token::Name(parameter), rest @ ..] => {
                let end = rest.iter().position(|it| **it == Token::Sign("|"));
                (
                    parameter.clone(),
                    &rest[end.map_or(rest.len(), |end| end + 1)..],
                )
            }
            body => (String::new(), body),
        };
        self.block = Some((parameter, indent));
        // A block of one line.
        if !body.is_empty() {
            let end = body.iter().rposition(|it| **it == Token::Sign("}"));
            let body: Vec<Token> = body[..end.unwrap_or(body.len())]
                .iter()
                .map(|it| (*it).clone())
                .collect();
            self.statement(&body, indent + 1);
            self.block = None;
        }
        true
    }

    /// Notes what a plain task needs: `task test: [:units]`, `task 'test' => 'units'`.
    fn plain_task(&mut self, words: &[&Token], indent: usize) -> bool {
        let [Token::Name(task), rest @ ..] = words else {
            return false;
        };
        // `task` may be the parameter of a block.
        let is_task = matches!(task.as_str(), "task" | "multitask");
        if !is_task || matches!(rest.first(), Some(Token::Sign("." | "="))) {
            return false;
        }
        let rest = match rest {
            [Token::Sign("("), rest @ ..] => rest,
            rest => rest,
        };
        let Some(name) = rest.first().and_then(|it| named(it)) else {
            return true;
        };
        let opens = rest
            .iter()
            .any(|it| matches!(it, Token::Name(name) if name == "do") || **it == Token::Sign("{"));
        let arrow = rest
            .iter()
            .position(|it| matches!(it, Token::Sign("=>" | ":")));
        let until = rest
            .iter()
            .position(|it| matches!(it, Token::Name(name) if name == "do"));
        let needs = arrow.map_or(&[][..], |arrow| {
            &rest[arrow..until.unwrap_or(rest.len()).max(arrow)]
        });
        let needs = needs.iter().filter_map(|it| match it {
            Token::Name(_) | Token::Sign(_) | Token::Line(_) => None,
            other => named(other).map(str::to_owned),
        });
        self.said.push(Statement::Needs {
            name: name.to_owned(),
            needs: needs.collect(),
        });
        if opens {
            self.plain = Some((name.to_owned(), indent));
        }
        true
    }

    /// Notes `Rake::Task['units'].invoke` in the block of a plain task.
    fn invoked(&mut self, words: &[&Token]) {
        let Some((plain, _)) = &self.plain else {
            return;
        };
        let needs: Vec<String> = words
            .windows(3)
            .filter_map(|three| match three {
                [Token::Name(class), Token::Sign("[" | "("), text]
                    if class == "Rake::Task" || class == "Task" =>
                {
                    named(text).map(str::to_owned)
                }
                _ => None,
            })
            .collect();
        if !needs.is_empty() {
            let name = plain.clone();
            self.said.push(Statement::Needs { name, needs });
        }
    }

    /// Notes `ruby 'test/all.rb'` and `sh 'ruby -Itest test/all.rb'` in the block of a plain task.
    fn script(&mut self, words: &[&Token]) {
        let (Some((plain, _)), [Token::Name(method), rest @ ..]) = (&self.plain, words) else {
            return;
        };
        let rest = match rest {
            [Token::Sign("("), rest @ ..] => rest,
            rest => rest,
        };
        let texts = rest.iter().filter(|it| ***it != Token::Sign(","));
        let mut said = texts
            .map_while(|it| match it {
                Token::Text(text, true) => Some(text.as_str()),
                _ => None,
            })
            .flat_map(str::split_whitespace)
            .peekable();
        let is_ruby = match method.as_str() {
            "ruby" => true,
            "sh" | "system" => said.next_if_eq(&"ruby").is_some(),
            _ => false,
        };
        if !is_ruby {
            return;
        }
        let mut options = RubyOptions::default();
        let path = options.take(&mut said).filter(|it| it.ends_with(".rb"));
        if let Some(path) = path {
            self.said.push(Statement::Script {
                name: plain.clone(),
                path: path.strip_prefix("./").unwrap_or(path).to_owned(),
                options,
            });
        }
    }

    /// What the block says of its task.
    fn attribute(&mut self, attribute: &str, rest: &[&Token]) {
        let (sign, value) = match rest {
            [Token::Sign(sign @ ("=" | "+=" | "<<" | "-=")), value @ ..] => (*sign, value),
            [Token::Sign("."), Token::Name(method), value @ ..] => match method.as_str() {
                "push" | "concat" | "append" | "include" | "add" => ("+=", value),
                "unshift" | "prepend" => ("first", value),
                "exclude" => ("-=", value),
                _ => return,
            },
            _ => return,
        };
        match attribute {
            "name" => {
                if let Some(name) = value.first().and_then(|it| named(it)) {
                    self.said.push(Statement::Name(name.to_owned()));
                }
            }
            "pattern" | "test_files" | "test_globs" => {
                let mut files = sum(value, &self.files);
                if sign == "-=" {
                    files.excludes.append(&mut files.globs);
                }
                self.said.push(Statement::Files {
                    files,
                    more: sign != "=",
                });
            }
            "libs" | "loader_libs" => self.said.push(Statement::Libs {
                libs: sum(value, &self.files).globs,
                more: sign != "=",
                first: sign == "first",
            }),
            "ruby_opts" => self.said.push(Statement::Options {
                options: RubyOptions::of_texts(value),
                more: sign != "=",
            }),
            "test_prelude" => {
                let texts = value.iter().filter_map(|it| match it {
                    Token::Text(text, true) => Some(text.as_str()),
                    _ => None,
                });
                let options = RubyOptions {
                    requires: texts.flat_map(required).collect(),
                    ..RubyOptions::default()
                };
                let more = sign != "=";
                self.said.push(Statement::Options { options, more });
            }
            _ => {}
        }
    }
}

/// Tells whether a statement holds only where a variable is set, which as a rule is not.
fn asks_environment(words: &[&Token]) -> bool {
    words.windows(2).skip(1).any(|two| {
        matches!(two, [Token::Name(when), Token::Name(variables)] if when == "if" && variables == "ENV")
    })
}

/// The name that a word is.
fn named(token: &Token) -> Option<&str> {
    match token {
        Token::Text(name, true) | Token::Symbol(name) | Token::Name(name) => Some(name),
        _ => None,
    }
}
