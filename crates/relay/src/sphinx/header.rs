//! The header: one entry for each node, each readable only after the one before was taken off.

use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit as _, StreamCipher as _};
use subtle::ConstantTimeEq as _;

use super::key::NodeKey;
use super::keys::Keys;
use super::{NODES_MAX, RELAYS_MAX};
use crate::por::RelayString;

/// Bytes of the code over a header.
pub(super) const MAC: usize = 16;
/// Bytes of a relay's entry: how many nodes follow, the next one's key and code, proof of relay.
pub(super) const ENTRY: usize = 1 + 32 + MAC + RelayString::LEN;
/// Bytes of a header: entries of all relays that there may be, and the recipient's one byte.
pub(super) const HEADER: usize = (NODES_MAX - 1) * ENTRY + 1;
/// A header and what it is extended by while its first entry is taken off.
pub(super) const EXTENDED: usize = HEADER + ENTRY;

const _: () = assert!(RELAYS_MAX == 3 && NODES_MAX == 4);
const _: () = assert!(HEADER == 346);

/// Adds the stream of a key, from its start. A key has one stream, used for one header.
pub(super) fn mask(key: &[u8; 32], bytes: &mut [u8]) {
    ChaCha20::new(key.into(), &[0; 12].into()).apply_keystream(bytes);
}

/// The code over a header.
pub(super) fn code(key: &[u8; 32], header: &[u8; HEADER]) -> [u8; MAC] {
    let hash = blake3::keyed_hash(key, header);
    let mut code = [0; MAC];
    code.iter_mut().zip(hash.as_bytes()).for_each(|(to, byte)| *to = *byte);
    code
}

/// Whether a header is as its sender made it.
pub(super) fn holds(keys: &Keys, header: &[u8; HEADER], mac: &[u8; MAC]) -> bool {
    code(&keys.mac, header).ct_eq(mac).into()
}

/// What a relay reads in its header.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// How many nodes follow, 1 to [`RELAYS_MAX`]; with 0 there is no more to read.
    pub(super) left: u8,
    pub(super) next: NodeKey,
    pub(super) mac: [u8; MAC],
    pub(super) string: RelayString,
}

impl Entry {
    pub(super) fn bytes(&self) -> impl Iterator<Item = u8> {
        let RelayString { next, hint } = self.string;
        [self.left].into_iter().chain(self.next.0).chain(self.mac).chain(next).chain(hint)
    }

    /// The entry that an opened header begins with, and the header behind it.
    pub(super) fn split(opened: &[u8; EXTENDED]) -> Option<(Self, &[u8; HEADER])> {
        let mut rest = opened.as_slice();
        let [left] = take(&mut rest)?;
        let next = NodeKey(take(&mut rest)?);
        let mac = take(&mut rest)?;
        let string = RelayString { next: take(&mut rest)?, hint: take(&mut rest)? };
        Some((Self { left, next, mac, string }, rest.try_into().ok()?))
    }
}

/// Takes the first bytes off.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = bytes.split_first_chunk()?;
    *bytes = tail;
    Some(*head)
}
