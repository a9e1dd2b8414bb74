//! Who is kept out, why, and until when.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt, ready};
use libp2p_identity::PeerId;
use machine::UnixTime;
use thiserror::Error;
use transport::clock::Clock;

/// Whom a ban names.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Banned {
    /// One peer, wherever it comes from.
    Peer(PeerId),
    /// One address, whoever comes from it.
    Address(IpAddr),
}

impl Banned {
    /// The same, with an IPv4 address that is written as IPv6 as what it is.
    #[must_use]
    pub fn canonical(self) -> Self {
        match self {
            Self::Address(address) => Self::Address(address.to_canonical()),
            Self::Peer(_) => self,
        }
    }
}

impl fmt::Display for Banned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => peer.fmt(f),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// One ban.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ban {
    /// Whom.
    pub banned: Banned,
    /// Why, in our own words. At most 128 bytes are kept.
    pub reason: String,
    /// When it ends, on the wall clock.
    pub until: UnixTime,
}

/// The disk failed to keep or to return bans.
#[derive(Clone, Debug, Error)]
#[error("ban store: {message}")]
pub struct BanStoreError {
    /// What the store says.
    pub message: String,
}

/// Keeps bans over restarts. A future that ends well means that the change is durable.
pub trait BanStore: Send + Sync + 'static {
    /// All bans kept.
    fn load(&self) -> BoxFuture<'static, Result<Vec<Ban>, BanStoreError>>;
    /// Keeps `ban` in place of an earlier one of the same peer or address.
    fn put(&self, ban: Ban) -> BoxFuture<'static, Result<(), BanStoreError>>;
    /// Forgets.
    fn remove(&self, banned: Banned) -> BoxFuture<'static, Result<(), BanStoreError>>;
}

/// Keeps bans until the process ends.
#[derive(Clone, Debug, Default)]
pub struct MemoryBans {
    bans: Arc<Mutex<Bans>>,
}

impl BanStore for MemoryBans {
    fn load(&self) -> BoxFuture<'static, Result<Vec<Ban>, BanStoreError>> {
        let bans = self.bans.lock().unwrap_or_else(PoisonError::into_inner);
        ready(Ok(bans.by_name.values().cloned().collect())).boxed()
    }

    fn put(&self, ban: Ban) -> BoxFuture<'static, Result<(), BanStoreError>> {
        self.bans.lock().unwrap_or_else(PoisonError::into_inner).insert(ban, Clock::wall());
        ready(Ok(())).boxed()
    }

    fn remove(&self, banned: Banned) -> BoxFuture<'static, Result<(), BanStoreError>> {
        self.bans.lock().unwrap_or_else(PoisonError::into_inner).remove(&banned);
        ready(Ok(())).boxed()
    }
}

/// The bans in force, to look up on every connection.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    by_name: BTreeMap<Banned, Ban>,
}

impl Bans {
    /// Most bans at once. Over it, the one that ends first makes room, so that a flood of bans
    /// cannot grow without end.
    const MAX: usize = 10_000;

    pub(crate) fn insert(&mut self, mut ban: Ban, now: UnixTime) {
        ban.reason.truncate(ban.reason.floor_char_boundary(128));
        self.by_name.insert(ban.banned, ban);
        if self.by_name.len() > Self::MAX {
            self.by_name.retain(|_, ban| ban.until > now);
        }
        if self.by_name.len() > Self::MAX
            && let Some(first) = self.by_name.values().min_by_key(|ban| ban.until)
        {
            let first = first.banned;
            self.by_name.remove(&first);
        }
    }

    pub(crate) fn remove(&mut self, banned: &Banned) -> Option<Ban> {
        self.by_name.remove(banned)
    }

    /// The ban on `banned`, if it is in force at `now`.
    pub(crate) fn find(&self, banned: Banned, now: UnixTime) -> Option<&Ban> {
        self.by_name.get(&banned).filter(|ban| ban.until > now)
    }

    /// All that are in force at `now`.
    pub(crate) fn in_force(&self, now: UnixTime) -> impl Iterator<Item = &Ban> {
        self.by_name.values().filter(move |ban| ban.until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(last: u32, until: u64) -> Ban {
        let banned = Banned::Address(std::net::Ipv4Addr::from(last).into());
        Ban { banned, reason: "test".to_owned(), until: UnixTime::from_millis(until) }
    }

    #[test]
    fn a_ban_ends_by_itself() {
        let mut bans = Bans::default();
        let one = ban(1, 10);
        bans.insert(one.clone(), UnixTime::from_millis(0));
        assert_eq!(bans.find(one.banned, UnixTime::from_millis(9)), Some(&one));
        assert_eq!(bans.find(one.banned, UnixTime::from_millis(10)), None);
        assert_eq!(bans.in_force(UnixTime::from_millis(10)).count(), 0);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut bans = Bans::default();
        let count = u32::try_from(Bans::MAX).expect("small") + 5;
        for last in 0..count {
            bans.insert(ban(last, 100 + u64::from(last)), UnixTime::from_millis(0));
        }
        assert_eq!(bans.by_name.len(), Bans::MAX);
        assert!(bans.find(ban(4, 0).banned, UnixTime::from_millis(0)).is_none(), "ended first");
        assert!(bans.find(ban(5, 0).banned, UnixTime::from_millis(0)).is_some());
    }
}
