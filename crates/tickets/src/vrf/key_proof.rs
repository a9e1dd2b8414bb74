//! That the outputs for many tickets are all of one key.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "points and scalars are elements of groups, which no operation leaves"
)]

use ecdsa::{Multiples, Transcript};
use k256::{ProjectivePoint, Scalar};
use thiserror::Error;
use zeroize::Zeroizing;

use super::point::Point;
use super::proof::{Malformed, add_output, left_side, point, scalar, secret};
use super::{Evaluation, hash};
use crate::bytes::joined;
use crate::{Address, ChainKey};

/// The purpose of the hash that gives the weights.
const PURPOSE: &str = "meshwork 2026-11-21 weights of outputs of one key";

/// The domain of the challenge.
const CHALLENGE: &[u8] = b"meshwork 2026-11-21 challenge of one key";

/// The domain of the nonce.
const NONCE: &[u8] = b"meshwork 2026-11-21 nonce of one key";

/// Outputs that are not shown to be of the redeemer's key.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum NotOfKey {
    /// A ticket is somebody else's.
    #[error("ticket {place} is redeemed by {redeemer}, but the key is that of {key}")]
    Redeemer {
        /// The place of the statement.
        place: usize,
        /// Who redeems that ticket.
        redeemer: Address,
        /// Whose key it is.
        key: Address,
    },
    /// The proof does not hold, or is one for other outputs.
    #[error("the proof does not show that the outputs are of the key")]
    Unproven,
}

/// Shows that each of many outputs is the secret behind one public key times the `B` of its
/// statement: that none was chosen. One proof for all of them, in 97 bytes.
///
/// The sum of all `B` and that of all `V`, each multiplied by a number of 128 bits that nobody can
/// choose, have to differ by the same factor as the generator and the key do, which is what Chaum and
/// Pedersen's proof shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct KeyProof {
    key: Point,
    challenge: Scalar,
    response: Scalar,
}

impl KeyProof {
    /// Bytes of the encoding: the compressed key, and two numbers, big-endian.
    pub const LEN: usize = 97;

    /// Proves that `outputs` are of `key`, as they have to be. `randomness` has to be new each time.
    ///
    /// # Security
    /// Takes the same time for all keys; the nonce is a hash of the secret, of all outputs and of
    /// `randomness`.
    pub fn new(key: &ChainKey, outputs: &[Evaluation], randomness: &[u8; 64]) -> Self {
        let secret = secret(key);
        let key = point(&(ProjectivePoint::GENERATOR * *secret));
        let together = Together::new(&key, outputs);
        let bytes = Zeroizing::new(<[u8; 32]>::from(secret.to_bytes()));
        let parts: [&[u8]; 3] = [&*bytes, &together.digest, randomness];
        let nonce = Zeroizing::new(hash::to_scalar(&parts, NONCE));
        // That of the outputs is the secret times this, and nobody asks for it here.
        let base = together.sum(Evaluation::base);
        let commitments = [ProjectivePoint::GENERATOR * *nonce, base * *nonce];
        let challenge = together.challenge(&commitments);
        Self { key, challenge, response: *nonce + challenge * *secret }
    }

    /// Whether each of `outputs` is of the key, and the key that of each redeemer.
    ///
    /// # Errors
    /// When a ticket is not redeemed by the account of the key, or an output is not shown to be of it.
    pub fn verify(&self, outputs: &[Evaluation]) -> Result<(), NotOfKey> {
        let key = self.address();
        let redeemers = outputs.iter().map(|it| it.statement().redeemer).enumerate();
        if let Some((place, redeemer)) = { redeemers }.find(|(_, redeemer)| *redeemer != key) {
            return Err(NotOfKey::Redeemer { place, redeemer, key });
        }
        let together = Together::new(&self.key, outputs);
        let base = together.sum(Evaluation::base);
        let output = together.sum(|it| it.output().0.projective());
        let pairs = [(ProjectivePoint::GENERATOR, self.key.projective()), (base, output)];
        let commitments = pairs
            .map(|(base, multiple)| left_side(base, &self.response, multiple, &self.challenge));
        let holds = together.challenge(&commitments) == self.challenge;
        if holds { Ok(()) } else { Err(NotOfKey::Unproven) }
    }

    /// The account of the key.
    pub fn address(&self) -> Address {
        Address::of_point(self.key.xy())
    }

    /// Takes a square root, some 4 µs.
    ///
    /// # Errors
    /// When one of the parts is not what it has to be.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, Malformed> {
        let challenge = bytes.get(33..).and_then(<[u8]>::first_chunk);
        Ok(Self {
            key: bytes.first_chunk().and_then(Point::from_bytes).ok_or(Malformed::Key)?,
            challenge: challenge.and_then(scalar).ok_or(Malformed::Hash)?,
            response: bytes.last_chunk().and_then(scalar).ok_or(Malformed::Response)?,
        })
    }

    /// The encoding.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        joined(&[&self.key.to_bytes(), &self.challenge.to_bytes(), &self.response.to_bytes()])
    }
}

/// Many outputs, and the hash of all of them, from which their weights come.
struct Together<'a> {
    outputs: &'a [Evaluation],
    transcript: Transcript,
    digest: [u8; 32],
}

impl<'a> Together<'a> {
    fn new(key: &Point, outputs: &'a [Evaluation]) -> Self {
        let mut transcript = Transcript::new(PURPOSE);
        transcript.add(key.xy());
        for each in outputs {
            add_output(&mut transcript, each.statement(), each.output());
        }
        let digest = transcript.digest();
        Self { outputs, transcript, digest }
    }

    /// The sum of one point of each, times its weight.
    fn sum(&self, point: impl Fn(&Evaluation) -> ProjectivePoint) -> ProjectivePoint {
        let mut sum = Multiples::with_capacity(self.outputs.len());
        for (each, weight) in self.outputs.iter().zip(self.transcript.weights()) {
            sum.push_short(point(each), weight);
        }
        sum.sum()
    }

    /// What the prover answers, who has to have chosen `commitments` before.
    fn challenge(&self, commitments: &[ProjectivePoint; 2]) -> Scalar {
        // The neutral point stands for nothing: a proof has it only by chance or of no outputs.
        let [first, second] =
            commitments.each_ref().map(|it| Point::new(it).map_or([0; 64], |it| *it.xy()));
        hash::to_scalar(&[&self.digest, &first, &second], CHALLENGE)
    }
}
