//! Accounts of Ethereum, and the signatures by which they are known: what orders and tickets share.
//!
//! The life of a signature:
//! 1. [`Signature::sign`] makes it of a digest, the same each time, with the lower *s*;
//! 2. it travels with the signer's [`Address`], or with less, but never with a key;
//! 3. whoever has one alone recovers the key ([`Claim::check`]); whoever has many asks a [`Verifier`],
//!    which remembers keys and checks the signatures as one equation between points;
//! 4. that equation is a sum of [`Multiples`], which serves any proof over the curve: [`Transcript`]
//!    gives its weights, and [`search()`] finds what does not hold.
//!
//! | quantity | unit | value |
//! |---|---|---|
//! | a check alone | µs | some 30 |
//! | [`Verifier::SIGNERS_MAX`] | signers whose keys are remembered | 8,192, about 1 MB |
//! | [`Verifier::TOGETHER_MAX`] | signatures checked as one | 1,024, and at least 64 |
//!
//! ```
//! use meshwork_ecdsa::{Address, BadSignature, Claim, Signature, address, keccak256};
//! use secp256k1::{PublicKey, SecretKey};
//!
//! let key = SecretKey::from_secret_bytes([7; 32])?;
//! let signer = address(&PublicKey::from_secret_key(&key));
//! let digest = keccak256(b"a promise");
//! let claim = Claim { digest, signature: Signature::sign(digest, &key), signer };
//! assert_eq!(claim.check(), Ok(()));
//!
//! let borrowed = Claim { signer: Address::ZERO, ..claim };
//! assert_eq!(borrowed.check(), Err(BadSignature::Signer { recovered: signer }));
//! # Ok::<_, secp256k1::Error>(())
//! ```
//!
//! *Not here*: what is signed, but for the frame of EIP-712 ([`typed`]); threads: checks are plain functions, for the pool of the caller.
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_in_result,
    clippy::panic_in_result_fn,
    clippy::wildcard_enum_match_arm,
    clippy::float_arithmetic
)]

mod address;
mod claim;
pub mod hex;
mod keccak;
mod multiples;
mod point;
mod search;
mod signature;
mod transcript;
pub mod typed;
mod verifier;

pub use self::address::Address;
pub use self::claim::Claim;
pub use self::hex::BadHex;
pub use self::keccak::{keccak256, keccak256_of};
pub use self::multiples::Multiples;
pub use self::point::point;
pub use self::search::search;
pub use self::signature::{BadSignature, Signature, address};
pub use self::transcript::Transcript;
pub use self::verifier::Verifier;
