//! Plain tasks: what they need, start and change.

use super::actions::{acts, command};
use super::blocks::Block;
use super::tokens::Token;
use super::words::{Reader, Statement, named, opens, parameters};

impl Reader {
    /// Notes what a plain task needs: `task test: [:units]`, `task 'test' => 'units'`.
    pub(super) fn plain_task(&mut self, words: &[&Token], indent: usize) -> bool {
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
        let literal = rest.first().filter(|first| {
            let is_label = matches!(rest.get(1), Some(Token::Sign(":")));
            is_label || !matches!(first, Token::Name(_))
        });
        let Some(name) = literal.and_then(|it| named(it)) else {
            self.said.push(Statement::Computed);
            return true;
        };
        let name = name.to_owned();
        let arrow = rest
            .iter()
            .position(|it| matches!(it, Token::Sign("=>" | ":")));
        let until = rest.iter().position(|it| opens(it)).unwrap_or(rest.len());
        let needs = arrow.map_or(&[][..], |arrow| &rest[arrow.min(until)..until]);
        self.needs(&name, needs);
        self.opened(name, rest, indent);
        true
    }

    /// Notes `Rake::Task[:test].enhance([:units])`, and that other changes of a task cannot be told.
    pub(super) fn enhanced(&mut self, words: &[&Token], indent: usize) -> bool {
        let is_change =
            |name: &str| name == "enhance" || name.starts_with("clear") || name == "prerequisites";
        let found = words.windows(2).position(
            |two| matches!(two, [Token::Sign("."), Token::Name(name)] if is_change(name)),
        );
        let is_task = |it: &&Token| {
            matches!(it, Token::Name(name)
            if name.ends_with("Task") || name == "task" || name == "Rake")
        };
        let Some(at) = found.filter(|at| words[..*at].iter().any(is_task)) else {
            return false;
        };
        let [
            Token::Name(class),
            Token::Sign("[" | "("),
            task,
            Token::Sign("]" | ")"),
        ] = &words[..at]
        else {
            // Of what cannot be told: perhaps of the task of the tests.
            self.said.push(Statement::Unsure("test".to_owned()));
            return true;
        };
        let of_task = class.ends_with("Task") || class == "task";
        match named(task).filter(|_| of_task) {
            Some(name) if matches!(words[at + 1], Token::Name(method) if method == "enhance") => {
                let rest = &words[at + 2..];
                let until = rest.iter().position(|it| opens(it)).unwrap_or(rest.len());
                self.needs(name, &rest[..until]);
                self.opened(name.to_owned(), rest, indent);
            }
            Some(name) => self.said.push(Statement::Unsure(name.to_owned())),
            None if of_task => self.said.push(Statement::Unsure("test".to_owned())),
            None => {}
        }
        true
    }

    pub(super) fn needs(&mut self, name: &str, words: &[&Token]) {
        let end = words
            .iter()
            .position(|it| matches!(it, Token::Name(name) if name == "if" || name == "unless"));
        let words = &words[..end.unwrap_or(words.len())];
        // A constant names files to be made, as a rule; not where tests are needed.
        let files = !["test", "spec", "default"]
            .iter()
            .any(|it| name.contains(it));
        let is_computed = |it: &&Token| match it {
            Token::Name(name) => !(files && name.starts_with(|c: char| c.is_ascii_uppercase())),
            Token::Text(_, literal) => !literal,
            _ => false,
        };
        if words.iter().any(is_computed) {
            self.said.push(Statement::Unsure(name.to_owned()));
        }
        let needs = words.iter().filter_map(|it| match it {
            Token::Name(_) | Token::Sign(_) | Token::Line(_) => None,
            other => named(other).map(str::to_owned),
        });
        self.said.push(Statement::Needs {
            name: name.to_owned(),
            needs: needs.collect(),
            sometimes: self.uncertain,
        });
    }

    /// Notes that the block of a plain task begins, and reads it where it stands in the same line.
    fn opened(&mut self, name: String, rest: &[&Token], indent: usize) {
        let Some(at) = rest.iter().position(|it| opens(it)) else {
            return;
        };
        let (_, body) = parameters(&rest[at + 1..]);
        self.plain = Some(Block::new(name, indent));
        if self.inline(body, indent) {
            self.plain = None;
        } else if let Some(plain) = &mut self.plain {
            plain.inline = !body.is_empty();
        }
    }

    /// Notes `Rake::Task['units'].invoke` in the block of a plain task.
    pub(super) fn invoked(&mut self, words: &[&Token]) {
        let Some(Block { word: plain, .. }) = &self.plain else {
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
            self.said.push(Statement::Needs {
                name,
                needs,
                sometimes: false,
            });
        }
    }

    /// Notes what the block of a plain task starts by a command, or does otherwise.
    pub(super) fn command(&mut self, words: &[&Token]) {
        if let Some(Block { word: plain, .. }) = &self.plain {
            match command(plain, words, &self.defined) {
                Some(command) => self.said.push(command),
                None if self.block.is_none() && acts(words) => {
                    self.said.push(Statement::Acts(plain.clone()))
                }
                None => {}
            }
        }
    }

    /// Notes what a task of RSpec needs: `RSpec::Core::RakeTask.new(spec: :compile)`.
    pub(super) fn spec_task(&mut self, words: &[&Token]) {
        let found = words.windows(2).position(
            |two| matches!(two, [Token::Name(class), Token::Sign(".")] if class == "RSpec::Core::RakeTask"),
        );
        let Some(rest) = found.and_then(|at| words.get(at + 3..)) else {
            return;
        };
        let until = rest.iter().position(|it| opens(it)).unwrap_or(rest.len());
        let arguments = &rest[..until];
        let arrow = arguments
            .iter()
            .position(|it| matches!(it, Token::Sign("=>" | ":")));
        let name = arguments.iter().find_map(|it| named(it));
        if let (Some(name), Some(arrow)) = (name, arrow) {
            self.needs(name, &arguments[arrow..]);
        }
    }

    /// Notes that a task makes a file: `file 'lib/parser.rb' => 'parser.y' do`.
    pub(super) fn file_task(&mut self, words: &[&Token]) {
        let (name, rest) = match words {
            [Token::Name(file), Token::Sign("("), name, rest @ ..]
            | [Token::Name(file), name, rest @ ..]
                if file == "file" =>
            {
                (name, rest)
            }
            _ => return,
        };
        if let (Some(name), true) = (named(name), rest.iter().any(|it| opens(it))) {
            self.said.push(Statement::Acts(name.to_owned()));
        }
    }
}
