//! The named peers, as their own documentation uses them.

use negentropy::{Id, Negentropy, NegentropyStorageVector};
use riblt::{CodedSymbol, RatelessIBLT, Symbol, UnmanagedRatelessIBLT};

use crate::Failure;

/// A symbol of 8 bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Number(pub(crate) u64);

impl Symbol for Number {
    const BYTE_ARRAY_LENGTH: usize = 8;

    fn encode_to_bytes(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }

    fn decode_from_bytes(bytes: &Vec<u8>) -> Self {
        Self(bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)))
    }
}

impl do_riblt::Symbol<8> for Number {
    fn to_bytes(&self) -> [u8; 8] {
        self.0.to_le_bytes()
    }

    fn from_bytes(bytes: &[u8; 8]) -> Self {
        Self(u64::from_le_bytes(*bytes))
    }
}

/// The first cells of a set, by riblt.
pub(crate) fn riblt_cells(set: Vec<Number>, cells: usize) -> Vec<CodedSymbol<Number>> {
    let mut encoder = RatelessIBLT::new(set);
    encoder.extend_coded_symbols(cells.saturating_sub(1));
    encoder.coded_symbols.truncate(cells);
    encoder.coded_symbols
}

/// How many symbols riblt finds in the difference of these cells, if it finds all.
pub(crate) fn riblt_peel(
    remote: &[CodedSymbol<Number>],
    local: &[CodedSymbol<Number>],
) -> Option<usize> {
    let [local, remote] =
        [local, remote].map(|cells| UnmanagedRatelessIBLT { coded_symbols: cells.to_vec() });
    let mut difference = local.collapse(&remote);
    let found = difference.peel_all_symbols();
    difference.is_empty().then_some(found.len())
}

/// Bytes of all messages of both sides, and how many ids were found to differ.
pub(crate) fn negentropy(
    client: &[(u64, [u8; 32])],
    server: &[(u64, [u8; 32])],
) -> Result<(usize, usize), Failure> {
    let [client, server] = [client, server].map(|items| {
        let mut storage = NegentropyStorageVector::with_capacity(items.len());
        for (time, id) in items {
            storage.insert(*time, Id::from_byte_array(*id))?;
        }
        storage.seal()?;
        Negentropy::owned(storage, 0)
    });
    let (mut client, mut server) = (client?, server?);
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let mut query = client.initiate()?;
    let mut bytes = 0;
    loop {
        let answer = server.reconcile(&query)?;
        bytes += query.len() + answer.len();
        match client.reconcile_with_ids(&answer, &mut have, &mut need)? {
            Some(next) => query = next,
            None => return Ok((bytes, have.len() + need.len())),
        }
    }
}
