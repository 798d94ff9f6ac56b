//! Makes text that a test printed harmless: nothing in it can drive a terminal.

/// What becomes of colours (SGR sequences) in shown text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colours {
    /// They stay; what they changed is put back at the end of each line.
    Keep,
    /// They are taken out.
    Drop,
}

/// Returns whether a character is shown as it is; tab and line feed are.
pub(super) fn is_harmless(character: char) -> bool {
    match character {
        '\t' | '\n' => true,
        // Marks that turn the direction of text make it read as what it is not.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => false,
        '\u{2028}' | '\u{2029}' => false,
        other => !other.is_control(),
    }
}

/// Returns the end of the SGR sequence (`ESC [ digits and semicolons m`) that `text` begins with.
fn sgr_end(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("\u{1b}[")?;
    let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';' && c != ':')?;
    rest[end..].starts_with('m').then_some(end + 3)
}

fn push_escaped(out: &mut String, character: char) {
    let code = u32::from(character);
    match character {
        '\r' => out.push_str("\\r"),
        _ if code < 0x100 => out.push_str(&format!("\\x{code:02x}")),
        _ => out.push_str(&format!("\\u{{{code:x}}}")),
    }
}

/// Returns the text with control characters made visible.
#[must_use]
pub fn visible(text: &str, colours: Colours) -> String {
    let mut out = String::with_capacity(text.len());
    let mut coloured = false;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(end) = sgr_end(rest) {
            if colours == Colours::Keep {
                coloured = true;
                out.push_str(&rest[..end]);
            }
            rest = &rest[end..];
            continue;
        }
        rest = &rest[character.len_utf8()..];
        if character == '\r' && rest.starts_with('\n') {
            continue;
        }
        if character == '\n' && coloured {
            out.push_str("\u{1b}[0m");
            coloured = false;
        }
        if is_harmless(character) {
            out.push(character);
        } else {
            push_escaped(&mut out, character);
        }
    }
    if coloured {
        out.push_str("\u{1b}[0m");
    }
    out
}

/// Returns the text as one line: line feeds and tabs are made visible too.
#[must_use]
pub fn one_line(text: &str) -> String {
    visible(text, Colours::Drop)
        .replace('\n', "\\n")
        .replace('\t', "\\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, kept: &str, dropped: &str) {
        assert_eq!(visible(text, Colours::Keep), kept);
        assert_eq!(visible(text, Colours::Drop), dropped);
    }

    #[test]
    fn control_characters_are_shown() {
        check(
            "plain\n\ttext ü 漢",
            "plain\n\ttext ü 漢",
            "plain\n\ttext ü 漢",
        );
        check("a\x07b\0", "a\\x07b\\x00", "a\\x07b\\x00");
        check("a\r\nb\rc", "a\nb\\rc", "a\nb\\rc");
        check(
            "\x1b]0;title\x07",
            "\\x1b]0;title\\x07",
            "\\x1b]0;title\\x07",
        );
        check("\x1b[2J\x1b[H", "\\x1b[2J\\x1b[H", "\\x1b[2J\\x1b[H");
        check("\u{9b}2J", "\\x9b2J", "\\x9b2J");
        check("abc\u{202e}cba", "abc\\u{202e}cba", "abc\\u{202e}cba");
        check("\x1b", "\\x1b", "\\x1b");
        check("\x1b[31", "\\x1b[31", "\\x1b[31");
    }

    #[test]
    fn colours_stay_within_their_line() {
        check(
            "\x1b[31mred\nplain",
            "\x1b[31mred\x1b[0m\nplain",
            "red\nplain",
        );
        check("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m\x1b[0m", "red");
    }
}
