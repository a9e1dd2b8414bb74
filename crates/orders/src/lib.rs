//! 0x orders: from a stranger's JSON to an order that its maker signed, and the ways to name, filter
//! and pack many of them.
//!
//! The life of an order:
//! 1. a stranger's bytes are read as JSON ([`v3::SignedOrder::from_json`]), strictly: what another
//!    reader would repair is an [`OrderError`] that names the field;
//! 2. a [`filter::Filter`] says whether anybody asked for it;
//! 3. [`v3::SignedOrder::verify`] says whether this [`Network`] trades it now and whether its maker
//!    signed it, and gives the [`OrderHash`] by which it is known from here on, or a [`Refusal`]; of
//!    many orders a [`Verifier`] checks the signatures in a fraction of the time;
//! 4. it is passed on as the one JSON that everybody writes of it ([`v3::SignedOrder::to_json`]), or
//!    with others in a [`batch`].
//!
//! Limit orders of version 4 go the same way, without filters, and as bytes in records of
//! [`v4::RECORD_LEN`]: [`v4::SignedOrder`]. [`Version::of_json`] tells one from the other.
//!
//! | quantity | unit | value |
//! |---|---|---|
//! | [`ORDER_LEN_MAX`] | bytes of JSON as written | 16,000 |
//! | an order as received | bytes of JSON | 32,000 |
//! | a chain | number | 1 to 2⁶³ − 1 |
//! | amounts, salts, v3 expiries | bits | 256; v4 amounts 128, v4 expiries 64 |
//! | expiries that are taken | seconds of Unix time | after now, to 2⁶³ − 1 |
//! | [`asset::Asset::DEPTH_MAX`], [`asset::Asset::PARTS_MAX`] | assets within assets | 4 deep, 128 in all |
//! | a v3 order in memory | bytes | 472, and nothing on the heap for ERC-20 and a key's signature |
//! | separators remembered by a thread | domains | 4 |
//! | [`Verifier::MAKERS_MAX`] | makers whose keys are remembered | 8,192, about 1 MB |
//! | [`Verifier::TOGETHER_MAX`] | signatures checked as one | 1,024, and at least 64 |
//!
//! ```
//! use meshwork_orders::sample::SAMPLE_V3;
//! use meshwork_orders::v3::SignedOrder;
//! use meshwork_orders::{Network, Refusal, U256};
//!
//! let line = SAMPLE_V3.lines().next().expect("200 lines");
//! let now = 1_800_000_000; // seconds of Unix time
//! let order = SignedOrder::from_json(line)?;
//! let hash = order.verify(&Network::MAINNET, now)?;
//! assert_eq!(hash, order.hash());
//! assert_eq!(order.to_json(), line);
//!
//! let mut forged = order;
//! forged.order.maker_asset_amount += U256::from(1);
//! let refusal = forged.verify(&Network::MAINNET, now).unwrap_err();
//! assert!(matches!(refusal, Refusal::Signature(_)));
//! assert_eq!(refusal.code(), "signature_signer");
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! *Not here*: whether the maker has what is offered, and signatures that a contract decides about,
//! which only a chain knows; threads: verification is plain functions, for the pool of the caller;
//! a clock. Static calls are recognised, and not judged by whom they call.
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

pub mod asset;
pub mod batch;
mod check;
mod claim;
mod decimal;
mod domain;
mod error;
pub mod filter;
pub mod generate;
mod hash;
mod hex;
mod json;
mod keccak;
pub mod network;
mod refusal;
pub mod sample;
mod signature;
pub mod v3;
pub mod v4;
mod verifier;
mod version;

pub use ecdsa::{Address, BadHex};
pub use ruint::aliases::U256;

pub use self::asset::AssetData;
pub use self::claim::Claim;
pub use self::error::{Defect, OrderError};
pub use self::hash::OrderHash;
pub use self::json::ORDER_LEN_MAX;
pub use self::network::Network;
pub use self::refusal::Refusal;
pub use self::signature::{BadSignature, SignatureCheck, SignatureKind, Signing};
pub use self::verifier::Verifier;
pub use self::version::Version;
