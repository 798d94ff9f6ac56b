//! What the user and his tools are told: one fold of the ledger's happenings, and the forms in
//! which it is shown. Everything here is pure: text in, text out.

pub mod counts;
pub mod file;
pub mod files;
pub mod json;
pub mod junit;
pub mod kept;
pub mod progress;
pub mod repeats;
pub mod reproduce;
pub mod rerun;
pub mod results;
pub mod retries;
pub mod reviews;
pub mod starts;
pub mod status;
pub mod summary;
pub mod visible;

pub use file::FileResult;
pub use results::Results;
