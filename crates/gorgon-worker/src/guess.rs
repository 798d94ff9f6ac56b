//! Which framework's child an item is offered to first.
//!
//! What the loading of a file defines decides, and the child says so (`OtherFramework`); a good guess
//! only saves a fork.

use gorgon_proto::job::Framework;

/// Learns from the files that ran.
#[derive(Debug, Clone)]
pub struct Guess {
    spec: Framework,
    test: Framework,
}

impl Guess {
    /// Starts from the frameworks that the job expects.
    #[must_use]
    pub fn new(expected: &[Framework]) -> Self {
        let spec = match expected {
            [] => Framework::Rspec,
            some if some.contains(&Framework::Rspec) => Framework::Rspec,
            [first, ..] => *first,
        };
        let test = expected.iter().copied().find(|f| *f != Framework::Rspec);
        Self {
            spec,
            test: test.unwrap_or(Framework::Minitest),
        }
    }

    /// Returns the framework to try first.
    #[must_use]
    pub fn of(&self, filename: &str) -> Framework {
        if is_spec(filename) {
            self.spec
        } else {
            self.test
        }
    }

    /// Learns that `framework` ran a file.
    pub fn learn(&mut self, filename: &str, framework: Framework) {
        if is_spec(filename) {
            self.spec = framework;
        } else {
            self.test = framework;
        }
    }
}

fn is_spec(filename: &str) -> bool {
    filename.to_ascii_lowercase().ends_with("_spec.rb")
}

#[cfg(test)]
mod tests {
    use super::*;
    use Framework::{Minitest, Rspec, TestUnit};

    #[test]
    fn it_follows_the_job_then_the_name_then_experience() {
        for (expected, file, guess) in [
            (&[][..], "spec/a_spec.rb", Rspec),
            (&[], "test/a_test.rb", Minitest),
            (&[TestUnit], "test/a_test.rb", TestUnit),
            (&[Minitest, Rspec], "spec/a_SPEC.rb", Rspec),
            (&[Minitest], "spec/a_spec.rb", Minitest),
        ] {
            assert_eq!(Guess::new(expected).of(file), guess, "{expected:?} {file}");
        }
        let mut guess = Guess::new(&[Rspec]);
        guess.learn("spec/a_spec.rb", Minitest);
        assert_eq!(guess.of("spec/b_spec.rb"), Minitest);
    }
}
