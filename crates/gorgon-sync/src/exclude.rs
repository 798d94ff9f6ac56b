//! What is not synced: rsync's exclude patterns, and those files of ours that never are. Pure.

use crate::wildmatch;

/// Secrets and results; no pattern of the user brings them back.
const NEVER: [&str; 3] = ["gorgon_secret.json", "gorgon.pem", "/gorgon-artifacts/"];

/// An ordered list of patterns; the first one that matches decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excludes {
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    keep: bool,
    pattern: String,
}

impl Excludes {
    /// Takes the user's patterns, and those files that we write ourselves (reports, logs, history;
    /// paths from the project), which are never synced.
    ///
    /// A pattern is what `rsync --exclude` takes, with its prefixes `+ ` and `- `; a lone `!`
    /// forgets the user's patterns before it. One with a line break matches nothing and is left
    /// out.
    #[must_use]
    pub fn new(user: &[String], own_files: &[String]) -> Self {
        let mut rules: Vec<Rule> = NEVER.iter().map(|pattern| Rule::leave(pattern)).collect();
        rules.extend(
            own_files
                .iter()
                .filter_map(|file| own_file(file))
                .map(|p| Rule::leave(&p)),
        );
        let ours = rules.len();
        for pattern in user
            .iter()
            .filter(|pattern| !pattern.contains(['\n', '\r', '\0']))
        {
            match pattern.as_str() {
                "!" => rules.truncate(ours),
                text => rules.extend(Rule::parse(text)),
            }
        }
        Self { rules }
    }

    /// Leaves out these paths of the project besides, whatever the user's patterns say.
    pub(crate) fn and_paths<'a>(&self, paths: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut rules: Vec<Rule> = paths.map(|path| Rule::leave(&literal(path))).collect();
        rules.extend(self.rules.iter().cloned());
        Self { rules }
    }

    /// Leaves out nothing: for a copy, which has what it shall have.
    pub(crate) fn none() -> Self {
        let rules = Vec::new();
        Self { rules }
    }

    /// Returns the rules as rsync's `--exclude` and exclude files take them.
    #[must_use]
    pub fn rules(&self) -> Vec<String> {
        let sign = |keep| if keep { '+' } else { '-' };
        self.rules
            .iter()
            .map(|rule| format!("{} {}", sign(rule.keep), rule.pattern))
            .collect()
    }

    /// Returns whether a file or directory is left out, given that its directory is not.
    /// `path` is relative to the project, without `./`.
    #[must_use]
    pub fn leaves_out(&self, path: &[u8], is_directory: bool) -> bool {
        self.rules
            .iter()
            .find(|rule| rule.matches(path, is_directory))
            .is_some_and(|rule| !rule.keep)
    }
}

impl Rule {
    fn leave(pattern: &str) -> Self {
        Self {
            keep: false,
            pattern: pattern.to_owned(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (keep, pattern) = match (text.strip_prefix("+ "), text.strip_prefix("- ")) {
            (Some(pattern), _) => (true, pattern),
            (None, Some(pattern)) => (false, pattern),
            (None, None) => (false, text),
        };
        (!pattern.is_empty()).then(|| Self {
            keep,
            pattern: pattern.to_owned(),
        })
    }

    /// As `rule_matches` of rsync's exclude.c decides.
    fn matches(&self, path: &[u8], is_directory: bool) -> bool {
        let mut pattern = self.pattern.as_bytes();
        if pattern.len() > 1 && pattern.ends_with(b"/") {
            if !is_directory {
                return false;
            }
            pattern = &pattern[..pattern.len() - 1];
        }
        let any_depth = contains(pattern, b"**");
        let mut slashes = pattern.iter().filter(|byte| **byte == b'/').count();
        let mut text = path.to_vec();
        if slashes == 0 && !any_depth {
            text = path
                .rsplit(|byte| *byte == b'/')
                .next()
                .unwrap_or(path)
                .to_vec();
        } else if pattern.starts_with(b"**") {
            // Lets `**/` match at the start.
            text.insert(0, b'/');
        }
        if pattern.ends_with(b"***") && is_directory {
            // Lets a trailing `/***` match the directory itself.
            text.push(b'/');
        }
        let anchored = pattern.starts_with(b"/");
        if anchored {
            pattern = &pattern[1..];
            slashes -= 1;
        }
        if pattern.iter().any(|byte| b"*?[".contains(byte)) {
            candidates(&text, pattern, anchored, any_depth, slashes)
                .any(|candidate| wildmatch::matches(pattern, candidate))
        } else if anchored {
            text == pattern
        } else {
            text.strip_suffix(pattern)
                .is_some_and(|head| head.is_empty() || head.ends_with(b"/"))
        }
    }
}

/// The parts of a path that a pattern with wild cards is compared to.
fn candidates<'a>(
    text: &'a [u8],
    pattern: &[u8],
    anchored: bool,
    any_depth: bool,
    slashes: usize,
) -> Box<dyn Iterator<Item = &'a [u8]> + 'a> {
    let after_slash = |at: usize| &text[at + 1..];
    let places = text
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/')
        .map(|(at, _)| at);
    if anchored || pattern.starts_with(b"**") {
        Box::new(std::iter::once(text))
    } else if any_depth {
        Box::new(std::iter::once(text).chain(places.map(after_slash)))
    } else {
        // The last `slashes` + 1 names.
        let places: Vec<usize> = places.collect();
        match places.len().checked_sub(slashes) {
            None => Box::new(std::iter::empty()),
            Some(0) => Box::new(std::iter::once(text)),
            Some(skipped) => Box::new(std::iter::once(after_slash(places[skipped - 1]))),
        }
    }
}

/// A file of ours as a pattern that matches it alone; none when it lies outside of the project.
fn own_file(path: &str) -> Option<String> {
    let path = path
        .strip_prefix("./")
        .unwrap_or(path)
        .trim_end_matches('/');
    let outside = path.is_empty() || path.starts_with('/') || path.split('/').any(|n| n == "..");
    if outside || path.contains(['\n', '\r', '\0']) {
        return None;
    }
    if !path.contains(['*', '?', '[']) {
        return Some(format!("/{path}"));
    }
    let mut pattern = String::from("/");
    for character in path.chars() {
        if "*?[\\".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    Some(pattern)
}

/// A path as a pattern that matches it. What no pattern can hold is any byte.
fn literal(path: &[u8]) -> String {
    let text = std::str::from_utf8(path);
    let wild = text.map_or(true, |text| text.contains(['*', '?', '[', '\n', '\r']));
    let mut pattern = String::from("/");
    for chunk in path.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\n' | '\r' => pattern.push('?'),
                '*' | '?' | '[' => pattern.extend(['\\', character]),
                // In a pattern without wild cards rsync takes it as it is.
                '\\' if wild => pattern.push_str("\\\\"),
                character => pattern.push(character),
            }
        }
        chunk.invalid().iter().for_each(|_| pattern.push('?'));
    }
    pattern
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests;
