//! What the application asks, and what it tells of connections.

use std::sync::Arc;
use std::time::Duration;

use libp2p_core::Multiaddr;
use libp2p_identity::PeerId;
use machine::Instant;
use transport::address::NetworkGroup;

use super::dials::Aim;
use super::links::{Link, Standing};
use super::{BANNED_MAX, Core};
use crate::book::{Outcome, Source};
use crate::config::Mode;
use crate::store::StoreError;
use crate::{Command, Direction, DisconnectReason, Event, Opened, TrustError};

/// A link that held for so long was a good one.
const LASTING: Duration = Duration::from_mins(1);

impl Core {
    pub(super) fn command(&mut self, command: Command, now: Instant) {
        match command {
            Command::Opened(opened) => self.on_opened(&opened, false, now),
            Command::OpenedAside(opened) => self.on_opened(&opened, true, now),
            Command::Closed { peer } => self.on_closed(peer, now),
            Command::Learned { source, address, records } => {
                let wished = u32::try_from(records.len()).unwrap_or(u32::MAX);
                let kept = self.learn(self.source(source, address.as_ref()), &records, wished, now);
                self.desk.emit(Event::Learned { source, kept });
            }
            Command::Sought { outcome } => self.sought(outcome, now),
            Command::Trust { peer, addresses } => {
                let outcome = self.trust(peer, addresses, now);
                self.desk.emit(Event::Trusted { peer, outcome });
            }
            Command::Distrust { peer } => {
                let was = self.trusted.remove(&peer);
                self.book.protect(&peer, self.upkeep.anchors.contains(&peer));
                let linked = self.links.get(&peer).is_some_and(|link| !link.leaving);
                if linked && self.params.config().mode == Mode::Private {
                    self.hang_up(peer, DisconnectReason::Private, now);
                }
                self.desk.emit(Event::Distrusted { peer, was });
            }
            Command::Dismiss { peer, reason } => {
                let was = self.links.get(&peer).is_some_and(|link| !link.leaving);
                if was {
                    self.hang_up(peer, reason, now);
                }
                self.desk.emit(Event::Dismissed { peer, was });
            }
            Command::Banned { peer, banned } => self.ban(peer, banned, now),
            Command::Shutdown => self.shut_down(now),
        }
    }

    fn trust(
        &mut self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        now: Instant,
    ) -> Result<(), TrustError> {
        if peer == self.local {
            return Err(TrustError::Oneself);
        }
        let known = self.book.record(&peer);
        let addresses = match known.filter(|_| addresses.is_empty()) {
            Some(record) => record.addresses().to_vec(),
            None => addresses,
        };
        self.trusted.add(peer, addresses, self.params.config(), now)?;
        self.book.protect(&peer, true);
        Ok(())
    }

    fn ban(&mut self, peer: PeerId, banned: bool, now: Instant) {
        if !banned {
            self.banned.remove(&peer);
            self.book.set_banned(&peer, false);
        } else if self.banned.len() < BANNED_MAX {
            self.banned.insert(peer);
            self.book.set_banned(&peer, true);
        }
        if banned && self.links.get(&peer).is_some_and(|link| !link.leaving) {
            self.hang_up(peer, DisconnectReason::Banned, now);
        }
        self.desk.emit(Event::BanNoted { peer });
    }

    fn on_opened(&mut self, opened: &Opened, aside: bool, now: Instant) {
        let peer = opened.peer;
        // What the dial was for is what the link is for, whoever won.
        let aim = self.dials.end(&peer);
        let aside = aside && aim.is_none() && !self.trusted.contains(&peer);
        let link = self.links.open(opened, self.params.config(), now);
        link.aside = aside;
        if aside {
            link.standing = Standing::Aside;
        } else if link.standing == Standing::Aside {
            link.standing = Standing::Lasting;
        }
        let swap = match (aim, opened.direction) {
            (Some(Aim::Swap(serial)), Direction::Outbound) => Some(serial),
            _ => None,
        };
        if let Some(serial) = swap {
            link.standing = Standing::Ours { serial };
        }
        self.look_online(now);
        self.upkeep.came_in(self.params.config(), now);
        self.note_record(opened, now);
        self.book.connected(&peer, opened.direction == Direction::Outbound, now);
        self.desk.emit(Event::Linked { peer });
        let named = self.trusted.contains(&peer);
        if self.banned.contains(&peer) {
            self.hang_up(peer, DisconnectReason::Banned, now);
        } else if swap.is_some_and(|serial| !self.swaps.awaits_link(serial, &peer)) {
            // The exchange that it was dialled for is over.
            self.hang_up(peer, DisconnectReason::SwapAborted, now);
        } else if self.params.config().mode == Mode::Private && !named {
            self.hang_up(peer, DisconnectReason::Private, now);
        } else if self.ending {
            self.hang_up(peer, DisconnectReason::Shutdown, now);
        }
        self.welcome(peer, now);
    }

    /// Takes a neighbour's own record into the book. That it answers where it says is known only
    /// when we dialled it there.
    fn note_record(&mut self, opened: &Opened, now: Instant) {
        let Opened { peer, direction, address, record } = opened;
        if self.params.config().mode == Mode::Private && !self.trusted.contains(peer) {
            return;
        }
        if let Some(record) = record {
            let source = Source { peer: Some(*peer), group: NetworkGroup::of(address) };
            if self.book.insert(Arc::clone(record), source, now) == Ok(Outcome::Added) {
                self.upkeep.news(now);
            }
        }
        if *direction == Direction::Outbound {
            self.book.verified(peer, address, now);
        }
    }

    fn on_closed(&mut self, peer: PeerId, now: Instant) {
        let link = self.links.get(&peer);
        let age = link.map_or(Duration::ZERO, |link| link.age(now));
        let stay_away = link.map(|link| link.stay_away);
        if self.links.close(&peer, now).is_some() {
            self.link_lost(&peer, now);
            self.book.disconnected(&peer, now, &mut self.rng);
            if let Some(rest) = stay_away.filter(|rest| !rest.is_zero()) {
                self.book.put_off(&peer, rest, now);
            }
            if age >= LASTING {
                self.trusted.lasted(&peer, self.params.config());
            }
            self.trusted.failed(&peer, self.params.config(), &mut self.rng, now);
        }
        self.look_online(now);
        self.upkeep.news(now);
        self.desk.emit(Event::Unlinked { peer });
    }

    fn shut_down(&mut self, now: Instant) {
        self.ending = true;
        self.shutdowns = self.shutdowns.saturating_add(1);
        self.choose_anchors(now);
        let there = self.links.iter().filter(|(_, link)| !link.leaving);
        let peers: Vec<_> = there.map(|(peer, _)| *peer).collect();
        for peer in peers {
            self.hang_up(peer, DisconnectReason::Shutdown, now);
        }
        self.save(now);
        if !self.upkeep.saving {
            self.finish(&Ok(()));
        }
    }

    /// Tells the book whether this node has a network: one link to somebody out there is proof. A
    /// neighbour in the same house is not.
    fn look_online(&mut self, now: Instant) {
        let public = |link: &Link| link.open.as_ref().is_some_and(|open| open.public);
        let online = self.links.iter().any(|(_, link)| public(link));
        self.book.set_online(online, now);
    }

    /// The end of [`Command::Shutdown`].
    pub(super) fn finish(&mut self, stored: &Result<(), StoreError>) {
        for _ in 0..std::mem::take(&mut self.shutdowns) {
            self.desk.emit(Event::Ended { stored: stored.clone() });
        }
    }
}
