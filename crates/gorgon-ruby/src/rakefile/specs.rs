//! Which files a task of RSpec names: what `rake spec` runs.

use std::collections::HashMap;

use super::lists::sum;
use super::tokens::{Token, tokens};
use super::words::{cut, named, opens, parameters};

/// The class of RSpec's tasks.
const TASK: &str = "RSpec::Core::RakeTask";
/// What its task is called where nothing names it.
const NAME: &str = "spec";

/// Returns the patterns of the task `spec`; none where it names none, or not in literals.
pub(super) fn patterns(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    // The parameter of the block of the task `spec`.
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
            open = None;
            let Some(start) = start.filter(|_| name == NAME) else {
                continue;
            };
            let (parameter, body) = parameters(&rest[start + 1..]);
            open = Some(parameter);
            words = body;
        }
        let value = match words {
            [
                Token::Name(target),
                Token::Sign("."),
                Token::Name(attribute),
                Token::Sign("="),
                value @ ..,
            ] if open.as_ref() == Some(target) && attribute == "pattern" => value,
            _ => continue,
        };
        let end = value.iter().position(|it| **it == Token::Sign("}"));
        let files = sum(&value[..end.unwrap_or(value.len())], &HashMap::new());
        if files.whole && files.excludes.is_empty() {
            found = files.globs;
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
