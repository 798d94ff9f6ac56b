//! What of a callbacks file does not run while it is loaded: the methods of callbacks.
//!
//! `require File.expand_path('config/environment')` in before_creating_workers loads nothing when the file is loaded
//! for another callback. Ruby's grammar is not read here: a method counts only if it looks as people write it, with its
//! `end` below its `def` and everything between them further to the right. If anything in it could be read
//! otherwise, it is taken for code that runs.

use crate::settings::Callback;

/// Begins a line whose `end` stands on a later one.
const OPENERS: [&str; 7] = ["if", "unless", "while", "until", "case", "begin", "for"];

/// Words that leave us in doubt wherever they stand.
const DOUBTFUL: [&str; 9] = [
    "def", "class", "module", "end", "BEGIN", "END", "__END__", "alias", "undef",
];

/// Returns these lines without those that stand in the methods of callbacks.
pub(super) fn without_bodies<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let mut left = Vec::with_capacity(lines.len());
    // A comment over several lines, and what is not Ruby, may look like anything.
    if lines
        .iter()
        .any(|line| line.starts_with("=begin") || *line == "__END__")
    {
        return lines.to_vec();
    }
    let mut rest = lines;
    while let Some((line, after)) = rest.split_first() {
        rest = after;
        match callback_of(line).filter(|name| occurs_once(lines, name)) {
            Some(_) => match body_length(line, after) {
                Some(length) => rest = &after[length..],
                None => left.push(*line),
            },
            None => left.push(*line),
        }
    }
    left
}

/// Returns the callback whose method begins on this line: `  def before_start # once a worker`.
fn callback_of(line: &str) -> Option<&'static str> {
    let rest = line.trim_start().strip_prefix("def ")?.trim_start();
    let callback = Callback::ALL.iter().find(|it| {
        let after = rest.strip_prefix(it.name());
        after.is_some_and(|after| {
            let after = after.trim_start();
            let after = after.strip_prefix("()").unwrap_or(after).trim_start();
            after.is_empty() || after.starts_with('#')
        })
    })?;
    Some(callback.name())
}

/// Nothing else in the file calls the method.
fn occurs_once(lines: &[&str], name: &str) -> bool {
    lines
        .iter()
        .map(|line| line.matches(name).count())
        .sum::<usize>()
        == 1
}

/// Returns how many lines belong to the method, its `end` included.
fn body_length(def: &str, lines: &[&str]) -> Option<usize> {
    let indent = indent_of(def);
    let mut depth = 0_i32;
    for (nth, line) in lines.iter().enumerate() {
        let code = line.trim();
        if code.is_empty() {
            continue;
        }
        if indent_of(line) == indent && is_end(code) {
            return (depth == 0).then_some(nth + 1);
        }
        let inner = indent_of(line).strip_prefix(indent)?;
        if inner.is_empty() {
            return None;
        }
        depth += opened(code)?;
        if depth < 0 {
            return None;
        }
    }
    None
}

fn indent_of(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

fn is_end(code: &str) -> bool {
    code.strip_prefix("end")
        .map(str::trim_start)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
}

/// Returns how many `end`s more a line asks for; none in doubt.
fn opened(code: &str) -> Option<i32> {
    let quotes = |quote| code.matches(quote).count() % 2 == 1;
    let ends_late = quotes('\'') || quotes('"') || quotes('`') || code.ends_with('\\');
    if ends_late || has_literal(code) {
        return None;
    }
    if is_end(code) {
        return Some(-1);
    }
    let mut words = code.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    if words.any(|word| DOUBTFUL.contains(&word)) {
        return None;
    }
    let first = code.split(|c: char| !c.is_alphanumeric()).next();
    let opens = first.is_some_and(|word| OPENERS.contains(&word));
    let tokens: Vec<&str> = code.split_whitespace().collect();
    let does = tokens.contains(&"do");
    Some(i32::from(opens || does))
}

/// Whether there may be a text over several lines: `<<~SQL`, `%w[`.
fn has_literal(code: &str) -> bool {
    let follows = |mark: &str, is: fn(char) -> bool| {
        code.match_indices(mark)
            .any(|(at, _)| code[at + mark.len()..].starts_with(is))
    };
    follows("<<", |c| c.is_alphabetic() || "~-_'\"`".contains(c))
        || follows("%", |c| !c.is_whitespace() && c != '=' && c != '>')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, left: &str) {
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(without_bodies(&lines).join("\n"), left, "{text}");
    }

    #[test]
    fn the_method_of_a_callback_is_left_out_from_def_to_end() {
        check(
            "class A\n  def before_start\n    load 'x'\n  end\nend",
            "class A\nend",
        );
        check("def after_sync() # once\n\tload 'x'\nend # of it\nx", "x");
        check(
            "def before_start\n  if a\n    b do |c|\n      d\n    end\n  end\n  while e do\n    f\n  end\nend\nx",
            "x",
        );
        check(
            "def before_start\n\n  a << b\n  c % d\n  begin\n    e\n  rescue F\n    raise 'it'\n  end\nend",
            "",
        );
    }

    #[test]
    fn what_may_be_read_otherwise_stays() {
        for text in [
            // Not its own method, or one that something calls.
            "def initialize\n  load 'x'\nend",
            "def self.before_start\n  load 'x'\nend",
            "def before_started\n  load 'x'\nend",
            "def before_start(x = load('x'))\nend",
            "def before_start = load('x')\nend",
            "def before_start\n  load 'x'\nend\nnew.before_start",
            "def before_start; end\n  load 'x'\nend",
            // Its end stands elsewhere.
            "def before_start\n  end\n  load 'x'\n  class B\nend",
            "def before_start\n  a end\n  load 'x'\n  if b\nend",
            "def before_start\nload 'x'\nend",
            "def before_start\n  if a then b end\n  end\n  load 'x'\nend",
            "def before_start\n  a \\\n  if b\n  end\n  load 'x'\nend",
            "def before_start\n  <<~A\n  if b\n  A\n  end\n  load 'x'\nend",
            "def before_start\n  'a\n  if b\n  '\n  end\n  load 'x'\nend",
            "def before_start\n  %w[\n  if b\n  ]\n  end\n  load 'x'\nend",
            "=begin\n=end\ndef before_start\n  load 'x'\nend",
            "def before_start\n  load 'x'",
        ] {
            check(text, text);
        }
    }
}
