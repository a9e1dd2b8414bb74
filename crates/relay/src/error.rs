//! Why a packet is not made, and why one that came is refused.

use tickets::Cancelled;

/// A peer that cannot be a node of a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("peer has no Ed25519 key in its id")]
pub struct NotEd25519;

/// More bytes than a packet carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("message is {given} bytes, must be at most {max}", max = crate::sphinx::Message::BYTES_MAX)]
pub struct MessageTooLong {
    /// How many there are.
    pub given: usize,
}

/// Why no packet can be made for a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// More relays than a packet has room for, or no node at all.
    #[error("path is {nodes} nodes, must be 1 to {max}", max = crate::sphinx::NODES_MAX)]
    PathLength {
        /// How many nodes it has, the recipient among them.
        nodes: usize,
    },
    /// A key that is no point, or one of small order, with which no secret can be shared.
    #[error("node {position} of the path has no key to share a secret with")]
    Key {
        /// Which node, from 0.
        position: usize,
    },
    /// Two half keys of the path cancel each other; another seed helps.
    #[error("proof of relay cannot be made from this seed")]
    Proof(#[source] Cancelled),
}

/// Why a packet that came is thrown away, in the order of the checks.
///
/// # Security
/// For logs and counters of this node only: to answer with it would tell whoever sent the packet
/// how far it came.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Not the one size that packets have.
    #[error("packet is {given} bytes, must be {expected}", expected = crate::sphinx::Packet::LEN)]
    Length {
        /// What it has.
        given: usize,
    },
    /// The group element is no point, or one of small order.
    #[error("packet has a group element without a secret")]
    GroupElement,
    /// Made for another node, or changed on the way.
    #[error("packet has a header whose code does not hold")]
    Mac,
    /// The sender wrote an entry that leads nowhere.
    #[error("packet is {left} nodes from its recipient, must be at most {max}",
        max = crate::sphinx::RELAYS_MAX)]
    Routing {
        /// How many nodes it says to follow.
        left: u8,
    },
    /// What arrived is not what the sender packed.
    #[error("payload was changed on the way")]
    Payload,
}

/// Why a relay cannot earn what a packet offers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unproven {
    /// A challenge that is no point of the curve.
    #[error("proof of relay has a challenge that is no point")]
    Point,
    /// The half keys would sum to zero.
    #[error("proof of relay has a hint that cancels the half key")]
    Cancels,
    /// The ticket asks for another response than the packet leads to.
    #[error("ticket has another challenge than its packet")]
    Challenge,
}
