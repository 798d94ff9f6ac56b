//! What SimpleCov measured in one Ruby child, in pieces that fit into a message.

use serde::{Deserialize, Serialize};

use crate::job::ListenerId;

/// A piece of the share of one Ruby child: its result and settings of SimpleCov, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoveragePiece {
    /// Tells the shares of one worker apart: the monotonic clock, as a process id may come again.
    pub share: u64,
    /// Which piece this is, from 0 on.
    pub piece: u32,
    /// How many there are.
    pub pieces: u32,
    /// The piece of the text.
    pub text: String,
}

/// A piece of a share, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageShare {
    /// Name of the host.
    pub hostname: String,
    /// Its listener.
    pub listener_id: ListenerId,
    /// The slot.
    pub worker_id: u32,
    /// The piece.
    pub piece: CoveragePiece,
}
