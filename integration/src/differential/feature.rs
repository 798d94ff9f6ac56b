//! A cucumber feature: its scenarios, and the steps of each.

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its words, without `Given`, `When` or `And`.
    pub words: String,
    /// The text between `"""`, if any.
    pub text: Option<String>,
}

/// A scenario with the steps of its feature's background before its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What it is called.
    pub name: String,
    /// Line of its first word.
    pub line: usize,
    /// Its steps.
    pub steps: Vec<Step>,
}

const KEYWORDS: [&str; 6] = ["Given ", "When ", "Then ", "And ", "But ", "* "];

/// Reads the scenarios of a feature. Rows of tables are left out: no step that makes or runs something has any.
#[must_use]
pub fn scenarios(text: &str) -> Vec<Scenario> {
    let mut background: Vec<Step> = Vec::new();
    let mut found: Vec<Scenario> = Vec::new();
    let mut in_background = false;
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let words = line.trim();
        if words.starts_with("Background:") {
            in_background = true;
        } else if let Some(name) = words
            .strip_prefix("Scenario:")
            .or_else(|| words.strip_prefix("Scenario Outline:"))
        {
            in_background = false;
            found.push(Scenario {
                name: name.trim().to_owned(),
                line: number + 1,
                steps: background.clone(),
            });
        } else if words.starts_with("\"\"\"") {
            let indent = line.len() - line.trim_start().len();
            let mut text = String::new();
            for (_, line) in lines.by_ref() {
                if line.trim() == "\"\"\"" {
                    break;
                }
                let cut = line
                    .char_indices()
                    .take_while(|(at, letter)| *at < indent && *letter == ' ')
                    .count();
                text.push_str(&line[cut..].replace("\\\"", "\""));
                text.push('\n');
            }
            let steps = if in_background {
                Some(&mut background)
            } else {
                found.last_mut().map(|scenario| &mut scenario.steps)
            };
            if let Some(step) = steps.and_then(|steps| steps.last_mut()) {
                step.text = Some(text);
            }
        } else if let Some(step) = KEYWORDS.iter().find_map(|key| words.strip_prefix(key)) {
            let step = Step {
                words: step.trim().to_owned(),
                text: None,
            };
            if in_background {
                background.push(step);
            } else if let Some(scenario) = found.last_mut() {
                scenario.steps.push(step);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEATURE: &str = r#"Feature: files

  When one is named, prose begins so too.

  Background:
    Given a file named "a.rb" with:
      """ruby
      one
        two
      """

  @tag
  Scenario: the first
    When I run `rspec a.rb`
    Then the output should contain:
      """
      1 example
      """

  Scenario: the second
    Given a directory named "x"
"#;

    #[test]
    fn a_background_comes_before_each_scenario() {
        let found = scenarios(FEATURE);
        let names: Vec<_> = found.iter().map(|it| (it.name.as_str(), it.line)).collect();
        assert_eq!(names, [("the first", 13), ("the second", 20)]);
        let words: Vec<_> = found[0].steps.iter().map(|it| it.words.as_str()).collect();
        assert_eq!(
            words,
            [
                "a file named \"a.rb\" with:",
                "I run `rspec a.rb`",
                "the output should contain:"
            ]
        );
        assert_eq!(found[0].steps[0].text.as_deref(), Some("one\n  two\n"));
        assert_eq!(found[1].steps.len(), 2);
    }
}
