//! A test's result as the reports keep it to the end of the job. Most tests pass, and of those little is ever told: a
//! job of a million tests holds a million of these.

use gorgon_proto::outcome::{Outcome, TestResult};

/// What is kept of a test.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// It passed: what a list of tests and the history name.
    Passed(Passed),
    /// Anything else: all of it.
    Told(Box<TestResult>),
}

/// A test that passed.
#[derive(Debug, Clone, PartialEq)]
pub struct Passed {
    /// Id, name, class name unless the name begins with it, and group, one behind the other.
    texts: Box<str>,
    id_end: u32,
    name_end: u32,
    class: (u32, u32),
    /// Where the group begins, if there is one.
    group: Option<u32>,
    seconds: f64,
}

impl Passed {
    /// Keeps a test; none where its texts are beyond all measure.
    fn of(test: &TestResult) -> Option<Self> {
        let mut texts = format!("{}{}", test.id, test.name);
        let (id_end, name_end) = (test.id.len(), texts.len());
        let class_at = if test.name.starts_with(&test.classname) {
            id_end
        } else {
            texts.push_str(&test.classname);
            name_end
        };
        let group_at = texts.len();
        texts.push_str(test.group.as_deref().unwrap_or_default());
        let place = |at: usize| u32::try_from(at).ok();
        place(texts.len())?;
        Some(Self {
            id_end: place(id_end)?,
            name_end: place(name_end)?,
            class: (place(class_at)?, place(class_at + test.classname.len())?),
            group: test.group.as_ref().and(place(group_at)),
            texts: texts.into_boxed_str(),
            seconds: test.seconds,
        })
    }

    fn text(&self, from: u32, to: u32) -> &str {
        &self.texts[from as usize..to as usize]
    }
}

impl From<&TestResult> for Kept {
    fn from(test: &TestResult) -> Self {
        let passed = test.outcome == Outcome::Passed;
        match passed.then(|| Passed::of(test)).flatten() {
            Some(passed) => Self::Passed(passed),
            None => Self::Told(Box::new(test.clone())),
        }
    }
}

impl Kept {
    /// Returns its id within the file.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::Passed(it) => it.text(0, it.id_end),
            Self::Told(it) => &it.id,
        }
    }

    /// Returns its full description.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Passed(it) => it.text(it.id_end, it.name_end),
            Self::Told(it) => &it.name,
        }
    }

    /// Returns the outermost group's description, or the class.
    #[must_use]
    pub fn classname(&self) -> &str {
        match self {
            Self::Passed(it) => it.text(it.class.0, it.class.1),
            Self::Told(it) => &it.classname,
        }
    }

    /// Returns the group that it cannot be told apart from, where there is one.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Passed(it) => it.group.map(|at| &it.texts[at as usize..]),
            Self::Told(it) => it.group.as_deref(),
        }
    }

    /// Returns how it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Passed(_) => Outcome::Passed,
            Self::Told(it) => it.outcome,
        }
    }

    /// Returns its seconds.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        match self {
            Self::Passed(it) => it.seconds,
            Self::Told(it) => it.seconds,
        }
    }

    /// Returns all of its result, unless it passed.
    #[must_use]
    pub fn told(&self) -> Option<&TestResult> {
        match self {
            Self::Passed(_) => None,
            Self::Told(it) => Some(it),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_a_test_is_what_it_was() {
        for (id, name, classname, group) in [
            ("1:1", "Cart adds", "Cart", None),
            ("1:2:1", "adds ü", "Carts", Some("1:2")),
            ("T#test_x", "T#test_x", "T", Some("T")),
            ("", "", "", Some("")),
            ("a", "b", "", None),
        ] {
            for outcome in [Outcome::Passed, Outcome::Skipped, Outcome::Failed] {
                let test = TestResult {
                    id: id.to_owned(),
                    name: name.to_owned(),
                    key: None,
                    group: group.map(str::to_owned),
                    classname: classname.to_owned(),
                    file: "a_spec.rb".to_owned(),
                    line: 7,
                    outcome,
                    seconds: 0.25,
                    exception: None,
                    message: "why".to_owned(),
                    backtrace: Vec::new(),
                    output: String::new(),
                    rerun: None,
                };
                let kept = Kept::from(&test);
                assert_eq!(
                    (kept.id(), kept.name(), kept.classname(), kept.group()),
                    (id, name, classname, group)
                );
                assert_eq!((kept.outcome(), kept.seconds()), (outcome, 0.25));
                let told = (outcome != Outcome::Passed).then_some(&test);
                assert_eq!(kept.told(), told);
            }
        }
    }
}
