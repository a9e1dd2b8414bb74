//! What happens in the swarm, and who is told of it. Protocols do not know each other: where one
//! learns what another needs, this file connects them.

use std::sync::Arc;
use std::time::Duration;

use gossip::{Direction, Opened, Swap};
use handshake::seed;
use handshake::{Ban, Banned, Event as GateEvent, Refusal, RejectCode, SessionInfo, SessionKind};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, identify, ping};
use machine::{Blame, Verdict};
use transport::clock::Clock;

use wire::signed::SignedRecord;

use super::Node;
use super::behaviour::{BehaviourEvent, GatedEvent};
use super::exchange::Whence;
use super::links::is_lasting;
use crate::config::Role;

/// How long a peer is kept out that broke too many rules. At an hour it has cost an attacker an
/// identity and an address; for ever would punish who gets that address next.
const BAN: Duration = Duration::from_hours(1);

/// What bytes cost that are not the protocol: no honest implementation sends them twice.
pub(super) const MALFORMED_PRICE: u16 = 50;

impl Node {
    pub(super) fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gate(event)) => self.on_gate(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(&event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => on_identify(&event),
            SwarmEvent::Behaviour(BehaviourEvent::Outside(event)) => {
                self.on_session(Whence::Outside, event);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Limits(never)) => match never {},
            SwarmEvent::NewListenAddr { address, .. } => {
                tracing::info!(%address, "listening");
                self.record.add(address);
                self.on_moved();
            }
            SwarmEvent::ExpiredListenAddr { address, .. } => {
                tracing::warn!(%address, "not listening any more");
                self.record.remove(&address);
                self.on_moved();
            }
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "a listener ended");
                for address in &addresses {
                    self.record.remove(address);
                }
                self.on_moved();
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "listener"),
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                self.round_trips.remove(&connection_id);
            }
            SwarmEvent::IncomingConnectionError { send_back_addr, error, .. } => {
                tracing::debug!(from = %send_back_addr, %error, "incoming connection failed");
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), error, .. }
                if self.trusts(&peer) =>
            {
                tracing::info!(%peer, %error, "cannot reach a trusted peer");
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => {
                tracing::debug!(?peer_id, %error, "dial failed");
            }
            _ => {}
        }
    }

    /// Our addresses have changed: whoever we meet from now on is told the new ones.
    fn on_moved(&mut self) {
        if let Some(record) = self.record.seal() {
            self.swarm.behaviour_mut().gate.set_record(&record);
            self.announce(record);
        }
    }

    fn on_ping(&mut self, event: &ping::Event) {
        let ping::Event { peer, connection, result } = event;
        match result {
            Ok(round_trip) => {
                self.round_trips.insert(*connection, *round_trip);
            }
            // Nobody is there any more, and a peer that comes back would be a duplicate of itself.
            // Gossip notices by itself, and says why it hangs up.
            Err(ping::Failure::Timeout) if !self.links.holds(peer, *connection) => {
                tracing::info!(%peer, "does not answer");
                self.swarm.close_connection(*connection);
            }
            Err(error) => tracing::debug!(%peer, %error, "ping failed"),
        }
    }

    fn on_gate(&mut self, event: GateEvent<GatedEvent>) {
        match event {
            GateEvent::Inner(GatedEvent::Gossip(event)) => self.on_conversation(event),
            GateEvent::Inner(GatedEvent::Seed(event)) => self.on_question(event),
            GateEvent::Inner(GatedEvent::Session(event)) => tracing::debug!(?event, "protocol"),
            GateEvent::Inner(GatedEvent::Orders(event)) => {
                self.on_session(Whence::Inside, event);
            }
            GateEvent::Inner(GatedEvent::Topics(event)) => self.on_broadcast(event),
            GateEvent::Inner(GatedEvent::Aggregation(event)) => self.on_aggregation(event),
            GateEvent::Inner(GatedEvent::Msg(event)) => self.on_msg(event),
            GateEvent::Inner(GatedEvent::Ack(event)) => self.on_ack(event),
            GateEvent::Inner(GatedEvent::Dht(event)) => self.on_dht(event),
            GateEvent::Opened(info) => self.on_opened(&info),
            GateEvent::Closed(info) => self.on_closed(&info),
            GateEvent::Probed(info) => {
                tracing::debug!(peer = %info.peer, address = %info.address, "answers");
                self.on_reached(&info);
            }
            GateEvent::Refused { peer, address, dialled, refusal, .. } => {
                self.on_refused(peer, &address, dialled, &refusal);
            }
            GateEvent::SelfDialled { address } => tracing::debug!(%address, "this is ourselves"),
            GateEvent::BanStored { banned, outcome } => self.on_ban_stored(banned, outcome),
        }
    }

    fn on_opened(&mut self, info: &SessionInfo) {
        let SessionInfo { peer, connection, kind, declared, address, agent, version, .. } = info;
        if *declared == SessionKind::Seed {
            tracing::debug!(%peer, %kind, %address, ?agent, %version, "visit");
        } else {
            tracing::info!(%peer, %kind, %address, ?agent, %version, "connected");
        }
        if *kind != SessionKind::Inbound {
            self.on_reached(info);
        } else if self.params.config().network.role == Role::Seed
            && let Some(record) = &info.record
        {
            self.gated().seed.command(seed::Command::Met(Box::new(record.clone())));
        }
        if is_lasting(info) {
            if self.links.is_empty() {
                self.desk.signals.joined.notify_one();
            }
            self.links.opened(*peer, *connection);
            let direction = match kind {
                SessionKind::Inbound => Direction::Inbound,
                _ => Direction::Outbound,
            };
            let (address, record) = (address.clone(), info.record.clone().map(Arc::new));
            if let Some(record) = &record {
                self.met(record);
            }
            let opened = Box::new(Opened { peer: *peer, direction, address, record });
            // Whoever has packets or messages for somebody keeps the link as long as there are some.
            let carries = self.relays.is_some() || self.messages.is_some();
            let aside = *declared == SessionKind::Direct && carries;
            let aside = if aside { gossip::Command::OpenedAside } else { gossip::Command::Opened };
            self.gossip(aside(opened));
        }
    }

    fn on_closed(&mut self, info: &SessionInfo) {
        let SessionInfo { peer, kind, declared, connection, .. } = *info;
        if declared == SessionKind::Seed {
            tracing::debug!(%peer, %kind, "end of a visit");
        } else {
            tracing::info!(%peer, %kind, "disconnected");
        }
        if self.links.closed(peer, connection) {
            self.met.remove(&peer);
            self.gossip(gossip::Command::Closed { peer });
            self.look_after_bans(Clock::wall());
        }
    }

    /// A peer answered where its record says.
    fn on_reached(&mut self, info: &SessionInfo) {
        if self.reached.add(info) {
            let records = self.reached.records();
            self.swarm.behaviour_mut().gate.set_alternatives(records);
        }
    }

    fn on_refused(&mut self, peer: PeerId, address: &Multiaddr, dialled: bool, refusal: &Refusal) {
        // Two nodes that do not fit together are for the operator to know; a crowd at the door is
        // not worth a line each.
        let misfit = matches!(
            refusal.code(),
            Some(RejectCode::Network | RejectCode::Application | RejectCode::Version)
        );
        if dialled || misfit {
            tracing::info!(%peer, %address, dialled, reason = %refusal, "refused");
        } else {
            tracing::debug!(%peer, %address, dialled, reason = %refusal, "refused");
        }
        if let Refusal::Theirs { alternatives, .. } = refusal {
            self.learn(peer, Some(address.clone()), alternatives);
        }
    }

    /// `source` told of peers; their signatures hold.
    fn learn(&mut self, source: PeerId, address: Option<Multiaddr>, records: &[SignedRecord]) {
        if records.is_empty() {
            return;
        }
        self.seeking.told();
        let records = records.iter().cloned().map(Arc::new).collect();
        self.gossip(gossip::Command::Learned { source, address, records });
    }

    fn on_conversation(&mut self, event: transport::Event<gossip::Core>) {
        match event {
            transport::Event::Core(event) => self.on_gossip(event),
            transport::Event::Fault { peer, fault } => {
                let verdict = fault.verdict();
                if verdict == Verdict::Note {
                    tracing::debug!(%peer, %fault, "odd, and nobody's fault");
                } else {
                    tracing::warn!(%peer, %fault, ?verdict, "broke a rule of gossip");
                }
                self.on_verdict(peer, verdict, "gossip");
            }
            transport::Event::Malformed { peer, error } => {
                tracing::warn!(%peer, %error, "malformed message of gossip");
                self.on_verdict(peer, Verdict::Charge(MALFORMED_PRICE), "malformed message");
            }
        }
    }

    fn on_gossip(&mut self, event: gossip::Event) {
        match event {
            gossip::Event::SeedsWanted { have, want } => {
                tracing::debug!(have, want, "asking seeds");
                self.seeking.begin();
                self.gated().seed.command(seed::Command::Seek { have, want });
            }
            gossip::Event::Learned { source, kept } => {
                tracing::debug!(%source, kept, "took peers into the book");
                self.seeking.answered(kept);
                self.on_sought();
            }
            gossip::Event::HangUp { peer } => self.swarm.behaviour_mut().gate.disconnect(peer),
            gossip::Event::Disconnected { peer, reason, theirs } => {
                let who = if theirs { "they" } else { "we" };
                tracing::info!(%peer, "{who} say goodbye: {reason}");
            }
            gossip::Event::Swapped { with, proposed, outcome: Ok(swap) } => {
                let Swap { gave, got, confirmed } = swap;
                tracing::info!(%with, proposed, %gave, %got, confirmed, "exchanged links");
                self.count_swap(if confirmed { "done" } else { "unconfirmed" });
            }
            gossip::Event::Swapped { with, proposed, outcome: Err(reason) } => {
                tracing::debug!(%with, proposed, %reason, "no exchange of links");
                self.count_swap(reason.name());
            }
            gossip::Event::Trusted { peer, outcome } => self.on_trusted(peer, outcome),
            gossip::Event::Distrusted { peer, was } => self.on_distrusted(peer, was),
            gossip::Event::StoreFailed { error } => {
                tracing::error!(%error, "the address book is not written down");
                *self.dropped.entry("address_book_unwritten").or_default() += 1;
            }
            gossip::Event::Ended { stored } => {
                if let Err(error) = stored {
                    tracing::error!(%error, "what was learned last is lost");
                }
                self.ended = true;
            }
            gossip::Event::TooFew { have } => tracing::debug!(have, "too few links"),
            gossip::Event::TooMany { have } => tracing::debug!(have, "too many links"),
            gossip::Event::Advertised { source, named, kept } => {
                tracing::debug!(%source, named, kept, "a neighbour told of peers");
            }
            gossip::Event::Sought { rest } => tracing::debug!(?rest, "seeds rest"),
            gossip::Event::Linked { peer } => tracing::debug!(%peer, "linked"),
            gossip::Event::Unlinked { peer } => tracing::debug!(%peer, "not linked any more"),
            gossip::Event::Dismissed { .. } | gossip::Event::BanNoted { .. } => {}
        }
    }

    fn count_swap(&mut self, outcome: &'static str) {
        let count = self.swaps.entry(outcome).or_default();
        *count = count.saturating_add(1);
    }

    /// Tells gossip how the visits to seeds went, once all is known.
    fn on_sought(&mut self) {
        if let Some(outcome) = self.seeking.outcome() {
            self.gossip(gossip::Command::Sought { outcome });
        }
    }

    fn on_question(&mut self, event: transport::Event<seed::Core>) {
        match event {
            transport::Event::Core(event) => self.on_seed(event),
            transport::Event::Fault { peer, fault } => {
                let verdict = fault.verdict();
                tracing::warn!(%peer, %fault, ?verdict, "broke a rule of the seed protocol");
                self.on_verdict(peer, verdict, "seed protocol");
            }
            transport::Event::Malformed { peer, error } => {
                tracing::warn!(%peer, %error, "malformed message of the seed protocol");
                self.on_verdict(peer, Verdict::Charge(MALFORMED_PRICE), "malformed message");
            }
        }
    }

    fn on_seed(&mut self, event: seed::Event) {
        match event {
            seed::Event::Learned { seed, records } => {
                let count = records.len();
                tracing::info!(%seed, count, "a seed told of peers");
                if count == 0 {
                    tracing::info!(
                        "it knows nobody it could reach; private addresses count only where \
                         network.allow_private is set, here and there"
                    );
                }
                let seeds = &self.params.config().network.seeds;
                let address = seeds.iter().find(|it| it.peer() == seed);
                let address = address.map(|it| it.multiaddr().clone());
                self.learn(seed, address, &records);
            }
            seed::Event::Failed { seed, error } => {
                tracing::warn!(%seed, %error, "visit to a seed failed");
            }
            seed::Event::Sought { outcome } => {
                tracing::debug!(?outcome, "asked seeds");
                self.seeking.ended(outcome);
                self.on_sought();
            }
            seed::Event::Probed { peer, outcome: Ok(()) } => {
                tracing::debug!(%peer, "reached a visitor where it says it is");
            }
            seed::Event::Probed { peer, outcome: Err(error) } => {
                tracing::info!(%peer, %error, "nobody is told of a visitor that is not reached");
            }
        }
    }

    pub(super) fn on_verdict(&mut self, peer: PeerId, verdict: Verdict, reason: &str) {
        let banned = match verdict {
            Verdict::Note => false,
            Verdict::Charge(points) => self.conduct.charge(peer, points, self.clock.now()),
            Verdict::Ban => true,
        };
        if banned && self.trusts(&peer) {
            tracing::warn!(%peer, reason, "would be banned, but is trusted");
        } else if banned {
            let now = Clock::wall();
            let (banned, until) = (Banned::Peer(peer), now.after(BAN));
            self.ban(Ban { banned, reason: reason.to_owned(), until }, None, now);
        }
    }
}

fn on_identify(event: &identify::Event) {
    if let identify::Event::Error { peer_id, error, .. } = event {
        tracing::debug!(peer = %peer_id, %error, "identify failed");
    }
}
