//! What the block of a test task says of it: `t.libs << 'test'`.

use super::lists::sum;
use super::options::{RubyOptions, is_vague, required};
use super::tokens::Token;
use super::words::{Reader, Statement, named};

impl Reader {
    /// What the block says of its task.
    pub(super) fn attribute(&mut self, attribute: &str, rest: &[&Token]) {
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
            // Of the last test task, whatever its name.
            "loader" if matches!(value, [Token::Symbol(loader)] if loader == "direct") => {
                self.said.push(Statement::Direct);
            }
            "warning" => self.said.push(Statement::Warning(match value {
                [Token::Name(name)] if name == "true" && !self.uncertain => Some(true),
                [Token::Name(name)]
                    if matches!(name.as_str(), "false" | "nil") && !self.uncertain =>
                {
                    Some(false)
                }
                _ => None,
            })),
            "deps" => self.needs("", value),
            "pattern" | "test_files" | "test_globs" => {
                let mut files = sum(value, &self.files);
                files.whole &= !self.uncertain;
                if sign == "-=" {
                    files.excludes.append(&mut files.globs);
                }
                self.said.push(Statement::Files {
                    files,
                    more: sign != "=",
                    pattern: attribute == "pattern",
                });
            }
            "libs" | "loader_libs" => self.said.push(Statement::Libs {
                libs: sum(value, &self.files),
                more: sign != "=",
                first: sign == "first",
            }),
            "ruby_opts" => self.said.push(Statement::Options {
                options: RubyOptions::of_texts(value),
                more: sign != "=",
                vague: is_vague(value),
            }),
            "options" | "extra_args" => {
                let texts = value.iter().filter_map(|it| match it {
                    Token::Text(text, _) => Some(text.as_str()),
                    _ => None,
                });
                self.said.push(Statement::FrameworkOptions {
                    options: texts.collect::<Vec<_>>().join(" "),
                    more: sign != "=",
                });
            }
            "framework" => {
                let requires = match value {
                    [Token::Text(text, true)] => Some(required(text)),
                    _ => None,
                };
                let certain = sign == "=" && !self.uncertain;
                self.said
                    .push(Statement::Framework(requires.filter(|_| certain)));
            }
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
                self.said.push(Statement::Options {
                    options,
                    more,
                    vague: false,
                });
                let prelude = match value {
                    [Token::Text(text, true)] if !more && !self.uncertain => Some(text.clone()),
                    _ => None,
                };
                self.said.push(Statement::Prelude(prelude));
            }
            _ => {}
        }
    }
}
