//! The local broker as its clients see it: through a client library, and byte by byte.

#![expect(
    clippy::unwrap_used,
    reason = "the lint's leave for tests ends at functions that are not tests themselves"
)]

mod client;
mod deliveries;
mod errors;
mod limits;
mod raw;
mod speed;
mod wire;
