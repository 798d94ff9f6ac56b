//! Texts that are cut in their middle, and how much of them is gone.

/// What the mark begins with; the Ruby child writes the same one.
const BEFORE: &str = "[... ";
/// What the mark ends with.
const AFTER: &str = " bytes left out ...]";

/// Returns the mark that takes the place of `bytes` bytes.
#[must_use]
pub fn mark(bytes: u64) -> String {
    format!("\n{BEFORE}{bytes}{AFTER}\n")
}

/// Returns the marks of a text, each with where it begins, its length and its bytes.
fn marks(text: &str) -> impl Iterator<Item = (usize, usize, u64)> {
    text.match_indices(BEFORE).filter_map(|(at, _)| {
        let rest = &text[at + BEFORE.len()..];
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        let bytes = digits.parse().ok()?;
        rest[digits.len()..].starts_with(AFTER).then_some((
            at,
            BEFORE.len() + digits.len() + AFTER.len(),
            bytes,
        ))
    })
}

/// Returns how many bytes earlier cuts have left out of a text.
#[must_use]
pub fn left_out_before(text: &str) -> u64 {
    marks(text).fold(0_u64, |sum, (_, _, bytes)| sum.saturating_add(bytes))
}

/// Returns how many bytes a text had before it was cut.
#[must_use]
pub fn true_length(text: &str) -> u64 {
    let of_marks: usize = marks(text).map(|(_, length, _)| length).sum();
    let rest = u64::try_from(text.len() - of_marks).unwrap_or(u64::MAX);
    rest.saturating_add(left_out_before(text))
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Returns a text of at most `limit` bytes and a mark, cut in its middle.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let head = floor(text, limit / 2);
    let tail = floor(text, text.len() - limit / 2).max(head);
    let mark = mark(true_length(&text[head..tail]));
    if limit == 0 {
        return mark.trim().to_owned();
    }
    format!("{}{mark}{}", &text[..head], &text[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_stays_as_it_is() {
        for text in ["", "a", "12345678"] {
            assert_eq!(cut(text, 8), text);
        }
    }

    #[test]
    fn the_mark_counts_what_an_earlier_cut_has_left_out() {
        let once = cut(&"x".repeat(10_000), 100);
        assert!(
            once.contains("xx\n[... 9900 bytes left out ...]\nxx"),
            "{once}"
        );
        assert_eq!(left_out_before(&once), 9_900);
        let twice = cut(&once, 20);
        // Each mark stands between two line feeds, which count as text.
        assert_eq!(twice, format!("{0}{1}{0}", "x".repeat(10), mark(9_982)));
        assert_eq!(cut(&twice, 0), "[... 10004 bytes left out ...]");
    }

    #[test]
    fn no_character_is_cut() {
        for limit in 0..20 {
            let text = cut(&"ü".repeat(100), limit);
            assert!(text.contains("left out"), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_mark_counts_nothing() {
        for text in [
            "[... bytes left out ...]",
            "[... 5 bytes",
            "[... ",
            "[... 9x bytes left out ...]",
        ] {
            assert_eq!(left_out_before(text), 0, "{text}");
        }
    }
}
