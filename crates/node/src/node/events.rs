//! What happens in the swarm, and who is told of it. Protocols do not know each other: where one
//! learns what another needs, this file connects them.

use std::time::Duration;

use handshake::seed;
use handshake::{
    Ban, Banned, DialError, Event as GateEvent, Refusal, RejectCode, SessionInfo, SessionKind,
};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, identify, ping};
use machine::{Blame, Verdict};
use transport::clock::Clock;

use wire::signed::SignedRecord;

use super::Node;
use super::behaviour::{BehaviourEvent, GatedEvent};
use crate::config::Role;

/// How long a peer is kept out that broke too many rules. At an hour it has cost an attacker an
/// identity and an address; for ever would punish who gets that address next.
const BAN: Duration = Duration::from_hours(1);

/// What bytes cost that are not the protocol: no honest implementation sends them twice.
const MALFORMED_PRICE: u16 = 50;

impl Node {
    pub(super) fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gate(event)) => self.on_gate(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => self.on_ping(&event),
            SwarmEvent::Behaviour(BehaviourEvent::Identify(event)) => on_identify(&event),
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
        }
    }

    fn on_ping(&mut self, event: &ping::Event) {
        let ping::Event { peer, connection, result } = event;
        match result {
            Ok(round_trip) => {
                self.round_trips.insert(*connection, *round_trip);
            }
            // Nobody is there any more, and a peer that comes back would be a duplicate of itself.
            Err(ping::Failure::Timeout) => {
                tracing::info!(%peer, "does not answer");
                self.swarm.close_connection(*connection);
            }
            Err(error) => tracing::debug!(%peer, %error, "ping failed"),
        }
    }

    fn on_gate(&mut self, event: GateEvent<GatedEvent>) {
        match event {
            GateEvent::Inner(GatedEvent::Seed(event)) => self.on_question(event),
            GateEvent::Inner(GatedEvent::Session(event)) => tracing::debug!(?event, "protocol"),
            GateEvent::Opened(info) => self.on_opened(&info),
            GateEvent::Closed(info) => {
                let SessionInfo { peer, kind, declared, connection, .. } = *info;
                if declared == SessionKind::Seed {
                    tracing::debug!(%peer, %kind, "end of a visit");
                } else {
                    tracing::info!(%peer, %kind, "disconnected");
                }
                self.overlay.closed(connection, self.clock.now());
            }
            GateEvent::Probed(info) => {
                tracing::debug!(peer = %info.peer, address = %info.address, "answers");
                self.on_reached(&info);
            }
            GateEvent::Refused { peer, address, dialled, refusal, .. } => {
                self.on_refused(peer, &address, dialled, &refusal);
            }
            GateEvent::SelfDialled { address } => tracing::debug!(%address, "this is ourselves"),
            GateEvent::BanStored { banned, outcome } => {
                tracing::debug!(%banned, ?outcome, "ban stored");
            }
        }
    }

    fn on_opened(&mut self, info: &SessionInfo) {
        let SessionInfo { peer, kind, declared, address, agent, version, .. } = info;
        if *declared == SessionKind::Seed {
            tracing::debug!(%peer, %kind, %address, ?agent, %version, "visit");
        } else {
            tracing::info!(%peer, %kind, %address, ?agent, %version, "connected");
        }
        self.overlay.opened(info, self.clock.now());
        if *kind != SessionKind::Inbound {
            self.on_reached(info);
        } else if self.params.config().network.role == Role::Seed
            && let Some(record) = &info.record
        {
            self.gated().seed.command(seed::Command::Met(Box::new(record.clone())));
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
            self.learn(alternatives);
        }
    }

    fn learn(&mut self, records: &[SignedRecord]) {
        let now = self.clock.now();
        for record in records {
            if !self.overlay.learn(record, now) {
                *self.dropped.entry("address_book_full").or_default() += 1;
            }
        }
    }

    pub(super) fn on_dialled(&mut self, peer: PeerId, outcome: &Result<ConnectionId, DialError>) {
        let named = || self.params.config().network.peers.iter().any(|named| named.peer() == peer);
        match outcome {
            Err(error) if named() => tracing::info!(%peer, %error, "dial came to nothing"),
            Err(error) => tracing::debug!(%peer, %error, "dial came to nothing"),
            Ok(_) => {}
        }
        self.overlay.dialled(peer, outcome.as_ref().map(|_| ()), self.clock.now());
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
                self.learn(&records);
            }
            seed::Event::Failed { seed, error } => {
                tracing::warn!(%seed, %error, "visit to a seed failed");
            }
            seed::Event::Sought { outcome } => {
                tracing::debug!(?outcome, "asked seeds");
                self.overlay.sought(&outcome, self.clock.now());
            }
            seed::Event::Probed { peer, outcome: Ok(()) } => {
                tracing::debug!(%peer, "reached a visitor where it says it is");
            }
            seed::Event::Probed { peer, outcome: Err(error) } => {
                tracing::info!(%peer, %error, "nobody is told of a visitor that is not reached");
            }
        }
    }

    fn on_verdict(&mut self, peer: PeerId, verdict: Verdict, reason: &str) {
        let banned = match verdict {
            Verdict::Note => false,
            Verdict::Charge(points) => self.conduct.charge(peer, points, self.clock.now()),
            Verdict::Ban => true,
        };
        if banned {
            tracing::warn!(%peer, reason, "banned for {BAN:?}");
            let until = Clock::wall().after(BAN);
            let ban = Ban { banned: Banned::Peer(peer), reason: reason.to_owned(), until };
            self.swarm.behaviour_mut().gate.ban(ban);
        }
    }
}

fn on_identify(event: &identify::Event) {
    if let identify::Event::Error { peer_id, error, .. } = event {
        tracing::debug!(peer = %peer_id, %error, "identify failed");
    }
}
