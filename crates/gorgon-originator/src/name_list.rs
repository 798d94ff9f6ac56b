//! Lists of names in messages: the first ones, and how many more there are.

/// Maximum number of names that a message lists.
const MOST_NAMES: usize = 3;

/// Returns the names of the first ones, as `a, b, c and 2 more`.
pub(crate) fn first_names<T>(all: &[T], name: impl Fn(&T) -> String) -> String {
    let names: Vec<String> = all.iter().take(MOST_NAMES).map(name).collect();
    let names = names.join(", ");
    match all.len().saturating_sub(MOST_NAMES) {
        0 => names,
        more => format!("{names} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_are_named_and_the_others_counted() {
        for (all, expected) in [
            (&[][..], ""),
            (&[1], "1"),
            (&[1, 2, 3], "1, 2, 3"),
            (&[1, 2, 3, 4, 5], "1, 2, 3 and 2 more"),
        ] {
            assert_eq!(first_names(all, u8::to_string), expected);
        }
    }
}
