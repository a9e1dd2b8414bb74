//! The secret hash that decides who competes with whom for room.

use std::fmt::{self, Write as _};

use libp2p_identity::PeerId;
use sha2::{Digest, Sha256};
use transport::address::NetworkGroup;

/// The book's secret. Who knows it can choose addresses that push out those of others.
#[derive(Clone)]
pub(super) struct Key([u8; 32]);

/// One number for each use, so that no answer helps to predict another.
const PEER: u8 = 0;
const GROUP: u8 = 1;
const SPREAD_NEW: u8 = 2;
const BUCKET_NEW: u8 = 3;
const SPREAD_TRIED: u8 = 4;
const BUCKET_TRIED: u8 = 5;
const VICTIM: u8 = 6;

/// The part of a table that one group can reach: an eighth of its buckets. This is the quota: it
/// cannot be exceeded, so nobody has to count.
pub(super) const SHARE: usize = 8;

/// Buckets among which one source's peers of one group are spread: what one source can do to one
/// group is 4 × 16 entries.
const SPREAD: u64 = 4;

impl Key {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The name of a peer inside the book.
    pub(super) fn peer(&self, peer: &PeerId) -> u64 {
        self.hash(PEER).peer(peer).end()
    }

    /// The name of a network group inside the book; what has no group is one group.
    pub(super) fn group(&self, group: Option<NetworkGroup>) -> u64 {
        self.hash(GROUP).group(group).end()
    }

    /// The bucket, of `buckets`, of a peer in `group` that `source` of `source_group` told of.
    ///
    /// A source's group reaches one eighth of the buckets, wherever it says that peers are.
    pub(super) fn new_bucket(&self, whom: &Heard, buckets: usize) -> usize {
        let Heard { peer, group, source, source_group } = *whom;
        let part = peer.checked_rem(SPREAD).unwrap_or(0);
        let spread = self.hash(SPREAD_NEW).number(group).number(source).number(part).end();
        let spread = below(spread, buckets / SHARE);
        let bucket = self.hash(BUCKET_NEW).number(source_group).number(wide(spread));
        below(bucket.end(), buckets)
    }

    /// The bucket, of `buckets`, of a peer that was reached in `group`, which reaches one eighth
    /// of them.
    pub(super) fn tried_bucket(&self, peer: u64, group: u64, buckets: usize) -> usize {
        let spread = below(self.hash(SPREAD_TRIED).number(peer).end(), buckets / SHARE);
        below(self.hash(BUCKET_TRIED).number(group).number(wide(spread)).end(), buckets)
    }

    /// Decides between equals which one gives way: the smallest does.
    pub(super) fn victim(&self, newcomer: u64, id: u16) -> u64 {
        self.hash(VICTIM).number(newcomer).number(id.into()).end()
    }

    fn hash(&self, purpose: u8) -> Feed {
        Feed(Sha256::new().chain_update(self.0).chain_update([purpose]))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// What the bucket of a peer that was heard of depends on, all in the names of [`Key`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) peer: u64,
    pub(super) group: u64,
    pub(super) source: u64,
    pub(super) source_group: u64,
}

/// A hash that is being fed. For one purpose the kinds of input are always the same, in the same
/// order, and only the last may vary in length: no two inputs read alike.
struct Feed(Sha256);

impl Feed {
    fn number(self, number: u64) -> Self {
        Self(self.0.chain_update(number.to_le_bytes()))
    }

    fn peer(self, peer: &PeerId) -> Self {
        let hash = peer.as_ref();
        let fed = self.number(hash.code());
        Self(fed.0.chain_update(hash.digest()))
    }

    fn group(mut self, group: Option<NetworkGroup>) -> Self {
        if let Some(group) = group {
            // As text: the one form of a group that is the same on every platform.
            write!(self, "{group}").expect("a hash takes everything");
        }
        self
    }

    fn end(self) -> u64 {
        let digest: [u8; 32] = self.0.finalize().into();
        let mut first = [0; 8];
        for (to, from) in first.iter_mut().zip(digest) {
            *to = from;
        }
        u64::from_le_bytes(first)
    }
}

impl fmt::Write for Feed {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

/// A number below `bound`; 0 when there is none.
fn below(number: u64, bound: usize) -> usize {
    let rest = number.checked_rem(wide(bound)).unwrap_or(0);
    usize::try_from(rest).unwrap_or(0)
}

fn wide(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
