//! What the node says of itself.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use gossip::LinkView;
use handshake::{SessionInfo, SessionKind};
use libp2p::{Multiaddr, PeerId};
use transport::address::transport_name;
use transport::clock::Clock;

use super::Node;
use super::relays::Relays;
use super::wishes::answer;
use crate::config::Role;
use crate::handle::{
    BookEntry, BookQuery, BookView, Colour, Direction, Kind, Peer, Request, Standing, Status,
};

impl Node {
    /// Answers one question, now or when the answer is known; breaks when it was the last.
    pub(super) fn answer(&mut self, request: Request) -> ControlFlow<()> {
        match request {
            Request::Status(reply) => answer(reply, self.status()),
            Request::Peers(reply) => answer(reply, self.peers()),
            Request::Add(address, reply) => self.add(&address, reply),
            Request::Remove(peer, reply) => self.remove(peer, reply),
            Request::Ban(ban, reply) => self.ban_as_asked(ban, reply, Clock::wall()),
            Request::Unban(banned, reply) => self.unban(banned, reply),
            Request::Bans(reply) => answer(reply, self.swarm.behaviour().gate.bans()),
            Request::Book(query, reply) => answer(reply, self.book(query)),
            Request::Shutdown(reply) => {
                answer(reply, ());
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn status(&self) -> Status {
        let behaviour = self.swarm.behaviour();
        let (gate, limits) = (&behaviour.gate, &behaviour.limits);
        let (network, counts) = (&self.params.config().network, limits.counts());
        let dialled = |info: &SessionInfo| info.kind != SessionKind::Inbound;
        let (outbound, inbound): (Vec<_>, Vec<_>) =
            self.sessions.all().into_iter().partition(|info| dialled(info));
        let mut refused: BTreeMap<String, u64> = BTreeMap::new();
        for (reason, count) in gate.refused() {
            *refused.entry((*reason).to_owned()).or_default() += count;
        }
        for (limit, count) in limits.refused() {
            *refused.entry(limit.as_str().to_owned()).or_default() += count;
        }
        let mut dropped = named_counts(&self.dropped);
        dropped.extend(self.relays.iter().flat_map(Relays::dropped));
        let orders = self.orders.status();
        let shaking = counts.pending_inbound + counts.pending_outbound;
        let known = match network.role {
            Role::Node => self.overlay().book().len(),
            Role::Seed => gate.inner().seed.core().known(),
        };
        Status {
            peer: self.peer_id(),
            network: network.name.clone(),
            application: self.params.gate.application.clone(),
            version: parts(self.params.gate.version),
            agent: self.params.gate.agent.clone(),
            role: network.role,
            listen: self
                .record
                .listening()
                .iter()
                .cloned()
                .map(|a| named(a, self.peer_id()))
                .collect(),
            uptime: self.clock.now().elapsed(),
            inbound: count(inbound.len()),
            outbound: count(outbound.len()),
            strangers: count(gate.strangers()),
            pending: shaking.saturating_add(count(gate.pending())),
            known_addresses: known.try_into().unwrap_or(u64::MAX),
            refused,
            dropped,
            swaps: named_counts(&self.swaps),
            orders: orders.count,
            orders_digest: orders.digest,
            syncs: self.desk.counts.all(),
            relay: self.relays.as_ref().map(Relays::counts).unwrap_or_default(),
        }
    }

    fn book(&self, BookQuery { colour, limit }: BookQuery) -> BookView {
        // Gossip counts from its own start, which is the node's but for a moment.
        let now = self.clock.now();
        let mut counts = BTreeMap::new();
        let mut entries = Vec::new();
        for entry in self.overlay().book().iter(now) {
            let its = colour_of(entry.colour);
            let count: &mut u64 = counts.entry(its).or_default();
            *count = count.saturating_add(1);
            if colour.is_none_or(|asked| asked == its) {
                entries.push(entry);
            }
        }
        entries.sort_by_key(|entry| (colour_of(entry.colour), entry.peer));
        let entries = entries.into_iter().take(limit).map(|entry| BookEntry {
            peer: entry.peer,
            addresses: entry.record.addresses().to_vec(),
            colour: colour_of(entry.colour),
            source: entry.source.filter(|source| *source != entry.peer),
            failures: entry.failures.into(),
            reached: entry.last_success,
            retry: entry.next_try,
        });
        BookView { entries: entries.collect(), counts }
    }

    fn peers(&self) -> Vec<Peer> {
        let mut sessions = self.sessions.all();
        sessions.sort_by_key(|info| (info.peer, info.connection));
        let links: BTreeMap<PeerId, LinkView> =
            self.overlay().links().map(|link| (link.peer, link)).collect();
        sessions.iter().map(|info| self.peer(info, links.get(&info.peer))).collect()
    }

    fn peer(&self, info: &SessionInfo, link: Option<&LinkView>) -> Peer {
        let link = link.filter(|_| self.links.holds(&info.peer, info.connection));
        let standing = link.map_or_else(Standing::default, |link| {
            let LinkView { trusted, anchor, provisional, .. } = *link;
            Standing { trusted, anchor, provisional }
        });
        let pinged = self.round_trips.get(&info.connection).copied();
        let (direction, kind) = match info.kind {
            SessionKind::Inbound => (Direction::Inbound, Kind::Inbound),
            SessionKind::Outbound => (Direction::Outbound, Kind::Outbound),
            SessionKind::Manual => (Direction::Outbound, Kind::Manual),
            SessionKind::Seed => (Direction::Outbound, Kind::Seed),
            SessionKind::Refine => (Direction::Outbound, Kind::Refine),
            SessionKind::Direct => (Direction::Outbound, Kind::Direct),
        };
        Peer {
            peer: info.peer,
            address: info.address.clone(),
            direction,
            kind,
            connected: self.swarm.behaviour().gate.now().since(info.since),
            rtt: link.and_then(|link| link.round_trip).or(pinged),
            agent: info.agent.clone(),
            version: parts(info.version),
            features: info.features.iter().map(ToString::to_string).collect(),
            transport: transport_name(&info.address).to_owned(),
            standing,
        }
    }
}

const fn colour_of(colour: gossip::book::Colour) -> Colour {
    use gossip::book::Colour as Known;
    match colour {
        Known::Gold => Colour::Gold,
        Known::White => Colour::White,
        Known::Grey => Colour::Grey,
        Known::Dark => Colour::Dark,
        Known::Black => Colour::Black,
    }
}

fn named_counts(counts: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn parts(version: handshake::Semver) -> [u32; 3] {
    [version.major, version.minor, version.patch]
}

fn count(count: usize) -> u32 {
    count.try_into().unwrap_or(u32::MAX)
}

/// The address as others have to give it, with the peer id.
fn named(address: Multiaddr, peer: PeerId) -> Multiaddr {
    address.with_p2p(peer).unwrap_or_else(|other| other)
}
