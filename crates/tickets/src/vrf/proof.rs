//! A proof in its two forms: what it says, how it is made, and whether it holds.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "points and scalars are elements of groups, which no operation leaves"
)]

use ecdsa::Transcript;
use k256::elliptic_curve::PrimeField as _;
use k256::elliptic_curve::ops::LinearCombination as _;
use k256::{ProjectivePoint, Scalar};
use thiserror::Error;
use zeroize::Zeroizing;

use super::hash;
use super::point::{Output, Point};
use crate::bytes::joined;
use crate::{Address, ChainKey, DomainSeparator, TicketHash};

/// What a proof is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Statement {
    /// The account of the redeemer.
    pub redeemer: Address,
    /// The ticket.
    pub ticket: TicketHash,
    /// The contract that pays.
    pub separator: DomainSeparator,
}

impl Statement {
    /// `B`: some 45 µs.
    pub(super) fn base(&self) -> ProjectivePoint {
        hash::to_curve(&[&self.redeemer.0, &self.ticket.0], &self.separator.0)
    }

    /// `h`.
    fn hash(&self, output: &Output, commitment: &Point) -> Scalar {
        let parts: [&[u8]; 4] = [&self.redeemer.0, output.xy(), commitment.xy(), &self.ticket.0];
        hash::to_scalar(&parts, &self.separator.0)
    }
}

/// What enters the weights of an output.
pub(super) fn add_output(transcript: &mut Transcript, statement: &Statement, output: &Output) {
    let Statement { redeemer, ticket, separator } = statement;
    let parts: [&[u8]; 4] = [&redeemer.0, &ticket.0, &separator.0, output.xy()];
    for part in parts {
        transcript.add(part);
    }
}

/// Bytes that are no proof.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
pub enum Malformed {
    /// The public key is no point.
    #[error("the key in the proof is not a point of the curve")]
    Key,
    /// The output is no point.
    #[error("the output of the proof is not a point of the curve")]
    Output,
    /// `R` is no point.
    #[error("the commitment of the proof is not a point of the curve")]
    Commitment,
    /// `h` is out of range.
    #[error("the hash in the proof is not below the order of the curve")]
    Hash,
    /// `s` is out of range.
    #[error("the response in the proof is not below the order of the curve")]
    Response,
}

/// A proof that does not hold.
#[derive(Clone, Copy, Debug, Eq, Error, PartialEq)]
#[error("the proof does not hold for this ticket and redeemer")]
pub struct Unproven;

/// A proof as it travels between nodes: `V`, `R`, `s`. Many of these are verified together by
/// [`verify_batch`](super::verify_batch).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Proof {
    pub(super) output: Output,
    pub(super) commitment: Point,
    pub(super) response: Scalar,
}

impl Proof {
    /// Bytes of the encoding: two compressed points, and a number, big-endian.
    pub const LEN: usize = 98;

    /// Takes two square roots, some 4 µs each.
    ///
    /// # Errors
    /// When one of the parts is not what it has to be.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, Malformed> {
        let [output, commitment] =
            [bytes.first_chunk(), bytes.get(33..).and_then(<[u8]>::first_chunk)];
        Ok(Self {
            output: output.and_then(Output::from_bytes).ok_or(Malformed::Output)?,
            commitment: commitment.and_then(Point::from_bytes).ok_or(Malformed::Commitment)?,
            response: bytes.last_chunk().and_then(scalar).ok_or(Malformed::Response)?,
        })
    }

    /// The encoding.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        joined(&[&self.output.to_bytes(), &self.commitment.to_bytes(), &self.response.to_bytes()])
    }

    /// The output that is proved.
    pub const fn output(&self) -> &Output {
        &self.output
    }

    /// Whether it holds. Some 100 µs, of which hashing to the curve takes 45.
    ///
    /// # Errors
    /// When it does not hold for `statement`.
    pub fn verify(&self, statement: &Statement) -> Result<(), Unproven> {
        if self.open(statement).holds() { Ok(()) } else { Err(Unproven) }
    }

    /// The same proof as ledgers take it. It holds if and only if this one does.
    pub fn hash_form(&self, statement: &Statement) -> HashProof {
        let hash = statement.hash(&self.output, &self.commitment);
        HashProof { output: self.output, hash, response: self.response }
    }

    pub(super) fn open(&self, statement: &Statement) -> Equation {
        Equation {
            base: statement.base(),
            output: self.output.0.projective(),
            commitment: self.commitment.projective(),
            hash: statement.hash(&self.output, &self.commitment),
            response: self.response,
        }
    }
}

/// What has to hold: `s B - h V = R`.
pub(super) struct Equation {
    pub(super) base: ProjectivePoint,
    pub(super) output: ProjectivePoint,
    pub(super) commitment: ProjectivePoint,
    pub(super) hash: Scalar,
    pub(super) response: Scalar,
}

impl Equation {
    pub(super) fn holds(&self) -> bool {
        left_side(self.base, &self.response, self.output, &self.hash) == self.commitment
    }
}

/// `s B - h V`, of public numbers.
pub(super) fn left_side(
    base: ProjectivePoint,
    response: &Scalar,
    output: ProjectivePoint,
    hash: &Scalar,
) -> ProjectivePoint {
    ProjectivePoint::lincomb_vartime(&[(base, *response), (output, -*hash)])
}

/// A proof as ledgers take it: `V`, `h`, `s`. It is verified alone, and then is a [`Proof`] as well.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HashProof {
    output: Output,
    hash: Scalar,
    response: Scalar,
}

impl HashProof {
    /// Bytes of the encoding: a compressed point, and two numbers, big-endian.
    pub const LEN: usize = 97;

    /// Takes one square root, some 4 µs.
    ///
    /// # Errors
    /// When one of the parts is not what it has to be.
    pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Result<Self, Malformed> {
        let hash = bytes.get(33..).and_then(<[u8]>::first_chunk);
        Ok(Self {
            output: bytes.first_chunk().and_then(Output::from_bytes).ok_or(Malformed::Output)?,
            hash: hash.and_then(scalar).ok_or(Malformed::Hash)?,
            response: bytes.last_chunk().and_then(scalar).ok_or(Malformed::Response)?,
        })
    }

    /// The encoding.
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        joined(&[&self.output.to_bytes(), &self.hash.to_bytes(), &self.response.to_bytes()])
    }

    /// The output that is proved.
    pub const fn output(&self) -> &Output {
        &self.output
    }

    /// The same proof as it travels, if it holds.
    ///
    /// # Errors
    /// When it does not hold for `statement`.
    pub fn verify(&self, statement: &Statement) -> Result<Proof, Unproven> {
        let (output, base) = (self.output.0.projective(), statement.base());
        let commitment = left_side(base, &self.response, output, &self.hash);
        let commitment = Point::new(&commitment).ok_or(Unproven)?;
        let holds = statement.hash(&self.output, &commitment) == self.hash;
        let proof = Proof { output: self.output, commitment, response: self.response };
        if holds { Ok(proof) } else { Err(Unproven) }
    }
}

/// Proves the output of `key` for `statement`, whose redeemer has to be its account for the proof to
/// be of use. `randomness` has to be new each time.
///
/// # Security
/// Takes the same time for all keys. `r` is a hash of the secret, of `V` and of `randomness`: if that
/// is bad and repeats itself, `r` does so only for the same statement, which gives nothing away.
pub fn prove(key: &ChainKey, statement: &Statement, randomness: &[u8; 64]) -> Proof {
    let base = statement.base();
    let secret = secret(key);
    let output = Output(point(&(base * *secret)));
    let bytes = Zeroizing::new(<[u8; 32]>::from(secret.to_bytes()));
    let parts: [&[u8]; 3] = [&*bytes, output.xy(), randomness];
    let nonce = Zeroizing::new(hash::to_scalar(&parts, &statement.separator.0));
    let commitment = point(&(base * *nonce));
    let response = *nonce + statement.hash(&output, &commitment) * *secret;
    Proof { output, commitment, response }
}

/// A multiple of a point that nobody chose.
pub(super) fn point(multiple: &ProjectivePoint) -> Point {
    Point::new(multiple).expect("no hash that anybody knows is zero or the neutral point")
}

/// The number that is the secret.
pub(super) fn secret(key: &ChainKey) -> Zeroizing<Scalar> {
    Zeroizing::new(scalar(key.secret()).expect("a key is below the order of the curve"))
}

/// A number below the order of the curve.
pub(super) fn scalar(bytes: &[u8; 32]) -> Option<Scalar> {
    Scalar::from_repr((*bytes).into()).into()
}
