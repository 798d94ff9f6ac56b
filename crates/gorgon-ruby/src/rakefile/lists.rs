//! Lists of files as a Rakefile writes them: literals, globs, what is added and what is taken off.

use std::collections::HashMap;

use super::tokens::Token;

/// Files that a task names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) globs: Vec<String>,
    pub(super) excludes: Vec<String>,
    /// Names among the globs that Rake does not look for: it runs these files, or fails.
    pub(super) named: Vec<String>,
    /// All that is said of them was understood.
    pub(super) whole: bool,
}

impl Files {
    pub(super) fn nothing() -> Self {
        Self {
            whole: true,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, more: Self) {
        self.globs.extend(more.globs);
        self.excludes.extend(more.excludes);
        self.named.extend(more.named);
        self.whole &= more.whole;
    }
}

/// Reads lists of files, added to each other and taken off.
pub(super) fn sum(words: &[&Token], known: &HashMap<String, Files>) -> Files {
    let mut all = Files::nothing();
    let (mut rest, mut off) = (words, false);
    while let Some(first) = rest.first() {
        match first {
            Token::Sign("+" | "," | "|" | "<<" | "*") => (off, rest) = (false, &rest[1..]),
            Token::Sign("-") => (off, rest) = (true, &rest[1..]),
            Token::Name(name) if matches!(name.as_str(), "if" | "unless" | "and" | "or") => break,
            _ => {
                let (mut value, after) = term(rest, known);
                if off {
                    value.excludes.append(&mut value.globs);
                    value.named.clear();
                }
                all.add(value);
                rest = if after.len() < rest.len() {
                    after
                } else {
                    &rest[1..]
                };
            }
        }
    }
    all
}

/// Reads one list of files, and what is done to it.
fn term<'a, 'b>(
    words: &'b [&'a Token],
    known: &HashMap<String, Files>,
) -> (Files, &'b [&'a Token]) {
    let literal = |text: &str| Files {
        globs: vec![text.to_owned()],
        named: Some(text.to_owned())
            .filter(|it| !is_glob(it))
            .into_iter()
            .collect(),
        ..Files::nothing()
    };
    let listed = |list: &str, mut files: Files| {
        // `Dir['gone.rb']` is empty; a list of files has it.
        if !list.ends_with("FileList") {
            files.named.clear();
        }
        files
    };
    let (value, rest) = match words {
        [Token::Text(text, true), rest @ ..] => (literal(text), rest),
        [Token::Text(_, false), rest @ ..] => (Files::default(), rest),
        [Token::Sign("[" | "("), ..] => {
            let (inside, rest) = brackets(words);
            (sum(inside, known), rest)
        }
        [Token::Name(list), Token::Sign("["), ..] if is_list(list) => {
            let (inside, rest) = brackets(&words[1..]);
            (listed(list, sum(inside, known)), rest)
        }
        [
            Token::Name(list),
            Token::Sign("."),
            Token::Name(glob),
            rest @ ..,
        ] if is_list(list) && matches!(glob.as_str(), "glob" | "new" | "[]") => match rest {
            [Token::Sign("("), ..] => {
                let (inside, rest) = brackets(rest);
                (listed(list, sum(inside, known)), rest)
            }
            rest => (listed(list, sum(rest, known)), &rest[rest.len()..]),
        },
        [
            Token::Name(file),
            Token::Sign("."),
            Token::Name(join),
            rest @ ..,
        ] if file == "File"
            && matches!(join.as_str(), "join" | "expand_path")
            && matches!(rest.first(), Some(Token::Sign("("))) =>
        {
            let (inside, rest) = brackets(rest);
            let texts = inside.iter().filter_map(|it| match it {
                Token::Text(text, true) => Some(text.as_str()),
                _ => None,
            });
            let texts: Vec<&str> = texts.collect();
            let path = texts.join("/");
            let path = if join == "expand_path" {
                path.strip_prefix("../").unwrap_or(&path)
            } else {
                &path
            };
            (literal(path), rest)
        }
        // `scope('test/**/*_test.rb')`, of a function that puts the project's directory before it.
        [
            Token::Name(_),
            Token::Sign("("),
            Token::Text(text, true),
            Token::Sign(")"),
            rest @ ..,
        ] => (literal(text), rest),
        [Token::Name(name), rest @ ..] => match known.get(name) {
            Some(files) => (files.clone(), rest),
            None => (Files::default(), rest),
        },
        [_, rest @ ..] => (Files::default(), rest),
        [] => (Files::nothing(), words),
    };
    postfix(value, rest, known)
}

/// Applies the methods that are called on a list.
pub(super) fn postfix<'a, 'b>(
    mut value: Files,
    words: &'b [&'a Token],
    known: &HashMap<String, Files>,
) -> (Files, &'b [&'a Token]) {
    let mut rest = words;
    while let [Token::Sign("." | "&."), Token::Name(method), after @ ..] = rest {
        let (arguments, after) = match after {
            [Token::Sign("(" | "{"), ..] => brackets(after),
            after => (&[][..], after),
        };
        match method.as_str() {
            "sort" | "to_a" | "to_ary" | "uniq" | "flatten" | "shuffle" | "dup" | "freeze" => {}
            "exclude" => {
                let mut off = sum(
                    if arguments.is_empty() {
                        after
                    } else {
                        arguments
                    },
                    known,
                );
                value.whole &= off.whole;
                value.excludes.append(&mut off.globs);
            }
            "include" | "add" => value.add(sum(
                if arguments.is_empty() {
                    after
                } else {
                    arguments
                },
                known,
            )),
            _ => value.whole = false,
        }
        rest = after;
    }
    (value, rest)
}

/// What stands between the brackets at the beginning, and what comes behind them.
fn brackets<'a, 'b>(words: &'b [&'a Token]) -> (&'b [&'a Token], &'b [&'a Token]) {
    let mut depth = 0;
    for (at, token) in words.iter().enumerate() {
        match token {
            Token::Sign("(" | "[" | "{") => depth += 1,
            Token::Sign(")" | "]" | "}") => {
                depth -= 1;
                if depth == 0 {
                    return (&words[1..at], &words[at + 1..]);
                }
            }
            _ => {}
        }
    }
    (words.get(1..).unwrap_or_default(), &words[words.len()..])
}

/// Tells whether a name is looked for, not taken as it is.
pub(super) fn is_glob(name: &str) -> bool {
    name.contains(['*', '?', '[', '{'])
}

fn is_list(name: &str) -> bool {
    matches!(name, "FileList" | "Rake::FileList" | "Dir" | "Pathname")
}
