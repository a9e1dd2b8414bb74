//! What becomes of a connection: accepted, shown to the inner behaviour, or refused.

use std::sync::Arc;

use libp2p_core::ConnectedPoint;
use libp2p_identity::PeerId;
use libp2p_swarm::behaviour::{ConnectionEstablished, ListenFailure};
use libp2p_swarm::dial_opts::PeerCondition;
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, ListenError, NetworkBehaviour, THandler,
};
use rand::seq::SliceRandom;
use transport::clock::Clock;

use super::dials::reason_of;
use super::{Arrival, Gate, Guest, Stage};
use crate::admission::{self, Facts};
use crate::exchange::Side;
use crate::handler::FromGate;
use crate::reject::ALTERNATIVES_MAX;
use crate::rivals::Rival;
use crate::{
    DialError, Event, Feature, Refusal, Reject, RejectCode, SessionInfo, SessionKind, Theirs,
};

impl<B: NetworkBehaviour> Gate<B> {
    /// The remote introduced itself; of two nodes the dialer is the second to decide.
    pub(super) fn on_introduced(&mut self, id: ConnectionId, theirs: Box<Theirs>) {
        // One that was turned out in the meantime is on its way out.
        let pending = |guest: &&mut Guest| matches!(guest.stage, Stage::Pending);
        let Some(guest) = self.guests.get_mut(&id).filter(pending) else { return };
        let (peer, side) = (guest.peer, guest.side);
        if side == Side::Listener {
            guest.declared = theirs.version.kind;
        }
        match self.judge(id, &theirs) {
            Err(reject) => self.refuse(id, reject),
            Ok(features) => {
                if side == Side::Listener {
                    self.notify(peer, id, FromGate::Accept { features: features.clone() });
                }
                if let Some(guest) = self.guests.get_mut(&id) {
                    guest.stage = Stage::Accepted { theirs, features };
                }
                if side == Side::Dialer {
                    self.on_agreed(id);
                }
            }
        }
    }

    /// Both sides accepted; a dialer has yet to say so, and does unless the inner behaviour denies.
    pub(super) fn on_agreed(&mut self, id: ConnectionId) {
        let accepted = |guest: &&mut Guest| matches!(guest.stage, Stage::Accepted { .. });
        let Some(guest) = self.guests.get_mut(&id).filter(accepted) else { return };
        let Stage::Accepted { theirs, features } =
            std::mem::replace(&mut guest.stage, Stage::Visited)
        else {
            return;
        };
        guest.since = self.clock.now();
        let info = Arc::new(info_of(id, guest, *theirs, features));
        if guest.declared == SessionKind::Refine {
            let (peer, dialled) = (guest.peer, guest.side == Side::Dialer);
            if dialled {
                self.notify(peer, id, FromGate::Accept { features: info.features.clone() });
            }
            self.notify(peer, id, FromGate::Part);
            if dialled {
                self.dials.conclude(id, Ok(()));
                self.emit(Event::Probed(info));
            }
            return;
        }
        self.admit(id, info);
    }

    /// To the inner behaviour the connection is new now.
    fn admit(&mut self, id: ConnectionId, info: Arc<SessionInfo>) {
        let Some(guest) = self.guests.get(&id) else { return };
        let Some(Arrival { endpoint, failed }) = &guest.arrival else { return };
        let (peer, side) = (guest.peer, guest.side);
        let (endpoint, failed) = (endpoint.clone(), failed.clone());
        // Whoever is asked for a handler may already want to know what was agreed.
        self.sessions.insert(Arc::clone(&info));
        match self.make_handler(id, peer, &endpoint) {
            Ok(handler) => {
                if let Some(guest) = self.guests.get_mut(&id) {
                    guest.stage = Stage::Inside;
                }
                let inside = self.inside.entry(peer).or_default();
                let other_established = inside.len();
                inside.push(id);
                self.inner.on_swarm_event(FromSwarm::ConnectionEstablished(
                    ConnectionEstablished {
                        peer_id: peer,
                        connection_id: id,
                        endpoint: &endpoint,
                        failed_addresses: &failed,
                        other_established,
                    },
                ));
                if side == Side::Dialer {
                    self.notify(peer, id, FromGate::Accept { features: info.features.clone() });
                }
                let holds = info.declared != SessionKind::Seed;
                self.notify(peer, id, FromGate::Install { handler: Box::new(handler), holds });
                self.dials.conclude(id, Ok(()));
                self.answer_held_dials(peer);
                self.emit(Event::Opened(info));
            }
            Err(cause) => {
                self.sessions.remove(id);
                let reject = Reject::new(RejectCode::Denied, reason_of(&cause));
                self.refuse(id, reject);
            }
        }
    }

    fn make_handler(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        endpoint: &ConnectedPoint,
    ) -> Result<THandler<B>, ConnectionDenied> {
        match endpoint {
            ConnectedPoint::Dialer { address, role_override, port_use } => {
                self.inner.handle_established_outbound_connection(
                    id,
                    peer,
                    address,
                    *role_override,
                    *port_use,
                )
            }
            ConnectedPoint::Listener { local_addr, send_back_addr } => self
                .inner
                .handle_established_inbound_connection(id, peer, local_addr, send_back_addr),
        }
    }

    fn judge(&self, id: ConnectionId, theirs: &Theirs) -> Result<Vec<Feature>, Reject> {
        let Some(guest) = self.guests.get(&id) else {
            return Err(Reject::new(RejectCode::Denied, ""));
        };
        let others = || self.guests.iter().filter(|(other, _)| **other != id);
        let rivals: Vec<_> = others()
            .filter(|(_, other)| other.peer == guest.peer)
            .filter_map(|(_, other)| Some(Rival { side: other.side, progress: other.progress()? }))
            .collect();
        let now = Clock::wall();
        let ban = self.ban_of(guest.peer, &guest.address(), now);
        let facts = Facts {
            local: self.local,
            peer: guest.peer,
            side: guest.side,
            declared: guest.declared,
            named: self.named.contains(&guest.peer),
            nonce_is_ours: self.guests.values().any(|other| other.nonce == theirs.version.nonce),
            ban: ban.map(|ban| (ban, ban.until.since(now))),
            taken: others().filter(|(_, other)| self.competes(guest, other)).count(),
            rivals: &rivals,
        };
        admission::judge(&self.shared.params, &facts, &theirs.version)
    }

    /// Whether `other` takes a slot that `guest` would need.
    fn competes(&self, guest: &Guest, other: &Guest) -> bool {
        let same = other.side == guest.side
            && (guest.side == Side::Listener || other.declared == SessionKind::Outbound);
        same && other.takes_slot() && !self.named.contains(&other.peer)
    }

    /// Tells them, with whom to try instead where that helps.
    pub(super) fn refuse(&mut self, id: ConnectionId, reject: Reject) {
        let Some(peer) = self.guests.get(&id).map(|guest| guest.peer) else { return };
        let reject = match reject.code {
            RejectCode::Full | RejectCode::Private => {
                let mut others: Vec<_> =
                    self.alternatives.iter().filter(|record| record.peer() != peer).collect();
                let (some, _) = others.partial_shuffle(&mut self.rng, ALTERNATIVES_MAX);
                reject.alternatives(some.iter().map(|record| record.encoded().clone()))
            }
            RejectCode::Network
            | RejectCode::Application
            | RejectCode::Version
            | RejectCode::Duplicate
            | RejectCode::SelfDial
            | RejectCode::Banned
            | RejectCode::Timeout
            | RejectCode::Malformed
            | RejectCode::Denied
            | RejectCode::Unknown => reject,
        };
        self.notify(peer, id, FromGate::Refuse(reject.clone()));
        self.stays_outside(id, Refusal::Ours(reject));
    }

    /// Notes that the connection will not come in, and tells whoever has to know. Once per
    /// connection.
    pub(super) fn stays_outside(&mut self, id: ConnectionId, refusal: Refusal) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        if !guest.is_undecided() && !matches!(guest.stage, Stage::Visited) {
            return;
        }
        guest.stage = Stage::Refused(refusal.clone());
        let (peer, address) = (guest.peer, guest.address());
        let endpoint = guest.arrival.as_ref().map(|arrival| arrival.endpoint.clone());
        let dialled = guest.side == Side::Dialer;
        self.count_refused(id, refusal.name());
        match endpoint {
            Some(ConnectedPoint::Dialer { .. }) => {
                let condition = PeerCondition::DisconnectedAndNotDialing;
                self.hold_dial(peer, id, condition, Some(refusal.clone()));
            }
            Some(ConnectedPoint::Listener { local_addr, send_back_addr }) => {
                let error = ListenError::Denied { cause: ConnectionDenied::new(refusal.clone()) };
                self.inner.on_swarm_event(FromSwarm::ListenFailure(ListenFailure {
                    local_addr: &local_addr,
                    send_back_addr: &send_back_addr,
                    error: &error,
                    connection_id: id,
                    peer_id: Some(peer),
                }));
            }
            None => {}
        }
        self.dials.conclude(id, Err(DialError::Refused(refusal.clone())));
        self.answer_held_dials(peer);
        self.emit(Event::Refused { peer, connection: id, address, dialled, refusal });
    }
}

fn info_of(id: ConnectionId, guest: &Guest, theirs: Theirs, features: Vec<Feature>) -> SessionInfo {
    let Theirs { version, record } = theirs;
    SessionInfo {
        peer: guest.peer,
        connection: id,
        kind: guest.kind(),
        declared: guest.declared,
        address: guest.address(),
        agent: version.agent,
        version: version.version,
        features,
        record,
        observed: version.observed,
        since: guest.since,
    }
}
