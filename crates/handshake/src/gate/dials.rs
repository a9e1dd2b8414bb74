//! Dials: what they are for, and who waits for their end.

use std::collections::BTreeMap;
use std::error::Error as _;

use libp2p_identity::PeerId;
use libp2p_swarm::behaviour::DialFailure;
use libp2p_swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p_swarm::{
    ConnectionDenied, ConnectionId, DialError as SwarmError, FromSwarm, NetworkBehaviour, ToSwarm,
};
use tokio::sync::oneshot;
use transport::address::admissible;
use transport::clock::Clock;

use super::banning::AddressBanned;
use super::{Gate, Guest, Stage};
use crate::dialer::{DialRequest, WAITING_MAX};
use crate::exchange::Side;
use crate::{Banned, DialError, Event, Refusal, SessionKind};

/// Dials of the inner behaviour that may wait for the end of a handshake. One more fails at once,
/// as one to a connected peer does: whoever sends once it is told of a connection still does.
const HELD_MAX: usize = 256;

type Reply = oneshot::Sender<Result<ConnectionId, DialError>>;

/// Dials under way.
#[derive(Debug, Default)]
pub(super) struct Dials {
    /// What those are for that we were asked for.
    kinds: BTreeMap<ConnectionId, SessionKind>,
    /// Who waits for their end.
    waiting: BTreeMap<ConnectionId, Reply>,
    /// Dials that failed while another connection to the same peer may still come in: to the inner
    /// behaviour they are a failure only if none does.
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    peer: PeerId,
    id: ConnectionId,
    /// What the swarm would say of a dial to a connected peer.
    condition: PeerCondition,
    /// Why, if it got as far as a handshake.
    refusal: Option<Refusal>,
}

impl Dials {
    /// What the connection was dialled for; a link of the overlay unless somebody said otherwise.
    pub(super) fn kind(&mut self, id: ConnectionId) -> SessionKind {
        self.kinds.remove(&id).unwrap_or(SessionKind::Outbound)
    }

    /// The inner behaviour is not told that its dial was refused before the peer's other
    /// connections are decided about: of two dials towards each other one is refused.
    pub(super) fn hold_refused(&mut self, peer: PeerId, id: ConnectionId, refusal: Refusal) {
        let condition = PeerCondition::DisconnectedAndNotDialing;
        self.held.push(Held { peer, id, condition, refusal: Some(refusal) });
    }

    pub(super) fn conclude(&mut self, id: ConnectionId, outcome: Result<(), DialError>) {
        self.kinds.remove(&id);
        if let Some(reply) = self.waiting.remove(&id)
            && reply.send(outcome.map(|()| id)).is_err()
        {
            // Nobody waits any more.
        }
    }
}

impl<B: NetworkBehaviour> Gate<B> {
    pub(super) fn on_request(&mut self, request: DialRequest) {
        let DialRequest { peer, addresses, kind, reply } = request;
        let given_by_operator = matches!(kind, SessionKind::Manual | SessionKind::Seed);
        let allow_private = self.shared.params.allow_private || given_by_operator;
        let addresses: Vec<_> = addresses
            .into_iter()
            .filter(|address| admissible(address, allow_private).is_ok())
            .collect();
        if let Err(error) = self.may_dial(peer, kind, addresses.is_empty()) {
            if reply.send(Err(error)).is_err() {
                // Nobody waits any more.
            }
            return;
        }
        let condition = if kind == SessionKind::Refine {
            PeerCondition::Always
        } else {
            // A stranger from that peer must not stand in the way: rivals are sorted out later.
            PeerCondition::NotDialing
        };
        let opts = DialOpts::peer_id(peer).addresses(addresses).condition(condition).build();
        self.dials.kinds.insert(opts.connection_id(), kind);
        self.dials.waiting.insert(opts.connection_id(), reply);
        self.out.push_back(ToSwarm::Dial { opts });
    }

    fn may_dial(&self, peer: PeerId, kind: SessionKind, no_address: bool) -> Result<(), DialError> {
        if peer == self.local {
            return Err(DialError::Oneself);
        }
        if no_address {
            return Err(DialError::NoAddress);
        }
        if self.inside.contains_key(&peer) && kind != SessionKind::Refine {
            return Err(DialError::AlreadyConnected);
        }
        if let Some(ban) = self.bans.find(Banned::Peer(peer), Clock::wall()) {
            return Err(DialError::Banned { reason: ban.reason.clone() });
        }
        let outbound = |guest: &&Guest| {
            guest.side == Side::Dialer
                && guest.declared == SessionKind::Outbound
                && guest.takes_slot()
        };
        if kind == SessionKind::Outbound
            && self.guests.values().filter(outbound).count() >= self.shared.params.outbound_max
        {
            return Err(DialError::Full);
        }
        if self.dials.waiting.len() >= WAITING_MAX {
            return Err(DialError::Busy);
        }
        Ok(())
    }

    pub(super) fn on_dial_failure(&mut self, failure: DialFailure<'_>) {
        if let SwarmError::LocalPeerId { address } = failure.error {
            self.count_refused(failure.connection_id, crate::RejectCode::SelfDial.name());
            self.emit(Event::SelfDialled { address: address.clone() });
        }
        self.dials.conclude(failure.connection_id, Err(dial_error(failure.error)));
        let outside = |peer| self.guests.values().any(|guest| guest.peer == peer);
        match (failure.peer_id, failure.error) {
            // The swarm thinks that we are connected; the inner behaviour does not.
            (Some(peer), &SwarmError::DialPeerConditionFalse(condition))
                if outside(peer)
                    && !self.inside.contains_key(&peer)
                    && self.dials.held.len() < HELD_MAX =>
            {
                let id = failure.connection_id;
                self.dials.held.push(Held { peer, id, condition, refusal: None });
                self.answer_held_dials(peer);
            }
            _ => self.inner.on_swarm_event(FromSwarm::DialFailure(failure)),
        }
    }

    /// Ends the inner behaviour's dials that wait for what becomes of `peer`'s connections, once
    /// that is known.
    pub(super) fn answer_held_dials(&mut self, peer: PeerId) {
        let known = self.inside.contains_key(&peer);
        let of_peer = || self.guests.values().filter(|guest| guest.peer == peer);
        if !known && of_peer().any(Guest::is_undecided) {
            return;
        }
        let refused = of_peer().find_map(|guest| match &guest.stage {
            Stage::Refused(refusal) => Some(refusal.clone()),
            _ => None,
        });
        for held in self.dials.held.extract_if(.., |held| held.peer == peer) {
            let error = if known {
                SwarmError::DialPeerConditionFalse(held.condition)
            } else {
                let refusal = held.refusal.or_else(|| refused.clone());
                let refusal = refusal.unwrap_or(Refusal::Disconnected);
                SwarmError::Denied { cause: ConnectionDenied::new(refusal) }
            };
            let failure =
                DialFailure { peer_id: Some(peer), error: &error, connection_id: held.id };
            self.inner.on_swarm_event(FromSwarm::DialFailure(failure));
        }
    }
}

fn dial_error(error: &SwarmError) -> DialError {
    match error {
        SwarmError::LocalPeerId { .. } => DialError::Oneself,
        SwarmError::NoAddresses => DialError::NoAddress,
        SwarmError::DialPeerConditionFalse(_) => DialError::AlreadyConnected,
        SwarmError::WrongPeerId { obtained, .. } => DialError::OtherPeer { found: *obtained },
        SwarmError::Aborted => DialError::Stopping,
        SwarmError::Denied { cause } => match cause.downcast_ref::<AddressBanned>() {
            Some(banned) => DialError::Banned { reason: banned.reason.clone() },
            None => DialError::Unreachable { reason: reason_of(cause) },
        },
        SwarmError::Transport(attempts) => {
            let reason = attempts.first().map_or_else(String::new, |(_, error)| error.to_string());
            DialError::Unreachable { reason }
        }
    }
}

/// What a behaviour says about its denial; the wrapper says only that it is one.
pub(super) fn reason_of(denied: &ConnectionDenied) -> String {
    denied.source().map_or_else(String::new, ToString::to_string)
}
