//! Why the node does not do what its operator asks.

use handshake::{BanStoreError, Banned};
use libp2p::PeerId;

/// Why a peer is not trusted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// It is the node itself.
    #[error("{0} is this node itself")]
    Oneself(PeerId),
    /// It is banned.
    #[error("{peer} is banned ({reason}); let it in first")]
    Banned {
        /// Who.
        peer: PeerId,
        /// Why.
        reason: String,
    },
    /// There are as many trusted peers as may be.
    #[error("{max} peers are trusted already")]
    TooMany {
        /// How many may be.
        max: usize,
    },
}

/// Why a peer stays trusted.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0} is none of the trusted peers")]
pub struct NotTrusted(pub PeerId);

/// Why a ban did not come about as it should.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BanError {
    /// It is the node itself.
    #[error("{0} is this node itself")]
    Oneself(PeerId),
    /// The operator wants a link to it, whatever happens.
    #[error("{0} is a trusted peer; remove it first")]
    Trusted(PeerId),
    /// It is in force and will not outlive the node.
    #[error("{banned} is banned, but only until this node ends: {source}")]
    Storing {
        /// Whom.
        banned: Banned,
        /// What the disk says.
        source: BanStoreError,
    },
}

/// Why the end of a ban did not come about as it should.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnbanError {
    /// There is no such ban.
    #[error("{0} is not banned")]
    NotBanned(Banned),
    /// It has ended, and will be back when the node starts again.
    #[error("{banned} is let in, but only until this node ends: {source}")]
    Storing {
        /// Whom.
        banned: Banned,
        /// What the disk says.
        source: BanStoreError,
    },
}
