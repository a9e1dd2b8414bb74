//! Tickets of HOPR: promises to pay, each worth something only with luck, and what makes them money.
//!
//! The life of a ticket:
//! 1. its issuer signs a [`Body`] ([`Body::sign`]) and sends the [`Ticket`] along with a packet;
//! 2. the holder learns who is bound by it ([`Ticket::verify`], or [`verify_batch`] of many), and
//!    keeps it with its own half of the response as an [`UnacknowledgedTicket`];
//! 3. the next hop acknowledges the packet with the other half: an [`AcknowledgedTicket`];
//! 4. the holder's key adds the proof of its luck ([`vrf`]): a [`RedeemableTicket`], which wins or
//!    does not;
//! 5. one that wins is redeemed on a ledger, or goes with others to its issuer, as
//!    [`TransferableWinningTicket`]s, for one ticket that is worth as much as all of them.
//!
//! | quantity | unit | bound |
//! |---|---|---|
//! | [`Amount`] | base units, 10¹⁸ to a token | below 10²⁵ |
//! | [`TicketIndex`], and the end of each [`Interval`] | number | below 2⁴⁸ |
//! | [`IndexOffset`] | indices | 1 to 2³² − 1 |
//! | [`Epoch`] | number | below 2²⁴ |
//! | [`WinProbability`], [`Luck`] | 2⁻⁵⁶ | below 2⁵⁶ |
//! | [`Body::LEN`], [`Ticket::LEN`] | bytes | 84, 148 |
//! | [`vrf::Proof::LEN`], [`vrf::HashProof::LEN`] | bytes | 98, 97 |
//!
//! ```
//! use meshwork_tickets::{
//!     Amount, Body, ChainKey, ChannelId, DomainSeparator, Epoch, HalfKey, IndexOffset, Interval,
//!     Response, Ticket, TicketIndex, WinProbability,
//! };
//!
//! let (issuer, holder) = (ChainKey::from_bytes(&[1; 32])?, ChainKey::from_bytes(&[2; 32])?);
//! let (own, acknowledgement) = (HalfKey::from_bytes(&[3; 32])?, HalfKey::from_bytes(&[4; 32])?);
//! let separator = DomainSeparator([5; 32]);
//!
//! let body = Body {
//!     channel: ChannelId::between(&issuer.address(), &holder.address()),
//!     epoch: Epoch::new(1)?,
//!     interval: Interval::new(TicketIndex::ZERO, IndexOffset::ONE)?,
//!     amount: Amount::new(10_000_000_000_000_000)?,
//!     probability: WinProbability::ALWAYS,
//!     challenge: Response::combine(&own, &acknowledgement)?.challenge_address(),
//! };
//! let bytes = body.sign(&issuer, &separator).leak().to_bytes();
//!
//! let ticket = Ticket::from_bytes(&bytes)?.verify(&issuer.address(), &separator)?;
//! let ticket = ticket.into_unacknowledged(own).acknowledge(&acknowledgement)?;
//! let ticket = ticket.into_redeemable(&holder, &[6; 64])?;
//! assert!(ticket.wins());
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! *Not here*: packets and their acknowledgements; threads and randomness, which the caller has.
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

pub mod aggregation;
mod amount;
mod bytes;
mod channel;
mod domain;
mod error;
mod half_key;
mod index;
pub mod issuing;
mod keys;
pub mod ledger;
mod life;
mod luck;
mod probability;
mod signature;
mod ticket;
pub mod vrf;

pub use ecdsa::{Address, BadHex, BadSignature, Verifier, keccak256};

pub use self::amount::{Amount, BadAmount};
pub use self::channel::{Channel, ChannelId, ChannelStatus, UnixTime};
pub use self::domain::DomainSeparator;
pub use self::error::{BadPoint, BadScalar, Cancelled, OutOfRange};
pub use self::half_key::{Challenge, ChallengeAddress, HalfKey, HalfKeyChallenge, Response};
pub use self::index::{Epoch, IndexOffset, Interval, TicketIndex};
pub use self::keys::{ChainKey, PublicKey};
pub use self::life::{
    AcknowledgedTicket, Lost, NotRedeemable, NotWinning, RedeemableTicket,
    TransferableWinningTicket, UnacknowledgedTicket, WrongResponse,
};
pub use self::luck::{Luck, wins};
pub use self::probability::{BadProbability, TooUnlikely, WinProbability};
pub use self::signature::Signature;
pub use self::ticket::{BadTicket, Body, Ticket, TicketHash, VerifiedTicket, verify_batch};
