//! The six kinds of asset.

use std::fmt;

use super::abi::Args;
use crate::{Address, U256};

/// Parts of a list that are shown.
const SHOWN: usize = 4;

/// What asset data says. Bytes inside are those of the data.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Asset<'a> {
    /// An amount of a token.
    Erc20 {
        /// Its contract.
        token: Address,
    },
    /// One thing.
    Erc721 {
        /// Its contract.
        token: Address,
        /// Which.
        id: U256,
    },
    /// Amounts of several tokens of one contract.
    Erc1155 {
        /// The contract.
        token: Address,
        /// Which tokens, big endian.
        ids: &'a [[u8; 32]],
        /// How much of each for one unit of the order, big endian; as many as `ids`.
        values: &'a [[u8; 32]],
        /// For the contract of the receiver.
        data: &'a [u8],
    },
    /// Several assets at once.
    Multi {
        /// How much of each for one unit of the order, big endian; as many as `assets`.
        amounts: &'a [[u8; 32]],
        /// The assets.
        assets: Vec<Self>,
    },
    /// Nothing, but a call that must end well.
    StaticCall {
        /// Whom to call.
        target: Address,
        /// With what.
        data: &'a [u8],
        /// The hash of what must come back.
        result_hash: &'a [u8; 32],
    },
    /// An amount of a token that a contract will get.
    Erc20Bridge {
        /// The contract of the token.
        token: Address,
        /// Who will get it.
        bridge: Address,
        /// For the bridge.
        data: &'a [u8],
    },
}

/// Why asset data is not an asset.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum BadAsset {
    /// A selector of none of the kinds, or none at all.
    #[error("asset is of no known kind")]
    Kind,
    /// An argument ends, or is said to be, behind the end.
    #[error("asset data is too short for what it says")]
    Short,
    /// An address with something in front.
    #[error("asset data has a word that is no address")]
    Address,
    /// Two lists that belong together differ in length.
    #[error("asset data has {amounts} amounts for {assets} assets")]
    Amounts {
        /// The one.
        amounts: usize,
        /// The other.
        assets: usize,
    },
    /// Assets within assets too deep.
    #[error("assets are nested more than {} deep", Asset::DEPTH_MAX)]
    Depth,
    /// More assets in all than are read.
    #[error("asset has more than {} parts", Asset::PARTS_MAX)]
    Parts,
}

impl<'a> Asset<'a> {
    /// How deep assets may lie within assets.
    pub const DEPTH_MAX: usize = 4;

    /// How many assets there may be in all. An order has room for about 60 if no two share their
    /// bytes.
    pub const PARTS_MAX: usize = 128;

    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, BadAsset> {
        Decoder { parts: Self::PARTS_MAX }.asset(bytes, Self::DEPTH_MAX)
    }
}

/// One reading of asset data.
#[derive(Debug)]
struct Decoder {
    /// Assets that may still be met.
    parts: usize,
}

impl Decoder {
    fn asset<'a>(&mut self, bytes: &'a [u8], depth: usize) -> Result<Asset<'a>, BadAsset> {
        let (selector, args) = bytes.split_first_chunk::<4>().ok_or(BadAsset::Kind)?;
        let args = Args::new(args);
        self.parts = self.parts.checked_sub(1).ok_or(BadAsset::Parts)?;
        match u32::from_be_bytes(*selector) {
            0xf472_61b0 => Ok(Asset::Erc20 { token: args.address(0)? }),
            0x0257_1792 => Ok(Asset::Erc721 { token: args.address(0)?, id: args.number(1)? }),
            0xa7cb_5fb7 => erc1155(args),
            0x94cf_cdd7 => self.multi(args, depth),
            0xc339_d10a => Ok(Asset::StaticCall {
                target: args.address(0)?,
                data: args.bytes(1)?,
                result_hash: args.word(2)?,
            }),
            0xdc16_00f3 => Ok(Asset::Erc20Bridge {
                token: args.address(0)?,
                bridge: args.address(1)?,
                data: args.bytes(2)?,
            }),
            _ => Err(BadAsset::Kind),
        }
    }

    fn multi<'a>(&mut self, args: Args<'a>, depth: usize) -> Result<Asset<'a>, BadAsset> {
        let depth = depth.checked_sub(1).ok_or(BadAsset::Depth)?;
        let (amounts, (count, nested)) = (args.words(0)?, args.array(1)?);
        if amounts.len() != count {
            return Err(BadAsset::Amounts { amounts: amounts.len(), assets: count });
        }
        let assets = (0..count).map(|index| self.asset(nested.bytes(index)?, depth));
        Ok(Asset::Multi { amounts, assets: assets.collect::<Result<_, _>>()? })
    }
}

fn erc1155(args: Args<'_>) -> Result<Asset<'_>, BadAsset> {
    let (ids, values) = (args.words(1)?, args.words(2)?);
    if ids.len() != values.len() {
        return Err(BadAsset::Amounts { amounts: values.len(), assets: ids.len() });
    }
    Ok(Asset::Erc1155 { token: args.address(0)?, ids, values, data: args.bytes(3)? })
}

impl fmt::Display for Asset<'_> {
    /// The kind and what tells it from others; of long lists the start.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Erc20 { token } => write!(f, "erc20:{token}"),
            Self::Erc721 { token, id } => write!(f, "erc721:{token}/{id}"),
            Self::Erc1155 { token, ids, .. } => {
                write!(f, "erc1155:{token}/")?;
                list(f, ids, |f, id| write!(f, "{}", U256::from_be_bytes(*id)))
            }
            Self::Multi { assets, .. } => {
                f.write_str("multi:")?;
                list(f, assets, |f, asset| asset.fmt(f))
            }
            Self::StaticCall { target, .. } => write!(f, "staticcall:{target}"),
            Self::Erc20Bridge { token, bridge, .. } => write!(f, "erc20bridge:{token}@{bridge}"),
        }
    }
}

/// Writes the first few of `items` in brackets, and how many more there are.
fn list<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_str("[")?;
    for (index, item) in items.iter().take(SHOWN).enumerate() {
        if index > 0 {
            f.write_str(",")?;
        }
        write(f, item)?;
    }
    match items.len().saturating_sub(SHOWN) {
        0 => f.write_str("]"),
        more => write!(f, ",+{more}]"),
    }
}
