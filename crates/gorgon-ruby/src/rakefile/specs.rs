//! Which files a task of RSpec names: what `rake spec` runs.

use std::collections::HashMap;

use super::lists::sum;
use super::tokens::{Token, tokens};
use super::words::{cut, named, opens, parameters};

/// The class of RSpec's tasks.
const TASK: &str = "RSpec::Core::RakeTask";
/// What its task is called where nothing names it.
const NAME: &str = "spec";
/// Options of RSpec that change what is printed, or that have no effect here anyway; those of the second list have a value.
const OF_LOOKS: [&str; 10] = [
    "--fail-fast",
    "--no-fail-fast",
    "--color",
    "--colour",
    "--no-color",
    "--no-colour",
    "--force-color",
    "-c",
    "--backtrace",
    "-b",
];
const OF_LOOKS_WITH_VALUE: [&str; 5] = ["--format", "-f", "--out", "-o", "--profile"];

/// A task of RSpec.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Spec {
    pub(super) name: String,
    /// The patterns that it names; none where it names none, or not in literals.
    patterns: Vec<String>,
    /// It says which files it runs.
    has_pattern: bool,
    /// Options that it gives to RSpec and to Ruby, but for those that change what is printed.
    pub(super) options: Vec<String>,
}

impl Spec {
    /// Tells whether it is the task `spec`.
    pub(super) fn is_usual(&self) -> bool {
        self.name == NAME
    }

    /// Tells whether its files run here.
    pub(super) fn runs_here(&self) -> bool {
        self.is_usual() || !self.has_pattern
    }
}

/// Returns the patterns of the task `spec`; none where it names none, or not in literals.
pub(super) fn patterns(text: &str) -> Vec<String> {
    let found = specs(text).into_iter().rev();
    let mut found = found.filter(|it| it.name == NAME).map(|it| it.patterns);
    found.find(|it| !it.is_empty()).unwrap_or_default()
}

/// Reads the tasks of RSpec.
pub(super) fn specs(text: &str) -> Vec<Spec> {
    let tokens = tokens(text);
    let mut found: Vec<Spec> = Vec::new();
    // The parameter of the block of the last task.
    let mut open: Option<String> = None;
    for words in cut(&tokens) {
        let words: Vec<&Token> = words
            .iter()
            .filter(|it| !matches!(it, Token::Line(_)))
            .collect();
        let mut words = &words[..];
        let begins = words.windows(3).position(|three| {
            matches!(three, [Token::Name(class), Token::Sign("."), Token::Name(new)] if class == TASK && new == "new")
        });
        if let Some(at) = begins {
            let rest = &words[at + 3..];
            let start = rest.iter().position(|it| opens(it));
            let arguments = &rest[..start.unwrap_or(rest.len())];
            let name = arguments.iter().find_map(|it| named(it)).unwrap_or(NAME);
            found.push(Spec {
                name: name.to_owned(),
                ..Spec::default()
            });
            open = None;
            let Some(start) = start else {
                continue;
            };
            let (parameter, body) = parameters(&rest[start + 1..]);
            open = Some(parameter);
            words = body;
        }
        let [
            Token::Name(target),
            Token::Sign("."),
            Token::Name(attribute),
            Token::Sign("=" | "<<" | "+="),
            value @ ..,
        ] = words
        else {
            continue;
        };
        let Some(spec) = found.last_mut().filter(|_| open.as_ref() == Some(target)) else {
            continue;
        };
        let end = value.iter().position(|it| **it == Token::Sign("}"));
        let value = &value[..end.unwrap_or(value.len())];
        match attribute.as_str() {
            "pattern" | "test_files" => {
                let files = sum(value, &HashMap::new());
                spec.has_pattern = true;
                if attribute == "pattern" && files.whole && files.excludes.is_empty() {
                    spec.patterns = files.globs;
                }
            }
            "rspec_opts" | "ruby_opts" => {
                let texts = value.iter().filter_map(|it| match it {
                    Token::Text(text, _) => Some(text.as_str()),
                    _ => None,
                });
                spec.options.extend(telling(texts));
            }
            _ => {}
        }
    }
    found
}

/// The options that change how tests run.
fn telling<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut words = texts.flat_map(str::split_whitespace).peekable();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let name = word.split('=').next().unwrap_or(word);
        if OF_LOOKS_WITH_VALUE.contains(&name) {
            words.next_if(|it| name == word && !it.starts_with('-'));
        } else if !OF_LOOKS.contains(&word)
            && !word.starts_with("-f")
            && !matches!(word, "-w" | "-W" | "--warnings")
        {
            found.push(word.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::patterns;

    #[test]
    fn the_task_spec_says_its_pattern() {
        for (text, expected) in [
            ("RSpec::Core::RakeTask.new", &[][..]),
            (
                "RSpec::Core::RakeTask.new do |t|\n  t.pattern = 'specs/**/*_spec.rb'\nend\n",
                &["specs/**/*_spec.rb"],
            ),
            (
                "RSpec::Core::RakeTask.new(:spec) { |t| t.pattern = 'a/*.rb' }",
                &["a/*.rb"],
            ),
            (
                "RSpec::Core::RakeTask.new(:spec) do |t|\n  t.pattern = FileList['a/*.rb', 'b/*.rb']\nend\nRSpec::Core::RakeTask.new(:slow) do |t|\n  t.pattern = 'slow/*.rb'\nend\n",
                &["a/*.rb", "b/*.rb"],
            ),
            ("RSpec::Core::RakeTask.new { |t| t.pattern = files }", &[]),
            (
                "# RSpec::Core::RakeTask.new { |t| t.pattern = 'a/*.rb' }",
                &[],
            ),
        ] {
            assert_eq!(patterns(text), expected, "{text}");
        }
    }
}
