//! Tables: each address and each asset of a batch once, in the order of first use.

use std::collections::BTreeMap;

use super::bits::{Reader, Writer};
use super::columns::{read_indices, read_numbers, write_indices, write_numbers};
use super::{BadBatch, DECODED_MAX};
use crate::{Address, AssetData, ORDER_LEN_MAX, U256};

/// What was seen so far, each with its number.
#[derive(Debug)]
pub(super) struct Table<T> {
    entries: Vec<T>,
    /// Empty while there are few.
    numbers: BTreeMap<T, usize>,
}

/// As many entries as are compared one by one sooner than a tree is asked. A batch of one order
/// has no more.
const FEW: usize = 8;

impl<T: Ord + Clone> Table<T> {
    /// A table that starts with `known`, which a reader knows too.
    pub(super) fn starting_with(known: impl IntoIterator<Item = T>) -> Self {
        let mut table = Self { entries: Vec::new(), numbers: BTreeMap::new() };
        for entry in known {
            table.number(&entry);
        }
        table
    }

    /// The number of `entry`, a new one if it was not seen.
    pub(super) fn number(&mut self, entry: &T) -> usize {
        let known = if self.entries.len() <= FEW {
            self.entries.iter().position(|seen| seen == entry)
        } else {
            self.numbers.get(entry).copied()
        };
        known.unwrap_or_else(|| self.add(entry))
    }

    fn add(&mut self, entry: &T) -> usize {
        let number = self.entries.len();
        self.entries.push(entry.clone());
        if number >= FEW {
            let listed = self.numbers.len();
            self.numbers.extend(self.entries.iter().cloned().zip(0..).skip(listed));
        }
        number
    }

    /// Everything seen, by number.
    pub(super) fn entries(&self) -> &[T] {
        &self.entries
    }
}

/// What a selector takes.
const SELECTOR: usize = 4;
/// What a word of the ABI takes.
const WORD: usize = 32;
/// The most bytes that one asset can have in an order that is passed on: two digits each.
const ASSET_MAX: usize = ORDER_LEN_MAX / 2;

/// How an asset is written: as its bytes, as a selector and words, or as a token.
const RAW: usize = 0;
const ABI: usize = 1;
const ERC20: usize = 2;
const FORMS: usize = 3;

/// The assets of a batch, taken apart. The same value is filled by a writer and by a reader.
#[derive(Debug, Default)]
pub(super) struct Assets {
    forms: Vec<usize>,
    /// Addresses, by number, of those that are tokens.
    tokens: Vec<usize>,
    /// How many words those have that are words.
    word_counts: Vec<usize>,
    words: Vec<U256>,
    /// How many bytes the others have.
    lengths: Vec<usize>,
}

impl Assets {
    /// Takes assets apart; hands back what of them is written as whole bytes.
    pub(super) fn take_apart(
        assets: &[&AssetData],
        addresses: &mut Table<Address>,
    ) -> (Self, Vec<u8>) {
        let (mut parts, mut raw) = (Self::default(), Vec::new());
        for asset in assets {
            if let Some(token) = asset.as_erc20() {
                parts.forms.push(ERC20);
                parts.tokens.push(addresses.number(&token));
                continue;
            }
            let bytes = asset.to_bytes();
            let (selector, arguments) = bytes.split_at_checked(SELECTOR).unwrap_or_default();
            let (words, rest) = arguments.as_chunks::<WORD>();
            if selector.is_empty() || !rest.is_empty() {
                parts.forms.push(RAW);
                parts.lengths.push(bytes.len());
                raw.extend_from_slice(&bytes);
            } else {
                parts.forms.push(ABI);
                parts.word_counts.push(words.len());
                parts.words.extend(words.iter().map(|word| U256::from_be_bytes(*word)));
                raw.extend_from_slice(selector);
            }
        }
        (parts, raw)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        write_indices(out, self.forms.iter().copied());
        write_indices(out, self.tokens.iter().copied());
        write_indices(out, self.word_counts.iter().copied());
        write_numbers(out, self.words.iter().copied());
        write_indices(out, self.lengths.iter().copied());
    }

    /// Reads the parts of `count` assets. The caller has bounded `count`.
    pub(super) fn read(
        from: &mut Reader<'_>,
        count: usize,
        addresses: usize,
    ) -> Result<Self, BadBatch> {
        let forms = read_indices(from, count, FORMS)?;
        let of_form = |form| forms.iter().filter(|found| **found == form).count();
        let tokens = read_indices(from, of_form(ERC20), addresses)?;
        let words_end = (ASSET_MAX / WORD).saturating_add(1);
        let word_counts = read_indices(from, of_form(ABI), words_end)?;
        let words = word_counts.iter().copied().fold(0, usize::saturating_add);
        // Equal words take no bits of their own, so that the input does not bound them.
        if words > DECODED_MAX / WORD {
            return Err(BadBatch::TooLarge { bound: DECODED_MAX });
        }
        let words = read_numbers(from, words)?;
        let lengths = read_indices(from, of_form(RAW), ASSET_MAX.saturating_add(1))?;
        Ok(Self { forms, tokens, word_counts, words, lengths })
    }

    /// Puts the assets together again.
    pub(super) fn put_together(
        self,
        from: &mut Reader<'_>,
        addresses: &[Address],
    ) -> Result<Vec<AssetData>, BadBatch> {
        let (mut tokens, mut lengths) = (self.tokens.iter(), self.lengths.iter());
        let (mut word_counts, mut words) = (self.word_counts.iter(), self.words.as_slice());
        let mut assets = Vec::with_capacity(self.forms.len());
        for form in &self.forms {
            assets.push(match *form {
                ERC20 => {
                    let token = tokens.next().and_then(|number| addresses.get(*number));
                    AssetData::erc20(*token.ok_or(BadBatch::Truncated)?)
                }
                ABI => {
                    let count = word_counts.next().copied().unwrap_or(0);
                    let (own, rest) = words.split_at_checked(count).ok_or(BadBatch::Truncated)?;
                    words = rest;
                    let mut bytes = from.bytes(SELECTOR)?.to_vec();
                    bytes.extend(own.iter().flat_map(U256::to_be_bytes::<WORD>));
                    bytes.into()
                }
                _ => from.bytes(lengths.next().copied().unwrap_or(0))?.into(),
            });
        }
        Ok(assets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_take_no_bits_are_bounded_before_there_is_room_for_them() {
        let assets = |count| Assets {
            forms: vec![ABI; count],
            word_counts: vec![ASSET_MAX / WORD; count],
            words: vec![U256::MAX; count * ASSET_MAX / WORD],
            ..Assets::default()
        };
        let read = |count| {
            let mut out = Writer::default();
            assets(count).write(&mut out);
            out.align();
            let bytes = out.finish();
            assert!(bytes.len() < 60, "{} bytes", bytes.len());
            Assets::read(&mut Reader::new(&bytes), count, 1).map(|read| read.words.len())
        };
        assert_eq!(read(500), Ok(500 * ASSET_MAX / WORD));
        assert_eq!(read(2_000), Err(BadBatch::TooLarge { bound: DECODED_MAX }));
    }
}
