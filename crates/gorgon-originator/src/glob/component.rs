//! Whether one name matches one component of a glob: `*`, `?`, `[..]` and `\`, as Ruby's fnmatch.

/// A character of a name: names need not be UTF-8, a byte that is not stands for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Char(char),
    Byte(u8),
}

impl Unit {
    fn code(self) -> u32 {
        match self {
            Self::Char(character) => u32::from(character),
            Self::Byte(byte) => u32::from(byte),
        }
    }
}

fn units(bytes: &[u8]) -> Vec<Unit> {
    bytes
        .utf8_chunks()
        .flat_map(|chunk| {
            let valid = chunk.valid().chars().map(Unit::Char);
            valid.chain(chunk.invalid().iter().map(|&byte| Unit::Byte(byte)))
        })
        .collect()
}

/// Returns whether `name` matches `pattern`. A leading dot has to be written out.
pub(super) fn matches(pattern: &str, name: &[u8]) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name = units(name);
    if name.first() == Some(&Unit::Char('.')) {
        let first = match pattern.as_slice() {
            ['\\', escaped, ..] => Some(escaped),
            [first, ..] => Some(first),
            [] => None,
        };
        if first != Some(&'.') {
            return false;
        }
    }
    // Where to go on after a mismatch: the last star takes one character more.
    let mut retry: Option<(usize, usize)> = None;
    let (mut at, mut to) = (0, 0);
    loop {
        if pattern.get(at) == Some(&'*') {
            at += 1;
            retry = Some((at, to));
            continue;
        }
        if to == name.len() && at == pattern.len() {
            return true;
        }
        match (name.get(to), step(&pattern, at, name.get(to).copied())) {
            (Some(_), Some(next)) => {
                at = next;
                to += 1;
            }
            _ => match &mut retry {
                Some((after_star, taken)) if *taken < name.len() => {
                    *taken += 1;
                    (at, to) = (*after_star, *taken);
                }
                _ => return false,
            },
        }
    }
}

/// Returns the place in the pattern behind what matches `unit` at `at`.
fn step(pattern: &[char], at: usize, unit: Option<Unit>) -> Option<usize> {
    let unit = unit?;
    match pattern.get(at)? {
        '?' => Some(at + 1),
        '[' => bracket(pattern, at + 1, unit),
        '\\' if at + 1 < pattern.len() => (unit == Unit::Char(pattern[at + 1])).then_some(at + 2),
        &literal => (unit == Unit::Char(literal)).then_some(at + 1),
    }
}

/// Returns the place behind the bracket whose inside begins at `at`, if it takes `unit`. A bracket
/// that is not closed takes nothing.
fn bracket(pattern: &[char], mut at: usize, unit: Unit) -> Option<usize> {
    let negated = matches!(pattern.get(at)?, '!' | '^');
    if negated {
        at += 1;
    }
    let unescaped = |at: usize| match pattern.get(at)? {
        '\\' => Some((*pattern.get(at + 1)?, at + 2)),
        &character => Some((character, at + 1)),
    };
    let mut taken = false;
    loop {
        if *pattern.get(at)? == ']' {
            return (taken != negated).then_some(at + 1);
        }
        let (low, next) = unescaped(at)?;
        at = next;
        if pattern.get(at) == Some(&'-') && pattern.get(at + 1).is_some_and(|&end| end != ']') {
            let (high, next) = unescaped(at + 1)?;
            at = next;
            taken |= unit == Unit::Char(low)
                || unit == Unit::Char(high)
                || (u32::from(low)..=u32::from(high)).contains(&unit.code());
        } else {
            taken |= unit == Unit::Char(low);
        }
    }
}
