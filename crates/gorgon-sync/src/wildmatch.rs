//! rsync's wild cards: `*`, `**`, `?`, `[…]`, and `\` that takes the next character as it is. Pure.

/// Returns whether `pattern` matches all of `text`.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    match first {
        b'*' => star(pattern, text),
        b'?' => text
            .split_first()
            .is_some_and(|(c, after)| *c != b'/' && matches(rest, after)),
        b'[' => match (text.split_first(), class(rest)) {
            (Some((c, after)), Some((class, rest))) => {
                *c != b'/' && class.holds(*c) && matches(rest, after)
            }
            _ => false,
        },
        b'\\' if !rest.is_empty() => {
            text.first() == rest.first() && matches(&rest[1..], &text[1..])
        }
        _ => text.first() == Some(first) && matches(rest, &text[1..]),
    }
}

/// `*` takes anything but a slash, two or more take slashes too.
fn star(pattern: &[u8], text: &[u8]) -> bool {
    let stars = pattern.iter().take_while(|byte| **byte == b'*').count();
    let rest = &pattern[stars..];
    for taken in 0..=text.len() {
        if matches(rest, &text[taken..]) {
            return true;
        }
        if stars == 1 && text.get(taken) == Some(&b'/') {
            return false;
        }
    }
    false
}

/// A bracket expression.
struct Class<'a> {
    negated: bool,
    members: &'a [u8],
}

/// Splits what follows `[` into the class and the rest of the pattern; none without a `]`.
fn class(after: &[u8]) -> Option<(Class<'_>, &[u8])> {
    let negated = matches!(after.first(), Some(b'!' | b'^'));
    let members = &after[usize::from(negated)..];
    let mut at = 0;
    loop {
        match members.get(at)? {
            // A first `]` is a member.
            b']' if at > 0 => break,
            b'\\' => at += 2,
            b'[' if members.get(at + 1) == Some(&b':') => {
                at += 2 + members[at + 2..].windows(2).position(|two| two == b":]")? + 2;
            }
            _ => at += 1,
        }
    }
    Some((
        Class {
            negated,
            members: &members[..at],
        },
        &members[at + 1..],
    ))
}

impl Class<'_> {
    fn holds(&self, c: u8) -> bool {
        let mut rest = self.members;
        let mut found = false;
        while let Some((first, after)) = rest.split_first() {
            if *first == b'['
                && after.first() == Some(&b':')
                && let Some(end) = after[1..].windows(2).position(|two| two == b":]")
            {
                found |= named(&after[1..=end], c);
                rest = &after[end + 3..];
                continue;
            }
            let (low, after) = match (first, after.split_first()) {
                (b'\\', Some((escaped, after))) => (*escaped, after),
                _ => (*first, after),
            };
            match after {
                [b'-', high, after @ ..] => {
                    let (high, after) = match (high, after.split_first()) {
                        (b'\\', Some((escaped, after))) => (*escaped, after),
                        _ => (*high, after),
                    };
                    found |= (low..=high).contains(&c);
                    rest = after;
                }
                _ => {
                    found |= low == c;
                    rest = after;
                }
            }
        }
        found != self.negated
    }
}

fn named(name: &[u8], c: u8) -> bool {
    match name {
        b"alnum" => c.is_ascii_alphanumeric(),
        b"alpha" => c.is_ascii_alphabetic(),
        b"blank" => c == b' ' || c == b'\t',
        b"cntrl" => c.is_ascii_control(),
        b"digit" => c.is_ascii_digit(),
        b"graph" => c.is_ascii_graphic(),
        b"lower" => c.is_ascii_lowercase(),
        b"print" => c.is_ascii_graphic() || c == b' ',
        b"punct" => c.is_ascii_punctuation(),
        b"space" => c.is_ascii_whitespace() || c == 0x0B,
        b"upper" => c.is_ascii_uppercase(),
        b"xdigit" => c.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn wild_cards_match_as_rsync_has_them() {
        for (pattern, yes, no) in [
            ("a*c", vec!["ac", "abc", "a.c"], vec!["a/c", "abcd"]),
            ("a**c", vec!["ac", "a/b/c"], vec!["ab"]),
            ("a?c", vec!["abc"], vec!["ac", "a/c", "aéc"]),
            ("*.rb", vec![".rb", "x.rb"], vec!["x.rbc", "d/x.rb"]),
            ("[a-c]x", vec!["ax", "cx"], vec!["dx", "x"]),
            ("[!a-c]x", vec!["dx", "-x"], vec!["ax", "/x"]),
            ("[]x]", vec!["]", "x"], vec!["y"]),
            ("[[:digit:]_]", vec!["7", "_"], vec!["a"]),
            ("\\*x", vec!["*x"], vec!["ax"]),
            ("[a", vec![], vec!["[a", "a"]),
            ("", vec![""], vec!["a"]),
            ("a***", vec!["a", "a/b"], vec!["b"]),
        ] {
            for text in yes {
                assert!(
                    super::matches(pattern.as_bytes(), text.as_bytes()),
                    "{pattern} {text}"
                );
            }
            for text in no {
                assert!(
                    !super::matches(pattern.as_bytes(), text.as_bytes()),
                    "{pattern} {text}"
                );
            }
        }
    }
}
