//! How a sender makes a packet.

use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use tickets::{Challenge, HalfKeyChallenge};
use zeroize::Zeroizing;

use super::header::{ENTRY, EXTENDED, Entry, HEADER, code, mask};
use super::key::{NodeKey, multiple};
use super::keys::Keys;
use super::message::Message;
use super::packet::{Packet, Parts};
use super::{NODES_MAX, payload};
use crate::error::BuildError;
use crate::por::{Chain, Secret, Veil};

/// Names what is drawn from the sender's seed.
const CONTEXT: &str = "meshwork relay 2026-11 sphinx/1 seed of one packet";

/// What a sender keeps of a packet, and what it says beside it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sent {
    /// The challenge to put on the ticket for the first node.
    pub ticket: Challenge,
    /// What the first node's acknowledgement is known by.
    pub acknowledgement: HalfKeyChallenge,
    /// What the recipient's acknowledgement is known by: who shows its half key has shown that the
    /// packet arrived, for only the recipient and the sender can make it.
    pub receipt: HalfKeyChallenge,
    /// What the relays put over that half key as they pass it back.
    pub veil: Veil,
}

/// What is drawn from the seed.
struct Drawn {
    scalar: Zeroizing<Scalar>,
    nobody: Secret,
    padding: blake3::OutputReader,
}

impl Drawn {
    fn new(seed: &[u8; 32]) -> Self {
        let mut padding = blake3::Hasher::new_derive_key(CONTEXT).update(seed).finalize_xof();
        let (mut wide, mut nobody) = (Zeroizing::new([0; 64]), [0; 32]);
        padding.fill(&mut *wide);
        padding.fill(&mut nobody);
        let scalar = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&wide));
        Self { scalar, nobody: Secret::new(nobody), padding }
    }
}

impl Packet {
    /// A packet for the last node of a path by way of the others.
    ///
    /// # Bounds
    /// One to four nodes: the recipient and at most [`RELAYS_MAX`](super::RELAYS_MAX) before it.
    ///
    /// # Errors
    /// [`BuildError`] if the path is longer, or a key of it is none.
    ///
    /// # Security
    /// The packet is a function of its arguments. Who has the seed can open it, and two packets
    /// from one seed are known to be of one sender: 32 random bytes for each packet.
    pub fn build(
        path: &[NodeKey],
        message: &Message,
        seed: &[u8; 32],
    ) -> Result<(Self, Sent), BuildError> {
        if path.len() > NODES_MAX {
            return Err(BuildError::PathLength { nodes: path.len() });
        }
        let mut drawn = Drawn::new(seed);
        let (alpha, keys) = exchange(path, drawn.scalar.clone())?;
        let secrets: Vec<Secret> = keys.iter().map(|keys| Secret::new(keys.proof)).collect();
        let Some((first, others)) = secrets.split_first() else {
            return Err(BuildError::PathLength { nodes: 0 });
        };
        let chain = Chain::new(first, others, &drawn.nobody).map_err(BuildError::Proof)?;

        let (header, mac) = wrap(path, &keys, &chain, &mut drawn.padding);
        let mut payload = payload::pack(message);
        for keys in keys.iter().rev() {
            payload::close(&keys.rounds, &mut payload);
        }
        let Chain { ticket, acknowledgement, receipt, veil, .. } = chain;
        let sent = Sent { ticket, acknowledgement, receipt, veil };
        Ok((Self(Box::new(Parts { alpha, header, mac, payload })), sent))
    }
}

/// The group element for the first node, and the keys shared with each.
fn exchange(
    path: &[NodeKey],
    mut scalar: Zeroizing<Scalar>,
) -> Result<([u8; 32], Vec<Keys>), BuildError> {
    let mut first = None;
    let mut shared = Vec::with_capacity(path.len());
    for (position, node) in path.iter().enumerate() {
        let point = node.point().ok_or(BuildError::Key { position })?;
        let alpha = EdwardsPoint::mul_base(&scalar).compress().to_bytes();
        let secret = Zeroizing::new(multiple(&point, &scalar));
        let keys = Keys::derive(&secret, &alpha, node);
        // A node blinds eight times the element that it got.
        *scalar = [*scalar, Scalar::from(8_u8), keys.blinding].into_iter().product();
        first.get_or_insert(alpha);
        shared.push(keys);
    }
    let alpha = first.ok_or(BuildError::PathLength { nodes: 0 })?;
    Ok((alpha, shared))
}

/// The header for the first node, and its code.
fn wrap(
    path: &[NodeKey],
    keys: &[Keys],
    chain: &Chain,
    padding: &mut blake3::OutputReader,
) -> ([u8; HEADER], [u8; 16]) {
    let mut header = [0; HEADER];
    let (mut mac, mut left) = ([0; 16], 0_u8);
    let Some((last, relays)) = keys.split_last() else { return (header, mac) };
    innermost(last, &filler(relays), padding, &mut header);
    mac = code(&last.mac, &header);

    let next = path.iter().skip(1).zip(&chain.strings);
    for (keys, (next, string)) in relays.iter().zip(next).rev() {
        left = left.saturating_add(1);
        let entry = Entry { left, next: *next, mac, string: *string };
        let inner = header;
        header.iter_mut().zip(entry.bytes().chain(inner)).for_each(|(to, byte)| *to = byte);
        mask(&keys.stream, &mut header);
        mac = code(&keys.mac, &header);
    }
    (header, mac)
}

/// What the recipient's header ends with: the zeros by which each relay extends the header it
/// takes an entry from, under the streams of that relay and of those behind it.
fn filler(relays: &[Keys]) -> Vec<u8> {
    let mut filler = Vec::with_capacity(EXTENDED);
    for keys in relays {
        let mut stream = [0; EXTENDED];
        mask(&keys.stream, &mut stream);
        filler.extend_from_slice(&[0; ENTRY]);
        filler.iter_mut().rev().zip(stream.iter().rev()).for_each(|(to, byte)| *to ^= byte);
    }
    filler
}

/// The recipient's header: a zero, for no node follows, then random bytes and the filler, which
/// look alike, so that the recipient does not see how many relays there were.
fn innermost(
    keys: &Keys,
    filler: &[u8],
    padding: &mut blake3::OutputReader,
    header: &mut [u8; HEADER],
) {
    let own = HEADER.saturating_sub(filler.len());
    let Some((own, tail)) = header.split_at_mut_checked(own) else { return };
    if let Some((left, random)) = own.split_first_mut() {
        *left = 0;
        padding.fill(random);
    }
    mask(&keys.stream, own);
    tail.iter_mut().zip(filler).for_each(|(to, byte)| *to = *byte);
}
