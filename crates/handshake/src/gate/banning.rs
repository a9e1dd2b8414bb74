//! Bans: in force at once, durable a little later.

use futures::future::{BoxFuture, FutureExt};
use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use libp2p_swarm::{ConnectionId, NetworkBehaviour};
use machine::UnixTime;
use transport::address::ip_of;
use transport::clock::Clock;

use super::Gate;
use crate::{Ban, BanStore, BanStoreError, Banned, Event};

/// Most changes that wait for the store. More come only when the disk hangs; each is a ban that may
/// be forgotten at the next start, and whoever asked for it is told.
const STORING_MAX: usize = 1_024;

/// What the ban store has to say.
pub(super) enum Stored {
    Loaded(Result<Vec<Ban>, BanStoreError>),
    Changed(Banned, Result<(), BanStoreError>),
    Trimmed(Result<(), BanStoreError>),
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
    /// Keeps `ban.banned` out from now on and closes what connects us; of IPv6 that is the whole
    /// /64. Its end in the store is an [`Event::BanStored`].
    pub fn ban(&mut self, ban: Ban) {
        let banned = ban.banned.canonical();
        let ban = Ban { banned, ..ban };
        self.store(banned, |store| store.put(ban.clone()));
        let made_room = self.bans.insert(ban, Clock::wall());
        self.trim(made_room);
        self.close_banned(banned);
    }

    /// Has the store make a change, unless it is far behind.
    fn store(
        &mut self,
        banned: Banned,
        change: impl FnOnce(&dyn BanStore) -> BoxFuture<'static, Result<(), BanStoreError>>,
    ) {
        if self.storing.len() >= STORING_MAX {
            let message = format!("{STORING_MAX} changes wait already");
            let outcome = Err(BanStoreError { message });
            return self.emit(Event::BanStored { banned, outcome });
        }
        let stored = change(&*self.ban_store);
        self.storing.push_back(stored.map(move |outcome| Stored::Changed(banned, outcome)).boxed());
    }

    /// Has the store forget what is not in force any more. If it is far behind, it is asked at the
    /// next start.
    fn trim(&mut self, gone: Vec<Banned>) {
        if !gone.is_empty() && self.storing.len() < STORING_MAX {
            let trimmed = self.ban_store.remove_all(gone);
            self.storing.push_back(trimmed.map(Stored::Trimmed).boxed());
        }
    }

    /// Closes what connects us with `banned`.
    fn close_banned(&mut self, banned: Banned) {
        let hit = |peer: PeerId, address: &Multiaddr| match banned {
            Banned::Peer(named) => named == peer,
            Banned::Address(_) => by_address(address) == Some(banned),
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

    /// Lets `banned` in again. Its end in the store is an [`Event::BanStored`]; false, and no such
    /// event, if there was no such ban. As long as the bans of the last run have not been loaded
    /// there may be one, so that it is true.
    pub fn unban(&mut self, banned: Banned) -> bool {
        let banned = banned.canonical();
        let known = self.bans.remove(&banned);
        if known {
            self.store(banned, |store| store.remove(banned));
        }
        known
    }

    /// The bans in force.
    pub fn bans(&self) -> Vec<Ban> {
        self.bans.in_force(Clock::wall()).cloned().collect()
    }

    /// The ban that hits a peer or where it is.
    pub(super) fn ban_of(&self, peer: PeerId, address: &Multiaddr, now: UnixTime) -> Option<&Ban> {
        let at = || self.bans.find(by_address(address)?, now);
        self.bans.find(Banned::Peer(peer), now).or_else(at)
    }

    pub(super) fn banned_ip(&self, address: &Multiaddr) -> Option<AddressBanned> {
        let ban = self.bans.find(by_address(address)?, Clock::wall())?;
        Some(AddressBanned { reason: ban.reason.clone() })
    }

    pub(super) fn on_stored(&mut self, stored: Stored) {
        match stored {
            Stored::Loaded(Ok(bans)) => {
                let recalled = self.bans.recall(bans, Clock::wall());
                self.trim(recalled.obsolete);
                for banned in recalled.in_force {
                    self.close_banned(banned);
                }
            }
            Stored::Loaded(Err(error)) => tracing::error!(%error, "bans could not be loaded"),
            Stored::Changed(banned, outcome) => self.emit(Event::BanStored { banned, outcome }),
            Stored::Trimmed(Ok(())) => {}
            Stored::Trimmed(Err(error)) => {
                tracing::warn!(%error, "bans that have ended stay in the store");
            }
        }
    }

    pub(super) fn count_refused(&mut self, id: ConnectionId, name: &'static str) {
        let count = self.refused.entry(name).or_default();
        *count = count.saturating_add(1);
        tracing::debug!(connection = %id, reason = name, "connection stays outside");
    }
}

/// What a ban of the address that `address` starts with would name.
fn by_address(address: &Multiaddr) -> Option<Banned> {
    ip_of(address).map(|ip| Banned::Address(ip).canonical())
}

#[cfg(test)]
mod tests {
    use std::iter;
    use std::num::NonZeroUsize;
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Waker};
    use std::time::Duration;

    use futures::future::ready;
    use libp2p_swarm::dummy;
    use transport::pool::Pool;

    use super::*;
    use crate::{Config, Sessions, Setup};

    /// A store of one old ban that answers when asked, and writes down what it is asked.
    #[derive(Clone, Default)]
    struct Diary {
        kept: Vec<Ban>,
        lines: Arc<Mutex<Vec<String>>>,
    }

    impl Diary {
        fn write(&self, line: String) -> BoxFuture<'static, Result<(), BanStoreError>> {
            self.lines.lock().unwrap().push(line);
            ready(Ok(())).boxed()
        }

        fn read(&self) -> String {
            std::mem::take(&mut *self.lines.lock().unwrap()).join(", ")
        }
    }

    impl BanStore for Diary {
        fn load(&self) -> BoxFuture<'static, Result<Vec<Ban>, BanStoreError>> {
            ready(Ok(self.kept.clone())).boxed()
        }

        fn put(&self, ban: Ban) -> BoxFuture<'static, Result<(), BanStoreError>> {
            self.write(format!("put {}", ban.banned))
        }

        fn remove(&self, banned: Banned) -> BoxFuture<'static, Result<(), BanStoreError>> {
            self.write(format!("remove {banned}"))
        }
    }

    fn gate(store: Diary) -> Gate<dummy::Behaviour> {
        let setup = Setup {
            local: PeerId::random(),
            params: Config::default().check().unwrap(),
            names: Vec::new(),
            pool: Pool::new(NonZeroUsize::MIN, 1).unwrap(),
            sessions: Sessions::default(),
            seed: [1; 32],
        };
        Gate::new(|_| dummy::Behaviour, setup, store)
    }

    /// Polls until nothing moves; the ends of writes that were told.
    fn run(gate: &mut Gate<dummy::Behaviour>) -> usize {
        let mut cx = Context::from_waker(Waker::noop());
        iter::from_fn(|| NetworkBehaviour::poll(gate, &mut cx).is_ready().then_some(())).count()
    }

    fn ban(last: u32, lasts: Duration) -> Ban {
        let banned = Banned::Address(std::net::Ipv4Addr::from(last).into());
        Ban { banned, reason: "test".to_owned(), until: Clock::wall().after(lasts) }
    }

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn a_pardon_before_the_bans_are_loaded_is_not_lost() {
        let old = ban(1, HOUR);
        let store = Diary { kept: vec![old.clone(), ban(2, HOUR)], ..Diary::default() };
        let mut gate = gate(store.clone());
        assert!(gate.unban(old.banned));
        assert_eq!(run(&mut gate), 1);
        assert_eq!(store.read(), "remove 0.0.0.1");
        let in_force: Vec<Banned> = gate.bans().iter().map(|ban| ban.banned).collect();
        assert_eq!(in_force, [ban(2, HOUR).banned]);
        assert!(!gate.unban(old.banned));
        assert_eq!(store.read(), "", "it is known that there is none");
    }

    #[test]
    fn the_store_forgets_what_has_ended_and_what_made_room() {
        let store = Diary { kept: vec![ban(1, Duration::ZERO)], ..Diary::default() };
        let mut gate = gate(store.clone());
        run(&mut gate);
        assert_eq!(store.read(), "remove 0.0.0.1");
        for last in 0..=10_000 {
            gate.ban(ban(last, HOUR + Duration::from_secs(last.into())));
            assert_eq!(run(&mut gate), 1);
        }
        assert!(store.read().ends_with("put 0.0.39.16, remove 0.0.0.0"));
    }

    /// The disk hangs.
    #[test]
    fn a_store_that_is_far_behind_is_asked_no_more_and_the_ban_is_in_force() {
        let mut gate = gate(Diary::default());
        let told = (0..1_025).map(|last| {
            gate.ban(ban(last, HOUR));
            gate.out.len()
        });
        // The first place is taken by the load.
        assert_eq!(told.last(), Some(2));
        assert_eq!(gate.bans().len(), 1_025);
        assert!(gate.storing.len() == STORING_MAX);
    }

    #[test]
    fn a_ban_of_one_ipv6_address_holds_for_its_network() {
        let mut gate = gate(Diary::default());
        let banned = Banned::Address("2001:db8:1:2::1".parse().unwrap());
        gate.ban(Ban { banned, ..ban(0, HOUR) });
        let hit = |address: &str| gate.banned_ip(&address.parse().unwrap()).is_some();
        assert!(hit("/ip6/2001:db8:1:2:aaaa::9/tcp/1"));
        assert!(!hit("/ip6/2001:db8:1:3::1/tcp/1"));
        assert!(gate.unban(Banned::Address("2001:db8:1:2:bbbb::9".parse().unwrap())));
        assert!(gate.bans().is_empty());
    }
}
