//! Bans: in force at once, durable a little later.

use std::net::IpAddr;

use futures::future::{BoxFuture, FutureExt};
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionId, NetworkBehaviour};
use machine::UnixTime;
use transport::address::ip_of;
use transport::clock::Clock;

use super::Gate;
use crate::{Ban, BanStore, BanStoreError, Banned, Event};

/// What the ban store has to say.
pub(super) enum Stored {
    Loaded(Result<Vec<Ban>, BanStoreError>),
    Changed(Banned, Result<(), BanStoreError>),
}

pub(super) fn load(store: &dyn BanStore) -> BoxFuture<'static, Stored> {
    store.load().map(Stored::Loaded).boxed()
}

/// A connection from or to a banned address, refused before it costs anything.
#[derive(Clone, Debug, thiserror::Error)]
#[error("banned: {reason}")]
pub(super) struct AddressBanned {
    pub(super) reason: String,
}

impl<B: NetworkBehaviour> Gate<B> {
    /// Keeps `ban.banned` out from now on and closes what connects us. Its end in the store is an
    /// [`Event::BanStored`].
    pub fn ban(&mut self, ban: Ban) {
        let banned = ban.banned.canonical();
        let ban = Ban { banned, ..ban };
        let stored = self.ban_store.put(ban.clone());
        self.storing.push_back(stored.map(move |outcome| Stored::Changed(banned, outcome)).boxed());
        self.bans.insert(ban, Clock::wall());
        self.close_banned(banned);
    }

    /// Closes what connects us with `banned`.
    fn close_banned(&mut self, banned: Banned) {
        let hit = |peer: PeerId, address: &Multiaddr| match banned {
            Banned::Peer(named) => named == peer,
            Banned::Address(named) => ip_of(address) == Some(named),
        };
        let hits: Vec<_> = self
            .guests
            .iter()
            .filter(|(_, guest)| hit(guest.peer, &guest.address()))
            .map(|(id, guest)| (guest.peer, *id))
            .collect();
        for (peer, id) in hits {
            self.close(peer, id);
        }
    }

    /// Lets `banned` in again. Its end in the store is an [`Event::BanStored`]; false if there was
    /// no such ban.
    pub fn unban(&mut self, banned: Banned) -> bool {
        let banned = banned.canonical();
        let known = self.bans.remove(&banned).is_some();
        if known {
            let stored = self.ban_store.remove(banned);
            self.storing
                .push_back(stored.map(move |outcome| Stored::Changed(banned, outcome)).boxed());
        }
        known
    }

    /// The bans in force.
    pub fn bans(&self) -> Vec<Ban> {
        self.bans.in_force(Clock::wall()).cloned().collect()
    }

    /// The ban that hits a peer or where it is.
    pub(super) fn ban_of(&self, peer: PeerId, address: &Multiaddr, now: UnixTime) -> Option<&Ban> {
        let by_address = || self.bans.find(Banned::Address(ip_of(address)?), now);
        self.bans.find(Banned::Peer(peer), now).or_else(by_address)
    }

    pub(super) fn banned_ip(&self, address: &Multiaddr) -> Option<AddressBanned> {
        let ip: IpAddr = ip_of(address)?;
        let ban = self.bans.find(Banned::Address(ip), Clock::wall())?;
        Some(AddressBanned { reason: ban.reason.clone() })
    }

    pub(super) fn on_stored(&mut self, stored: Stored) {
        match stored {
            Stored::Loaded(Ok(bans)) => {
                let now = Clock::wall();
                for ban in bans {
                    let banned = ban.banned;
                    // What was banned meanwhile is banned anew.
                    if ban.until > now && self.bans.find(banned, now).is_none() {
                        self.bans.insert(ban, now);
                        self.close_banned(banned);
                    }
                }
            }
            Stored::Loaded(Err(error)) => tracing::error!(%error, "bans could not be loaded"),
            Stored::Changed(banned, outcome) => self.emit(Event::BanStored { banned, outcome }),
        }
    }

    pub(super) fn count_refused(&mut self, id: ConnectionId, name: &'static str) {
        let count = self.refused.entry(name).or_default();
        *count = count.saturating_add(1);
        tracing::debug!(connection = %id, reason = name, "connection stays outside");
    }
}
