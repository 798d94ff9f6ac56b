//! Text that a test printed, harmless to a terminal and to an XML parser.

pub use gorgon_proto::text::visible::{Colours, one_line, visible};

/// Returns the text for an XML attribute or element: control characters made visible, what XML
/// 1.0 forbids taken out, markup escaped.
#[must_use]
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in visible(text, Colours::Drop).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// Returns the text for an XML attribute: a parser would turn line feeds and tabs into spaces.
#[must_use]
pub fn xml_attribute(text: &str) -> String {
    xml(text).replace('\n', "&#10;").replace('\t', "&#9;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_holds_what_it_may() {
        assert_eq!(
            xml("<a href=\"b\"> & \x1b[31mred\x1b[0m\x08\u{ffff}"),
            "&lt;a href=&quot;b&quot;&gt; &amp; red\\x08\u{fffd}"
        );
        assert_eq!(xml_attribute("a\nb\tc"), "a&#10;b&#9;c");
        for code in 0..0xffff {
            let Some(character) = char::from_u32(code) else {
                continue;
            };
            for allowed in xml(&character.to_string()).chars() {
                let allowed = u32::from(allowed);
                assert!(allowed == 9 || allowed == 10 || (0x20..=0xfffd).contains(&allowed));
            }
        }
    }
}
