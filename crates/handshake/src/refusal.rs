//! How a connection ends that stays outside.

use thiserror::Error;
use wire::signed::SignedRecord;

use crate::{Reject, RejectCode};

/// Why a connection stays outside the gate.
#[derive(Clone, Debug, Error)]
pub enum Refusal {
    /// We refused it, and told the remote so.
    #[error("we refuse: {0}")]
    Ours(Reject),
    /// The remote refused it.
    #[error("they refuse: {reject}")]
    Theirs {
        /// What they said.
        reject: Reject,
        /// The nodes they name instead, as far as the signatures hold.
        alternatives: Vec<SignedRecord>,
    },
    /// The remote does not speak the handshake.
    #[error("the remote is no node of this kind")]
    NotANode,
    /// The connection broke before both sides had decided.
    #[error("disconnected")]
    Disconnected,
}

impl Refusal {
    /// The code, if either side named one.
    #[must_use]
    pub fn code(&self) -> Option<RejectCode> {
        match self {
            Self::Ours(reject) | Self::Theirs { reject, .. } => Some(reject.code),
            Self::NotANode | Self::Disconnected => None,
        }
    }

    /// One word for logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ours(reject) | Self::Theirs { reject, .. } => reject.code.name(),
            Self::NotANode => "not_a_node",
            Self::Disconnected => "disconnected",
        }
    }
}
