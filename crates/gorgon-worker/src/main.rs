//! gorgon-worker.
fn main() {}
