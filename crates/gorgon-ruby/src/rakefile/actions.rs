//! What the block of a plain task starts by a command: a file that `ruby` runs, or something that cannot be told.

use super::options::RubyOptions;
use super::tokens::Token;
use super::words::Statement;

/// Methods that start a command or load a file; `ruby/rake/action.rb` has the same.
const STARTERS: [&str; 9] = [
    "sh",
    "ruby",
    "system",
    "exec",
    "spawn",
    "popen",
    "load",
    "require",
    "require_relative",
];
/// Of these modules, too.
const MODULES: [&str; 4] = ["Kernel", "IO", "Process", "Open3"];
/// RSpec's files run by RSpec's own pattern, whatever the Rakefile says.
const OTHERS: [&str; 5] = [
    "rspec",
    "-S rspec",
    "bundle exec rspec",
    "bin/rspec",
    "cucumber",
];

/// Methods that the Rakefile defines.
pub(super) fn defined(tokens: &[Token]) -> Vec<String> {
    let found = tokens.windows(2).filter_map(|two| match two {
        [Token::Name(def), Token::Name(name)] if def == "def" => Some(name.clone()),
        _ => None,
    });
    found.collect()
}

/// Reads a statement in the block of this task: `ruby 'test/all.rb'`, `sh 'ruby -Itest test/all.rb'`.
pub(super) fn command(task: &str, words: &[&Token], methods: &[String]) -> Option<Statement> {
    script(task, words)
        .or_else(|| may_test(words, methods).then(|| Statement::Unsure(task.to_owned())))
}

fn script(task: &str, words: &[&Token]) -> Option<Statement> {
    let [Token::Name(method), rest @ ..] = words else {
        return None;
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
    let mut options = RubyOptions::default();
    let path = options.take(&mut said).filter(|it| it.ends_with(".rb"));
    let path = path.filter(|_| is_ruby)?;
    Some(Statement::Script {
        name: task.to_owned(),
        path: path.strip_prefix("./").unwrap_or(path).to_owned(),
        options,
    })
}

/// Tells whether a statement may run tests.
fn may_test(words: &[&Token], methods: &[String]) -> bool {
    let starts = words.iter().enumerate().any(|(at, word)| {
        let Token::Name(name) = word else {
            return false;
        };
        let module = at >= 2
            && *words[at - 1] == Token::Sign(".")
            && matches!(words[at - 2], Token::Name(of) if MODULES.contains(&of.as_str()));
        let free = at == 0 || *words[at - 1] != Token::Sign(".");
        methods.contains(name) || (module || free) && STARTERS.contains(&name.as_str())
    });
    let texts = words.iter().filter_map(|it| match it {
        Token::Text(text, _) => Some(text.as_str()),
        _ => None,
    });
    let texts: Vec<&str> = texts.collect();
    let is_other = |text: &str| OTHERS.iter().any(|it| text.starts_with(it));
    let mut told = texts.iter().filter(|it| !is_other(it));
    // Where a command in backquotes stands, its text does.
    let backquoted = words
        .iter()
        .any(|it| matches!(it, Token::Text(text, false) if text.starts_with("ruby ")));
    backquoted
        || starts
            && (words.iter().any(|it| calls(it, methods))
                || texts.is_empty()
                || told.any(|it| mentions_tests(it)))
}

/// Words with which a statement in the block of a task begins that does nothing that tests could see.
const HARMLESS: [&str; 26] = [
    "if",
    "unless",
    "else",
    "elsif",
    "case",
    "when",
    "end",
    "begin",
    "rescue",
    "ensure",
    "puts",
    "print",
    "p",
    "pp",
    "warn",
    "require",
    "require_relative",
    "verbose",
    "next",
    "return",
    "nil",
    "true",
    "rake_output_message",
    "ENV",
    "then",
    "$stdout",
];

/// Tells whether a statement in the block of a plain task, which runs no test, does something.
pub(super) fn acts(words: &[&Token]) -> bool {
    let texts = words.iter().filter_map(|it| match it {
        Token::Text(text, _) => Some(text.as_str()),
        _ => None,
    });
    let mut texts = texts.filter(|it| !it.is_empty());
    let mut names = words.iter().filter_map(|it| match it {
        Token::Name(name) => Some(name.as_str()),
        _ => None,
    });
    if texts.any(|it| {
        OTHERS
            .iter()
            .any(|other| *other != "cucumber" && it.starts_with(other))
    }) {
        return false;
    }
    match words {
        // A value is kept.
        [Token::Name(_), Token::Sign("=" | "+=" | "<<"), ..] => {
            names.any(|it| STARTERS.contains(&it))
        }
        [Token::Name(first), ..] => {
            let invokes = first.ends_with("Task") || first == "task";
            !HARMLESS.contains(&first.as_str()) && !invokes
        }
        _ => false,
    }
}

fn calls(word: &Token, methods: &[String]) -> bool {
    matches!(word, Token::Name(name) if methods.contains(name))
}

fn mentions_tests(text: &str) -> bool {
    let plain = text.replace("gemspec", "").replace("specif", "");
    ["test", "spec", "rake"].iter().any(|it| plain.contains(it)) || text == "-e"
}
