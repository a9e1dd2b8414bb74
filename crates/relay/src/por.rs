//! Proof of relay: half of what opens a ticket is in the packet, half at the next node.
//!
//! The sender shares a [`Secret`] with each node of the path and derives two half keys from each.
//! A ticket to node *i* can be redeemed with the sum of `own(i)` and `ack(i + 1)`: the first is
//! known to the relay, the second is told to it by the next node, as acknowledgement. Each relay
//! finds a [`RelayString`] in its packet, with which it checks beforehand that this will be so.

use std::fmt;

use ecdsa::Address;
use k256::elliptic_curve::ops::Reduce as _;
use k256::{Scalar, WideBytes};
use secp256k1::{PublicKey, SecretKey};
use sha3::{Digest as _, Sha3_256};
use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::{BadHalfKey, Unproven, ZeroScalar};

/// Names the suite and the half that a relay keeps.
const OWN: &[u8] = b"secp256k1_XMD:SHA3-256_SSWU_RO_HASH_KEY_OWN_KEY";
/// Names the suite and the half with which a packet is acknowledged.
const ACK: &[u8] = b"secp256k1_XMD:SHA3-256_SSWU_RO_HASH_KEY_ACK_KEY";
/// Bytes that SHA3-256 takes at once.
const BLOCK: [u8; 136] = [0; 136];
/// Bytes that are reduced to a scalar: 128 bits more than it has, so that none is likelier.
const WIDTH: u16 = 48;

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

    fn half(&self, domain: &[u8]) -> HalfKey {
        let uniform = Zeroizing::new(expand(&self.0, domain));
        let mut scalar = Scalar::reduce(&WideBytes::from(*uniform));
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

/// `expand_message_xmd` of RFC 9380 with SHA3-256, to 48 bytes behind 16 that are zero.
fn expand(message: &[u8; 32], domain: &[u8]) -> [u8; 64] {
    let domain_len = u8::try_from(domain.len()).expect("the domains above are short");
    let hash = |parts: &[&[u8]]| -> [u8; 32] {
        let mut hasher = Sha3_256::new();
        for part in parts {
            hasher.update(part);
        }
        hasher.update(domain);
        hasher.update([domain_len]);
        hasher.finalize().into()
    };
    let seed = hash(&[&BLOCK, message, &WIDTH.to_be_bytes(), &[0]]);
    let first = hash(&[&seed, &[1]]);
    let mut mixed = seed;
    mixed.iter_mut().zip(first).for_each(|(byte, other)| *byte ^= other);
    let second = hash(&[&mixed, &[2]]);
    let mut wide = [0; 64];
    let uniform = first.iter().chain(&second);
    wide.iter_mut().skip(16).zip(uniform).for_each(|(to, byte)| *to = *byte);
    wide
}

/// A scalar of secp256k1 that is not zero: one of two summands of a response, or their sum.
pub struct HalfKey(Zeroizing<[u8; 32]>);

impl HalfKey {
    /// From its bytes, the highest first.
    ///
    /// # Errors
    /// [`BadHalfKey`] for zero and for all from the order of the curve on.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadHalfKey> {
        let mut key = SecretKey::from_secret_bytes(*bytes).map_err(|_| BadHalfKey)?;
        key.non_secure_erase();
        Ok(Self(Zeroizing::new(*bytes)))
    }

    /// Its bytes, the highest first.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The point that gives away nothing of it but whether it is the one.
    pub fn challenge(&self) -> Point {
        Point(self.multiple().serialize())
    }

    /// The response that opens a ticket: the relay's own half and the acknowledgement.
    ///
    /// # Errors
    /// [`ZeroScalar`] if they cancel each other.
    pub fn plus(&self, other: &Self) -> Result<Self, ZeroScalar> {
        let mut key = self.scalar();
        let mut sum = key.add_tweak(&other.scalar().into()).map_err(|_| ZeroScalar)?;
        let response = Self(Zeroizing::new(sum.to_secret_bytes()));
        key.non_secure_erase();
        sum.non_secure_erase();
        Ok(response)
    }

    fn scalar(&self) -> SecretKey {
        SecretKey::from_secret_bytes(*self.0).expect("checked when it was made")
    }

    fn multiple(&self) -> PublicKey {
        let mut key = self.scalar();
        let multiple = PublicKey::from_secret_key(&key);
        key.non_secure_erase();
        multiple
    }
}

impl Clone for HalfKey {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl PartialEq for HalfKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

impl Eq for HalfKey {}

impl fmt::Debug for HalfKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HalfKey")
    }
}

/// A point of secp256k1 as 33 bytes; whether there is one is seen where it is used.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Point(pub [u8; 33]);

impl Point {
    /// As it stands on a ticket.
    ///
    /// # Errors
    /// [`Unproven::Point`] if no point has these bytes.
    pub fn address(&self) -> Result<Address, Unproven> {
        Ok(ecdsa::address(&self.decode()?))
    }

    fn decode(&self) -> Result<PublicKey, Unproven> {
        PublicKey::from_byte_array_compressed(self.0).map_err(|_| Unproven::Point)
    }
}

/// What a relay finds in its packet about the node that follows.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct RelayString {
    /// The challenge to put on the ticket for the next node.
    pub next: Point,
    /// What the next node's acknowledgement will be the multiple of.
    pub hint: Point,
}

impl RelayString {
    /// Bytes of one.
    pub const LEN: usize = 66;

    /// Whether the acknowledgement of the next node and the relay's `own` half will open a ticket
    /// with this challenge. Asked before the packet is passed on.
    ///
    /// # Errors
    /// [`Unproven`], if not; also if `next` is no challenge that a ticket can have.
    pub fn check(&self, own: &HalfKey, ticket: Address) -> Result<(), Unproven> {
        let hint = self.hint.decode()?;
        let sum = own.multiple().combine(&hint).map_err(|_| Unproven::Cancels)?;
        if ecdsa::address(&sum) != ticket {
            return Err(Unproven::Challenge);
        }
        self.next.decode().map(|_| ())
    }
}

/// What the sender of a packet needs, and writes into it, for the proofs of its relays.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chain {
    /// The challenge of the ticket for the first node.
    pub ticket: Point,
    /// What the first node's acknowledgement is the multiple of.
    pub acknowledgement: Point,
    /// One for each relay.
    pub strings: Vec<RelayString>,
}

impl Chain {
    /// Of the secrets shared with the nodes of a path, and of one more, shared with nobody, for the
    /// half key that would come after the last.
    ///
    /// # Errors
    /// [`ZeroScalar`] if two half keys cancel each other, which chance does not bring about.
    pub fn new(first: &Secret, others: &[Secret], nobody: &Secret) -> Result<Self, ZeroScalar> {
        let acks = others.iter().chain([nobody]).map(Secret::ack);
        let mut tickets = Vec::with_capacity(others.len());
        for (secret, ack) in [first].into_iter().chain(others).zip(acks) {
            tickets.push(secret.own().plus(&ack)?.challenge());
        }
        let mut tickets = tickets.into_iter();
        let ticket = tickets.next().ok_or(ZeroScalar)?;
        let hints = others.iter().map(|secret| secret.ack().challenge());
        let strings = tickets.zip(hints).map(|(next, hint)| RelayString { next, hint }).collect();
        Ok(Self { ticket, acknowledgement: first.ack().challenge(), strings })
    }
}
