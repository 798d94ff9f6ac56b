//! A glob cut into components, and its braces expanded.

/// One component of a glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Component {
    /// `**/`: any number of directories, none included.
    Recursive,
    /// Without anything special: the name, with escapes taken away.
    Plain(String),
    /// With `*`, `?` or `[`.
    Magical(String),
    /// With `{`; the text as it was written.
    Brace(String),
    /// The end of a glob that ends in a slash: directories alone.
    MatchDirectory,
    /// The end of a glob.
    MatchAll,
}

/// A glob: whether it begins at the root of the file system, and its components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) absolute: bool,
    pub(super) components: Vec<Component>,
}

/// No tree of a project is deeper; a walk takes some stack for each.
pub(super) const MOST_COMPONENTS: usize = 100;

pub(super) fn parse(glob: &str) -> Pattern {
    let absolute = glob.starts_with('/');
    let mut rest = glob.trim_start_matches('/');
    let mut components = Vec::new();
    let mut ends_in_slash = false;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("**/") {
            rest = after.trim_start_matches('/');
            if components.last() != Some(&Component::Recursive) {
                components.push(Component::Recursive);
            }
            ends_in_slash = true;
            continue;
        }
        // Behind `**/` Ruby compares what its simple count cuts off with each name.
        let end = match components.last() {
            Some(Component::Recursive) => separator(rest),
            _ => end(rest),
        };
        components.push(component(&rest[..end]));
        let after = &rest[end..];
        ends_in_slash = !after.is_empty();
        rest = after.trim_start_matches('/');
    }
    components.push(if ends_in_slash {
        Component::MatchDirectory
    } else {
        Component::MatchAll
    });
    Pattern {
        absolute,
        components,
    }
}

/// Returns where the first component ends. Braces around braces belong to it whole.
fn end(text: &str) -> usize {
    let end = separator(text);
    match braces(text) {
        Some((open, close)) if open < end && end < close => close + separator(&text[close..]),
        _ => end,
    }
}

/// Returns where the first slash outside of brackets and braces is, by Ruby's simple count.
fn separator(text: &str) -> usize {
    let mut open = false;
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match character {
            '[' | '{' => open = true,
            ']' | '}' => open = false,
            '/' if !open => return at,
            '\\' => escaped = true,
            _ => {}
        }
    }
    text.len()
}

fn component(text: &str) -> Component {
    let mut magical = false;
    // A brace that nothing closes stands for itself.
    let closed = braces(text).is_some();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '{' if closed => return Component::Brace(text.to_owned()),
            '*' | '?' | '[' => magical = true,
            '\\' => {
                characters.next();
            }
            _ => {}
        }
    }
    if magical {
        Component::Magical(text.to_owned())
    } else {
        Component::Plain(unescaped(text))
    }
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            // A backslash at the very end stands for itself.
            plain.push(characters.next().unwrap_or('\\'));
        } else {
            plain.push(character);
        }
    }
    plain
}

/// Writes components back as a glob that parses to them again.
pub(super) fn unparse(components: &[Component]) -> String {
    let mut glob = String::new();
    for component in components {
        match component {
            Component::Recursive => glob.push_str("**/"),
            Component::Plain(name) => {
                for character in name.chars() {
                    if matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | ',' | '\\') {
                        glob.push('\\');
                    }
                    glob.push(character);
                }
                glob.push('/');
            }
            Component::Magical(text) | Component::Brace(text) => {
                glob.push_str(text);
                glob.push('/');
            }
            Component::MatchDirectory => {}
            Component::MatchAll => {
                if glob.ends_with('/') {
                    glob.pop();
                }
            }
        }
    }
    glob
}

/// Most globs that one with braces may stand for, and most braces that are opened for them.
const MOST_EXPANSIONS: usize = 10_000;
/// Most bytes of all globs that one may stand for.
const MOST_EXPANDED_BYTES: usize = 16 << 20;

/// Expands the braces of a glob, the first one's alternatives outermost.
pub(crate) fn expand(glob: &str) -> Vec<String> {
    let mut expanded = Vec::new();
    let (mut opened, mut bytes) = (0, 0);
    // The next one is the last.
    let mut left = vec![glob.to_owned()];
    while let Some(glob) = left.pop() {
        let Some((open, close)) = braces(&glob) else {
            bytes += glob.len();
            expanded.push(glob);
            if expanded.len() >= MOST_EXPANSIONS || bytes >= MOST_EXPANDED_BYTES {
                break;
            }
            continue;
        };
        opened += 1;
        if opened > MOST_EXPANSIONS {
            break;
        }
        let (before, inside, after) = (&glob[..open], &glob[open + 1..close], &glob[close + 1..]);
        let room = MOST_EXPANDED_BYTES / glob.len();
        let alternatives = alternatives(inside);
        let kept = alternatives.len().min(room.max(1));
        let next = alternatives[..kept].iter().rev();
        left.extend(next.map(|alternative| format!("{before}{alternative}{after}")));
    }
    expanded
}

/// Returns the first outermost pair of braces.
fn braces(glob: &str) -> Option<(usize, usize)> {
    let mut depth = 0;
    let mut open = None;
    let mut escaped = false;
    for (at, character) in glob.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match character {
            '{' => {
                if depth == 0 {
                    open = Some(at);
                }
                depth += 1;
            }
            '}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return open.map(|open| (open, at));
                }
            }
            '\\' => escaped = true,
            _ => {}
        }
    }
    None
}

fn alternatives(inside: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut depth, mut start, mut escaped) = (0, 0, false);
    for (at, character) in inside.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(&inside[start..at]);
                start = at + 1;
            }
            '\\' => escaped = true,
            _ => {}
        }
    }
    found.push(&inside[start..]);
    found
}
