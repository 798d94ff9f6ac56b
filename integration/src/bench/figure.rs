//! A row of the table: what was measured, its budget, and the verdict.

use std::fmt;

/// A figure, and what it may be at most.
#[derive(Debug, Clone)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// What it was compared with, or its unit.
    pub against: &'static str,
    /// The figure.
    pub value: f64,
    /// What it may be at most.
    pub budget: Option<f64>,
}

impl Figure {
    /// Makes a row.
    pub fn new(
        what: impl Into<String>,
        against: &'static str,
        value: f64,
        budget: impl Into<Option<f64>>,
    ) -> Self {
        Self {
            what: what.into(),
            against,
            value,
            budget: budget.into(),
        }
    }

    /// Returns the head of the table.
    pub fn head() -> String {
        row("what", "against, or in", "figure", "budget", "verdict")
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.budget {
            Some(budget) if self.value <= budget => "met",
            Some(_) => "missed",
            None => "",
        };
        let budget = self
            .budget
            .map_or(String::new(), |budget| format!("{budget:.2}"));
        let value = format!("{:.2}", self.value);
        f.write_str(&row(&self.what, self.against, &value, &budget, verdict))
    }
}

fn row(what: &str, against: &str, value: &str, budget: &str, verdict: &str) -> String {
    format!("{what:<58} {against:<20} {value:>8} {budget:>8}  {verdict}")
        .trim_end()
        .to_owned()
}
