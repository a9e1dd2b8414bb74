//! What an order trades: its encoding, kept as it came, and what it says.

mod abi;
mod decode;

use std::borrow::Cow;
use std::fmt;

pub use self::decode::{Asset, BadAsset};
use crate::Address;
use crate::keccak::{Word, keccak256};

/// What stands before the token in the asset data of an ERC-20 token: the selector and the bytes
/// that fill its word.
const ERC20_HEAD: [u8; 16] = [0xf4, 0x72, 0x61, 0xb0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The encoding of one side of an order, or of one of its fees: a selector of 4 bytes and
/// arguments as the ABI lays them out, or nothing, or anything else that somebody signed.
///
/// Nearly every order trades ERC-20 tokens. Of those only the token is kept, and nothing is
/// allocated; the bytes come back the same.
///
/// ```
/// use meshwork_orders::{Address, AssetData};
///
/// let token = AssetData::erc20(Address([7; 20]));
/// assert_eq!(AssetData::from(&token.to_bytes()[..]), token);
/// assert_eq!(token.to_string(), format!("erc20:{}", Address([7; 20])));
/// assert_eq!(AssetData::default().len(), 0);
/// ```
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct AssetData(Repr);

/// One of two forms; which one follows from the bytes, so that equal bytes are equal here.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum Repr {
    Erc20(Address),
    Other(Box<[u8]>),
}

impl AssetData {
    /// The data of an ERC-20 token.
    pub const fn erc20(token: Address) -> Self {
        Self(Repr::Erc20(token))
    }

    /// The token, if this is the data of an ERC-20 token with nothing behind it.
    pub fn as_erc20(&self) -> Option<Address> {
        match self.0 {
            Repr::Erc20(token) => Some(token),
            Repr::Other(_) => None,
        }
    }

    /// How many bytes these are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Erc20(_) => 36,
            Repr::Other(bytes) => bytes.len(),
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, made anew for an ERC-20 token.
    pub fn to_bytes(&self) -> Cow<'_, [u8]> {
        match &self.0 {
            Repr::Erc20(token) => Cow::Owned(erc20(*token).to_vec()),
            Repr::Other(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// Has `read` look at the bytes, without allocating.
    pub(crate) fn with_bytes<T>(&self, read: impl FnOnce(&[u8]) -> T) -> T {
        match &self.0 {
            Repr::Erc20(token) => read(&erc20(*token)),
            Repr::Other(bytes) => read(bytes),
        }
    }

    /// The hash of the bytes.
    pub(crate) fn keccak256(&self) -> Word {
        self.with_bytes(keccak256)
    }

    /// What the bytes say.
    ///
    /// # Bounds
    ///
    /// Assets within assets up to [`Asset::DEPTH_MAX`] deep, and [`Asset::PARTS_MAX`] in all: several
    /// may point at the same bytes, so that their number does not follow from the length.
    ///
    /// # Errors
    ///
    /// [`BadAsset`].
    pub fn decode(&self) -> Result<Asset<'_>, BadAsset> {
        match &self.0 {
            Repr::Erc20(token) => Ok(Asset::Erc20 { token: *token }),
            Repr::Other(bytes) => Asset::decode(bytes),
        }
    }
}

fn erc20(Address(token): Address) -> [u8; 36] {
    let mut bytes = [0; 36];
    let (head, tail) = bytes.split_at_mut(ERC20_HEAD.len());
    head.copy_from_slice(&ERC20_HEAD);
    tail.copy_from_slice(&token);
    bytes
}

fn erc20_token(bytes: &[u8]) -> Option<Address> {
    let token = bytes.strip_prefix(&ERC20_HEAD)?;
    token.try_into().ok().map(Address)
}

impl Default for AssetData {
    fn default() -> Self {
        Self(Repr::Other(Box::default()))
    }
}

impl From<&[u8]> for AssetData {
    fn from(bytes: &[u8]) -> Self {
        match erc20_token(bytes) {
            Some(token) => Self::erc20(token),
            None => Self(Repr::Other(bytes.into())),
        }
    }
}

impl From<Vec<u8>> for AssetData {
    fn from(bytes: Vec<u8>) -> Self {
        match erc20_token(&bytes) {
            Some(token) => Self::erc20(token),
            None => Self(Repr::Other(bytes.into())),
        }
    }
}

impl fmt::Display for AssetData {
    /// What the bytes say, else how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.decode() {
            Ok(asset) => asset.fmt(f),
            Err(_) if self.is_empty() => f.write_str("none"),
            Err(_) => write!(f, "unknown:{} bytes", self.len()),
        }
    }
}

impl fmt::Debug for AssetData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with_bytes(|bytes| crate::hex::write(bytes, f))
    }
}
