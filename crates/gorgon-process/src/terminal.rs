//! What the user has said of his terminal.

/// Returns whether colours are wanted where there is a terminal: NO_COLOR is not set, and TERM is not `dumb`.
#[must_use]
pub fn wants_colour() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !unwanted && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
