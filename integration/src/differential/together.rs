//! What the plain run of all files together says of a file whose tests end otherwise when it runs alone.

use super::{
    counted::{Counted, counted, minus},
    observed::Observed,
};

/// The plain run of all files in one process, beside one of ours.
#[derive(Debug)]
pub struct Together {
    plain: Counted,
    ours: Counted,
    came_to_end: bool,
}

impl Together {
    /// Takes both runs.
    #[must_use]
    pub fn new(plain: &Observed, ours: &Observed) -> Self {
        let of = |seen: &Observed| {
            let tests = seen.tests.iter();
            counted(tests.map(|it| (it.name.as_str(), it.outcome.as_str())))
        };
        Self {
            plain: of(plain),
            ours: of(ours),
            // What cannot be loaded keeps RSpec from running anything: that says nothing of a file.
            came_to_end: plain.ended && !plain.tests.is_empty(),
        }
    }

    /// Returns which results of a file no run of all together has.
    #[must_use]
    pub fn lacks(&self, seen: &Counted) -> Counted {
        minus(seen, &self.plain)
    }

    /// Whether a file is as it is with all others: `more` are results that it has with us and not alone, `less` those
    /// that it has alone and not with us. A test that is not with this file may have run with another one.
    #[must_use]
    pub fn explains(&self, more: &Counted, less: &Counted) -> bool {
        let count = |all: &Counted, key| all.get(key).copied().unwrap_or(0);
        let has_other_outcome = |name: &str| more.keys().any(|(it, _)| it == name);
        self.came_to_end
            && more.keys().all(|key| self.plain.contains_key(key))
            && less.keys().all(|key| {
                has_other_outcome(&key.0) || count(&self.ours, key) >= count(&self.plain, key)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::observed::Test, *};

    fn seen(tests: &[(&str, &str)], ended: bool) -> Observed {
        let test = |(name, outcome): &(&str, &str)| Test {
            name: (*name).to_owned(),
            outcome: (*outcome).to_owned(),
            ..Test::default()
        };
        Observed {
            tests: tests.iter().map(test).collect(),
            ended,
            ..Observed::default()
        }
    }

    #[test]
    fn a_run_that_came_to_no_end_explains_nothing() {
        let passed = counted([("a", "passed")].into_iter());
        let none = Counted::new();
        let explains =
            |plain: &Observed| Together::new(plain, &seen(&[], true)).explains(&none, &passed);
        assert!(explains(&seen(&[("b", "passed")], true)));
        assert!(!explains(&seen(&[("b", "passed")], false)));
        assert!(!explains(&seen(&[], true)));
    }

    #[test]
    fn a_test_may_run_with_another_file_as_often_as_plainly_and_not_less() {
        let passed = counted([("a", "passed")].into_iter());
        let none = Counted::new();
        let plain = seen(&[("a", "passed"), ("a", "passed")], true);
        let twice = Together::new(&plain, &plain);
        assert!(twice.explains(&none, &passed));
        let once = Together::new(&plain, &seen(&[("a", "passed")], true));
        assert!(!once.explains(&none, &passed));
    }

    #[test]
    fn another_outcome_counts_only_where_it_is_the_one_together() {
        let [passed, failed] = ["passed", "failed"].map(|it| counted([("a", it)].into_iter()));
        let ours = seen(&[("a", "failed")], true);
        let explains = |plain| Together::new(&plain, &ours).explains(&failed, &passed);
        assert!(explains(seen(&[("a", "failed")], true)));
        assert!(!explains(seen(&[("a", "passed")], true)));
    }
}
