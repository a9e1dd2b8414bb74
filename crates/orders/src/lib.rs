//! orders.
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
pub mod asset;
pub mod batch;
mod check;
mod decimal;
mod domain;
mod error;
pub mod filter;
pub mod generate;
mod hex;
mod json;
mod keccak;
pub mod network;
mod refusal;
pub mod sample;
mod signature;
pub mod v3;
pub mod v4;

pub use ruint::aliases::U256;

pub use self::address::{Address, OrderHash};
pub use self::asset::AssetData;
pub use self::error::{Defect, OrderError};
pub use self::network::Network;
pub use self::refusal::Refusal;
pub use self::signature::{BadSignature, SignatureCheck, SignatureKind, Signing};

/// The longest order that is passed on: bytes of its JSON as it is written.
pub const ORDER_LEN_MAX: usize = 16_000;
