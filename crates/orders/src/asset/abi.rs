//! Arguments as the ABI of contracts lays them out: words of 32 bytes, of which some say where the
//! rest is.

use super::BadAsset;
use crate::{Address, U256};

/// The arguments of one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Args<'a>(&'a [u8]);

impl<'a> Args<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The word that starts at `at`.
    fn word_at(&self, at: usize) -> Result<&'a [u8; 32], BadAsset> {
        self.0.get(at..).and_then(<[u8]>::first_chunk).ok_or(BadAsset::Short)
    }

    /// Argument `index`, whatever it means.
    pub(super) fn word(&self, index: usize) -> Result<&'a [u8; 32], BadAsset> {
        self.word_at(index.saturating_mul(32))
    }

    pub(super) fn number(&self, index: usize) -> Result<U256, BadAsset> {
        self.word(index).map(|word| U256::from_be_bytes(*word))
    }

    pub(super) fn address(&self, index: usize) -> Result<Address, BadAsset> {
        let (fill, address) = self.word(index)?.split_last_chunk().ok_or(BadAsset::Short)?;
        if fill.iter().any(|byte| *byte != 0) {
            return Err(BadAsset::Address);
        }
        Ok(Address(*address))
    }

    /// A length or a place, which is small in whatever an order has room for.
    fn size_at(&self, at: usize) -> Result<usize, BadAsset> {
        let size = U256::from_be_bytes(*self.word_at(at)?);
        usize::try_from(size).map_err(|_| BadAsset::Short)
    }

    /// What argument `index` points at: the number it starts with, and what follows.
    fn tail(&self, index: usize) -> Result<(usize, &'a [u8]), BadAsset> {
        let at = self.size_at(index.saturating_mul(32))?;
        let count = self.size_at(at)?;
        let rest = self.0.get(at.saturating_add(32)..).ok_or(BadAsset::Short)?;
        Ok((count, rest))
    }

    /// Argument `index`, bytes.
    pub(super) fn bytes(&self, index: usize) -> Result<&'a [u8], BadAsset> {
        let (len, rest) = self.tail(index)?;
        rest.get(..len).ok_or(BadAsset::Short)
    }

    /// Argument `index`, an array of words.
    pub(super) fn words(&self, index: usize) -> Result<&'a [[u8; 32]], BadAsset> {
        let (count, rest) = self.tail(index)?;
        rest.as_chunks().0.get(..count).ok_or(BadAsset::Short)
    }

    /// Argument `index`, an array of bytes: how many there are said to be, and each as an argument
    /// of what comes back.
    pub(super) fn array(&self, index: usize) -> Result<(usize, Self), BadAsset> {
        self.tail(index).map(|(count, rest)| (count, Self(rest)))
    }
}
