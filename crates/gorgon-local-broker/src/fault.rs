//! Errors that the protocol itself knows: a code, a text, and what the code takes down.

use amq_protocol::types::ShortString;

/// A refused method, as `channel.close` or `connection.close` tells it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} {text}")]
pub(crate) struct Fault {
    /// The protocol's reply code.
    pub(crate) code: u16,
    /// The code's name, then what was wrong.
    pub(crate) text: String,
}

impl Fault {
    fn new(code: u16, name: &str, what: impl AsRef<str>) -> Self {
        Self {
            code,
            text: format!("{name} - {}", what.as_ref()),
        }
    }

    /// The client wants more memory than it may have.
    pub(crate) fn resource_error(what: impl AsRef<str>) -> Self {
        Self::new(506, "RESOURCE_ERROR", what)
    }

    /// The client may not do this, whoever it is.
    pub(crate) fn access_refused(what: impl AsRef<str>) -> Self {
        Self::new(403, "ACCESS_REFUSED", what)
    }

    /// A named queue or exchange is missing.
    pub(crate) fn not_found(what: impl AsRef<str>) -> Self {
        Self::new(404, "NOT_FOUND", what)
    }

    /// The queue belongs to another connection.
    pub(crate) fn resource_locked(what: impl AsRef<str>) -> Self {
        Self::new(405, "RESOURCE_LOCKED", what)
    }

    /// The thing is there, but is not as the client says.
    pub(crate) fn precondition_failed(what: impl AsRef<str>) -> Self {
        Self::new(406, "PRECONDITION_FAILED", what)
    }

    /// The broker ends the connection of its own accord.
    pub(crate) fn connection_forced(what: impl AsRef<str>) -> Self {
        Self::new(320, "CONNECTION_FORCED", what)
    }

    /// The bytes are no frame.
    pub(crate) fn frame_error(what: impl AsRef<str>) -> Self {
        Self::new(501, "FRAME_ERROR", what)
    }

    /// The frame's payload cannot be read.
    pub(crate) fn syntax_error(what: impl AsRef<str>) -> Self {
        Self::new(502, "SYNTAX_ERROR", what)
    }

    /// The method does not belong here.
    pub(crate) fn command_invalid(what: impl AsRef<str>) -> Self {
        Self::new(503, "COMMAND_INVALID", what)
    }

    /// The channel is not open, or open already.
    pub(crate) fn channel_error(what: impl AsRef<str>) -> Self {
        Self::new(504, "CHANNEL_ERROR", what)
    }

    /// A frame came where another kind was due.
    pub(crate) fn unexpected_frame(what: impl AsRef<str>) -> Self {
        Self::new(505, "UNEXPECTED_FRAME", what)
    }

    /// The protocol allows it, this broker or this connection does not.
    pub(crate) fn not_allowed(what: impl AsRef<str>) -> Self {
        Self::new(530, "NOT_ALLOWED", what)
    }

    /// The broker fails, or says so of what it does not take any more.
    pub(crate) fn internal_error(what: impl AsRef<str>) -> Self {
        Self::new(541, "INTERNAL_ERROR", what)
    }

    /// Known to the protocol, not to this broker.
    pub(crate) fn not_implemented(what: impl AsRef<str>) -> Self {
        Self::new(540, "NOT_IMPLEMENTED", what)
    }

    /// Tells whether only the channel ends.
    pub(crate) fn ends_channel_only(&self) -> bool {
        (311..=313).contains(&self.code) || (403..=406).contains(&self.code)
    }

    /// Returns the text, cut to what the protocol can carry.
    pub(crate) fn reply_text(&self) -> ShortString {
        short(&self.text)
    }
}

/// Makes a short string of `text`, cut at 255 bytes.
pub(crate) fn short(text: &str) -> ShortString {
    let mut end = text.len().min(255);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    ShortString::from(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        assert_eq!(short(&"é".repeat(200)).as_str(), "é".repeat(127));
        assert_eq!(short("x").as_str(), "x");
    }

    #[test]
    fn soft_codes_end_the_channel_and_hard_ones_the_connection() {
        assert!(Fault::not_found("x").ends_channel_only());
        assert!(Fault::access_refused("x").ends_channel_only());
        assert!(!Fault::not_allowed("x").ends_channel_only());
        assert!(!Fault::connection_forced("x").ends_channel_only());
    }
}
