//! What a Rakefile sets in the environment as it is loaded: its test tasks start Ruby in that.

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

/// What is set, the last value of each.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) variables: Vec<Variable>,
    /// Something is set that cannot be told.
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
    /// Notes `ENV['X'] = 'value'` outside of tasks.
    pub(super) fn environment(&mut self, words: &[&Token], indent: usize) {
        if self.plain.is_some() || self.block.is_some() {
            return;
        }
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
                // What stands in a block or behind a condition may not happen.
                let literal = match value {
                    [Token::Text(value, true)] => Some(Some(value.clone())),
                    [Token::Name(nil)] if nil == "nil" => Some(None),
                    _ => None,
                };
                let certain = indent == 0 && !self.uncertain && is_env(words[0]);
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
        self.said.push(Statement::Variable(found));
    }
}

fn is_env(word: &Token) -> bool {
    matches!(word, Token::Name(name) if name == "ENV")
}
