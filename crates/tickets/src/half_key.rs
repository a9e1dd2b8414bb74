//! The secrets whose sum a ticket waits for: one half is its holder's, the other comes with the
//! acknowledgement of the next hop.

use std::fmt;

use ecdsa::{Address, hex_text};
use secp256k1::{Scalar, SecretKey};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::{BadPoint, BadScalar, Cancelled, PublicKey};

/// Half of a [`Response`]. Its bytes are wiped when it is dropped, and are never shown; two of them
/// are compared in constant time.
#[derive(Clone)]
pub struct HalfKey(Number);

/// What shows that somebody has a [`HalfKey`], without showing it: the point that it makes.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HalfKeyChallenge(PublicKey);

/// The sum of two halves, which is what makes a ticket worth something.
///
/// Until a ticket is redeemed it is a secret between its holder and who made the packet, so its bytes
/// are treated like those of a key; redeeming publishes it.
#[derive(Clone)]
pub struct Response(Number);

/// What shows that somebody has a [`Response`]: the point that it makes.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Challenge(PublicKey);

/// A [`Challenge`] in the form that a ticket carries: the address of the point.
#[derive(Clone, Copy, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ChallengeAddress(pub [u8; 20]);

hex_text!(ChallengeAddress);

impl HalfKey {
    /// The half of these bytes.
    ///
    /// # Errors
    /// [`BadScalar`] for zero, and for what is not below the order of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadScalar> {
        Number::from_bytes(bytes).map(Self)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.0.clone()
    }

    /// What it is known by. Takes some 15 µs.
    pub fn challenge(&self) -> HalfKeyChallenge {
        HalfKeyChallenge(self.0.point())
    }
}

impl HalfKeyChallenge {
    /// The challenge of these bytes.
    ///
    /// # Errors
    /// [`BadPoint`] if they are no point.
    pub fn from_bytes(bytes: &[u8; 33]) -> Result<Self, BadPoint> {
        PublicKey::from_bytes(bytes).map(Self)
    }

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; 33] {
        self.0.to_bytes()
    }

    /// What the sum of the two halves will solve.
    ///
    /// # Errors
    /// [`Cancelled`] if there is no such sum; whoever sends a challenge can bring it about.
    pub fn combine(&self, other: &Self) -> Result<Challenge, Cancelled> {
        let sum = self.0.0.combine(&other.0.0).map_err(|_| Cancelled)?;
        Ok(Challenge(PublicKey(sum)))
    }
}

impl Response {
    /// The sum of both halves.
    ///
    /// # Errors
    /// [`Cancelled`] if there is none; whoever knows one half can bring it about.
    pub fn combine(own: &HalfKey, acknowledged: &HalfKey) -> Result<Self, Cancelled> {
        let (mut key, mut tweak) = (own.0.key(), acknowledged.0.tweak());
        let sum = key.add_tweak(&tweak);
        key.non_secure_erase();
        tweak.non_secure_erase();
        let mut sum = sum.map_err(|_| Cancelled)?;
        let number = Number(Zeroizing::new(sum.to_secret_bytes()));
        sum.non_secure_erase();
        Ok(Self(number))
    }

    /// The response of these bytes.
    ///
    /// # Errors
    /// [`BadScalar`] for zero, and for what is not below the order of the curve.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadScalar> {
        Number::from_bytes(bytes).map(Self)
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.0.clone()
    }

    /// What it solves. Takes some 15 µs.
    pub fn challenge(&self) -> Challenge {
        Challenge(self.0.point())
    }

    /// What it solves, as a ticket carries it.
    pub fn challenge_address(&self) -> ChallengeAddress {
        self.challenge().address()
    }

    /// Whether it is what a ticket with this challenge waits for.
    pub fn solves(&self, challenge: &ChallengeAddress) -> bool {
        self.challenge_address() == *challenge
    }

    /// Its bytes, for what is hashed.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0.0
    }
}

impl Challenge {
    /// The challenge of these bytes.
    ///
    /// # Errors
    /// [`BadPoint`] if they are no point.
    pub fn from_bytes(bytes: &[u8; 33]) -> Result<Self, BadPoint> {
        PublicKey::from_bytes(bytes).map(Self)
    }

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; 33] {
        self.0.to_bytes()
    }

    /// As a ticket carries it.
    pub fn address(self) -> ChallengeAddress {
        let Address(bytes) = self.0.address();
        ChallengeAddress(bytes)
    }
}

/// A secret number: not zero, and below the order of the curve.
#[derive(Clone)]
struct Number(Zeroizing<[u8; 32]>);

impl Number {
    fn from_bytes(bytes: &[u8; 32]) -> Result<Self, BadScalar> {
        let mut key = SecretKey::from_secret_bytes(*bytes).map_err(|_| BadScalar)?;
        key.non_secure_erase();
        Ok(Self(Zeroizing::new(*bytes)))
    }

    fn key(&self) -> SecretKey {
        SecretKey::from_secret_bytes(*self.0).expect("the bytes were checked when this was made")
    }

    fn tweak(&self) -> Scalar {
        Scalar::from_be_bytes(*self.0).expect("the bytes were checked when this was made")
    }

    fn point(&self) -> PublicKey {
        let mut key = self.key();
        let point = PublicKey(secp256k1::PublicKey::from_secret_key(&key));
        key.non_secure_erase();
        point
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&*other.0).into()
    }
}

/// Gives secrets an equality, and hides them from whoever prints what has them in it.
macro_rules! secret {
    ($($name:ident),*) => {$(
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.0 == other.0
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}
secret!(HalfKey, Response);

/// Gives points their text.
macro_rules! text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )*};
}
text!(HalfKeyChallenge, Challenge);
