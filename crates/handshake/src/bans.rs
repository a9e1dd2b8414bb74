//! Who is kept out, why, and until when.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt, TryFutureExt, ready, try_join_all};
use libp2p_identity::PeerId;
use machine::UnixTime;
use thiserror::Error;
use transport::clock::Clock;

/// Whom a ban names.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Banned {
    /// One peer, wherever it comes from.
    Peer(PeerId),
    /// One address, whoever comes from it; of IPv6 the whole /64.
    Address(IpAddr),
}

impl Banned {
    /// The same in the one form in which it is kept and looked up: IPv4 that is written as IPv6 as
    /// what it is, and of IPv6 the network, its last 64 bits being 0.
    ///
    /// A host picks those bits itself, so that a ban of one such address bans nobody. The limits
    /// count by /56, but they only share out slots: a ban shuts out, and some providers hand the
    /// /64s of one /56 to different customers. On a link the first 64 bits are everybody's; there
    /// the address counts.
    #[must_use]
    pub fn canonical(self) -> Self {
        let Self::Address(address) = self else { return self };
        Self::Address(match address.to_canonical() {
            IpAddr::V6(ip) if !ip.is_unicast_link_local() => {
                IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & NETWORK))
            }
            other @ (IpAddr::V4(_) | IpAddr::V6(_)) => other,
        })
    }
}

/// The bits of an IPv6 address that its host does not pick.
const NETWORK: u128 = u128::MAX << 64;

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
///
/// What is asked for takes effect in the order of the calls, whichever future is polled first.
pub trait BanStore: Send + Sync + 'static {
    /// All bans kept, also those that have ended.
    fn load(&self) -> BoxFuture<'static, Result<Vec<Ban>, BanStoreError>>;
    /// Keeps `ban` in place of an earlier one of the same peer or address.
    fn put(&self, ban: Ban) -> BoxFuture<'static, Result<(), BanStoreError>>;
    /// Forgets.
    fn remove(&self, banned: Banned) -> BoxFuture<'static, Result<(), BanStoreError>>;

    /// Forgets all of these. A store that has transactions does it in one.
    fn remove_all(&self, banned: Vec<Banned>) -> BoxFuture<'static, Result<(), BanStoreError>> {
        let removed: Vec<_> = banned.into_iter().map(|banned| self.remove(banned)).collect();
        try_join_all(removed).map_ok(drop).boxed()
    }
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
    kept: Kept,
}

/// What we know of the bans in the store.
#[derive(Debug)]
enum Kept {
    /// Nothing: they are being loaded, or could not be. These are pardoned whatever it says; they
    /// are as many as the operator named since the start.
    Unknown { pardoned: BTreeSet<Banned> },
    /// The table has them all.
    Known,
}

impl Default for Kept {
    fn default() -> Self {
        Self::Unknown { pardoned: BTreeSet::new() }
    }
}

/// What came of the bans that the store kept.
#[derive(Debug, Default)]
pub(crate) struct Recalled {
    /// These are in force from now on.
    pub(crate) in_force: Vec<Banned>,
    /// These the store need not keep: they have ended, or found no room.
    pub(crate) obsolete: Vec<Banned>,
}

impl Bans {
    /// Most bans at once. Over it, the one that ends first makes room, so that a flood of bans
    /// cannot grow without end.
    const MAX: usize = 10_000;

    /// Adds `ban`. Returns those that made room for it, which the store need not keep either.
    pub(crate) fn insert(&mut self, mut ban: Ban, now: UnixTime) -> Vec<Banned> {
        ban.reason.truncate(ban.reason.floor_char_boundary(128));
        if let Kept::Unknown { pardoned } = &mut self.kept {
            pardoned.remove(&ban.banned);
        }
        self.by_name.insert(ban.banned, ban);
        if self.by_name.len() <= Self::MAX {
            return Vec::new();
        }
        let ended = self.by_name.extract_if(.., |_, ban| ban.until <= now);
        let mut gone: Vec<Banned> = ended.map(|(banned, _)| banned).collect();
        if self.by_name.len() > Self::MAX
            && let Some(first) = self.by_name.values().min_by_key(|ban| ban.until)
        {
            let first = first.banned;
            self.by_name.remove(&first);
            gone.push(first);
        }
        gone
    }

    /// Ends a ban. False if there is none, neither here nor, as far as we know, in the store.
    pub(crate) fn remove(&mut self, banned: &Banned) -> bool {
        let known = self.by_name.remove(banned).is_some();
        match &mut self.kept {
            Kept::Unknown { pardoned } => {
                pardoned.insert(*banned);
                true
            }
            Kept::Known => known,
        }
    }

    /// Takes over what the store kept, except where something newer has been said since.
    pub(crate) fn recall(&mut self, kept: Vec<Ban>, now: UnixTime) -> Recalled {
        let pardoned = match std::mem::replace(&mut self.kept, Kept::Known) {
            Kept::Unknown { pardoned } => pardoned,
            Kept::Known => BTreeSet::new(),
        };
        let mut recalled = Recalled::default();
        for ban in kept {
            let banned = ban.banned.canonical();
            if ban.until <= now {
                // Unless a newer one took its place in the store.
                if !self.by_name.contains_key(&banned) {
                    recalled.obsolete.push(ban.banned);
                }
            } else if !pardoned.contains(&banned) && !self.by_name.contains_key(&banned) {
                recalled.obsolete.extend(self.insert(Ban { banned, ..ban }, now));
                recalled.in_force.push(banned);
            }
        }
        recalled
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

    const fn at(millis: u64) -> UnixTime {
        UnixTime::from_millis(millis)
    }

    fn ban(last: u32, until: u64) -> Ban {
        let banned = Banned::Address(std::net::Ipv4Addr::from(last).into());
        Ban { banned, reason: "test".to_owned(), until: at(until) }
    }

    #[test]
    fn a_ban_ends_by_itself() {
        let mut bans = Bans::default();
        let one = ban(1, 10);
        assert!(bans.insert(one.clone(), at(0)).is_empty());
        assert_eq!(bans.find(one.banned, at(9)), Some(&one));
        assert_eq!(bans.find(one.banned, at(10)), None);
        assert_eq!(bans.in_force(at(10)).count(), 0);
    }

    #[test]
    fn the_table_is_bounded() {
        let mut bans = Bans::default();
        let max = u32::try_from(Bans::MAX).expect("small");
        for last in 0..max {
            assert!(bans.insert(ban(last, 100 + u64::from(last)), at(0)).is_empty());
        }
        let gone = bans.insert(ban(max, 1_000_000), at(0));
        assert_eq!(gone, [ban(0, 0).banned], "the one that ends first");
        let gone = bans.insert(ban(max + 1, 1_000_000), at(103));
        assert_eq!(gone, [1, 2, 3].map(|last| ban(last, 0).banned), "those that have ended");
        assert_eq!(bans.by_name.len(), Bans::MAX - 2);
    }

    #[test]
    fn what_the_store_kept_undoes_nothing_newer() {
        let mut bans = Bans::default();
        let [forgiven, renewed, forgiven_and_renewed, old, ended] =
            [1, 2, 3, 4, 5].map(|last| ban(last, if last == 5 { 50 } else { 1_000 }));
        assert!(bans.remove(&forgiven.banned), "the store may have it");
        assert!(bans.remove(&forgiven_and_renewed.banned));
        for newer in [&renewed, &forgiven_and_renewed] {
            bans.insert(Ban { until: at(2_000), ..newer.clone() }, at(10));
        }
        let kept = [&forgiven, &renewed, &forgiven_and_renewed, &old, &ended].map(Clone::clone);
        let recalled = bans.recall(kept.to_vec(), at(100));
        assert_eq!(recalled.in_force, [old.banned]);
        assert_eq!(recalled.obsolete, [ended.banned]);
        assert_eq!(bans.find(forgiven.banned, at(100)), None);
        for newer in [renewed, forgiven_and_renewed] {
            assert_eq!(bans.find(newer.banned, at(100)).map(|ban| ban.until), Some(at(2_000)));
        }
        assert!(!bans.remove(&forgiven.banned), "now there is certainly none");
    }

    /// Also after a load that failed: the ban may be in the store.
    #[test]
    fn as_long_as_the_store_is_unknown_every_pardon_reaches_it() {
        let mut bans = Bans::default();
        assert!(bans.remove(&ban(1, 0).banned));
        assert!(bans.remove(&ban(1, 0).banned));
    }

    #[test]
    fn a_ban_of_an_address_is_one_of_its_network() {
        let name = |text: &str| Banned::Address(text.parse().expect("an address")).canonical();
        for (one, other) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:aaaa:bbbb:cccc:dddd"),
            ("2001:db8:1:2::1", "2001:db8:1:2::"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(name(one), name(other));
            assert_eq!(name(one), name(&name(one).to_string()), "what is shown is understood");
        }
        for (one, other) in [
            ("2001:db8:1:2::1", "2001:db8:1:3::1"),
            ("192.0.2.1", "192.0.2.2"),
            ("fe80::1", "fe80::2"),
        ] {
            assert_ne!(name(one), name(other));
        }
        assert_eq!(name("2001:db8:1:2::1").to_string(), "2001:db8:1:2::");
    }
}
