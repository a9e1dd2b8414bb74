//! The proof that a maker wants an order: bytes of which the last says how they are checked.

use std::fmt;

use crate::{Address, BadSignature, Claim, OrderHash, SignatureCheck, SignatureKind, Signing};

/// The length of a signature that was made with a key.
const ECDSA_LEN: usize = 66;

/// The least that a validator's signature has: its address and the kind.
const VALIDATOR_LEN: usize = 21;

/// A signature, byte for byte as it came. One of a key is `v`, `r`, `s`, kind: 66 bytes, for which
/// nothing is allocated.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Signature(Repr);

/// One of two forms; which one follows from the length.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Repr {
    Usual([u8; ECDSA_LEN]),
    Other(Box<[u8]>),
}

impl Signature {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Usual(bytes) => bytes,
            Repr::Other(bytes) => bytes,
        }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How it is to be checked, if it says so.
    pub fn kind(&self) -> Option<SignatureKind> {
        self.as_bytes().last().and_then(|byte| SignatureKind::from_byte(*byte))
    }

    pub(super) fn sign(how: Signing, hash: &OrderHash, key: &secp256k1::SecretKey) -> Self {
        let made = ecdsa::Signature::sign(how.digest(hash), key);
        let mut bytes = [0; ECDSA_LEN];
        let (v, rest) = bytes.split_at_mut(1);
        let (rs, kind) = rest.split_at_mut(made.rs.len());
        v.fill(made.v);
        rs.copy_from_slice(&made.rs);
        kind.fill(how.kind().to_byte());
        Self(Repr::Usual(bytes))
    }

    /// Whether `maker` signed the order of this hash: [`super::SignedOrder::signature_check`] for
    /// whoever has the hash already.
    pub fn check(&self, hash: &OrderHash, maker: &Address) -> SignatureCheck {
        self.claim(hash, maker).check()
    }

    /// That `maker` signed the order of this hash, to be checked together with others.
    pub fn claim(&self, hash: &OrderHash, maker: &Address) -> Claim {
        match self.shape() {
            Ok(Shape::Key(how, made)) => Claim::new(how, hash, made, maker),
            Ok(Shape::Contract(kind)) => Claim::settled(SignatureCheck::NotCheckableOffline(kind)),
            Err(bad) => Claim::settled(SignatureCheck::Invalid(bad)),
        }
    }

    /// What there is to check.
    fn shape(&self) -> Result<Shape, BadSignature> {
        let Some((&byte, before)) = self.as_bytes().split_last() else {
            return Err(BadSignature::Empty);
        };
        let length = |expected| BadSignature::Length { len: self.len(), expected };
        let key = |how| {
            let (v, rs) = before.split_first().ok_or_else(|| length(ECDSA_LEN))?;
            let rs = rs.try_into().map_err(|_| length(ECDSA_LEN))?;
            Ok(Shape::Key(how, ecdsa::Signature { v: *v, rs }))
        };
        match SignatureKind::from_byte(byte) {
            Some(SignatureKind::Eip712) => key(Signing::Eip712),
            Some(SignatureKind::EthSign) => key(Signing::EthSign),
            Some(SignatureKind::Validator) if self.len() < VALIDATOR_LEN => {
                Err(length(VALIDATOR_LEN))
            }
            Some(
                kind @ (SignatureKind::Wallet
                | SignatureKind::Validator
                | SignatureKind::PreSigned
                | SignatureKind::Eip1271Wallet),
            ) => Ok(Shape::Contract(kind)),
            Some(SignatureKind::Illegal | SignatureKind::Invalid) | None => {
                Err(BadSignature::Kind { byte })
            }
        }
    }
}

/// A signature taken apart.
enum Shape {
    Key(Signing, ecdsa::Signature),
    Contract(SignatureKind),
}

impl From<&[u8]> for Signature {
    fn from(bytes: &[u8]) -> Self {
        Self(match bytes.try_into() {
            Ok(bytes) => Repr::Usual(bytes),
            Err(_) => Repr::Other(bytes.into()),
        })
    }
}

impl From<Vec<u8>> for Signature {
    fn from(bytes: Vec<u8>) -> Self {
        Self(match bytes.as_slice().try_into() {
            Ok(bytes) => Repr::Usual(bytes),
            Err(_) => Repr::Other(bytes.into()),
        })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::hex::write(self.as_bytes(), f)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::hex::write(self.as_bytes(), f)
    }
}
