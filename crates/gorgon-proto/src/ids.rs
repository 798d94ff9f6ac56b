//! Ids of tests behind the name of a file, `spec/a_spec.rb[1:2,1:3]`. In an id a backslash stands
//! before what would end it: labels of Test::Unit's data hold commas and brackets.

const SPECIAL: [char; 4] = ['\\', ',', '[', ']'];

/// Returns the name of a file with ids, as [`split`] reads it.
#[must_use]
pub fn join<'a>(file: &str, ids: impl IntoIterator<Item = &'a str>) -> String {
    let ids: Vec<String> = ids.into_iter().map(escaped).collect();
    format!("{file}[{}]", ids.join(","))
}

fn escaped(id: &str) -> String {
    let mut out = String::with_capacity(id.len());
    let inner = id.trim();
    let begin = id.len() - id.trim_start().len();
    for (at, character) in id.char_indices() {
        let outside = at < begin || at >= begin + inner.len();
        match character {
            // One name is one line of a list of files.
            '\n' => out.push_str("\\n"),
            _ if outside || SPECIAL.contains(&character) => out.extend(['\\', character]),
            _ => out.push(character),
        }
    }
    out
}

/// Returns whether the character at `at` stands behind a backslash that is none itself.
fn is_escaped(text: &str, at: usize) -> bool {
    let before = &text.as_bytes()[..at];
    before
        .iter()
        .rev()
        .take_while(|byte| **byte == b'\\')
        .count()
        % 2
        == 1
}

/// Splits a name into its file and the ids of tests; `None` when it has no ids.
#[must_use]
pub fn split(name: &str) -> Option<(&str, Vec<String>)> {
    let rest = name.strip_suffix(']')?;
    if is_escaped(name, rest.len()) {
        return None;
    }
    let (at, _) = rest
        .match_indices('[')
        .rfind(|(at, _)| !is_escaped(rest, *at))?;
    (at > 0).then(|| (&rest[..at], ids(&rest[at + 1..])))
}

fn ids(text: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut id = String::new();
    // So much of it is no space that only stands around it.
    let mut kept = 0;
    let mut characters = text.chars();
    loop {
        match characters.next() {
            end @ (None | Some(',')) => {
                id.truncate(kept);
                if !id.is_empty() {
                    ids.push(std::mem::take(&mut id));
                }
                kept = 0;
                if end.is_none() {
                    return ids;
                }
            }
            Some('\\') => {
                match characters.next() {
                    Some('n') => id.push('\n'),
                    other => id.extend(other),
                }
                kept = id.len();
            }
            Some(character) if character.is_whitespace() => {
                if !id.is_empty() {
                    id.push(character);
                }
            }
            Some(character) => {
                id.push(character);
                kept = id.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_is_split() {
        for ids in [
            &["1:2"][..],
            &["1:2", "1:3:1"],
            &["T#test_x[a, b]", "T#test_x[[1], {}]"],
            &["T#test_x[\\]", "T#test_x[\\n]", ",", "[", "]", "\\"],
            &[" ü ", "a\nb", "\n", "a b"],
        ] {
            let name = join("spec/[a]_spec.rb", ids.iter().copied());
            let (file, seen) = split(&name).unwrap_or_default();
            assert_eq!(file, "spec/[a]_spec.rb", "{name}");
            assert_eq!(seen, ids, "{name}");
            assert!(!name.contains('\n'), "{name}");
        }
    }

    #[test]
    fn spaces_around_ids_by_hand_are_none_of_them() {
        let (_, ids) = split("a.rb[ 1:2 , T#test x ,]").unwrap_or_default();
        assert_eq!(ids, ["1:2", "T#test x"]);
        for name in ["a.rb", "a.rb]", "[1]", "a.rb[1", "a.rb[1\\]"] {
            assert_eq!(split(name), None, "{name}");
        }
    }
}
