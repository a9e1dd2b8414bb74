//! Signed orders in bulk: columns of bits, each address and each asset once, nothing lost.
//!
//! What it costs is dominated by what nobody can shrink: 64 bytes of each signature, and salts that
//! were drawn at random. One byte of version, which is 1, then bits, the lowest of each value first:
//!
//! | what | as | how many |
//! |---|---|---|
//! | orders `n`; if there are none, nothing follows | count | 1 |
//! | addresses `a`, assets `s`, networks `w` | count | 3 |
//! | chain ids of the networks | numbers | `w` |
//! | exchanges of the networks, as addresses | indices | `w` |
//! | forms of the assets: 0 bytes, 1 selector and words, 2 ERC-20 token | indices | `s` |
//! | tokens, as addresses | indices | assets of form 2 |
//! | how many words | indices | assets of form 1 |
//! | the words, of 32 bytes, highest first | numbers | words of all assets |
//! | how many bytes | indices | assets of form 0 |
//! | networks of the orders | indices | `n` |
//! | fee recipients; takers; senders; makers, as addresses | indices | 4 × `n` |
//! | assets of taker fee; maker fee; taker; maker | indices | 4 × `n` |
//! | amounts of maker; taker; maker fee; taker fee | amounts | 4 × `n` |
//! | expirations; salts | numbers | 2 × `n` |
//! | forms of signatures: `v` and kind 27 2, 28 2, 27 3, 28 3, other | indices | `n` |
//!
//! then zeros up to the next whole byte, and bytes: the addresses, 20 each; of each asset of form 0
//! its bytes, of form 1 its selector; of each signature `r` and `s`, of an other one its length in
//! two bytes, lowest first, and its bytes.
//!
//! A *count* is 6 bits that say how many bits follow. *Indices* are a count for the least, 6 bits
//! of width, then the distance of each from the least in so many bits. *Numbers* are 9 bits of
//! length and the least in so many bits; the lengths of all distances from it, as indices; then
//! each distance without its highest bit. *Amounts* are the zeros at the end in decimal, as
//! indices, and what is before them, as numbers. Address 0 is nobody and asset 0 is nothing;
//! neither is counted nor written.
//!
//! There is one encoding of a list of orders, and every other one is refused: widths are the least
//! that do, fillers are zero, and tables are in order of first use, column by column as above, then
//! the tokens, then the exchanges. [`decode`] proves it by encoding again what it found.
//!
//! Nothing is compressed on top: what is left looks random, and deflate takes off less than one
//! byte in a hundred.

use std::borrow::Borrow;

use self::bits::{Reader, Writer};
use crate::v3::SignedOrder;
use crate::{AssetData, ORDER_LEN_MAX};

mod bits;
mod columns;
mod rows;
mod signatures;
mod tables;

/// The only version so far.
const VERSION: u8 = 1;

/// Bytes of asset data and signatures that one batch may hold, counted for each order that has
/// them. Any 1,024 orders that are short enough to be passed on have less.
pub const DECODED_MAX: usize = 8 << 20;

/// About as many bytes as an order takes, without the addresses and assets of a short batch.
const ORDER_LEN: usize = 128;
/// What these take.
const TABLES_LEN: usize = 128;

/// Why bytes are not a batch. Whoever sent them is at fault.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BadBatch {
    /// It ends too early.
    #[error("batch ends too early")]
    Truncated,
    /// Bytes behind the last signature.
    #[error("{bytes} bytes follow the batch")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A version that is not known here.
    #[error("batch has version {given}, must be {VERSION}")]
    Version {
        /// Its version.
        given: u8,
    },
    /// More of something than there can be.
    #[error("batch counts more than {bound} of something")]
    Count {
        /// As many as there can be.
        bound: usize,
    },
    /// An index behind the end of its table.
    #[error("index {index} is behind the end of a table, {end}")]
    Index {
        /// The index.
        index: usize,
        /// The length of the table.
        end: usize,
    },
    /// A number of more than 256 bits.
    #[error("a number has more than 256 bits")]
    Number,
    /// A chain id outside 1 to 2⁶³ − 1.
    #[error("a chain id is outside 1 to 9223372036854775807")]
    ChainId,
    /// Decoded it would take too much.
    #[error("batch holds more than {bound} bytes of something")]
    TooLarge {
        /// Bytes at most.
        bound: usize,
    },
    /// An order that is too long to be passed on.
    #[error("order {index} is longer than {ORDER_LEN_MAX} bytes of JSON")]
    OrderTooLong {
        /// Its place in the batch, from 0.
        index: usize,
    },
    /// Not the one encoding of what it says.
    #[error("batch is not encoded the one way that it must be")]
    NotCanonical,
}

/// Encodes orders, in the order given.
///
/// # Bounds
///
/// Up to 1,024 orders that are short enough to be passed on always decode again; of more see
/// [`DECODED_MAX`]. One such order alone takes less than 9,000 bytes.
///
/// ```
/// use meshwork_orders::{batch, sample, v3::SignedOrder};
///
/// let orders: Result<Vec<_>, _> = sample::SAMPLE_V3.lines().map(SignedOrder::from_json).collect();
/// let orders = orders?;
/// let bytes = batch::encode(&orders);
/// assert!(bytes.len() < 130 * orders.len(), "a seventh of the JSON");
/// assert_eq!(batch::decode(&bytes, 500)?, orders);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub fn encode(orders: &[impl Borrow<SignedOrder>]) -> Vec<u8> {
    let capacity = ORDER_LEN.saturating_mul(orders.len()).saturating_add(TABLES_LEN);
    let mut out = Writer::starting_with(VERSION, capacity);
    out.count(orders.len());
    if !orders.is_empty() {
        rows::write(&mut out, orders);
    }
    out.align();
    out.finish()
}

/// Decodes a batch of at most `orders_max` orders.
///
/// # Bounds
///
/// Takes no more memory than `orders_max` orders without their bytes, twice [`DECODED_MAX`], and
/// a few times the input; every count is checked before room is made for it.
///
/// # Errors
///
/// [`BadBatch`].
pub fn decode(bytes: &[u8], orders_max: usize) -> Result<Vec<SignedOrder>, BadBatch> {
    let (version, rest) = bytes.split_first().ok_or(BadBatch::Truncated)?;
    if *version != VERSION {
        return Err(BadBatch::Version { given: *version });
    }
    let mut from = Reader::new(rest);
    // Each order has a byte of its own at least, in its signature.
    let count = from.count(orders_max.min(rest.len()))?;
    let orders = if count == 0 { Vec::new() } else { rows::read(&mut from, count)? };
    match from.left() {
        0 if encode(&orders) == bytes => Ok(orders),
        0 => Err(BadBatch::NotCanonical),
        bytes => Err(BadBatch::Trailing { bytes }),
    }
}

/// Bytes of an order that its type does not hold in itself: asset data and odd signatures.
fn loose_bytes(signed: &SignedOrder) -> usize {
    let order = &signed.order;
    let assets = [
        &order.maker_asset_data,
        &order.taker_asset_data,
        &order.maker_fee_asset_data,
        &order.taker_fee_asset_data,
    ];
    let loose = assets.into_iter().filter(|asset| asset.as_erc20().is_none());
    loose.map(AssetData::len).fold(signed.signature.len(), usize::saturating_add)
}

#[cfg(test)]
mod tests;
