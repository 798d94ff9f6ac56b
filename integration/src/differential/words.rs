//! A command line cut into words, as a shell cuts it without expansion.

/// Cuts a line into words; quotes hold a word together.
#[must_use]
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(q), l) if q == l => quote = None,
            (None, '\'' | '"') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None | Some('"'), '\\') => {
                word.get_or_insert_default().extend(letters.next());
            }
            (None, l) if l.is_whitespace() => words.extend(word.take()),
            (_, l) => word.get_or_insert_default().push(l),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_a_word_together() {
        assert_eq!(
            words("rspec . -e 'third group' \"a b\"c d\\ e"),
            ["rspec", ".", "-e", "third group", "a bc", "d e"]
        );
    }
}
