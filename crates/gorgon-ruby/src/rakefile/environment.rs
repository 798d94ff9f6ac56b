//! What a Rakefile sets in the environment, as it is loaded or in the plain tasks that `rake test` runs: its test tasks
//! start Ruby in that.

use gorgon_proto::job::Variable;

use super::tokens::Token;
use super::words::{Reader, Statement};

/// Methods of `ENV` that change it.
const CHANGES: [&str; 9] = [
    "store",
    "update",
    "merge!",
    "delete",
    "replace",
    "clear",
    "delete_if",
    "keep_if",
    "reject!",
];

/// Methods that define a task.
const TASKS: [&str; 3] = ["task", "multitask", "file"];

/// What is set, the last value of each.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) variables: Vec<Variable>,
    /// A variable is set whose name or value the text does not tell.
    pub(super) is_vague: bool,
}

impl Environment {
    pub(super) fn set(&mut self, variable: Option<Variable>) {
        let Some(variable) = variable else {
            self.is_vague = true;
            return;
        };
        let known = self
            .variables
            .iter()
            .position(|it| it.name == variable.name);
        match known {
            // It has a value by then.
            Some(at) if variable.unless_set && self.variables[at].value.is_some() => {}
            Some(at) => self.variables[at] = variable,
            None => self.variables.push(variable),
        }
    }
}

impl Reader {
    /// Notes `ENV['X'] = 'value'`.
    pub(super) fn environment(&mut self, words: &[&Token], indent: usize) {
        // The body of a task that begins here is read by itself.
        let begins = words.iter().enumerate().any(|(at, it)| match it {
            Token::Name(name) if at == 0 => TASKS.contains(&name.as_str()),
            Token::Name(name) => name.ends_with("Task"),
            _ => false,
        });
        if begins || self.block.is_some() {
            return;
        }
        let task = self.plain.as_ref().map(|it| it.word.clone());
        // A statement in another block may never run.
        let stands_free = task.is_some() || indent == 0;
        let Some(rest) = words
            .iter()
            .position(|it| is_env(it))
            .map(|at| &words[at + 1..])
        else {
            return;
        };
        let found = match rest {
            [
                Token::Sign("["),
                Token::Text(name, true),
                Token::Sign("]"),
                rest @ ..,
            ] => {
                let (unless_set, value) = match rest {
                    [Token::Sign("="), value @ ..] => (false, value),
                    [Token::Sign("||"), Token::Sign("="), value @ ..] => (true, value),
                    _ => return,
                };
                let literal = match value {
                    [Token::Text(value, true)] => Some(Some(value.clone())),
                    [Token::Name(nil)] if nil == "nil" => Some(None),
                    _ => None,
                };
                let certain = stands_free && !self.uncertain && is_env(words[0]);
                literal.filter(|_| certain).map(|value| Variable {
                    name: name.clone(),
                    value,
                    unless_set,
                })
            }
            [Token::Sign("["), rest @ ..] => {
                let end = rest.iter().position(|it| **it == Token::Sign("]"));
                match end.map_or(&[][..], |end| &rest[end + 1..]) {
                    [Token::Sign("="), ..] | [Token::Sign("||"), Token::Sign("="), ..] => None,
                    _ => return,
                }
            }
            [Token::Sign("."), Token::Name(method), ..] if CHANGES.contains(&method.as_str()) => {
                None
            }
            _ => return,
        };
        self.said.push(Statement::Variable {
            task,
            variable: found,
        });
    }
}

fn is_env(word: &Token) -> bool {
    matches!(word, Token::Name(name) if name == "ENV")
}

#[cfg(test)]
mod tests;
