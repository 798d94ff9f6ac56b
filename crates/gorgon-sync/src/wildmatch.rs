//! rsync's wild cards: `*`, `**`, `?`, `[…]`, and `\` that takes the next character as it is. Pure.

/// One step of a pattern.
enum Step<'a> {
    /// `*` takes anything but a slash; two or more stars take slashes too.
    Star { slashes: bool },
    /// `?`.
    Any,
    /// `[…]`.
    Class(Class<'a>),
    /// A byte that stands for itself.
    Byte(u8),
}

/// Returns whether `pattern` matches all of `text`; in time of their product, however many stars there are.
pub(crate) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let Some(steps) = steps(pattern) else {
        return false;
    };
    // Before which steps the text so far may stand.
    let mut places = vec![false; steps.len() + 1];
    places[0] = true;
    pass_stars(&steps, &mut places);
    let mut next = vec![false; steps.len() + 1];
    for byte in text {
        if !places.contains(&true) {
            return false;
        }
        next.fill(false);
        for (at, step) in steps.iter().enumerate().filter(|(at, _)| places[*at]) {
            let slash = *byte == b'/';
            match step {
                Step::Star { slashes } => next[at] |= *slashes || !slash,
                Step::Any => next[at + 1] |= !slash,
                Step::Class(class) => next[at + 1] |= !slash && class.holds(*byte),
                Step::Byte(literal) => next[at + 1] |= literal == byte,
            }
        }
        pass_stars(&steps, &mut next);
        std::mem::swap(&mut places, &mut next);
    }
    places[steps.len()]
}

/// A star may also take nothing.
fn pass_stars(steps: &[Step<'_>], places: &mut [bool]) {
    for (at, step) in steps.iter().enumerate() {
        places[at + 1] |= places[at] && matches!(step, Step::Star { .. });
    }
}

/// Takes a pattern apart; none when a bracket is not closed, and so nothing matches.
fn steps(pattern: &[u8]) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    let mut rest = pattern;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        steps.push(match first {
            b'*' => {
                let more = after.iter().take_while(|byte| **byte == b'*').count();
                rest = &after[more..];
                Step::Star { slashes: more > 0 }
            }
            b'?' => Step::Any,
            b'[' => {
                let (class, after) = class(after)?;
                rest = after;
                Step::Class(class)
            }
            b'\\' if !after.is_empty() => {
                rest = &after[1..];
                Step::Byte(after[0])
            }
            literal => Step::Byte(*literal),
        });
    }
    Some(steps)
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
