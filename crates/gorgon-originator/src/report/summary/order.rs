//! The summary's section of order-dependent failures: each failure, with the files before it.

use std::fmt::Write as _;

use super::super::Results;
use super::super::visible::one_line;
use gorgon_proto::text::failure::{Paint, push_error, push_test};

use super::{Facts, push_reproduce};

/// Names what failed after other files, passed alone, and failed again after the same files.
pub(super) fn push(out: &mut String, results: &Results, facts: &Facts<'_>) {
    if results.order_dependent.is_empty() {
        return;
    }
    let paint = Paint::short(facts.colour);
    let head = format!("Order-dependent files ({}):", results.order_dependent.len());
    let _ = writeln!(out, "{}", paint.magenta(&"*".repeat(80)));
    let _ = writeln!(out, "{}", paint.yellow(&head));
    for found in &results.order_dependent {
        let name = one_line(&found.first.filename);
        let _ = writeln!(out, "\n{name} passes alone and fails {}", found.after());
        for test in &found.tests {
            out.push('\n');
            push_test(out, test, &paint);
        }
        for error in &found.errors {
            out.push('\n');
            push_error(out, error, &paint);
        }
        push_reproduce(out, results, &found.first, facts);
    }
    out.push('\n');
}
