//! Why an order that can be read is refused.

use crate::asset::BadAsset;
use crate::{Address, BadSignature, SignatureKind};

/// Why an order that can be read is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// For another chain.
    #[error("order is for chain {chain_id}, not {expected}")]
    ChainId {
        /// The chain it is for.
        chain_id: u64,
        /// The chain of this node.
        expected: u64,
    },
    /// For another exchange.
    #[error("order is for exchange {exchange}, not {expected}")]
    Exchange {
        /// The exchange it is for.
        exchange: Address,
        /// The exchange of this node.
        expected: Address,
    },
    /// More than [`crate::ORDER_LEN_MAX`] bytes of JSON.
    #[error("order is {len} bytes of JSON, must be at most {max}", max = crate::ORDER_LEN_MAX)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Only one sender may trade it.
    #[error("order names sender {sender}, must name none")]
    Sender {
        /// Who may.
        sender: Address,
    },
    /// Only one taker may trade it, and not the flash wallet.
    #[error("order names taker {taker}, must name none or the flash wallet")]
    Taker {
        /// Who may.
        taker: Address,
    },
    /// Nothing is offered.
    #[error("maker amount is zero")]
    MakerAmount,
    /// Nothing is asked.
    #[error("taker amount is zero")]
    TakerAmount,
    /// What is offered cannot be traded.
    #[error("maker asset: {0}")]
    MakerAsset(BadAsset),
    /// What is asked cannot be traded.
    #[error("taker asset: {0}")]
    TakerAsset(BadAsset),
    /// The maker's fee cannot be paid.
    #[error("maker fee asset: {0}")]
    MakerFeeAsset(BadAsset),
    /// The taker's fee cannot be paid.
    #[error("taker fee asset: {0}")]
    TakerFeeAsset(BadAsset),
    /// Ends at a time that does not fit 63 bits.
    #[error("expiry is over 9223372036854775807 s")]
    Expiry,
    /// Has ended.
    #[error("expired at {expiry} s, now is {now} s")]
    Expired {
        /// When, in seconds of Unix time.
        expiry: u64,
        /// Now, in seconds of Unix time.
        now: u64,
    },
    /// Not signed by its maker.
    #[error(transparent)]
    Signature(#[from] BadSignature),
    /// Perhaps signed by its maker; only a contract can say.
    #[error("signature of kind {kind:?} cannot be checked without the chain")]
    NotCheckableOffline {
        /// How it is to be checked.
        kind: SignatureKind,
    },
}

impl Refusal {
    /// A stable name for tables.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::ChainId { .. } => "chain_id",
            Self::Exchange { .. } => "exchange",
            Self::TooLong { .. } => "too_long",
            Self::Sender { .. } => "sender",
            Self::Taker { .. } => "taker",
            Self::MakerAmount => "maker_amount",
            Self::TakerAmount => "taker_amount",
            Self::MakerAsset(_) => "maker_asset",
            Self::TakerAsset(_) => "taker_asset",
            Self::MakerFeeAsset(_) => "maker_fee_asset",
            Self::TakerFeeAsset(_) => "taker_fee_asset",
            Self::Expiry => "expiry",
            Self::Expired { .. } => "expired",
            Self::Signature(bad) => bad.code(),
            Self::NotCheckableOffline { .. } => "signature_offline",
        }
    }
}
