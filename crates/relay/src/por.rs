//! Proof of relay: half of what opens a ticket is in the packet, half at the next node.
//!
//! The sender shares a [`Secret`] with each node of the path and derives two half keys from each.
//! A ticket to node *i* can be redeemed with the sum of `own(i)` and `ack(i + 1)`: the first is
//! known to the relay, the second is told to it by the next node, as acknowledgement. Each relay
//! finds a [`RelayString`] in its packet, with which it checks beforehand that this will be so.

use std::fmt;

use k256::Secp256k1;
use k256::elliptic_curve::consts::U48;
use k256::hash2curve::{ExpandMsgXmd, hash_to_scalar};
use sha3::Sha3_256;
use tickets::{Cancelled, Challenge, ChallengeAddress, HalfKey, HalfKeyChallenge, Response};
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::Unproven;

/// Names the suite and the half that a relay keeps.
const OWN: &[u8] = b"secp256k1_XMD:SHA3-256_SSWU_RO_HASH_KEY_OWN_KEY";
/// Names the suite and the half with which a packet is acknowledged.
const ACK: &[u8] = b"secp256k1_XMD:SHA3-256_SSWU_RO_HASH_KEY_ACK_KEY";
/// Names what a relay puts over a receipt.
const VEIL: &str = "meshwork relay 2026-11 veil over a receipt";

/// What the sender of a packet shares with one node of its path.
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// From its bytes; any will do.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The half that the node keeps.
    pub fn own(&self) -> HalfKey {
        self.half(OWN)
    }

    /// The half with which the node acknowledges the packet.
    pub fn ack(&self) -> HalfKey {
        self.half(ACK)
    }

    /// What the node, if it is a relay, puts over the receipt that it passes back.
    pub fn veil(&self) -> Veil {
        Veil(blake3::derive_key(VEIL, &*self.0))
    }

    fn half(&self, domain: &[u8]) -> HalfKey {
        let scalar =
            hash_to_scalar::<Secp256k1, ExpandMsgXmd<Sha3_256>, U48>(&[&*self.0], &[domain]);
        let mut scalar = scalar.expect("the domain is not empty, and few bytes are asked for");
        let half = HalfKey::from_bytes(&scalar.to_bytes().into());
        scalar.zeroize();
        half.expect("a hash is below the order, once reduced, and a preimage of zero is unknown")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// 32 bytes that are added, without carries, to the recipient's half key on its way back, so that it
/// looks like another on each link: two relays that compare what they pass back do not see that it
/// is of one packet.
///
/// The veils of all relays, one over the other, are one; the sender knows it, and takes it off.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Veil([u8; 32]);

impl Veil {
    /// These bytes under it; or those that are under it, of what it is over.
    pub fn over(&self, mut bytes: Zeroizing<[u8; 32]>) -> Zeroizing<[u8; 32]> {
        bytes.iter_mut().zip(self.0).for_each(|(byte, veil)| *byte ^= veil);
        bytes
    }

    /// This one and another, as one.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self(*other.over(Zeroizing::new(self.0)))
    }
}

impl fmt::Debug for Veil {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Veil")
    }
}

/// What a relay finds in its packet about the node that follows: two points as 33 bytes each, of
/// which [`check`](Self::check) tells whether they are any.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RelayString {
    /// The challenge to put on the ticket for the next node.
    pub next: [u8; 33],
    /// What the next node's acknowledgement will be known by.
    pub hint: [u8; 33],
}

/// The points of a [`RelayString`] that was checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Proven {
    /// The challenge to put on the ticket for the next node.
    pub next: Challenge,
    /// What the next node's acknowledgement will be known by.
    pub hint: HalfKeyChallenge,
}

impl RelayString {
    /// Bytes of one.
    pub const LEN: usize = 66;

    /// Whether the acknowledgement of the next node and the relay's `own` half will open a ticket
    /// with this challenge. Asked before the packet is passed on.
    ///
    /// # Errors
    /// [`Unproven`], if not; also if `next` is no challenge that a ticket can have.
    pub fn check(&self, own: &HalfKey, ticket: ChallengeAddress) -> Result<Proven, Unproven> {
        let hint = HalfKeyChallenge::from_bytes(&self.hint).map_err(|_| Unproven::Point)?;
        let sum = own.challenge().combine(&hint).map_err(|_| Unproven::Cancels)?;
        if sum.address() != ticket {
            return Err(Unproven::Challenge);
        }
        let next = Challenge::from_bytes(&self.next).map_err(|_| Unproven::Point)?;
        Ok(Proven { next, hint })
    }
}

/// What the sender of a packet needs, and writes into it, for the proofs of its relays.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chain {
    /// The challenge of the ticket for the first node.
    pub ticket: Challenge,
    /// What the first node's acknowledgement is known by.
    pub acknowledgement: HalfKeyChallenge,
    /// What the last node's acknowledgement is known by, which comes back as proof of delivery.
    pub receipt: HalfKeyChallenge,
    /// What the relays put over that acknowledgement.
    pub veil: Veil,
    /// One for each relay.
    pub strings: Vec<RelayString>,
}

impl Chain {
    /// Of the secrets shared with the nodes of a path, and of one more, shared with nobody, for the
    /// half key that would come after the last.
    ///
    /// # Errors
    /// [`Cancelled`] if two half keys cancel each other, which chance does not bring about.
    pub fn new(first: &Secret, others: &[Secret], nobody: &Secret) -> Result<Self, Cancelled> {
        let acks = others.iter().chain([nobody]).map(Secret::ack);
        let mut tickets = Vec::with_capacity(others.len());
        for (secret, ack) in [first].into_iter().chain(others).zip(acks) {
            tickets.push(Response::combine(&secret.own(), &ack)?.challenge());
        }
        let mut tickets = tickets.into_iter();
        let ticket = tickets.next().ok_or(Cancelled)?;
        let hints: Vec<_> = others.iter().map(|secret| secret.ack().challenge()).collect();
        let acknowledgement = first.ack().challenge();
        let receipt = hints.last().copied().unwrap_or(acknowledgement);
        // All but the last node are relays.
        let relays = [first].into_iter().chain(others).take(others.len());
        let veil = relays.fold(Veil::default(), |veil, relay| veil.and(&relay.veil()));
        let strings = tickets
            .zip(hints)
            .map(|(next, hint)| RelayString { next: next.to_bytes(), hint: hint.to_bytes() })
            .collect();
        Ok(Self { ticket, acknowledgement, receipt, veil, strings })
    }
}
