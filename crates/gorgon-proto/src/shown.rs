//! Text from elsewhere inside a line of ours: short, and nothing in it can drive a terminal or begin a line.

/// Longest line about something from elsewhere, in characters.
pub const MOST_OF_LINE: usize = 600;

/// Returns `text` with control characters and marks of direction made visible, its end cut off beyond `most` characters.
#[must_use]
pub fn shown(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(4 * most));
    for (at, character) in text.chars().enumerate() {
        if at == most {
            out.push('…');
            break;
        }
        match character {
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.extend(character.escape_unicode())
            }
            other if other.is_control() => out.extend(other.escape_default()),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_could_harm_is_shown_and_what_is_long_is_cut() {
        for (text, expected) in [
            ("plain \"ü\" \\", "plain \"ü\" \\"),
            ("a\nb\x1b[2J\u{9b}", "a\\nb\\u{1b}[2J\\u{9b}"),
            ("\u{202e}x", "\\u{202e}x"),
            ("0123456789012345678901234", "01234567890123456789…"),
            ("01234567890123456789", "01234567890123456789"),
        ] {
            assert_eq!(super::shown(text, 20), expected);
        }
    }
}
