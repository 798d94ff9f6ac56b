//! The same input run by its own framework and by us, compared test by test.
//!
//! [`scenario`] reads RSpec's own cucumber features, [`crate::expected`]'s fixtures and whole suites are the other
//! inputs. [`plain`] runs an input with a recorder beside the framework's own reporters, [`ours`] runs the originator;
//! both give an [`observed::Observed`]. [`compare`] says where the two differ. The framework is the judge: a difference
//! is our fault until a plain command shows the same.

pub mod both;
pub mod compare;
pub mod counted;
pub mod explained;
pub mod feature;
pub mod inputs;
pub mod observed;
pub mod ours;
pub mod place;
pub mod plain;
pub mod scenario;
pub mod suites;
pub mod together;
pub mod words;
