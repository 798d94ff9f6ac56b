//! Results of many tests, where only names, outcomes and numbers are compared.

use std::collections::BTreeMap;

use super::compare::normal;

/// Results of tests by name and outcome, counted.
pub type Counted = BTreeMap<(String, String), usize>;

/// Counts tests by name and outcome.
#[must_use]
pub fn counted<'a>(tests: impl Iterator<Item = (&'a str, &'a str)>) -> Counted {
    let mut found = Counted::new();
    for (name, outcome) in tests {
        let outcome = if outcome == "error" {
            "failed"
        } else {
            outcome
        };
        *found
            .entry((digitless(name), outcome.to_owned()))
            .or_default() += 1;
    }
    found
}

/// A name without what is random in it.
fn digitless(name: &str) -> String {
    normal(&name.lines().map(str::trim).collect::<Vec<_>>().join(" "))
}

/// Returns what is in `one` and not in `other`.
#[must_use]
pub fn minus(one: &Counted, other: &Counted) -> Counted {
    let mut found = Counted::new();
    for (key, count) in one {
        let rest = count.saturating_sub(other.get(key).copied().unwrap_or(0));
        if rest > 0 {
            found.insert(key.clone(), rest);
        }
    }
    found
}
